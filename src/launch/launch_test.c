#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "launch/launch.h"
#include "os/channel.h"
#include "os/pipe.h"
#include "os/spawn.h"

enum { LONG_MS = 20000 };

static char folder[] = "/tmp/launch-XXXXXX";

#define PROGRAM(name, input, ...)                                                                  \
    {                                                                                              \
        name, (const char *const[]){__VA_ARGS__, NULL}, folder, input                              \
    }

static const struct launch_program ROWS[] = {
    PROGRAM("hello", false, "/bin/echo", "hello"),
    PROGRAM("path", false, "echo", "found"),
    PROGRAM("missing", false, "/nowhere/at/all"),
    PROGRAM("fails", false, "/bin/sh", "-c", "echo some; echo 'what went wrong' >&2; exit 3"),
    PROGRAM("sleeps", false, "/bin/sleep", "1000"),
    PROGRAM("stubborn", false, "/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"),
    PROGRAM("floods", false, "/bin/sh", "-c", "exec yes"),
    PROGRAM("copies", true, "/bin/cat"),
    PROGRAM("folder", false, "/bin/pwd"),
    PROGRAM("leaves", false, "/bin/sh", "-c", "sleep 1000 & echo $!; exit 0"),
    PROGRAM("dies", false, "/bin/sh", "-c", "kill -SEGV $$"),
};

static struct launcher *launcher;
static int fd;

static int set_up(void **state)
{
    assert_non_null(mkdtemp(folder));
    assert_int_equal(launch_fork(ROWS, COUNTOF(ROWS), &fd, NULL), 0);
    assert_int_equal(launch_open(fd, &launcher, NULL), 0);
    return 0;
}

static int tear_down(void **state)
{
    launch_close(launcher);
    return rmdir(folder);
}

static int run(const char *name, struct str input, int64_t deadline_ms, struct buf *out,
               struct launch_end *end, struct why *why)
{
    buf_init(out, 1 << 20);
    *why = (struct why){0};
    return launch_run(launcher, name, input, deadline_ms, out, end, why);
}

/* Is there such a process, other than as a zombie? */
static bool is_there(int pid)
{
    char path[64], line[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return false;
    char *got = fgets(line, sizeof line, f);
    fclose(f);
    const char *paren = got == NULL ? NULL : strrchr(line, ')');
    return paren != NULL && paren[2] != 'Z';
}

static bool is_gone_soon(int pid)
{
    for (int i = 0; i < 1000 && is_there(pid); i++)
        usleep(10000);
    return !is_there(pid);
}

static void a_program_of_the_table_gives_its_output_and_its_status(void **state)
{
    struct buf out;
    struct launch_end end;
    struct why why;
    assert_int_equal(run("hello", STR(""), LONG_MS, &out, &end, &why), 0);
    assert_true(str_eq(buf_str(&out), STR("hello\n")));
    assert_int_equal(end.status, 0);
    buf_done(&out);
    assert_int_equal(run("path", STR(""), LONG_MS, &out, &end, &why), 0);
    assert_true(str_eq(buf_str(&out), STR("found\n")));
    buf_done(&out);
    assert_int_equal(run("folder", STR(""), LONG_MS, &out, &end, &why), 0);
    assert_true(str_eq(str_trim(buf_str(&out)), str_c(folder)));
    buf_done(&out);
}

static void what_a_program_complains_of_is_told_with_its_end(void **state)
{
    struct buf out;
    struct launch_end end;
    struct why why;
    assert_int_equal(run("fails", STR(""), LONG_MS, &out, &end, &why), 0);
    assert_true(str_eq(buf_str(&out), STR("some\n")));
    assert_int_equal(end.status, 3);
    assert_string_equal(end.said, "what went wrong\n");
    buf_done(&out);
    assert_int_equal(run("dies", STR(""), LONG_MS, &out, &end, &why), 0);
    assert_int_equal(end.signal, SIGSEGV);
    assert_int_equal(end.status, -1);
    buf_done(&out);
}

static void only_what_the_table_names_is_started(void **state)
{
    struct buf out;
    struct launch_end end;
    struct why why;
    assert_int_equal(run("/bin/echo", STR(""), LONG_MS, &out, &end, &why), -ERR_UNSUPPORTED);
    assert_non_null(strstr(why.text, "names no such program"));
    assert_int_equal(run("missing", STR(""), LONG_MS, &out, &end, &why), -ERR_NOENT);
    assert_non_null(strstr(why.text, "/nowhere/at/all"));
    buf_done(&out);
}

static void a_program_that_takes_too_long_is_ended_even_if_it_will_not(void **state)
{
    struct launch_process p;
    struct launch_end end;
    int64_t from = clock_monotonic_ns(&clock_real);
    assert_int_equal(launch_start(launcher, "stubborn", 100, &p, NULL), 0);
    assert_int_equal(launch_wait(launcher, p.id, 1, &end), -ERR_TIMEOUT);
    assert_int_equal(launch_wait(launcher, p.id, LONG_MS, &end), 0);
    assert_true(end.timed_out);
    assert_int_equal(end.signal, SIGKILL);
    assert_true(clock_monotonic_ns(&clock_real) - from >= 2000000000);
    channel_close(p.output);
    struct buf out;
    struct why why;
    assert_int_equal(run("sleeps", STR(""), 100, &out, &end, &why), -ERR_TIMEOUT);
    assert_non_null(strstr(why.text, "100 ms"));
    buf_done(&out);
}

static void output_without_end_is_cut_off_with_its_program(void **state)
{
    struct buf out;
    struct launch_end end;
    struct why why;
    assert_int_equal(run("floods", STR(""), LONG_MS, &out, &end, &why), -ERR_LIMIT);
    assert_non_null(strstr(why.text, "1048576 bytes"));
    buf_done(&out);
}

static void input_larger_than_a_pipe_comes_back_whole(void **state)
{
    struct buf in, out;
    struct launch_end end;
    struct why why;
    buf_init(&in, 1 << 20);
    for (int i = 0; i < 100000; i++)
        buf_printf(&in, "%d\n", i);
    assert_int_equal(run("copies", buf_str(&in), LONG_MS, &out, &end, &why), 0);
    assert_true(str_eq(buf_str(&in), buf_str(&out)));
    buf_done(&in);
    buf_done(&out);
}

static void what_a_program_leaves_behind_ends_with_it(void **state)
{
    struct launch_process p;
    struct launch_end end;
    char text[32] = "";
    int64_t pid;
    assert_int_equal(launch_start(launcher, "leaves", 0, &p, NULL), 0);
    bool ready;
    pipe_wait(&p.output, 1, LONG_MS, &ready);
    size_t n = pipe_read(&p.output, text, sizeof text - 1);
    assert_true(str_i64(str_trim(str_of(text, n)), &pid));
    assert_int_equal(launch_wait(launcher, p.id, LONG_MS, &end), 0);
    assert_true(is_gone_soon((int)pid));
    channel_close(p.output);
}

static void a_worker_that_is_gone_takes_launcher_and_programs_with_it(void **state)
{
    struct launcher *own;
    struct launch_process p, q;
    int own_fd;
    char text[32] = "";
    int64_t pid;
    assert_int_equal(launch_fork(ROWS, COUNTOF(ROWS), &own_fd, NULL), 0);
    assert_int_equal(launch_open(own_fd, &own, NULL), 0);
    assert_int_equal(launch_start(own, "sleeps", 0, &p, NULL), 0);
    assert_int_equal(launch_start(own, "leaves", 0, &q, NULL), 0);
    bool ready;
    pipe_wait(&q.output, 1, LONG_MS, &ready);
    size_t n = pipe_read(&q.output, text, sizeof text - 1);
    assert_true(str_i64(str_trim(str_of(text, n)), &pid));
    launch_close(own);
    assert_true(is_gone_soon((int)pid));
    pipe_wait(&p.output, 1, LONG_MS, &ready); /* closed as its program ends */
    assert_int_equal(pipe_read(&p.output, text, sizeof text), 0);
    assert_int_equal(p.output, -1);
    channel_close(q.output);
    int reaped, status, signum;
    for (int i = 0; i < 1000 && !spawn_reap(&reaped, &status, &signum); i++)
        usleep(10000);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_of_the_table_gives_its_output_and_its_status),
        cmocka_unit_test(what_a_program_complains_of_is_told_with_its_end),
        cmocka_unit_test(only_what_the_table_names_is_started),
        cmocka_unit_test(a_program_that_takes_too_long_is_ended_even_if_it_will_not),
        cmocka_unit_test(output_without_end_is_cut_off_with_its_program),
        cmocka_unit_test(input_larger_than_a_pipe_comes_back_whole),
        cmocka_unit_test(what_a_program_leaves_behind_ends_with_it),
        cmocka_unit_test(a_worker_that_is_gone_takes_launcher_and_programs_with_it),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
