#include "serve/serve_testbed.h"

#include "os/file.h"
#include "serve/query_settings.h"

/* As many steps as a query may have, of a window that has a sample each millisecond: minutes. */
#define LONG_QUERY                                                                                 \
    "GET "                                                                                         \
    "/api/v1/"                                                                                     \
    "query_range?query=max_over_time(vector(time())%5B1h%3A1ms%5D)&start=0&end=11000&step=1"

static struct query_settings settings;

static int start_small(void **state)
{
    query_settings_default(&settings);
    settings.threads = 1;
    settings.timeout_ms = 3000;
    settings.bytes_max = 16 << 20;
    settings.total_bytes_max = 64 << 20;
    settings.slow_log_ms = 0;
    site.query = &settings;
    return start(state);
}

static int start_patient(void **state)
{
    query_settings_default(&settings);
    settings.threads = 1;
    settings.slow_log_ms = 0;
    site.query = &settings;
    return start(state);
}

static int stop_small(void **state)
{
    site.query = NULL;
    return stop(state);
}

/* ---- a client beside this one */

struct client {
    struct thread thread;
    const char *line, *headers;
    struct buf heard;
    _Atomic bool done;
};

static void client_run(void *context)
{
    struct client *c = context;
    struct buf b;
    int fd = dial();
    struct timeval limit = {.tv_sec = 60};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    buf_init(&b, 65536);
    buf_init(&c->heard, 16 << 20);
    buf_printf(&b, "%s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n%s\r\n", c->line,
               c->headers);
    assert_int_equal(send(fd, b.p, b.n, MSG_NOSIGNAL), b.n);
    for (ssize_t n; (n = read(fd, buf_reserve(&c->heard, 65536), 65536)) > 0;)
        buf_commit(&c->heard, (size_t)n);
    close(fd);
    buf_done(&b);
    atomic_store(&c->done, true);
}

static void client_start(struct client *c, const char *line, const char *headers)
{
    *c = (struct client){.line = line, .headers = headers};
    thread_start(&c->thread, "client", client_run, c);
}

static void client_end(struct client *c, int status, const char *text)
{
    char begin[32];
    thread_join(&c->thread);
    snprintf(begin, sizeof begin, "HTTP/1.1 %d ", status);
    if (!str_starts(buf_str(&c->heard), str_c(begin)) || !has(buf_str(&c->heard), text))
        fail_msg("not %d \"%s\" but " STR_FMT, status, text, STR_ARG(buf_str(&c->heard)));
    buf_done(&c->heard);
}

/* The id of the query in that state, when there is one. */
static unsigned long wait_for(const char *state, const char *headers)
{
    for (int i = 0; i < 500; i++) {
        struct str answer = body_of(ask("GET /api/queries", headers, NULL));
        struct str running = str_sub(answer, 0, str_search(answer, STR("\"slowest\"")));
        size_t at = str_search(running, STR("{\"id\":"));
        if (at < running.n && has(running, state))
            return strtoul(running.p + at + 6, NULL, 10);
        usleep(10000);
    }
    fail_msg("no query is %s", state);
    return 0;
}

static void cancel(unsigned long id, const char *headers, int status, const char *text)
{
    char line[100], begin[32];
    snprintf(line, sizeof line, "DELETE /api/queries/%lu", id);
    snprintf(begin, sizeof begin, "HTTP/1.1 %d ", status);
    struct str answer = ask(line, headers, NULL);
    assert_true(str_starts(answer, str_c(begin)));
    assert_true(has(answer, text));
}

static void a_running_query_is_listed_and_can_be_canceled(void **state)
{
    struct client c;
    (void)state;
    client_start(&c, LONG_QUERY, "");
    unsigned long id = wait_for("\"state\":\"running\"", "");
    struct str list = body_of(ask("GET /api/queries", "", NULL));
    assert_true(
        has(list, "\"query\":\"max_over_time(vector(time())[1h:1ms])\",\"kind\":\"range\""));
    assert_true(has(list, "\"tenant\":\"default\""));
    assert_true(has(list, "\"client\":\"127.0.0.1:"));
    cancel(id + 100, "", 404, "no such query");
    cancel(id, "", 200, "\"canceled\":true");
    client_end(&c, 499, "\"errorType\":\"canceled\"");
    list = body_of(ask("GET /api/queries", "", NULL));
    assert_true(has(list, "\"running\":[]"));
    assert_true(has(list, "\"outcome\":\"canceled\""));
    assert_true(has(ask("DELETE /api/queries/x", "", NULL), "needs the number of a query"));
}

static void a_tenant_sees_and_cancels_its_own_alone(void **state)
{
    struct client c;
    (void)state;
    client_start(&c, LONG_QUERY, "X-Scope-OrgID: a\r\n");
    unsigned long id = wait_for("\"state\":\"running\"", "X-Scope-OrgID: a\r\n");
    assert_true(has(ask("GET /api/queries", "", NULL), "\"running\":[]"));
    cancel(id, "X-Scope-OrgID: b\r\n", 404, "no such query");
    struct str all = ask("GET /api/queries?all=true", "", NULL);
    assert_true(has(all, "\"tenant\":\"a\""));
    /* Through a proxy it is not this machine that asks. */
    assert_true(str_starts(ask("GET /api/queries?all=true", "X-Forwarded-For: 192.0.2.1\r\n", NULL),
                           STR("HTTP/1.1 403 ")));
    cancel(id, "X-Scope-OrgID: a\r\n", 200, "true");
    client_end(&c, 499, "canceled");
}

static void one_that_waits_too_long_is_answered_while_the_other_runs(void **state)
{
    struct client c, waiting;
    (void)state;
    client_start(&c, LONG_QUERY, "");
    unsigned long id = wait_for("\"state\":\"running\"", "");
    struct str answer = ask("GET /api/v1/query?query=1&timeout=0.3", "", NULL);
    assert_true(str_starts(answer, STR("HTTP/1.1 503 ")));
    assert_true(
        has(answer, "\"errorType\":\"timeout\",\"error\":\"query timed out in query queue"));
    client_start(&waiting, "GET /api/v1/query?query=vector(1)", "");
    unsigned long second = wait_for("\"state\":\"waiting\"", "");
    cancel(second, "", 200, "true");
    client_end(&waiting, 499, "query was canceled in query queue");
    cancel(id, "", 200, "true");
    client_end(&c, 499, "canceled");
    assert_true(str_starts(ask("GET /api/v1/query?query=1", "", NULL), STR("HTTP/1.1 200 ")));
}

static void a_full_queue_is_an_answer(void **state)
{
    struct client c, waiting[2];
    struct query_settings one = settings;
    (void)state;
    one.queue_max = 2;
    serve_reload(site.serve, &one);
    client_start(&c, LONG_QUERY, "");
    unsigned long id = wait_for("\"state\":\"running\"", "");
    for (size_t i = 0; i < 2; i++)
        client_start(&waiting[i], "GET /api/v1/query?query=vector(1)", "");
    for (int i = 0; i < 500; i++) {
        struct str list = ask("GET /metrics", "", NULL);
        if (has(list, "sonde_query_waiting 2\n"))
            break;
        usleep(10000);
    }
    struct str answer = ask("GET /api/v1/query?query=1", "", NULL);
    assert_true(str_starts(answer, STR("HTTP/1.1 503 ")));
    assert_true(has(answer, "too many queries are waiting"));
    cancel(id, "", 200, "true");
    client_end(&c, 499, "canceled");
    for (size_t i = 0; i < 2; i++)
        client_end(&waiting[i], 200, "success");
}

static void the_end_of_the_server_ends_its_queries(void **state)
{
    struct client c, waiting;
    (void)state;
    client_start(&c, LONG_QUERY, "");
    wait_for("\"state\":\"running\"", "");
    client_start(&waiting, "GET /api/v1/query?query=vector(1)", "");
    wait_for("\"state\":\"waiting\"", "");
    serve_stop(site.serve);
    client_end(&waiting, 503, "shutting down");
    client_end(&c, 499, "canceled");
}

/* ---- budgets */

static void a_query_is_refused_with_its_estimate_before_it_begins(void **state)
{
    struct query_settings tight = settings;
    (void)state;
    tight.samples_read_max = 100;
    serve_reload(site.serve, &tight);
    struct str answer = ask("GET /api/v1/query?query=count_over_time(up%5B10y%5D)", "", NULL);
    assert_true(str_starts(answer, STR("HTTP/1.1 422 ")));
    assert_true(has(answer, "\"errorType\":\"execution\",\"error\":\"the query would read about "));
    assert_true(has(answer, " samples of 2 series (limit 100): narrow the selectors"));
    answer = ask("GET /api/v1/query?query=up%7Bjob%3D%22a%22%7D&time=1005", "", NULL);
    assert_true(str_starts(answer, STR("HTTP/1.1 200 ")));
}

static uint64_t memory_peak_kb(void)
{
    struct buf b;
    struct why why;
    buf_init(&b, 65536);
    assert_int_equal(file_read("/proc/self/status", &b, &why), 0);
    size_t at = str_search(buf_str(&b), STR("VmHWM:"));
    assert_true(at < b.n);
    buf_put_c(&b, 0);
    uint64_t kb = strtoull(b.p + at + 6, NULL, 10);
    buf_done(&b);
    return kb;
}

static void put_encoded(struct buf *b, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    for (; *text; text++) {
        buf_put_c(b, '%');
        buf_put_c(b, digits[(unsigned char)*text >> 4]);
        buf_put_c(b, digits[(unsigned char)*text & 15]);
    }
}

/* Every one is answered with one of these, soon, and the daemon lives on within its memory. */
static void no_query_brings_the_daemon_down(void **state)
{
    static const char *const QUERIES[] = {
        "max_over_time(vector(time())[1000y:1ms])",
        "max_over_time(max_over_time(up[365d:1ms])[365d:1ms])",
        "sum_over_time(quantile_over_time(0.5, up[1d:10ms])[30d:10ms])",
        "{__name__=~\".+\"} * on () group_left {__name__=~\".+\"}",
        "count({__name__=~\"(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)+\"})",
        "up{job=~\"((((((a{1,9}){1,9}){1,9}){1,9}){1,9}){1,9})\"}",
        "up offset 290y",
        "up offset -290y",
        "up @ 9223372036854775",
        "up @ -9223372036854775 offset 290y",
        "rate(up[290y] @ 9223372036854775 offset -290y)",
        "sum_over_time(up[290y:290y])",
        ("label_replace(vector(1), \"a\", \"$1\", \"b\", "
         "\"((((((((((((((((((x*)*)*)*)*)*)*)*)*)*)*)\")"),
        "count_values(\"x\", vector(time()))",
        "topk(9223372036854775807, up)",
        "vector(1)[1000y:1s]",
        "absent_over_time(up[1000y:1ms])",
    };
    (void)state;
    uint64_t before = memory_peak_kb();
    for (size_t i = 0; i < COUNTOF(QUERIES); i++) {
        struct buf body;
        buf_init(&body, 1 << 20);
        for (int range = 0; range < 2; range++) {
            buf_clear(&body);
            buf_printf(&body, range ? "start=0&end=11000000&step=1000&query=" : "query=");
            put_encoded(&body, QUERIES[i]);
            buf_put_c(&body, 0);
            struct str answer =
                ask(range ? "POST /api/v1/query_range" : "POST /api/v1/query", "", body.p);
            bool known = str_starts(answer, STR("HTTP/1.1 200 ")) ||
                         str_starts(answer, STR("HTTP/1.1 400 ")) ||
                         str_starts(answer, STR("HTTP/1.1 422 ")) ||
                         str_starts(answer, STR("HTTP/1.1 503 "));
            if (!known)
                fail_msg("%s: " STR_FMT, QUERIES[i], STR_ARG(answer));
        }
        buf_done(&body);
    }
    assert_in_range(memory_peak_kb() - before, 0, (256 << 10));
    assert_true(str_starts(ask("GET /api/v1/query?query=1", "", NULL), STR("HTTP/1.1 200 ")));
    assert_true(has(ask("GET /metrics", "", NULL), "sonde_query_bytes 0\n"));
}

/* Texts that are built: deep, long, growing. */
static void built_queries_are_refused_or_answered(void **state)
{
    enum { DEPTH = 20000 };
    struct buf b;
    (void)state;
    for (int kind = 0; kind < 6; kind++) {
        buf_init(&b, 4 << 20);
        buf_printf(&b, "query=");
        for (int i = 0; i < DEPTH; i++) {
            if (kind == 0)
                buf_printf(&b, "(");
            else if (kind == 1)
                buf_printf(&b, "-");
            else if (kind == 2)
                buf_printf(&b, "1%%2B");
            else if (kind == 3)
                buf_printf(&b, "sum(");
            else if (kind == 4)
                buf_printf(&b, i ? ",a%d=\"\"" : "up{a%d=\"\"", i);
            else if (i < 90)
                buf_printf(&b, "label_replace(");
        }
        buf_printf(&b, kind == 4 ? "}" : kind == 5 ? "up" : "1");
        for (int i = 0; kind == 5 && i < 90; i++)
            buf_printf(&b, ",\"job\",\"$1$1\",\"job\",\"(.*)\")");
        buf_put_c(&b, 0);
        struct str answer = ask("POST /api/v1/query", "", b.p);
        if (!str_starts(answer, STR("HTTP/1.1 4")) && !str_starts(answer, STR("HTTP/1.1 2")))
            fail_msg("%d: " STR_FMT, kind, STR_ARG(str_sub(answer, 0, 500)));
        if (kind == 5)
            assert_true(has(answer, "the value that label_replace() makes is longer than"));
        buf_done(&b);
    }
    assert_true(str_starts(ask("GET /api/v1/query?query=1", "", NULL), STR("HTTP/1.1 200 ")));
}

static void times_at_the_ends_of_time_are_answers(void **state)
{
    static const char *const TIMES[] = {
        "start=-9223372036854775.807&end=9223372036854775.807&step=9000000000000",
        "start=-9223372036854775&end=-9223372036854774&step=1",
        "start=9223372036854774&end=9223372036854775&step=0.001",
        "start=0&end=9223372036854775&step=9223372036854775",
        "start=-292273086-05-16T16:47:06Z&end=%2B292277025-08-18T07:12:54.999999999Z&step=1y",
    };
    static const char *const QUERIES[] = {"up", "rate(up[1y])", "up offset -290y", "time()"};
    (void)state;
    for (size_t i = 0; i < COUNTOF(TIMES); i++) {
        for (size_t k = 0; k < COUNTOF(QUERIES); k++) {
            struct buf body;
            buf_init(&body, 65536);
            buf_printf(&body, "%s&query=", TIMES[i]);
            put_encoded(&body, QUERIES[k]);
            buf_put_c(&body, 0);
            struct str answer = ask("POST /api/v1/query_range", "", body.p);
            assert_true(str_starts(answer, STR("HTTP/1.1 200 ")) ||
                        str_starts(answer, STR("HTTP/1.1 4")));
            buf_done(&body);
        }
    }
}

static void a_long_query_ends_at_its_timeout(void **state)
{
    struct client c;
    (void)state;
    int64_t began = clock_monotonic_ns(&clock_real);
    client_start(&c, LONG_QUERY "&timeout=0.4", "");
    client_end(&c, 503, "\"errorType\":\"timeout\",\"error\":\"query timed out");
    assert_in_range(clock_monotonic_ns(&clock_real) - began, 300000000LL, 20000000000LL);
}

static void what_queries_hold_together_is_limited(void **state)
{
    struct query_settings tight = settings;
    (void)state;
    tight.total_bytes_max = 1 << 20;
    serve_reload(site.serve, &tight);
    struct str answer =
        ask("GET "
            "/api/v1/"
            "query_range?query=sort(max_over_time(vector(time())%5B100s%3A1ms%5D))&start=0&end=100&"
            "step=1",
            "", NULL);
    assert_true(str_starts(answer, STR("HTTP/1.1 422 ")));
    assert_true(has(answer, "bytes of memory in query execution (limit of this tenant's queries)"));
    tight.tenant_bytes_max = 1 << 30;
    serve_reload(site.serve, &tight);
    answer =
        ask("GET "
            "/api/v1/"
            "query_range?query=sort(max_over_time(vector(time())%5B100s%3A1ms%5D))&start=0&end=100&"
            "step=1",
            "", NULL);
    assert_true(has(answer, "(limit of all queries)"));
}

/* ---- statistics, explanations, settings */

static void statistics_are_those_of_prometheus(void **state)
{
    (void)state;
    struct str answer = body_of(ask(
        "GET /api/v1/query_range?query=sum(up)&start=1003&end=1005&step=1&stats=all", "", NULL));
    assert_true(has(answer, ",\"stats\":{\"timings\":{\"evalTotalTime\":"));
    assert_true(has(answer, ",\"resultSortTime\":"));
    assert_true(has(answer, ",\"queryPreparationTime\":"));
    assert_true(has(answer, ",\"innerEvalTime\":"));
    assert_true(has(answer, ",\"execQueueTime\":"));
    assert_true(has(answer, ",\"execTotalTime\":"));
    assert_true(has(answer, "\"samples\":{\"totalQueryableSamplesPerStep\":[[1003,2],[1004,2],"
                            "[1005,2]],\"totalQueryableSamples\":6,\"peakSamples\":"));
    answer = body_of(
        ask("GET /api/v1/query?query=count_over_time(up%5B5s%5D)&time=1006&stats=true", "", NULL));
    assert_true(has(answer, "\"samples\":{\"totalQueryableSamples\":10,\"peakSamples\":"));
    answer = body_of(ask("GET /api/v1/query_range?query=max_over_time(up%5B4s%3A2s%5D)%20%2B%20"
                         "on(job)%20up%20@%201005&start=1004&end=1006&step=1&stats=all",
                         "", NULL));
    /* Two points of each subquery window, one of each fixed selector, of two series. */
    assert_true(has(answer, "\"totalQueryableSamplesPerStep\":[[1004,6],[1005,6],[1006,6]]"));
    answer = body_of(ask("GET /api/v1/query?query=up&time=1006", "", NULL));
    assert_false(has(answer, "stats"));
}

static void an_explanation_has_a_figure_for_each_node(void **state)
{
    (void)state;
    const char *line = "GET /api/v1/query_range?query=sum(rate(up%5B5s%5D))&start=1005&end=1009&"
                       "step=1&explain=true";
    struct str answer = body_of(ask(line, "", NULL));
    assert_true(has(answer, ",\"explain\":{\"estimate\":{\"samples\":"));
    assert_true(has(answer, "\"cache\":{\"used\":true,\"steps\":5,\"held\":0,\"evaluations\":1}"));
    assert_true(has(answer,
                    "\"tree\":{\"expression\":\"sum(rate(up[5s]))\",\"kind\":\"aggregation\""
                    ",\"series\":2,\"samples\":18,\"rows\":1,\"seconds\":"));
    assert_true(has(answer, "\"nodes\":[{\"expression\":\"rate(up[5s])\",\"kind\":\"call\""));
    assert_true(has(answer, "{\"expression\":\"up[5s]\",\"kind\":\"selector\",\"series\":2"));
    answer = body_of(ask(line, "", NULL));
    assert_true(has(answer, "\"cache\":{\"used\":true,\"steps\":5,\"held\":5,\"evaluations\":0}"));
    answer = body_of(ask("GET /api/v1/query_range?query=sum(rate(up%5B5s%5D))&start=1005&end=1009&"
                         "step=1&explain=true&nocache=1",
                         "", NULL));
    assert_true(has(answer, "\"cache\":{\"used\":false,"));
}

static void settings_of_the_language_take_effect(void **state)
{
    static const char *features[] = {"promql-experimental-functions"};
    struct query_settings more = settings;
    struct why why;
    (void)state;
    const char *line = "GET /api/v1/query?query=max_of(1%2C2)&time=1005";
    struct str answer = ask(line, "", NULL);
    assert_true(str_starts(answer, STR("HTTP/1.1 400 ")));
    more.features = (struct option_list){features, 1};
    assert_int_equal(query_settings_check(&more, &why), 0);
    serve_reload(site.serve, &more);
    answer = ask(line, "", NULL);
    assert_true(str_starts(answer, STR("HTTP/1.1 200 ")));
    features[0] = "no-such-thing";
    assert_int_equal(query_settings_check(&more, &why), -ERR_NOENT);
    assert_non_null(strstr(why.text, "query.features: there is no feature \"no-such-thing\""));
    features[0] = "promql-experimental-functions";
    /* The look-back: of the settings, and of the request. */
    more.lookback_ms = 1000;
    serve_reload(site.serve, &more);
    answer = body_of(ask("GET /api/v1/query?query=count(up)&time=1011", "", NULL));
    assert_true(has(answer, "\"result\":[]"));
    answer =
        body_of(ask("GET /api/v1/query?query=count(up)&time=1011&lookback_delta=5s", "", NULL));
    assert_true(has(answer, "[1011,\"2\"]"));
}

static void slow_queries_are_counted_and_kept(void **state)
{
    struct query_settings slow = settings;
    (void)state;
    assert_true(has(ask("GET /metrics", "", NULL), "sonde_query_slow_total 0\n"));
    slow.slow_log_ms = 1;
    serve_reload(site.serve, &slow);
    ask("GET /api/v1/query?query=max_over_time(vector(time())%5B100s%3A1ms%5D)%0A%2B1", "", NULL);
    assert_true(has(ask("GET /metrics", "", NULL), "sonde_query_slow_total 1\n"));
    assert_true(has(
        ask("GET /api/queries", "", NULL),
        "\"slowest\":[{\"id\":1,\"tenant\":\"default\",\"query\":\"max_over_time(vector(time())["
        "100s:1ms])\\n+1\",\"kind\":\"instant\""));
}

#define CASE(a_case_of_this_file)                                                                  \
    cmocka_unit_test_setup_teardown(a_case_of_this_file, start_small, stop_small)
#define PATIENT(a_case_of_this_file)                                                               \
    cmocka_unit_test_setup_teardown(a_case_of_this_file, start_patient, stop_small)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(slow_queries_are_counted_and_kept),
        PATIENT(a_running_query_is_listed_and_can_be_canceled),
        PATIENT(a_tenant_sees_and_cancels_its_own_alone),
        PATIENT(one_that_waits_too_long_is_answered_while_the_other_runs),
        PATIENT(a_full_queue_is_an_answer),
        PATIENT(the_end_of_the_server_ends_its_queries),
        CASE(a_query_is_refused_with_its_estimate_before_it_begins),
        CASE(no_query_brings_the_daemon_down),
        CASE(built_queries_are_refused_or_answered),
        CASE(times_at_the_ends_of_time_are_answers),
        PATIENT(a_long_query_ends_at_its_timeout),
        CASE(what_queries_hold_together_is_limited),
        CASE(statistics_are_those_of_prometheus),
        CASE(an_explanation_has_a_figure_for_each_node),
        CASE(settings_of_the_language_take_effect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
