#include "codec/pickle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena_test.h"
#include "base/buf.h"

/* Python's dumps([("a.b", (1600000000, 1.5)), ("c.d;x=y", (1600000001.5, -2)),
 * ("caf\xe9", (1600000002, True)), ("e", (2**40, 10**12))], protocol) for protocols 0 to 5. */
static const struct str DUMPS[] = {
    STR("(lp0\012(Va.b\012p1\012(I1600000000\012F1.5\012tp2\012tp3\012a(Vc.d;x=y\012p4\012("
        "F1600000001.5\012I-2\012tp5\012tp6\012a(Vcaf\351\012p7\012("
        "I1600000002\012I01\012tp8\012tp9\012a(Ve\012p10\012("
        "L1099511627776L\012L1000000000000L\012tp11\012tp12\012a."),
    STR("]q\000((X\003\000\000\000a.bq\001(J\000\020^_"
        "G\077\370\000\000\000\000\000\000tq\002tq\003(X\007\000\000\000c.d;x=yq\004("
        "GA\327\327\204\000`\000\000J\376\377\377\377tq\005tq\006("
        "X\005\000\000\000caf\303\251q\007(J\002\020^_I01\012tq\010tq\011(X\001\000\000\000eq\012("
        "L1099511627776L\012L1000000000000L\012tq\013tq\014e."),
    STR("\200\002]q\000(X\003\000\000\000a.bq\001J\000\020^_"
        "G\077\370\000\000\000\000\000\000\206q\002\206q\003X\007\000\000\000c.d;x="
        "yq\004GA\327\327\204\000`"
        "\000\000J\376\377\377\377\206q\005\206q\006X\005\000\000\000caf\303\251q\007J\002\020^_"
        "\210\206q\010\206q\011X\001\000\000\000eq\012\212\006\000\000\000\000\000\001\212\006\000"
        "\020\245\324\350\000\206q\013\206q\014e."),
    STR("\200\003]q\000(X\003\000\000\000a.bq\001J\000\020^_"
        "G\077\370\000\000\000\000\000\000\206q\002\206q\003X\007\000\000\000c.d;x="
        "yq\004GA\327\327\204\000`"
        "\000\000J\376\377\377\377\206q\005\206q\006X\005\000\000\000caf\303\251q\007J\002\020^_"
        "\210\206q\010\206q\011X\001\000\000\000eq\012\212\006\000\000\000\000\000\001\212\006\000"
        "\020\245\324\350\000\206q\013\206q\014e."),
    STR("\200\004\225c\000\000\000\000\000\000\000]\224(\214\003a.b\224J\000\020^_"
        "G\077\370\000\000\000\000\000\000\206\224\206\224\214\007c.d;x=y\224GA\327\327\204\000`"
        "\000\000J\376\377\377\377\206\224\206\224\214\005caf\303\251\224J\002\020^_"
        "\210\206\224\206\224\214\001e\224\212\006\000\000\000\000\000\001\212\006\000\020\245\324"
        "\350\000\206\224\206\224e."),
    STR("\200\005\225c\000\000\000\000\000\000\000]\224(\214\003a.b\224J\000\020^_"
        "G\077\370\000\000\000\000\000\000\206\224\206\224\214\007c.d;x=y\224GA\327\327\204\000`"
        "\000\000J\376\377\377\377\206\224\206\224\214\005caf\303\251\224J\002\020^_"
        "\210\206\224\206\224\214\001e\224\212\006\000\000\000\000\000\001\212\006\000\020\245\324"
        "\350\000\206\224\206\224e."),
};

static void print(const struct pickle_value *v, int depth, struct buf *out)
{
    switch (v->type) {
    case PICKLE_NONE:
        buf_printf(out, "None");
        break;
    case PICKLE_NUMBER:
        buf_printf(out, "%.17g", v->number);
        break;
    case PICKLE_TEXT:
        buf_printf(out, "'" STR_FMT "'", STR_ARG(v->text));
        break;
    case PICKLE_LIST:
        buf_put_c(out, '[');
        for (size_t i = 0; i < v->list->n && depth > 0; i++) {
            buf_put_str(out, i ? STR(",") : STR(""));
            print(&v->list->v[i], depth - 1, out);
        }
        buf_put_c(out, ']');
    }
}

/* A pickle as text, or the error. */
static const char *read_one(struct str bytes)
{
    static char seen[4096];
    struct pickle_value v;
    struct why why = {0};
    struct buf b;
    if (pickle_read(bytes, &arena, &v, &why) != 0) {
        assert_true(why.text[0] != 0);
        return err_code(why.err);
    }
    buf_init(&b, sizeof seen);
    print(&v, 4, &b);
    assert_true(b.n < sizeof seen);
    memcpy(seen, b.p, b.n);
    seen[b.n] = 0;
    buf_done(&b);
    return seen;
}

static void every_protocol_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNTOF(DUMPS); i++)
        assert_string_equal(read_one(DUMPS[i]),
                            "[['a.b',[1600000000,1.5]],['c.d;x=y',[1600000001.5,-2]],"
                            "['caf\xc3\xa9',[1600000002,1]],['e',[1099511627776,1000000000000]]]");
}

static void texts_of_python_2_are_read(void **state)
{
    (void)state;
    assert_string_equal(read_one(STR("S'a\\'b\\x41\\n'\np0\n.")), "'a'bA\n'");
    assert_string_equal(read_one(STR("U\002hi.")), "'hi'");
    assert_string_equal(read_one(STR("T\002\000\000\000hi.")), "'hi'");
    assert_string_equal(read_one(STR("V\\u20ac\\U0001f600\n.")), "'\xe2\x82\xac\xf0\x9f\x98\x80'");
}

static void bytes_none_and_long_numbers_are_read(void **state)
{
    (void)state;
    assert_string_equal(read_one(STR("C\002hiN\206.")), "['hi',None]");
    assert_string_equal(read_one(STR("\x8a\001\377\x8a\002\000\200\206.")), "[-1,-32768]");
    assert_string_equal(read_one(STR("\x8a\000.")), "0");
    assert_string_equal(read_one(STR("\x89\x88\206.")), "[0,1]");
}

static void what_is_no_plain_data_is_refused(void **state)
{
    /* GLOBAL, REDUCE, BUILD, INST, OBJ, NEWOBJ, STACK_GLOBAL, PERSID, EXT1, dictionaries, sets,
     * buffers out of band. */
    static const struct str REFUSED[] = {
        STR("cos\nsystem\n(S'true'\ntR."),
        STR("(S'true'\nios\nsystem\n."),
        STR("\x8c\002os\x8c\006system\x93."),
        STR("Pid\n."),
        STR("\x82\001."),
        STR("}."),
        STR("(d."),
        STR("\x8f."),
        STR("\x97."),
        STR("\x96\000\000\000\000\000\000\000\000."),
        STR("NR."),
        STR("Nb."),
        STR("(No."),
        STR("NN\x81."),
        STR("\200\006N."),
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(REFUSED); i++)
        assert_string_equal(read_one(REFUSED[i]), "unsupported");
}

static void damage_is_refused(void **state)
{
    static const struct str REFUSED[] = {
        STR(""),
        STR("."),
        STR("N"),
        STR("NN."),
        STR("(N."),
        STR("a."),
        STR("Na."),
        STR("NNa."),
        STR("e."),
        STR("(e."),
        STR("t."),
        STR("N\207."),
        STR("(N\206."),
        STR("0."),
        STR("h\000."),
        STR("Nr\377\377\377\377."),
        STR("q\000."),
        STR("X\377\377\377\377."),
        STR("\x8d\377\377\377\377\377\377\377\377."),
        STR("I5."),
        STR("Ix\n."),
        STR("S'a\n."),
        STR("Sa\n."),
        STR("\x8b\011\000\000\000123456789."),
        STR("G1234."),
        STR("gx\n."),
        STR("](Ne(."),
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(REFUSED); i++)
        assert_string_equal(read_one(REFUSED[i]), "bad_format");
    for (size_t i = 0; i < COUNTOF(DUMPS); i++)
        for (size_t n = 0; n < DUMPS[i].n; n++)
            assert_string_equal(read_one(str_sub(DUMPS[i], 0, n)), "bad_format");
}

static void a_list_in_itself_does_no_harm(void **state)
{
    (void)state;
    assert_string_equal(read_one(STR("]q\000h\000a.")), "[[[[[]]]]]");
}

static void a_pickle_has_a_limit(void **state)
{
    (void)state;
    char *bytes = arena_new(&arena, PICKLE_BYTES_MAX + 1);
    memset(bytes, 'N', PICKLE_BYTES_MAX + 1);
    assert_string_equal(read_one(str_of(bytes, PICKLE_BYTES_MAX + 1)), "limit_exceeded");
    assert_string_equal(read_one(str_of(bytes, PICKLE_BYTES_MAX)), "bad_format");
}

#define CASE(f) ARENA_TEST(f, arena_test_begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(every_protocol_is_read),
        CASE(texts_of_python_2_are_read),
        CASE(bytes_none_and_long_numbers_are_read),
        CASE(what_is_no_plain_data_is_refused),
        CASE(damage_is_refused),
        CASE(a_list_in_itself_does_no_harm),
        CASE(a_pickle_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
