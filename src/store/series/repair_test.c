/* A store in which single bits flip: verify finds each, repair keeps everything else. */
#include "store/series/repair.h"

#include "store/series/store_testbed.h"
#include "store/series/verify.h"

enum { SERIES = 20, STEPS = 30, PHASES = 3, STEP_MS = 15000 };

/* Phase 0 and 1 are in two parts, phase 2 is in the log alone. */
static int64_t phase_ms(int phase)
{
    return BED_EPOCH + (int64_t)phase * 3600000;
}

static void write_phase(struct bed *b, int phase)
{
    static const char *const METRICS[] = {"up", "load"};
    for (int i = 0; i < STEPS; i++)
        for (size_t m = 0; m < COUNTOF(METRICS); m++)
            bed_put(b, b->tenant, METRICS[m], 0, SERIES, phase_ms(phase) + i * STEP_MS, NULL);
    assert_int_equal(bed_commit(b), 0);
}

static void write_metadata(struct bed *b)
{
    struct sink *sink = store_sink(b->store);
    struct metadata m = {.metric = STR("load"), .type = METRIC_GAUGE, .help = STR("work to do")};
    assert_int_equal(sink->ops->metadata(sink, 0, b->tenant, &m), 0);
}

static void build(struct bed *b)
{
    struct why why = {0};
    struct tenant *other;
    struct matcher gone = {MATCH_EQUAL, STR("nr"), STR("19")};
    bed_begin(b, 77);
    b->clock.wall_ms = phase_ms(PHASES);
    bed_open(b);
    struct sink *sink = store_sink(b->store);
    assert_int_equal(sink->ops->tenant(sink, STR("acme"), &other, &why), 0);
    write_metadata(b);
    write_phase(b, 0);
    assert_int_equal(store_flush(b->store, &why), 0);
    write_phase(b, 1);
    struct series_store *face = store_face(b->store);
    assert_int_equal(face->ops->remove(face, b->tenant, &gone, 1, phase_ms(1), phase_ms(2), &why),
                     0);
    write_phase(b, 2);
    bed_kill(b);
}

static uint64_t wanted(int phase)
{
    return (uint64_t)STEPS * 2 * (phase == 1 ? SERIES - 1 : SERIES);
}

static void note_problem(void *context, const char *path, const char *text)
{
    (void)context, (void)path;
    if (getenv("VERBOSE"))
        fprintf(stderr, "found: %s\n", text);
}

static uint64_t problems(struct bed *b)
{
    struct verify v = {b->disk, NULL, note_problem, NULL};
    struct verify_result result = {0};
    struct why why = {0};
    if (verify_run(&v, &result, &why))
        fail_msg("%s", why.text);
    assert_true(result.tenants >= 2);
    return result.problems;
}

static void say(void *context, const char *text)
{
    (void)context;
    if (getenv("VERBOSE"))
        fprintf(stderr, "repair: %s\n", text);
}

static void repair(struct bed *b, struct repair_result *ret)
{
    struct repair r = {b->disk, &b->clock.clock, &b->settings, say, NULL};
    struct why why = {0};
    if (repair_run(&r, ret, &why))
        fail_msg("%s", why.text);
    disk_sim_crash(b->disk, DISK_SIM_LOSE); /* gives the lock back */
}

/* Which phase may lose samples by damage in that file; -1: none. */
static int owner_of(const char *path)
{
    if (strstr(path, "/part-1/"))
        return 0;
    if (strstr(path, "/part-2/"))
        return 1;
    return strstr(path, "catalogue-") || strncmp(path, "log/", 4) == 0 ? 2 : -1;
}

static bool counts(const char *path)
{
    return strcmp(path, "lock") != 0 && !strstr(path, ".tmp");
}

static void check_after(struct bed *b, const char *path, uint64_t bit)
{
    bed_open(b);
    if (b->warnings)
        fail_msg("%s bit %llu: the repaired store still warns", path, (unsigned long long)bit);
    for (int phase = 0; phase < PHASES; phase++) {
        uint64_t n = bed_samples(b, "{__name__!=\"\"}", phase_ms(phase), phase_ms(phase + 1) - 1);
        bool exact = phase != owner_of(path) && strstr(path, "tombstones") == NULL;
        if (exact ? n != wanted(phase) : n > (uint64_t)STEPS * 2 * SERIES)
            fail_msg("%s bit %llu: phase %d has %llu samples of %llu", path,
                     (unsigned long long)bit, phase, (unsigned long long)n,
                     (unsigned long long)wanted(phase));
    }
    write_phase(b, 3);
    assert_int_equal(bed_samples(b, "up", phase_ms(3), phase_ms(4)), SERIES * STEPS);
}

/* Anywhere, in the first bytes, or where the header ends and what is stored begins. */
static uint64_t choose_bit(struct bed *b, struct rand *rand, const char *path, int round)
{
    uint64_t size = bed_file_size(b->disk, path), from = 0, n = size;
    if (round % 3 == 1)
        n = MIN(size, (uint64_t)128);
    if (round % 3 == 2) {
        from = strncmp(path, "log/", 4) == 0 ? 1024 : PAGE_HEADER_BYTES;
        from = from < size ? from : 0;
        n = MIN(size - from, (uint64_t)4096);
    }
    return from * 8 + rand_below(rand, n * 8);
}

static void every_flipped_bit_is_found_and_costs_what_it_touches_alone(void **state)
{
    (void)state;
    struct bed b;
    struct bed_files files = {0};
    struct rand rand;
    rand_init(&rand, 4);
    build(&b);
    assert_int_equal(problems(&b), 0);
    bed_list_files(b.disk, ".", &files);
    bed_end(&b);
    assert_true(files.n > 12);
    for (size_t i = 0; i < files.n; i++) {
        for (int round = 0; round < 12 && counts(files.v[i]); round++) {
            struct repair_result result;
            build(&b);
            uint64_t bit = choose_bit(&b, &rand, files.v[i], round);
            assert_true(disk_sim_flip(b.disk, files.v[i], bit));
            if (problems(&b) == 0)
                fail_msg("bit %llu of %s is not noticed", (unsigned long long)bit, files.v[i]);
            repair(&b, &result);
            assert_true(result.problems > 0);
            if (problems(&b) != 0)
                fail_msg("bit %llu of %s is not repaired", (unsigned long long)bit, files.v[i]);
            check_after(&b, files.v[i], bit);
            bed_end(&b);
        }
    }
    bed_free_files(&files);
}

static void a_store_with_a_flipped_bit_opens_without_repair_too(void **state)
{
    (void)state;
    struct bed b;
    struct bed_files files = {0};
    struct rand rand;
    rand_init(&rand, 5);
    build(&b);
    bed_list_files(b.disk, ".", &files);
    bed_end(&b);
    for (size_t i = 0; i < files.n; i++) {
        for (int round = 0; round < 12 && counts(files.v[i]); round++) {
            build(&b);
            uint64_t bit = choose_bit(&b, &rand, files.v[i], round);
            assert_true(disk_sim_flip(b.disk, files.v[i], bit));
            bed_open(&b);
            for (int phase = 0; phase < PHASES; phase++) {
                uint64_t n =
                    bed_samples(&b, "{__name__!=\"\"}", phase_ms(phase), phase_ms(phase + 1) - 1);
                if (phase != owner_of(files.v[i]) && !strstr(files.v[i], "tombstones") &&
                    n != wanted(phase))
                    fail_msg("bit %llu of %s: phase %d has %llu samples", (unsigned long long)bit,
                             files.v[i], phase, (unsigned long long)n);
            }
            write_phase(&b, 3);
            /* Nothing is written under the wrong series when the log is read once more. */
            bed_kill(&b);
            bed_open(&b);
            assert_int_equal(bed_samples(&b, "up", phase_ms(3), phase_ms(4)), SERIES * STEPS);
            assert_true(bed_samples(&b, "up", INT64_MIN, INT64_MAX) <= SERIES * STEPS * 4);
            bed_end(&b);
        }
    }
    bed_free_files(&files);
}

static void one_bad_page_costs_the_chunks_on_it_alone(void **state)
{
    (void)state;
    enum { MANY = 60, LONG = 600 };
    struct bed b;
    struct rand rand;
    struct why why = {0};
    double values[MANY];
    struct repair_result result;
    rand_init(&rand, 6);
    bed_begin(&b, 3);
    b.clock.wall_ms = BED_EPOCH + LONG * 1000;
    bed_open(&b);
    for (int i = 0; i < LONG; i++) {
        for (int k = 0; k < MANY; k++)
            values[k] = rand_unit(&rand);
        bed_put(&b, b.tenant, "noise", 0, MANY, BED_EPOCH + i * 1000, values);
        assert_int_equal(bed_commit(&b), 0);
    }
    assert_int_equal(store_flush(b.store, &why), 0);
    struct sink *sink = store_sink(b.store);
    struct tenant *other; /* so that problems() finds two */
    assert_int_equal(sink->ops->tenant(sink, STR("acme"), &other, &why), 0);
    bed_kill(&b);
    uint64_t size = bed_file_size(b.disk, "tenants/0001/part-1/data");
    assert_true(size > 6 * PAGE_BYTES);
    assert_true(disk_sim_flip(b.disk, "tenants/0001/part-1/data", 8 * (size / 2)));
    assert_int_not_equal(problems(&b), 0);
    repair(&b, &result);
    assert_int_equal(result.rewritten, 1);
    assert_int_equal(problems(&b), 0);
    bed_open(&b);
    uint64_t n = bed_samples(&b, "noise", INT64_MIN, INT64_MAX);
    assert_true(n < MANY * LONG && n > MANY * LONG - 14 * 512);
    bed_end(&b);
}

static void a_lost_manifest_is_rebuilt_from_the_directories(void **state)
{
    (void)state;
    static const char *const GONE[] = {"tenants/0001/manifest", "tenants/list", "replay-from",
                                       "tenants/0002/manifest"};
    for (size_t i = 0; i < COUNTOF(GONE); i++) {
        struct bed b;
        build(&b);
        assert_int_equal(disk_remove(b.disk, GONE[i]), 0);
        assert_int_equal(disk_sync_parent(b.disk, GONE[i]), 0);
        bed_open(&b);
        for (int phase = 0; phase < PHASES; phase++)
            assert_int_equal(
                bed_samples(&b, "{__name__!=\"\"}", phase_ms(phase), phase_ms(phase + 1) - 1),
                wanted(phase));
        struct store_stats stats;
        store_stats(b.store, &stats);
        assert_int_equal(stats.tenants, 2);
        assert_int_equal(stats.orphans, 0);
        bed_kill(&b);
        bed_open(&b);
        assert_int_equal(b.warnings, 0);
        assert_int_equal(bed_samples(&b, "up", phase_ms(0), phase_ms(1) - 1), SERIES * STEPS);
        bed_end(&b);
    }
}

static void a_lost_manifest_survives_a_crash_while_it_is_rebuilt(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 40; n++) {
        struct bed b;
        struct why why = {0};
        build(&b);
        assert_int_equal(disk_remove(b.disk, "tenants/0001/manifest"), 0);
        assert_int_equal(disk_sync_dir(b.disk, "tenants/0001"), 0);
        disk_sim_power_off_at(b.disk, n);
        if (bed_try_open(&b, &why) == 0)
            store_abandon(b.store);
        b.store = NULL;
        disk_sim_crash(b.disk, n % 2 ? DISK_SIM_TORN : DISK_SIM_LOSE);
        bed_open(&b);
        for (int phase = 0; phase < PHASES; phase++)
            assert_int_equal(
                bed_samples(&b, "{__name__!=\"\"}", phase_ms(phase), phase_ms(phase + 1) - 1),
                wanted(phase));
        bed_end(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_flipped_bit_is_found_and_costs_what_it_touches_alone),
        cmocka_unit_test(a_store_with_a_flipped_bit_opens_without_repair_too),
        cmocka_unit_test(one_bad_page_costs_the_chunks_on_it_alone),
        cmocka_unit_test(a_lost_manifest_is_rebuilt_from_the_directories),
        cmocka_unit_test(a_lost_manifest_survives_a_crash_while_it_is_rebuilt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
