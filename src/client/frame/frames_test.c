#include "client/frame/frames.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "sonde/metric.h"
#include "sonde/operation.h"
#include "sonde/span.h"

/* The forked child starts the library's thread, which the sanitizer forbids by default. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "die_after_fork=0";
}

static int start(void **state)
{
    static char folder[64];
    snprintf(folder, sizeof folder, "spool.dir=/tmp/sonde-frames-test-%d", (int)getpid());
    const char *settings[] = {"socket=none", folder, NULL};
    sonde_options o = SONDE_OPTIONS_INIT;
    o.service = "frames-test";
    o.settings = settings;
    return sonde_init(&o);
}

static int stop(void **state)
{
    return sonde_shutdown(5000);
}

static json_t *ask(const char *line)
{
    static char answer[1 << 18];
    size_t n;
    sonde_query(line, answer, sizeof answer, &n);
    json_error_t error;
    json_t *j = json_loads(answer, 0, &error);
    assert_non_null(j);
    return j;
}

static sonde_frames *frames_of(const char *name, unsigned samples, double seconds)
{
    sonde_frames_options o = SONDE_FRAMES_OPTIONS_INIT;
    o.name = name;
    o.window_samples = samples;
    o.window_seconds = seconds;
    sonde_frames *f = sonde_frames_new(&o);
    assert_non_null(f);
    return f;
}

static sonde_frames_info read_of(sonde_frames *f)
{
    sonde_frames_info i = {.struct_size = sizeof i};
    assert_int_equal(sonde_frames_read(f, &i), 0);
    return i;
}

static void nothing_is_counted_without_a_running_library(void **state)
{
    sonde_frames *f = frames_of("early", 0, 0);
    sonde_frame_mark(f);
    sonde_frame_mark(f);
    sonde_frame_record(f, 1);
    sonde_frames_info i = {.struct_size = sizeof i};
    assert_int_equal(sonde_frames_read(f, &i), SONDE_ERROR_STATE);
    assert_int_equal(sonde_frames_read(NULL, &i), SONDE_ERROR_ARGUMENT);
    sonde_frame_mark(NULL);
    sonde_frame_begin(NULL);
    sonde_frame_end(NULL);
    sonde_frame_pause(NULL);
    sonde_frame_record(NULL, 1);
    assert_int_equal(start(NULL), 0);
    assert_int_equal(read_of(f).count, 0);
    assert_true(isnan(read_of(f).p50));
    assert_int_equal(stop(NULL), 0);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What the sums should be, said plainly. */
struct plain {
    uint64_t slow, frozen, janky, dropped;
    double delay;
};

static void count_plainly(const double *all, size_t n, struct plain *p)
{
    for (size_t i = 0; i < n; i++) {
        double refresh = 1.0 / 60, s = all[i];
        p->frozen += s > 0.7;
        p->slow += s > refresh && s <= 0.7;
        if (s <= refresh) {
            continue;
        }
        p->delay += s - refresh;
        p->dropped += (uint64_t)floor(s / refresh + 0.5) - 1;
        size_t k = i < 9 ? i : 9;
        if (k >= 3) {
            double last[9];
            memcpy(last, all + i - k, k * sizeof *last);
            qsort(last, k, sizeof *last, by_value);
            p->janky += s > 2 * (k % 2 ? last[k / 2] : (last[k / 2 - 1] + last[k / 2]) / 2);
        }
    }
}

static double plain_quantile(const double *sorted, size_t n, double q)
{
    for (size_t i = 0; i < n; i++) {
        if ((double)(i + 1) >= q * (double)n) {
            return sorted[i];
        }
    }
    return sorted[n - 1];
}

static void the_window_agrees_with_a_plain_sort(void **state)
{
    enum { N = 3000 };
    static double all[N], sorted[N];
    unsigned seed = 5;
    static const unsigned windows[] = {1, 2, 7, 100, 255, 256, 1000};
    for (size_t w = 0; w < sizeof windows / sizeof *windows; w++) {
        char name[32];
        snprintf(name, sizeof name, "window %u", windows[w]);
        sonde_frames *f = frames_of(name, windows[w], 1000);
        struct plain p = {0};
        for (size_t i = 0; i < N; i++) {
            double spread = (double)rand_r(&seed) / RAND_MAX;
            all[i] =
                floor((0.010 + 0.012 * spread * spread + (rand_r(&seed) % 50 == 0 ? spread : 0)) *
                      1e9) *
                1e-9;
            sonde_frame_record(f, all[i]);
            if (i % 500 != 499) {
                continue;
            }
            sonde_frames_info info = read_of(f);
            size_t n = i + 1 < windows[w] ? i + 1 : windows[w];
            memcpy(sorted, all + i + 1 - n, n * sizeof *sorted);
            double sum = 0;
            for (size_t k = 0; k < n; k++) {
                sum += sorted[k];
            }
            qsort(sorted, n, sizeof *sorted, by_value);
            assert_int_equal(info.window_count, n);
            assert_true(fabs(info.minimum - sorted[0]) < 1e-12);
            assert_true(fabs(info.maximum - sorted[n - 1]) < 1e-12);
            assert_true(fabs(info.mean - sum / (double)n) < 1e-9);
            assert_true(fabs(info.p50 - plain_quantile(sorted, n, 0.5)) < 1e-12);
            assert_true(fabs(info.p95 - plain_quantile(sorted, n, 0.95)) < 1e-12);
            assert_true(fabs(info.p99 - plain_quantile(sorted, n, 0.99)) < 1e-12);
        }
        count_plainly(all, N, &p);
        sonde_frames_info info = read_of(f);
        assert_int_equal(info.count, N);
        assert_int_equal(info.slow, p.slow);
        assert_int_equal(info.frozen, p.frozen);
        assert_int_equal(info.janky, p.janky);
        assert_int_equal(info.dropped, p.dropped);
        assert_true(fabs(info.delay - p.delay) < 1e-5);
        assert_true(p.slow > 100 && p.frozen > 1 && p.janky > 10 && p.dropped > 10);
    }
}

static void frames_leave_the_window_after_its_seconds(void **state)
{
    sonde_frames *f = frames_of("seconds", 100, 0.2);
    sonde_frame_record(f, 0.5);
    sonde_frame_record(f, 0.9);
    assert_int_equal(read_of(f).window_count, 2);
    assert_int_equal(read_of(f).window_slow, 1);
    assert_int_equal(read_of(f).window_frozen, 1);
    usleep(250000);
    sonde_frame_record(f, 0.01);
    sonde_frames_info i = read_of(f);
    assert_int_equal(i.window_count, 1);
    assert_int_equal(i.count, 3);
    assert_true(fabs(i.maximum - 0.01) < 1e-9);
    assert_int_equal(i.frozen, 1);
}

static void marks_and_pairs_time_frames(void **state)
{
    sonde_frames *f = frames_of("marks", 0, 0);
    for (int i = 0; i < 6; i++) {
        sonde_frame_mark(f);
        usleep(5000);
    }
    sonde_frames_info i = read_of(f);
    assert_int_equal(i.count, 5);
    assert_true(i.minimum >= 0.005 && i.minimum < 0.2);
    assert_true(i.rate > 4 && i.rate <= 200);
    sonde_frame_pause(f);
    usleep(30000);
    sonde_frame_mark(f); /* what was before it is no frame */
    assert_int_equal(read_of(f).count, 5);
    sonde_frames *g = frames_of("pairs", 0, 0);
    sonde_frame_end(g); /* without a begin */
    for (int k = 0; k < 3; k++) {
        sonde_frame_begin(g);
        usleep(2000);
        sonde_frame_end(g);
        usleep(10000);
    }
    i = read_of(g);
    assert_int_equal(i.count, 3);
    assert_true(i.minimum >= 0.002 && i.minimum < 0.01);
    assert_true(i.last_ms > 1600000000000);
}

struct seen {
    size_t n, running_n;
    sonde_frame_worst worst[64];
    sonde_frame_running running[SONDE_FRAMES_RUNNING_MAX]; /* of the first */
    char names[SONDE_FRAMES_RUNNING_MAX][64];
};

static void see(const sonde_frame_worst *w, void *user)
{
    struct seen *s = user;
    for (size_t i = 0; s->n == 0 && i < w->running_n; i++) {
        s->running[i] = w->running[i];
        snprintf(s->names[i], sizeof s->names[i], "%s", w->running[i].name);
        s->running_n = w->running_n;
    }
    s->worst[s->n++] = *w;
}

static void the_worst_are_kept_the_slowest_first(void **state)
{
    enum { N = 1000 };
    static double all[N];
    sonde_frames *f = frames_of("worst of all", 0, 0);
    unsigned seed = 11;
    for (size_t i = 0; i < N; i++) {
        all[i] = 0.02 + (double)(rand_r(&seed) % 1000000) * 1e-6;
        sonde_frame_record(f, all[i]);
    }
    qsort(all, N, sizeof *all, by_value);
    struct seen s = {0};
    assert_int_equal(sonde_frames_worst(f, 100, see, &s), 16);
    for (size_t i = 0; i < s.n; i++) {
        assert_true(fabs(s.worst[i].seconds - all[N - 1 - i]) < 1e-9);
        assert_int_equal(s.worst[i].frozen, all[N - 1 - i] > 0.7);
        assert_int_equal(s.worst[i].thread, gettid());
    }
    sonde_frames_reset(f);
    assert_int_equal(sonde_frames_worst(f, 100, see, &s), 0);
    assert_int_equal(read_of(f).count, 0);
    sonde_frame_record(f, 0.001); /* not slow: never among them */
    assert_int_equal(sonde_frames_worst(f, 100, see, &s), 0);
    sonde_frame_record(f, 0.03);
    assert_int_equal(sonde_frames_worst(f, 100, see, &s), 1);
    assert_int_equal(read_of(f).count, 2);
    assert_int_equal(read_of(f).janky, 0); /* what was before the reset is no measure */
}

static void a_worst_frame_says_what_ran_in_it(void **state)
{
    sonde_frames *f = frames_of("busy", 0, 0);
    sonde_operation *loop = sonde_operation_get("game", "level");
    sonde_operation *load = sonde_operation_get("game", "load"),
                    *old = sonde_operation_get("game", "old");
    sonde_tracker t = sonde_operation_begin(old);
    sonde_operation_complete(&t);
    sonde_frame_mark(f);
    sonde_tracker level = sonde_operation_begin(loop);
    sonde_span *span = sonde_span_start("decode texture", SONDE_SPAN_INTERNAL);
    t = sonde_operation_begin(load);
    usleep(20000);
    sonde_operation_complete(&t);
    sonde_frame_mark(f);
    struct seen s = {0};
    assert_int_equal(sonde_frames_worst(f, 1, see, &s), 1);
    assert_int_equal(s.running_n, 3);
    unsigned seen = 0;
    for (size_t i = 0; i < s.running_n; i++) {
        assert_true(s.running[i].seconds >= 0.02 && s.running[i].seconds < 1);
        seen |= strcmp(s.names[i], "level") == 0 && !s.running[i].ended ? 1 : 0;
        seen |= strcmp(s.names[i], "load") == 0 && s.running[i].ended ? 2 : 0;
        seen |= strcmp(s.names[i], "decode texture") == 0 && !s.running[i].ended ? 4 : 0;
    }
    assert_int_equal(seen, 7);
    sonde_span_end(span);
    sonde_operation_complete(&level);
    json_t *j = ask("frames worst 1");
    json_t *worst = json_array_get(json_object_get(j, "worst"), 0);
    assert_non_null(json_object_get(worst, "running"));
    json_decref(j);
}

static void commands_answer_for_one_and_for_all(void **state)
{
    sonde_frames *f = frames_of("asked", 0, 0);
    sonde_frame_record(f, 0.010);
    sonde_frame_record(f, 0.8);
    json_t *j = ask("frames asked");
    json_t *one = json_array_get(json_object_get(j, "frames"), 0);
    assert_int_equal(json_integer_value(json_object_get(one, "count")), 2);
    assert_int_equal(json_integer_value(json_object_get(one, "frozen")), 1);
    json_t *window = json_object_get(one, "window");
    assert_true(json_number_value(json_object_get(window, "max_ms")) == 800);
    assert_int_equal(json_array_size(json_object_get(j, "worst")), 1);
    json_decref(j);
    j = ask("frames");
    assert_true(json_array_size(json_object_get(j, "frames")) >= 1);
    json_decref(j);
    static const char *const bad[] = {"frames nothing", "frames worst none", "frames worst 0",
                                      "frames_reset nothing"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        j = ask(bad[i]);
        assert_non_null(json_object_get(json_object_get(j, "error"), "message"));
        json_decref(j);
    }
    json_decref(ask("frames_reset asked"));
    assert_int_equal(read_of(f).count, 0);
}

/* The value of a series in the text of all metrics. */
static double metric_of(const char *series)
{
    char *text = sonde_metrics_new_text(SONDE_METRICS_TEXT);
    assert_non_null(text);
    char line[300];
    snprintf(line, sizeof line, "\n%s ", series);
    const char *at = strstr(text, line);
    double value = at ? strtod(at + strlen(line), NULL) : NAN;
    free(text);
    return value;
}

static void metrics_say_what_was_counted(void **state)
{
    sonde_frames *f = frames_of("metric", 0, 0);
    for (int i = 0; i < 10; i++) {
        sonde_frame_record(f, 0.0125);
    }
    sonde_frame_record(f, 0.05);
    sonde_frame_record(f, 1);
#define SERIES(name, more) "sonde_" name "{name=\"metric\"" more "}"
    assert_true(metric_of(SERIES("frames_total", ",kind=\"normal\"")) == 10);
    assert_true(metric_of(SERIES("frames_total", ",kind=\"slow\"")) == 1);
    assert_true(metric_of(SERIES("frames_total", ",kind=\"frozen\"")) == 1);
    assert_true(metric_of(SERIES("frames_janky_total", "")) == 2);
    assert_true(metric_of(SERIES("frames_dropped_total", "")) == 2 + 59);
    assert_true(fabs(metric_of(SERIES("frame_delay_seconds_total", "")) - 1.05 + 2.0 / 60) < 1e-6);
    assert_true(metric_of(SERIES("frame_duration_seconds_count", "")) == 12);
    assert_true(metric_of(SERIES("frame_window_duration_seconds", ",quantile=\"0.5\"")) == 0.0125);
    assert_true(metric_of(SERIES("frame_window_duration_seconds", ",quantile=\"1\"")) == 1);
    assert_true(metric_of(SERIES("frame_rate", "")) > 0);
    assert_true(metric_of(SERIES("frame_target_rate", "")) == 60);
#undef SERIES
}

static void options_beyond_their_limits_are_refused(void **state)
{
    static const sonde_frames_options bad[] = {
        {.struct_size = 8},
        {.struct_size = sizeof *bad, .name = ""},
        {.struct_size = sizeof *bad, .target_hz = 0.5},
        {.struct_size = sizeof *bad, .target_hz = NAN},
        {.struct_size = sizeof *bad, .window_samples = SONDE_FRAMES_WINDOW_MAX + 1},
        {.struct_size = sizeof *bad, .window_seconds = -1},
        {.struct_size = sizeof *bad, .slow_factor = 0.5},
        {.struct_size = sizeof *bad, .frozen_ms = 1e9},
        {.struct_size = sizeof *bad, .worst = SONDE_FRAMES_WORST_MAX + 1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_null(sonde_frames_new(&bad[i]));
    }
    sonde_frames *main_frames = sonde_frames_new(NULL);
    assert_string_equal(read_of(main_frames).name, "main");
    assert_ptr_equal(main_frames, frames_of("main", 7, 7));
    sonde_frame_record(main_frames, NAN);
    sonde_frame_record(main_frames, -1);
    sonde_frame_record(main_frames, INFINITY);
    assert_int_equal(read_of(main_frames).count, 0);
}

static _Atomic bool over;

static void *run_frames(void *context)
{
    uint64_t n = 0;
    while (!atomic_load(&over)) {
        sonde_frame_record(context, n++ % 100 ? 0.010 : 0.1);
        sonde_frame_mark(context);
    }
    return NULL;
}

static void it_can_be_read_and_reset_while_it_runs(void **state)
{
    sonde_frames *f = frames_of("stress", 200, 100);
    pthread_t threads[2]; /* two at once is one too many, and harmless */
    atomic_store(&over, false);
    for (int i = 0; i < 2; i++) {
        pthread_create(&threads[i], NULL, run_frames, f);
    }
    for (int i = 0; i < 200; i++) {
        sonde_frames_info info = read_of(f);
        assert_true(info.window_count <= 200);
        assert_true(!info.window_count || (info.minimum <= info.p50 && info.p50 <= info.maximum));
        struct seen s = {0};
        sonde_frames_worst(f, 64, see, &s);
        for (size_t k = 0; k < s.n; k++) {
            assert_true(s.worst[k].seconds > 1.0 / 60 && s.worst[k].seconds < 60);
        }
        if (i % 20 == 19) {
            sonde_frames_reset(i % 40 == 19 ? NULL : f);
        }
        usleep(200);
    }
    atomic_store(&over, true);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    sonde_frames_reset(f);
    assert_int_equal(read_of(f).count, 0);
}

static void a_forked_child_has_frames_of_its_own(void **state)
{
    sonde_frames *f = frames_of("fork", 0, 0);
    sonde_frame_record(f, 0.9);
    pid_t pid = fork();
    if (pid == 0) {
        sonde_operation_record(sonde_operation_get("a", "b"), 1, 0, NULL);
        sonde_frame_record(f, 0.01);
        sonde_frames_info i = {.struct_size = sizeof i};
        _exit(sonde_frames_read(f, &i) != 0 || i.count != 1 || i.frozen != 0);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(read_of(f).count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_counted_without_a_running_library),
        cmocka_unit_test_setup_teardown(the_window_agrees_with_a_plain_sort, start, stop),
        cmocka_unit_test_setup_teardown(frames_leave_the_window_after_its_seconds, start, stop),
        cmocka_unit_test_setup_teardown(marks_and_pairs_time_frames, start, stop),
        cmocka_unit_test_setup_teardown(the_worst_are_kept_the_slowest_first, start, stop),
        cmocka_unit_test_setup_teardown(a_worst_frame_says_what_ran_in_it, start, stop),
        cmocka_unit_test_setup_teardown(commands_answer_for_one_and_for_all, start, stop),
        cmocka_unit_test_setup_teardown(metrics_say_what_was_counted, start, stop),
        cmocka_unit_test_setup_teardown(options_beyond_their_limits_are_refused, start, stop),
        cmocka_unit_test_setup_teardown(it_can_be_read_and_reset_while_it_runs, start, stop),
        cmocka_unit_test_setup_teardown(a_forked_child_has_frames_of_its_own, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
