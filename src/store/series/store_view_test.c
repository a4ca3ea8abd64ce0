/* What operators are told of a store: its parts, and what the head holds. */
#include "store/series/store_testbed.h"

enum { SERIES = 10, STEPS = 40 };

static void write_some(struct bed *b, int round)
{
    for (int i = 0; i < STEPS; i++)
        bed_put(b, b->tenant, "up", 0, SERIES, BED_EPOCH + (round * STEPS + i) * 1000, NULL);
    assert_int_equal(bed_commit(b), 0);
}

static void begin(struct bed *b)
{
    bed_begin(b, 1);
    b->clock.wall_ms = BED_EPOCH + 3600000;
    bed_open(b);
    write_some(b, 0);
}

struct seen {
    struct store_part first;
    size_t n;
    uint64_t samples;
    bool below;
};

static void see(void *context, const struct store_part *part)
{
    struct seen *seen = context;
    if (seen->n++ == 0)
        seen->first = *part;
    seen->samples += part->samples;
    seen->below = str_search(str_c(part->dir), STR("/part-")) < strlen(part->dir);
}

static void parts_are_told_with_their_samples_and_times(void **state)
{
    (void)state;
    struct bed b;
    struct why why = {0};
    struct seen seen = {0};
    begin(&b);
    store_each_part(b.store, str_c(b.tenant->name), see, &seen);
    assert_int_equal(seen.n, 0);
    assert_int_equal(store_flush(b.store, &why), 0);
    write_some(&b, 1);
    assert_int_equal(store_flush(b.store, &why), 0);
    store_each_part(b.store, str_c(b.tenant->name), see, &seen);
    assert_int_equal(seen.n, 2);
    assert_true(seen.below);
    assert_int_equal(seen.samples, 2 * SERIES * STEPS);
    assert_int_equal(seen.first.samples, SERIES * STEPS);
    assert_int_equal(seen.first.series, SERIES);
    assert_int_equal(seen.first.first_ms, BED_EPOCH);
    assert_int_equal(seen.first.last_ms, BED_EPOCH + (STEPS - 1) * 1000);
    assert_int_equal(seen.first.level, 0);
    seen = (struct seen){0};
    store_each_part(b.store, STR("nobody"), see, &seen);
    assert_int_equal(seen.n, 0);
    bed_end(&b);
}

static const struct cardinality_row *row_of(const struct cardinality_row *v, size_t n,
                                            const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(v[i].name, str_c(name)))
            return &v[i];
    fail_msg("no row of %s", name);
    return NULL;
}

static void a_head_tells_its_chunks_and_the_bytes_of_its_labels(void **state)
{
    (void)state;
    struct bed b;
    struct arena a;
    struct cardinality c = {0};
    struct why why = {0};
    begin(&b);
    arena_init(&a);
    struct series_store *face = store_face(b.store);
    assert_int_equal(face->ops->cardinality(face, b.tenant, 10, &a, &c), 0);
    assert_int_equal(c.series, SERIES);
    assert_int_equal(c.chunks, SERIES); /* an open block each */
    assert_int_equal(row_of(c.by_bytes, c.by_bytes_n, "__name__")->n, SERIES * strlen("up"));
    assert_int_equal(row_of(c.by_metric, c.by_metric_n, "up")->n, SERIES);
    assert_int_equal(store_flush(b.store, &why), 0);
    assert_int_equal(face->ops->cardinality(face, b.tenant, 10, &a, &c), 0);
    assert_int_equal(c.chunks, 0);
    arena_done(&a);
    bed_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_told_with_their_samples_and_times),
        cmocka_unit_test(a_head_tells_its_chunks_and_the_bytes_of_its_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
