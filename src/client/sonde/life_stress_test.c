/* Everything is recorded by many threads while the library is started and ended, over and over. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/core/setting.h"
#include "sonde/sonde.h"

enum { RECORDERS = 8, RUN_MS = 1500, LIVES_MIN = 3, END_MS = 2000 };

static atomic_bool over;
static _Atomic uint64_t rounds, lives, answers;
static char folder[64];

static int start(unsigned life)
{
    char place[100], release[40], service[40];
    const char *settings[] = {"socket=none", place, "error.dedup_ms=1", release, NULL};
    snprintf(place, sizeof place, "spool.dir=%s", folder);
    snprintf(release, sizeof release, "release=life@%u", life % 7); /* texts change */
    snprintf(service, sizeof service, "life-%u", life % 5);
    sonde_options o = SONDE_OPTIONS_INIT;
    o.service = service;
    o.settings = settings;
    return sonde_init(&o);
}

static void record(unsigned i)
{
    char name[40];
    snprintf(name, sizeof name, "key %u", i % 16);
    sonde_counter_add(sonde_counter_get("life_things_total", "Things.", NULL), 1);
    sonde_gauge_set(sonde_gauge_get("life_level", "A level.", NULL), i);
    sonde_tracker t = sonde_operation_begin(sonde_operation_get("life", i % 2 ? "odd" : "even"));
    sonde_span *span = sonde_span_start("work", SONDE_SPAN_INTERNAL);
    sonde_span_set_int(span, "i", i);
    sonde_cache_record(sonde_cache_get("life"), i % 3 != 0, 1e-4, name);
    sonde_breadcrumb(SONDE_LEVEL_INFO, "life", name, NULL, 0);
    sonde_log_write(SONDE_LEVEL_INFO, "life", name, NULL, 0);
    if (i % 16 == 0) {
        sonde_error_ref e = sonde_error_capture(SONDE_LEVEL_ERROR, "life::error", name);
        (void)sonde_error_end(e, SONDE_OUTCOME_RECOVERED);
        (void)sonde_set_tag("round", name);
    }
    sonde_span_end(span);
    if (i % 5 == 0) {
        sonde_operation_fail(&t, "every fifth");
    } else {
        sonde_operation_complete(&t);
    }
}

static void *record_all_the_time(void *unused)
{
    for (unsigned i = 0; !atomic_load(&over); i++) {
        record(i);
        atomic_fetch_add(&rounds, 1);
        if (i % 64 == 0) {
            usleep(500);
        }
    }
    return NULL;
}

static void *ask_all_the_time(void *unused)
{
    static const char *const lines[] = {"info",           "settings", "operations", "caches",
                                        "metrics life_*", "help",     "errors",     "no-such",
                                        "spans",          "health"};
    char *answer = malloc(1 << 16);
    assert_non_null(answer);
    for (unsigned i = 0; !atomic_load(&over); i++) {
        size_t n = 0;
        if (sonde_query(lines[i % (sizeof lines / sizeof *lines)], answer, 1 << 16, &n) == 0) {
            atomic_fetch_add(&answers, 1);
        }
        (void)sonde_connected();
        usleep(1000);
    }
    free(answer);
    return NULL;
}

static void *live_and_die(void *unused)
{
    for (unsigned i = 1; !atomic_load(&over); i++) {
        usleep(10000);
        (void)sonde_flush(20);
        (void)sonde_shutdown(END_MS);
        usleep(500);
        if (start(i) == 0) { /* SONDE_ERROR_STATE where the end was too slow */
            atomic_fetch_add(&lives, 1);
        }
    }
    return NULL;
}

static void lives_may_change_while_everything_is_recorded(void **state)
{
    pthread_t threads[RECORDERS + 2];
    assert_int_equal(start(0), 0);
    for (int i = 0; i < RECORDERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, record_all_the_time, NULL), 0);
    }
    assert_int_equal(pthread_create(&threads[RECORDERS], NULL, ask_all_the_time, NULL), 0);
    assert_int_equal(pthread_create(&threads[RECORDERS + 1], NULL, live_and_die, NULL), 0);
    for (unsigned ms = 0; ms < RUN_MS || (atomic_load(&lives) < LIVES_MIN && ms < 10 * RUN_MS);
         ms += 10) {
        usleep(10000);
    }
    atomic_store(&over, true);
    for (int i = 0; i < RECORDERS + 2; i++) {
        pthread_join(threads[i], NULL);
    }
    (void)sonde_shutdown(END_MS);
    assert_true(atomic_load(&lives) >= LIVES_MIN);
    assert_true(atomic_load(&rounds) > 100);
    assert_true(atomic_load(&answers) > 0);
    assert_int_equal(start(0), 0); /* and it still works */
    sonde_counter *c = sonde_counter_get("life_after_total", NULL, NULL);
    sonde_counter_add(c, 2);
    assert_true(sonde_counter_value(c) == 2);
    assert_int_equal(sonde_shutdown(END_MS), 0);
}

static void a_text_of_before_stays_a_text(void **state)
{
    assert_int_equal(start(1), 0);
    const char *before = setting.service;
    assert_string_equal(before, "life-1");
    assert_int_equal(sonde_shutdown(END_MS), 0);
    assert_int_equal(start(2), 0);
    assert_string_equal(before, "life-1");
    assert_string_equal(setting.service, "life-2");
    assert_int_equal(sonde_shutdown(END_MS), 0);
    assert_int_equal(start(1), 0);
    assert_ptr_equal(setting.service, before); /* and costs nothing a second time */
    assert_int_equal(sonde_shutdown(END_MS), 0);
}

static int make_folder(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/sonde-life-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    pid_t pid = fork();
    if (pid == 0) {
        execlp("rm", "rm", "-rf", folder, (char *)NULL);
        _exit(1);
    }
    waitpid(pid, NULL, 0);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_of_before_stays_a_text),
        cmocka_unit_test(lives_may_change_while_everything_is_recorded),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
