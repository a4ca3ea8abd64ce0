#include "client/error/session.h"

#include <sys/wait.h>

#include "client/error/sink_test.h"

static void a_short_program_is_one_session_told_once(void **state)
{
    sink_start(NULL);
    sonde_flush(1000);
    assert_int_equal(sink_count("session"), 0);
    sonde_shutdown(5000);
    assert_int_equal(sink_count("session"), 1);
    json_t *s = sink_get("session", 0)->body;
    assert_int_equal(strlen(sink_string(s, "sid")), 32);
    assert_true(json_is_true(sink_at(s, "init")));
    assert_string_equal(sink_string(s, "status"), "exited");
    assert_int_equal(json_integer_value(sink_at(s, "errors")), 0);
    assert_true(json_number_value(sink_at(s, "duration")) >= 0);
    assert_string_equal(sink_string(s, "attrs.release"), "shop@1.4.2");
    assert_string_equal(sink_string(s, "attrs.environment"), "test");
    assert_string_equal(sink_get("session", 0)->category, "session");
}

static void errors_and_the_user_are_part_of_the_session(void **state)
{
    sink_start(NULL);
    sonde_user user = SONDE_USER_INIT;
    user.id = "jane@example.com";
    sonde_set_user(&user);
    sonde_error_capture(SONDE_LEVEL_ERROR, "A", "x");
    sonde_error_capture(SONDE_LEVEL_ERROR, "A", "x");
    sonde_error_capture(SONDE_LEVEL_WARNING, "A", "x"); /* no error */
    sonde_flush(1000);
    assert_int_equal(sink_count("session"), 1); /* the first error is told at once */
    json_t *first = sink_get("session", 0)->body;
    assert_string_equal(sink_string(first, "status"), "ok");
    assert_true(json_is_true(sink_at(first, "init")));
    struct session_state raw;
    session_raw(&raw);
    assert_int_equal(raw.errors, 2);
    assert_int_equal(raw.open, 1);
    sonde_shutdown(5000);
    json_t *last = sink_get("session", 1)->body;
    assert_string_equal(sink_string(last, "sid"), sink_string(first, "sid"));
    assert_false(json_is_true(sink_at(last, "init")));
    assert_string_equal(sink_string(last, "status"), "exited");
    assert_int_equal(json_integer_value(sink_at(last, "errors")), 2);
    assert_int_equal(json_integer_value(sink_at(last, "seq")), 1);
    const char *did = sink_string(last, "did"); /* not the address itself */
    assert_memory_equal(did, "u-", 2);
    assert_string_equal(did, sink_string(first, "did"));
    session_raw(&raw);
    assert_int_equal(raw.open, 0);
}

static void sessions_begin_and_end_as_the_program_says(void **state)
{
    sink_start("session.auto=false", NULL);
    assert_int_equal(sonde_session_end(SONDE_SESSION_EXITED), SONDE_ERROR_STATE);
    assert_int_equal(sonde_session_start("u7"), 0);
    assert_int_equal(sonde_session_start("u8"), 0); /* ends the one before */
    assert_int_equal(sonde_session_end(SONDE_SESSION_ABNORMAL), 0);
    assert_int_equal(sonde_session_end(SONDE_SESSION_EXITED), SONDE_ERROR_STATE);
    assert_int_equal(sonde_session_end(99), SONDE_ERROR_ARGUMENT);
    sonde_flush(1000);
    assert_int_equal(sink_count("session"), 2);
    assert_string_equal(sink_string(sink_get("session", 0)->body, "did"), "u7");
    assert_string_equal(sink_string(sink_get("session", 0)->body, "status"), "exited");
    assert_string_equal(sink_string(sink_get("session", 1)->body, "status"), "abnormal");
    sonde_shutdown(5000);
    assert_int_equal(sink_count("session"), 2);
}

static void requests_are_sums_by_minute(void **state)
{
    sink_start("session.mode=request", NULL);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(sonde_session_start(NULL), 0);
        if (i < 3) {
            sonde_error_capture(SONDE_LEVEL_ERROR, "A", "x");
        }
        assert_int_equal(sonde_session_end(i == 9 ? SONDE_SESSION_CRASHED : SONDE_SESSION_EXITED),
                         0);
    }
    assert_int_equal(sonde_session_end(SONDE_SESSION_EXITED), SONDE_ERROR_STATE);
    sonde_flush(1000);
    assert_int_equal(sink_count("session"), 0);
    uint64_t exited = 0, errored = 0, crashed = 0;
    for (size_t i = 0; i < sink_count("sessions"); i++) { /* two where a minute ended meanwhile */
        json_t *s = sink_get("sessions", i)->body, *one;
        size_t k;
        assert_string_equal(sink_string(s, "attrs.release"), "shop@1.4.2");
        json_array_foreach(sink_at(s, "aggregates"), k, one)
        {
            assert_non_null(strstr(sink_string(one, "started"), ":00.000000Z"));
            exited += (uint64_t)json_integer_value(sink_at(one, "exited"));
            errored += (uint64_t)json_integer_value(sink_at(one, "errored"));
            crashed += (uint64_t)json_integer_value(sink_at(one, "crashed"));
        }
    }
    assert_int_equal(exited, 6);
    assert_int_equal(errored, 3);
    assert_int_equal(crashed, 1);
    sink_stop();
    const char *settings[] = {"socket=", "session.mode=sometimes", NULL};
    sonde_options o = SONDE_OPTIONS_INIT;
    o.settings = settings;
    assert_int_equal(sonde_init(&o), SONDE_ERROR_ARGUMENT);
    assert_non_null(strstr(sonde_last_problem(), "session.mode"));
}

static void a_mirror_shows_the_state_at_any_time(void **state)
{
    struct session_state place;
    memset(&place, 0xff, sizeof place);
    sink_start(NULL);
    session_mirror(&place);
    assert_int_equal(place.open, 1);
    assert_int_equal(place.errors, 0);
    assert_string_equal(place.release, "shop@1.4.2");
    sonde_error_capture(SONDE_LEVEL_ERROR, "A", "x");
    assert_int_equal(place.errors, 1);
    struct text t;
    text_init(&t, 4096);
    session_envelope(&place, "crashed", place.started_unix_ns + 1500000000, &t);
    pthread_mutex_lock(&sink.lock);
    size_t at = sink.n;
    sink_read("session", t.bytes, t.len);
    json_t *s = sink.items[at].body;
    pthread_mutex_unlock(&sink.lock);
    assert_string_equal(sink_string(s, "status"), "crashed");
    assert_true(json_number_value(sink_at(s, "duration")) == 1.5);
    text_done(&t);
    sink_stop();
    assert_int_equal(place.open, 0);
    session_mirror(NULL);
}

static void checkins_of_a_job_share_an_id_and_know_its_duration(void **state)
{
    sink_start(NULL);
    assert_int_equal(sonde_checkin("nightly", SONDE_CHECKIN_IN_PROGRESS, -1), 0);
    usleep(20000);
    assert_int_equal(sonde_checkin("nightly", SONDE_CHECKIN_OK, -1), 0);
    assert_int_equal(sonde_checkin("hourly", SONDE_CHECKIN_ERROR, 2.5), 0);
    sonde_flush(1000);
    assert_int_equal(sink_count("check_in"), 3);
    json_t *begin = sink_get("check_in", 0)->body, *end = sink_get("check_in", 1)->body;
    assert_string_equal(sink_string(begin, "monitor_slug"), "nightly");
    assert_string_equal(sink_string(begin, "status"), "in_progress");
    assert_null(sink_at(begin, "duration"));
    assert_string_equal(sink_string(end, "status"), "ok");
    assert_string_equal(sink_string(end, "check_in_id"), sink_string(begin, "check_in_id"));
    double seconds = json_number_value(sink_at(end, "duration"));
    assert_true(seconds >= 0.02 && seconds < 5);
    json_t *other = sink_get("check_in", 2)->body;
    assert_string_equal(sink_string(other, "status"), "error");
    assert_true(json_number_value(sink_at(other, "duration")) == 2.5);
    assert_string_not_equal(sink_string(other, "check_in_id"), sink_string(end, "check_in_id"));
    assert_string_equal(sink_get("check_in", 0)->category, "monitor");
    sink_stop();
}

static void a_child_has_a_session_of_its_own(void **state)
{
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    skip(); /* locks of sanitizers are held in a child, and it may start no thread */
#endif
    sink_start(NULL);
    struct session_state parent, child;
    session_raw(&parent);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        sonde_error_capture(SONDE_LEVEL_ERROR, "A", "x"); /* it uses the library */
        session_raw(&child);
        ssize_t n = write(ends[1], &child, sizeof child);
        _exit(n == sizeof child ? 0 : 1);
    }
    assert_true(pid > 0);
    assert_int_equal(read(ends[0], &child, sizeof child), sizeof child);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(child.open, 1);
    assert_int_equal(child.errors, 1);
    assert_memory_not_equal(child.id, parent.id, sizeof child.id);
    session_raw(&parent);
    assert_int_equal(parent.errors, 0);
    close(ends[0]);
    close(ends[1]);
    sink_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_program_is_one_session_told_once),
        cmocka_unit_test(errors_and_the_user_are_part_of_the_session),
        cmocka_unit_test(sessions_begin_and_end_as_the_program_says),
        cmocka_unit_test(requests_are_sums_by_minute),
        cmocka_unit_test(a_mirror_shows_the_state_at_any_time),
        cmocka_unit_test(checkins_of_a_job_share_an_id_and_know_its_duration),
        cmocka_unit_test(a_child_has_a_session_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
