#include "base/arena_test.h"
#include "text/template.h"

static struct template_settings settings;

static int call_shout(struct template_call *c, const struct template_value *args, size_t n,
                      struct template_value *ret, struct why *why)
{
    (void)n;
    (void)why;
    *ret = template_text(arena_printf(c->arena, STR_FMT "!", STR_ARG(args[0].text)));
    return 0;
}

static int call_half(struct template_call *c, const struct template_value *args, size_t n,
                     struct template_value *ret, struct why *why)
{
    (void)c;
    (void)n;
    if (args[0].number < 0)
        return why_set(why, ERR_FORMAT, "it is negative");
    *ret = template_float(args[0].number / 2);
    return 0;
}

static int call_inner(struct template_call *c, const struct template_value *args, size_t n,
                      struct template_value *ret, struct why *why)
{
    struct buf b;
    (void)n;
    buf_init(&b, TEMPLATE_TEXT_MAX);
    int err = template_run_inner(c, args[0].text, &args[1], &b, why);
    if (!err) {
        *ret = template_text(arena_str(c->arena, buf_str(&b)));
        ret->safe = true;
    }
    buf_done(&b);
    return err;
}

static const struct template_function FUNCTIONS[] = {
    {"shout", "s", call_shout, NULL},
    {"half", "f", call_half, NULL},
    {"inner", "sa", call_inner, NULL},
};

static const struct template_functions TABLE = {FUNCTIONS, COUNTOF(FUNCTIONS)};

/* An object with a field and a method. */
static int member(struct template_call *c, const void *p, struct str name,
                  const struct template_value *args, size_t n, struct template_value *ret,
                  struct why *why)
{
    if (str_eq(name, STR("Name"))) {
        *ret = template_text(str_c(p));
        return n ? why_set(why, ERR_RANGE, "Name has arguments but cannot be invoked as function")
                 : 0;
    }
    if (!str_eq(name, STR("Times")))
        return -ERR_NOENT;
    if (n != 1 || args[0].type != TEMPLATE_INT)
        return why_set(why, ERR_RANGE, "wrong number of args for Times: want 1 got %zu", n);
    *ret = template_text(arena_printf(c->arena, "%s x %d", (const char *)p, (int)args[0].integer));
    return 0;
}

static void print(const void *p, struct buf *out)
{
    buf_printf(out, "<%s>", (const char *)p);
}

static const struct template_object THING = {"test.Thing", member, print};

/* The value that most cases have as their dot. */
static struct template_value data(void)
{
    static struct template_value list[3], empty[1];
    static struct template_pair words[2], top[8];
    list[0] = template_text(STR("x"));
    list[1] = template_text(STR("y"));
    list[2] = template_text(STR("<z>"));
    words[0] = (struct template_pair){STR("b"), template_text(STR("B"))};
    words[1] = (struct template_pair){STR("a"), template_text(STR("A"))};
    struct template_value map = template_map(words, 2);
    map.texts = true;
    top[0] = (struct template_pair){STR("List"), template_list(list, 3)};
    top[1] = (struct template_pair){STR("Empty"), template_list(empty, 0)};
    top[2] = (struct template_pair){STR("Words"), map};
    top[3] = (struct template_pair){STR("Int"), template_int(7)};
    top[4] = (struct template_pair){STR("Float"), template_float(1234567.5)};
    top[5] = (struct template_pair){STR("Text"), template_text(STR("text"))};
    top[6] = (struct template_pair){STR("Thing"), template_object(&THING, "thing")};
    top[7] = (struct template_pair){STR("No"), template_bool(false)};
    return template_map(top, 8);
}

static int expand(const char *text, struct buf *out, struct why *why)
{
    struct template_set *set = template_set_new(&arena, &TABLE);
    struct template_value dot = data();
    int err = template_parse(set, str_c(text), STR("t"), why);
    return err ? err : template_run(set, STR("t"), &dot, &settings, &arena, out, why);
}

struct expansion {
    const char *text, *expected;
};

static void check_all(const struct expansion *cases, size_t n, bool fault)
{
    size_t wrong = 0;
    for (size_t i = 0; i < n; i++) {
        struct buf out;
        struct why why = {0};
        buf_init(&out, 1 << 16);
        int err = expand(cases[i].text, &out, &why);
        buf_put_c(&out, 0);
        const char *got = err ? why.text : out.p;
        if ((err != 0) != fault || strcmp(got, cases[i].expected) != 0) {
            print_message("%s\n  expected %s\n  got      %s\n", cases[i].text, cases[i].expected,
                          got);
            wrong++;
        }
        buf_done(&out);
    }
    assert_int_equal(wrong, 0);
}

#define EXPANDS(cases) check_all(cases, COUNTOF(cases), false)
#define FAILS(cases)   check_all(cases, COUNTOF(cases), true)

static void texts_actions_and_trim_markers_expand(void **state)
{
    (void)state;
    static const struct expansion CASES[] = {
        {"", ""},
        {"plain {text} } }}", "plain {text} } }}"},
        {"a {{\"b\"}} c", "a b c"},
        {"a \n {{- \"b\" -}} \n c", "abc"},
        {"a {{/* nothing */}}b{{- /* less */ -}} c", "a bc"},
        {"{{ `raw\\n` }}{{ \"\\t\\x41\\u00e9\\101\" }}", "raw\\n\tA\xc3\xa9"
                                                         "A"},
        {"{{ 1 }} {{ -0x1F }} {{ 1e3 }} {{ 1_000 }} {{ 'a' }} {{ true }} {{ 0b11 }} {{ 0o17 }}",
         "1 -31 1000 1000 97 true 3 15"},
        {"{{ .Int }} {{ .Float }} {{ .Text }} {{ .List }} {{ .Words }} {{ .Thing }} {{ .No }}",
         "7 1.2345675e+06 text [x y <z>] map[a:A b:B] <thing> false"},
        {"{{ .None }} {{ .Words.c }} {{ $.Int }}", "<no value>  7"},
        {"{{ .Thing.Name }} {{ .Thing.Times 3 }} {{ 4 | .Thing.Times }}",
         "thing thing x 3 thing x 4"},
        {"{{\n.Int\n}}", "7"},
    };
    EXPANDS(CASES);
}

static void controls_choose_and_repeat(void **state)
{
    (void)state;
    static const struct expansion CASES[] = {
        {"{{if .No}}a{{else if .Empty}}b{{else}}c{{end}}", "c"},
        {"{{if and .Int .Text}}a{{end}}{{if or .No 0 \"\" nil .Empty}}b{{end}}", "a"},
        {"{{with .Text}}{{.}}{{end}}{{with .No}}a{{else}}b{{end}}", "textb"},
        {"{{with .No}}a{{else with .Int}}{{.}}{{end}}", "7"},
        {"{{range .List}}{{.}},{{end}}", "x,y,<z>,"},
        {"{{range $i, $v := .List}}{{$i}}={{$v}} {{end}}", "0=x 1=y 2=<z> "},
        {"{{range $k, $v := .Words}}{{$k}}={{$v}} {{end}}", "a=A b=B "},
        {"{{range $v := .List}}{{if eq $v \"y\"}}{{continue}}{{end}}{{$v}}{{end}}", "x<z>"},
        {"{{range .List}}{{if eq . \"y\"}}{{break}}{{end}}{{.}}{{end}}", "x"},
        {"{{range .Empty}}a{{else}}none{{end}}", "none"},
        {"{{range 3}}{{.}}{{end}}{{range $i := 2}}{{$i}}{{end}}", "01201"},
        {"{{$n := 0}}{{range .List}}{{$n = len .}}{{end}}{{$n}}", "3"},
        {"{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21"},
        {"{{$i := 0}}{{$v := \"\"}}{{range $i, $v = .List}}{{end}}{{$i}}{{$v}}", "2<z>"},
        {"{{define \"d\"}}[{{.}}]{{end}}{{template \"d\" .Int}}{{template \"d\"}}",
         "[7][<no value>]"},
        {"{{block \"b\" .Text}}<{{.}}>{{end}}", "<text>"},
        {"{{define \"d\"}}{{if .}}{{template \"d\" slice . 1}}{{.}} {{end}}{{end}}"
         "{{template \"d\" \"abc\"}}",
         "c bc abc "},
        {"{{range .List}}{{range $.List}}{{if eq . \"y\"}}{{break}}{{end}}{{.}}{{end}};{{end}}",
         "x;x;x;"},
        {"{{(index .List 0)}}{{(.Thing).Name}}", "xthing"},
    };
    static const struct expansion BAD[] = {
        {"{{(print .Int).None}}",
         "template: t:1:9: executing \"t\" at <.Int>: can't evaluate field None in type string"},
    };
    EXPANDS(CASES);
    FAILS(BAD);
}

static void built_in_functions_answer_as_in_go(void **state)
{
    (void)state;
    static const struct expansion CASES[] = {
        {"{{len .List}} {{len .Words}} {{len .Text}} {{\"\\u00e9\" | len}}", "3 2 4 2"},
        {"{{index .List 1}} {{index .Words \"b\"}} {{index .Words \"z\"}}{{index .Text 0}}",
         "y B 116"},
        {"{{slice .List 1}} {{slice .Text 1 3}} {{slice .List 1 2 3}}", "[y <z>] ex [y]"},
        {"{{print 1 2 \"a\" \"b\" 3 nil}}", "1 2ab3 <nil>"},
        {"{{println 1 \"a\"}}", "1 a\n"},
        {"{{html \"<a href='x'>&\\\"\"}}", "&lt;a href=&#39;x&#39;&gt;&amp;&#34;"},
        {"{{js \"it's <b>=\"}}", "it\\'s \\u003Cb\\u003E\\u003D"},
        {"{{urlquery \"a b&c/\\u00e9~\"}}", "a+b%26c%2F%C3%A9~"},
        {"{{eq 1 2 1}} {{ne \"a\" \"b\"}} {{lt 1 2}} {{le 1.5 1.5}} {{gt \"b\" \"a\"}} {{ge 1 2}}",
         "true true true true true false"},
        {"{{not .No}} {{and 1 0 2}} {{or 0 \"x\"}} {{and 5}}", "true 0 x 5"},
        {"{{shout \"a\"}} {{.Text | shout | shout}} {{half 3}} {{half 2.5}}", "a! text!! 1.5 1.25"},
        {"{{define \"d\"}}<{{.}}>{{end}}{{inner \"d\" 5}}", "<5>"},
        {"{{urlquery nil 1}} {{printf \"%5.1f\" \"abc\"}}", "%3Cno+value%3E1 %!f(string=    a)"},
        {"{{eq nil nil}} {{eq .None nil}} {{eq .Int nil}}", "true true false"},
    };
    EXPANDS(CASES);
}

static void printf_has_the_verbs_of_go(void **state)
{
    (void)state;
    static const struct expansion CASES[] = {
        {"{{printf \"%d|%5d|%-5d|%05d|%+d|% d|%x|%X|%#x|%o|%#o|%O|%b|%c|%q|%U\" "
         "1 2 3 4 5 6 255 255 255 8 8 8 5 65 65 65}}",
         "1|    2|3    |00004|+5| 6|ff|FF|0xff|10|010|0o10|101|A|'A'|U+0041"},
        {"{{printf \"%v|%f|%.2f|%8.3f|%-8.1f|%08.2f|%+.1f|%e|%.2E|%g|%.3g|%G\" "
         "1.5 1.5 1.005 1.5 1.5 -1.5 1.5 1500.0 1500.0 1e21 1234.5 1e-7}}",
         "1.5|1.500000|1.00|   1.500|1.5     |-0001.50|+1.5|1.500000e+03|1.50E+03|1e+21|1.23e+03|"
         "1E-07"},
        {"{{printf \"%s|%5s|%-5s|%.2s|%q|%x|%X|% x|%v\" \"abc\" \"a\" \"b\" \"\\u00e9\\u00e9x\" "
         "\"a\\\"\\n\" \"az\" \"az\" \"az\" \"v\"}}",
         "abc|    a|b    |\xc3\xa9\xc3\xa9|\"a\\\"\\n\"|617a|617A|61 7a|v"},
        {"{{printf \"%t|%v|%T|%T|%T|%T|%%\" true false 1 1.5 \"a\" true}}",
         "true|false|int|float64|string|bool|%"},
        {"{{printf \"%v %s %d %q\" .List .List .List .List}}",
         "[x y <z>] [x y <z>] [%!d(string=x) %!d(string=y) %!d(string=<z>)] [\"x\" \"y\" "
         "\"<z>\"]"},
        {"{{printf \"%d %s %t %z\" \"a\" 1 2 3.5}}",
         "%!d(string=a) %!s(int=1) %!t(int=2) %!z(float64=3.5)"},
        {"{{printf \"%d %d\" 1}}|{{printf \"%d\" 1 2 \"x\"}}|{{printf \"%\"}}|{{printf \"%!\"}}",
         "1 %!d(MISSING)|1%!(EXTRA int=2, string=x)|%!(NOVERB)|%!!(MISSING)"},
        {"{{printf \"%[2]d %[1]d|%[3]d|%*d|%-*d|%.*f\" 1 2}}",
         "2 1|%!d(BADINDEX)|%!d(MISSING)|%!(BADWIDTH)%!d(MISSING)|%!(BADPREC)%!f"
         "(MISSING)"},
        {"{{printf \"%*d|%-*d|%.*f\" 4 7 4 7 1 2.55}}", "   7|7   |2.5"},
        {"{{printf \"%v %s %v\" nil nil .Thing}}", "<nil> %!s(<nil>) <thing>"},
        {"{{printf \"%+q %#q\" \"\\u00e9\" \"a\"}}", "\"\\u00e9\" `a`"},
        {"{{printf \"%x %b\" 1.0 1.0}}", "0x1p+00 4503599627370496p-52"},
        {"{{printf \"%6.2f%%\" 12.345}}", " 12.35%"},
    };
    EXPANDS(CASES);
}

static void faults_of_parsing_have_the_words_of_go(void **state)
{
    (void)state;
    static const struct expansion CASES[] = {
        {"{{", "template: t:1: unclosed action"},
        {"a\n{{ .X", "template: t:2: unclosed action"},
        {"{{ .X\n\n", "template: t:3: unclosed action started at t:1"},
        {"{{/* a", "template: t:1: unclosed comment"},
        {"{{/* a */ b}}", "template: t:1: comment ends before closing delimiter"},
        {"{{\"a}}", "template: t:1: unterminated quoted string"},
        {"{{none 1}}", "template: t:1: function \"none\" not defined"},
        {"{{$x}}", "template: t:1: undefined variable \"$x\""},
        {"{{if .X}}a", "template: t:1: unexpected EOF"},
        {"{{end}}", "template: t:1: unexpected {{end}}"},
        {"{{else}}", "template: t:1: unexpected {{else}}"},
        {"{{if .X}}a{{else}}b{{else}}c{{end}}", "template: t:1: expected end; found {{else}}"},
        {"{{}}", "template: t:1: missing value for command"},
        {"{{if}}{{end}}", "template: t:1: missing value for if"},
        {"{{1 | 2}}", "template: t:1: non executable command in pipeline stage 2"},
        {"{{(1}}", "template: t:1: unclosed left paren"},
        {"{{1)}}", "template: t:1: unexpected right paren"},
        {"{{break}}", "template: t:1: {{break}} outside {{range}}"},
        {"{{template x}}", "template: t:1: unexpected \"x\" in template clause"},
        {"{{range $a, $b, $c := .X}}{{end}}", "template: t:1: too many declarations in range"},
        {"{{1a}}", "template: t:1: bad number syntax: \"1a\""},
        {"{{99999999999999999999}}", "template: t:1: integer overflow: \"99999999999999999999\""},
        {"{{\"a\".X}}", "template: t:1: unexpected . after term \"\\\"a\\\"\""},
        {"{{.X ! .Y}}", "template: t:1: unexpected \"!\" in operand"},
        {"{{if .X}}{{define \"a\"}}{{end}}{{end}}",
         "template: t:1: unexpected <define> in command"},
        {"{{define \"a\"}}x{{end}}{{define \"a\"}}y{{end}}",
         "template: t:1: template: multiple definition of template \"a\""},
        {"{{$x := 1}}{{define \"a\"}}{{$x}}{{end}}", "template: t:1: undefined variable \"$x\""},
    };
    FAILS(CASES);
}

static void faults_of_running_say_where_they_happen(void **state)
{
    (void)state;
    static const struct expansion CASES[] = {
        {"{{.None.More}}", "template: t:1:7: executing \"t\" at <.None.More>: nil pointer "
                           "evaluating interface {}.More"},
        {"{{.Int.More}}", "template: t:1:6: executing \"t\" at <.Int.More>: can't evaluate field "
                          "More in type int"},
        {"a\nb {{template \"x\"}}",
         "template: t:2:13: executing \"t\" at <{{template \"x\"}}>: template \"x\" not defined"},
        {"{{define \"d\"}}\n {{len 3}}{{end}}{{template \"d\"}}",
         "template: t:2:3: executing \"d\" at <len 3>: error calling len: len of type int"},
        {"{{half -1}}", "template: t:1:2: executing \"t\" at <half -1>: error calling half: it is "
                        "negative"},
        {"{{half \"a\"}}", "template: t:1:7: executing \"t\" at <\"a\">: expected float; found "
                           "\"a\""},
        {"{{half .Text}}", "template: t:1:7: executing \"t\" at <.Text>: wrong type for value; "
                           "expected float64; got string"},
        {"{{.Int | shout}}", "template: t:1:9: executing \"t\" at <shout>: wrong type for value; "
                             "expected string; got int"},
        {"{{shout}}", "template: t:1:2: executing \"t\" at <shout>: wrong number of args for "
                      "shout: want 1 got 0"},
        {"{{printf}}", "template: t:1:2: executing \"t\" at <printf>: wrong number of args for "
                       "printf: want at least 1 got 0"},
        {"{{gt 1 2.5}}", "template: t:1:2: executing \"t\" at <gt 1 2.5>: error calling gt: "
                         "incompatible types for comparison"},
        {"{{index .List 9}}", "template: t:1:2: executing \"t\" at <index .List 9>: error calling "
                              "index: index out of range: 9"},
        {"{{range .Int.X}}{{end}}", "template: t:1:12: executing \"t\" at <.Int.X>: can't evaluate "
                                    "field X in type int"},
        {"{{range .Text}}{{end}}", "template: t:1:8: executing \"t\" at <.Text>: range can't "
                                   "iterate over text"},
        {"{{nil}}", "template: t:1:2: executing \"t\" at <nil>: nil is not a command"},
        {"{{.Text 1}}", "template: t:1:2: executing \"t\" at <.Text>: Text is not a method but has "
                        "arguments"},
        {"{{.Thing.Other}}", "template: t:1:8: executing \"t\" at <.Thing.Other>: can't evaluate "
                             "field Other in type test.Thing"},
        {"{{3 4}}", "template: t:1:2: executing \"t\" at <3>: can't give argument to non-function "
                    "3"},
    };
    FAILS(CASES);
}

static void no_text_holds_up_its_caller(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {
        "{{range 1000000000000}}{{end}}",
        "{{range 100000}}{{range 100000}}{{end}}{{end}}",
        "{{define \"a\"}}{{template \"a\"}}{{end}}{{template \"a\"}}",
        "{{define \"a\"}}{{inner \"a\" 1}}{{end}}{{template \"a\"}}",
        "{{$x := \"0123456789\"}}{{range 1000}}{{$x = print $x $x}}{{end}}",
        "{{range 100000}}0123456789{{end}}",
        "{{printf \"%1000000d\" 1}}",
        "{{range 100000}}{{$x := printf \"%100000d\" 1}}{{end}}",
    };
    for (size_t i = 0; i < COUNTOF(TEXTS); i++) {
        struct buf out;
        struct why why = {0};
        buf_init(&out, 1 << 16);
        int err = expand(TEXTS[i], &out, &why);
        if (err != -ERR_LIMIT)
            fail_msg("%s: %d %s", TEXTS[i], err, why.text);
        buf_done(&out);
        arena_reset(&arena);
    }
    struct buf deep, out;
    struct why why = {0};
    buf_init(&deep, 1 << 16);
    buf_init(&out, 1 << 16);
    for (int i = 0; i < 500; i++)
        buf_put_str(&deep, STR("{{if 1}}"));
    buf_put_c(&deep, 0);
    assert_int_equal(expand(deep.p, &out, &why), -ERR_FORMAT);
    assert_non_null(strstr(why.text, "nested deeper than 100 levels"));
    buf_clear(&deep);
    buf_put_str(&deep, STR("{{"));
    for (int i = 0; i < 500; i++)
        buf_put_c(&deep, '(');
    buf_put_c(&deep, 0);
    assert_int_equal(expand(deep.p, &out, &why), -ERR_FORMAT);
    buf_done(&deep);
    buf_done(&out);
}

static void values_are_escaped_for_html_where_asked(void **state)
{
    (void)state;
    static const struct expansion CASES[] = {
        {"<b>{{index .List 2}}</b>", "<b>&lt;z&gt;</b>"},
        {"{{.None}}|{{.Words.zz}}", "|"},
        {"{{define \"d\"}}<{{.}}>{{end}}{{inner \"d\" \"<\"}}", "<&lt;>"},
    };
    settings.html = true;
    EXPANDS(CASES);
}

static void missing_keys_are_what_the_caller_wants(void **state)
{
    (void)state;
    static const struct expansion CASES[] = {
        {"{{.Foo}}", "template: t:1:2: executing \"t\" at <.Foo>: map has no entry for key "
                     "\"Foo\""},
    };
    static const struct expansion ZERO[] = {{"{{.Foo}}|{{.Words.c}}", "<no value>|"}};
    static const struct expansion DEFAULT[] = {{"{{.Foo}}|{{.Words.c}}", "<no value>|<no value>"}};
    settings.missing = TEMPLATE_MISSING_ERROR;
    FAILS(CASES);
    settings.missing = TEMPLATE_MISSING_ZERO;
    EXPANDS(ZERO);
    settings.missing = TEMPLATE_MISSING_DEFAULT;
    EXPANDS(DEFAULT);
}

static void a_set_takes_several_texts(void **state)
{
    (void)state;
    struct template_set *set = template_set_new(&arena, NULL);
    struct template_value dot = template_int(1);
    struct buf out;
    buf_init(&out, 1000);
    assert_int_equal(template_parse(set, STR("{{define \"a\"}}1{{end}}"), STR("one"), NULL), 0);
    assert_int_equal(template_parse(set, STR("{{template \"a\"}}{{.}}"), STR("two"), NULL), 0);
    assert_int_equal(template_parse(set, STR("{{define \"a\"}}2{{end}}"), STR("three"), NULL), 0);
    assert_true(template_defined(set, STR("a")));
    assert_false(template_defined(set, STR("b")));
    assert_int_equal(template_run(set, STR("two"), &dot, &settings, &arena, &out, NULL), 0);
    assert_true(str_eq(buf_str(&out), STR("21")));
    assert_int_equal(template_run(set, STR("b"), &dot, &settings, &arena, &out, NULL), -ERR_NOENT);
    buf_done(&out);
}

static int begin(void **state)
{
    settings = (struct template_settings){.missing = TEMPLATE_MISSING_ZERO};
    return arena_test_begin(state);
}

#define CASE(f) ARENA_TEST(f, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(texts_actions_and_trim_markers_expand),
        CASE(controls_choose_and_repeat),
        CASE(built_in_functions_answer_as_in_go),
        CASE(printf_has_the_verbs_of_go),
        CASE(faults_of_parsing_have_the_words_of_go),
        CASE(faults_of_running_say_where_they_happen),
        CASE(no_text_holds_up_its_caller),
        CASE(values_are_escaped_for_html_where_asked),
        CASE(missing_keys_are_what_the_caller_wants),
        CASE(a_set_takes_several_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
