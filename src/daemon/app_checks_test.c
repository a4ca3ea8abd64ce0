#include "daemon/app_checks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rand.h"
#include "os/disk_sim.h"

enum { MIB = 1 << 20, SPOOL = 32 * MIB, EVERY_MS = 5000, MINUTE = 12, PATIENCE_US = 20000000 };

static struct disk *disk;
static struct apps_settings settings;
static struct app_checks checks;
static struct clock_manual own_clock;
static struct health *health;

static int setup(void **state)
{
    struct why why = {0};
    disk = disk_sim_new(5, 0);
    option_defaults(&apps_settings_options, &settings);
    settings.errors_bytes_max = settings.spans_bytes_max = settings.logs_bytes_max = SPOOL;
    const struct signal_spool_config config = {
        .settings = &settings, .disk = disk, .key_file = "", .clock = &clock_real};
    checks = (struct app_checks){0};
    assert_int_equal(signal_spool_new(&config, &checks.spool, &why), 0);
    signal_spool_start(checks.spool);
    clock_manual_init(&own_clock, 1000);
    health = health_new(&own_clock.clock);
    return 0;
}

static int teardown(void **state)
{
    health_free(health);
    signal_spool_free(checks.spool);
    disk_free(disk);
    return 0;
}

static void on_done(void *context, int err)
{
    atomic_store((_Atomic int *)context, err);
}

static int put(struct str bytes)
{
    enum { WAITS = 1 };
    _Atomic int err = WAITS;
    const struct signal s = {.kind = SIGNAL_ERRORS, .bytes = bytes, .time_ms = 77};
    struct signal_sink *sink = signal_spool_sink(checks.spool);
    sink->ops->take(sink, &s, on_done, &err);
    for (int waited = 0; atomic_load(&err) == WAITS; waited += 100) {
        assert_true(waited < PATIENCE_US);
        usleep(100);
    }
    return atomic_load(&err);
}

static int put_error(void)
{
    return put(STR("{}\n{\"type\":\"event\"}\n{\"message\":\"broken\"}"));
}

static void fill(void)
{
    const struct str head = STR("{}\n{\"type\":\"event\"}\n{\"message\":\"");
    struct rand rand;
    char *bytes = mem_raw(3 * MIB);
    rand_init(&rand, 3);
    memcpy(bytes, head.p, head.n);
    for (size_t i = head.n; i < 3 * MIB - 2; i++)
        bytes[i] = (char)('0' + rand_u64(&rand) % 64);
    for (size_t i = head.n; i < 3 * MIB - 2; i++)
        if (bytes[i] == '\\')
            bytes[i] = ' ';
    memcpy(bytes + 3 * MIB - 2, "\"}", 2);
    for (size_t i = 0; i < 14; i++)
        assert_int_equal(put(str_of(bytes, 3 * MIB)), 0);
    mem_free(bytes);
}

/* The row of a check after one more reading. */
static struct health_row reading(const char *measurement)
{
    struct health_row rows[4];
    clock_manual_pass(&own_clock, EVERY_MS);
    health_run(health);
    size_t n = health_list(health, rows, COUNTOF(rows));
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].check->measurement, measurement) == 0)
            return rows[i];
    fail_msg("no check %s", measurement);
    return rows[0];
}

static void a_write_that_fails_is_told_until_one_succeeds(void **state)
{
    assert_int_equal(app_checks_add(&checks, health), 0);
    assert_int_equal(put_error(), 0);
    assert_int_equal(reading("writable").reading.state, HEALTH_OK);
    disk_sim_fail_at(disk, 1, ERR_FULL, true);
    assert_int_equal(put_error(), -ERR_FULL);
    struct health_row row = reading("writable");
    assert_int_equal(row.reading.state, HEALTH_DEGRADED);
    assert_int_equal(row.reading.value, 1);
    assert_non_null(strstr(row.reading.output, "spool/errors cannot be written"));
    assert_int_equal(reading("writable").reading.state, HEALTH_DEGRADED); /* nobody tried */
    disk_sim_heal(disk);
    assert_int_equal(put_error(), 0);
    assert_int_equal(reading("writable").reading.state, HEALTH_OK);
}

static void a_full_spool_is_fine_where_nothing_is_sent_on(void **state)
{
    assert_int_equal(app_checks_add(&checks, health), 0);
    assert_true(reading("used").reading.value < 0.1);
    fill();
    struct health_row row = reading("used");
    assert_true(row.reading.value > 0.9 && row.reading.value <= 1);
    assert_int_equal(row.reading.state, HEALTH_OK);
}

static bool behind(void)
{
    struct signal_relay_facts f;
    return signal_relay_look(checks.relay, 0, &f) && f.behind > 10 && f.why[0] != '\0';
}

static void what_cannot_be_sent_on_is_told_after_a_minute_and_when_it_fills_the_spool(void **state)
{
    struct why why = {0};
    struct apps_settings_sentry sentry;
    option_defaults(&apps_settings_sentry_options, &sentry);
    sentry.dsn = "http://key@127.0.0.1:1/1"; /* nobody is there */
    const struct signal_relay_config config = {.settings = &settings,
                                               .sentry = &sentry,
                                               .spool = checks.spool,
                                               .disk = disk,
                                               .clock = &clock_real};
    assert_int_equal(signal_relay_new(&config, &checks.relay, &why), 0);
    signal_relay_start(checks.relay);
    assert_int_equal(app_checks_add(&checks, health), 0);
    assert_int_equal(reading("relay").reading.state, HEALTH_OK);
    fill();
    for (int waited = 0; !behind(); waited += 1000) {
        assert_true(waited < PATIENCE_US);
        usleep(1000);
    }
    struct health_row row = reading("used");
    assert_int_equal(row.reading.state, HEALTH_DEGRADED);
    assert_non_null(strstr(row.reading.output, "its oldest are lost next"));
    for (int i = 1; i < MINUTE - 1; i++)
        assert_int_equal(reading("relay").reading.state, HEALTH_OK);
    row = reading("relay");
    assert_int_equal(row.reading.state, HEALTH_DEGRADED);
    assert_non_null(strstr(row.reading.output, "errors wait to be sent on"));
    assert_true(row.reading.value > 10);
    signal_relay_free(checks.relay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_write_that_fails_is_told_until_one_succeeds, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_full_spool_is_fine_where_nothing_is_sent_on, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            what_cannot_be_sent_on_is_told_after_a_minute_and_when_it_fills_the_spool, setup,
            teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
