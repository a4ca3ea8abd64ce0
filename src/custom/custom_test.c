#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "custom/custom.h"
#include "model/labels.h"
#include "model/sample.h"
#include "os/thread.h"

enum { PATIENCE_MS = 15000, STEP_MS = 10 };

/* ---- a sink that notes what comes, one line a sample */

struct notes {
    struct sink sink; /* first */
    pthread_mutex_t lock;
    struct buf text;
};

static int get_tenant(struct sink *s, struct str name, struct tenant **ret, struct why *why)
{
    *ret = (struct tenant *)s;
    return 0;
}

static int append(struct sink *s, size_t lane, struct tenant *t, struct batch *b, struct why *why)
{
    struct notes *n = (struct notes *)s;
    thread_lock(&n->lock);
    for (size_t i = 0; i < b->n; i++) {
        labels_print(b->key[i], &n->text);
        if (sample_is_stale(b->value[i]))
            buf_put_str(&n->text, STR(" stale\n"));
        else
            buf_printf(&n->text, " %g\n", b->value[i]);
    }
    thread_unlock(&n->lock);
    return (int)b->n;
}

static int take_exemplar(struct sink *s, size_t lane, struct tenant *t, const struct exemplar *e,
                         struct why *why)
{
    return 0;
}

static int take_metadata(struct sink *s, size_t lane, struct tenant *t, const struct metadata *m)
{
    return 0;
}

static void commit(struct sink *s, size_t lane, void (*done)(void *context, int err), void *context)
{
    done(context, 0);
}

static const struct sink_ops OPS = {get_tenant, append, take_exemplar, take_metadata, commit};

static struct notes notes;
static int channels[4]; /* of launchers, one a test */
static struct launcher *launcher;

static bool was_noted(const char *text)
{
    thread_lock(&notes.lock);
    bool found = str_search(buf_str(&notes.text), str_c(text)) < notes.text.n;
    thread_unlock(&notes.lock);
    return found;
}

static void assert_noted(const char *text)
{
    for (int ms = 0; ms < PATIENCE_MS && !was_noted(text); ms += STEP_MS)
        usleep(STEP_MS * 1000);
    if (!was_noted(text))
        fail_msg("there is no %s in\n" STR_FMT, text, STR_ARG(notes.text));
}

/* ---- rows */

static char folder[] = "/tmp/custom-XXXXXX", path[64];

#define PROGRAM(row, ...)                                                                          \
    {                                                                                              \
        "command:" row, (const char *const[]){__VA_ARGS__, NULL}, "/", false                       \
    }

static const struct launch_program PROGRAMS[] = {
    PROGRAM("good", "/bin/echo", "5"),
    PROGRAM("hangs", "/bin/sleep", "1000"),
    PROGRAM("reads", "/bin/cat", path),
};

static struct custom_settings_command command(const char *name)
{
    return (struct custom_settings_command){.row = {.name = name,
                                                    .job = "j",
                                                    .type = "gauge",
                                                    .interval_ms = 100,
                                                    .timeout_ms = 60000,
                                                    .series_max = 10},
                                            .answer = {.format = "value"},
                                            .folder = "/",
                                            .output_bytes_max = 1000};
}

static struct custom *start(const struct custom_settings *settings)
{
    struct custom *c;
    struct why why = {0};
    const struct custom_plan plan = {.settings = settings,
                                     .launcher = launcher,
                                     .sink = &notes.sink,
                                     .tenant = STR("default"),
                                     .instance = STR("i"),
                                     .clock = &clock_real};
    thread_lock(&notes.lock);
    buf_clear(&notes.text);
    thread_unlock(&notes.lock);
    assert_int_equal(custom_new(&plan, &c, &why), 0);
    custom_start(c);
    return c;
}

static int make_folder(void **state)
{
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
    /* All before there is a loop: libuv closes descriptors of its own in a process that forks
     * after it was used, whoever has them by then. */
    for (size_t i = 0; i < COUNTOF(channels); i++)
        assert_int_equal(launch_fork(PROGRAMS, COUNTOF(PROGRAMS), &channels[i], NULL), 0);
    return 0;
}

static int remove_folder(void **state)
{
    unlink(path);
    return rmdir(folder);
}

/* A launcher each: the end of a struct custom is the launcher's too. */
static int set_up(void **state)
{
    static size_t used;
    assert_int_equal(launch_open(channels[used++], &launcher, NULL), 0);
    notes.sink.ops = &OPS;
    thread_lock_init(&notes.lock);
    buf_init(&notes.text, 64 << 20);
    return 0;
}

static int tear_down(void **state)
{
    launch_close(launcher);
    buf_done(&notes.text);
    pthread_mutex_destroy(&notes.lock);
    return 0;
}

static void put(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void take_view(void *context, const struct custom_view *view)
{
    *(struct custom_view *)context = *view;
}

/* ---- */

static void without_rows_nothing_runs(void **state)
{
    const struct custom_settings none = {.own = {4}};
    struct custom_view view = {.kind = NULL};
    struct custom *c = start(&none);
    custom_each(c, take_view, &view);
    assert_null(view.kind);
    custom_free(c);
    custom_each(NULL, take_view, &view);
}

static void rows_are_written_with_their_health(void **state)
{
    struct custom_settings_command row = command("good");
    struct custom_settings_log log = {.row = row.row,
                                      .path = path,
                                      .regex = "x(?P<which>.)",
                                      .mode = "count",
                                      .from_beginning = true,
                                      .line_bytes_max = 100,
                                      .files_max = 2};
    const struct custom_settings settings = {.own = {4}, .commands = {&row, 1}, .logs = {&log, 1}};
    struct custom_view view;
    log.row.name = "lines";
    put("xa\nxb\nxa\ny\n");
    struct custom *c = start(&settings);
    assert_noted("good{instance=\"i\", job=\"j\"} 5\n");
    assert_noted("sonde_custom_up{instance=\"i\", job=\"j\", kind=\"command\", name=\"good\"} 1\n");
    assert_noted("lines{instance=\"i\", job=\"j\", which=\"a\"} 2\n");
    custom_each(c, take_view, &view);
    assert_string_equal(view.kind, "log");
    assert_true(view.up && view.runs > 0 && view.failures == 0);
    assert_int_equal(view.series, 2);
    custom_free(c);
}

static void series_end_with_the_third_run_that_gives_nothing(void **state)
{
    struct custom_settings_command row = command("reads");
    const struct custom_settings settings = {.own = {4}, .commands = {&row, 1}};
    struct custom_view view;
    put("7\n");
    struct custom *c = start(&settings);
    assert_noted("reads{instance=\"i\", job=\"j\"} 7\n");
    assert_int_equal(unlink(path), 0);
    assert_noted("reads{instance=\"i\", job=\"j\"} stale\n");
    custom_each(c, take_view, &view);
    assert_true(view.failures >= CUSTOM_FAILURES_MAX);
    assert_false(view.up);
    assert_true(view.text[0] != '\0');
    custom_free(c);
}

static void a_program_that_hangs_holds_up_neither_the_others_nor_the_end(void **state)
{
    struct custom_settings_command rows[2] = {command("hangs"), command("good")};
    const struct custom_settings settings = {.own = {2}, .commands = {rows, 2}};
    struct custom *c = start(&settings);
    assert_noted("good{instance=\"i\", job=\"j\"} 5\n");
    int64_t begun = clock_monotonic_ns(&clock_real);
    custom_free(c);
    assert_true(clock_monotonic_ns(&clock_real) - begun < 5 * INT64_C(1000000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_rows_nothing_runs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rows_are_written_with_their_health, set_up, tear_down),
        cmocka_unit_test_setup_teardown(series_end_with_the_third_run_that_gives_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            a_program_that_hangs_holds_up_neither_the_others_nor_the_end, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
