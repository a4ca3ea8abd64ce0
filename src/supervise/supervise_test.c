/* The parent runs in a process of its own; its workers are this program with an argument. */
#include "supervise/supervise.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "os/disk.h"
#include "os/file.h"
#include "supervise/order.h"
#include "supervise/worker.h"

enum { PATIENCE_MS = 10000 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool HAS_FATAL = false;
#else
static const bool HAS_FATAL = true;
#endif

/* What the parent under test is to do. */
struct scene {
    char folder[64], log[96];
    const char *worker; /* its role */
    const char *next;   /* the role after a reload */
    int64_t beat_timeout_ms;
    enum supervise_reload answer;
};

static void write_line(const char *path, const char *line)
{
    FILE *f = fopen(path, "a");
    fprintf(f, "%s %d\n", line, (int)getpid());
    fclose(f);
}

static const char *log_path(void)
{
    return getenv("SUPERVISE_TEST_LOG");
}

/* ---- workers */
static int serve(struct worker *w, bool beats)
{
    worker_ready(w);
    char text[600];
    snprintf(text, sizeof text, "serving restarts=%u", w->restarts);
    write_line(log_path(), text);
    for (;;) {
        enum worker_order order = worker_wait(w, 50);
        if (beats)
            worker_beat(w);
        if (order == WORKER_STOP && beats) {
            write_line(log_path(), "flushed");
            return ORDER_EXIT_STOPPED;
        }
        if (order == WORKER_RELOAD)
            write_line(log_path(), "reloaded");
        if (order == WORKER_PROBLEM) {
            snprintf(text, sizeof text, "problem=%s", w->problem);
            write_line(log_path(), text);
        }
    }
}

static int worker_main(const char *role)
{
    struct worker w;
    struct why why;
    if (worker_open(&w, &why) != 0)
        return 9;
    if (strcmp(role, "refuse") == 0)
        return ORDER_EXIT_REFUSED;
    if (strcmp(role, "crash") == 0) {
        fprintf(stderr, "the last thing it said\n");
        write_line(log_path(), "crashing");
        abort();
    }
    if (strcmp(role, "asks") == 0)
        worker_ask_reload(&w);
    if (strcmp(role, "quits") == 0)
        worker_ask_quit(&w);
    return serve(&w, strcmp(role, "hang") != 0);
}

/* ---- the parent */
static const char *argv_of_worker[] = {"worker", NULL, NULL};

static void command(void *context, struct child_config *ret)
{
    struct scene *scene = context;
    argv_of_worker[1] = scene->worker;
    *ret = (struct child_config){.path = "/proc/self/exe", .argv = argv_of_worker};
}

static void settings(void *context, struct supervise_settings *ret)
{
    struct scene *scene = context;
    *ret = (struct supervise_settings){.crash_folder = scene->folder,
                                       .crash_keep = 3,
                                       .start_timeout_ms = 5000,
                                       .beat_timeout_ms = scene->beat_timeout_ms,
                                       .stop_timeout_ms = 1000};
}

static enum supervise_reload reload(void *context, struct why *why)
{
    struct scene *scene = context;
    if (scene->answer == SUPERVISE_KEEP)
        why_set(why, ERR_FORMAT, "line 3 is wrong");
    if (scene->next != NULL)
        scene->worker = scene->next;
    return scene->answer;
}

static void ready(void *context)
{
}

static pid_t start(struct scene *scene)
{
    snprintf(scene->folder, sizeof scene->folder, "/tmp/supervise_test.XXXXXX");
    assert_non_null(mkdtemp(scene->folder));
    snprintf(scene->log, sizeof scene->log, "%s/log", scene->folder);
    if (scene->beat_timeout_ms == 0)
        scene->beat_timeout_ms = 5000;
    pid_t pid = fork();
    if (pid == 0) {
        static const struct supervise_ops OPS = {command, settings, reload, ready};
        setenv("SUPERVISE_TEST_LOG", scene->log, 1);
        _exit(supervise_run(&OPS, scene, "test build"));
    }
    return pid;
}

/* The log's content, once it holds text n times; fails the test after PATIENCE_MS. */
static void wait_for(struct scene *scene, const char *text, size_t n)
{
    for (int64_t waited = 0; waited < PATIENCE_MS; waited += 20) {
        struct buf log;
        buf_init(&log, 1 << 20);
        size_t found = 0;
        if (file_read(scene->log, &log, NULL) == 0) {
            struct str rest = buf_str(&log), line;
            while (str_split(&rest, '\n', &line))
                found += str_search(line, str_c(text)) < line.n;
        }
        buf_done(&log);
        if (found >= n)
            return;
        usleep(20000);
    }
    fail_msg("the log never has \"%s\" %zu times", text, n);
}

/* The process in the last line of the log that has text. */
static pid_t pid_of(struct scene *scene, const char *text)
{
    struct buf log;
    buf_init(&log, 1 << 20);
    assert_int_equal(file_read(scene->log, &log, NULL), 0);
    pid_t pid = 0;
    struct str rest = buf_str(&log), line;
    while (str_split(&rest, '\n', &line))
        if (str_search(line, str_c(text)) < line.n) {
            size_t at = line.n;
            while (at > 0 && line.p[at - 1] != ' ')
                at--;
            uint64_t n;
            assert_true(str_u64(str_sub(line, at, line.n), &n));
            pid = (pid_t)n;
        }
    buf_done(&log);
    return pid;
}

static int status_of(pid_t pid)
{
    int status;
    for (int64_t waited = 0; waited < PATIENCE_MS; waited += 20) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
        usleep(20000);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    fail_msg("the parent does not end");
    return -1;
}

struct reports {
    size_t n;
    char name[300];
};

static int count_report(void *context, const struct disk_entry *entry)
{
    struct reports *reports = context;
    if (strstr(entry->name, ".txt") != NULL) {
        reports->n++;
        snprintf(reports->name, sizeof reports->name, "%s", entry->name);
    }
    return 0;
}

/* Counts the reports and reads one of them into text (may be NULL). */
static size_t reports_in(struct scene *scene, struct buf *text)
{
    struct disk *d;
    struct reports reports = {0};
    assert_int_equal(disk_real_open(scene->folder, &d, NULL), 0);
    assert_int_equal(disk_list(d, ".", count_report, &reports), 0);
    disk_free(d);
    if (text != NULL && reports.n > 0) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", scene->folder, reports.name);
        assert_int_equal(file_read(path, text, NULL), 0);
    }
    return reports.n;
}

static void done(struct scene *scene)
{
    struct disk *d;
    assert_int_equal(disk_real_open("/tmp", &d, NULL), 0);
    assert_int_equal(disk_remove_tree(d, strrchr(scene->folder, '/') + 1), 0);
    disk_free(d);
}

static void sigterm_lets_the_worker_flush_and_ends_with_0(void **state)
{
    struct scene scene = {.worker = "serve"};
    pid_t pid = start(&scene);
    wait_for(&scene, "serving", 1);
    kill(pid, SIGTERM);
    assert_int_equal(status_of(pid), 0);
    wait_for(&scene, "flushed", 1);
    assert_int_equal(reports_in(&scene, NULL), 0);
    done(&scene);
}

static void a_worker_that_asks_gets_a_reload(void **state)
{
    struct scene scene = {.worker = "asks", .answer = SUPERVISE_TELL};
    pid_t pid = start(&scene);
    wait_for(&scene, "reloaded", 1);
    kill(pid, SIGTERM);
    assert_int_equal(status_of(pid), 0);
    done(&scene);
    scene = (struct scene){.worker = "asks", .answer = SUPERVISE_KEEP};
    pid = start(&scene);
    wait_for(&scene, "problem=line 3 is wrong", 1);
    kill(pid, SIGTERM);
    assert_int_equal(status_of(pid), 0);
    done(&scene);
}

static void a_worker_that_asks_ends_the_daemon(void **state)
{
    struct scene scene = {.worker = "quits"};
    pid_t pid = start(&scene);
    assert_int_equal(status_of(pid), 0);
    wait_for(&scene, "flushed", 1);
    assert_int_equal(reports_in(&scene, NULL), 0);
    done(&scene);
}

static void a_killed_worker_is_started_again_and_told_how_often(void **state)
{
    struct scene scene = {.worker = "serve"};
    pid_t pid = start(&scene);
    wait_for(&scene, "restarts=0", 1);
    kill(pid_of(&scene, "restarts=0"), SIGKILL);
    wait_for(&scene, "restarts=1", 1);
    kill(pid, SIGTERM);
    assert_int_equal(status_of(pid), 0);
    struct buf text;
    buf_init(&text, 1 << 20);
    assert_int_equal(reports_in(&scene, &text), 1);
    assert_true(str_search(buf_str(&text), STR("signal: 9 (SIGKILL)")) < text.n);
    buf_done(&text);
    done(&scene);
}

static void a_crash_report_has_the_stack_and_the_last_words(void **state)
{
    struct scene scene = {.worker = "crash"};
    pid_t pid = start(&scene);
    wait_for(&scene, "crashing", 1);
    struct buf text;
    buf_init(&text, 1 << 20);
    /* Read before the parent is told to stop: a worker that is stopped then has said nothing. */
    for (int i = 0; i < 200 && reports_in(&scene, &text) == 0; i++)
        usleep(20000);
    kill(pid, SIGTERM);
    status_of(pid);
    assert_true(str_search(buf_str(&text), STR("the last thing it said")) < text.n);
    assert_true(str_search(buf_str(&text), STR("build: test build")) < text.n);
    /* Sanitizers end the process in their own way. */
    if (HAS_FATAL)
        assert_true(str_search(buf_str(&text), STR("fatal: SIGABRT, stack:")) < text.n);
    buf_done(&text);
    done(&scene);
}

static void only_the_newest_crash_reports_are_kept(void **state)
{
    struct scene scene = {.worker = "crash"};
    pid_t pid = start(&scene);
    wait_for(&scene, "crashing", 5);
    kill(pid, SIGTERM);
    status_of(pid);
    assert_int_equal(reports_in(&scene, NULL), 3);
    done(&scene);
}

static void a_worker_without_heartbeat_is_ended_and_replaced(void **state)
{
    struct scene scene = {.worker = "hang", .beat_timeout_ms = 300};
    pid_t pid = start(&scene);
    wait_for(&scene, "restarts=1", 1);
    kill(pid, SIGTERM);
    status_of(pid);
    struct buf text;
    buf_init(&text, 1 << 20);
    assert_true(reports_in(&scene, &text) >= 1);
    assert_true(str_search(buf_str(&text), STR("hung:")) < text.n);
    buf_done(&text);
    done(&scene);
}

static void a_worker_that_does_not_stop_is_killed_in_time(void **state)
{
    struct scene scene = {.worker = "hang", .beat_timeout_ms = 60000};
    pid_t pid = start(&scene);
    wait_for(&scene, "serving", 1);
    kill(pid, SIGTERM);
    assert_int_equal(status_of(pid), 1);
    done(&scene);
}

static void a_worker_that_cannot_start_ends_the_parent(void **state)
{
    struct scene scene = {.worker = "refuse"};
    pid_t pid = start(&scene);
    assert_int_equal(status_of(pid), 1);
    assert_int_equal(reports_in(&scene, NULL), 0);
    done(&scene);
}

static void a_good_configuration_is_told_to_the_same_worker(void **state)
{
    struct scene scene = {.worker = "serve", .answer = SUPERVISE_TELL};
    pid_t pid = start(&scene);
    wait_for(&scene, "serving", 1);
    kill(pid, SIGHUP);
    wait_for(&scene, "reloaded", 1);
    assert_int_equal(pid_of(&scene, "reloaded"), pid_of(&scene, "serving"));
    kill(pid, SIGTERM);
    assert_int_equal(status_of(pid), 0);
    done(&scene);
}

static void a_wrong_configuration_is_told_and_the_worker_stays(void **state)
{
    struct scene scene = {.worker = "serve", .answer = SUPERVISE_KEEP};
    pid_t pid = start(&scene);
    wait_for(&scene, "serving", 1);
    kill(pid, SIGHUP);
    wait_for(&scene, "problem=line 3 is wrong", 1);
    assert_int_equal(pid_of(&scene, "problem="), pid_of(&scene, "serving"));
    kill(pid, SIGTERM);
    assert_int_equal(status_of(pid), 0);
    done(&scene);
}

static void new_paths_get_a_new_worker_without_a_crash_report(void **state)
{
    struct scene scene = {.worker = "serve", .answer = SUPERVISE_REPLACE};
    pid_t pid = start(&scene);
    wait_for(&scene, "serving", 1);
    pid_t first = pid_of(&scene, "serving");
    kill(pid, SIGHUP);
    wait_for(&scene, "serving restarts=0", 2);
    wait_for(&scene, "flushed", 1);
    assert_int_not_equal(pid_of(&scene, "serving"), first);
    kill(pid, SIGTERM);
    assert_int_equal(status_of(pid), 0);
    assert_int_equal(reports_in(&scene, NULL), 0);
    done(&scene);
}

static void the_worker_dies_with_its_parent(void **state)
{
    struct scene scene = {.worker = "serve"};
    pid_t pid = start(&scene);
    wait_for(&scene, "serving", 1);
    pid_t worker = pid_of(&scene, "serving");
    kill(pid, SIGKILL);
    assert_int_equal(status_of(pid), -SIGKILL);
    bool gone = false;
    for (int i = 0; i < 250 && !gone; i++) {
        /* A zombie that nobody waits for (a container's first process may not) is gone as well. */
        char path[64], state_text[8] = "";
        snprintf(path, sizeof path, "/proc/%d/stat", (int)worker);
        FILE *f = fopen(path, "r");
        gone = f == NULL || fscanf(f, "%*d %*s %7s", state_text) != 1 || state_text[0] == 'Z';
        if (f != NULL)
            fclose(f);
        usleep(20000);
    }
    assert_true(gone);
    done(&scene);
}

static void pauses_grow_up_to_ten_seconds(void **state)
{
    assert_int_equal(supervise_pause_ms(0), 0);
    for (unsigned n = 1; n < 7; n++)
        assert_true(supervise_pause_ms(n) > supervise_pause_ms(n - 1));
    assert_int_equal(supervise_pause_ms(6), 10000);
    assert_int_equal(supervise_pause_ms(1000), 10000);
}

int main(int argc, char **argv)
{
    if (argc == 2)
        return worker_main(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sigterm_lets_the_worker_flush_and_ends_with_0),
        cmocka_unit_test(a_worker_that_asks_gets_a_reload),
        cmocka_unit_test(a_worker_that_asks_ends_the_daemon),
        cmocka_unit_test(a_killed_worker_is_started_again_and_told_how_often),
        cmocka_unit_test(a_crash_report_has_the_stack_and_the_last_words),
        cmocka_unit_test(only_the_newest_crash_reports_are_kept),
        cmocka_unit_test(a_worker_without_heartbeat_is_ended_and_replaced),
        cmocka_unit_test(a_worker_that_does_not_stop_is_killed_in_time),
        cmocka_unit_test(a_worker_that_cannot_start_ends_the_parent),
        cmocka_unit_test(a_good_configuration_is_told_to_the_same_worker),
        cmocka_unit_test(a_wrong_configuration_is_told_and_the_worker_stays),
        cmocka_unit_test(new_paths_get_a_new_worker_without_a_crash_report),
        cmocka_unit_test(the_worker_dies_with_its_parent),
        cmocka_unit_test(pauses_grow_up_to_ten_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
