#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "serve/fuzzy.h"

static struct fuzzy_text text, wanted;

static void read_both(const char *a, const char *b)
{
    fuzzy_read(str_c(a), false, &text);
    fuzzy_read(str_c(b), false, &wanted);
}

static void subsequences_score_by_runs_and_gaps(void **state)
{
    static const struct {
        const char *text, *wanted;
        double score;
    } CASES[] = {
        {"up", "up", 1},
        {"up", "", 1},
        {"", "up", 0},
        {"up", "pu", 0},
        {"up", "ups", 0},
        {"abc", "b", 1 - 1.0 / 3 - 0.5 / 3},           /* a gap before, half of one behind */
        {"a_b", "ab", (1 + 1 - 1.0 / 3) / 4},          /* two runs of one */
        {"xab_ab", "ab", (4 - 1.0 / 6 - 1.5 / 6) / 4}, /* the better of two places */
        {"Gr\xc3\xbc\xc3\x9f"
         "e",
         "\xc3\xbc", 1 - 2.0 / 5 - 1.0 / 5},
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        read_both(CASES[i].text, CASES[i].wanted);
        double got = fuzzy_subsequence(&text, &wanted);
        if (fabs(got - CASES[i].score) > 1e-12)
            fail_msg("%s in %s: %.15g, not %.15g", CASES[i].wanted, CASES[i].text, got,
                     CASES[i].score);
    }
}

/* The pairs that Winkler's own papers give. */
static void names_are_compared_as_winkler_does(void **state)
{
    static const struct {
        const char *a, *b;
        double score;
    } CASES[] = {
        {"MARTHA", "MARHTA", 0.9611},
        {"DIXON", "DICKSONX", 0.8133},
        {"DWAYNE", "DUANE", 0.84},
        {"up", "up", 1},
        {"abc", "xyz", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        read_both(CASES[i].a, CASES[i].b);
        double one = fuzzy_jaro_winkler(&text, &wanted), other = fuzzy_jaro_winkler(&wanted, &text);
        assert_true(one == other);
        if (fabs(one - CASES[i].score) > 5e-5)
            fail_msg("%s, %s: %.15g, not %.15g", CASES[i].a, CASES[i].b, one, CASES[i].score);
    }
}

static void capitals_count_as_small_letters_where_wanted(void **state)
{
    (void)state;
    fuzzy_read(STR("HTTP_Requests"), true, &text);
    fuzzy_read(STR("http"), false, &wanted);
    assert_true(fuzzy_starts(&text, &wanted));
    fuzzy_read(STR("req"), false, &wanted);
    assert_true(fuzzy_contains(&text, &wanted));
    assert_false(fuzzy_starts(&text, &wanted));
    fuzzy_read(STR("HTTP_Requests"), false, &text);
    assert_false(fuzzy_contains(&text, &wanted));
}

static void a_text_that_is_cut_off_within_a_character_is_read_to_its_end(void **state)
{
    (void)state;
    fuzzy_read(str_of("a\xe2\x82", 3), false, &text);
    assert_int_equal(text.n, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subsequences_score_by_runs_and_gaps),
        cmocka_unit_test(names_are_compared_as_winkler_does),
        cmocka_unit_test(capitals_count_as_small_letters_where_wanted),
        cmocka_unit_test(a_text_that_is_cut_off_within_a_character_is_read_to_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
