/* client/error/error_stress_test.c - eight threads capture while hooks run, settings change and the
 * library is flushed; and every error is accounted for. Meant for the thread sanitizer. */
#include <stdatomic.h>

#include "client/core/lost.h"
#include "client/error/sink_test.h"

enum { THREADS = 8, ROUNDS = 3000 };

static _Atomic uint64_t captured, ended;

static bool hook(sonde_error_event *event, void *user)
{
    atomic_fetch_add(&ended, sonde_error_event_level(event) >= 0);
    (void)sonde_error_event_set_tag(event, "hook", "ran");
    return strlen(sonde_error_event_json(event)) % 7 != 0;
}

static void *work(void *number)
{
    unsigned n = (unsigned)(uintptr_t)number;
    for (unsigned i = 0; i < ROUNDS; i++) {
        char text[64];
        snprintf(text, sizeof text, "thread %c %c", 'a' + n, 'a' + i % 26);
        switch (i % 8) {
        case 0: {
            sonde_error_ref ref = sonde_error_scope_begin("StressScope", text);
            sonde_error_scope_retry(ref);
            (void)sonde_error_end(ref, SONDE_OUTCOME_RECOVERED);
            break;
        }
        case 1:
            (void)sonde_set_tag("shared", text);
            (void)sonde_set_thread_tag("own", text);
            (void)sonde_error_capture(SONDE_LEVEL_ERROR, "StressTag", text);
            break;
        case 2:
            (void)sonde_set_context("shared", "{\"a\":[1,2,3]}");
            (void)sonde_error_capture_f(SONDE_LEVEL_ERROR, "StressFormat", "%s %u", text, i);
            break;
        default:
            (void)sonde_error_capture(SONDE_LEVEL_WARNING, "Stress", text);
        }
        atomic_fetch_add(&captured, 1);
        if (i % 512 == 0) {
            (void)sonde_flush(2000);
            sonde_error_recent recent[8];
            (void)sonde_error_recent_list(recent, 8, sizeof recent[0]);
        }
    }
    return NULL;
}

static uint64_t lost(void)
{
    uint64_t n = 0;
    for (int reason = 0; reason < LOST_REASONS; reason++) {
        n += lost_count(LOST_ERROR, (enum lost_reason)reason);
    }
    return n;
}

static void eight_threads_capture_and_every_error_is_accounted_for(void **state)
{
    uint64_t before = lost();
    sink_start("error.dedup_ms=20", "error.per_second_max=500", "error.alike_per_minute_max=0",
               "error.updates=false", "error.recovery_wait_ms=5", NULL);
    sonde_error_before_send(hook, NULL);
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)i), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(sonde_shutdown(10000), 0);
    sonde_error_before_send(NULL, NULL);
    uint64_t events = sink_count("event"), dropped = lost() - before;
    print_message("%zu captured, %zu sent, %zu left out\n", (size_t)atomic_load(&captured),
                  (size_t)events, (size_t)dropped);
    assert_true(events > 0 && dropped > 0 && atomic_load(&ended) >= events);
    assert_int_equal(atomic_load(&captured), events + dropped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eight_threads_capture_and_every_error_is_accounted_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
