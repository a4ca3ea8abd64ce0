#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "scrape/recall.h"

/* Adds or finds a line, steps to it and marks it and its series. */
static uint32_t see(struct recall *r, const char *text, const char *key)
{
    uint32_t line = recall_find(r, str_c(text), 0);
    if (line == RECALL_NONE)
        line = recall_add(r, str_c(text), RECALL_SAMPLE, 0, str_c(key), 0);
    recall_step(r, line);
    recall_see(r, &r->lines[line]);
    recall_see(r, &r->lines[r->lines[line].owner]);
    return line;
}

static void lines_are_expected_in_the_order_of_the_last_answer(void **state)
{
    struct recall r;
    (void)state;
    recall_init(&r, 1);
    recall_begin(&r);
    uint32_t a = see(&r, "a ", "A"), b = see(&r, "b ", "B"), c = see(&r, "c ", "C");
    recall_end(&r);
    recall_begin(&r);
    assert_int_equal(recall_expected(&r), a);
    recall_step(&r, a);
    assert_int_equal(recall_expected(&r), b);
    recall_step(&r, c); /* b is left out */
    assert_int_equal(recall_expected(&r), RECALL_NONE);
    recall_begin(&r);
    recall_step(&r, a);
    assert_int_equal(recall_expected(&r), c);
    recall_done(&r);
}

static void lines_of_one_series_have_one_owner(void **state)
{
    struct recall r;
    (void)state;
    recall_init(&r, 1);
    recall_begin(&r);
    uint32_t a = see(&r, "a{x,y} ", "A"), b = see(&r, "a{y,x} ", "A");
    assert_int_not_equal(a, b);
    assert_int_equal(r.lines[b].owner, a);
    assert_true(str_eq(recall_key(&r, &r.lines[b]), STR("A")));
    assert_int_equal(recall_owner(&r, STR("A")), a);
    assert_int_equal(recall_owner(&r, STR("B")), RECALL_NONE);
    recall_done(&r);
}

static void a_line_below_another_type_is_another_line(void **state)
{
    struct recall r;
    (void)state;
    recall_init(&r, 1);
    uint32_t one = recall_add(&r, STR("a "), RECALL_SAMPLE, 1, STR("A"), 0);
    uint32_t two = recall_add(&r, STR("a "), RECALL_SAMPLE, 2, STR("B"), 0);
    assert_int_equal(recall_find(&r, STR("a "), 1), one);
    assert_int_equal(recall_find(&r, STR("a "), 2), two);
    assert_int_equal(recall_find(&r, STR("a "), 3), RECALL_NONE);
    recall_done(&r);
}

static void what_is_gone_is_forgotten_and_the_rest_is_still_known(void **state)
{
    enum { KEPT = 100, ROUNDS = 50, FRESH = 100 };
    struct recall r;
    char text[32];
    (void)state;
    recall_init(&r, 1);
    for (int round = 0; round < ROUNDS; round++) {
        recall_begin(&r);
        for (int i = 0; i < KEPT + FRESH; i++) {
            snprintf(text, sizeof text, "k%d ", i < KEPT ? i : (round + 1) * 1000 + i);
            see(&r, text, text);
        }
        assert_true(r.n < 4 * (KEPT + FRESH));
        recall_end(&r);
    }
    for (int i = 0; i < KEPT; i++) {
        snprintf(text, sizeof text, "k%d ", i);
        uint32_t line = recall_find(&r, str_c(text), 0);
        assert_int_not_equal(line, RECALL_NONE);
        assert_true(str_eq(recall_key(&r, &r.lines[line]), str_c(text)));
        assert_int_equal(r.lines[line].owner, line);
    }
    recall_done(&r);
}

static void bounds_of_buckets_survive_forgetting(void **state)
{
    struct recall r;
    char text[32];
    (void)state;
    recall_init(&r, 1);
    recall_begin(&r);
    uint32_t whole = recall_add(&r, STR(""), RECALL_HISTOGRAM, 0, STR("H"), 0);
    uint32_t bucket = recall_add(&r, STR("h_bucket "), RECALL_BUCKET, 3, STR("HB"), 2.5);
    r.lines[bucket].group = whole;
    for (int i = 0; i < 500; i++) { /* which are not seen */
        snprintf(text, sizeof text, "x%d ", i);
        assert_int_not_equal(recall_add(&r, str_c(text), RECALL_SAMPLE, 0, str_c(text), 0),
                             RECALL_NONE);
    }
    recall_see(&r, &r.lines[bucket]);
    recall_end(&r);
    assert_int_equal(r.n, 2);
    bucket = recall_find(&r, STR("h_bucket "), 3);
    assert_true(recall_bound(&r, &r.lines[bucket]) == 2.5);
    assert_int_equal(r.lines[bucket].group, recall_owner(&r, STR("H")));
    recall_done(&r);
}

static void no_more_room_is_kept_than_an_unchanging_target_needs(void **state)
{
    struct recall r;
    char text[32];
    (void)state;
    recall_init(&r, 1);
    for (int round = 0; round < 4; round++) {
        recall_begin(&r);
        for (int i = 0; i < 500; i++) {
            snprintf(text, sizeof text, "name_%d ", i);
            see(&r, text, text);
        }
        recall_end(&r);
    }
    assert_int_equal(r.capacity, 500);
    assert_int_equal(r.bytes_capacity, r.bytes_n);
    assert_true(recall_bytes(&r) < 500 * (sizeof *r.lines + 2 * 10 + 16));
    recall_begin(&r);
    see(&r, "one more ", "one more");
    assert_int_equal(r.n, 501);
    recall_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_expected_in_the_order_of_the_last_answer),
        cmocka_unit_test(lines_of_one_series_have_one_owner),
        cmocka_unit_test(a_line_below_another_type_is_another_line),
        cmocka_unit_test(what_is_gone_is_forgotten_and_the_rest_is_still_known),
        cmocka_unit_test(bounds_of_buckets_survive_forgetting),
        cmocka_unit_test(no_more_room_is_kept_than_an_unchanging_target_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
