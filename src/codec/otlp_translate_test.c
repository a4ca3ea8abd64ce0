#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "base/cases_test.h"
#include "base/rand.h"
#include "codec/otlp_testbed.h"

static int begin(void **state)
{
    *state = otlp_testbed_new();
    return 0;
}

static int end(void **state)
{
    otlp_testbed_free(*state);
    return 0;
}

static bool has(const struct otlp_testbed *b, const char *line)
{
    return str_search(buf_str(&b->lines), str_c(line)) < b->lines.n;
}

static void assert_line(const struct otlp_testbed *b, const char *line)
{
    if (!has(b, line))
        fail_msg("\"%s\" is not in:\n" STR_FMT, line, STR_ARG(buf_str(&b->lines)));
}

static void assert_lines(const struct otlp_testbed *b, const char *lines)
{
    if (!str_eq(buf_str(&b->lines), str_c(lines)))
        fail_msg("have:\n" STR_FMT "want:\n%s", STR_ARG(buf_str(&b->lines)), lines);
}

#define RESOURCE                                                                                   \
    "\"resource\":{\"attributes\":["                                                               \
    "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"shop\"}},"                             \
    "{\"key\":\"service.namespace\",\"value\":{\"stringValue\":\"eu\"}},"                          \
    "{\"key\":\"service.instance.id\",\"value\":{\"stringValue\":\"i1\"}},"                        \
    "{\"key\":\"host.name\",\"value\":{\"stringValue\":\"web1\"}}]}"
#define SCOPE                                                                                      \
    "\"scope\":{\"name\":\"lib\",\"version\":\"1\",\"attributes\":["                               \
    "{\"key\":\"a.b\",\"value\":{\"boolValue\":true}}]},\"schemaUrl\":\"http://s\""
#define REQUEST(metrics)                                                                           \
    STR("{\"resourceMetrics\":[{" RESOURCE ",\"scopeMetrics\":[{" SCOPE ",\"metrics\":[" metrics   \
        "]}]}]}")
#define TIMES  "\"startTimeUnixNano\":\"1000000000\",\"timeUnixNano\":\"1700000000123456789\""
#define LABELS "instance=\"i1\", job=\"eu/shop\""
#define AT     " @1700000000123 from "
#define INFO   "target_info{host_name=\"web1\", " LABELS "} 1 @1700000000123 from 0\n"

static void every_kind_of_point_becomes_its_series(void **state)
{
    struct otlp_testbed *b = *state;
    otlp_testbed_begin(b);
    assert_int_equal(
        otlp_testbed_json(
            b, REQUEST("{\"name\":\"cpu.temp\",\"unit\":\"Cel\",\"description\":\"how hot\","
                       "\"gauge\":{\"dataPoints\":[{" TIMES ",\"asDouble\":41.5},"
                       "{" TIMES ",\"asInt\":\"-7\",\"attributes\":[{\"key\":\"core\",\"value\":"
                       "{\"intValue\":\"1\"}}]}]}},"
                       "{\"name\":\"http.requests\",\"unit\":\"1\",\"sum\":{\"isMonotonic\":true,"
                       "\"aggregationTemporality\":2,\"dataPoints\":[{" TIMES ",\"asInt\":5}]}},"
                       "{\"name\":\"queue\",\"sum\":{\"aggregationTemporality\":2,\"dataPoints\":"
                       "[{" TIMES ",\"asInt\":-1}]}},"
                       "{\"name\":\"size\",\"unit\":\"By\",\"summary\":{\"dataPoints\":[{" TIMES
                       ",\"count\":\"2\",\"sum\":7,\"quantileValues\":[{\"quantile\":0.5,"
                       "\"value\":3},{\"quantile\":1,\"value\":4}]}]}}")),
        0);
    assert_lines(b, "cpu_temp_celsius{" LABELS "} 41.5" AT "0\n"
                    "cpu_temp_celsius{core=\"1\", " LABELS "} -7" AT "0\n"
                    "http_requests_total{" LABELS "} 5" AT "1000\n"
                    "queue{" LABELS "} -1" AT "0\n"
                    "size_bytes_count{" LABELS "} 2" AT "1000\n"
                    "size_bytes_sum{" LABELS "} 7" AT "1000\n"
                    "size_bytes{" LABELS ", quantile=\"0.5\"} 3" AT "1000\n"
                    "size_bytes{" LABELS ", quantile=\"1\"} 4" AT "1000\n" INFO
                    "metadata cpu_temp_celsius gauge \"celsius\" \"how hot\"\n"
                    "metadata http_requests_total counter \"\" \"\"\n"
                    "metadata queue gauge \"\" \"\"\n"
                    "metadata size_bytes summary \"bytes\" \"\"\n");
}

#define HISTOGRAM(more, counts)                                                                    \
    "{\"name\":\"took\",\"unit\":\"s\",\"histogram\":{\"aggregationTemporality\":2,"               \
    "\"dataPoints\":[{" TIMES ",\"count\":6,\"bucketCounts\":" counts ","                          \
    "\"explicitBounds\":[0.5,10]" more "}]}}"
#define EXEMPLAR                                                                                   \
    ",\"exemplars\":[{\"timeUnixNano\":\"1700000000000000000\",\"asDouble\":3,"                    \
    "\"traceId\":\"0102030405060708090a0b0c0d0e0f10\",\"spanId\":\"AABBCCDDEEFF0011\","            \
    "\"filteredAttributes\":[{\"key\":\"user\",\"value\":{\"stringValue\":\"u\"}}]}]"

static void histograms_become_buckets_or_native_ones_with_custom_bounds(void **state)
{
    struct otlp_testbed *b = *state;
    struct str request = REQUEST(HISTOGRAM(",\"sum\":33" EXEMPLAR, "[\"1\",2,3]"));
    otlp_testbed_begin(b);
    assert_int_equal(otlp_testbed_json(b, request), 0);
    assert_lines(b, "took_seconds_count{" LABELS "} 6" AT "1000\n"
                    "took_seconds_sum{" LABELS "} 33" AT "1000\n"
                    "took_seconds_bucket{" LABELS ", le=\"+Inf\"} 6" AT "1000\n"
                    "took_seconds_bucket{" LABELS ", le=\"0.5\"} 1" AT "1000\n"
                    "took_seconds_bucket{" LABELS ", le=\"10\"} 3" AT "1000\n" INFO
                    "exemplar took_seconds_bucket{" LABELS ", le=\"10\"} "
                    "{span_id=\"aabbccddeeff0011\", "
                    "trace_id=\"0102030405060708090a0b0c0d0e0f10\", user=\"u\"} 3 "
                    "@1700000000000\n"
                    "metadata took_seconds histogram \"seconds\" \"\"\n");
    /* Without a sum there is no series of it; wrong lengths are refused. */
    assert_int_equal(otlp_testbed_json(b, REQUEST(HISTOGRAM("", "[1,2,3]"))), 0);
    assert_false(has(b, "_sum"));
    assert_int_equal(otlp_testbed_json(b, REQUEST(HISTOGRAM("", "[1,2]"))), 0);
    assert_lines(b, "refused 0 took: the histogram has not one bucket more than it has bounds\n");
    otlp_translate_done(&b->t);
    otlp_delta_free(b->delta);
    b->settings.convert_histograms_to_nhcb = true;
    otlp_testbed_begin(b);
    assert_int_equal(otlp_testbed_json(b, request), 0);
    assert_line(b, "took_seconds{" LABELS "} {-53 count 6 sum 33 zero 0/0 + 0:1 1:2 2:3 - bounds "
                   "0.5 10}" AT "1000\n");
    assert_line(b, "exemplar took_seconds{" LABELS "} {span_id");
}

#define EXPONENTIAL(scale, temporality, positive)                                                  \
    "{\"name\":\"lat\",\"exponentialHistogram\":{\"aggregationTemporality\":" temporality ","      \
    "\"dataPoints\":[{" TIMES ",\"count\":10,\"sum\":1,\"scale\":" scale ",\"zeroCount\":1,"       \
    "\"positive\":" positive ",\"negative\":{\"offset\":-2,\"bucketCounts\":[1]}}]}}"

static void exponential_histograms_become_native_ones(void **state)
{
    struct otlp_testbed *b = *state;
    otlp_testbed_begin(b);
    assert_int_equal(
        otlp_testbed_json(
            b, REQUEST(EXPONENTIAL("3", "2", "{\"offset\":-1,\"bucketCounts\":[5,0,0,0,3]}"))),
        0);
    assert_line(b, "lat{" LABELS "} {3 count 10 sum 1 zero 1/1e-128 + 0:5 4:3 - -1:1}" AT "1000\n");
    /* Scale 10 is two above what there is: four buckets become one, from floor(offset / 4). */
    assert_int_equal(
        otlp_testbed_json(
            b, REQUEST(EXPONENTIAL("10", "2", "{\"offset\":-3,\"bucketCounts\":[1,2,3,2]}"))),
        0);
    assert_line(b, "{8 count 10 sum 1 zero 1/1e-128 + 0:6 1:2 - 0:1}");
    assert_int_equal(
        otlp_testbed_json(b, REQUEST(EXPONENTIAL("-5", "2", "{\"bucketCounts\":[8]}"))), 0);
    assert_line(b, "refused 0 lat: the exponential histogram has the scale -5, native ones begin "
                   "at -4\n");
}

static void points_that_cannot_be_taken_are_refused_alone(void **state)
{
    struct otlp_testbed *b = *state;
    b->settings.delta_to_cumulative = false;
    otlp_testbed_begin(b);
    assert_int_equal(
        otlp_testbed_json(
            b, REQUEST("{\"name\":\"a\",\"sum\":{\"dataPoints\":[{" TIMES ",\"asInt\":1}]}},"
                       "{\"name\":\"b\",\"sum\":{\"aggregationTemporality\":1,\"dataPoints\":"
                       "[{" TIMES ",\"asInt\":1}]}},"
                       "{\"name\":\"c\",\"gauge\":{\"dataPoints\":[{\"asInt\":1},{" TIMES
                       ",\"asInt\":4}]}},"
                       "{\"name\":\"...\",\"gauge\":{\"dataPoints\":[{" TIMES "}]}},"
                       "{\"name\":\"none\"}")),
        0);
    assert_line(b, "c{" LABELS "} 4" AT "0\n" INFO);
    assert_line(b, "refused 0 a: the metric has no aggregation temporality\n"
                   "refused 1 b: delta temporality is not taken here "
                   "(otlp.delta_to_cumulative)\n"
                   "refused 2 c: the point has no time\n"
                   "refused 4 ...: nothing of the metric \"...\" is left as a name\n");
    assert_int_equal(b->rows, 2);
}

static void a_point_without_a_value_ends_its_series(void **state)
{
    struct otlp_testbed *b = *state;
    otlp_testbed_begin(b);
    assert_int_equal(
        otlp_testbed_json(
            b,
            REQUEST(
                "{\"name\":\"g\",\"gauge\":{\"dataPoints\":[{" TIMES ",\"flags\":1}]}}," HISTOGRAM(
                    ",\"flags\":1", "[]") ","
                                          "{\"name\":\"e\","
                                          "\"exponentialHistogram\":{\"aggregationTemporality\":2,"
                                          "\"dataPoints\":[{" TIMES ",\"flags\":1}]}}")),
        0);
    assert_line(b, "g{" LABELS "} nan");
    assert_line(b, "took_seconds_bucket{" LABELS ", le=\"0.5\"} nan");
    assert_line(b, "took_seconds_bucket{" LABELS ", le=\"10\"} nan");
    assert_line(b, "e{" LABELS "} stale");
    assert_line(b, "target_info{host_name=\"web1\", " LABELS "} nan");
}

static void values_of_every_kind_become_labels(void **state)
{
    struct otlp_testbed *b = *state;
    otlp_testbed_begin(b);
    assert_int_equal(
        otlp_testbed_json(
            b, REQUEST("{\"name\":\"m\",\"gauge\":{\"dataPoints\":[{" TIMES ",\"attributes\":["
                       "{\"key\":\"b\",\"value\":{\"boolValue\":false}},"
                       "{\"key\":\"i\",\"value\":{\"intValue\":-9}},"
                       "{\"key\":\"d\",\"value\":{\"doubleValue\":1e-9}},"
                       "{\"key\":\"e\",\"value\":{\"stringValue\":\"\"}},"
                       "{\"key\":\"x\",\"value\":{\"bytesValue\":\"AAEC\"}},"
                       "{\"key\":\"l\",\"value\":{\"arrayValue\":{\"values\":[{\"stringValue\":"
                       "\"q\\\"\"},{\"intValue\":\"2\"},{\"doubleValue\":0.5},{}]}}},"
                       "{\"key\":\"m\",\"value\":{\"kvlistValue\":{\"values\":[{\"key\":\"z\","
                       "\"value\":{\"boolValue\":true}},{\"key\":\"a\",\"value\":{\"bytesValue\":"
                       "\"/w==\"}}]}}}]}]}}")),
        0);
    assert_line(b, "m{b=\"false\", d=\"1e-9\", i=\"-9\", " LABELS
                   ", l=\"[\\\"q\\\\\\\"\\\",2,0.5,null]\", "
                   "m=\"{\\\"a\\\":\\\"/w==\\\",\\\"z\\\":true}\", x=\"AAEC\"}");
}

static void names_that_fall_together_are_joined(void **state)
{
    struct otlp_testbed *b = *state;
    otlp_testbed_begin(b);
    struct str request =
        REQUEST("{\"name\":\"m\",\"gauge\":{\"dataPoints\":[{" TIMES ",\"attributes\":["
                "{\"key\":\"a_b\",\"value\":{\"stringValue\":\"3\"}},"
                "{\"key\":\"a.b\",\"value\":{\"stringValue\":\"2\"}},"
                "{\"key\":\"a-b\",\"value\":{\"stringValue\":\"1\"}},"
                "{\"key\":\"job\",\"value\":{\"stringValue\":\"lost\"}},"
                "{\"key\":\"1st\",\"value\":{\"stringValue\":\"x\"}},"
                "{\"key\":\"_u\",\"value\":{\"stringValue\":\"y\"}}]}]}}");
    assert_int_equal(otlp_testbed_json(b, request), 0);
    assert_line(b, "m{a_b=\"1;2;3\", " LABELS ", key_1st=\"x\", key_u=\"y\"}");
    otlp_translate_done(&b->t);
    otlp_delta_free(b->delta);
    b->settings.translation_strategy = "NoTranslation";
    otlp_testbed_begin(b);
    assert_int_equal(otlp_testbed_json(b, request), 0);
    assert_line(b,
                "m{\"1st\"=\"x\", _u=\"y\", \"a-b\"=\"1\", \"a.b\"=\"2\", a_b=\"3\", " LABELS "}");
}

static void resources_and_scopes_are_promoted_where_asked(void **state)
{
    struct otlp_testbed *b = *state;
    struct str request = REQUEST("{\"name\":\"m\",\"gauge\":{\"dataPoints\":[{" TIMES "}]}}");
    b->settings.promote_scope_metadata = true;
    b->settings.keep_identifying_resource_attributes = true;
    const char *promoted[] = {"host.name"};
    b->settings.promote_resource_attributes = (struct option_list){promoted, 1};
    otlp_testbed_begin(b);
    assert_int_equal(otlp_testbed_json(b, request), 0);
    assert_line(b, "m{host_name=\"web1\", " LABELS
                   ", otel_scope_a_b=\"true\", otel_scope_name=\"lib\", "
                   "otel_scope_schema_url=\"http://s\", otel_scope_version=\"1\"}");
    assert_line(b, "target_info{host_name=\"web1\", " LABELS
                   ", service_instance_id=\"i1\", service_name=\"shop\", "
                   "service_namespace=\"eu\"} 1");
    otlp_translate_done(&b->t);
    otlp_delta_free(b->delta);
    b->settings.promote_scope_metadata = false;
    b->settings.promote_all_resource_attributes = true;
    b->settings.ignore_resource_attributes = b->settings.promote_resource_attributes;
    otlp_testbed_begin(b);
    assert_int_equal(otlp_testbed_json(b, request), 0);
    assert_line(b, "m{" LABELS ", service_instance_id=\"i1\", service_name=\"shop\", "
                   "service_namespace=\"eu\"}");
}

static void target_info_spans_the_time_of_its_points(void **state)
{
    struct otlp_testbed *b = *state;
    otlp_testbed_begin(b);
    assert_int_equal(
        otlp_testbed_json(
            b, REQUEST("{\"name\":\"m\",\"gauge\":{\"dataPoints\":[{\"timeUnixNano\":"
                       "\"1700000000000000000\"},{\"timeUnixNano\":\"1700000400000000000\"}]}}")),
        0);
    assert_line(b, "} 1 @1700000000000 from 0\n"
                   "target_info{host_name=\"web1\", " LABELS "} 1 @1700000150000 from 0\n"
                   "target_info{host_name=\"web1\", " LABELS "} 1 @1700000300000 from 0\n"
                   "target_info{host_name=\"web1\", " LABELS "} 1 @1700000400000 from 0\n");
    assert_int_equal(b->rows, 6);
    /* From 1970 on it would be millions. */
    assert_int_equal(otlp_testbed_json(b, REQUEST("{\"name\":\"m\",\"gauge\":{\"dataPoints\":["
                                                  "{\"timeUnixNano\":\"1000000\"},"
                                                  "{\"timeUnixNano\":\"1700000400000000000\"}]}}")),
                     0);
    assert_int_equal(b->rows, 2 + OTLP_TARGET_INFO_MAX);
}

/* ---- protobuf as other writers may put it */

static void put_point(struct buf *out, const char *key, double value, bool scattered)
{
    struct buf text, pair, any;
    buf_init(&text, 1000);
    buf_init(&pair, 1000);
    buf_init(&any, 1000);
    wire_put_bytes(&any, 1, STR("v"));
    wire_put_bytes(&pair, 1, str_c(key));
    wire_put_bytes(&pair, 2, buf_str(&any));
    wire_put_bytes(&text, 7, buf_str(&pair));
    if (scattered)
        wire_put_int(&text, 200, 77); /* a field that nobody knows, in between */
    buf_clear(&pair);
    wire_put_bytes(&pair, 1, STR("second"));
    wire_put_bytes(&pair, 2, buf_str(&any));
    wire_put_bytes(&text, 7, buf_str(&pair));
    wire_put_double(&text, 4, value);
    buf_put_varint(&text, 3 << 3 | 1);
    char time[8];
    store64(time, 1700000000123456789ULL);
    buf_put(&text, time, sizeof time);
    wire_put_bytes(out, 1, buf_str(&text));
    buf_done(&text);
    buf_done(&pair);
    buf_done(&any);
}

/* A sum of points with its temporality behind them, and unknown fields at every level. */
static void put_request(struct buf *out, size_t points, bool scattered)
{
    struct buf a, b;
    buf_init(&a, 1 << 24);
    buf_init(&b, 1 << 24);
    for (size_t i = 0; i < points; i++) {
        char key[20];
        snprintf(key, sizeof key, "k%zu", i);
        put_point(&a, key, (double)i, scattered);
    }
    wire_put_int(&a, 2, 2);
    wire_put_int(&a, 3, 1);
    wire_put_bytes(&b, 7, buf_str(&a));
    wire_put_bytes(&b, 99, STR("unknown"));
    wire_put_bytes(&b, 1, STR("m")); /* the name behind all */
    for (int level = 0; level < 3; level++) {
        buf_clear(&a);
        wire_put_double(&a, 55, 1);
        wire_put_bytes(&a, level == 2 ? 1 : 2, buf_str(&b));
        buf_clear(&b);
        buf_put_str(&b, buf_str(&a));
    }
    buf_clear(out);
    buf_put_str(out, buf_str(&b));
    buf_done(&a);
    buf_done(&b);
}

static void fields_come_in_any_order_and_unknown_ones_are_passed_over(void **state)
{
    struct otlp_testbed *b = *state;
    otlp_testbed_begin(b);
    for (int scattered = 0; scattered < 2; scattered++) {
        put_request(&b->request, 2, scattered);
        assert_int_equal(otlp_testbed_read(b, buf_str(&b->request)), 0);
        assert_line(b, "m_total{k0=\"v\", second=\"v\"} 0 @1700000000123 from 0\n"
                       "m_total{k1=\"v\", second=\"v\"} 1 @1700000000123 from 0\n");
    }
}

static void what_is_cut_off_is_refused_with_its_place(void **state)
{
    struct otlp_testbed *b = *state;
    otlp_testbed_begin(b);
    put_request(&b->request, 3, false);
    size_t good = 0;
    for (size_t n = 0; n < b->request.n; n++) {
        int err = otlp_testbed_read(b, str_of(b->request.p, n));
        good += err == 0;
        if (err)
            assert_non_null(strstr(b->why.text, "OTLP metrics request, byte "));
    }
    assert_int_equal(good, 2); /* nothing at all, and the first of the unknown fields */
}

static void damaged_bytes_do_no_harm(void **state)
{
    struct otlp_testbed *b = *state;
    struct rand rand;
    otlp_testbed_begin(b);
    rand_init(&rand, 4);
    put_request(&b->request, 3, true);
    struct buf bad;
    buf_init(&bad, 1 << 20);
    size_t rows = 0;
    for (int i = 0; i < 20000; i++) {
        buf_clear(&bad);
        buf_put_str(&bad, buf_str(&b->request));
        for (int k = 0; k < 3; k++)
            bad.p[rand_below(&rand, bad.n)] = (char)rand_u64(&rand);
        (void)!otlp_testbed_read(b, buf_str(&bad));
        rows += b->rows;
    }
    assert_true(rows > 20000);
    buf_done(&bad);
}

static void a_known_series_is_found_again_and_memory_stays_within_its_limit(void **state)
{
    struct otlp_testbed *b = *state;
    b->settings.cache_bytes_max = 1 << 20;
    otlp_testbed_begin(b);
    put_request(&b->request, 1000, false);
    assert_int_equal(otlp_testbed_read(b, buf_str(&b->request)), 0);
    assert_int_equal(b->rows, 1000);
    size_t misses = b->t.cache.misses;
    assert_int_equal(otlp_testbed_read(b, buf_str(&b->request)), 0);
    assert_int_equal(b->t.cache.misses, misses);
    put_request(&b->request, 30000, false);
    b->times = false;
    assert_int_equal(otlp_testbed_read(b, buf_str(&b->request)), 0);
    assert_int_equal(b->rows, 30000);
    assert_line(b, "m_total{k29999=\"v\", second=\"v\"} 29999\n");
    assert_line(b, "m_total{k11111=\"v\", second=\"v\"} 11111\n");
    assert_true(b->t.cache.arena.total < 3 << 20);
}

/* ---- JSON */

static void numbers_of_json_are_read_in_all_their_forms(void **state)
{
    struct otlp_testbed *b = *state;
    otlp_testbed_begin(b);
    static const struct {
        const char *field, *value;
    } GOOD[] = {
        {"\"asInt\":7", "7"},
        {"\"asInt\":\"7\"", "7"},
        {"\"asInt\":\"-9223372036854775808\"", "-9.2233720368547758e+18"},
        {"\"asInt\":1e3", "1000"},
        {"\"asInt\":\"5.0\"", "5"},
        {"\"asDouble\":7", "7"},
        {"\"asDouble\":\"0.5\"", "0.5"},
        {"\"asDouble\":\"NaN\"", "nan"},
        {"\"asDouble\":\"Infinity\"", "inf"},
        {"\"asDouble\":\"-Infinity\"", "-inf"},
        {"\"asDouble\":-1.5e-3", "-0.0015"},
        {"\"asDouble\":null", "0"},
        {"\"unknown\":{\"a\":[1,{}]},\"asInt\":3", "3"},
    };
    for (size_t i = 0; i < COUNTOF(GOOD); i++) {
        struct buf json;
        char want[100];
        buf_init(&json, 10000);
        buf_printf(
            &json,
            "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"name\":\"m\",\"gauge\":"
            "{\"dataPoints\":[{\"timeUnixNano\":1700000000123456789,%s}]}}]}]}]}",
            GOOD[i].field);
        assert_int_equal(otlp_testbed_json(b, buf_str(&json)), 0);
        snprintf(want, sizeof want, "m %s @1700000000123 from 0\n", GOOD[i].value);
        if (!strstr(want, "nan"))
            assert_line(b, want);
        else
            assert_line(b, "nan @1700000000123 from 0\n");
        buf_done(&json);
    }
}

static void json_that_is_no_request_is_refused_with_its_place(void **state)
{
    struct otlp_testbed *b = *state;
    otlp_testbed_begin(b);
    static const char *const BAD[] = {
        "",
        "[]",
        "{\"resourceMetrics\":{}}",
        "{\"resourceMetrics\":[1]}",
        "{\"resourceMetrics\":[{}]",
        "{\"resourceMetrics\":[{}]} x",
        "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"name\":1}]}]}]}",
        "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"gauge\":{\"dataPoints\":"
        "[{\"timeUnixNano\":\"-1\"}]}}]}]}]}",
        "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"gauge\":{\"dataPoints\":"
        "[{\"asInt\":\"1.5\"}]}}]}]}]}",
        "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"gauge\":{\"dataPoints\":"
        "[{\"exemplars\":[{\"traceId\":\"0g\"}]}]}}]}]}]}",
        "{\"resourceMetrics\":[{\"resource\":{\"attributes\":[{\"value\":{\"bytesValue\":"
        "\"a b\"}}]}}]}",
    };
    for (size_t i = 0; i < COUNTOF(BAD); i++) {
        assert_int_equal(otlp_testbed_json(b, str_c(BAD[i])), -ERR_FORMAT);
        assert_true(b->why.text[0] != '\0');
    }
    assert_int_equal(otlp_testbed_json(b, STR("{}")), 0);
    assert_int_equal(b->rows, 0);
}

/* ---- what OpenTelemetry's JavaScript SDK sent */

static struct str read_body(const char *name, struct buf *out)
{
    char path[CASES_PATH_MAX];
    cases_path(name, path);
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        cases_skip(path);
    char piece[4096];
    for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;)
        buf_put(out, piece, n);
    fclose(f);
    return buf_str(out);
}

static void recorded_requests_in_both_encodings_give_the_same_rows(void **state)
{
    struct otlp_testbed *b = *state;
    struct buf body, first;
    buf_init(&body, 1 << 20);
    buf_init(&first, 1 << 20);
    b->times = false;
    otlp_testbed_begin(b);
    struct str proto = read_body("../payloads/002_otlp_metrics_proto.body", &body);
    assert_int_equal(otlp_testbed_read(b, proto), 0);
    buf_put_str(&first, buf_str(&b->lines));
    assert_line(b, "http_requests_total{instance=\"node-1\", job=\"checkout\", "
                   "route=\"/checkout\"} 5\n");
    assert_line(b, "http_duration_milliseconds_bucket{instance=\"node-1\", job=\"checkout\", "
                   "le=\"10\", route=\"/checkout\"} 4\n");
    assert_line(b, "rpc_size_bytes{instance=\"node-1\", job=\"checkout\"} {6 count 5 sum 1500 zero "
                   "0/1e-128 + 426:1 490:1 527:1 554:1 574:1 -}\n");
    buf_clear(&body);
    b->now_ms += 1000000; /* so that metadata is written again */
    assert_int_equal(
        otlp_testbed_json(b, read_body("../payloads/010_otlp_metrics_json.body", &body)), 0);
    assert_lines(b, arena_str(&b->texts, buf_str(&first)).p);
    buf_done(&body);
    buf_done(&first);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        CASE(every_kind_of_point_becomes_its_series),
        CASE(histograms_become_buckets_or_native_ones_with_custom_bounds),
        CASE(exponential_histograms_become_native_ones),
        CASE(points_that_cannot_be_taken_are_refused_alone),
        CASE(a_point_without_a_value_ends_its_series),
        CASE(values_of_every_kind_become_labels),
        CASE(names_that_fall_together_are_joined),
        CASE(resources_and_scopes_are_promoted_where_asked),
        CASE(target_info_spans_the_time_of_its_points),
        CASE(fields_come_in_any_order_and_unknown_ones_are_passed_over),
        CASE(what_is_cut_off_is_refused_with_its_place),
        CASE(damaged_bytes_do_no_harm),
        CASE(a_known_series_is_found_again_and_memory_stays_within_its_limit),
        CASE(numbers_of_json_are_read_in_all_their_forms),
        CASE(json_that_is_no_request_is_refused_with_its_place),
        CASE(recorded_requests_in_both_encodings_give_the_same_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
