/* Retention by time, size, tenant and selector; tiers; series that come and go. */
#include "store/series/store_testbed.h"

enum { STEP_MS = 60000, DAY_STEPS = 1440, SERIES = 4 };

/* One round of all upkeep at the present time of the clock. */
static void work(struct bed *b)
{
    b->store->next_upkeep_ns = 0;
    while (store_work(b->store))
        ;
}

static void begin(struct bed *b)
{
    bed_begin(b, 1);
    b->settings.log_segment_bytes = 4 << 20;
}

/* Writes a day of samples of a metric and flushes; the clock ends at its end. */
static void write_day(struct bed *b, struct tenant *t, const char *metric, int day, int step)
{
    struct why why = {0};
    for (int i = 0; i < DAY_STEPS; i += step) {
        b->clock.wall_ms = BED_EPOCH + day * (int64_t)STORE_DAY_MS + i * (int64_t)STEP_MS;
        bed_put(b, t, metric, 0, SERIES, b->clock.wall_ms, NULL);
        if (i / step % 64 == 0)
            assert_int_equal(bed_commit(b), 0);
    }
    assert_int_equal(bed_commit(b), 0);
    if (store_flush(b->store, &why))
        fail_msg("%s", why.text);
}

static int64_t day_ms(int day)
{
    return BED_EPOCH + day * (int64_t)STORE_DAY_MS;
}

static uint64_t in_day(struct bed *b, const char *metric, int day)
{
    return bed_samples(b, metric, day_ms(day), day_ms(day + 1) - 1);
}

static void go_to(struct bed *b, int day, int hour)
{
    b->clock.wall_ms = day_ms(day) + hour * 3600000LL;
    work(b);
}

static void parts_go_when_their_time_is_over(void **state)
{
    (void)state;
    struct bed b;
    begin(&b);
    b.settings.retention_s = 3 * 86400;
    b.settings.tier_5m_retention_s = b.settings.tier_1h_retention_s = 0;
    bed_open(&b);
    for (int day = 0; day < 6; day++) {
        write_day(&b, b.tenant, "up", day, 10);
        work(&b);
    }
    go_to(&b, 6, 0);
    assert_int_equal(in_day(&b, "up", 0) + in_day(&b, "up", 1), 0);
    for (int day = 3; day < 6; day++)
        assert_int_equal(in_day(&b, "up", day), SERIES * DAY_STEPS / 10);
    bed_kill(&b);
    bed_open(&b); /* and stay away */
    assert_int_equal(in_day(&b, "up", 0), 0);
    go_to(&b, 30, 0);
    assert_int_equal(bed_samples(&b, "up", INT64_MIN, INT64_MAX), 0);
    assert_int_equal(b.tenant->parts.n, 0);
    bed_end(&b);
}

static uint64_t bytes_of(const struct tenant *t)
{
    uint64_t n = 0;
    for (size_t i = 0; i < t->parts.n; i++)
        n += part_info(t->parts.v[i]->part)->disk_bytes;
    return n;
}

static void the_oldest_days_go_when_there_are_too_many_bytes(void **state)
{
    (void)state;
    struct bed b;
    begin(&b);
    bed_open(&b);
    for (int day = 0; day < 6; day++)
        write_day(&b, b.tenant, "up", day, 10);
    go_to(&b, 6, 3);
    uint64_t all = bytes_of(b.tenant);
    b.settings.retention_bytes = (int64_t)(all * 2 / 3);
    store_reload(b.store, &b.settings);
    for (int i = 0; i < 4; i++)
        go_to(&b, 6, 4 + i);
    assert_true(bytes_of(b.tenant) <= all * 2 / 3);
    assert_true(bytes_of(b.tenant) >= all / 3);
    assert_int_equal(in_day(&b, "up", 0), 0);
    assert_int_equal(in_day(&b, "up", 5), SERIES * DAY_STEPS / 10);
    uint64_t sequence = b.tenant->sequence;
    go_to(&b, 6, 9); /* nothing is made again only to be dropped */
    assert_int_equal(b.tenant->sequence, sequence);
    bed_end(&b);
}

static void a_tenant_may_have_times_of_its_own(void **state)
{
    (void)state;
    struct bed b;
    struct why why = {0};
    struct tenant *brief;
    struct store_tenant_limits rows[] = {{"brief", 0, 86400, 0}};
    begin(&b);
    b.settings.tenants = (struct option_rows){rows, COUNTOF(rows)};
    bed_open(&b);
    struct sink *sink = store_sink(b.store);
    assert_int_equal(sink->ops->tenant(sink, STR("brief"), &brief, &why), 0);
    write_day(&b, brief, "up", 0, 10);
    write_day(&b, b.tenant, "up", 0, 10);
    go_to(&b, 2, 1);
    uint64_t tiers = 0;
    bed_count(&b, brief, "up", INT64_MIN, INT64_MAX, SELECT_BLOCKS, &tiers);
    for (size_t i = 0; i < brief->parts.n; i++)
        assert_int_not_equal(part_info(brief->parts.v[i]->part)->tier, PART_RAW);
    assert_int_equal(in_day(&b, "up", 0), SERIES * DAY_STEPS / 10);
    bed_end(&b);
}

static void series_that_a_selector_names_are_kept_for_their_own_time(void **state)
{
    (void)state;
    struct bed b;
    struct store_retention rows[] = {{"{__name__=~\"debug_.*\"}", "", 86400},
                                     {"up{nr=\"0\"}", "other", 3600},
                                     {"up{nr=\"1\"}", "", 20 * 86400}};
    begin(&b);
    b.settings.retention_s = 5 * 86400;
    b.settings.retention = (struct option_rows){rows, COUNTOF(rows)};
    b.settings.tier_5m_retention_s = b.settings.tier_1h_retention_s = 0;
    bed_open(&b);
    write_day(&b, b.tenant, "up", 0, 10);
    for (int i = 0; i < 10; i++)
        bed_put(&b, b.tenant, "debug_x", 0, SERIES, day_ms(0) + i * 1000, NULL);
    assert_int_equal(bed_commit(&b), 0);
    struct why why = {0};
    assert_int_equal(store_flush(b.store, &why), 0);
    go_to(&b, 1, 3); /* the day is put together, each class by itself */
    assert_int_equal(bed_samples(&b, "debug_x", INT64_MIN, INT64_MAX), 0);
    assert_int_equal(in_day(&b, "up", 0), SERIES * DAY_STEPS / 10);
    go_to(&b, 7, 0);
    assert_int_equal(in_day(&b, "up{nr=\"1\"}", 0), DAY_STEPS / 10);
    assert_int_equal(in_day(&b, "up", 0), DAY_STEPS / 10);
    go_to(&b, 22, 0);
    assert_int_equal(in_day(&b, "up", 0), 0);
    bed_end(&b);
}

static void finished_days_become_tiers_that_answer_when_samples_are_gone(void **state)
{
    (void)state;
    struct bed b;
    uint64_t tiers = 0;
    begin(&b);
    b.settings.retention_s = 2 * 86400;
    b.settings.tier_5m_retention_s = 10 * 86400;
    b.settings.tier_1h_retention_s = 30 * 86400;
    bed_open(&b);
    write_day(&b, b.tenant, "up", 0, 1);
    go_to(&b, 1, 3);
    bool there[3] = {0};
    for (size_t i = 0; i < b.tenant->parts.n; i++)
        there[part_info(b.tenant->parts.v[i]->part)->tier] = true;
    assert_true(there[PART_RAW] && there[PART_5M] && there[PART_1H]);
    uint64_t n = bed_count(&b, b.tenant, "up", day_ms(0), day_ms(1), SELECT_BLOCKS, &tiers);
    assert_int_equal(n, SERIES * DAY_STEPS); /* samples are there: tiers stay out of it */
    assert_int_equal(tiers, 0);

    go_to(&b, 5, 0);
    n = bed_count(&b, b.tenant, "up", day_ms(0), day_ms(1), SELECT_BLOCKS, &tiers);
    assert_int_equal(n, SERIES * DAY_STEPS); /* counts of all of them */
    assert_in_range(tiers, SERIES * 288, SERIES * 289);
    n = bed_samples(&b, "up", day_ms(0), day_ms(1));
    assert_in_range(n, SERIES * 288, SERIES * 289);

    go_to(&b, 15, 0);
    n = bed_count(&b, b.tenant, "up", day_ms(0), day_ms(1), SELECT_BLOCKS, &tiers);
    assert_int_equal(n, SERIES * DAY_STEPS);
    assert_in_range(tiers, SERIES * 24, SERIES * 25);
    go_to(&b, 40, 0);
    assert_int_equal(bed_samples(&b, "up", INT64_MIN, INT64_MAX), 0);
    bed_end(&b);
}

static void a_tier_that_would_expire_at_once_is_not_made_again_and_again(void **state)
{
    (void)state;
    static const int64_t KEEP[][2] = {{0, 30 * 86400}, {86400, 30 * 86400}, {86400, 0}, {0, 0}};
    for (size_t i = 0; i < COUNTOF(KEEP); i++) {
        struct bed b;
        begin(&b);
        b.settings.tier_5m_retention_s = KEEP[i][0];
        b.settings.tier_1h_retention_s = KEEP[i][1];
        bed_open(&b);
        write_day(&b, b.tenant, "up", 0, 10);
        go_to(&b, 1, 3);
        for (int day = 2; day < 5; day++)
            go_to(&b, day, 0);
        uint64_t sequence = b.tenant->sequence;
        for (int hour = 1; hour < 5; hour++)
            go_to(&b, 5, hour);
        assert_int_equal(b.tenant->sequence, sequence);
        assert_int_equal(in_day(&b, "up", 0), SERIES * DAY_STEPS / 10);
        bed_end(&b);
    }
}

/* A thousand series a day that never come back, beside a few that stay. */
static void series_that_come_and_go_leave_memory_and_their_ids_are_used_again(void **state)
{
    (void)state;
    enum { DAYS = 30, CHURN = 1500 };
    struct bed b;
    struct why why = {0};
    char metric[32];
    uint32_t most = 0;
    begin(&b);
    b.settings.retention_s = 5 * 86400;
    b.settings.tier_5m_retention_s = b.settings.tier_1h_retention_s = 0;
    bed_open(&b);
    for (int day = 0; day < DAYS; day++) {
        snprintf(metric, sizeof metric, "churn_%d", day);
        for (int hour = 0; hour < 24; hour += 3) {
            b.clock.wall_ms = day_ms(day) + hour * 3600000LL;
            bed_put(&b, b.tenant, "up", 0, SERIES, b.clock.wall_ms, NULL);
            if (hour < 6)
                bed_put(&b, b.tenant, metric, 0, CHURN, b.clock.wall_ms, NULL);
            assert_int_equal(bed_commit(&b), 0);
            if (store_flush(b.store, &why))
                fail_msg("%s", why.text);
            work(&b);
        }
        if (day % 7 == 3) {
            bed_kill(&b);
            bed_open(&b);
            assert_int_equal(b.warnings, 0);
        }
        most = MAX(most, b.tenant->head->series.n);
        assert_int_equal(in_day(&b, metric, day), 2 * CHURN);
        assert_int_equal(in_day(&b, "up", day), SERIES * 8);
    }
    assert_true(most < 6 * CHURN); /* of 30 x CHURN */
    assert_true(b.tenant->head->alive < 4 * CHURN);
    /* Every series has its own samples, not those of who had its id before. */
    for (int day = DAYS - 4; day < DAYS; day++) {
        snprintf(metric, sizeof metric, "churn_%d", day);
        assert_int_equal(bed_samples(&b, metric, INT64_MIN, INT64_MAX), 2 * CHURN);
    }
    bed_kill(&b);
    bed_open(&b);
    snprintf(metric, sizeof metric, "churn_%d", DAYS - 1);
    assert_int_equal(bed_samples(&b, metric, INT64_MIN, INT64_MAX), 2 * CHURN);
    bed_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_go_when_their_time_is_over),
        cmocka_unit_test(the_oldest_days_go_when_there_are_too_many_bytes),
        cmocka_unit_test(a_tenant_may_have_times_of_its_own),
        cmocka_unit_test(series_that_a_selector_names_are_kept_for_their_own_time),
        cmocka_unit_test(finished_days_become_tiers_that_answer_when_samples_are_gone),
        cmocka_unit_test(a_tier_that_would_expire_at_once_is_not_made_again_and_again),
        cmocka_unit_test(series_that_come_and_go_leave_memory_and_their_ids_are_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
