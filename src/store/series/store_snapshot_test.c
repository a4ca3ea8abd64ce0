/* Snapshots: a store of their own, whole or not there, whatever fails. */
#include "store/series/store_testbed.h"

enum { SERIES = 10, STEPS = 40 };

static void write_some(struct bed *b, int round)
{
    for (int i = 0; i < STEPS; i++)
        bed_put(b, b->tenant, "up", 0, SERIES, BED_EPOCH + (round * STEPS + i) * 1000, NULL);
    assert_int_equal(bed_commit(b), 0);
}

static void begin(struct bed *b, uint64_t seed)
{
    bed_begin(b, seed);
    b->clock.wall_ms = BED_EPOCH + 3600000;
    bed_open(b);
    write_some(b, 0);
}

/* Copies all files below from to the root of another disk. */
static void copy_tree(struct disk *from, const char *dir, struct disk *to)
{
    struct bed_files files = {0};
    bed_list_files(from, dir, &files);
    for (size_t i = 0; i < files.n; i++) {
        const char *name = files.v[i] + strlen(dir) + 1;
        char parent[512];
        void *p;
        size_t n;
        for (const char *slash = name; (slash = strchr(slash, '/')) != NULL; slash++) {
            snprintf(parent, sizeof parent, "%.*s", (int)(slash - name), name);
            assert_int_equal(disk_make_dir(to, parent), 0);
        }
        assert_int_equal(disk_slurp(from, files.v[i], 1 << 26, &p, &n), 0);
        assert_int_equal(disk_replace(to, name, p, n), 0);
        mem_free(p);
    }
    bed_free_files(&files);
}

/* Opens what the snapshot holds as a store of its own: samples of it. */
static uint64_t samples_in(struct bed *b, const char *snapshot)
{
    struct bed copy = {.disk = disk_sim_new(1, 0), .clock = b->clock, .settings = b->settings};
    copy_tree(b->disk, snapshot, copy.disk);
    bed_open(&copy);
    assert_int_equal(copy.warnings, 0);
    uint64_t n = bed_samples(&copy, "up", INT64_MIN, INT64_MAX);
    bed_end(&copy);
    return n;
}

static void a_snapshot_is_a_store_of_its_own_that_stays_as_it_was(void **state)
{
    (void)state;
    struct bed b;
    struct why why = {0};
    char *first, *second;
    begin(&b, 1);
    assert_int_equal(store_snapshot(b.store, &first, &why), 0);
    assert_true(str_starts(str_c(first), STR("snapshots/2027")));
    write_some(&b, 1);
    assert_int_equal(store_flush(b.store, &why), 0);
    assert_int_equal(store_snapshot(b.store, &second, &why), 0); /* the same second */
    assert_string_not_equal(first, second);
    b.clock.wall_ms += 2 * (int64_t)STORE_DAY_MS;
    assert_int_equal(store_merge(b.store, true, &why), 0);
    assert_int_equal(samples_in(&b, first), SERIES * STEPS);
    assert_int_equal(samples_in(&b, second), 2 * SERIES * STEPS);
    assert_int_equal(disk_remove_tree(b.disk, first), 0);
    assert_int_equal(bed_samples(&b, "up", INT64_MIN, INT64_MAX), 2 * SERIES * STEPS);
    mem_free(first);
    mem_free(second);
    bed_end(&b);
}

static int count_entry(void *context, const struct disk_entry *e)
{
    char path[128];
    struct bed *b = ((void **)context)[0];
    unsigned *n = ((void **)context)[1];
    assert_false(str_ends(str_c(e->name), STR(".tmp")));
    snprintf(path, sizeof path, "snapshots/%.60s", e->name);
    assert_int_equal(samples_in(b, path), SERIES * STEPS);
    ++*n;
    return 0;
}

/* How many snapshots there are; each of them is whole. */
static unsigned check_snapshots(struct bed *b)
{
    unsigned n = 0;
    void *context[] = {b, &n};
    int err = disk_list(b->disk, "snapshots", count_entry, context);
    assert_true(err == 0 || err == -ERR_NOENT);
    return n;
}

static void a_power_cut_at_any_call_leaves_a_whole_snapshot_or_none(void **state)
{
    (void)state;
    unsigned made = 0, none = 0;
    for (uint64_t n = 1; n <= 70; n++) {
        struct bed b;
        struct why why = {0};
        char *path = NULL;
        begin(&b, n);
        disk_sim_power_off_at(b.disk, n);
        int err = store_snapshot(b.store, &path, &why);
        store_abandon(b.store);
        disk_sim_crash(b.disk, n % 3 == 0 ? DISK_SIM_LOSE : DISK_SIM_TORN);
        bed_open(&b);
        unsigned there = check_snapshots(&b);
        assert_true(err || there == 1);
        made += there;
        none += there == 0;
        assert_int_equal(bed_samples(&b, "up", INT64_MIN, INT64_MAX), SERIES * STEPS);
        mem_free(path);
        bed_end(&b);
    }
    assert_true(made > 0 && none > 0);
}

static void a_failed_snapshot_leaves_nothing_and_the_next_one_succeeds(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 60; n++) {
        struct bed b;
        struct why why = {0};
        char *path = NULL;
        begin(&b, n);
        disk_sim_fail_at(b.disk, n, n % 2 ? ERR_IO : ERR_FULL, false);
        int err = store_snapshot(b.store, &path, &why);
        assert_true(err == 0 || why.text[0]);
        mem_free(path);
        disk_sim_heal(b.disk);
        unsigned there = check_snapshots(&b);
        assert_true(err || there == 1);
        while (log_step(b.store->log))
            ;
        b.clock.wall_ms += 5000;
        if (store_snapshot(b.store, &path, &why))
            fail_msg("call %llu: %s", (unsigned long long)n, why.text);
        mem_free(path);
        assert_true(check_snapshots(&b) >= 1);
        bed_end(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_is_a_store_of_its_own_that_stays_as_it_was),
        cmocka_unit_test(a_power_cut_at_any_call_leaves_a_whole_snapshot_or_none),
        cmocka_unit_test(a_failed_snapshot_leaves_nothing_and_the_next_one_succeeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
