#include "apps/signal_spool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apps/signal_record.h"
#include "base/mem.h"
#include "base/rand.h"
#include "os/disk_sim.h"

enum { MIB = 1 << 20, PATIENCE_US = 20000000 };

static struct disk *disk;
static struct signal_spool *spool;
static struct apps_settings settings;
static _Atomic size_t crashes, events;
static _Atomic uint64_t crash_row;

static void on_crash(void *context, const struct signal *s, uint64_t row)
{
    assert_true(str_eq(s->bytes, STR("a record")));
    assert_true(str_eq(s->service, STR("shop")));
    atomic_store(&crash_row, row);
    atomic_fetch_add(&crashes, 1);
}

static void on_event(void *context, const struct signal *s, const struct envelope *e)
{
    atomic_fetch_add(&events, 1);
}

static void open_spool(void)
{
    struct signal_spool_config config = {.settings = &settings,
                                         .disk = disk,
                                         .key_file = "",
                                         .clock = &clock_real,
                                         .crash = on_crash,
                                         .event = on_event};
    struct why why = {0};
    if (signal_spool_new(&config, &spool, &why))
        fail_msg("%s", why.text);
    assert_true(signal_spool_partial(spool)); /* nothing is read back yet */
    signal_spool_start(spool);
}

static int setup(void **state)
{
    disk = disk_sim_new(5, 0);
    option_defaults(&apps_settings_options, &settings);
    settings.errors_bytes_max = settings.spans_bytes_max = settings.logs_bytes_max = 32 * MIB;
    crashes = events = 0;
    open_spool();
    return 0;
}

static int teardown(void **state)
{
    signal_spool_free(spool);
    disk_free(disk);
    return 0;
}

/* The process dies with the power. */
static void die(enum disk_sim_crash how)
{
    disk_sim_power_off(disk);
    signal_spool_free(spool);
    disk_sim_power_on(disk, how);
    open_spool();
}

static void on_done(void *context, int err)
{
    atomic_store((_Atomic int *)context, err);
}

/* Hands it over and waits; what the sender is told. */
static int put(enum signal_kind kind, struct str bytes, uint64_t of)
{
    enum { WAITS = 1 };
    _Atomic int err = WAITS;
    const struct signal s = {.kind = kind,
                             .bytes = bytes,
                             .service = STR("shop"),
                             .instance = STR("i%\n1"),
                             .time_ms = 77,
                             .pid = 12,
                             .uid = 1000,
                             .of = of};
    struct signal_sink *sink = signal_spool_sink(spool);
    sink->ops->take(sink, &s, on_done, &err);
    for (int waited = 0; atomic_load(&err) == WAITS; waited += 100) {
        assert_true(waited < PATIENCE_US);
        usleep(100);
    }
    return atomic_load(&err);
}

static int put_error(unsigned i)
{
    char text[200];
    snprintf(text, sizeof text,
             "{\"event_id\":\"%032u\"}\n{\"type\":\"event\"}\n{\"message\":\"number %u\"}", i, i);
    return put(SIGNAL_ERRORS, str_c(text), 0);
}

static void wait_for(_Atomic size_t *n, size_t wanted)
{
    for (int waited = 0; atomic_load(n) < wanted; waited += 100) {
        assert_true(waited < PATIENCE_US);
        usleep(100);
    }
}

static struct signal_spool_facts facts(enum signal_spool_queue which)
{
    struct signal_spool_facts f;
    signal_spool_look(spool, which, &f);
    return f;
}

static size_t count_listed(void)
{
    struct buf out;
    size_t n = 0;
    buf_init(&out, 4 * MIB);
    error_list_recent(signal_spool_errors(spool), SIZE_MAX, STR(""), &out);
    for (size_t i = 0; i + 10 < out.n; i++)
        n += memcmp(out.p + i, "\"event_id\"", 10) == 0;
    buf_done(&out);
    return n;
}

/* Records of any length come back as they went in, from whom they came, over a power cut. */
static void what_was_acknowledged_is_there_after_a_power_cut(void **state)
{
    const size_t sizes[] = {0, 1, 500, 511 * 1024, 512 * 1024, 3 * MIB, 4 * MIB};
    char *bytes = mem_raw(4 * MIB);
    struct rand rand;
    rand_init(&rand, 3);
    for (size_t i = 0; i < 4 * MIB; i++)
        bytes[i] = (char)rand_u64(&rand);
    for (size_t i = 0; i < COUNTOF(sizes); i++)
        assert_int_equal(put(SIGNAL_SPANS, str_of(bytes, sizes[i]), 0), 0);
    die(DISK_SIM_LOSE);
    struct signal_record_reader r;
    struct signal_record record;
    signal_record_reader_init(&r, signal_spool_of(spool, SIGNAL_SPOOL_SPANS),
                              (struct queue_position){0});
    for (size_t i = 0; i < COUNTOF(sizes); i++) {
        assert_int_equal(signal_record_read(&r, &record), 1);
        assert_int_equal(record.row, i);
        assert_int_equal(record.signal.kind, SIGNAL_SPANS);
        assert_int_equal(record.signal.bytes.n, sizes[i]);
        assert_memory_equal(record.signal.bytes.p, bytes, sizes[i]);
        assert_true(str_eq(record.signal.service, STR("shop")));
        assert_true(str_eq(record.signal.instance, STR("i%\n1")));
        assert_int_equal(record.signal.time_ms, 77);
        assert_int_equal(record.signal.pid, 12);
        assert_int_equal(record.signal.uid, 1000);
    }
    assert_int_equal(signal_record_read(&r, &record), 0);
    signal_record_reader_done(&r);
    mem_free(bytes);
    assert_int_equal(facts(SIGNAL_SPOOL_SPANS).records, COUNTOF(sizes));
}

static void an_envelope_is_stored_once_also_after_a_restart(void **state)
{
    assert_int_equal(put_error(1), 0);
    assert_int_equal(put_error(1), 0);
    assert_int_equal(put_error(2), 0);
    assert_int_equal(facts(SIGNAL_SPOOL_ERRORS).records, 2);
    die(DISK_SIM_LOSE);
    assert_int_equal(put_error(2), 0);
    assert_int_equal(put_error(3), 0);
    assert_int_equal(facts(SIGNAL_SPOOL_ERRORS).records, 3);
    assert_int_equal(count_listed(), 3);
    assert_int_equal(atomic_load(&events), 3);
    assert_false(signal_spool_partial(spool)); /* what came since was written after that */
}

static void what_cannot_be_written_is_refused_and_may_be_sent_again(void **state)
{
    assert_int_equal(put_error(1), 0);
    disk_sim_fail_at(disk, 1, ERR_FULL, true);
    assert_int_equal(put_error(2), -ERR_FULL);
    disk_sim_heal(disk);
    assert_int_equal(count_listed(), 1);
    assert_int_equal(put_error(2), 0); /* it was not known */
    assert_int_equal(count_listed(), 2);
    assert_int_equal(put(SIGNAL_ERRORS, STR("no envelope"), 0), -ERR_FORMAT);
}

static void a_crash_is_handed_over_again_until_its_envelope_is_there(void **state)
{
    assert_int_equal(put_error(9), 0); /* so that its number is not 0 */
    assert_int_equal(put(SIGNAL_CRASH, STR("a record"), 0), 0);
    wait_for(&crashes, 1);
    die(DISK_SIM_LOSE);
    wait_for(&crashes, 2);
    assert_int_equal(atomic_load(&crash_row), 1);
    assert_int_equal(put(SIGNAL_ERRORS,
                         STR("{\"event_id\":\"00000000000000000000000000000005\"}\n"
                             "{\"type\":\"event\"}\n{\"message\":\"it crashed\"}"),
                         atomic_load(&crash_row) + 1),
                     0);
    die(DISK_SIM_LOSE);
    assert_int_equal(put_error(10), 0); /* the start is behind us */
    assert_int_equal(atomic_load(&crashes), 2);
    assert_int_equal(count_listed(), 3);
}

static void a_full_spool_drops_its_oldest_and_counts_them(void **state)
{
    enum { N = 100 };
    char *bytes = mem_new(MIB);
    struct rand rand;
    rand_init(&rand, 8);
    uint64_t dropped_before = facts(SIGNAL_SPOOL_LOGS).dropped;
    for (size_t i = 0; i < N; i++) {
        for (size_t k = 0; k < MIB; k += 8) {
            uint64_t v = rand_u64(&rand);
            memcpy(bytes + k, &v, 8);
        }
        assert_int_equal(put(SIGNAL_LOGS, str_of(bytes, MIB), 0), 0);
    }
    mem_free(bytes);
    struct signal_spool_facts f = facts(SIGNAL_SPOOL_LOGS);
    assert_true(f.bytes <= 32 * MIB);
    assert_true(f.records >= 20 && f.records < 32);
    assert_int_equal(f.dropped - dropped_before + f.records, N);
    struct signal_record_reader r;
    struct signal_record record;
    size_t n = 0;
    signal_record_reader_init(&r, signal_spool_of(spool, SIGNAL_SPOOL_LOGS),
                              (struct queue_position){0});
    while (signal_record_read(&r, &record) == 1)
        n++;
    signal_record_reader_done(&r);
    assert_int_equal(n, f.records);
}

/* Half a record, as a full disk leaves it, is not read. */
static void half_a_record_is_left_out(void **state)
{
    char *bytes = mem_new(2 * MIB);
    disk_sim_fail_at(disk, 4, ERR_FULL, true);
    assert_int_equal(put(SIGNAL_SPANS, str_of(bytes, 2 * MIB), 0), -ERR_FULL);
    disk_sim_heal(disk);
    mem_free(bytes);
    assert_int_equal(put(SIGNAL_SPANS, STR("whole"), 0), 0);
    struct signal_record_reader r;
    struct signal_record record;
    signal_record_reader_init(&r, signal_spool_of(spool, SIGNAL_SPOOL_SPANS),
                              (struct queue_position){0});
    assert_int_equal(signal_record_read(&r, &record), 1);
    assert_true(str_eq(record.signal.bytes, STR("whole")));
    assert_int_equal(signal_record_read(&r, &record), 0);
    signal_record_reader_done(&r);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(what_was_acknowledged_is_there_after_a_power_cut),
        CASE(an_envelope_is_stored_once_also_after_a_restart),
        CASE(what_cannot_be_written_is_refused_and_may_be_sent_again),
        CASE(a_crash_is_handed_over_again_until_its_envelope_is_there),
        CASE(a_full_spool_drops_its_oldest_and_counts_them),
        CASE(half_a_record_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
