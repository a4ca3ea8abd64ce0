#include "client/health/health.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "client/core/ticks.h"
#include "client/core/worker.h"
#include "sonde/sonde.h"

static const uint64_t SECOND = 1000000000;

static int begin(void **state)
{
    static char folder[64];
    snprintf(folder, sizeof folder, "spool.dir=/tmp/sonde-health-test-%d", (int)getpid());
    const char *const settings[] = {"socket=none", folder, NULL};
    sonde_options o = SONDE_OPTIONS_INIT;
    o.settings = settings;
    return sonde_init(&o);
}

static int end(void **state)
{
    return sonde_shutdown(5000);
}

/* As begin(), but without the library's thread, which would look at the real clock. */
static int begin_timeless(void **state)
{
    int err = begin(state);
    return err ? err : !worker_stop(ticks_monotonic_ns() + 5 * SECOND);
}

static int end_timeless(void **state)
{
    sonde_shutdown(5000); /* says that nothing was flushed: there is no thread to do it */
    return sonde_running();
}

/* What a check is to say, and how often it was asked. */
struct wanted {
    _Atomic int state;
    _Atomic int calls;
    _Atomic unsigned takes_us;
    const char *message;
};

static void check(sonde_health_result *ret, void *user)
{
    struct wanted *w = user;
    w->calls++;
    usleep(w->takes_us);
    sonde_health_figure(ret, "calls", w->calls);
    sonde_health_set(ret, w->state, w->message);
}

static sonde_health_options options_of(struct wanted *w, unsigned period_ms)
{
    sonde_health_options o = SONDE_HEALTH_OPTIONS_INIT;
    o.check = check;
    o.user = w;
    o.period_ms = period_ms;
    return o;
}

static int state_at(const char *name, uint64_t now)
{
    static struct health_view v;
    assert_true(health_find(name, now, &v));
    return v.word.state;
}

static void checks_run_on_their_periods(void **state)
{
    struct wanted fast = {.state = SONDE_HEALTHY}, slow = {.state = SONDE_HEALTHY};
    sonde_health_options a = options_of(&fast, 1000), b = options_of(&slow, 3000);
    uint64_t now = 100 * SECOND;
    assert_int_equal(health_register("fast", &a, now), 0);
    assert_int_equal(health_register("slow", &b, now), 0);
    assert_int_equal(state_at("fast", now), SONDE_HEALTH_UNKNOWN);
    int after = 0;
    for (int i = 0; i < 91; i++) {
        uint64_t next = health_tick(now);
        assert_true(next > now && next <= now + SECOND);
        now += SECOND / 3;
        after++;
    }
    assert_int_equal(state_at("fast", now), SONDE_HEALTHY);
    /* 91 looks, a third of a second apart: each third one finds the fast one due, or the fourth. */
    assert_true(fast.calls >= 23 && fast.calls <= 31);
    assert_true(slow.calls >= 9 && slow.calls <= 11);
}

static void a_change_is_written_into_the_history(void **state)
{
    struct wanted w = {.state = SONDE_HEALTHY, .message = ""};
    sonde_health_options o = options_of(&w, 1000);
    uint64_t now = 100 * SECOND;
    static struct health_view v;
    assert_int_equal(health_register("history", &o, now), 0);
    srandom(2);
    int states[64], n = 0, before = SONDE_HEALTH_UNKNOWN;
    for (int i = 0; i < 60; i++) {
        w.state = (int)(random() % 3);
        w.message = w.state == SONDE_HEALTHY ? "" : w.state == SONDE_DEGRADED ? "so so" : "bad";
        health_tick(now);
        if (w.state != before) {
            states[n++] = before = w.state;
        }
        assert_int_equal(state_at("history", now), before);
        now += 2 * SECOND;
    }
    assert_true(n > HEALTH_HISTORY_MAX);
    assert_true(health_find("history", now, &v));
    assert_int_equal(v.history_n, HEALTH_HISTORY_MAX);
    for (int i = 0; i < HEALTH_HISTORY_MAX; i++) {
        assert_int_equal(v.history[i].state, states[n - 1 - i]);
        assert_string_equal(v.history[i].message, v.history[i].state == SONDE_HEALTHY    ? ""
                                                  : v.history[i].state == SONDE_DEGRADED ? "so so"
                                                                                         : "bad");
    }
    assert_int_equal(v.checks, 60);
    assert_int_equal(v.word.n, 1);
    assert_true(v.word.figure[0].value == 60);
}

static void silence_beyond_the_time_to_live_is_unhealthy(void **state)
{
    sonde_health_options o = SONDE_HEALTH_OPTIONS_INIT;
    struct sonde_health_result fine = {.state = SONDE_HEALTHY};
    static struct health_view v;
    uint64_t now = 100 * SECOND;
    o.ttl_ms = 5000;
    assert_int_equal(health_register("silent", &o, now), 0);
    assert_int_equal(state_at("silent", now + 5 * SECOND), SONDE_HEALTH_UNKNOWN);
    assert_int_equal(state_at("silent", now + 5 * SECOND + 1), SONDE_UNHEALTHY);
    now += 10 * SECOND;
    assert_int_equal(health_report("silent", &fine, now), 0);
    assert_int_equal(state_at("silent", now + 5 * SECOND), SONDE_HEALTHY);
    health_tick(now + 12 * SECOND);
    assert_true(health_find("silent", now + 12 * SECOND, &v));
    assert_int_equal(v.word.state, SONDE_UNHEALTHY);
    assert_string_equal(v.word.message, "no report for 12.0 s");
    assert_int_equal(health_report("silent", &fine, now + 13 * SECOND), 0);
    assert_true(health_find("silent", now + 13 * SECOND, &v));
    assert_int_equal(v.word.state, SONDE_HEALTHY);
    assert_int_equal(v.history_n, 4); /* unhealthy, healthy, unhealthy, healthy */
}

static void the_worst_component_is_the_applications_state(void **state)
{
    static struct health_view v;
    uint64_t now = 100 * SECOND;
    health_overall(now, &v);
    assert_int_equal(v.word.state, SONDE_HEALTH_UNKNOWN);
    sonde_health_options o = SONDE_HEALTH_OPTIONS_INIT;
    assert_int_equal(health_register("never said", &o, now), 0);
    struct sonde_health_result word = {.state = SONDE_HEALTHY};
    health_report("a", &word, now);
    health_overall(now, &v);
    assert_int_equal(v.word.state, SONDE_HEALTHY);
    o.not_critical = true;
    assert_int_equal(health_register("extra", &o, now), 0);
    word.state = SONDE_UNHEALTHY;
    strncpy(word.message, "no picture", sizeof word.message - 1);
    health_report("extra", &word, now);
    health_overall(now, &v);
    assert_int_equal(v.word.state, SONDE_DEGRADED);
    assert_string_equal(v.word.message, "extra: no picture");
    strncpy(word.message, "gone", sizeof word.message - 1);
    health_report("a", &word, now);
    health_overall(now, &v);
    assert_int_equal(v.word.state, SONDE_UNHEALTHY);
    assert_string_equal(v.word.message, "a: gone");
    assert_int_equal(sonde_health_remove("a"), 0);
    health_overall(now, &v);
    assert_int_equal(v.word.state, SONDE_DEGRADED);
}

static void a_check_that_takes_long_is_slow(void **state)
{
    struct wanted w = {.state = SONDE_HEALTHY, .takes_us = 20000};
    sonde_health_options o = options_of(&w, 1000);
    o.slow_ms = 5;
    uint64_t now = 100 * SECOND;
    static struct health_view v;
    assert_int_equal(health_register("slow", &o, now), 0);
    health_tick(now);
    assert_true(health_find("slow", now, &v));
    assert_true(v.slow);
    assert_int_equal(v.slow_checks, 1);
    assert_true(v.check_seconds >= 0.02);
    w.takes_us = 0;
    o.slow_ms = 5000;
    assert_int_equal(health_register("slow", &o, now + SECOND), 0);
    health_tick(now + 2 * SECOND);
    assert_true(health_find("slow", now + 2 * SECOND, &v));
    assert_false(v.slow);
    assert_int_equal(v.slow_checks, 1);
}

static void the_worst_word_of_a_check_counts(void **state)
{
    struct sonde_health_result r = {.state = SONDE_HEALTHY};
    sonde_health_set(&r, SONDE_DEGRADED, "one disk is lost");
    sonde_health_set(&r, SONDE_HEALTHY, "all the others are fine");
    sonde_health_set(&r, 17, "nonsense");
    assert_int_equal(r.state, SONDE_DEGRADED);
    assert_string_equal(r.message, "one disk is lost");
    sonde_health_set(&r, SONDE_UNHEALTHY, "and another one");
    assert_string_equal(r.message, "and another one");
    for (int i = 0; i < 40; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%d", i % 20);
        sonde_health_figure(&r, name, i);
    }
    assert_int_equal(r.n, HEALTH_FIGURES_MAX);
    assert_true(r.figure[3].value == 23);
    sonde_health_figure(NULL, "x", 1);
    sonde_health_set(NULL, 1, "x");
}

static json_t *ask(const char *line, int wanted)
{
    static char answer[1 << 20];
    assert_int_equal(sonde_query(line, answer, sizeof answer, NULL), wanted);
    json_error_t error;
    json_t *j = json_loads(answer, 0, &error);
    assert_non_null(j);
    return j;
}

static void the_library_checks_by_itself_and_on_demand(void **state)
{
    struct wanted w = {.state = SONDE_DEGRADED, .message = "read-only"};
    sonde_health_options o = options_of(&w, 3600000);
    o.kind = "storage";
    assert_int_equal(sonde_health_register("disk", &o), 0);
    for (int i = 0; i < 200 && !w.calls; i++) {
        usleep(10000); /* within a second, not in an hour */
    }
    assert_int_equal(w.calls, 1);
    assert_int_equal(sonde_health_run(5000), 0);
    assert_int_equal(w.calls, 2);
    json_t *j = ask("health run", 0);
    assert_int_equal(w.calls, 3);
    assert_string_equal(json_string_value(json_object_get(j, "state")), "degraded");
    assert_string_equal(json_string_value(json_object_get(j, "message")), "disk: read-only");
    json_decref(j);
    j = ask("health disk", 0);
    json_t *one = json_array_get(json_object_get(j, "components"), 0);
    assert_string_equal(json_string_value(json_object_get(one, "kind")), "storage");
    assert_true(json_number_value(json_object_get(json_object_get(one, "figures"), "calls")) == 3);
    assert_int_equal(json_array_size(json_object_get(one, "history")), 1);
    json_decref(j);
    json_decref(ask("health nothing", SONDE_ERROR_NOT_FOUND));
    sonde_health_status s = SONDE_HEALTH_STATUS_INIT;
    assert_int_equal(sonde_health_get("disk", &s), 0);
    assert_int_equal(s.state, SONDE_DEGRADED);
    assert_string_equal(s.message, "read-only");
    assert_int_equal(sonde_health_get("none", &s), SONDE_ERROR_NOT_FOUND);
}

static void a_component_reports_by_itself(void **state)
{
    const sonde_health_value figures[] = {{"queue", 12}, {"lag_seconds", 0.5}};
    assert_int_equal(sonde_health_report("db", SONDE_UNHEALTHY, "refused", figures, 2), 0);
    sonde_health_status s = SONDE_HEALTH_STATUS_INIT;
    assert_int_equal(sonde_health_get(NULL, &s), 0);
    assert_int_equal(s.state, SONDE_UNHEALTHY);
    assert_string_equal(s.message, "db: refused");
    assert_int_equal(sonde_health_report("db", 9, "", NULL, 0), SONDE_ERROR_ARGUMENT);
    assert_int_equal(sonde_health_report("", 0, "", NULL, 0), SONDE_ERROR_ARGUMENT);
    assert_int_equal(sonde_health_report("db", 0, "", NULL, 3), SONDE_ERROR_ARGUMENT);
}

static void remove_itself(sonde_health_result *ret, void *user)
{
    sonde_health_set(ret, SONDE_HEALTHY, "");
    *(_Atomic int *)user = sonde_health_remove("suicidal") + 1;
}

static void a_removed_check_is_never_called_again(void **state)
{
    struct wanted w = {.state = SONDE_HEALTHY, .takes_us = 200000};
    sonde_health_options o = options_of(&w, 10);
    assert_int_equal(sonde_health_register("removed", &o), 0);
    for (int i = 0; i < 200 && !w.calls; i++) {
        usleep(5000);
    }
    assert_int_equal(sonde_health_remove("removed"), 0); /* waits for the one that runs */
    int calls = w.calls;
    usleep(50000);
    assert_int_equal(w.calls, calls);
    assert_int_equal(sonde_health_remove("removed"), SONDE_ERROR_NOT_FOUND);
    _Atomic int removed = 0;
    o.check = remove_itself;
    o.user = &removed;
    assert_int_equal(sonde_health_register("suicidal", &o), 0);
    for (int i = 0; i < 200 && !removed; i++) {
        usleep(10000);
    }
    assert_int_equal(removed, 1);
    sonde_health_status s = SONDE_HEALTH_STATUS_INIT;
    assert_int_equal(sonde_health_get("suicidal", &s), SONDE_ERROR_NOT_FOUND);
}

static void *report_often(void *context)
{
    for (int i = 0; i < 2000; i++) {
        sonde_health_report("shared", i % 3, "word", NULL, 0);
    }
    return context;
}

static void threads_may_report_while_others_ask(void **state)
{
    pthread_t t[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, report_often, NULL), 0);
    }
    for (int i = 0; i < 30; i++) {
        json_decref(ask("health", 0));
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], NULL);
    }
    sonde_health_status s = SONDE_HEALTH_STATUS_INIT;
    assert_int_equal(sonde_health_get("shared", &s), 0);
    assert_int_equal(s.state, 1999 % 3);
}

static void too_many_components_are_refused(void **state)
{
    char name[32];
    for (int i = 0; i < HEALTH_MAX; i++) {
        snprintf(name, sizeof name, "c%d", i);
        assert_int_equal(sonde_health_report(name, 0, NULL, NULL, 0), 0);
    }
    assert_int_equal(sonde_health_report("one more", 0, NULL, NULL, 0), SONDE_ERROR_LIMIT);
    assert_int_equal(sonde_health_report("c5", 0, NULL, NULL, 0), 0);
    assert_int_equal(health_count(), HEALTH_MAX);
}

static void nothing_happens_while_the_library_does_not_run(void **state)
{
    sonde_health_options o = SONDE_HEALTH_OPTIONS_INIT;
    sonde_health_status s = SONDE_HEALTH_STATUS_INIT;
    assert_int_equal(sonde_health_register("x", &o), SONDE_ERROR_STATE);
    assert_int_equal(sonde_health_report("x", 0, "", NULL, 0), SONDE_ERROR_STATE);
    assert_int_equal(sonde_health_remove("x"), SONDE_ERROR_STATE);
    assert_int_equal(sonde_health_run(10), SONDE_ERROR_STATE);
    assert_int_equal(sonde_health_get(NULL, &s), SONDE_ERROR_STATE);
    assert_int_equal(health_count(), 0); /* a shutdown has forgotten all callbacks */
}

#define TIMELESS(n) cmocka_unit_test_setup_teardown(n, begin_timeless, end_timeless)
#define RUNNING(n)  cmocka_unit_test_setup_teardown(n, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TIMELESS(checks_run_on_their_periods),
        TIMELESS(a_change_is_written_into_the_history),
        TIMELESS(silence_beyond_the_time_to_live_is_unhealthy),
        TIMELESS(the_worst_component_is_the_applications_state),
        TIMELESS(a_check_that_takes_long_is_slow),
        cmocka_unit_test(the_worst_word_of_a_check_counts),
        RUNNING(the_library_checks_by_itself_and_on_demand),
        RUNNING(a_component_reports_by_itself),
        RUNNING(a_removed_check_is_never_called_again),
        RUNNING(threads_may_report_while_others_ask),
        RUNNING(too_many_components_are_refused),
        cmocka_unit_test(nothing_happens_while_the_library_does_not_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
