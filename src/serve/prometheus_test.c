#include "serve/serve_testbed.h"

#include <math.h>

#include "codec/metric_family.h"
#include "model/sample.h"

/* Requests and what Prometheus answers to them: the status, and a text that the answer has or,
 * where it begins with '{', is. */

struct request {
    const char *line, *body;
    int status;
    const char *answer;
};

#define SUCCESS(data) "{\"status\":\"success\",\"data\":" data "}"
#define FAULT(type, message)                                                                       \
    "{\"status\":\"error\",\"errorType\":\"" type "\",\"error\":\"" message "\"}"
#define BAD(message)         FAULT("bad_data", message)
#define PARAM(name, message) BAD("invalid parameter \\\"" name "\\\": " message)

static void hold(const struct request *all, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct str answer = ask(all[i].line, "", all[i].body), body = body_of(answer);
        struct str wanted = str_c(all[i].answer);
        char begin[32];
        snprintf(begin, sizeof begin, "HTTP/1.1 %d ", all[i].status);
        bool whole = str_starts(wanted, STR("{\"status\""));
        bool good = str_starts(answer, str_c(begin)) &&
                    (whole ? str_eq(body, wanted) : str_search(answer, wanted) < answer.n);
        if (whole)
            good = good && has(answer, "Content-Type: application/json\r\n");
        if (!good)
            fail_msg("%s %s\nwanted %d " STR_FMT "\ngot " STR_FMT, all[i].line,
                     all[i].body ? all[i].body : "", all[i].status, STR_ARG(wanted),
                     STR_ARG(answer));
    }
}

#define HOLD(requests) hold(requests, COUNTOF(requests))

/* ---- parameters */

static void times_and_durations_have_all_of_prometheus_forms(void **state)
{
    static const struct request ALL[] = {
        {"GET /api/v1/query?query=1&time=1500000000.1239", NULL, 200,
         SUCCESS("{\"resultType\":\"scalar\",\"result\":[1500000000.124,\"1\"]}")},
        {"GET /api/v1/query?query=1&time=2015-06-03T13:21:58.555Z", NULL, 200,
         SUCCESS("{\"resultType\":\"scalar\",\"result\":[1433337718.555,\"1\"]}")},
        {"GET /api/v1/query?query=1&time=2015-06-03T14:21:58.555%2B01:00", NULL, 200,
         SUCCESS("{\"resultType\":\"scalar\",\"result\":[1433337718.555,\"1\"]}")},
        {"GET /api/v1/query?query=1&time=foo", NULL, 400,
         PARAM("time", "Invalid time value for 'time': cannot parse \\\"foo\\\" to a valid "
                       "timestamp")},
        {"GET /api/v1/query?query=1&timeout=foo", NULL, 400,
         PARAM("timeout", "cannot parse \\\"foo\\\" to a valid duration")},
        {"GET /api/v1/query?query=1&timeout=1m30s&time=4", NULL, 200,
         SUCCESS("{\"resultType\":\"scalar\",\"result\":[4,\"1\"]}")},
        {"GET /api/v1/query?query=1&limit=x", NULL, 400,
         PARAM("limit", "strconv.Atoi: parsing \\\"x\\\": invalid syntax")},
        {"GET /api/v1/query?query=1&limit=99999999999999999999", NULL, 400,
         PARAM("limit", "strconv.Atoi: parsing \\\"99999999999999999999\\\": value out of range")},
        {"GET /api/v1/query?query=1&limit=-1", NULL, 400,
         PARAM("limit", "limit must be non-negative")},
        {"GET /api/v1/query_range?query=1&start=foo&end=2&step=1", NULL, 400,
         PARAM("start", "cannot parse \\\"foo\\\" to a valid timestamp")},
        {"GET /api/v1/query_range?query=1&start=1&end=2", NULL, 400,
         PARAM("step", "cannot parse \\\"\\\" to a valid duration")},
        /* The first and the last time that Prometheus can say. */
        {"GET /api/v1/series?match[]=up&start=-292273086-05-16T16:47:06Z&end="
         "292277025-08-18T07:12:54.999999999Z&limit=1",
         NULL, 200, "results truncated due to limit"},
        {"GET /api/v1/labels?start=foo", NULL, 400,
         PARAM("start", "Invalid time value for 'start': cannot parse \\\"foo\\\" to a valid "
                        "timestamp")},
        {"GET /api/v1/labels?start=2&end=1", NULL, 200, SUCCESS("[]")},
        {"GET /api/v1/series?match[]=up&start=2&end=1", NULL, 200, SUCCESS("[]")},
    };
    (void)state;
    HOLD(ALL);
}

static void selectors_are_refused_as_there(void **state)
{
    static const struct request ALL[] = {
        {"GET /api/v1/series", NULL, 400, BAD("no match[] parameter provided")},
        {"GET /api/v1/series?start=foo", NULL, 400, BAD("no match[] parameter provided")},
        {"GET /api/v1/series?match[]=%7Ba=~%22.*%22%7D", NULL, 400,
         PARAM("match[]", "match[] must contain at least one non-empty matcher")},
        {"GET /api/v1/labels?match[]=%7Ba=~%22.*%22%7D", NULL, 400,
         BAD("match[] must contain at least one non-empty matcher")},
        {"GET /api/v1/labels?match[]=up%7B", NULL, 400,
         BAD("1:4: parse error: unexpected end of input inside braces")},
        {"POST /api/v1/series", "match[]=up%7B", 400,
         PARAM("match[]", "1:4: parse error: unexpected end of input inside braces")},
        {"GET /api/v1/label/%ff/values", NULL, 400, BAD("invalid label name: \\\"\\\\xff\\\"")},
        /* A form goes before the query string, and both are read. */
        {"POST /api/v1/series?match[]=up%7Bjob=%22b%22%7D&end=2000", "match[]=up%7Bjob=%22a%22%7D",
         200, SUCCESS("[{\"__name__\":\"up\",\"job\":\"a\"},{\"__name__\":\"up\",\"job\":\"b\"}]")},
    };
    (void)state;
    HOLD(ALL);
}

static void metadata_and_exemplars_have_their_own_limits(void **state)
{
    static const struct request ALL[] = {
        {"GET /api/v1/metadata?limit=x", NULL, 400, BAD("limit must be a number")},
        {"GET /api/v1/metadata?limit_per_metric=x", NULL, 400,
         BAD("limit_per_metric must be a number")},
        {"GET /api/v1/metadata?limit=0", NULL, 200, SUCCESS("{}")},
        {"GET /api/v1/metadata?limit=-1&limit_per_metric=1", NULL, 200, "\"up\":["},
        {"GET /api/v1/query_exemplars?query=1", NULL, 204, "\r\n\r\n"},
        {"GET /api/v1/query_exemplars?query=up%7B", NULL, 400,
         BAD("1:4: parse error: unexpected end of input inside braces")},
        {"GET /api/v1/query_exemplars?query=up&start=2&end=1", NULL, 400,
         BAD("end timestamp must not be before start timestamp")},
    };
    (void)state;
    HOLD(ALL);
}

static void wrong_methods_and_paths_are_plain_text(void **state)
{
    static const struct request ALL[] = {
        {"DELETE /api/v1/query?query=1", NULL, 405, "Allow: OPTIONS, GET, HEAD, POST\r\n"},
        {"POST /api/v1/metadata", "a=b", 405, "Content-Type: text/plain; charset=utf-8\r\n"},
        {"PUT /api/v1/label/job/values", NULL, 405, "Allow: OPTIONS, GET, HEAD\r\n"},
        {"GET /api/v1/admin/tsdb/snapshot", NULL, 405, "Allow: OPTIONS, POST, PUT\r\n"},
        {"GET /api/v1/nothing", NULL, 404, "404 page not found\n"},
        {"OPTIONS /api/v1/query", NULL, 204, "Allow: "},
        {"OPTIONS /api/v1/nothing", NULL, 204, "Allow: "},
        {"HEAD /api/v1/labels", NULL, 200, "Content-Length: "},
        {"HEAD /-/healthy", NULL, 200, "Content-Length: "},
    };
    (void)state;
    HOLD(ALL);
}

/* ---- expressions */

static void expressions_are_formatted_and_parsed(void **state)
{
    static const struct request ALL[] = {
        {"POST /api/v1/format_query", "query=foo/bar", 200, SUCCESS("\"foo / bar\"")},
        {"GET /api/v1/format_query?query=1+%2B", NULL, 400,
         PARAM("query", "1:4: parse error: unexpected end of input")},
        {"GET /api/v1/parse_query?query=1", NULL, 200,
         SUCCESS("{\"type\":\"numberLiteral\",\"val\":\"1\"}")},
        {"GET /api/v1/parse_query?query=", NULL, 400, "\"errorType\":\"bad_data\""},
        {"GET /api/v1/parse_query?query=limitk(1,up)", NULL, 200, "\"op\":\"limitk\""},
    };
    (void)state;
    HOLD(ALL);
}

/* ---- what is scraped: nothing */

static void there_are_no_targets(void **state)
{
    static const struct request ALL[] = {
        {"GET /api/v1/targets?state=foo", NULL, 200,
         SUCCESS("{\"activeTargets\":[],\"droppedTargets\":[],\"droppedTargetCounts\":{}}")},
        {"GET /api/v1/targets/metadata?limit=x", NULL, 400, BAD("limit must be a number")},
        {"GET /api/v1/targets/metadata?match_target=up%7B", NULL, 400,
         PARAM("match_target", "1:4: parse error: unexpected end of input inside braces")},
        {"GET /api/v1/targets/metadata?metric=up", NULL, 200, SUCCESS("[]")},
        {"GET /api/v1/targets/relabel_steps", NULL, 400, BAD("no scrapePool parameter provided")},
        {"GET /api/v1/targets/relabel_steps?scrapePool=a", NULL, 400,
         BAD("no labels parameter provided")},
        {"GET /api/v1/targets/relabel_steps?scrapePool=a&labels=%5B1%5D", NULL, 400,
         "error parsing labels: "},
        {"GET /api/v1/targets/relabel_steps?scrapePool=a&labels=%7B%22x%22:%22y%22%7D", NULL, 400,
         BAD("error retrieving scrape config: scrape pool \\\"a\\\" not found")},
        {"GET /api/v1/scrape_pools", NULL, 200, SUCCESS("{\"scrapePools\":[]}")},
        {"GET /api/v1/scrape_pools/config?scrapePool=a", NULL, 400,
         BAD("scrape pool \\\"a\\\" not found")},
        {"GET /api/v1/alertmanagers", NULL, 200,
         SUCCESS("{\"activeAlertmanagers\":[],\"droppedAlertmanagers\":[]}")},
    };
    (void)state;
    HOLD(ALL);
}

/* ---- status */

static void the_status_is_told(void **state)
{
    static const struct request ALL[] = {
        {"GET /api/v1/status/config", NULL, 200, SUCCESS("{\"yaml\":\"global: {}\\n\"}")},
        {"GET /api/v1/status/flags", NULL, 200, SUCCESS("{\"web.enable-lifecycle\":\"true\"}")},
        {"GET /api/v1/status/walreplay", NULL, 200, SUCCESS("{\"min\":0,\"max\":0,\"current\":0}")},
        {"GET /api/v1/status/runtimeinfo", NULL, 200,
         "\"reloadConfigSuccess\":true,\"lastConfigTime\":\"2023-11-14T22:13:20.5Z\","
         "\"corruptionCount\":0,\"goroutineCount\":9,\"GOMAXPROCS\":2,\"GOMEMLIMIT\":"
         "9223372036854775807,\"GOGC\":\"\",\"GODEBUG\":\"\",\"storageRetention\":\"15d\"}"},
        {"GET /api/v1/status/tsdb/blocks", NULL, 200,
         SUCCESS("{\"blocks\":[{\"ulid\":\"tenants/0000/part-7\",\"minTime\":1000,\"maxTime\":2000,"
                 "\"stats\":{\"numSamples\":50,\"numSeries\":5,\"numChunks\":6},\"compaction\":{"
                 "\"level\":3},\"version\":1}]}")},
        {"GET /api/v1/status/tsdb?limit=x", NULL, 400, BAD("limit must be a positive number")},
        {"GET /api/v1/status/tsdb?limit=0", NULL, 400, BAD("limit must be a positive number")},
        {"GET /api/v1/status/tsdb?limit=10001", NULL, 400, BAD("limit must not exceed 10000")},
        {"GET /api/v1/status/self_metrics?metric_name_pattern=sonde_queries_tota", NULL, 200,
         SUCCESS("[]")},
        {"GET /api/v1/status/self_metrics?metric_name_pattern=sonde_queries_.*", NULL, 200,
         "[{\"name\":\"sonde_queries_total\",\"help\":\"Queries of the HTTP API.\",\"type\":"
         "\"COUNTER\",\"metric\":[{\"counter\":{\"value\":"},
        {"GET /api/v1/status/self_metrics?metric_name_pattern=sonde_query_duration_seconds", NULL,
         200, "\"metric\":[{\"histogram\":{\"bucket\":[{\"cumulative_count\":"},
        {"GET /api/v1/status/self_metrics?metric_name_pattern=(", NULL, 400,
         "invalid parameter \\\"metric_name_pattern\\\": "},
        {"GET /api/v1/features", NULL, 200, "\"api\":{\"admin\":true,"},
        {"GET /api/v1/features", NULL, 200, "\"limitk\":true,"},
        {"GET /api/v1/features", NULL, 200, "\"anchored\":false,"},
        {"GET /api/v1/features", NULL, 200, "\"rate\":true,"},
        {"GET /version", NULL, 200, "\r\n\r\n{\"version\":\"3."},
    };
    (void)state;
    HOLD(ALL);
    assert_true(has(ask("GET /api/v1/status/tsdb/blocks", "X-Scope-OrgID: x\r\n", NULL),
                    "{\"blocks\":[]}"));
}

static void the_paths_of_prometheus_pages_lead_to_ours(void **state)
{
    static const struct request ALL[] = {
        {"GET /graph?g0.expr=up%7Ba%3D%22b%22%7D%3E0&g0.tab=1", NULL, 302,
         "Location: /?view=query&expr=up%7Ba%3D%22b%22%7D%3E0&tab=table\r\n"},
        {"GET /query?g0.expr=up&g0.tab=graph", NULL, 302, "Location: /?view=query&expr=up\r\n"},
        {"GET /query", NULL, 302, "Location: /?view=query\r\n"},
        {"GET /alerts", NULL, 302, "Location: /?view=alerts\r\n"},
        {"GET /rules", NULL, 302, "Location: /?view=alerts\r\n"},
        {"GET /targets", NULL, 302, "Location: /?view=targets\r\n"},
        {"GET /service-discovery", NULL, 302, "Location: /?view=targets\r\n"},
    };
    (void)state;
    HOLD(ALL);
}

/* ---- lifecycle and notifications */

static void a_reload_answers_how_it_went(void **state)
{
    static const struct request GOOD[] = {
        {"GET /-/reload", NULL, 405, "\r\n\r\nOnly POST or PUT requests allowed"},
        {"POST /-/reload", "", 200, "Content-Length: 0\r\n"},
        {"PUT /-/reload", NULL, 200, "Content-Length: 0\r\n"},
        {"GET /api/v1/notifications", NULL, 200, SUCCESS("[]")},
    };
    static const struct request BAD_FILE[] = {
        {"POST /-/reload", "", 500,
         "\r\n\r\nfailed to reload config: rules.yml:3:1: no such function\n"},
        {"GET /api/v1/notifications", NULL, 200,
         "[{\"text\":\"Configuration reload has failed.\",\"date\":\"20"},
        {"GET /api/v1/status/runtimeinfo", NULL, 200, "\"reloadConfigSuccess\":false"},
    };
    (void)state;
    HOLD(GOOD);
    site.problem = "rules.yml:3:1: no such function";
    HOLD(BAD_FILE);
    site.problem = "";
    HOLD(GOOD);
}

static void the_end_can_be_asked_for(void **state)
{
    static const struct request ALL[] = {
        {"GET /-/quit", NULL, 405, "\r\n\r\nOnly POST or PUT requests allowed"},
        {"POST /-/quit", "", 200, "\r\n\r\nRequesting termination... Goodbye!"},
    };
    (void)state;
    HOLD(ALL);
    for (int i = 0; i < 500 && atomic_load(&site.quits) == 0; i++)
        usleep(2000);
    assert_int_equal(atomic_load(&site.quits), 1);
}

/* What comes until needle has come. */
static void hear_until(int fd, const char *needle)
{
    char text[8192];
    size_t n = 0;
    while (n == 0 || memmem(text, n, needle, strlen(needle)) == NULL) {
        ssize_t got = read(fd, text + n, sizeof text - n);
        if (got <= 0)
            fail_msg("no %s in %.*s", needle, (int)n, text);
        n += (size_t)got;
    }
}

static int open_stream(void)
{
    static const char REQUEST[] =
        "GET /api/v1/notifications/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    int fd = dial();
    assert_int_equal(send(fd, REQUEST, sizeof REQUEST - 1, MSG_NOSIGNAL), sizeof REQUEST - 1);
    return fd;
}

static void notifications_are_streamed_as_they_change(void **state)
{
    (void)state;
    serve_notify(site.serve, "The disk is \"full\".", true);
    int fd = open_stream();
    hear_until(fd, "data: {\"text\":\"The disk is \\\"full\\\".\",");
    serve_notify(site.serve, "Another.", true);
    hear_until(fd, "data: {\"text\":\"Another.\",");
    serve_notify(site.serve, "The disk is \"full\".", false);
    hear_until(fd, "\"active\":false}\n\n");
    serve_notify(site.serve, "Another.", false);
    serve_notify(site.serve, "Never there.", false);
    hear_until(fd, "data: {\"text\":\"Another.\",");
    close(fd);
}

static void no_more_than_sixteen_streams_are_open_at_once(void **state)
{
    int fds[16];
    (void)state;
    usleep(300000); /* the streams before have ended */
    for (size_t i = 0; i < COUNTOF(fds); i++) {
        fds[i] = open_stream();
        hear_until(fds[i], "text/event-stream");
    }
    assert_true(str_starts(ask("GET /api/v1/notifications/live", "", NULL), STR("HTTP/1.1 204 ")));
    for (size_t i = 0; i < COUNTOF(fds); i++)
        close(fds[i]);
    usleep(300000);
}

/* ---- search */

static void names_are_found_by_what_is_typed(void **state)
{
    static const struct request ALL[] = {
        {"GET /api/v1/search/label_names?search[]=nst&include_score=true", NULL, 200,
         "\r\n\r\n{\"results\":[{\"name\":\"instance\",\"score\":0.9583"},
        {"GET /api/v1/search/label_names?search[]=JOB&case_sensitive=false&sort_by=score", NULL,
         200,
         "\r\n\r\n{\"results\":[{\"name\":\"job\"}]}\n{\"status\":\"success\",\"has_more\":false}"
         "\n"},
        {"GET /api/v1/search/label_names?limit=2&batch_size=1", NULL, 200,
         "\r\n\r\n{\"results\":[{\"name\":\"__name__\"}]}\n{\"results\":[{\"name\":\"instance\"}]}"
         "\n{"
         "\"status\":\"success\",\"has_more\":true}\n"},
        {"GET /api/v1/search/label_names?sort_by=alpha&sort_dir=dsc&limit=1", NULL, 200,
         "{\"results\":[{\"name\":\"job\"}]}\n"},
        {"POST /api/v1/search/metric_names", "match[]=up&search[]=z&include_metadata=true", 200,
         "\r\n\r\n{\"results\":[{\"name\":\"z\"}]}\n"},
        {"POST /api/v1/search/metric_names", "match[]=up&search[]=u&include_metadata=true", 200,
         "{\"results\":[{\"name\":\"up\",\"type\":\"gauge\",\"help\":\"Is it "
         "up?\",\"unit\":\"bool\""
         "}]}\n"},
        {"GET /api/v1/search/label_values?label=job&search[]=y&fuzz_threshold=90", NULL, 200,
         "\r\n\r\n{\"results\":[]}\n{\"status\":\"success\",\"has_more\":false}\n"},
        {"GET /api/v1/search/label_values?label=job&search[]=zz&fuzz_alg=jarowinkler&"
         "fuzz_threshold=80",
         NULL, 200, "{\"results\":[{\"name\":\"z\",\"value\":\"z\"}]}\n"},
        {"GET /api/v1/search/label_values", NULL, 400,
         BAD("missing required parameter \\\"label\\\"")},
        {"GET /api/v1/search/label_names?fuzz_threshold=101", NULL, 400,
         BAD("invalid fuzz_threshold \\\"101\\\": must be 0-100")},
        {"GET /api/v1/search/label_names?fuzz_alg=x", NULL, 400,
         BAD("unsupported fuzz_alg \\\"x\\\": must be one of [subsequence jarowinkler]")},
        {"GET /api/v1/search/label_names?sort_dir=asc", NULL, 400,
         BAD("sort_dir is only valid when sort_by is set")},
        {"GET /api/v1/search/label_names?sort_by=score", NULL, 400,
         BAD("sort_by=score requires search[] to be set")},
        {"GET /api/v1/search/label_names?sort_by=size", NULL, 400,
         BAD("invalid sort_by \\\"size\\\" for label_names: must be \\\"alpha\\\" or "
             "\\\"score\\\"")},
        {"GET /api/v1/search/label_names?include_score=2", NULL, 400,
         BAD("invalid include_score \\\"2\\\": must be boolean")},
        {"GET /api/v1/search/label_names?limit=-1", NULL, 400,
         BAD("invalid limit \\\"-1\\\": must be non-negative integer")},
        {"GET /api/v1/search/label_values?label=broken", NULL, 500, "page 7 of a part is damaged"},
    };
    (void)state;
    HOLD(ALL);
}

/* ---- federation */

static void put(const char *metric, const char *name, const char *value, int64_t ts_ms, double v,
                const struct histogram *h)
{
    struct buf key;
    buf_init(&key, 1000);
    labels_put(&key, LABEL_METRIC, str_c(metric));
    labels_put(&key, str_c(name), str_c(value));
    promqltest_store_put(site.memory, buf_str(&key), ts_ms, v, h);
    buf_done(&key);
}

static void add_series(void)
{
    static const struct histogram_span SPANS[] = {{0, 1}};
    static const double COUNTS[] = {3};
    const struct histogram h = {.count = 3,
                                .sum = 4,
                                .positive_spans = SPANS,
                                .positive_spans_n = 1,
                                .positive = COUNTS,
                                .positive_n = 1};
    int64_t at = site.base_ms - 10000;
    put("fed_b", "job", "x", at - 1000, 1, NULL);
    put("fed_b", "job", "x", at, 1.5, NULL);
    put("fed_a", "instance", "i", at, 1e21, NULL);
    put("fed_gone", "job", "x", at - 1000, 1, NULL);
    put("fed_gone", "job", "x", at, bits_double(SAMPLE_STALE_BITS), NULL);
    put("fed_old", "job", "x", site.base_ms - 301000, 1, NULL);
    put("fed_h", "job", "x", at, 0, &h);
    put("fed.dot", "a.b", "x", at, 2, NULL);
}

static void federation_gives_the_newest_samples(void **state)
{
    char wanted[1024];
    (void)state;
    long long at = (long long)site.base_ms - 10000;
    struct str got =
        ask("GET /federate?match[]=%7B__name__=~%22fed_.*%22%7D&match[]=fed_b", "", NULL);
    assert_true(str_starts(got, STR("HTTP/1.1 200 ")));
    assert_true(has(got, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    snprintf(wanted, sizeof wanted,
             "\r\n\r\n# TYPE fed_a untyped\n"
             "fed_a{instance=\"i\",job=\"never\",region=\"eu\"} 1e+21 %lld\n"
             "# TYPE fed_b untyped\n"
             "fed_b{job=\"x\",instance=\"\",region=\"eu\"} 1.5 %lld\n",
             at, at);
    if (!str_ends(got, str_c(wanted)))
        fail_msg("wanted %s\ngot " STR_FMT, wanted, STR_ARG(got));
    got = ask("GET /federate?match[]=fed_b", "Accept: application/openmetrics-text\r\n", NULL);
    snprintf(wanted, sizeof wanted,
             "\r\n\r\n# TYPE fed_b unknown\nfed_b{job=\"x\",instance=\"\",region=\"eu\"} 1.5 "
             "%lld.000\n# EOF\n",
             at / 1000);
    assert_true(str_ends(got, str_c(wanted)));
}

static void federation_gives_histograms_in_protobuf(void **state)
{
    static const char ACCEPT[] =
        "Accept: application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
        "encoding=delimited,text/plain;q=0.3\r\n";
    struct buf whole, key;
    struct metric_family_writer w;
    static const struct histogram_span SPANS[] = {{0, 1}};
    static const double COUNTS[] = {3};
    const struct histogram h = {.count = 3,
                                .sum = 4,
                                .positive_spans = SPANS,
                                .positive_spans_n = 1,
                                .positive = COUNTS,
                                .positive_n = 1};
    (void)state;
    buf_init(&whole, 65536);
    buf_init(&key, 65536);
    labels_put(&key, STR("job"), STR("x"));
    labels_put(&key, STR("instance"), STR(""));
    labels_put(&key, STR("region"), STR("eu"));
    metric_family_init(&w, &whole);
    metric_family_begin(&w, STR("fed_b"), METRIC_FAMILY_UNTYPED);
    metric_family_untyped(&w, buf_str(&key), 1.5, site.base_ms - 10000);
    metric_family_begin(&w, STR("fed_h"), METRIC_FAMILY_HISTOGRAM);
    metric_family_histogram(&w, buf_str(&key), &h, site.base_ms - 10000);
    metric_family_done(&w);
    struct str got = ask("GET /federate?match[]=fed_h&match[]=fed_b", ACCEPT, NULL);
    assert_true(has(got, "Content-Type: application/vnd.google.protobuf; "
                         "proto=io.prometheus.client.MetricFamily; encoding=delimited\r\n"));
    assert_true(str_eq(body_of(got), buf_str(&whole)));
    buf_done(&whole);
    buf_done(&key);
}

static void federation_refuses_in_plain_text(void **state)
{
    static const struct request ALL[] = {
        {"GET /federate", NULL, 200, "Content-Length: 0\r\n"},
        {"GET /federate?match[]=up%7B", NULL, 400,
         "\r\n\r\n1:4: parse error: unexpected end of input inside braces\n"},
        {"POST /federate", "match[]=up", 405, "Allow: OPTIONS, GET, HEAD\r\n"},
        {"GET /federate?match[]=%7B%22fed.dot%22%7D", NULL, 200, "fed_dot{a_b=\"x\","},
    };
    (void)state;
    HOLD(ALL);
    assert_true(has(ask("GET /federate?match[]=%7B%22fed.dot%22%7D",
                        "Accept: text/plain;version=1.0.0;escaping=allow-utf-8\r\n", NULL),
                    "{\"fed.dot\",\"a.b\"=\"x\","));
}

/* ---- other sites */

static void friends_may_read_and_ask_but_not_write(void **state)
{
    static const char FRIEND[] = "Origin: https://friend.example:3000\r\n";
    static const char FOE[] = "Origin: https://friend.example.evil\r\n";
    (void)state;
    assert_true(has(ask("GET /api/v1/labels", FRIEND, NULL),
                    "Access-Control-Allow-Origin: https://friend.example:3000\r\n"));
    assert_true(has(ask("OPTIONS /api/v1/labels", FRIEND, NULL),
                    "Access-Control-Allow-Headers: Accept, Authorization, Content-Type, Origin"));
    assert_true(has(ask("POST /api/v1/query", FRIEND, "query=1&time=4"), "\"result\":[4,\"1\"]"));
    assert_false(has(ask("GET /api/v1/labels", FOE, NULL), "Access-Control-Allow-Origin"));
    assert_true(str_starts(ask("POST /api/v1/query", FOE, "query=1&time=4"), STR("HTTP/1.1 403 ")));
    assert_true(str_starts(ask("POST /api/v1/admin/tsdb/delete_series?match[]=up", FRIEND, ""),
                           STR("HTTP/1.1 403 ")));
    assert_true(str_starts(ask("POST /-/quit", FRIEND, ""), STR("HTTP/1.1 403 ")));
}

/* ---- where it is closed */

static void admin_and_lifecycle_are_off_by_default(void **state)
{
    static const struct request ALL[] = {
        {"POST /api/v1/admin/tsdb/delete_series", "match[]=up", 500,
         FAULT("unavailable", "admin APIs disabled")},
        {"PUT /api/v1/admin/tsdb/clean_tombstones", NULL, 500,
         FAULT("unavailable", "admin APIs disabled")},
        {"POST /api/v1/admin/tsdb/snapshot", "", 500, FAULT("unavailable", "admin APIs disabled")},
        {"POST /-/reload", "", 403, "\r\n\r\nLifecycle API is not enabled."},
        {"PUT /-/quit", NULL, 403, "\r\n\r\nLifecycle API is not enabled."},
        {"GET /api/v1/features", NULL, 200, "\"api\":{\"admin\":false,"},
    };
    (void)state;
    HOLD(ALL);
    assert_int_equal(atomic_load(&site.removed), 0);
    struct str answer = ask("GET /api/v1/labels", "Origin: https://friend.example\r\n", NULL);
    assert_false(has(answer, "Access-Control-Allow-Origin"));
    assert_true(str_starts(ask("POST /api/admin/snapshot", "", ""), STR("HTTP/1.1 200 ")));
}

static void the_admin_endpoints_do_what_they_say(void **state)
{
    static const struct request ALL[] = {
        {"PUT /api/v1/admin/tsdb/delete_series?match[]=up", NULL, 204, "\r\n\r\n"},
        {"POST /api/v1/admin/tsdb/delete_series", "start=1", 400,
         BAD("no match[] parameter provided")},
        {"POST /api/v1/admin/tsdb/snapshot?skip_head=x", "", 400,
         PARAM("skip_head",
               "unable to parse boolean: strconv.ParseBool: parsing \\\"x\\\": invalid syntax")},
        {"POST /api/v1/admin/tsdb/snapshot?skip_head=true", "", 200,
         SUCCESS("{\"name\":\"20231114T221320Z\"}")},
        {"POST /api/v1/admin/tsdb/clean_tombstones", "", 204, "\r\n\r\n"},
    };
    (void)state;
    HOLD(ALL);
    assert_int_equal(atomic_load(&site.removed), 1);
    assert_int_equal(atomic_load(&site.flushed), 1);
    assert_int_equal(atomic_load(&site.merged), 1);
}

static int start_open(void **state)
{
    site.closed = false;
    int err = start(state);
    add_series();
    return err;
}

static int start_closed(void **state)
{
    site.closed = true;
    return start(state);
}

int main(void)
{
    const struct CMUnitTest closed[] = {
        cmocka_unit_test(admin_and_lifecycle_are_off_by_default),
    };
    const struct CMUnitTest open[] = {
        cmocka_unit_test(times_and_durations_have_all_of_prometheus_forms),
        cmocka_unit_test(selectors_are_refused_as_there),
        cmocka_unit_test(metadata_and_exemplars_have_their_own_limits),
        cmocka_unit_test(wrong_methods_and_paths_are_plain_text),
        cmocka_unit_test(expressions_are_formatted_and_parsed),
        cmocka_unit_test(there_are_no_targets),
        cmocka_unit_test(the_status_is_told),
        cmocka_unit_test(the_paths_of_prometheus_pages_lead_to_ours),
        cmocka_unit_test(a_reload_answers_how_it_went),
        cmocka_unit_test(the_end_can_be_asked_for),
        cmocka_unit_test(notifications_are_streamed_as_they_change),
        cmocka_unit_test(no_more_than_sixteen_streams_are_open_at_once),
        cmocka_unit_test(names_are_found_by_what_is_typed),
        cmocka_unit_test(federation_gives_the_newest_samples),
        cmocka_unit_test(federation_gives_histograms_in_protobuf),
        cmocka_unit_test(federation_refuses_in_plain_text),
        cmocka_unit_test(friends_may_read_and_ask_but_not_write),
        cmocka_unit_test(the_admin_endpoints_do_what_they_say),
    };
    int failed = cmocka_run_group_tests(closed, start_closed, stop);
    return failed + cmocka_run_group_tests(open, start_open, stop);
}
