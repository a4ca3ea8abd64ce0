#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/rand.h"
#include "query/promql/promql_windows.h"

enum { SAMPLES_MAX = 200, STEPS_MAX = 60, ROUNDS = 20000, COLUMNS = 5 };

/* Times that are evenly spaced, or nearly, or not at all. */
static size_t make_times(struct rand *r, int64_t *ts)
{
    static const int64_t spacings[] = {1, 1000, 5000, 15000, 30000, 60000};
    size_t n = rand_below(r, SAMPLES_MAX);
    int64_t d = spacings[rand_below(r, COUNTOF(spacings))];
    int64_t at = 1000000 + (int64_t)rand_below(r, 100000);
    unsigned how = (unsigned)rand_below(r, 4);
    for (size_t i = 0; i < n; i++) {
        ts[i] = at;
        at += d;
        if (how == 1 && rand_below(r, 20) == 0)
            at += d * (int64_t)rand_below(r, 30);
        if (how == 2)
            at += (int64_t)rand_below(r, 5);
    }
    return n;
}

static void make_source(struct rand *r, struct source *s)
{
    static const int64_t steps[] = {1, 1000, 15000, 30000, 47000, 60000, 300000};
    *s = (struct source){.grid = {900000 + (int64_t)rand_below(r, 400000),
                                  steps[rand_below(r, COUNTOF(steps))],
                                  1 + rand_below(r, STEPS_MAX)},
                         .range_ms = 1 + (int64_t)rand_below(r, 600000),
                         .offset_ms = rand_below(r, 4) ? 0 : (int64_t)rand_below(r, 100000) - 50000,
                         .at = rand_below(r, 10) ? AT_NONE : AT_TIME,
                         .at_ms = 1000000 + (int64_t)rand_below(r, 200000)};
    if (rand_below(r, 3) == 0)
        s->range_ms = s->range_ms / 15000 * 15000 + 15000;
}

static void assert_windows(const struct windows_set *set, const struct windows *w,
                           const int64_t *ts, size_t n)
{
    for (size_t i = 0; i < set->n; i++) {
        int64_t at = promql_source_ms(set->source, i);
        uint32_t low = 0, high = 0;
        while (low < n && ts[low] <= at - set->behind_ms)
            low++;
        while (high < n && ts[high] <= at + set->after_ms)
            high++;
        assert_int_equal(w->low[i], low);
        assert_int_equal(w->high[i], high > low ? high : low);
        if (i < w->from || i >= w->to)
            continue;
        assert_int_equal(w->high[i] - w->low[i], w->width);
        assert_int_equal(w->low[i] - w->low[w->from], (i - w->from) * w->stride);
    }
    assert_true(w->from <= w->to && w->to <= set->n);
}

static void windows_are_what_a_look_at_every_sample_finds(void **state)
{
    struct rand r;
    (void)state;
    rand_init(&r, 1);
    for (size_t round = 0; round < ROUNDS; round++) {
        static int64_t ts[COLUMNS][SAMPLES_MAX];
        struct arena a;
        struct engine e = {.arena = &a};
        struct source s;
        struct windows_set set;
        arena_init(&a);
        make_source(&r, &s);
        promql_windows_init(&e, &s, s.range_ms, rand_below(&r, 3) ? 0 : s.range_ms, &set);
        size_t n[COLUMNS];
        for (size_t k = 0; k < COLUMNS; k++)
            n[k] = make_times(&r, ts[k]);
        for (size_t k = 0; k < 3 * COLUMNS; k++) {
            size_t i = rand_below(&r, COLUMNS);
            uint64_t id = rand_below(&r, 4) ? (i + 1) * 512 : 0; /* they all want one place */
            assert_windows(&set, promql_windows_of(&e, &set, ts[i], n[i], id), ts[i], n[i]);
        }
        arena_done(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_are_what_a_look_at_every_sample_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
