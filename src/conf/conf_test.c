#include "conf/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct shop {
    bool open;
    int64_t places;
    double ratio;
    const char *name, *colour, *password;
    struct option_list doors, keys;
};

struct till {
    const char *name;
    int64_t coins;
};

static const struct option SHOP_ROWS[] = {
    {"open", OPTION_BOOL, offsetof(struct shop, open), "true", 0, 0, NULL, OPTION_RELOAD, "Open."},
    {"places", OPTION_INT, offsetof(struct shop, places), "4", 1, 64, NULL, 0, "Places."},
    {"ratio", OPTION_REAL, offsetof(struct shop, ratio), "0.1", 0, 1, NULL, OPTION_RELOAD, "Part."},
    {"name", OPTION_TEXT, offsetof(struct shop, name), "corner", 0, 10, NULL, 0, "Its name."},
    {"colour", OPTION_CHOICE, offsetof(struct shop, colour), "red", 0, 0, "red|green", 0, "Paint."},
    {"password", OPTION_TEXT, offsetof(struct shop, password), "sesame", 0, 0, NULL, OPTION_SECRET,
     "What the doors ask for."},
    {"doors", OPTION_LIST, offsetof(struct shop, doors), "front,back", 0, 0, NULL, 0, "Doors."},
    {"keys", OPTION_LIST, offsetof(struct shop, keys), "", 0, 0, NULL, OPTION_SECRET, "Of doors."},
};
static const struct option TILL_ROWS[] = {
    {"name", OPTION_TEXT, offsetof(struct till, name), "", 0, 0, NULL, 0, "Its name."},
    {"coins", OPTION_INT, offsetof(struct till, coins), "7", 0, 100, NULL, 0, "Coins in it."},
};
static const struct option_table SHOP = {"shop",    "A shop.",         false, sizeof(struct shop),
                                         SHOP_ROWS, COUNTOF(SHOP_ROWS)};
static const struct option_table TILL = {"shop.till",         "Tills.",  true,
                                         sizeof(struct till), TILL_ROWS, COUNTOF(TILL_ROWS)};
static const struct option_table *const TABLES_V[] = {&SHOP, &TILL};
static const struct conf_tables TABLES = {TABLES_V, 2};

static struct conf *good(const char *text)
{
    struct conf *c;
    struct buf problems;
    buf_init(&problems, 1 << 16);
    int err = conf_read(str_c(text), "t.toml", &TABLES, NULL, 0, &c, &problems);
    if (err != 0)
        fail_msg("%.*s", STR_ARG(buf_str(&problems)));
    buf_done(&problems);
    return c;
}

/* Reads a wrong text; its problems have to be exactly these. */
static void expect_problems(const char *text, const char *expected)
{
    struct conf *c = NULL;
    struct buf problems;
    buf_init(&problems, 1 << 16);
    assert_int_equal(conf_read(str_c(text), "t.toml", &TABLES, NULL, 0, &c, &problems),
                     -ERR_FORMAT);
    assert_null(c);
    buf_put_c(&problems, '\0');
    assert_string_equal(problems.p, expected);
    buf_done(&problems);
}

static void an_empty_file_gives_every_default(void **state)
{
    struct conf *c = good("");
    const struct shop *s = conf_get(c, &SHOP);
    assert_true(s->open);
    assert_int_equal(s->places, 4);
    assert_true(s->ratio == 0.1);
    assert_string_equal(s->name, "corner");
    assert_string_equal(s->colour, "red");
    assert_int_equal(s->doors.n, 2);
    assert_string_equal(s->doors.v[1], "back");
    assert_int_equal(conf_rows(c, &TILL)->n, 0);
    conf_free(c);
}

static void every_type_is_read_from_the_file(void **state)
{
    struct conf *c = good("[shop]\nopen = false\nplaces = 9\nratio = 1\nname = \"a\\\"b\"\n"
                          "colour = 'green'\ndoors = []\n[[shop.till]]\nname = \"x\"\n"
                          "[[shop.till]]\ncoins = 3\n");
    const struct shop *s = conf_get(c, &SHOP);
    assert_false(s->open);
    assert_int_equal(s->places, 9);
    assert_true(s->ratio == 1.0);
    assert_string_equal(s->name, "a\"b");
    assert_string_equal(s->colour, "green");
    assert_int_equal(s->doors.n, 0);
    const struct option_rows *rows = conf_rows(c, &TILL);
    const struct till *tills = rows->v;
    assert_int_equal(rows->n, 2);
    assert_string_equal(tills[0].name, "x");
    assert_int_equal(tills[0].coins, 7);
    assert_string_equal(tills[1].name, "");
    assert_int_equal(tills[1].coins, 3);
    conf_free(c);
}

static void a_wrong_value_names_place_key_and_expectation(void **state)
{
    expect_problems("[shop]\n  places = 65\n",
                    "t.toml:2:12: shop.places: expected a whole number from 1 to 64\n");
    expect_problems("[shop]\nplaces = 1.5\n",
                    "t.toml:2:10: shop.places: expected a whole number from 1 to 64\n");
    expect_problems("[shop]\nopen = 1\n", "t.toml:2:8: shop.open: expected true or false\n");
    expect_problems("[shop]\ncolour = \"blue\"\n",
                    "t.toml:2:10: shop.colour: expected one of \"red\", \"green\"\n");
    expect_problems("[shop]\nname = \"more than ten\"\n",
                    "t.toml:2:8: shop.name: expected a text in quotes of at most 10 bytes\n");
    expect_problems("[shop]\nratio = nan\n",
                    "t.toml:2:9: shop.ratio: expected a number from 0 to 1\n");
    expect_problems("[shop]\ndoors = [1]\n",
                    "t.toml:2:9: shop.doors: expected a list of texts, [\"a\", \"b\"]\n");
}

static void an_unknown_key_suggests_the_nearest(void **state)
{
    expect_problems("[shop]\nplcaes = 3\n",
                    "t.toml:2:1: shop.plcaes is not known; did you mean places?\n");
    expect_problems("[shpo]\n", "t.toml:1:2: shpo is not known; did you mean shop?\n");
    expect_problems("[shop]\ntil = 1\n", "t.toml:2:1: shop.til is not known; did you mean till?\n");
    expect_problems("[shop]\nentirely = 3\n", "t.toml:2:1: shop.entirely is not known\n");
}

static void all_problems_are_told_at_once(void **state)
{
    expect_problems("[shop]\nopen = 1\nplaces = 0\n[[shop.till]]\ncoins = -1\n",
                    "t.toml:2:8: shop.open: expected true or false\n"
                    "t.toml:3:10: shop.places: expected a whole number from 1 to 64\n"
                    "t.toml:5:9: shop.till.coins: expected a whole number from 0 to 100\n");
}

static void past_twenty_problems_the_rest_is_counted(void **state)
{
    struct buf text, problems;
    struct conf *c;
    buf_init(&text, 1 << 16);
    buf_init(&problems, 1 << 16);
    for (int i = 0; i < 25; i++)
        buf_put_str(&text, STR("[[shop.till]]\ncoins = -1\n"));
    assert_int_equal(conf_read(buf_str(&text), "t", &TABLES, NULL, 0, &c, &problems), -ERR_FORMAT);
    size_t lines = 0;
    for (size_t i = 0; i < problems.n; i++)
        lines += problems.p[i] == '\n';
    assert_int_equal(lines, 21);
    assert_true(str_ends(buf_str(&problems), STR("t: and 5 more\n")));
    buf_done(&text);
    buf_done(&problems);
}

static void a_section_of_the_wrong_shape_is_refused(void **state)
{
    expect_problems("shop = 3\n", "t.toml:1:8: shop is a section; expected [shop]\n");
    expect_problems("[shop.till]\n",
                    "t.toml:1:7: shop.till is a repeated section; expected [[shop.till]]\n");
}

static void the_command_line_goes_before_the_file(void **state)
{
    struct conf_override set[] = {{"shop.places", "12"}, {"shop.doors", "a, b,c"}};
    struct conf *c;
    struct buf problems;
    buf_init(&problems, 4096);
    assert_int_equal(conf_read(STR("[shop]\nplaces = 3\n"), "t", &TABLES, set, 2, &c, &problems),
                     0);
    const struct shop *s = conf_get(c, &SHOP);
    assert_int_equal(s->places, 12);
    assert_int_equal(s->doors.n, 3);
    assert_string_equal(s->doors.v[1], "b");
    conf_free(c);

    struct conf_override wrong[] = {{"shop.places", "many"}, {"shop.nothing", "1"}};
    assert_int_equal(conf_read(STR(""), "t", &TABLES, wrong, 2, &c, &problems), -ERR_FORMAT);
    assert_true(str_search(buf_str(&problems), STR("shop.places: expected a whole number")) <
                problems.n);
    assert_true(str_search(buf_str(&problems), STR("shop.nothing is not known")) < problems.n);
    buf_done(&problems);
}

static void what_is_printed_reads_back_the_same(void **state)
{
    struct conf *c = good("[shop]\nratio = 0.30000000000000004\nname = 'q\"\\'\n"
                          "[[shop.till]]\ncoins = 1\n");
    struct buf text;
    buf_init(&text, 1 << 16);
    conf_print(c, &text);
    buf_put_c(&text, '\0');
    struct conf *again = good(text.p);
    /* All but the secret, which is not printed. */
    assert_int_equal(conf_diff(c, again, NULL, NULL), 1);
    assert_true(str_search(buf_str(&text), STR("sesame")) == text.n);
    assert_true(str_search(buf_str(&text), STR("password = \"(hidden)\"")) < text.n);
    buf_done(&text);
    conf_free(c);
    conf_free(again);
}

static void what_is_printed_of_secrets_reads_back(void **state)
{
    static const struct {
        const char *given, *printed;
    } cases[] = {
        {"[shop]\n", "keys = []\n"},
        {"[shop]\nkeys = ['iron', 'brass']\n", "keys = [\"(hidden)\"]\n"},
        {"[shop]\npassword = ''\n", "password = \"\"\n"},
    };
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        struct conf *c = good(cases[i].given);
        struct buf text;
        buf_init(&text, 1 << 16);
        conf_print(c, &text);
        assert_true(str_search(buf_str(&text), str_c(cases[i].printed)) < text.n);
        assert_true(str_search(buf_str(&text), STR("iron")) == text.n);
        buf_put_c(&text, '\0');
        conf_free(good(text.p));
        buf_done(&text);
        conf_free(c);
    }
}

struct changes {
    size_t n, reload, rows;
};

static void take_change(void *context, const struct conf_change *change)
{
    struct changes *changes = context;
    changes->n++;
    changes->reload += change->reload;
    changes->rows += change->option == NULL;
}

static void a_difference_says_whether_it_needs_a_new_worker(void **state)
{
    struct conf *a = good("[shop]\nopen = true\n[[shop.till]]\n");
    struct conf *b = good("[shop]\nopen = false\nplaces = 5\n[[shop.till]]\n[[shop.till]]\n");
    struct changes changes = {0};
    assert_int_equal(conf_diff(a, b, take_change, &changes), 3);
    assert_int_equal(changes.n, 3);
    assert_int_equal(changes.reload, 1);
    assert_int_equal(changes.rows, 1);
    assert_int_equal(conf_diff(a, a, take_change, &changes), 0);
    conf_free(a);
    conf_free(b);
}

static void the_manual_and_the_help_name_every_key(void **state)
{
    struct buf page, help;
    buf_init(&page, 1 << 16);
    buf_init(&help, 1 << 16);
    conf_reference(&SHOP, &page);
    conf_help(&TABLES, &help);
    for (size_t i = 0; i < COUNTOF(SHOP_ROWS); i++) {
        char heading[40];
        snprintf(heading, sizeof heading, "\n## %s\n", SHOP_ROWS[i].key);
        assert_true(str_search(buf_str(&page), str_c(heading)) < page.n);
        assert_true(str_search(buf_str(&help), str_c(SHOP_ROWS[i].prose)) < help.n);
    }
    assert_true(str_search(buf_str(&page), STR("- Default: `[\"front\", \"back\"]`")) < page.n);
    buf_done(&page);
    buf_done(&help);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_gives_every_default),
        cmocka_unit_test(every_type_is_read_from_the_file),
        cmocka_unit_test(a_wrong_value_names_place_key_and_expectation),
        cmocka_unit_test(an_unknown_key_suggests_the_nearest),
        cmocka_unit_test(all_problems_are_told_at_once),
        cmocka_unit_test(past_twenty_problems_the_rest_is_counted),
        cmocka_unit_test(a_section_of_the_wrong_shape_is_refused),
        cmocka_unit_test(the_command_line_goes_before_the_file),
        cmocka_unit_test(what_is_printed_reads_back_the_same),
        cmocka_unit_test(what_is_printed_of_secrets_reads_back),
        cmocka_unit_test(a_difference_says_whether_it_needs_a_new_worker),
        cmocka_unit_test(the_manual_and_the_help_name_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
