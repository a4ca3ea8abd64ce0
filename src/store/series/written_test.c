#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rand.h"
#include "store/series/written.h"

static const int64_t HOUR = 3600000, DAY = 86400000, BEGIN = 1700000000000;

static void what_was_never_written_has_no_epoch(void **state)
{
    struct written *w = mem_new(sizeof *w);
    (void)state;
    assert_int_equal(written_newest(w, INT64_MIN / 2, INT64_MAX / 2), 0);
    assert_int_equal(written_mark(w), 1);
    assert_int_equal(written_newest(w, BEGIN, BEGIN + DAY), 0);
    assert_int_equal(written_newest(w, BEGIN + 1, BEGIN), 0);
    mem_free(w);
}

static void a_write_after_a_mark_is_newer_than_it(void **state)
{
    struct written *w = mem_new(sizeof *w);
    int64_t ts[] = {BEGIN, BEGIN + 1, BEGIN + 2 * HOUR, -5};
    (void)state;
    written_note(w, ts, 1);
    uint64_t mark = written_mark(w);
    assert_true(written_newest(w, BEGIN, BEGIN) <= mark);
    written_note(w, ts, COUNTOF(ts));
    assert_true(written_newest(w, BEGIN, BEGIN) > mark);
    assert_true(written_newest(w, BEGIN + 2 * HOUR - 1000, BEGIN + 2 * HOUR) > mark);
    assert_true(written_newest(w, -10, -1) > mark);
    assert_true(written_newest(w, BEGIN + HOUR, BEGIN + HOUR + 600000) <= mark);
    mem_free(w);
}

static void fresh_writes_leave_older_hours_alone(void **state)
{
    struct written *w = mem_new(sizeof *w);
    (void)state;
    for (int64_t t = BEGIN; t < BEGIN + 2 * DAY; t += 15000)
        written_note(w, &t, 1);
    uint64_t mark = written_mark(w);
    for (int64_t t = BEGIN + 2 * DAY; t < BEGIN + 3 * DAY; t += 15000)
        written_note(w, &t, 1);
    /* The ring of minutes went round several times; the hours still tell. */
    for (int64_t t = BEGIN; t < BEGIN + 2 * DAY - HOUR; t += 5 * 60000)
        assert_true(written_newest(w, t, t + 300000) <= mark);
    assert_true(written_newest(w, BEGIN + 2 * DAY, BEGIN + 2 * DAY) > mark);
    mem_free(w);
}

static void a_deleted_range_is_newer_everywhere(void **state)
{
    struct written *w = mem_new(sizeof *w);
    (void)state;
    uint64_t mark = written_mark(w);
    written_note_range(w, BEGIN, BEGIN + 3 * HOUR);
    assert_true(written_newest(w, BEGIN + HOUR, BEGIN + HOUR) > mark);
    assert_true(written_newest(w, BEGIN + 9 * HOUR, BEGIN + 10 * HOUR) <= mark);
    written_note_range(w, INT64_MIN, INT64_MAX);
    assert_true(written_newest(w, BEGIN + 400 * DAY, BEGIN + 400 * DAY) > mark);
    mem_free(w);
}

enum { WRITES = 400, ROUNDS = 40 };

/* The bound holds against a list of all writes, for spans from a minute to years. */
static void no_write_is_ever_missed(void **state)
{
    static struct {
        int64_t from, to;
        uint64_t epoch;
    } list[WRITES];
    struct rand r;
    (void)state;
    rand_init(&r, 7);
    for (int round = 0; round < ROUNDS; round++) {
        struct written *w = mem_new(sizeof *w);
        for (size_t i = 0; i < WRITES; i++) {
            int64_t spans[] = {HOUR, DAY, 40 * DAY, 3000 * DAY};
            int64_t span = spans[rand_below(&r, COUNTOF(spans))];
            list[i].from = BEGIN + (int64_t)rand_below(&r, (uint64_t)span);
            list[i].to = list[i].from;
            if (rand_below(&r, 8) == 0)
                list[i].to += (int64_t)rand_below(&r, (uint64_t)span);
            list[i].epoch = rand_below(&r, 4) == 0 ? written_mark(w) + 1 : 0;
            if (list[i].epoch == 0)
                list[i].epoch = i ? list[i - 1].epoch : 1;
            if (list[i].to == list[i].from)
                written_note(w, &list[i].from, 1);
            else
                written_note_range(w, list[i].from, list[i].to);
            int64_t from = BEGIN + (int64_t)rand_below(&r, (uint64_t)span);
            int64_t to = from + (int64_t)rand_below(&r, (uint64_t)span);
            uint64_t least = 0;
            for (size_t k = 0; k <= i; k++)
                if (list[k].from <= to && list[k].to >= from)
                    least = MAX(least, list[k].epoch);
            assert_true(written_newest(w, from, to) >= least);
        }
        mem_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_never_written_has_no_epoch),
        cmocka_unit_test(a_write_after_a_mark_is_newer_than_it),
        cmocka_unit_test(fresh_writes_leave_older_hours_alone),
        cmocka_unit_test(a_deleted_range_is_newer_everywhere),
        cmocka_unit_test(no_write_is_ever_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
