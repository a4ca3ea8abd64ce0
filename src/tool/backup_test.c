/* Backups and what is restored from them, on simulated disks. */
#include "tool/backup.h"

#include "store/state/state.h"
#include "store/series/store_testbed.h"
#include "store/series/verify.h"

enum { SERIES = 8, STEPS = 40 };

static void write_round(struct bed *b, int round)
{
    struct why why = {0};
    for (int i = 0; i < STEPS; i++)
        bed_put(b, b->tenant, "up", 0, SERIES, BED_EPOCH + (round * STEPS + i) * 1000, NULL);
    assert_int_equal(bed_commit(b), 0);
    if (store_flush(b->store, &why))
        fail_msg("%s", why.text);
}

static void begin(struct bed *b)
{
    bed_begin(b, 1);
    b->clock.wall_ms = BED_EPOCH + 3600000;
    bed_open(b);
    write_round(b, 0);
}

static void say(void *context, const char *text)
{
    ++*(unsigned *)context;
    if (getenv("VERBOSE"))
        fprintf(stderr, "backup: %s\n", text);
}

static int try_backup(struct bed *b, struct disk *to, bool full, struct backup_result *ret,
                      struct why *why)
{
    unsigned said = 0;
    char *snapshot;
    if (store_snapshot(b->store, &snapshot, why))
        fail_msg("%s", why->text);
    struct backup_job job = {b->disk, snapshot, to, b->store->ring, full, say, &said};
    int err = backup_make(&job, ret, why);
    assert_true(err || said == ret->problems);
    assert_int_equal(disk_remove_tree(b->disk, snapshot), 0);
    mem_free(snapshot);
    b->clock.wall_ms += 60000;
    return err;
}

static void backup(struct bed *b, struct disk *to, bool full, struct backup_result *ret)
{
    struct why why = {0};
    if (try_backup(b, to, full, ret, &why))
        fail_msg("%s", why.text);
}

/* Restores into a directory of a fresh disk, moves it to its root and opens it. */
static uint64_t samples_of(struct bed *b, struct disk *from, const char *name)
{
    struct bed copy = {.disk = disk_sim_new(2, 0), .clock = b->clock, .settings = b->settings};
    struct why why = {0};
    char restored[128];
    if (backup_restore(from, name, copy.disk, "data", restored, &why))
        fail_msg("%s", why.text);
    assert_int_equal(backup_restore(from, name, copy.disk, "data", restored, &why), -ERR_EXISTS);
    assert_int_equal(disk_rename(copy.disk, "data/tenants", "tenants"), 0);
    struct keyring *ring = NULL;
    if (*b->settings.key_file)
        assert_int_equal(keyring_load(b->settings.key_file, &ring, &why), 0);
    struct verify v = {copy.disk, ring, NULL, NULL};
    struct verify_result result;
    assert_int_equal(verify_run(&v, &result, &why), 0);
    assert_int_equal(result.problems, 0);
    keyring_free(ring);
    bed_open(&copy);
    assert_int_equal(copy.warnings, 0);
    uint64_t n = bed_samples(&copy, "up", INT64_MIN, INT64_MAX);
    bed_end(&copy);
    return n;
}

static void each_backup_is_restored_as_it_was_and_copies_only_what_is_new(void **state)
{
    (void)state;
    struct bed b;
    struct backup_result first, second, third, full;
    struct why why = {0};
    struct disk *to = disk_sim_new(9, 0);
    begin(&b);
    backup(&b, to, false, &first);
    assert_int_equal(first.parts_copied, 1);
    write_round(&b, 1);
    backup(&b, to, false, &second);
    assert_int_equal(second.parts, 2);
    assert_int_equal(second.parts_copied, 1);
    write_round(&b, 2);
    write_round(&b, 3);
    b.clock.wall_ms += 2 * (int64_t)STORE_DAY_MS;
    assert_int_equal(store_merge(b.store, true, &why), 0);
    backup(&b, to, false, &third);
    assert_true(third.parts_copied > 0);
    backup(&b, to, true, &full);
    assert_int_equal(full.parts_copied, full.parts);
    assert_int_equal(first.problems + second.problems + third.problems + first.unchecked, 0);
    assert_int_equal(samples_of(&b, to, first.name), SERIES * STEPS);
    assert_int_equal(samples_of(&b, to, second.name), 2 * SERIES * STEPS);
    assert_int_equal(samples_of(&b, to, third.name), 4 * SERIES * STEPS);
    assert_int_equal(samples_of(&b, to, NULL), 4 * SERIES * STEPS);
    disk_free(to);
    bed_end(&b);
}

static int put_fact(void *context, struct state_tx *tx, struct why *why)
{
    return state_run(tx, "INSERT INTO fact VALUES (?1)", &(struct state_value){STATE_INT, {7}}, 1,
                     NULL, NULL, why);
}

static int take_fact(void *context, const struct state_value *columns, size_t n)
{
    *(int64_t *)context = columns[0].integer;
    return 0;
}

static int get_fact(void *context, struct state_tx *tx, struct why *why)
{
    return state_run(tx, "SELECT n FROM fact", NULL, 0, take_fact, context, why);
}

/* On a real disk: SQLite knows no other. */
static void state_db_goes_along_from_its_snapshot_to_its_restore(void **state)
{
    (void)state;
    static const char *const TABLES[] = {"CREATE TABLE fact (n INTEGER)"};
    const struct state_schema schema = {"fact", TABLES, 1};
    char root[] = "/tmp/backup-state-XXXXXX", path[200], name[128];
    struct disk *d;
    struct state *s;
    struct backup_result result;
    struct why why = {0};
    int64_t fact = 0;
    assert_non_null(mkdtemp(root));
    assert_int_equal(disk_real_open(root, &d, NULL), 0);
    static const char *const FOLDERS[] = {"snapshots", "snapshots/S", "snapshots/S/tenants"};
    for (size_t i = 0; i < COUNTOF(FOLDERS); i++)
        assert_int_equal(disk_make_dir(d, FOLDERS[i]), 0);
    assert_int_equal(disk_replace(d, "snapshots/S/tenants/list", "", 0), 0);
    snprintf(path, sizeof path, "%s/state.db", root);
    assert_int_equal(state_open(path, &s, NULL), 0);
    assert_int_equal(state_prepare(s, &schema, NULL), 0);
    assert_int_equal(state_write(s, put_fact, NULL, NULL), 0);
    snprintf(path, sizeof path, "%s/snapshots/S/state.db", root);
    assert_int_equal(state_copy(s, path, NULL), 0);
    state_close(s);
    struct backup_job job = {d, "snapshots/S", d, NULL, false, NULL, NULL};
    if (backup_make(&job, &result, &why) || backup_restore(d, NULL, d, "data", name, &why))
        fail_msg("%s", why.text);
    snprintf(path, sizeof path, "%s/data/state.db", root);
    assert_int_equal(state_open(path, &s, NULL), 0);
    assert_string_equal(state_problem(s), "");
    assert_int_equal(state_read(s, get_fact, &fact, NULL), 0);
    assert_int_equal(fact, 7);
    state_close(s);
    disk_free(d);
    assert_int_equal(disk_real_open("/tmp", &d, NULL), 0);
    assert_int_equal(disk_remove_tree(d, root + sizeof "/tmp/" - 1), 0);
    disk_free(d);
}

static void count(void *context, const struct backup_info *info)
{
    uint64_t *n = context;
    n[0]++;
    n[1] += info->sound;
    n[2] += info->parts;
}

static void pruning_keeps_what_the_newest_backups_need(void **state)
{
    (void)state;
    struct bed b;
    struct backup_result results[4];
    struct why why = {0};
    struct bed_files before = {0}, after = {0};
    uint64_t removed, counts[3] = {0};
    struct disk *to = disk_sim_new(9, 0);
    begin(&b);
    b.settings.out_of_order_window_s = 30 * 86400;
    store_reload(b.store, &b.settings);
    for (int i = 0; i < 4; i++) {
        write_round(&b, i + 1);
        if (i == 2) { /* the parts of the first two backups are gone from now on */
            b.clock.wall_ms += 2 * (int64_t)STORE_DAY_MS;
            assert_int_equal(store_merge(b.store, true, &why), 0);
        }
        backup(&b, to, false, &results[i]);
    }
    bed_list_files(to, "parts", &before);
    assert_int_equal(backup_prune(to, 2, &removed, &why), 0);
    bed_list_files(to, "parts", &after);
    assert_int_equal(removed, 2);
    assert_true(after.n < before.n);
    assert_int_equal(backup_list(to, count, counts, &why), 0);
    assert_int_equal(counts[0], 2);
    assert_int_equal(counts[1], 2);
    assert_true(counts[2] > 0);
    assert_int_equal(samples_of(&b, to, results[2].name), 4 * SERIES * STEPS);
    assert_int_equal(samples_of(&b, to, results[3].name), 5 * SERIES * STEPS);
    char name[128];
    assert_int_equal(backup_restore(to, results[0].name, b.disk, "elsewhere", name, &why),
                     -ERR_NOENT);
    bed_free_files(&before);
    bed_free_files(&after);
    disk_free(to);
    bed_end(&b);
}

static void a_crash_at_any_call_leaves_older_backups_and_no_half_one(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 60; n++) {
        struct bed b;
        struct backup_result first, second;
        struct why why = {0};
        struct disk *to = disk_sim_new(n, 0);
        begin(&b);
        backup(&b, to, false, &first);
        write_round(&b, 1);
        disk_sim_power_off_at(to, n);
        int err = try_backup(&b, to, n % 2, &second, &why);
        assert_true(err == 0 || why.text[0]);
        disk_sim_crash(to, DISK_SIM_TORN);
        uint64_t counts[3] = {0};
        assert_int_equal(backup_list(to, count, counts, &why), 0);
        assert_int_equal(counts[0], counts[1]);
        assert_true(err || counts[0] == 2);
        assert_int_equal(samples_of(&b, to, first.name), SERIES * STEPS);
        if (counts[0] == 2)
            assert_int_equal(samples_of(&b, to, NULL), 2 * SERIES * STEPS);
        backup(&b, to, false, &second);
        assert_int_equal(samples_of(&b, to, NULL), 2 * SERIES * STEPS);
        disk_free(to);
        bed_end(&b);
    }
}

static void a_flipped_bit_in_a_backup_is_never_restored(void **state)
{
    (void)state;
    struct bed b;
    struct backup_result result;
    struct bed_files files = {0};
    struct rand rand;
    struct disk *to = disk_sim_new(4, 0);
    rand_init(&rand, 8);
    begin(&b);
    backup(&b, to, false, &result);
    bed_list_files(to, ".", &files);
    for (size_t i = 0; i < files.n; i++) {
        struct why why = {0};
        struct disk *d = disk_sim_new(5, 0);
        char name[128];
        uint64_t size = bed_file_size(to, files.v[i]), bit = rand_below(&rand, size * 8);
        if (strstr(files.v[i], "/sums")) /* not read by a restore */
            bit = 0;
        assert_true(disk_sim_flip(to, files.v[i], bit));
        int err = backup_restore(to, NULL, d, "data", name, &why);
        assert_int_equal(err, strstr(files.v[i], "/sums") ? 0 : -ERR_CORRUPT);
        if (err)
            assert_int_equal(disk_list(d, "data", NULL, NULL), -ERR_NOENT);
        assert_true(disk_sim_flip(to, files.v[i], bit));
        disk_free(d);
    }
    bed_free_files(&files);
    disk_free(to);
    bed_end(&b);
}

static void damage_in_the_store_is_told_while_it_is_copied(void **state)
{
    (void)state;
    struct bed b;
    struct backup_result result;
    struct disk *to = disk_sim_new(4, 0);
    begin(&b);
    assert_true(disk_sim_flip(b.disk, "tenants/0001/part-1/data", 8 * (PAGE_HEADER_BYTES + 5)));
    backup(&b, to, false, &result);
    assert_int_equal(result.problems, 1);
    disk_free(to);
    bed_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_backup_is_restored_as_it_was_and_copies_only_what_is_new),
        cmocka_unit_test(state_db_goes_along_from_its_snapshot_to_its_restore),
        cmocka_unit_test(pruning_keeps_what_the_newest_backups_need),
        cmocka_unit_test(a_crash_at_any_call_leaves_older_backups_and_no_half_one),
        cmocka_unit_test(a_flipped_bit_in_a_backup_is_never_restored),
        cmocka_unit_test(damage_in_the_store_is_told_while_it_is_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
