#include <math.h>

#include "base/arena_test.h"
#include "base/cases_test.h"
#include "model/labels.h"
#include "rules/rule_template_state.h"
#include "text/json.h"

enum { TEXT_MAX = 1 << 20 };

static struct rule_template_data data;

static struct str key_of(const char *const *names_and_values)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    for (size_t i = 0; names_and_values[i]; i += 2)
        labels_put(&b, str_c(names_and_values[i]), str_c(names_and_values[i + 1]));
    struct str key = arena_str(&arena, buf_str(&b));
    buf_done(&b);
    return key;
}

#define KEY(...) key_of((const char *const[]){__VA_ARGS__, NULL})

/* Answers what the context holds; the expression `fail` fails. */
struct answers {
    struct rule_template_sample *v;
    size_t n;
};

static int answer(void *context, struct str expr, struct arena *a,
                  struct rule_template_sample **ret, size_t *ret_n, struct why *why)
{
    const struct answers *answers = context;
    (void)a;
    if (str_eq(expr, STR("fail")))
        return why_set(why, ERR_FORMAT, "the query failed");
    *ret = answers->v;
    *ret_n = answers->n;
    return 0;
}

static void expands(const char *text, const char *expected)
{
    struct buf out;
    struct why why = {0};
    buf_init(&out, TEXT_MAX);
    int err = rule_template_expand(str_c(text), STR("__alert_X"), &data, &arena, &out, &why);
    if (err)
        fail_msg("%s: %s", text, why.text);
    buf_put_c(&out, 0);
    assert_string_equal(out.p, expected);
    buf_done(&out);
}

static void fails(const char *text, const char *expected)
{
    struct buf out;
    struct why why = {0};
    buf_init(&out, TEXT_MAX);
    assert_int_not_equal(
        rule_template_expand(str_c(text), STR("__alert_X"), &data, &arena, &out, &why), 0);
    assert_string_equal(why.text, expected);
    assert_int_equal(out.n, 0);
    buf_done(&out);
}

static void labels_and_value_are_known_by_their_names(void **state)
{
    (void)state;
    expands("no action", "no action");
    expands("{{ $labels.instance }} of {{ .Labels.job }} at {{ $value }}", "db:1 of node at 12.5");
    expands("{{ $externalLabels.region }} {{ $externalURL }} {{ externalURL }} {{ pathPrefix }}",
            "eu http://host:9090/a/b http://host:9090/a/b /a/b");
    expands("{{ $labels.none }}|{{ $labels.__name__ }}|{{ index $labels \"job\" }}", "|up|node");
    expands("{{ range $k, $v := $labels }}{{ $k }}={{ $v }},{{ end }}",
            "__name__=up,instance=db:1,job=node,");
    expands("{{ if gt $value 10.0 }}high{{ else }}low{{ end }}", "high");
    expands("{{ . }}",
            "{map[__name__:up instance:db:1 job:node] map[region:eu] http://host:9090/a/b 12.5}");
    expands("{{ printf \"%.1f\" $value }} {{ $value | humanize }}", "12.5 12.5");
    fails("{{ $labels.a.b }}",
          "error executing template __alert_X: template: __alert_X:1:122: executing \"__alert_X\" "
          "at <$labels.a.b>: can't evaluate field b in type string");
    fails("{{ .Foo }}",
          "error executing template __alert_X: template: __alert_X:1:115: executing \"__alert_X\" "
          "at <.Foo>: can't evaluate field Foo in type struct { Labels map[string]string; "
          "ExternalLabels map[string]string; ExternalURL string; Value interface {} }");
    fails("{{ tmpl \"x\" . }}", "error parsing template __alert_X: template: __alert_X:1: function "
                                "\"tmpl\" not defined");
}

static void queries_are_asked_and_their_samples_walked(void **state)
{
    (void)state;
    struct rule_template_sample samples[] = {
        {KEY("instance", "b", "__value__", "v"), 2, NULL},
        {KEY("instance", "a"), 1, NULL},
    };
    struct answers answers = {samples, 2};
    data.query = answer;
    data.context = &answers;
    expands("{{ range query \"up\" }}{{ .Labels.instance }}={{ .Value }} {{ end }}", "b=2 a=1 ");
    expands(
        "{{ range query \"up\" | sortByLabel \"instance\" }}{{ . | label \"instance\" }}{{ end }}",
        "ab");
    expands("{{ with query \"up\" }}{{ . | first | value | humanize }}{{ end }}", "2");
    expands("{{ query \"up\" | first | strvalue }} {{ len (query \"up\") }}", "v 2");
    expands("{{ query \"up\" | first }}", "{map[__value__:v instance:b] 2}");
    fails("{{ query \"fail\" }}",
          "error executing template __alert_X: template: __alert_X:1:115: executing \"__alert_X\" "
          "at <query \"fail\">: error calling query: the query failed");
    answers.n = 0;
    expands("{{ with query \"up\" }}a{{ else }}none{{ end }}", "none");
    fails("{{ query \"up\" | first | value }}",
          "error executing template __alert_X: template: __alert_X:1:128: executing \"__alert_X\" "
          "at <first>: error calling first: first() called on vector with no elements");
    data.query = NULL;
    struct buf out;
    buf_init(&out, TEXT_MAX);
    assert_int_not_equal(
        rule_template_expand(STR("{{ query \"up\" }}"), STR("x"), &data, &arena, &out, NULL), 0);
    buf_done(&out);
}

static void a_histogram_is_a_value_too(void **state)
{
    (void)state;
    static const struct histogram_span SPANS[] = {{0, 2}};
    static const double COUNTS[] = {1, 2};
    static const struct histogram HISTOGRAM = {.count = 7,
                                               .sum = 2.5,
                                               .zero_count = 2,
                                               .zero_threshold = 0.001,
                                               .positive_spans = SPANS,
                                               .negative_spans = SPANS,
                                               .positive = COUNTS,
                                               .negative = COUNTS,
                                               .positive_spans_n = 1,
                                               .negative_spans_n = 1,
                                               .positive_n = 2,
                                               .negative_n = 2};
    data.histogram = &HISTOGRAM;
    expands("{{ $value }}", "{count:7, sum:2.5, [-2,-1):2, [-1,-0.5):1, [-0.001,0.001]:2, "
                            "(0.5,1]:1, (1,2]:2}");
    expands("{{ $value.Count }} {{ $value.Sum }}", "7 2.5");
    fails("{{ humanize $value }}",
          "error executing template __alert_X: template: __alert_X:1:115: executing \"__alert_X\" "
          "at <humanize $value>: error calling humanize: can't convert histogram.FloatHistogram to "
          "float");
}

static void texts_and_addresses_are_turned(void **state)
{
    (void)state;
    expands("{{ title \"ab cd-ef gh_ij\" }} {{ toUpper \"stra\\u00dfe \\u00e9\" }} "
            "{{ toLower \"\\u00c4B\" }}",
            "Ab Cd-Ef Gh_ij STRA\xc3\x9f"
            "E \xc3\x89 \xc3\xa4"
            "b");
    expands("{{ reReplaceAll \"a*\" \"x\" \"baac\" }} {{ reReplaceAll \"(?P<n>.)b\" \"${n}-$1$2\" "
            "\"ab\\ncb\" }}",
            "xbxcx a-a\nc-c");
    expands("{{ match \"^a.c$\" \"abc\" }} {{ match \"a.c\" \"a\\nc\" }} {{ match \"b\" \"abc\" }}",
            "true false true");
    fails("{{ match \"(\" \"a\" }}",
          "error executing template __alert_X: template: __alert_X:1:115: executing \"__alert_X\" "
          "at <match \"(\" \"a\">: error calling match: error parsing regexp: missing closing ): "
          "`(`");
    expands("{{ stripPort \"a:1\" }} {{ stripPort \"a\" }} {{ stripPort \"[::1]:1\" }} "
            "{{ stripPort \"::1\" }} {{ stripDomain \"a.b:1\" }} {{ stripDomain \"a.b\" }}",
            "a a ::1 ::1 a:1 a");
    expands("{{ graphLink \"up{a=\\\"b\\\"} + 1\" }} {{ tableLink \"up\" }}",
            "/graph?g0.expr=up%7Ba%3D%22b%22%7D+%2B+1&g0.tab=0 /graph?g0.expr=up&g0.tab=1");
    expands("{{ urlQueryEscape \"a b/c\" }} {{ safeHtml \"<b>\" }}", "a+b%2Fc <b>");
    expands("{{ $a := args 1 \"b\" }}{{ $a.arg0 }}{{ $a.arg1 }}", "1b");
}

static void times_and_durations_are_objects_as_in_go(void **state)
{
    (void)state;
    expands("{{ (now | toTime).Format \"Mon Jan _2 15:04:05.000 MST 2006\" }}",
            "Sat Nov 24 11:14:12.500 UTC 2012");
    expands("{{ (toTime 0).Format \"2006-01-02T15:04:05Z07:00 -0700 3:04PM Monday January 002 "
            "06 .999\" }}",
            "1970-01-01T00:00:00Z +0000 12:00AM Thursday January 001 70 ");
    expands("{{ $t := toTime 86400.5 }}{{ $t }} {{ $t.Unix }} {{ $t.Year }} {{ $t.Month }} "
            "{{ $t.Weekday }} {{ $t.YearDay }}",
            "1970-01-02 00:00:00.5 +0000 UTC 86400 1970 January Friday 2");
    expands("{{ ((toTime 10).Sub (toTime 4)).Seconds }} {{ (toTime 4).Before (toTime 10) }} "
            "{{ (toTime 4).Add (toDuration 60) }}",
            "6 true 1970-01-01 00:01:04 +0000 UTC");
    expands(
        "{{ toDuration 3661.5 }} {{ toDuration 0.0015 }} {{ toDuration 0.0000000005 }} "
        "{{ toDuration -0.25 }} {{ toDuration 0.000002 }} {{ humanizeDuration (toDuration 90) }}",
        "1h1m1.5s 1.5ms 0s -250ms 2\xc2\xb5s 1m 30s");
    expands("{{ parseDuration \"1h30m\" }} {{ now }}", "5400 1.3537556525e+09");
    fails("{{ toTime \"+Inf\" }}",
          "error executing template __alert_X: template: __alert_X:1:115: executing \"__alert_X\" "
          "at <toTime \"+Inf\">: error calling toTime: value is NaN or Inf");
}

static void a_template_is_checked_without_its_values(void **state)
{
    (void)state;
    struct why why;
    assert_int_equal(rule_template_check(STR("{{ $labels.x | toUpper }}"), STR("n"), &why), 0);
    assert_int_equal(rule_template_check(STR("{{ $x }}"), STR("n"), &why), -ERR_FORMAT);
    assert_string_equal(why.text, "template: n:1: undefined variable \"$x\"");
}

/* ---- the table of another project's cases */

static struct template_value read_json(struct json_reader *r, const struct json_event *first);

static struct template_value read_members(struct json_reader *r, bool map)
{
    struct template_value items[64];
    struct template_pair pairs[64];
    struct json_event e;
    struct why why;
    size_t n = 0;
    for (;;) {
        assert_int_equal(json_next(r, &e, &why), 1);
        if (e.type == JSON_OBJECT_END || e.type == JSON_ARRAY_END)
            break;
        assert_true(n < COUNTOF(items));
        if (map) {
            pairs[n].key = arena_str(&arena, e.text);
            assert_int_equal(json_next(r, &e, &why), 1);
        }
        items[n] = read_json(r, &e);
        pairs[n].value = items[n];
        n++;
    }
    struct template_value *kept = arena_array(&arena, n, sizeof *kept);
    struct template_pair *kept_pairs = arena_array(&arena, n, sizeof *kept_pairs);
    for (size_t i = 0; i < n; i++) {
        kept[i] = items[i];
        kept_pairs[i] = (struct template_pair){map ? pairs[i].key : STR(""), items[i]};
    }
    return map ? template_map(kept_pairs, n) : template_list(kept, n);
}

static struct template_value read_json(struct json_reader *r, const struct json_event *first)
{
    switch (first->type) {
    case JSON_OBJECT:
        return read_members(r, true);
    case JSON_ARRAY:
        return read_members(r, false);
    case JSON_NUMBER:
        if (floor(first->number) == first->number && fabs(first->number) < 1e15)
            return template_int((int64_t)first->number);
        return template_float(first->number);
    case JSON_TRUE:
    case JSON_FALSE:
        return template_bool(first->type == JSON_TRUE);
    case JSON_TEXT:
        return template_text(arena_str(&arena, first->text));
    default:
        return (struct template_value){.type = TEMPLATE_NONE};
    }
}

static struct template_value get(const struct template_value *map, const char *key)
{
    for (size_t i = 0; map->type == TEMPLATE_MAP && i < map->n; i++)
        if (str_eq(map->pairs[i].key, str_c(key)))
            return map->pairs[i].value;
    return (struct template_value){.type = TEMPLATE_NONE};
}

/* Sources in Go become what they stand for. */
static struct template_value translated(struct template_value v)
{
    struct template_value source = get(&v, "src"), value = get(&v, "Value");
    if (source.type == TEMPLATE_TEXT) {
        if (str_eq(source.text, STR("math.MaxUint64")))
            return template_float(18446744073709551615.0);
        if (str_eq(source.text, STR("math.MaxInt64")))
            return template_int(INT64_MAX);
        assert_true(str_eq(source.text, STR("-1")));
        return template_int(-1);
    }
    if (value.type == TEMPLATE_MAP) {
        struct histogram *h = arena_new(&arena, sizeof *h);
        struct rule_template_sample *s = arena_new(&arena, sizeof *s);
        h->count = (double)get(&value, "Count").integer;
        h->sum = (double)get(&value, "Sum").integer;
        s->histogram = h;
        return template_object(&rule_template_sample_object, s);
    }
    if (v.type == TEMPLATE_LIST && v.n) {
        struct template_value *items = arena_array(&arena, v.n, sizeof *items);
        for (size_t i = 0; i < v.n; i++)
            items[i] = translated(v.items[i]);
        v.items = items;
    }
    return v;
}

static struct answers answers_of(const struct template_value *list)
{
    struct answers a = {arena_array(&arena, list->n, sizeof *a.v), list->n};
    for (size_t i = 0; list->type == TEMPLATE_LIST && i < list->n; i++) {
        struct template_value metric = get(&list->items[i], "Metric");
        struct template_value args = get(&metric, "args");
        struct buf key;
        buf_init(&key, 1 << 16);
        for (size_t k = 0; k + 1 < args.n; k += 2) {
            struct template_value name = args.items[k];
            labels_put(&key, name.type == TEMPLATE_TEXT ? name.text : LABEL_METRIC,
                       args.items[k + 1].text);
        }
        a.v[i].key = arena_str(&arena, buf_str(&key));
        a.v[i].value = (double)get(&list->items[i], "F").integer;
        buf_done(&key);
    }
    return a;
}

/* Does the row hold? */
static bool row_holds(const struct template_value *row)
{
    struct template_value text = get(row, "text"), input = translated(get(row, "input"));
    struct template_value results = get(row, "queryResult"), html = get(row, "html");
    struct template_value output = get(row, "output"), message = get(row, "errorMsg");
    struct answers answers = answers_of(&results);
    data.query = answer;
    data.context = &answers;
    data.html = template_truth(&html);
    data.strict_keys = get(row, "options").type == TEMPLATE_LIST;
    data.external_url = STR("http://testhost:9090/path/prefix");
    data.now_ms = 1353755652000;
    struct buf out;
    struct why why = {0};
    buf_init(&out, TEXT_MAX);
    int err = rule_template_expand_value(text.text, STR("test"), &input, &data, &arena, &out, &why);
    struct str expected = message.type == TEMPLATE_TEXT  ? message.text
                          : output.type == TEMPLATE_TEXT ? output.text
                                                         : STR("{count:3, sum:10}");
    struct str got = err ? str_c(why.text) : buf_str(&out);
    bool holds = (err != 0) == (message.type == TEMPLATE_TEXT) && str_eq(got, expected);
    if (!holds)
        print_message(STR_FMT "\n  expected " STR_FMT "\n  got      " STR_FMT "\n",
                      STR_ARG(text.text), STR_ARG(expected), STR_ARG(got));
    buf_done(&out);
    return holds;
}

static void every_case_of_the_table_holds(void **state)
{
    struct cases c;
    (void)state;
    cases_begin(&c, "vectors/templates.jsonl");
    while (cases_next(&c)) {
        struct json_reader r;
        struct json_event e;
        struct why why;
        json_reader_init(&r, c.line, &arena);
        assert_int_equal(json_next(&r, &e, &why), 1);
        struct template_value row = read_json(&r, &e);
        cases_count(&c, row_holds(&row));
    }
    cases_end(&c, 1);
}

static int begin(void **state)
{
    (void)arena_test_begin(state);
    data = (struct rule_template_data){
        .labels = KEY("__name__", "up", "instance", "db:1", "job", "node"),
        .value = 12.5,
        .external_labels = KEY("region", "eu"),
        .external_url = STR("http://host:9090/a/b"),
        .now_ms = 1353755652500,
    };
    return 0;
}

#define CASE(f) ARENA_TEST(f, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(labels_and_value_are_known_by_their_names),
        CASE(queries_are_asked_and_their_samples_walked),
        CASE(a_histogram_is_a_value_too),
        CASE(texts_and_addresses_are_turned),
        CASE(times_and_durations_are_objects_as_in_go),
        CASE(a_template_is_checked_without_its_values),
        CASE(every_case_of_the_table_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
