#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/otlp_name.h"

static const struct otlp_name_rules ESCAPED = {true, true, true, true};
static const struct otlp_name_rules PLAIN = {true, false, true, true};
static const struct otlp_name_rules UTF8 = {false, true, true, true};
static const struct otlp_name_rules AS_IT_IS = {false, false, true, true};

struct metric_case {
    const char *name, *unit;
    enum otlp_kind kind;
    bool monotonic;
    const char *escaped, *plain, *utf8; /* "" where nothing is left */
};

static const struct metric_case METRICS[] = {
    {"http.server.duration", "ms", OTLP_HISTOGRAM, false, "http_server_duration_milliseconds",
     "http_server_duration", "http.server.duration_milliseconds"},
    {"requests", "1", OTLP_SUM, true, "requests_total", "requests", "requests_total"},
    {"requests_total", "", OTLP_SUM, true, "requests_total", "requests_total", "requests_total"},
    {"total.requests", "", OTLP_SUM, true, "requests_total", "total_requests",
     "total.requests_total"},
    {"use", "1", OTLP_GAUGE, false, "use_ratio", "use", "use_ratio"},
    {"use_ratio", "1", OTLP_GAUGE, false, "use_ratio", "use_ratio", "use_ratio"},
    {"disk.io", "By/s", OTLP_GAUGE, false, "disk_io_bytes_per_second", "disk_io",
     "disk.io_bytes_per_second"},
    {"disk_bytes", "By", OTLP_GAUGE, false, "disk_bytes", "disk_bytes", "disk_bytes"},
    {"a__b", "", OTLP_GAUGE, false, "a_b", "a__b", "a__b"},
    {"_lead", "", OTLP_GAUGE, false, "lead", "_lead", "_lead"},
    {"2xx", "", OTLP_SUM, true, "_2xx_total", "_2xx", "2xx_total"},
    {"open", "{files}", OTLP_SUM, false, "open", "open", "open"},
    {"rate", "{req}/m", OTLP_GAUGE, false, "rate_per_minute", "rate", "rate_per_minute"},
    {"speed", "foo bar", OTLP_GAUGE, false, "speed_foo_bar", "speed", "speed_foo bar"},
    {"g\xc3\xb6\xc3\xb6", "", OTLP_GAUGE, false, "g", "g", "g\xc3\xb6\xc3\xb6"},
    {"ns:name", "%", OTLP_GAUGE, false, "ns:name_percent", "ns:name", "ns:name_percent"},
    {"...", "", OTLP_GAUGE, false, "", "", "..."},
    {"", "s", OTLP_GAUGE, false, "seconds", "", "_seconds"},
};

static void assert_name(const struct otlp_name_rules *rules, const struct metric_case *c,
                        const char *want)
{
    struct otlp_metric m = {
        .name = str_c(c->name), .unit = str_c(c->unit), .kind = c->kind, .monotonic = c->monotonic};
    struct buf out;
    buf_init(&out, 1000);
    bool good = otlp_name_metric(rules, &m, &out);
    assert_int_equal(good, want[0] != '\0');
    if (good && !str_eq(buf_str(&out), str_c(want)))
        fail_msg("\"%s\" in \"%s\" is " STR_FMT ", not %s", c->name, c->unit,
                 STR_ARG(buf_str(&out)), want);
    buf_done(&out);
}

static void metrics_get_the_names_that_prometheus_gives_them(void **state)
{
    for (size_t i = 0; i < COUNTOF(METRICS); i++) {
        assert_name(&ESCAPED, &METRICS[i], METRICS[i].escaped);
        assert_name(&PLAIN, &METRICS[i], METRICS[i].plain);
        assert_name(&UTF8, &METRICS[i], METRICS[i].utf8);
        assert_name(&AS_IT_IS, &METRICS[i], METRICS[i].name);
    }
}

static void assert_label(struct otlp_name_rules rules, const char *key, const char *want)
{
    struct buf out;
    buf_init(&out, 1000);
    bool good = otlp_name_label(&rules, str_c(key), &out);
    assert_int_equal(good, want[0] != '\0');
    if (!str_eq(buf_str(&out), str_c(want)))
        fail_msg("\"%s\" is " STR_FMT ", not %s", key, STR_ARG(buf_str(&out)), want);
    buf_done(&out);
}

static void labels_get_plain_names_by_rule(void **state)
{
    assert_label(ESCAPED, "http.method", "http_method");
    assert_label(ESCAPED, "1st", "key_1st");
    assert_label(ESCAPED, "_x", "key_x");
    assert_label(ESCAPED, ".x", "key_x");
    assert_label(ESCAPED, "__x", "__x");
    assert_label(ESCAPED, "a..b", "a__b");
    assert_label(ESCAPED, "a:b", "a_b");
    assert_label(ESCAPED, "\xc3\xb6l", "key_l");
    assert_label(ESCAPED, "", "");
    assert_label(ESCAPED, ".", "");
    assert_label(AS_IT_IS, "a.b \xc3\xb6", "a.b \xc3\xb6");
    assert_label((struct otlp_name_rules){true, true, false, true}, "_x", "_x");
    assert_label((struct otlp_name_rules){true, true, true, false}, "a..b", "a_b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_get_the_names_that_prometheus_gives_them),
        cmocka_unit_test(labels_get_plain_names_by_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
