#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "health/health.h"

struct scripted {
    enum health_state next;
    unsigned runs;
};

static void scripted_run(void *context, struct health_reading *ret)
{
    struct scripted *s = context;
    s->runs++;
    ret->state = s->next;
    ret->value = s->runs;
}

static struct health *make(struct clock_manual *clock, struct scripted *s, int64_t every_ms,
                           unsigned fall, unsigned rise)
{
    clock_manual_init(clock, 1000);
    clock_manual_pass(clock, 1000);
    struct health *h = health_new(&clock->clock);
    assert_int_equal(health_add(h, &(struct health_check){.component = "part",
                                                          .measurement = "thing",
                                                          .unit = "1",
                                                          .type = "component",
                                                          .every_ms = every_ms,
                                                          .fall = fall,
                                                          .rise = rise,
                                                          .run = scripted_run,
                                                          .context = s}),
                     0);
    return h;
}

static void a_check_that_never_ran_is_unknown_and_does_not_count(void **state)
{
    (void)state;
    struct clock_manual clock;
    struct scripted s = {HEALTH_UNHEALTHY, 0};
    struct health_row row;
    struct health *h = make(&clock, &s, 0, 1, 1);
    assert_int_equal(health_list(h, &row, 1), 1);
    assert_int_equal(row.reading.state, HEALTH_UNKNOWN);
    assert_int_equal(health_worst(h), HEALTH_OK);
    assert_string_equal(health_word(row.reading.state), "warn");
    health_free(h);
}

static void one_bad_reading_does_not_turn_a_steady_check(void **state)
{
    (void)state;
    struct clock_manual clock;
    struct scripted s = {HEALTH_OK, 0};
    struct health *h = make(&clock, &s, 0, 3, 2);
    health_run(h);
    s.next = HEALTH_UNHEALTHY;
    health_run(h);
    health_run(h);
    assert_int_equal(health_worst(h), HEALTH_OK);
    health_run(h);
    assert_int_equal(health_worst(h), HEALTH_UNHEALTHY);
    s.next = HEALTH_OK;
    health_run(h);
    assert_int_equal(health_worst(h), HEALTH_UNHEALTHY);
    health_run(h);
    assert_int_equal(health_worst(h), HEALTH_OK);
    health_free(h);
}

static void a_bad_first_reading_counts_at_once(void **state)
{
    (void)state;
    struct clock_manual clock;
    struct scripted s = {HEALTH_DEGRADED, 0};
    struct health *h = make(&clock, &s, 0, 3, 3);
    health_run(h);
    assert_int_equal(health_worst(h), HEALTH_DEGRADED);
    health_free(h);
}

static void a_check_runs_on_its_interval_only(void **state)
{
    (void)state;
    struct clock_manual clock;
    struct scripted s = {HEALTH_OK, 0};
    struct health *h = make(&clock, &s, 5000, 1, 1);
    health_run(h);
    clock_manual_pass(&clock, 4000);
    health_run(h);
    assert_int_equal(s.runs, 1);
    clock_manual_pass(&clock, 1000);
    health_run(h);
    assert_int_equal(s.runs, 2);
    health_free(h);
}

static void a_clock_that_jumps_is_degraded_for_a_minute(void **state)
{
    (void)state;
    struct clock_manual clock;
    clock_manual_init(&clock, 1000000);
    clock_manual_pass(&clock, 1000);
    struct health *h = health_new(&clock.clock);
    assert_int_equal(health_add_clock(h), 0);
    health_run(h);
    clock_manual_pass(&clock, 1000);
    health_run(h);
    assert_int_equal(health_worst(h), HEALTH_OK);
    clock.wall_ms += 3600000;
    clock_manual_pass(&clock, 1000);
    health_run(h);
    assert_int_equal(health_worst(h), HEALTH_DEGRADED);
    struct health_row row;
    assert_int_equal(health_list(h, &row, 1), 1);
    assert_true(row.reading.value == 3600);
    assert_non_null(strstr(row.reading.output, "3600.0 s"));
    for (int i = 0; i < 62; i++) {
        clock_manual_pass(&clock, 1000);
        health_run(h);
    }
    assert_int_equal(health_worst(h), HEALTH_OK);
    health_free(h);
}

/* A disk that only knows how much room it has. */
struct small_disk {
    struct disk disk;
    uint64_t free_bytes, total;
    int err;
};

static int small_space(struct disk *d, uint64_t *ret_free, uint64_t *ret_total)
{
    struct small_disk *s = (struct small_disk *)d;
    *ret_free = s->free_bytes;
    *ret_total = s->total;
    return s->err;
}

static void a_filling_disk_is_degraded_then_unhealthy(void **state)
{
    (void)state;
    static const struct disk_ops OPS = {.space = small_space};
    struct clock_manual clock;
    clock_manual_init(&clock, 1000000);
    clock_manual_pass(&clock, 1000);
    struct small_disk d = {.disk = {&OPS}, .free_bytes = 50ULL << 30, .total = 100ULL << 30};
    struct health *h = health_new(&clock.clock);
    assert_int_equal(health_add_disk(h, "storage", &d.disk), 0);
    health_run(h);
    assert_int_equal(health_worst(h), HEALTH_OK);
    d.free_bytes = 9ULL << 30;
    clock_manual_pass(&clock, 5000);
    health_run(h);
    assert_int_equal(health_worst(h), HEALTH_DEGRADED);
    d.free_bytes = 1ULL << 30;
    clock_manual_pass(&clock, 5000);
    health_run(h);
    assert_int_equal(health_worst(h), HEALTH_UNHEALTHY);
    d.free_bytes = 50ULL << 30;
    d.err = -ERR_IO;
    clock_manual_pass(&clock, 5000);
    health_run(h);
    assert_int_equal(health_worst(h), HEALTH_UNHEALTHY);
    health_free(h);
}

static void a_full_registry_refuses_more(void **state)
{
    (void)state;
    struct clock_manual clock;
    struct scripted s = {HEALTH_OK, 0};
    struct health *h = make(&clock, &s, 0, 1, 1);
    struct health_check check = {.component = "x", .run = scripted_run, .context = &s};
    for (int i = 1; i < HEALTH_CHECKS_MAX; i++)
        assert_int_equal(health_add(h, &check), 0);
    assert_int_equal(health_add(h, &check), -ERR_LIMIT);
    health_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_check_that_never_ran_is_unknown_and_does_not_count),
        cmocka_unit_test(one_bad_reading_does_not_turn_a_steady_check),
        cmocka_unit_test(a_bad_first_reading_counts_at_once),
        cmocka_unit_test(a_check_runs_on_its_interval_only),
        cmocka_unit_test(a_clock_that_jumps_is_degraded_for_a_minute),
        cmocka_unit_test(a_filling_disk_is_degraded_then_unhealthy),
        cmocka_unit_test(a_full_registry_refuses_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
