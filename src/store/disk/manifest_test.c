#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/rand.h"
#include "os/disk_sim.h"
#include "store/disk/manifest.h"

static struct manifest *open_manifest(struct disk *d)
{
    struct manifest *m;
    struct why why;
    int err = manifest_open(d, "manifest", &m, &why);
    if (err)
        print_message("%s\n", why.text);
    assert_int_equal(err, 0);
    return m;
}

static struct manifest_part part_of(const char *name)
{
    return (struct manifest_part){.name = str_c(name),
                                  .class = STR("short"),
                                  .level = 2,
                                  .min_ms = -5,
                                  .max_ms = 1700000000000,
                                  .size_bytes = 1 << 30};
}

static int add(struct manifest *m, const char *name, const char *removed)
{
    struct manifest_edit e;
    struct manifest_part part = part_of(name);
    manifest_edit_init(&e);
    manifest_edit_add(&e, &part);
    if (removed)
        manifest_edit_remove(&e, str_c(removed));
    int err = manifest_apply(m, &e, NULL);
    manifest_edit_done(&e);
    return err;
}

static int note(struct manifest *m, const char *key, struct str value)
{
    struct manifest_edit e;
    manifest_edit_init(&e);
    manifest_edit_note(&e, str_c(key), value);
    int err = manifest_apply(m, &e, NULL);
    manifest_edit_done(&e);
    return err;
}

static void edits_are_there_after_opening_again(void **state)
{
    struct disk *d = disk_sim_new(1, 0);
    struct manifest *m = open_manifest(d);
    struct str value;
    assert_int_equal(add(m, "a", NULL), 0);
    assert_int_equal(add(m, "b", NULL), 0);
    assert_int_equal(add(m, "c", "a"), 0);
    assert_int_equal(note(m, "log", STR("17")), 0);
    assert_int_equal(note(m, "log", STR("18")), 0);
    manifest_free(m);
    disk_sim_crash(d, DISK_SIM_LOSE);
    m = open_manifest(d);
    assert_int_equal(manifest_parts(m), 2);
    assert_null(manifest_find(m, STR("a")));
    const struct manifest_part *part = manifest_find(m, STR("c"));
    assert_non_null(part);
    assert_true(str_eq(part->class, STR("short")));
    assert_int_equal(part->level, 2);
    assert_true(part->min_ms == -5 && part->max_ms == 1700000000000);
    assert_int_equal(part->size_bytes, 1 << 30);
    assert_true(manifest_note(m, STR("log"), &value));
    assert_true(str_eq(value, STR("18")));
    assert_false(manifest_note(m, STR("none"), &value));
    assert_int_equal(manifest_damaged(m), 0);
    manifest_free(m);
    disk_free(d);
}

static void what_is_too_long_is_refused(void **state)
{
    static char name[MANIFEST_NAME_MAX + 2];
    struct disk *d = disk_sim_new(1, 0);
    struct manifest *m = open_manifest(d);
    memset(name, 'x', sizeof name - 1);
    assert_int_equal(add(m, name, NULL), -ERR_LIMIT);
    assert_int_equal(manifest_parts(m), 0);
    manifest_free(m);
    disk_free(d);
}

static void a_mostly_dead_file_is_written_anew(void **state)
{
    struct disk *d = disk_sim_new(1, 0);
    struct manifest *m = open_manifest(d);
    char value[2000];
    uint64_t size;
    memset(value, 'v', sizeof value);
    assert_int_equal(add(m, "a", NULL), 0);
    for (int i = 0; i < 500; i++)
        assert_int_equal(note(m, "k", str_of(value, sizeof value)), 0);
    manifest_free(m);
    struct disk_file *f;
    assert_int_equal(disk_open(d, "manifest", DISK_READ, &f), 0);
    assert_int_equal(disk_size(d, f, &size), 0);
    disk_close(d, f);
    assert_true(size < 80000);
    m = open_manifest(d);
    assert_non_null(manifest_find(m, STR("a")));
    manifest_free(m);
    disk_free(d);
}

static void damage_in_the_middle_is_passed_and_counted(void **state)
{
    struct disk *d = disk_sim_new(1, 0);
    struct manifest *m = open_manifest(d);
    assert_int_equal(add(m, "a", NULL), 0);
    struct disk_file *f;
    uint64_t from;
    assert_int_equal(disk_open(d, "manifest", DISK_READ, &f), 0);
    assert_int_equal(disk_size(d, f, &from), 0);
    disk_close(d, f);
    assert_int_equal(add(m, "b", NULL), 0);
    assert_int_equal(add(m, "c", NULL), 0);
    manifest_free(m);
    assert_true(disk_sim_flip(d, "manifest", 8 * (from + 2)));
    m = open_manifest(d);
    assert_int_equal(manifest_damaged(m), 1);
    assert_non_null(manifest_find(m, STR("a")));
    assert_null(manifest_find(m, STR("b")));
    assert_non_null(manifest_find(m, STR("c")));
    manifest_free(m);
    m = open_manifest(d); /* written anew meanwhile */
    assert_int_equal(manifest_damaged(m), 0);
    assert_int_equal(manifest_parts(m), 2);
    manifest_free(m);
    disk_free(d);
}

static void a_full_disk_still_opens_and_edits_wait_for_room(void **state)
{
    struct disk *d = disk_sim_new(1, 8192);
    struct manifest *m = open_manifest(d);
    assert_int_equal(add(m, "a", NULL), 0);
    disk_sim_fail_at(d, 1, ERR_FULL, true);
    assert_int_equal(add(m, "b", NULL), -ERR_FULL);
    assert_int_equal(manifest_parts(m), 1);
    disk_sim_heal(d);
    assert_int_equal(add(m, "c", NULL), 0);
    manifest_free(m);
    m = open_manifest(d);
    assert_int_equal(manifest_parts(m), 2);
    assert_null(manifest_find(m, STR("b")));
    manifest_free(m);
    disk_free(d);
}

/* ---- crashes: parts are added in order, each replaces the one before; what apply() said to be
 * durable is there, and a failed edit is there wholly or not at all */
static void live(struct disk *d, struct rand *rand, uint64_t *last_sure, uint64_t *last_tried,
                 bool faults)
{
    struct manifest *m;
    if (manifest_open(d, "manifest", &m, NULL))
        return;
    if (manifest_parts(m)) {
        uint64_t n = strtoull(manifest_part(m, 0)->name.p, NULL, 10);
        assert_true(n >= *last_sure && n <= *last_tried);
        *last_sure = n;
    } else {
        assert_int_equal(*last_sure, 0);
    }
    assert_true(manifest_parts(m) <= 1);
    assert_true(faults || manifest_damaged(m) == 0);
    for (uint64_t steps = rand_below(rand, 30); steps > 0; steps--) {
        char name[32], before[32];
        if (rand_below(rand, 20) == 0)
            disk_sim_power_off_at(d, 1 + rand_below(rand, 6));
        if (faults && rand_below(rand, 10) == 0)
            disk_sim_fail_at(d, 1 + rand_below(rand, 4), ERR_IO, false);
        ++*last_tried;
        snprintf(name, sizeof name, "%llu", (unsigned long long)*last_tried);
        struct str old = manifest_parts(m) ? manifest_part(m, 0)->name : STR("none");
        snprintf(before, sizeof before, STR_FMT, STR_ARG(old));
        if (add(m, name, before) == 0)
            *last_sure = *last_tried;
    }
    manifest_free(m);
}

static void an_edit_is_kept_wholly_or_not_at_all_in_any_crash(void **state)
{
    uint64_t sure = 0;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        struct disk *d = disk_sim_new(seed, 0);
        struct rand rand;
        uint64_t last_sure = 0, last_tried = 0;
        rand_init(&rand, seed);
        for (int boot = 0; boot < 5; boot++) {
            live(d, &rand, &last_sure, &last_tried, seed % 2);
            disk_sim_crash(d, rand_below(&rand, 3) ? DISK_SIM_TORN : DISK_SIM_LOSE);
        }
        sure += last_sure;
        disk_free(d);
    }
    assert_true(sure > 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edits_are_there_after_opening_again),
        cmocka_unit_test(what_is_too_long_is_refused),
        cmocka_unit_test(a_mostly_dead_file_is_written_anew),
        cmocka_unit_test(damage_in_the_middle_is_passed_and_counted),
        cmocka_unit_test(a_full_disk_still_opens_and_edits_wait_for_room),
        cmocka_unit_test(an_edit_is_kept_wholly_or_not_at_all_in_any_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
