#include "rules/rules_testbed.h"

#include <stdio.h>

#include "base/rand.h"
#include "tool/backfill.h"

/* The beds are two: what a backfill writes must be what runs at each time write. */
struct world {
    struct bed bed;
    uint64_t written, windows;
};

static int query(void *context, const struct rule *rule, int64_t start_ms, int64_t end_ms,
                 int64_t step_ms, struct arena *a, struct backfill_points *ret, struct why *why)
{
    struct world *w = context;
    struct promql_query q = {.expr = rule->tree,
                             .options = &w->bed.options,
                             .store = w->bed.world.store,
                             .tenant = w->bed.world.tenant,
                             .start_ms = start_ms,
                             .end_ms = end_ms,
                             .step_ms = step_ms};
    int err = backfill_run(&q, a, ret, why);
    w->windows += err == 0;
    return err;
}

static int write(void *context, const struct backfill_point *v, size_t n, struct why *why)
{
    struct world *w = context;
    for (size_t i = 0; i < n; i++)
        promqltest_store_put(w->bed.store, v[i].key, v[i].ts_ms, v[i].value, v[i].histogram);
    w->written += n;
    return 0;
}

static struct world one;

static int set_up(void **state)
{
    one = (struct world){.written = 0};
    bed_open(&one.bed);
    return 0;
}

static int tear_down(void **state)
{
    bed_close(&one.bed);
    return 0;
}

static int fill(struct world *w, const char *rules, int64_t from_ms, int64_t to_ms, struct why *why)
{
    struct backfill_store store = {w, query, write, NULL};
    struct group *g = bed_group(&w->bed, rules, false);
    uint64_t samples = 0;
    int err = backfill_group(g, from_ms, to_ms, &store, &samples, why);
    if (err == 0)
        assert_int_equal(samples, w->written);
    group_free(g);
    return err;
}

#define GROUP(rules) "groups:\n- name: g\n  rules:\n" rules
#define MIXED                                                                                      \
    GROUP("  - {record: high, expr: x > 50, labels: {a: b}}\n"                                     \
          "  - {record: n, expr: count(high)}\n"                                                   \
          "  - {alert: Passed, expr: x > 0}\n"                                                     \
          "  - {record: all, expr: sum(x) + 1}\n")

static void put_random(struct rand *r, struct bed *bed, struct bed *other, int series, int n)
{
    char line[100];
    for (int s = 0; s < series; s++) {
        for (int i = 0; i < n; i++) {
            if (rand_below(r, 3) == 0)
                continue;
            const char *stale = rand_below(r, 8) == 0 ? "stale" : NULL;
            snprintf(line, sizeof line, "x{i=\"%d\"} %d", s, (int)rand_below(r, 100));
            if (stale)
                snprintf(line, sizeof line, "x{i=\"%d\"} stale", s);
            bed_load(bed, i * 60000LL, line);
            bed_load(other, i * 60000LL, line);
        }
    }
}

static void it_writes_what_runs_at_each_time_write(void **state)
{
    static const char *const NAMES[] = {"high", "n", "all"};
    struct rand r;
    rand_init(&r, 99);
    for (int round = 0; round < 8; round++) {
        struct world plain = {.written = 0};
        struct group_outcome outcome;
        struct why why = {0};
        tear_down(NULL);
        set_up(NULL);
        bed_open(&plain.bed);
        put_random(&r, &one.bed, &plain.bed, 3, 120);
        struct group *g = bed_group(&plain.bed, MIXED, false);
        for (int64_t t = group_next_ms(g, -1); t <= 7200000; t += 60000)
            group_evaluate(g, &plain.bed.world, t, &outcome);
        assert_int_equal(fill(&one, MIXED, 0, 7200000, &why), 0);
        for (size_t i = 0; i < COUNTOF(NAMES); i++)
            assert_string_equal(bed_history(&one.bed, NAMES[i]), bed_history(&plain.bed, NAMES[i]));
        assert_string_equal(bed_history(&one.bed, "ALERTS"), "");
        group_free(g);
        bed_close(&plain.bed);
    }
}

static void many_windows_join_without_a_seam(void **state)
{
    struct why why = {0};
    bed_load(&one.bed, 0, "x 1x2500 _x20 2x500");
    assert_int_equal(fill(&one, GROUP("  - {record: r, expr: x}\n"), 0, 3000 * 60000LL, &why), 0);
    const char *text = bed_history(&one.bed, "r");
    size_t stale = 0, points = 0;
    for (const char *p = text; (p = strchr(p, '=')) != NULL; p++) {
        points++;
        stale += strncmp(p, "=stale", 6) == 0;
    }
    assert_int_equal(stale, 1);
    assert_true(points > 2900 && points < 3000);
    assert_int_equal(one.windows, 3);
}

static void the_same_run_twice_changes_nothing(void **state)
{
    struct why why = {0};
    bed_load(&one.bed, 0, "x 1 2 _x10 stale 3 4 5");
    assert_int_equal(fill(&one, GROUP("  - {record: r, expr: x}\n"), 0, 1200000, &why), 0);
    const char *first = bed_history(&one.bed, "r");
    one.written = 0;
    assert_int_equal(fill(&one, GROUP("  - {record: r, expr: x}\n"), 0, 1200000, &why), 0);
    assert_string_equal(bed_history(&one.bed, "r"), first);
}

static void results_with_equal_labels_end_it(void **state)
{
    struct why why = {0};
    bed_load(&one.bed, 0, "x{a=\"1\"} 1x20");
    bed_load(&one.bed, 0, "x{a=\"2\"} 1x20");
    assert_int_equal(
        fill(&one, GROUP("  - {record: r, expr: x, labels: {a: same}}\n"), 0, 600000, &why),
        -ERR_EXISTS);
    assert_non_null(strstr(why.text, "group \"g\", rule \"r\": vector contains metrics"));
    assert_int_equal(one.written, 0);
}

static void the_groups_limit_holds(void **state)
{
    static const char LIMITED[] =
        "groups:\n- name: g\n  limit: 1\n  rules:\n  - {record: r, expr: x}\n";
    struct why why = {0};
    bed_load(&one.bed, 0, "x{a=\"1\"} 1x20");
    assert_int_equal(fill(&one, LIMITED, 0, 600000, &why), 0);
    bed_load(&one.bed, 0, "x{a=\"2\"} 1x20");
    assert_int_equal(fill(&one, LIMITED, 0, 600000, &why), -ERR_LIMIT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_writes_what_runs_at_each_time_write),
        TEST(many_windows_join_without_a_seam),
        TEST(the_same_run_twice_changes_nothing),
        TEST(results_with_equal_labels_end_it),
        TEST(the_groups_limit_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
