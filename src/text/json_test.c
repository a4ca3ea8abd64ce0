#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <stdio.h>

#include "base/rand.h"
#include "text/json.h"

/* Writes down the events of a text: "{k:1,}" and so on; NULL where it is refused. */
static struct str events(struct str text, struct buf *out, struct why *why)
{
    struct arena a;
    struct json_reader r;
    struct json_event e;
    int got;
    arena_init(&a);
    json_reader_init(&r, text, &a);
    buf_clear(out);
    while ((got = json_next(&r, &e, why)) > 0) {
        buf_put_c(out, "{}[]ktn10_"[e.type]);
        buf_put_str(out, e.text);
        buf_put_c(out, ' ');
    }
    arena_done(&a);
    return got < 0 ? (struct str){NULL, 0} : buf_str(out);
}

static void events_come_in_the_order_of_the_text(void **state)
{
    (void)state;
    struct buf b;
    struct why why;
    buf_init(&b, 10000);
    struct str got = events(STR(" {\"a\" : [1, -2.5e3, true,false,null, {}], \"b\\n\":\"x\\u00e9"
                                "\\ud83d\\ude00\"} "),
                            &b, &why);
    assert_true(
        str_eq(got, STR("{ ka [ n1 n-2.5e3 1 0 _ { } ] kb\n tx\xc3\xa9\xf0\x9f\x98\x80 } ")));
    assert_true(str_eq(events(STR("7"), &b, &why), STR("n7 ")));
    assert_true(str_eq(events(STR("[]"), &b, &why), STR("[ ] ")));
    buf_done(&b);
}

static void what_is_not_json_is_refused_with_its_place(void **state)
{
    (void)state;
    const char *const bad[] = {
        "",    "{",         "[1,]", "{\"a\":1,}",   "{a:1}",     "01",       "1.",
        ".5",  "+1",        "nul",  "[1 2]",        "{\"a\" 1}", "\"\\x\"",  "\"\\ud800\"",
        "\"a", "NaN",       "[1]]", "\"\t\"",       "\"\xff\"",  "{\"a\":}", "-",
        "1e",  "\"\\u12\"", "//",   "\"\\udc00x\"", "[,1]",      "{,}",      "{\"a\":1 \"b\":2}",
        "[",   "\"abc\\",   "1 2",  "truex",
    };
    struct buf b;
    buf_init(&b, 10000);
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        struct why why = {0};
        if (events(str_c(bad[i]), &b, &why).p)
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(strncmp(why.text, "line 1, column ", 15), 0);
    }
    struct why why;
    assert_null(events(STR("{\n  \"a\": 1,\n  \"b\": x\n}"), &b, &why).p);
    assert_string_equal(why.text, "line 3, column 8: expected a value");
    buf_done(&b);
}

static void nesting_ends_at_its_limit(void **state)
{
    (void)state;
    char text[2 * (JSON_DEPTH_MAX + 1)];
    struct buf b;
    struct why why;
    buf_init(&b, 10000);
    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    assert_non_null(events(str_of(text, 2 * JSON_DEPTH_MAX), &b, &why).p);
    memset(text, '[', JSON_DEPTH_MAX + 1);
    assert_null(events(str_of(text, JSON_DEPTH_MAX + 1), &b, &why).p);
    assert_int_equal(why.err, -ERR_LIMIT);
    buf_done(&b);
}

static void skipping_leaves_the_reader_behind_the_value(void **state)
{
    (void)state;
    struct arena a;
    struct json_reader r;
    struct json_event e;
    arena_init(&a);
    json_reader_init(&r, STR("{\"a\":[1,{\"x\":[]},2],\"b\":3}"), &a);
    assert_int_equal(json_next(&r, &e, NULL), 1);
    assert_int_equal(json_next(&r, &e, NULL), 1);
    assert_int_equal(json_next(&r, &e, NULL), 1);
    assert_int_equal(json_skip(&r, &e, NULL), 0);
    assert_int_equal(json_next(&r, &e, NULL), 1);
    assert_true(e.type == JSON_KEY && str_eq(e.text, STR("b")));
    arena_done(&a);
}

static void texts_are_written_so_that_nothing_breaks_out(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    json_put_text(&b, STR("a\"\\\n\x01</script>&\xe2\x80\xa8\xe2\x80\xa9\xff\xc3\xa9\xe2\x82"));
    assert_true(
        str_eq(buf_str(&b), STR("\"a\\\"\\\\\\n\\u0001\\u003c/script\\u003e\\u0026\\u2028\\u2029"
                                "\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\"")));
    buf_done(&b);
}

static void the_writer_puts_commas_where_they_belong(void **state)
{
    (void)state;
    struct buf b;
    struct json_writer w;
    buf_init(&b, 1000);
    json_writer_init(&w, &b);
    json_begin_object(&w);
    json_key(&w, STR("a"));
    json_begin_array(&w);
    json_i64(&w, -1);
    json_begin_array(&w);
    json_end_array(&w);
    json_number(&w, 1.5);
    json_null(&w);
    json_end_array(&w);
    json_key(&w, STR("b"));
    json_bool(&w, true);
    json_key(&w, STR("c"));
    json_raw(&w, STR("{}"));
    json_end_object(&w);
    assert_true(str_eq(buf_str(&b), STR("{\"a\":[-1,[],1.5,null],\"b\":true,\"c\":{}}")));
    buf_done(&b);
}

/* Its header names what ours does, so that it is met at run time only. */
enum { JANSSON_DECODE_ANY = 0x4, JANSSON_ALLOW_NUL = 0x10 };

/* Damages good texts at random: both readers agree on what is JSON and what is not. */
static void jansson_accepts_and_refuses_the_same(void **state)
{
    (void)state;
    static const char SEED[] =
        "{\"name\":\"a\\u00e9\\n\",\"value\":-12.50e+3,\"tags\":{\"x\":[true,false,"
        "null,[]],\"y\":{}},\"z\":\"\xc3\xa9\xe2\x82\xac\"}";
    static const char ALPHABET[] = "{}[]\",:\\u0123eE+-.tfn \n\xc3\xa9x";
    void *library = dlopen("libjansson.so.4", RTLD_NOW | RTLD_LOCAL);
    struct rand rand;
    struct buf b;
    int accepted = 0;
    if (!library) {
        print_message("[  SKIPPED ] libjansson4 is not installed\n");
        skip();
    }
    void *(*load)(const char *, size_t, size_t, void *) =
        (void *(*)(const char *, size_t, size_t, void *))dlsym(library, "json_loadb");
    void (*delete)(void *) = (void (*)(void *))dlsym(library, "json_delete");
    rand_init(&rand, 11);
    buf_init(&b, 100000);
    for (int i = 0; i < 100000; i++) {
        char text[sizeof SEED];
        size_t n = sizeof SEED - 1;
        memcpy(text, SEED, n);
        for (uint64_t k = rand_below(&rand, 3); k > 0; k--)
            text[rand_below(&rand, n)] = ALPHABET[rand_below(&rand, sizeof ALPHABET - 1)];
        if (rand_below(&rand, 8) == 0)
            n = rand_below(&rand, n);
        void *tree = load(text, n, JANSSON_DECODE_ANY | JANSSON_ALLOW_NUL, NULL);
        bool ours = events(str_of(text, n), &b, NULL).p != NULL;
        if (ours != (tree != NULL))
            fail_msg("we %s, jansson does not: %.*s", ours ? "accept" : "refuse", (int)n, text);
        accepted += ours;
        if (tree)
            delete (tree);
    }
    assert_true(accepted > 10000);
    dlclose(library);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_in_the_order_of_the_text),
        cmocka_unit_test(what_is_not_json_is_refused_with_its_place),
        cmocka_unit_test(nesting_ends_at_its_limit),
        cmocka_unit_test(skipping_leaves_the_reader_behind_the_value),
        cmocka_unit_test(texts_are_written_so_that_nothing_breaks_out),
        cmocka_unit_test(the_writer_puts_commas_where_they_belong),
        cmocka_unit_test(jansson_accepts_and_refuses_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
