#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "codec/plain_name.h"
#include "codec/statsd.h"

/* What a datagram says, one line an item. */
static void read_all(const char *datagram, struct buf *out)
{
    static const char *const TYPES[] = {"c", "g", "ms", "h", "d", "s"};
    struct statsd_reader r;
    struct statsd_item i;
    enum statsd_what what;
    statsd_begin(&r, str_c(datagram));
    while ((what = statsd_next(&r, &i)) != STATSD_END) {
        if (what == STATSD_METRIC) {
            buf_printf(out, STR_FMT " " STR_FMT " %s %g #" STR_FMT, STR_ARG(i.metric.name),
                       STR_ARG(i.metric.values), TYPES[i.metric.type], i.metric.rate,
                       STR_ARG(i.metric.tags));
            if (i.metric.container.n)
                buf_printf(out, " c=" STR_FMT, STR_ARG(i.metric.container));
            if (i.metric.ts_ms)
                buf_printf(out, " T=%lld", (long long)i.metric.ts_ms);
        } else if (what == STATSD_EVENT) {
            buf_printf(out, "event " STR_FMT "/" STR_FMT " %d " STR_FMT " " STR_FMT " %lld",
                       STR_ARG(i.event.title), STR_ARG(i.event.text), (int)i.event.alert,
                       STR_ARG(i.event.host), STR_ARG(i.event.tags), (long long)i.event.ts_ms);
        } else if (what == STATSD_CHECK) {
            buf_printf(out, "check " STR_FMT " %d " STR_FMT " " STR_FMT " " STR_FMT,
                       STR_ARG(i.check.name), i.check.status, STR_ARG(i.check.host),
                       STR_ARG(i.check.tags), STR_ARG(i.check.message));
        } else {
            buf_printf(out, "bad %s", statsd_bad_label(i.bad));
        }
        buf_put_c(out, '\n');
    }
}

static void says(const char *datagram, const char *wanted)
{
    struct buf out;
    buf_init(&out, 65536);
    read_all(datagram, &out);
    buf_put_c(&out, '\0');
    assert_string_equal(out.p, wanted);
    buf_done(&out);
}

static void every_type_of_metric_is_read(void **state)
{
    says("a.b:1|c", "a.b 1 c 1 #\n");
    says("a:3.5|g", "a 3.5 g 1 #\n");
    says("a:-3|g", "a -3 g 1 #\n");
    says("a:320|ms", "a 320 ms 1 #\n");
    says("a:320|h", "a 320 h 1 #\n");
    says("a:320|d", "a 320 d 1 #\n");
    says("a:user 7|s", "a user 7 s 1 #\n");
}

static void a_datagram_has_many_lines_and_blank_ones_are_nothing(void **state)
{
    says("a:1|c\nb:2|g\n", "a 1 c 1 #\nb 2 g 1 #\n");
    says("a:1|c\r\n\r\n\nb:2|g", "a 1 c 1 #\nb 2 g 1 #\n");
    says("", "");
    says("\n\n", "");
}

static void sections_come_in_any_order_and_unknown_ones_are_left_out(void **state)
{
    says("a:1|c|@0.1", "a 1 c 0.1 #\n");
    says("a:1|c|#x:y,z", "a 1 c 1 #x:y,z\n");
    says("a:1|c|@0.1|#x:y|c:ci-1|T1656581400", "a 1 c 0.1 #x:y c=ci-1 T=1656581400000\n");
    says("a:1|c|T1656581400|c:ci-1|#x:y|@0.1", "a 1 c 0.1 #x:y c=ci-1 T=1656581400000\n");
    says("a:1|c|e:it-false|card:low||x", "a 1 c 1 #\n");
    says("a:1|c|#", "a 1 c 1 #\n");
}

static void packed_values_are_taken_one_by_one(void **state)
{
    says("a:1:2:3|h|#x:y", "a 1:2:3 h 1 #x:y\n");
    struct str values = STR("1:-2:+3.5:x:");
    double v;
    bool is_signed;
    int err;
    assert_true(statsd_value(&values, &v, &is_signed, &err));
    assert_true(err == 0 && v == 1 && !is_signed);
    assert_true(statsd_value(&values, &v, &is_signed, &err));
    assert_true(err == 0 && v == -2 && is_signed);
    assert_true(statsd_value(&values, &v, &is_signed, &err));
    assert_true(err == 0 && v == 3.5 && is_signed);
    assert_true(statsd_value(&values, &v, &is_signed, &err));
    assert_int_equal(err, -ERR_FORMAT);
    assert_true(statsd_value(&values, &v, &is_signed, &err));
    assert_int_equal(err, -ERR_FORMAT); /* behind the last ':' */
    assert_false(statsd_value(&values, &v, &is_signed, &err));
}

static void numbers_that_are_not_finite_are_no_values(void **state)
{
    const char *const BAD[] = {"", "nan", "inf", "-Inf", "1e999", "1,5", " 1", "1 ", "0x"};
    for (size_t i = 0; i < COUNTOF(BAD); i++) {
        struct str s = str_c(BAD[i]);
        double v;
        bool is_signed;
        int err = 0;
        assert_true(statsd_value(&s, &v, &is_signed, &err));
        assert_int_equal(err, -ERR_FORMAT);
    }
}

static void further_values_behind_a_type_are_of_the_same_name(void **state)
{
    says("a:1|c:2|ms", "a 1 c 1 #\na 2 ms 1 #\n");
    says("a:1|c|@0.1:2|ms|@0.5:3|g", "a 1 c 0.1 #\na 2 ms 0.5 #\na 3 g 1 #\n");
    says("a:1|c:x\nb:1|c", "a 1 c 1 #\nbad type\nb 1 c 1 #\n");
}

static void bad_lines_say_why_and_cost_themselves_alone(void **state)
{
    says("a\nb:1|c", "bad value\nb 1 c 1 #\n");
    says(":1|c", "bad name\n");
    says("a:", "bad value\n");
    says("a:|c", "bad value\n");
    says("a:1", "bad type\n");
    says("a:1|", "bad type\n");
    says("a:1|x", "bad type\n");
    says("a:1|cc", "bad type\n");
    says("a:1|c|@0", "bad rate\n");
    says("a:1|c|@-1", "bad rate\n");
    says("a:1|c|@1.1", "bad rate\n");
    says("a:1|c|@", "bad rate\n");
    says("a:1|c|@nan", "bad rate\n");
    says("a:1|c|Tnow", "bad time\n");
    says("a:1|c|T-5", "bad time\n");
    says("a:1|c|T99999999999999", "bad time\n");
    says("_e{1,1}:a", "bad event\n");
    says("_sc|a|4", "bad check\n");
}

static void a_name_has_a_longest_length(void **state)
{
    char line[STATSD_NAME_MAX + 10];
    memset(line, 'a', sizeof line);
    memcpy(line + STATSD_NAME_MAX, ":1|c", 5);
    struct buf out;
    buf_init(&out, 65536);
    read_all(line, &out);
    assert_true(str_ends(buf_str(&out), STR("a 1 c 1 #\n")));
    memcpy(line + STATSD_NAME_MAX, "a:1|c", 6);
    says(line, "bad name\n");
    buf_done(&out);
}

static void events_are_read_by_their_lengths(void **state)
{
    says("_e{5,4}:title|text", "event title/text 0   0\n");
    says("_e{5,4}:ti|le|te|t|d:1500000000|h:web|k:x|p:low|s:app|t:warning|#a:b,c",
         "event ti|le/te|t 1 web a:b,c 1500000000000\n");
    says("_e{1,0}:a||t:error", "event a/ 2   0\n");
    says("_e{1,1}:a|b|t:success", "event a/b 3   0\n");
    const char *const BAD[] = {"_e{}:a|b",
                               "_e{1}:a|b",
                               "_e{1,9}:a|b",
                               "_e{0,1}:|b",
                               "_e{2,1}:a|b",
                               "_e{1,1}a|b",
                               "_e{1,1}:a|bc",
                               "_e{1,1}:a|b|t:loud",
                               "_e{1,1}:a|b|p:high",
                               "_e{1,1}:a|b|d:now",
                               "_e{-1,1}:a|b",
                               "_e{1,1",
                               "_e{18446744073709551615,1}:a|b",
                               "_e{1,18446744073709551615}:a|b"};
    for (size_t i = 0; i < COUNTOF(BAD); i++)
        says(BAD[i], "bad event\n");
}

static void service_checks_have_a_name_and_a_status(void **state)
{
    says("_sc|db|0", "check db 0   \n");
    says("_sc|db|2|d:1500000000|h:web|#a:b|m:it | is: down", "check db 2 web a:b it | is: down\n");
    const char *const BAD[] = {"_sc|db",    "_sc||0",   "_sc|db|",
                               "_sc|db|00", "_sc|db|x", "_sc|db|0|d:now"};
    for (size_t i = 0; i < COUNTOF(BAD); i++)
        says(BAD[i], "bad check\n");
}

static void a_name_that_begins_as_an_event_is_a_name(void **state)
{
    says("_e:1|c\n_sc:1|c\n_x:1|c", "_e 1 c 1 #\n_sc 1 c 1 #\n_x 1 c 1 #\n");
}

static void names_become_plain_as_prometheus_wants(void **state)
{
    static const struct {
        const char *prefix, *name, *metric, *label;
    } CASES[] = {
        {"", "a.b-c/d e", "a_b_c_d_e", "a_b_c_d_e"},
        {"", "a:b", "a:b", "a_b"},
        {"", "9a", "_9a", "_9a"},
        {"x_", "9a", "x_9a", "_9a"},
        {"",
         "gr\xc3\xb6\xc3\x9f"
         "e",
         "gr__e", "gr__e"},
        {"", "\xf0\x9f\x98\x80", "_", "_"},
    };
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        struct buf out;
        buf_init(&out, 100);
        plain_name_metric(str_c(CASES[i].prefix), str_c(CASES[i].name), &out);
        assert_true(str_eq(buf_str(&out), str_c(CASES[i].metric)));
        buf_clear(&out);
        plain_name_label(str_c(CASES[i].name), &out);
        assert_true(str_eq(buf_str(&out), str_c(CASES[i].label)));
        buf_done(&out);
    }
}

static void tags_may_stand_in_the_name(void **state)
{
    struct str name, tags;
    statsd_split_name(STR("a.b,host=x,zone=y"), &name, &tags);
    assert_true(str_eq(name, STR("a.b")) && str_eq(tags, STR("host=x,zone=y")));
    statsd_split_name(STR("a.b#host=x"), &name, &tags);
    assert_true(str_eq(name, STR("a.b")) && str_eq(tags, STR("host=x")));
    statsd_split_name(STR("a.b"), &name, &tags);
    assert_true(str_eq(name, STR("a.b")) && tags.n == 0);
    statsd_split_name(STR(",a"), &name, &tags);
    assert_true(str_eq(name, STR(",a")) && tags.n == 0);
}

static void a_tag_without_a_value_is_true_and_one_without_a_name_is_nothing(void **state)
{
    struct str tags = STR("a:b,,c,:d,e:,f:g:h"), name, value;
    static const char *const WANTED[][2] = {{"a", "b"}, {"c", "true"}, {"e", ""}, {"f", "g:h"}};
    for (size_t i = 0; i < COUNTOF(WANTED); i++) {
        assert_true(statsd_tag(&tags, ':', &name, &value));
        assert_true(str_eq(name, str_c(WANTED[i][0])) && str_eq(value, str_c(WANTED[i][1])));
    }
    assert_false(statsd_tag(&tags, ':', &name, &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_of_metric_is_read),
        cmocka_unit_test(a_datagram_has_many_lines_and_blank_ones_are_nothing),
        cmocka_unit_test(sections_come_in_any_order_and_unknown_ones_are_left_out),
        cmocka_unit_test(packed_values_are_taken_one_by_one),
        cmocka_unit_test(numbers_that_are_not_finite_are_no_values),
        cmocka_unit_test(further_values_behind_a_type_are_of_the_same_name),
        cmocka_unit_test(bad_lines_say_why_and_cost_themselves_alone),
        cmocka_unit_test(a_name_has_a_longest_length),
        cmocka_unit_test(events_are_read_by_their_lengths),
        cmocka_unit_test(service_checks_have_a_name_and_a_status),
        cmocka_unit_test(a_name_that_begins_as_an_event_is_a_name),
        cmocka_unit_test(names_become_plain_as_prometheus_wants),
        cmocka_unit_test(tags_may_stand_in_the_name),
        cmocka_unit_test(a_tag_without_a_value_is_true_and_one_without_a_name_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
