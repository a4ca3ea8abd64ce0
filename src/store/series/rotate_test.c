/* Encrypted stores: a key that is missing or wrong, rotation, crashes in it. */
#include "store/series/rotate.h"

#include <unistd.h>

#include "os/file.h"
#include "store/series/repair.h"
#include "store/series/store_testbed.h"
#include "store/series/verify.h"

enum { SERIES = 10, STEPS = 40 };

static char folder[] = "/tmp/sonde-rotate-XXXXXX";
static char key_file[128];

static const char OLD[] = "old 1111111111111111111111111111111111111111111111111111111111111111\n";
static const char NEW[] = "new 2222222222222222222222222222222222222222222222222222222222222222\n";
static const char FAKE[] = "old 3333333333333333333333333333333333333333333333333333333333333333\n";

static void write_keys(const char *a, const char *b)
{
    char text[512];
    struct why why = {0};
    snprintf(text, sizeof text, "%s%s", a, b);
    assert_int_equal(file_write(key_file, str_c(text), &why), 0);
}

static void write_round(struct bed *b, int round)
{
    for (int i = 0; i < STEPS; i++)
        bed_put(b, b->tenant, "up", 0, SERIES, BED_EPOCH + (round * STEPS + i) * 1000, NULL);
    assert_int_equal(bed_commit(b), 0);
}

/* One part, a snapshot of it, and samples in the log. */
static void build(struct bed *b, uint64_t seed)
{
    struct why why = {0};
    char *snapshot;
    write_keys(OLD, "");
    bed_begin(b, seed);
    b->settings.key_file = key_file;
    b->clock.wall_ms = BED_EPOCH + 3600000;
    bed_open(b);
    write_round(b, 0);
    assert_int_equal(store_snapshot(b->store, &snapshot, &why), 0);
    mem_free(snapshot);
    write_round(b, 1);
    bed_kill(b);
}

static void check_open(struct bed *b)
{
    bed_open(b);
    assert_int_equal(bed_samples(b, "up", INT64_MIN, INT64_MAX), 2 * SERIES * STEPS);
}

static void a_missing_or_wrong_key_is_told_with_its_name_and_file(void **state)
{
    (void)state;
    struct bed b;
    struct why why = {0};
    build(&b, 1);
    write_keys(NEW, "");
    assert_int_equal(bed_try_open(&b, &why), -ERR_KEY);
    assert_non_null(strstr(why.text, "old"));
    assert_non_null(strstr(why.text, "tenants/0001"));
    disk_sim_crash(b.disk, DISK_SIM_KEEP);
    write_keys(FAKE, "");
    assert_int_equal(bed_try_open(&b, &why), -ERR_KEY);
    disk_sim_crash(b.disk, DISK_SIM_KEEP);
    b.settings.key_file = "";
    assert_int_equal(bed_try_open(&b, &why), -ERR_KEY);
    disk_sim_crash(b.disk, DISK_SIM_KEEP);
    b.settings.key_file = "/nowhere/keys";
    assert_int_equal(bed_try_open(&b, &why), -ERR_KEY);
    assert_non_null(strstr(why.text, "/nowhere/keys"));
    disk_sim_crash(b.disk, DISK_SIM_KEEP);

    struct verify v = {.disk = b.disk};
    struct verify_result result;
    assert_int_equal(verify_run(&v, &result, &why), -ERR_KEY);
    struct repair_result repaired;
    struct repair r = {.disk = b.disk, .clock = &b.clock.clock, .settings = &b.settings};
    assert_int_equal(repair_run(&r, &repaired, &why), -ERR_KEY);

    b.settings.key_file = key_file; /* nothing was taken for damage meanwhile */
    write_keys(OLD, "");
    check_open(&b);
    bed_end(&b);
}

static void after_a_rotation_the_old_key_may_leave(void **state)
{
    (void)state;
    struct bed b;
    struct why why = {0};
    struct rotate_result result;
    build(&b, 2);
    write_keys(NEW, OLD);
    assert_int_equal(rotate_run(b.disk, &b.clock.clock, &b.settings, NULL, NULL, &result, &why), 0);
    assert_true(result.wrapped > 0 && result.wrapped < result.files && result.clear == 0);
    disk_sim_crash(b.disk, DISK_SIM_LOSE);
    write_keys(NEW, "");
    struct keyring *ring;
    assert_int_equal(keyring_load(key_file, &ring, &why), 0);
    struct verify v = {.disk = b.disk, .ring = ring};
    struct verify_result verified;
    if (verify_run(&v, &verified, &why))
        fail_msg("%s", why.text);
    assert_int_equal(verified.problems, 0);
    assert_int_equal(verified.snapshots, 1);
    keyring_free(ring);
    check_open(&b);
    bed_end(&b);
}

static void a_rotation_that_was_cut_off_is_ended_by_another(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 60; n++) {
        struct bed b;
        struct why why = {0};
        struct rotate_result result;
        build(&b, n);
        write_keys(NEW, OLD);
        disk_sim_power_off_at(b.disk, n);
        int ignored UNUSED =
            rotate_run(b.disk, &b.clock.clock, &b.settings, NULL, NULL, &result, &why);
        disk_sim_crash(b.disk, DISK_SIM_TORN);
        check_open(&b);
        bed_kill(&b);
        if (rotate_run(b.disk, &b.clock.clock, &b.settings, NULL, NULL, &result, &why))
            fail_msg("%s", why.text);
        disk_sim_crash(b.disk, DISK_SIM_LOSE);
        write_keys(NEW, "");
        check_open(&b);
        bed_end(&b);
    }
}

static void an_encrypted_store_is_repaired_like_another(void **state)
{
    (void)state;
    struct bed b;
    struct why why = {0};
    struct repair_result result;
    build(&b, 3);
    assert_true(disk_sim_flip(b.disk, "tenants/0001/part-1/data", 8 * (PAGE_HEADER_BYTES + 20)));
    struct repair r = {.disk = b.disk, .clock = &b.clock.clock, .settings = &b.settings};
    if (repair_run(&r, &result, &why))
        fail_msg("%s", why.text);
    assert_int_equal(result.rewritten, 1);
    disk_sim_crash(b.disk, DISK_SIM_LOSE);
    bed_open(&b);
    assert_int_equal(bed_samples(&b, "up", BED_EPOCH + STEPS * 1000, INT64_MAX), SERIES * STEPS);
    bed_end(&b);
}

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return 1;
    snprintf(key_file, sizeof key_file, "%s/keys", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return unlink(key_file) || rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_or_wrong_key_is_told_with_its_name_and_file),
        cmocka_unit_test(after_a_rotation_the_old_key_may_leave),
        cmocka_unit_test(a_rotation_that_was_cut_off_is_ended_by_another),
        cmocka_unit_test(an_encrypted_store_is_repaired_like_another),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
