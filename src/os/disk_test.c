#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "os/disk_sim.h"

static void write_file(struct disk *d, const char *path, const char *text, bool sync)
{
    struct disk_file *f;
    assert_int_equal(disk_open(d, path, DISK_WRITE | DISK_CREATE, &f), 0);
    assert_int_equal(disk_write(d, f, 0, text, strlen(text)), 0);
    if (sync)
        assert_int_equal(disk_sync(d, f), 0);
    disk_close(d, f);
}

/* The text of a small file, or NULL; valid until the next call. */
static const char *text_of(struct disk *d, const char *path)
{
    static char text[4096];
    void *p;
    size_t n;
    int err = disk_slurp(d, path, sizeof text - 1, &p, &n);
    if (err)
        return NULL;
    memcpy(text, p, n);
    text[n] = 0;
    mem_free(p);
    return text;
}

/* ---- what both disks have to do */
static int count_entry(void *context, const struct disk_entry *entry)
{
    ++*(int *)context;
    return 0;
}

static void use_a_disk(struct disk *d)
{
    struct disk_file *f;
    char p[16];
    size_t n;
    uint64_t size, unused, total;
    int entries = 0;
    assert_int_equal(disk_make_dir(d, "part"), 0);
    assert_int_equal(disk_make_dir(d, "part"), 0);
    write_file(d, "part/data", "hello", true);
    assert_int_equal(disk_open(d, "part/data", DISK_WRITE | DISK_CREATE, &f), -ERR_EXISTS);
    assert_int_equal(disk_open(d, "part/none", DISK_READ, &f), -ERR_NOENT);
    assert_int_equal(disk_open(d, "part/data", DISK_WRITE, &f), 0);
    assert_int_equal(disk_read(d, f, 3, p, sizeof p, &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(disk_read_all(d, f, 3, p, sizeof p), -ERR_CORRUPT);
    assert_int_equal(disk_allocate(d, f, 8192), 0);
    assert_int_equal(disk_size(d, f, &size), 0);
    assert_int_equal(size, 8192);
    assert_int_equal(disk_truncate(d, f, 4), 0);
    assert_int_equal(disk_sync(d, f), 0);
    disk_close(d, f);
    assert_string_equal(text_of(d, "part/data"), "hell");

    assert_int_equal(disk_link(d, "part/data", "part/again"), 0);
    assert_int_equal(disk_link(d, "part/data", "part/again"), -ERR_EXISTS);
    assert_int_equal(disk_rename(d, "part/data", "part/other"), 0);
    assert_int_equal(disk_list(d, "part", count_entry, &entries), 0);
    assert_int_equal(entries, 2);
    assert_int_equal(disk_remove(d, "part"), -ERR_EXISTS);
    assert_int_equal(disk_sync_dir(d, "part"), 0);
    assert_int_equal(disk_sync_dir(d, "."), 0);
    assert_int_equal(disk_replace(d, "part/other", "new", 3), 0);
    assert_string_equal(text_of(d, "part/other"), "new");
    assert_string_equal(text_of(d, "part/again"), "hell");
    assert_int_equal(disk_make_dir(d, "part/sub"), 0);
    write_file(d, "part/sub/x", "x", false);
    assert_int_equal(disk_remove_tree(d, "part"), 0);
    assert_int_equal(disk_remove_tree(d, "part"), -ERR_NOENT);
    assert_int_equal(disk_space(d, &unused, &total), 0);
    assert_true(unused > 0 && unused <= total);
    assert_int_equal(disk_lock(d, "lock"), 0);
    assert_int_equal(disk_lock(d, "lock"), -ERR_BUSY);
}

static void the_simulated_disk_behaves_like_a_disk(void **state)
{
    struct disk *d = disk_sim_new(1, 1 << 20);
    use_a_disk(d);
    disk_free(d);
}

static void the_real_disk_behaves_like_a_disk(void **state)
{
    char root[] = "/tmp/disk_test.XXXXXX";
    struct disk *d;
    assert_non_null(mkdtemp(root));
    assert_int_equal(disk_real_open(root, &d, NULL), 0);
    use_a_disk(d);
    assert_int_equal(disk_remove(d, "lock"), 0);
    disk_free(d);
    assert_int_equal(rmdir(root), 0);
}

static void a_path_out_of_the_root_is_refused(void **state)
{
    struct disk *d;
    struct disk_file *f;
    struct why why;
    assert_int_equal(disk_real_open("/nowhere/at/all", &d, &why), -ERR_NOENT);
    assert_non_null(strstr(why.text, "/nowhere/at/all"));
    assert_int_equal(disk_real_open("/tmp", &d, NULL), 0);
    assert_int_equal(disk_open(d, "/etc/passwd", DISK_READ, &f), -ERR_DENIED);
    assert_int_equal(disk_open(d, "../etc/passwd", DISK_READ, &f), -ERR_DENIED);
    assert_int_equal(disk_open(d, "a/../../etc/passwd", DISK_READ, &f), -ERR_DENIED);
    assert_int_equal(disk_open(d, "a/..", DISK_READ, &f), -ERR_DENIED);
    disk_free(d);
}

/* ---- what the simulated one does at a crash */
static void what_was_synced_survives_and_nothing_else(void **state)
{
    struct disk *d = disk_sim_new(2, 0);
    write_file(d, "kept", "kept", true);
    assert_int_equal(disk_sync_dir(d, "."), 0);
    write_file(d, "nameless", "x", true);
    disk_sim_crash(d, DISK_SIM_LOSE);
    assert_string_equal(text_of(d, "kept"), "kept");
    assert_null(text_of(d, "nameless"));

    write_file(d, "empty", "bytes", false);
    assert_int_equal(disk_sync_dir(d, "."), 0);
    disk_sim_crash(d, DISK_SIM_LOSE);
    assert_string_equal(text_of(d, "empty"), "");
    disk_free(d);
}

static void a_torn_write_keeps_some_sectors(void **state)
{
    static char old[64 * DISK_SIM_SECTOR], new[sizeof old], got[sizeof old];
    int mixed = 0, whole = 0, none = 0;
    memset(old, 'o', sizeof old);
    memset(new, 'n', sizeof new);
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct disk *d = disk_sim_new(seed, 0);
        struct disk_file *f;
        assert_int_equal(disk_open(d, "f", DISK_WRITE | DISK_CREATE, &f), 0);
        assert_int_equal(disk_write(d, f, 0, old, sizeof old), 0);
        assert_int_equal(disk_sync(d, f), 0);
        assert_int_equal(disk_sync_dir(d, "."), 0);
        assert_int_equal(disk_write(d, f, 0, new, sizeof new), 0);
        disk_sim_crash(d, DISK_SIM_TORN);
        assert_int_equal(disk_read_all(d, f, 0, got, sizeof got), -ERR_IO); /* of before */
        disk_close(d, f);
        assert_int_equal(disk_open(d, "f", DISK_READ, &f), 0);
        assert_int_equal(disk_read_all(d, f, 0, got, sizeof got), 0);
        disk_close(d, f);
        int fresh = 0;
        for (size_t i = 0; i < sizeof got; i += DISK_SIM_SECTOR) {
            fresh += got[i] == 'n';
            for (size_t j = 1; j < DISK_SIM_SECTOR; j++)
                assert_int_equal(got[i + j], got[i]);
        }
        none += fresh == 0;
        whole += fresh == 64;
        mixed += fresh > 0 && fresh < 64;
        disk_free(d);
    }
    assert_true(none > 10 && whole > 10 && mixed > 50);
}

static void directory_changes_survive_in_order(void **state)
{
    int seen[4] = {0};
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct disk *d = disk_sim_new(seed, 0);
        write_file(d, "a", "", true);
        write_file(d, "b", "", true);
        write_file(d, "c", "", true);
        disk_sim_crash(d, DISK_SIM_TORN);
        int n = (text_of(d, "a") != NULL) + (text_of(d, "b") != NULL) + (text_of(d, "c") != NULL);
        assert_true(n < 1 || text_of(d, "a"));
        assert_true(n < 2 || text_of(d, "b"));
        seen[n]++;
        disk_free(d);
    }
    for (int i = 0; i < 4; i++)
        assert_true(seen[i] > 5);
}

static void a_rename_is_all_or_nothing(void **state)
{
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct disk *d = disk_sim_new(seed, 0);
        assert_int_equal(disk_replace(d, "f", "old", 3), 0);
        write_file(d, "f.tmp", "new", true);
        assert_int_equal(disk_rename(d, "f.tmp", "f"), 0);
        disk_sim_crash(d, DISK_SIM_TORN);
        assert_non_null(text_of(d, "f"));
        bool is_new = strcmp(text_of(d, "f"), "new") == 0;
        assert_true(is_new || strcmp(text_of(d, "f"), "old") == 0);
        assert_true(!is_new || text_of(d, "f.tmp") == NULL);
        disk_free(d);
    }
}

static void a_failed_sync_loses_the_bytes_though_reads_show_them(void **state)
{
    struct disk *d = disk_sim_new(3, 0);
    struct disk_file *f;
    assert_int_equal(disk_open(d, "f", DISK_WRITE | DISK_CREATE, &f), 0);
    assert_int_equal(disk_sync_dir(d, "."), 0);
    assert_int_equal(disk_allocate(d, f, 5), 0);
    assert_int_equal(disk_sync(d, f), 0);
    assert_int_equal(disk_write(d, f, 0, "bytes", 5), 0);
    disk_sim_fail_sync_at(d, 1, ERR_IO, false);
    assert_int_equal(disk_sync(d, f), -ERR_IO);
    assert_string_equal(text_of(d, "f"), "bytes");
    assert_int_equal(disk_sync(d, f), 0); /* the lie */
    disk_close(d, f);
    disk_sim_crash(d, DISK_SIM_LOSE);
    assert_string_equal(text_of(d, "f"), "");
    disk_free(d);
}

static void a_full_disk_takes_a_part_and_allocation_reserves(void **state)
{
    static char p[8192];
    struct disk *d = disk_sim_new(4, 16384);
    struct disk_file *f, *g;
    uint64_t size;
    memset(p, 'x', sizeof p);
    assert_int_equal(disk_open(d, "f", DISK_WRITE | DISK_CREATE, &f), 0);
    assert_int_equal(disk_allocate(d, f, 12288), 0);
    assert_int_equal(disk_allocate(d, f, 20000), -ERR_FULL);
    assert_int_equal(disk_open(d, "g", DISK_WRITE | DISK_CREATE, &g), 0);
    assert_int_equal(disk_write(d, g, 0, p, sizeof p), -ERR_FULL);
    assert_int_equal(disk_size(d, g, &size), 0);
    assert_int_equal(size, 4096);
    assert_int_equal(disk_write(d, f, 0, p, sizeof p), 0);
    disk_sim_set_capacity(d, 32768);
    assert_int_equal(disk_write(d, g, 0, p, sizeof p), 0);
    disk_close(d, f);
    disk_close(d, g);
    disk_free(d);
}

static void the_nth_call_fails_once_or_from_then_on(void **state)
{
    struct disk *d = disk_sim_new(5, 0);
    disk_sim_fail_at(d, 2, ERR_IO, false);
    assert_int_equal(disk_make_dir(d, "a"), 0);
    assert_int_equal(disk_make_dir(d, "b"), -ERR_IO);
    assert_int_equal(disk_make_dir(d, "b"), 0);
    disk_sim_fail_at(d, 1, ERR_FULL, true);
    assert_int_equal(disk_make_dir(d, "c"), -ERR_FULL);
    assert_int_equal(disk_make_dir(d, "c"), -ERR_FULL);
    disk_sim_heal(d);
    assert_int_equal(disk_make_dir(d, "c"), 0);
    disk_sim_power_off_at(d, 2);
    assert_int_equal(disk_make_dir(d, "d"), 0);
    assert_int_equal(disk_make_dir(d, "e"), -ERR_IO);
    assert_true(disk_sim_is_off(d));
    disk_sim_power_on(d, DISK_SIM_KEEP);
    assert_int_equal(disk_make_dir(d, "e"), 0);
    disk_free(d);
}

static void replacing_a_file_leaves_the_old_or_the_new_one_at_any_crash(void **state)
{
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct disk *d = disk_sim_new(seed, 0);
        assert_int_equal(disk_replace(d, "f", "old", 3), 0);
        disk_sim_power_off_at(d, 1 + seed % 8);
        int err = disk_replace(d, "f", "newer", 5);
        disk_sim_power_on(d, DISK_SIM_TORN);
        const char *text = text_of(d, "f");
        assert_non_null(text);
        assert_true(strcmp(text, "newer") == 0 || (err && strcmp(text, "old") == 0));
        disk_free(d);
    }
}

static void a_truncated_file_that_grows_again_reads_zeros_after_a_crash(void **state)
{
    struct disk *d = disk_sim_new(6, 0);
    struct disk_file *f;
    char p[1000];
    memset(p, 'x', sizeof p);
    assert_int_equal(disk_open(d, "f", DISK_WRITE | DISK_CREATE, &f), 0);
    assert_int_equal(disk_sync_dir(d, "."), 0);
    assert_int_equal(disk_write(d, f, 0, p, sizeof p), 0);
    assert_int_equal(disk_sync(d, f), 0);
    assert_int_equal(disk_truncate(d, f, 10), 0);
    assert_int_equal(disk_allocate(d, f, 1000), 0);
    assert_int_equal(disk_sync(d, f), 0);
    disk_close(d, f);
    disk_sim_crash(d, DISK_SIM_LOSE);
    assert_int_equal(strlen(text_of(d, "f")), 10);
    disk_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_simulated_disk_behaves_like_a_disk),
        cmocka_unit_test(the_real_disk_behaves_like_a_disk),
        cmocka_unit_test(a_path_out_of_the_root_is_refused),
        cmocka_unit_test(what_was_synced_survives_and_nothing_else),
        cmocka_unit_test(a_torn_write_keeps_some_sectors),
        cmocka_unit_test(directory_changes_survive_in_order),
        cmocka_unit_test(a_rename_is_all_or_nothing),
        cmocka_unit_test(a_failed_sync_loses_the_bytes_though_reads_show_them),
        cmocka_unit_test(a_full_disk_takes_a_part_and_allocation_reserves),
        cmocka_unit_test(the_nth_call_fails_once_or_from_then_on),
        cmocka_unit_test(replacing_a_file_leaves_the_old_or_the_new_one_at_any_crash),
        cmocka_unit_test(a_truncated_file_that_grows_again_reads_zeros_after_a_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
