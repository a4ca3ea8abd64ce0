#include "client/sonde/init.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "client/core/command.h"
#include "client/core/setting.h"
#include "client/core/slot.h"
#include "client/core/ticks.h"
#include "client/core/worker.h"
#include "sonde/core.h"

/* A library that talks to nobody and leaves no files: settings that a module does not know yet are
 * left out, so that this test holds for every set of modules. */
static int start(void)
{
    static char folder[64];
    snprintf(folder, sizeof folder, "spool.dir=/tmp/sonde-init-test-%d", (int)getpid());
    const struct setting_row *rows;
    size_t n = setting_rows(&rows), at = 0;
    const char *settings[4] = {NULL};
    for (size_t i = 0; i < n; i++) {
        if (strcmp(rows[i].key, "socket") == 0) {
            settings[at++] = "socket=none";
        } else if (strcmp(rows[i].key, "spool.dir") == 0) {
            settings[at++] = folder;
        }
    }
    sonde_options o = SONDE_OPTIONS_INIT;
    o.service = "init-test";
    o.settings = settings;
    return sonde_init(&o);
}

static json_t *ask(const char *line)
{
    static char answer[1 << 16];
    size_t n;
    sonde_query(line, answer, sizeof answer, &n);
    json_error_t error;
    json_t *j = json_loads(answer, 0, &error);
    assert_non_null(j);
    return j;
}

static void everything_does_nothing_before_the_start(void **state)
{
    assert_false(sonde_running());
    assert_false(sonde_connected());
    assert_int_equal(sonde_flush(10), SONDE_ERROR_STATE);
    assert_int_equal(sonde_shutdown(10), SONDE_ERROR_STATE);
    assert_null(slot_mine());
}

static void it_starts_and_stops_again_and_again(void **state)
{
    for (int i = 0; i < 20; i++) {
        assert_int_equal(start(), 0);
        assert_true(sonde_running());
        assert_int_equal(start(), SONDE_ERROR_STATE);
        assert_int_equal(sonde_flush(5000), 0);
        assert_int_equal(sonde_shutdown(5000), 0);
        assert_false(sonde_running());
    }
}

static void a_bad_setting_is_refused_with_its_name(void **state)
{
    const struct {
        const char *setting, *said;
    } cases[] = {{"colour=red", "colour"},
                 {"export.interval_ms=often", "whole number"},
                 {"export.interval_ms=7", "from 100 to 3600000"},
                 {"export.interval_ms=1000.5", "whole number"},
                 {"enabled=perhaps", "true or false"},
                 {"service", "key=value"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *settings[] = {cases[i].setting, NULL};
        sonde_options o = SONDE_OPTIONS_INIT;
        o.settings = settings;
        assert_int_equal(sonde_init(&o), SONDE_ERROR_ARGUMENT);
        assert_non_null(strstr(sonde_last_problem(), cases[i].said));
        assert_false(sonde_running());
    }
    sonde_options bad = {0};
    assert_int_equal(sonde_init(&bad), SONDE_ERROR_ARGUMENT);
}

static void the_environment_gives_what_the_program_leaves_open(void **state)
{
    setenv("SONDE_RELEASE", "shop@1.2", 1);
    setenv("SONDE_SERVICE", "other", 1);
    assert_int_equal(start(), 0);
    json_t *info = ask("info");
    assert_string_equal(json_string_value(json_object_get(info, "release")), "shop@1.2");
    assert_string_equal(json_string_value(json_object_get(info, "service")), "init-test");
    json_decref(info);
    assert_int_equal(sonde_shutdown(5000), 0);
    unsetenv("SONDE_RELEASE");
    unsetenv("SONDE_SERVICE");
}

static void a_disabled_library_starts_nothing(void **state)
{
    setenv("SONDE_ENABLED", "false", 1);
    assert_int_equal(start(), 0);
    assert_false(sonde_running());
    unsetenv("SONDE_ENABLED");
}

static void commands_answer_or_say_what_is_wrong(void **state)
{
    assert_int_equal(start(), 0);
    const struct {
        const char *line, *code;
    } cases[] = {
        {"nonsense", "not_found"},         {"", "bad_argument"},
        {"help 'open", "bad_argument"},    {"set", "bad_argument"},
        {"set colour red", "not_found"},   {"set export.interval_ms 1", "bad_argument"},
        {"set service x", "bad_argument"}, {"a b c d e f g h i j k l m n o p q r", "bad_argument"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *j = ask(cases[i].line);
        json_t *error = json_object_get(j, "error");
        assert_string_equal(json_string_value(json_object_get(error, "code")), cases[i].code);
        assert_true(json_string_length(json_object_get(error, "message")) > 10);
        json_decref(j);
    }
    json_t *j = ask("  help \"info\"\nset export.interval_ms 500");
    assert_int_equal(json_array_size(json_object_get(j, "commands")), 1);
    json_decref(j);
    j = ask("set export.interval_ms 500");
    assert_string_equal(json_string_value(json_object_get(j, "value")), "500");
    json_decref(j);
    struct text t;
    text_init(&t, 10000);
    assert_int_equal(command_run("set export.interval_ms 500", 26, COMMAND_VIEWER, &t),
                     SONDE_ERROR_DENIED);
    assert_non_null(strstr(text_string(&t), "operator"));
    text_done(&t);
    char little[10];
    size_t whole;
    assert_int_equal(sonde_query("info", little, sizeof little, &whole), 0);
    assert_int_equal(strlen(little), 9);
    assert_true(whole > 100);
    assert_int_equal(sonde_shutdown(5000), 0);
}

static _Atomic int runs;
static void tick(void *unused)
{
    atomic_fetch_add(&runs, 1);
    sigset_t blocked;
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    if (!sigismember(&blocked, SIGTERM) || !sigismember(&blocked, SIGPROF)) {
        atomic_store(&runs, -1000000);
    }
}

static void the_thread_runs_tasks_with_every_signal_blocked(void **state)
{
    assert_int_equal(start(), 0);
    struct worker_task task = {.name = "tick", .run = tick, .period_ns = 1000000};
    worker_task_add(&task);
    while (atomic_load(&runs) >= 0 && atomic_load(&runs) < 5) {
        usleep(1000);
    }
    assert_true(atomic_load(&runs) >= 5);
    assert_int_equal(sonde_shutdown(5000), 0);
    worker_task_remove(&task);
}

static _Atomic bool let_go;
static void block(void *unused)
{
    while (!atomic_load(&let_go)) {
        usleep(1000);
    }
}

static void a_blocked_callback_does_not_hold_up_the_end(void **state)
{
    assert_int_equal(start(), 0);
    struct worker_task task = {.name = "block", .run = block, .due_ns = UINT64_MAX};
    worker_task_add(&task);
    worker_task_now(&task);
    usleep(20000);
    assert_int_equal(sonde_flush(20), SONDE_ERROR_TIMEOUT);
    assert_int_equal(sonde_shutdown(20), SONDE_ERROR_TIMEOUT);
    assert_int_equal(start(), SONDE_ERROR_STATE); /* its thread is still there */
    atomic_store(&let_go, true);
    int err = SONDE_ERROR_STATE;
    for (int i = 0; i < 5000 && err; i++) {
        usleep(1000);
        err = start();
    }
    assert_int_equal(err, 0);
    worker_task_remove(&task);
    assert_int_equal(sonde_shutdown(5000), 0);
}

static void a_forked_child_has_an_instance_of_its_own_when_it_is_used(void **state)
{
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    skip(); /* locks of sanitizers are held in a child, and it may start no thread */
#endif
    assert_int_equal(start(), 0);
    pid_t quiet = fork();
    if (quiet == 0) { /* most children only call exec() */
        exit(worker_running() ? 1 : 0);
    }
    pid_t busy = fork();
    if (busy == 0) {
        char answer[4096], wanted[32];
        sonde_query("info", answer, sizeof answer, NULL);
        snprintf(wanted, sizeof wanted, ":%d\"", (int)getpid());
        bool good = strstr(answer, wanted) && worker_running() && sonde_flush(5000) == 0;
        exit(good ? 0 : 1);
    }
    int status = -1;
    waitpid(quiet, &status, 0);
    assert_int_equal(status, 0);
    waitpid(busy, &status, 0);
    assert_int_equal(status, 0);
    assert_int_equal(sonde_flush(5000), 0);
    assert_int_equal(sonde_shutdown(5000), 0);
}

static void ticks_measure_time_as_the_clock_does(void **state)
{
    for (int monotonic = 0; monotonic < 2; monotonic++) {
        ticks_start(monotonic);
        usleep(50000);
        ticks_again();
        uint64_t ticks = ticks_now(), ns = ticks_monotonic_ns();
        usleep(30000);
        double by_ticks = (double)ticks_ns(ticks_now() - ticks);
        double by_clock = (double)(ticks_monotonic_ns() - ns);
        assert_true(by_ticks / by_clock > 0.9 && by_ticks / by_clock < 1.1);
        double back = (double)ticks_of_ns(ticks_ns(1u << 30)) / (1u << 30);
        assert_true(back > 0.999 && back < 1.001);
        int64_t apart = ticks_unix_ns(ticks_now()) - ticks_unix_now_ns();
        assert_true(llabs(apart) < 20000000); /* a thread may be put aside between both */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_does_nothing_before_the_start),
        cmocka_unit_test(it_starts_and_stops_again_and_again),
        cmocka_unit_test(a_bad_setting_is_refused_with_its_name),
        cmocka_unit_test(the_environment_gives_what_the_program_leaves_open),
        cmocka_unit_test(a_disabled_library_starts_nothing),
        cmocka_unit_test(commands_answer_or_say_what_is_wrong),
        cmocka_unit_test(the_thread_runs_tasks_with_every_signal_blocked),
        cmocka_unit_test(a_blocked_callback_does_not_hold_up_the_end),
        cmocka_unit_test(a_forked_child_has_an_instance_of_its_own_when_it_is_used),
        cmocka_unit_test(ticks_measure_time_as_the_clock_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
