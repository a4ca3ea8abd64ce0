#include "client/error/error_open.h"

#include <math.h>

#include "client/error/sink_test.h"
#include "sonde/metric.h"

/* The value of a metric's line of the text exposition; NaN where there is none. */
static double metric(const char *line)
{
    char *all = sonde_metrics_new_text(SONDE_METRICS_TEXT);
    assert_non_null(all);
    char *at = strstr(all, line);
    double value = at ? strtod(at + strlen(line), NULL) : NAN;
    free(all);
    return value;
}

static void an_end_within_the_wait_is_told_by_the_event_itself(void **state)
{
    sink_start("error.recovery_wait_ms=60000", NULL);
    sonde_error_ref ref = sonde_error_scope_begin("ConnectError", "no connection");
    assert_true(ref != 0);
    sonde_error_scope_retry(ref);
    sonde_error_scope_retry(ref);
    usleep(30000);
    assert_int_equal(sink_count("event"), 0); /* it waits */
    assert_int_equal(sonde_error_end(ref, SONDE_OUTCOME_RECOVERED), 0);
    assert_int_equal(sonde_error_end(ref, SONDE_OUTCOME_FATAL), SONDE_ERROR_NOT_FOUND);
    json_t *e = sink_event(0);
    assert_non_null(e);
    assert_string_equal(sink_string(e, "contexts.recovery.outcome"), "recovered");
    assert_int_equal(json_integer_value(sink_at(e, "contexts.recovery.retries")), 2);
    double seconds = json_number_value(sink_at(e, "contexts.recovery.seconds"));
    assert_true(seconds > 0.02 && seconds < 5);
    assert_string_equal(json_string_value(json_object_get(sink_at(e, "tags"), "error.outcome")),
                        "recovered");
    (void)sonde_flush(1000);
    assert_int_equal(sink_count("event"), 1);
    sonde_error_recent recent;
    assert_int_equal(sonde_error_recent_list(&recent, 1, sizeof recent), 1);
    assert_int_equal(recent.outcome, SONDE_OUTCOME_RECOVERED);
    assert_int_equal(recent.retries, 2);
    assert_true(recent.recovery_seconds > 0.02);
    sink_stop();
}

static void an_end_after_its_event_is_told_by_a_second_one(void **state)
{
    sink_start("error.recovery_wait_ms=0", NULL);
    sonde_error_ref ref = sonde_error_scope_begin("CacheError", "mail to jane@example.com");
    json_t *e = sink_event(0);
    assert_non_null(e);
    assert_null(sink_at(e, "contexts.recovery"));
    char id[33];
    sonde_error_event_id(ref, id);
    assert_int_equal(sonde_error_end(ref, SONDE_OUTCOME_DEGRADED), 0);
    e = sink_event(1);
    assert_non_null(e);
    assert_string_equal(sink_string(e, "level"), "warning");
    assert_string_equal(sink_string(e, "contexts.recovery.outcome"), "degraded");
    assert_string_equal(json_string_value(json_object_get(sink_at(e, "tags"), "error.event_id")),
                        id);
    assert_string_not_equal(sink_string(e, "event_id"), id);
    assert_non_null(strstr(sink_string(e, "message.formatted"), "CacheError degraded after"));
    assert_non_null(strstr(sink_string(e, "message.formatted"), "mail to [email]"));
    sink_stop();
    sink_start("error.recovery_wait_ms=0", "error.updates=false", NULL);
    ref = sonde_error_scope_begin("CacheError", "x");
    assert_non_null(sink_event(0));
    assert_int_equal(sonde_error_end(ref, SONDE_OUTCOME_DEGRADED), 0);
    assert_null(sink_event(1));
    sink_stop();
}

static void errors_are_counted_once_by_type_level_and_outcome(void **state)
{
    sink_start("error.recovery_wait_ms=0", NULL);
    for (int i = 0; i < 20; i++) { /* all but one of them left out: counted all the same */
        sonde_error_capture(SONDE_LEVEL_ERROR, "CountedError", "x");
    }
    for (int i = 0; i < 3; i++) {
        sonde_error_ref ref = sonde_error_scope_begin("FollowedError", "x");
        assert_true(ref != 0); /* also those that are alike */
        assert_int_equal(sonde_error_end(ref, SONDE_OUTCOME_RETRIED), 0);
    }
    sonde_flush(1000);
    assert_true(metric("sonde_errors_total{type=\"CountedError\",level=\"error\","
                       "outcome=\"handled\"} ") == 20);
    assert_true(metric("sonde_errors_total{type=\"FollowedError\",level=\"error\","
                       "outcome=\"retried\"} ") == 3);
    assert_true(metric("sonde_error_recovery_seconds_count{type=\"FollowedError\"} ") == 3);
    sink_stop();
}

static void types_beyond_the_bound_are_counted_as_other(void **state)
{
    sink_start("error.per_second_max=1", NULL);
    for (int i = 0; i < 2 * ERROR_TYPES_MAX; i++) {
        char type[32];
        snprintf(type, sizeof type, "Many%d", i);
        sonde_error_capture(SONDE_LEVEL_INFO, type, "x");
    }
    assert_true(metric("sonde_errors_total{type=\"other\",level=\"info\",outcome=\"handled\"} ") >=
                ERROR_TYPES_MAX);
    sink_stop();
}

static void what_nobody_ends_is_ended_as_unknown(void **state)
{
    sink_start("error.recovery_max_ms=50", "error.recovery_wait_ms=10", NULL);
    sonde_error_ref ref = sonde_error_scope_begin("LostError", "x");
    usleep(100000);
    sonde_flush(1000);
    assert_int_equal(sonde_error_end(ref, SONDE_OUTCOME_RECOVERED), SONDE_ERROR_NOT_FOUND);
    {
        SONDE_ERROR_SCOPE(left, "LeftError", "x");
        assert_true(left != 0);
    }
    sonde_flush(1000);
    assert_true(metric("sonde_errors_total{type=\"LostError\",level=\"error\","
                       "outcome=\"unknown\"} ") == 1);
    assert_true(metric("sonde_errors_total{type=\"LeftError\",level=\"error\","
                       "outcome=\"unknown\"} ") == 1);
    sink_stop();
}

static void more_open_errors_than_there_is_room_for_do_no_harm(void **state)
{
    sink_start("error.per_second_max=1000", NULL);
    sonde_error_ref refs[ERROR_OPEN_MAX + 50];
    for (size_t i = 0; i < ERROR_OPEN_MAX + 50; i++) {
        refs[i] = sonde_error_scope_begin("Flood", "x");
        assert_true(refs[i] != 0);
    }
    for (size_t i = 0; i < ERROR_OPEN_MAX + 50; i++) {
        int err = sonde_error_end(refs[i], SONDE_OUTCOME_HANDLED);
        assert_int_equal(err, i < ERROR_OPEN_MAX ? 0 : SONDE_ERROR_NOT_FOUND);
    }
    sonde_flush(1000);
    assert_true(sonde_error_scope_begin("Flood", "x") != 0);
    sink_stop();
}

static void retries_pause_longer_each_time_and_are_one_error(void **state)
{
    sink_start("error.recovery_wait_ms=60000", NULL);
    sonde_retry retry = SONDE_RETRY_INIT;
    retry.type = "FetchError";
    retry.pause_ms = 10;
    retry.jitter = 0;
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    int tries = 0;
    while (sonde_retry_next(&retry)) {
        if (++tries == 4) {
            sonde_retry_done(&retry);
            break;
        }
        sonde_retry_failed(&retry, "no answer");
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    double ms =
        (double)(end.tv_sec - begin.tv_sec) * 1e3 + (double)(end.tv_nsec - begin.tv_nsec) / 1e6;
    assert_int_equal(tries, 4);
    assert_true(ms >= 70); /* 10 + 20 + 40 */
    json_t *e = sink_event(0);
    assert_string_equal(sink_string(e, "level"), "warning");
    assert_string_equal(sink_string(e, "contexts.recovery.outcome"), "retried");
    assert_int_equal(json_integer_value(sink_at(e, "contexts.recovery.retries")), 3);
    sonde_retry never = SONDE_RETRY_INIT;
    never.type = "NeverError";
    never.pause_ms = 1;
    never.attempts_max = 3;
    tries = 0;
    while (sonde_retry_next(&never)) {
        tries++;
        sonde_retry_failed(&never, "no answer");
    }
    assert_int_equal(tries, 3);
    e = sink_event(1);
    assert_string_equal(sink_string(e, "level"), "error");
    assert_string_equal(sink_string(e, "contexts.recovery.outcome"), "fatal");
    sink_stop();
    sonde_retry without = SONDE_RETRY_INIT; /* the library does not run */
    without.pause_ms = 1;
    without.attempts_max = 2;
    tries = 0;
    while (sonde_retry_next(&without)) {
        tries++;
        sonde_retry_failed(&without, "x");
    }
    assert_int_equal(tries, 2);
}

static void the_command_lists_what_was_captured(void **state)
{
    sink_start(NULL);
    sonde_error_capture(SONDE_LEVEL_ERROR, "FirstError", "a");
    sonde_error_capture(SONDE_LEVEL_FATAL, "SecondError", "b");
    sonde_flush(1000);
    char answer[8192];
    size_t n;
    assert_int_equal(sonde_query("captured", answer, sizeof answer, &n), 0);
    json_t *j = json_loads(answer, 0, NULL);
    assert_int_equal(json_array_size(sink_at(j, "errors")), 2);
    assert_string_equal(sink_string(j, "errors.0.type"), "SecondError");
    assert_string_equal(sink_string(j, "errors.0.outcome"), "fatal");
    assert_string_equal(sink_string(j, "errors.1.level"), "error");
    json_decref(j);
    assert_int_equal(sonde_query("captured 1", answer, sizeof answer, &n), 0);
    j = json_loads(answer, 0, NULL);
    assert_int_equal(json_array_size(sink_at(j, "errors")), 1);
    json_decref(j);
    assert_int_equal(sonde_query("captured zero", answer, sizeof answer, &n), SONDE_ERROR_ARGUMENT);
    sink_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_end_within_the_wait_is_told_by_the_event_itself),
        cmocka_unit_test(an_end_after_its_event_is_told_by_a_second_one),
        cmocka_unit_test(errors_are_counted_once_by_type_level_and_outcome),
        cmocka_unit_test(what_nobody_ends_is_ended_as_unknown),
        cmocka_unit_test(more_open_errors_than_there_is_room_for_do_no_harm),
        cmocka_unit_test(retries_pause_longer_each_time_and_are_one_error),
        cmocka_unit_test(the_command_lists_what_was_captured),
        cmocka_unit_test(types_beyond_the_bound_are_counted_as_other), /* last: types stay */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
