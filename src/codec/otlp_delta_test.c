#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <pthread.h>

#include "base/bits.h"
#include "base/mem.h"
#include "base/rand.h"
#include "codec/otlp_delta.h"
#include "codec/otlp_exponential.h"

enum { SERIES_MAX = 100, STALE_MS = 60000 };

struct fixture {
    struct otlp_delta *d;
    struct arena a;
    struct why why;
    int64_t now_ms;
};

static int begin(void **state)
{
    struct fixture *f = mem_new(sizeof *f);
    f->d = otlp_delta_new(SERIES_MAX, STALE_MS);
    arena_init(&f->a);
    f->now_ms = 1000000;
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    otlp_delta_free(f->d);
    arena_done(&f->a);
    mem_free(f);
    return 0;
}

static int number(struct fixture *f, uint64_t start, uint64_t time, double value,
                  struct otlp_point *ret)
{
    *ret = (struct otlp_point){.start_ns = start, .time_ns = time, .value = value};
    return otlp_delta_add(f->d, STR("s"), OTLP_SUM, f->now_ms, &f->a, ret, &f->why);
}

static void sums_are_added_up_from_the_first_start_on(void **state)
{
    struct fixture *f = *state;
    struct otlp_point p;
    assert_int_equal(number(f, 1000, 1100, 5, &p), 0);
    assert_true(p.value == 5 && p.start_ns == 1000);
    assert_int_equal(number(f, 1100, 1200, 7, &p), 0);
    assert_true(p.value == 12 && p.start_ns == 1000 && p.time_ns == 1200);
    assert_int_equal(number(f, 1150, 1300, 1, &p), 0); /* overlaps, but is later */
    assert_true(p.value == 13);
    assert_int_equal(number(f, 1400, 1500, 2, &p), 0); /* leaves a gap */
    assert_true(p.value == 15 && p.start_ns == 1000);
}

static void late_deltas_are_refused_and_change_nothing(void **state)
{
    struct fixture *f = *state;
    struct otlp_point p;
    assert_int_equal(number(f, 1234, 1337, 42, &p), 0);
    assert_int_equal(number(f, 1000, 2000, 24, &p), -ERR_OLD);
    assert_non_null(strstr(f->why.text, "began before its series"));
    assert_int_equal(number(f, 1234, 1336, 24, &p), -ERR_OLD);
    assert_int_equal(number(f, 1234, 1337, 42, &p), -ERR_OLD); /* sent again */
    assert_non_null(strstr(f->why.text, "no later than the last one"));
    assert_int_equal(number(f, 1337, 1400, 1, &p), 0);
    assert_true(p.value == 43);
}

static void a_series_that_is_silent_or_ended_begins_anew(void **state)
{
    struct fixture *f = *state;
    struct otlp_point p;
    assert_int_equal(number(f, 1000, 1100, 5, &p), 0);
    f->now_ms += STALE_MS;
    assert_int_equal(number(f, 1100, 1200, 5, &p), 0);
    assert_true(p.value == 10);
    f->now_ms += STALE_MS + STALE_MS / 2;
    assert_int_equal(number(f, 1200, 1300, 5, &p), 0);
    assert_true(p.value == 5 && p.start_ns == 1200);
    otlp_delta_forget(f->d, STR("s"));
    assert_int_equal(otlp_delta_count(f->d), 0);
    assert_int_equal(number(f, 1, 2, 3, &p), 0);
    assert_true(p.value == 3);
}

static void there_are_never_more_series_than_allowed(void **state)
{
    struct fixture *f = *state;
    int refused = 0;
    for (int i = 0; i < SERIES_MAX + 20; i++) {
        char key[20];
        int n = snprintf(key, sizeof key, "series %d", i);
        struct otlp_point p = {.time_ns = 1};
        int err =
            otlp_delta_add(f->d, str_of(key, (size_t)n), OTLP_SUM, f->now_ms, &f->a, &p, &f->why);
        refused += err == -ERR_LIMIT;
    }
    assert_int_equal(refused, 20);
    assert_int_equal(otlp_delta_count(f->d), SERIES_MAX);
}

static struct str words(struct fixture *f, const uint64_t *v, size_t n)
{
    char *p = arena_new(&f->a, n * 8 + 1);
    for (size_t i = 0; i < n; i++)
        store64(p + i * 8, v[i]);
    return str_of(p, n * 8);
}

static int histogram(struct fixture *f, uint64_t time, double bound, uint64_t low, uint64_t high,
                     struct otlp_point *ret)
{
    uint64_t bits = double_bits(bound);
    *ret = (struct otlp_point){.start_ns = time - 10,
                               .time_ns = time,
                               .d.count = low + high,
                               .d.has_sum = true,
                               .d.sum = 2,
                               .d.bounds = words(f, &bits, 1),
                               .d.bucket_counts = words(f, (uint64_t[]){low, high}, 2)};
    return otlp_delta_add(f->d, STR("h"), OTLP_HISTOGRAM, f->now_ms, &f->a, ret, &f->why);
}

static void histograms_are_added_up_until_their_bounds_change(void **state)
{
    struct fixture *f = *state;
    struct otlp_point p;
    assert_int_equal(histogram(f, 100, 1, 1, 2, &p), 0);
    assert_int_equal(histogram(f, 110, 1, 3, 4, &p), 0);
    assert_true(p.d.count == 10 && p.d.sum == 4 && p.start_ns == 90);
    assert_int_equal(load64(p.d.bucket_counts.p), 4);
    assert_int_equal(load64(p.d.bucket_counts.p + 8), 6);
    assert_int_equal(histogram(f, 120, 2, 5, 5, &p), 0);
    assert_true(p.d.count == 10 && p.d.sum == 2 && p.start_ns == 110);
}

static uint64_t total(const struct otlp_buckets *b)
{
    uint64_t n = 0;
    for (size_t i = 0; i < b->n; i++)
        n += b->counts[i];
    return n;
}

static int exponential(struct fixture *f, uint64_t time, int32_t scale, int32_t offset, size_t n,
                       const uint64_t *counts, double zero_threshold, struct otlp_point *ret)
{
    *ret = (struct otlp_point){.time_ns = time,
                               .d.scale = scale,
                               .d.has_sum = true,
                               .d.zero_count = 1,
                               .d.zero_threshold = zero_threshold,
                               .d.positive = {offset, n, counts}};
    ret->d.count = 1 + total(&ret->d.positive);
    return otlp_delta_add(f->d, STR("e"), OTLP_EXPONENTIAL, f->now_ms, &f->a, ret, &f->why);
}

static void exponential_histograms_meet_at_the_lower_scale(void **state)
{
    struct fixture *f = *state;
    struct otlp_point p;
    static const uint64_t FOUR[] = {1, 2, 3, 4};
    assert_int_equal(exponential(f, 1, 1, -2, 4, FOUR, 0, &p), 0);
    assert_true(p.d.scale == 1 && p.d.positive.offset == -2 && p.d.count == 11);
    assert_int_equal(exponential(f, 2, 0, 0, 4, FOUR, 0, &p), 0);
    assert_true(p.d.scale == 0 && p.d.count == 22 && p.d.zero_count == 2);
    assert_int_equal(p.d.positive.offset, -1);
    assert_int_equal(p.d.positive.n, 5);
    assert_int_equal(p.d.positive.counts[0], 3);
    assert_int_equal(p.d.positive.counts[1], 7 + 1);
    assert_int_equal(p.d.positive.counts[4], 4);
    /* Buckets far away from each other: the scale falls until 160 hold them. */
    assert_int_equal(exponential(f, 3, 0, 1000, 1, FOUR, 0, &p), 0);
    assert_int_equal(p.d.scale, -3);
    assert_true(p.d.positive.n <= OTLP_EXPONENTIAL_SUM_MAX && total(&p.d.positive) == 21);
    /* A wider zero takes in the buckets that it reaches. */
    assert_int_equal(exponential(f, 4, -3, 2, 1, FOUR, 0.9, &p), 0);
    assert_true(p.d.zero_count == 4 + 3 && p.d.zero_threshold >= 0.9);
    assert_true(p.d.count == p.d.zero_count + total(&p.d.positive));
}

static void no_count_is_lost_whatever_is_added(void **state)
{
    struct fixture *f = *state;
    struct otlp_point p;
    struct rand rand;
    uint64_t counts[300], sum = 0;
    rand_init(&rand, 9);
    for (uint64_t i = 1; i < 2000; i++) {
        size_t n = rand_below(&rand, COUNTOF(counts));
        for (size_t k = 0; k < n; k++)
            sum += counts[k] = rand_below(&rand, 3);
        int32_t offset = i % 50 ? (int32_t)rand_below(&rand, 400) - 200 : INT32_MAX - 300;
        assert_int_equal(exponential(f, i, (int32_t)rand_below(&rand, 24) - 4, offset, n, counts,
                                     i % 7 ? 0 : 1e-9, &p),
                         0);
        sum++;
        assert_int_equal(p.d.count, sum);
        assert_int_equal(p.d.zero_count + total(&p.d.positive), sum);
        arena_reset(&f->a);
    }
}

static void *add_many(void *context)
{
    struct fixture *f = context;
    struct arena a;
    arena_init(&a);
    for (int i = 0; i < 10000; i++) {
        char key[4] = {'a', (char)('0' + i % 10)};
        static _Atomic uint64_t time = 1;
        struct otlp_point p = {.time_ns = ++time, .value = 1};
        (void)!otlp_delta_add(f->d, str_of(key, 2), OTLP_SUM, f->now_ms, &a, &p, NULL);
        arena_reset(&a);
    }
    arena_done(&a);
    return NULL;
}

static void several_threads_may_add_at_once(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[4];
    for (size_t i = 0; i < COUNTOF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, f), 0);
    for (size_t i = 0; i < COUNTOF(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(otlp_delta_count(f->d), 10);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        CASE(sums_are_added_up_from_the_first_start_on),
        CASE(late_deltas_are_refused_and_change_nothing),
        CASE(a_series_that_is_silent_or_ended_begins_anew),
        CASE(there_are_never_more_series_than_allowed),
        CASE(histograms_are_added_up_until_their_bounds_change),
        CASE(exponential_histograms_meet_at_the_lower_scale),
        CASE(no_count_is_lost_whatever_is_added),
        CASE(several_threads_may_add_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
