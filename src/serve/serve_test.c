#include "serve/serve_testbed.h"

/* ---- Prometheus's API */

static void an_instant_query_answers_as_prometheus_does(void **state)
{
    (void)state;
    expect("GET /api/v1/query?query=up%7Bjob%3D%22a%22%7D&time=1005.5", "", NULL, 200,
           "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{"
           "\"__name__\":\"up\",\"job\":\"a\"},\"value\":[1005.500,\"5\"]}]}}");
    expect("POST /api/v1/query", "", "query=1.5&time=4", 200,
           "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[4,\"1.5\"]}}");
    expect("POST /api/v1/query", "", "query=%22a%3Cb%22&time=4.5", 200,
           "{\"status\":\"success\",\"data\":{\"resultType\":\"string\",\"result\":[4.5,"
           "\"a\\u003cb\"]}}");
}

static void a_range_query_answers_a_matrix(void **state)
{
    (void)state;
    expect("GET /api/v1/query_range?query=sum(up)&start=1000&end=1002&step=1", "", NULL, 200,
           "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{},"
           "\"values\":[[1000,\"0\"],[1001,\"2\"],[1002,\"4\"]]}]}}");
    expect(
        "GET /api/v1/query_range?query=up&start=1970-01-01T00:16:40Z&end=1000&step=1m&limit=1", "",
        NULL, 200,
        "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{"
        "\"__name__\":\"up\",\"job\":\"a\"},\"values\":[[1000,\"0\"]]}]},\"warnings\":[\"results "
        "truncated due to limit\"]}");
}

static void a_tenant_that_never_wrote_has_no_series(void **state)
{
    (void)state;
    expect("GET /api/v1/query?query=up&time=1005", "X-Scope-OrgID: stranger\r\n", NULL, 200,
           "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}");
    assert_true(has(ask("GET /api/v1/query?query=up", "X-Scope-OrgID: ../etc\r\n", NULL),
                    "X-Scope-OrgID must be"));
}

static void wrong_parameters_are_told_in_prometheus_words(void **state)
{
    (void)state;
    static const struct {
        const char *line, *text;
    } CASES[] = {
        {"GET /api/v1/query?query=", "invalid parameter \\\"query\\\": "},
        {"GET /api/v1/query?query=sum(", "parse error"},
        {"GET /api/v1/query?query=1&time=x", "invalid parameter \\\"time\\\": Invalid time value "
                                             "for 'time': cannot parse \\\"x\\\" to a "
                                             "valid timestamp"},
        {"GET /api/v1/query?query=1&timeout=x",
         "invalid parameter \\\"timeout\\\": cannot parse \\\"x\\\" to a valid duration"},
        {"GET /api/v1/query?query=1&limit=-1", "limit must be non-negative"},
        {"GET /api/v1/query_range?query=1&start=2&end=1&step=1",
         "invalid parameter \\\"end\\\": end timestamp must not be before start time"},
        {"GET /api/v1/query_range?query=1&start=1&end=2&step=0",
         "zero or negative query resolution step widths are not accepted"},
        {"GET /api/v1/query_range?query=1&start=1&end=20000&step=1",
         "exceeded maximum resolution of 11,000 points per timeseries"},
        {"GET /api/v1/query_range?query=1&start=1&step=1", "invalid parameter \\\"end\\\""},
        {"GET /api/v1/query_range?query=up[5m]&start=1&end=2&step=1", "range vector"},
        {"GET /api/v1/series", "no match[] parameter provided"},
        {"GET /api/v1/series?match[]=up{", "invalid parameter \\\"match[]\\\""},
    };
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        struct str answer = ask(CASES[i].line, "", NULL);
        if (!str_starts(answer, STR("HTTP/1.1 400 ")) || !has(answer, CASES[i].text) ||
            !has(answer, "\"errorType\":\"bad_data\""))
            fail_msg("%s: " STR_FMT, CASES[i].line, STR_ARG(answer));
    }
}

static void series_and_labels_are_listed(void **state)
{
    (void)state;
    expect("GET /api/v1/series?match[]=up&match[]=up%7Bjob%3D%22a%22%7D&end=2000", "", NULL, 200,
           "{\"status\":\"success\",\"data\":[{\"__name__\":\"up\",\"job\":\"a\"},{\"__name__\":"
           "\"up\",\"job\":\"b\"}]}");
    expect("GET /api/v1/series?match[]=up&end=2000&limit=1", "", NULL, 200,
           "{\"status\":\"success\",\"data\":[{\"__name__\":\"up\",\"job\":\"a\"}],\"warnings\":["
           "\"results truncated due to limit\"]}");
    expect("POST /api/v1/labels", "", "limit=2", 200,
           "{\"status\":\"success\",\"data\":[\"__name__\",\"instance\"],\"warnings\":[\"results "
           "truncated due to limit\"]}");
    expect("GET /api/v1/label/job/values?match[]=up&match[]=down", "", NULL, 200,
           "{\"status\":\"success\",\"data\":[\"down\",\"up\",\"z\"]}");
    assert_true(str_starts(ask("GET /api/v1/label/broken/values", "", NULL), STR("HTTP/1.1 500 ")));
    assert_true(has(ask("GET /api/v1/label/broken/values", "", NULL), "page 7 of a part"));
    assert_true(str_starts(ask("GET /api/v1/label/%ff/values", "", NULL), STR("HTTP/1.1 400 ")));
}

static void metadata_exemplars_and_status_have_their_forms(void **state)
{
    (void)state;
    expect("GET /api/v1/metadata?limit=1", "", NULL, 200,
           "{\"status\":\"success\",\"data\":{\"lines\":[{\"type\":\"counter\",\"help\":\"Lines "
           "\\\"seen\\\".\",\"unit\":\"\"}]}}");
    expect("GET /api/v1/query_exemplars?query=rate(up%5B1m%5D)&start=1&end=2", "", NULL, 200,
           "{\"status\":\"success\",\"data\":[{\"seriesLabels\":{\"__name__\":\"up\"},"
           "\"exemplars\":[{\"labels\":{\"trace_id\":\"7f3a\"},\"value\":\"6\",\"timestamp\":"
           "1600096945.479},{\"labels\":{\"trace_id\":\"7f3a\"},\"value\":\"7\",\"timestamp\":"
           "1600096945.480}]}]}");
    expect("GET /api/v1/status/tsdb", "", NULL, 200,
           "{\"status\":\"success\",\"data\":{\"headStats\":{\"numSeries\":3,\"numLabelPairs\":5,"
           "\"chunkCount\":4,\"minTime\":1,\"maxTime\":2},\"seriesCountByMetricName\":[{\"name\":"
           "\"up\",\"value\":2}],\"labelValueCountByLabelName\":[],\"memoryInBytesByLabelName\":["
           "{\"name\":\"up\",\"value\":2}],\"seriesCountByLabelValuePair\":[]}}");
    assert_true(has(ask("GET /api/v1/status/buildinfo", "", NULL), "\"version\":\"3.0.0+sonde-"));
    assert_false(has(ask("GET /api/v1/status/buildinfo", "", NULL), "features"));
    assert_true(has(ask("GET /api/v1/status/runtimeinfo", "", NULL),
                    "\"startTime\":\"2023-11-14T22:13:20Z\""));
    expect("GET /api/v1/format_query?query=sum%20%20by(job)(up)", "", NULL, 200,
           "{\"status\":\"success\",\"data\":\"sum by (job) (up)\"}");
}

static void deleting_series_reaches_the_store(void **state)
{
    (void)state;
    struct str answer = ask("POST /api/v1/admin/tsdb/delete_series?match[]=up", "", "");
    assert_true(str_starts(answer, STR("HTTP/1.1 204 ")));
    assert_int_equal(atomic_load(&site.removed), 1);
    assert_true(str_starts(ask("GET /api/v1/admin/tsdb/delete_series?match[]=up", "", NULL),
                           STR("HTTP/1.1 405 ")));
}

static void an_operator_flushes_and_merges_from_this_machine_alone(void **state)
{
    (void)state;
    assert_true(str_starts(ask("POST /api/admin/flush", "", ""), STR("HTTP/1.1 204 ")));
    assert_int_equal(atomic_load(&site.flushed), 1);
    assert_int_equal(atomic_load(&site.merged), 0);
    assert_true(str_starts(ask("POST /api/admin/merge", "", ""), STR("HTTP/1.1 204 ")));
    assert_int_equal(atomic_load(&site.flushed), 2);
    assert_int_equal(atomic_load(&site.merged), 1);
    assert_true(has(ask("POST /api/admin/merge", "", ""), "no room for a merged part"));
    assert_true(str_starts(ask("GET /api/admin/merge", "", NULL), STR("HTTP/1.1 405 ")));
    expect("POST /api/v1/admin/tsdb/snapshot", "", "", 200,
           "{\"status\":\"success\",\"data\":{\"name\":\"20231114T221320Z\"}}");
    struct str far = ask("POST /api/admin/merge", "X-Forwarded-For: 192.0.2.7\r\n", "");
    assert_true(str_starts(far, STR("HTTP/1.1 403 ")));
    assert_int_equal(atomic_load(&site.merged), 2);
}

/* ---- our own */

static void metrics_can_be_asked_without_promql(void **state)
{
    (void)state;
    expect("GET /api/metrics/query?name=up&tag=job=a&from=1000&to=1002&step=1&aggregation=last", "",
           NULL, 200,
           "{\"query\":\"last_over_time(up{job=\\\"a\\\"}[1s])\",\"from\":1000,\"to\":1002,"
           "\"step_seconds\":1,\"series\":[{\"name\":\"up\",\"tags\":{\"job\":\"a\"},\"points\":"
           "[[1000,0],[1001,1],[1002,2]]}]}");
    expect("GET /api/metrics/query?name=up&by=job&group=max&from=1001&to=1002&step=2", "", NULL,
           200,
           "{\"query\":\"max by (job) (avg_over_time(up[2s]))\",\"from\":1001,\"to\":1002,"
           "\"step_seconds\":2,\"series\":[{\"name\":\"up\",\"tags\":{\"job\":\"a\"},\"points\":"
           "[[1001,0.5]]},{\"name\":\"up\",\"tags\":{\"job\":\"b\"},\"points\":[[1001,0.5]]}]}");
    assert_true(
        has(ask("GET /api/metrics/query?name=up&from=1000&to=1009&aggregation=rate", "", NULL),
            "rate(up[1m])"));
    assert_true(has(ask("GET /api/metrics/query?from=1", "", NULL), "name is missing"));
    assert_true(has(ask("GET /api/metrics/query?name=up&aggregation=x", "", NULL),
                    "aggregation is one of"));
    assert_true(has(ask("GET /api/metrics/query?name=up&tag=job", "", NULL), "tag=key=value"));
    assert_true(has(ask("GET /api/metrics/query?name=up&tag=job=a%22b&from=1000&to=1001", "", NULL),
                    "up{job=\\\"a\\\\\\\"b\\\"}"));
}

static void metrics_are_found_by_a_part_of_their_name(void **state)
{
    (void)state;
    const char *found = "{\"metrics\":[{\"name\":\"up\",\"type\":\"gauge\",\"help\":\"Is it up?\","
                        "\"unit\":\"bool\",\"series\":2,\"tags\":[\"job\"]}]}";
    expect("GET /api/metrics/search?name=U*&from=1000&to=2000", "", NULL, 200, "{\"metrics\":[]}");
    expect("GET /api/metrics/search?name=p&from=1000&to=2000", "", NULL, 200, found);
    expect("GET /api/metrics/search?name=u?&from=1000&to=2000", "", NULL, 200, found);
    expect("GET /api/metrics/search?name=u.&from=1000&to=2000", "", NULL, 200, "{\"metrics\":[]}");
}

static void the_metrics_page_speaks_both_formats(void **state)
{
    (void)state;
    struct str text = ask("GET /metrics", "", NULL);
    assert_true(has(text, "text/plain; version=0.0.4"));
    assert_true(has(text, "# HELP node_cpu_seconds_total CPU \\\\ time\\nby mode.\n"
                          "# TYPE node_cpu_seconds_total counter\n"
                          "node_cpu_seconds_total{cpu=\"0\"} 1.5\n"
                          "node_cpu_seconds_total{cpu=\"1\"} 1e+21\n"
                          "# HELP node_load1 Load.\n# TYPE node_load1 gauge\nnode_load1 0.25\n"));
    assert_true(has(text, "# TYPE sonde_query_duration_seconds histogram\n"));
    assert_true(has(text, "sonde_query_duration_seconds_bucket{le=\"+Inf\"} "));
    assert_false(has(text, "sonde_probes_total 99\n"));
    text = ask("GET /metrics",
               "Accept: application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.3,*/*\r\n",
               NULL);
    assert_true(has(text, "application/openmetrics-text; version=1.0.0"));
    assert_true(has(text, "# TYPE node_cpu_seconds counter\nnode_cpu_seconds_total{"));
    assert_true(has(text, "# TYPE odd unknown\nodd 3\n"));
    assert_true(str_ends(text, STR("# EOF\n")));
    assert_true(
        has(ask("GET /metrics", "Accept: application/openmetrics-text;q=0.2,text/plain\r\n", NULL),
            "text/plain; version=0.0.4"));
}

/* ---- health */

static void wait_until_the_probe_is_old(void)
{
    nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 100000000}, NULL);
}

static void readiness_is_a_write_and_a_read(void **state)
{
    (void)state;
    expect("GET /readyz", "", NULL, 200, "ok\n");
    expect("GET /-/ready", "", NULL, 200, "Prometheus Server is Ready.\n");
    expect("GET /livez", "", NULL, 200, "ok\n");
    health_run(site.health);
    struct str text = ask("GET /health", "", NULL);
    assert_true(str_starts(text, STR("HTTP/1.1 200 ")));
    assert_true(has(text, "application/health+json"));
    assert_true(has(text, "\"storage:commit_latency\":[{\"componentType\":\"datastore\",\"status\":"
                          "\"pass\",\"observedValue\":"));
    assert_false(has(ask("GET /health", "X-Forwarded-For: 10.0.0.1\r\n", NULL), "checks"));
}

static void a_daemon_that_cannot_commit_is_not_ready(void **state)
{
    (void)state;
    wait_until_the_probe_is_old();
    atomic_store(&site.commit, COMMIT_FAILS);
    struct str text = ask("GET /readyz", "", NULL);
    assert_true(str_starts(text, STR("HTTP/1.1 503 ")));
    assert_true(has(text, "not ready: a write could not be committed: no space"));
    for (int i = 0; i < 3; i++)
        health_run(site.health);
    assert_true(str_starts(ask("GET /health", "", NULL), STR("HTTP/1.1 503 ")));
    text = ask("GET /-/ready", "X-Forwarded-For: 10.0.0.1\r\n", NULL);
    assert_true(str_ends(text, STR("\r\n\r\nnot ready\n")));
    atomic_store(&site.commit, COMMIT_GOOD);
    wait_until_the_probe_is_old();
    expect("GET /readyz", "", NULL, 200, "ok\n");
}

/* The last test of all: the probe never comes back. */
static void a_daemon_whose_commits_hang_is_not_ready(void **state)
{
    (void)state;
    wait_until_the_probe_is_old();
    atomic_store(&site.commit, COMMIT_HANGS);
    struct str text = ask("GET /readyz", "", NULL);
    assert_true(str_starts(text, STR("HTTP/1.1 503 ")));
    assert_true(has(text, "has been waiting for more than 2 s"));
    expect("GET /livez", "", NULL, 200, "ok\n");
}

/* ---- the page and who may have it */

static void the_page_comes_packed_with_a_strict_policy(void **state)
{
    (void)state;
    struct str text = ask("GET /", "Accept-Encoding: gzip\r\n", NULL);
    assert_true(str_starts(text, STR("HTTP/1.1 200 ")));
    assert_true(has(text, "Content-Encoding: gzip\r\n"));
    assert_true(has(text, "Content-Security-Policy: default-src 'self'"));
    assert_true(has(text, "frame-ancestors 'none'"));
    assert_true(has(text, "X-Content-Type-Options: nosniff"));
    assert_true(has(text, "Cache-Control: no-cache"));
    assert_int_equal(body_of(text).n, sizeof PAGE);
    assert_memory_equal(body_of(text).p, PAGE, sizeof PAGE);
    expect("GET /index.html", "", NULL, 200, "hello world");
    assert_true(has(ask("GET /assets/a.js", "", NULL), "immutable"));
    assert_true(str_starts(ask("GET /", "If-None-Match: \"e1\"\r\n", NULL), STR("HTTP/1.1 304 ")));
    assert_true(str_starts(ask("GET /nothing", "", NULL), STR("HTTP/1.1 404 ")));
}

static struct str ask_raw(const char *text)
{
    int fd = dial();
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    buf_done(&heard);
    buf_init(&heard, 65536);
    ssize_t n = read(fd, buf_reserve(&heard, 4096), 4096);
    buf_commit(&heard, n > 0 ? (size_t)n : 0);
    close(fd);
    return buf_str(&heard);
}

static void foreign_hosts_and_sites_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } CASES[] = {
        {"GET /livez HTTP/1.1\r\nHost: evil.example\r\n\r\n", false},
        {"GET /livez HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n", false},
        {"GET /livez HTTP/1.1\r\nHost: localhost:80\r\n\r\n", true},
        {"GET /livez HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", true},
        {"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", true},
        {"GET /livez HTTP/1.1\r\nHost: box.example:7663\r\n\r\n", true},
        {"POST /api/v1/labels HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n"
         "Content-Length: 0\r\n\r\n",
         false},
        {"POST /api/v1/labels HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n"
         "Content-Length: 0\r\n\r\n",
         false},
        {"POST /api/v1/labels HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\n"
         "Content-Length: 0\r\n\r\n",
         false},
        {"POST /api/v1/labels HTTP/1.1\r\nHost: localhost:7\r\nOrigin: http://localhost:7\r\n"
         "Content-Length: 0\r\n\r\n",
         true},
        {"GET /api/live HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
         "Origin: http://evil.example\r\n\r\n",
         false},
    };
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        struct str answer = ask_raw(CASES[i].text);
        bool refused = str_starts(answer, STR("HTTP/1.1 403 "));
        if (refused == CASES[i].good)
            fail_msg("%s: " STR_FMT, CASES[i].text, STR_ARG(answer));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_instant_query_answers_as_prometheus_does),
        cmocka_unit_test(a_range_query_answers_a_matrix),
        cmocka_unit_test(a_tenant_that_never_wrote_has_no_series),
        cmocka_unit_test(wrong_parameters_are_told_in_prometheus_words),
        cmocka_unit_test(series_and_labels_are_listed),
        cmocka_unit_test(metadata_exemplars_and_status_have_their_forms),
        cmocka_unit_test(deleting_series_reaches_the_store),
        cmocka_unit_test(an_operator_flushes_and_merges_from_this_machine_alone),
        cmocka_unit_test(metrics_can_be_asked_without_promql),
        cmocka_unit_test(metrics_are_found_by_a_part_of_their_name),
        cmocka_unit_test(the_metrics_page_speaks_both_formats),
        cmocka_unit_test(the_page_comes_packed_with_a_strict_policy),
        cmocka_unit_test(foreign_hosts_and_sites_are_refused),
        cmocka_unit_test(readiness_is_a_write_and_a_read),
        cmocka_unit_test(a_daemon_that_cannot_commit_is_not_ready),
        cmocka_unit_test(a_daemon_whose_commits_hang_is_not_ready),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
