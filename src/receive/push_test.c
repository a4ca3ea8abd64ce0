#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "codec/wire_put.h"
#include "net/loopback_test.h"
#include "pack/budget.h"
#include "pack/pack.h"
#include "receive/metrics_push.h"
#include "receive/remote_write.h"

/* ---- a sink in memory */

static struct {
    struct sink sink;
    pthread_mutex_t lock;
    struct buf seen; /* "tenant series value @ts" lines */
    int append_err;  /* of every append */
    int commit_err;
    size_t appended, committed, exemplars, metadata;
    char tenants[8][TENANT_NAME_MAX + 1];
} store;

static int store_tenant(struct sink *s, struct str name, struct tenant **ret, struct why *why)
{
    if (str_find(name, '/') < name.n)
        return why_set(why, ERR_FORMAT, "tenant name \"" STR_FMT "\" is not one", STR_ARG(name));
    size_t i = 0;
    while (store.tenants[i][0] && !str_eq(str_c(store.tenants[i]), name))
        i++;
    memcpy(store.tenants[i], name.p, name.n);
    *ret = (struct tenant *)(void *)store.tenants[i];
    return 0;
}

static int store_append(struct sink *s, size_t lane, struct tenant *t, struct batch *b,
                        struct why *why)
{
    int taken = 0;
    if (store.append_err)
        return store.append_err;
    for (size_t i = 0; i < b->n; i++) {
        struct buf key;
        struct why own;
        buf_init(&key, LABELS_KEY_MAX);
        b->err[i] = (int8_t)labels_canonical(b->key[i], &key, &own);
        if (!b->err[i] && b->ts_ms[i] < 1000)
            b->err[i] = (int8_t)why_set(&own, ERR_OLD, "older than the store takes");
        if (!b->err[i] && b->ts_ms[i] > 1700000600000)
            b->err[i] = (int8_t)why_set(&own, ERR_FUTURE, "further ahead than the store takes");
        if (b->err[i]) {
            if (why && taken == (int)i)
                *why = own;
        } else {
            taken++;
            buf_printf(&store.seen, "%s ", (const char *)t);
            labels_print(buf_str(&key), &store.seen);
            buf_printf(&store.seen, " %g @%lld\n",
                       b->histogram[i] ? b->histogram[i]->count : b->value[i],
                       (long long)b->ts_ms[i]);
        }
        buf_done(&key);
    }
    store.appended += (size_t)taken;
    return taken;
}

static int store_exemplar(struct sink *s, size_t lane, struct tenant *t, const struct exemplar *e,
                          struct why *why)
{
    store.exemplars++;
    return 0;
}

static int store_metadata(struct sink *s, size_t lane, struct tenant *t, const struct metadata *m)
{
    store.metadata++;
    return 0;
}

static void store_commit(struct sink *s, size_t lane, void (*done)(void *context, int err),
                         void *context)
{
    store.committed = store.appended;
    done(context, store.commit_err);
}

static const struct sink_ops STORE = {store_tenant, store_append, store_exemplar, store_metadata,
                                      store_commit};

/* ---- a server on a thread of its own */

static struct {
    struct loopback at;
    struct receivers *receivers;
    struct http_route *routes;
    struct clock_manual clock;
} site;

static int set_up(void **state)
{
    store.sink.ops = &STORE;
    buf_init(&store.seen, 1 << 24);
    clock_manual_init(&site.clock, 1700000000000);
    const struct receiver_host host = {.sink = &store.sink, .clock = &site.clock.clock};
    size_t n = receivers_routes_n();
    assert_int_equal(receivers_open(&host, &site.receivers, NULL), 0);
    site.routes = mem_array(n, sizeof *site.routes);
    receivers_routes(site.receivers, site.routes);
    const struct http_config config = {.routes = site.routes, .routes_n = n};
    loopback_start(&site.at, &config);
    return 0;
}

static void stop(void *context)
{
    loop_stop(site.at.loop);
}

static void drain(void *context)
{
    http_server_drain(site.at.server, stop, NULL);
}

static int tear_down(void **state)
{
    loop_post(site.at.loop, drain, NULL);
    thread_join(&site.at.thread);
    loopback_free(&site.at);
    receivers_close(site.receivers);
    mem_free(site.routes);
    buf_done(&store.seen);
    return 0;
}

/* Sends a request and gives the whole answer, NUL-terminated; its status is the return value. */
static int post(const char *path, const char *headers, struct str body, struct buf *answer)
{
    struct buf request;
    int fd = loopback_dial(site.at.port);
    buf_init(&request, 1 << 26);
    buf_printf(&request,
               "POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n%s\r\n",
               path, body.n, headers);
    buf_put_str(&request, body);
    loopback_say(fd, buf_str(&request));
    buf_clear(answer);
    loopback_hear(fd, answer);
    buf_put_c(answer, 0);
    buf_done(&request);
    assert_true(answer->n > 12 && strncmp(answer->p, "HTTP/1.1 ", 9) == 0);
    uint64_t status = 0;
    assert_true(str_u64(str_of(answer->p + 9, 3), &status));
    return (int)status;
}

#define RW1 "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n"
#define RW2                                                                                        \
    "Content-Type: application/x-protobuf;proto=io.prometheus.write.v2.Request\r\n"                \
    "Content-Encoding: snappy\r\n"
#define JSON "Content-Type: application/json\r\n"

static bool has(const struct buf *b, const char *text)
{
    return str_search(buf_str(b), str_c(text)) < b->n;
}

static void put_series(struct buf *out, const char *name, double value, int64_t ts_ms)
{
    struct buf series, sample;
    buf_init(&series, 1 << 16);
    buf_init(&sample, 100);
    labels_put(&series, STR("__name__"), str_c(name));
    labels_put(&series, STR("job"), STR("x"));
    wire_put_double(&sample, 1, value);
    wire_put_int(&sample, 2, (uint64_t)ts_ms);
    wire_put_bytes(&series, 2, buf_str(&sample));
    wire_put_bytes(out, 1, buf_str(&series));
    buf_done(&series);
    buf_done(&sample);
}

static void pack(enum pack_codec codec, const struct buf *in, struct buf *out)
{
    buf_clear(out);
    assert_int_equal(pack_pack(codec, 0, buf_str(in), out), 0);
}

struct fixture {
    struct buf body, packed, answer;
};

static int begin(void **state)
{
    struct fixture *f = mem_new(sizeof *f);
    buf_init(&f->body, 1 << 27);
    buf_init(&f->packed, 1 << 27);
    buf_init(&f->answer, 1 << 24);
    buf_clear(&store.seen);
    store.append_err = store.commit_err = 0;
    store.appended = store.committed = store.exemplars = store.metadata = 0;
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    buf_done(&f->body);
    buf_done(&f->packed);
    buf_done(&f->answer);
    mem_free(f);
    assert_true(budget_used() == 0);
    return 0;
}

static void a_request_is_stored_and_answered_after_its_commit(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 1000; i++)
        put_series(&f->body, "up", i, 1600000000000 + i);
    pack(PACK_SNAPPY, &f->body, &f->packed);
    assert_int_equal(post("/api/v1/write", RW1, buf_str(&f->packed), &f->answer), 204);
    assert_int_equal(store.appended, 1000);
    assert_int_equal(store.committed, 1000);
    assert_true(has(&store.seen, "default up{job=\"x\"} 999 @1600000000999\n"));
    pack(PACK_ZSTD, &f->body, &f->packed);
    assert_int_equal(post("/api/v1/write",
                          "Content-Type: application/x-protobuf\r\nContent-Encoding: zstd\r\n"
                          "X-Scope-OrgID: other\r\n",
                          buf_str(&f->packed), &f->answer),
                     204);
    assert_true(has(&store.seen, "other up{job=\"x\"} 999 @1600000000999\n"));
}

static void bad_samples_cost_themselves_alone_and_are_named(void **state)
{
    struct fixture *f = *state;
    put_series(&f->body, "good", 1, 1600000000000);
    put_series(&f->body, "old", 2, 5);
    put_series(&f->body, "future", 3, 1700000600001);
    put_series(&f->body, "edge", 4, 1700000600000);
    pack(PACK_SNAPPY, &f->body, &f->packed);
    assert_int_equal(post("/api/v1/write", RW1, buf_str(&f->packed), &f->answer), 400);
    assert_true(has(&store.seen, "default good{job=\"x\"} 1 @1600000000000\n"));
    assert_true(has(&store.seen, "edge"));
    assert_int_equal(store.committed, 2);
    assert_true(has(&f->answer, "2 of 4 samples were refused"));
    assert_true(has(&f->answer, "old{job=\"x\"} at 5: "));
    assert_true(has(&f->answer, "future{job=\"x\"} at 1700000600001: "));
}

static void only_what_is_known_is_accepted(void **state)
{
    struct fixture *f = *state;
    put_series(&f->body, "up", 1, 1600000000000);
    pack(PACK_SNAPPY, &f->body, &f->packed);
    struct str body = buf_str(&f->packed);
    const char *const unknown[] = {
        "Content-Type: text/plain\r\nContent-Encoding: snappy\r\n",
        "Content-Type: application/x-protobuf;proto=x.Y\r\nContent-Encoding: snappy\r\n",
        "Content-Type: application/x-protobuf\r\nContent-Encoding: gzip\r\n",
    };
    for (size_t i = 0; i < COUNTOF(unknown); i++)
        assert_int_equal(post("/api/v1/write", unknown[i], body, &f->answer), 415);
    assert_int_equal(post("/api/v1/write", RW1 "X-Scope-OrgID: a/b\r\n", body, &f->answer), 400);
    assert_int_equal(post("/api/v1/write", RW1, STR("not snappy at all"), &f->answer), 400);
    assert_int_equal(post("/api/v1/write", RW1, STR("\x03\x08xyz"), &f->answer), 400);
    assert_int_equal(store.appended, 0);
    assert_int_equal(post("/api/v1/write", "", body, &f->answer), 204); /* early senders of 1.0 */
}

static void a_bomb_is_refused_before_it_is_unpacked(void **state)
{
    struct fixture *f = *state;
    uint8_t head[VARINT_MAX];
    size_t n = (size_t)(varint_put(head, REMOTE_WRITE_UNPACKED_MAX + 1) - head);
    assert_int_equal(post("/api/v1/write", RW1, str_of((char *)head, n), &f->answer), 413);
    n = (size_t)(varint_put(head, UINT32_MAX) - head);
    assert_int_equal(post("/api/v1/write", RW1, str_of((char *)head, n), &f->answer), 413);
}

static void what_a_retry_cures_is_said_so(void **state)
{
    struct fixture *f = *state;
    put_series(&f->body, "up", 1, 1600000000000);
    pack(PACK_SNAPPY, &f->body, &f->packed);
    store.append_err = -ERR_FULL;
    assert_int_equal(post("/api/v1/write", RW1, buf_str(&f->packed), &f->answer), 507);
    assert_true(has(&f->answer, "Retry-After: "));
    store.append_err = 0;
    store.commit_err = -ERR_IO;
    assert_int_equal(post("/api/v1/write", RW2, STR("\x00"), &f->answer), 503);
    assert_true(has(&f->answer, "Retry-After: "));
    store.commit_err = 0;
    budget_set(0);
    assert_int_equal(post("/api/v1/write", RW1, buf_str(&f->packed), &f->answer), 503);
    budget_set(1 << 30);
}

#define OTLP_JSON  "Content-Type: application/json\r\n"
#define OTLP_PROTO "Content-Type: application/x-protobuf\r\n"

static const char GAUGE[] =
    "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"name\":\"g\",\"gauge\":"
    "{\"dataPoints\":[{\"timeUnixNano\":\"1600000000000000000\",\"asInt\":7},"
    "{\"timeUnixNano\":\"5000000\",\"asInt\":8}]}}]}]}]}";

static void opentelemetry_is_answered_in_its_own_encoding(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(post("/v1/metrics", OTLP_JSON, STR("{}"), &f->answer), 200);
    assert_true(has(&f->answer, "\r\nContent-Type: application/json\r\n"));
    assert_int_equal(post("/v1/metrics", OTLP_JSON, str_c(GAUGE), &f->answer), 200);
    assert_true(has(&f->answer,
                    "{\"partialSuccess\":{\"rejectedDataPoints\":\"1\",\"errorMessage\":"
                    "\"1 data points were refused: g at 5: older than"));
    assert_true(has(&store.seen, "default g 7 @1600000000000\n"));
    assert_int_equal(post("/v1/metrics", OTLP_PROTO, STR("\x0a\x7f"), &f->answer), 400);
    assert_true(has(&f->answer, "\r\nContent-Type: application/x-protobuf\r\n"));
    assert_true(has(&f->answer, "\r\n\r\n\x08\x03\x12"));
    assert_int_equal(post("/v1/metrics", OTLP_JSON "X-Scope-OrgID: a/b\r\n", STR("{}"), &f->answer),
                     400);
    assert_true(has(&f->answer, "\"code\":3,\"message\":\"tenant name"));
}

static void opentelemetry_is_told_when_to_send_again(void **state)
{
    struct fixture *f = *state;
    store.append_err = -ERR_FULL;
    assert_int_equal(post("/v1/metrics", OTLP_JSON, str_c(GAUGE), &f->answer), 503);
    assert_true(has(&f->answer, "Retry-After: 30\r\n"));
    store.append_err = 0;
    store.commit_err = -ERR_IO;
    assert_int_equal(post("/v1/metrics", OTLP_PROTO, STR(""), &f->answer), 503);
    assert_true(has(&f->answer, "Retry-After: 5\r\n"));
    store.commit_err = 0;
    budget_set(0);
    assert_int_equal(post("/v1/metrics", OTLP_JSON, str_c(GAUGE), &f->answer), 429);
    assert_true(has(&f->answer, "Retry-After: "));
    budget_set(1 << 30);
}

static void version_2_is_answered_with_what_was_written(void **state)
{
    struct fixture *f = *state;
    struct buf series, inner;
    buf_init(&series, 1 << 16);
    buf_init(&inner, 1 << 16);
    const char *const symbols[] = {"", "__name__", "up", "a"};
    for (size_t i = 0; i < COUNTOF(symbols); i++)
        wire_put_bytes(&f->body, 4, str_c(symbols[i]));
    wire_put_bytes(&series, 1, STR("\x01\x02"));
    wire_put_double(&inner, 1, 5);
    wire_put_int(&inner, 2, 1600000000000);
    wire_put_bytes(&series, 2, buf_str(&inner));
    buf_clear(&inner);
    wire_put_bytes(&inner, 1, STR("\x03\x02"));
    wire_put_double(&inner, 2, 5);
    wire_put_int(&inner, 3, 1600000000000);
    wire_put_bytes(&series, 4, buf_str(&inner));
    buf_clear(&inner);
    wire_put_int(&inner, 1, 0); /* no observations */
    wire_put_int(&inner, 15, 1600000000001);
    wire_put_bytes(&series, 3, buf_str(&inner));
    wire_put_bytes(&f->body, 5, buf_str(&series));
    pack(PACK_SNAPPY, &f->body, &f->packed);
    assert_int_equal(post("/api/v1/write", RW2, buf_str(&f->packed), &f->answer), 204);
    assert_true(has(&f->answer, "X-Prometheus-Remote-Write-Samples-Written: 1\r\n"));
    assert_true(has(&f->answer, "X-Prometheus-Remote-Write-Histograms-Written: 1\r\n"));
    assert_true(has(&f->answer, "X-Prometheus-Remote-Write-Exemplars-Written: 1\r\n"));

    buf_clear(&series);
    wire_put_bytes(&series, 1, STR("\x01\x09"));
    wire_put_bytes(&series, 2, STR("\x10\x01"));
    wire_put_bytes(&f->body, 5, buf_str(&series));
    pack(PACK_SNAPPY, &f->body, &f->packed);
    assert_int_equal(post("/api/v1/write", RW2, buf_str(&f->packed), &f->answer), 400);
    assert_true(has(&f->answer, "X-Prometheus-Remote-Write-Samples-Written: 1\r\n"));
    assert_true(has(&f->answer, "series 2: a label refers to a symbol that is not there"));
    buf_done(&series);
    buf_done(&inner);
}

static void json_is_stored_item_by_item(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(post("/api/metrics", JSON,
                          STR("{\"name\":\"t\",\"value\":21.5,\"tags\":{\"room\":\"a\"}}"),
                          &f->answer),
                     200);
    assert_true(has(&f->answer, "{\"accepted\":1,\"refused_total\":0,\"refused\":[]}"));
    assert_true(has(&store.seen, "default t{room=\"a\"} 21.5 @1700000000000\n"));
    assert_int_equal(
        post("/api/metrics", JSON,
             STR("[{\"name\":\"a\",\"value\":1,\"timestamp\":1600000000.25},"
                 "{\"name\":\"b\",\"value\":\"x\"},{\"value\":3},"
                 "{\"name\":\"c\",\"value\":\"NaN\",\"timestamp\":1600000000001},"
                 "{\"name\":\"d\",\"value\":2,\"timestamp\":\"2020-09-13T14:26:40+02:00\"},"
                 "{\"name\":\"e\",\"value\":2,\"timestamp\":5},7]"),
             &f->answer),
        200);
    assert_true(has(&f->answer, "\"accepted\":4,\"refused_total\":3,"));
    assert_true(has(&f->answer,
                    "{\"index\":1,\"series\":\"b\",\"reason\":\"\\\"value\\\" is not a number\"}"));
    assert_true(has(&f->answer, "\"index\":2,"));
    assert_true(
        has(&f->answer, "{\"index\":6,\"series\":\"\",\"reason\":\"the item is not an object\"}"));
    assert_true(has(&store.seen, "default a 1 @1600000000250\n"));
    assert_true(has(&store.seen, "default c nan @1600000000001\n"));
    assert_true(has(&store.seen, "default d 2 @1600000000000\n"));
    assert_true(has(&store.seen, "default e 2 @5000\n"));
    assert_int_equal(post("/api/metrics", JSON, STR("[{\"name\":\"\",\"value\":1}]"), &f->answer),
                     400);
    assert_int_equal(post("/api/metrics", JSON, STR("[{\"name\":"), &f->answer), 400);
    assert_true(has(&f->answer, "line 1, column"));
}

static void expositions_are_stored_line_by_line(void **state)
{
    struct fixture *f = *state;
    buf_put_str(&f->body, STR("# TYPE a counter\na{x=\"y\"} 5 1600000000000\nbad line here\n"));
    pack(PACK_GZIP, &f->body, &f->packed);
    assert_int_equal(post("/api/metrics",
                          "Content-Type: text/plain; version=0.0.4\r\nContent-Encoding: gzip\r\n",
                          buf_str(&f->packed), &f->answer),
                     200);
    assert_true(has(&f->answer, "\"accepted\":1,\"refused_total\":1,"));
    assert_true(has(&f->answer, "\"index\":3,"));
    assert_true(has(&store.seen, "default a{x=\"y\"} 5 @1600000000000\n"));
    assert_int_equal(store.metadata, 1);
    assert_int_equal(post("/api/metrics",
                          "Content-Type: application/openmetrics-text; version=1.0.0\r\n",
                          STR("# TYPE b counter\nb_total 1 # {t=\"1\"} 1\n# EOF\n"), &f->answer),
                     200);
    assert_int_equal(store.exemplars, 1);
    assert_int_equal(post("/api/metrics", "", STR("a 1\n"), &f->answer), 415);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_request_is_stored_and_answered_after_its_commit, begin,
                                        end),
        cmocka_unit_test_setup_teardown(bad_samples_cost_themselves_alone_and_are_named, begin,
                                        end),
        cmocka_unit_test_setup_teardown(only_what_is_known_is_accepted, begin, end),
        cmocka_unit_test_setup_teardown(a_bomb_is_refused_before_it_is_unpacked, begin, end),
        cmocka_unit_test_setup_teardown(what_a_retry_cures_is_said_so, begin, end),
        cmocka_unit_test_setup_teardown(opentelemetry_is_answered_in_its_own_encoding, begin, end),
        cmocka_unit_test_setup_teardown(opentelemetry_is_told_when_to_send_again, begin, end),
        cmocka_unit_test_setup_teardown(version_2_is_answered_with_what_was_written, begin, end),
        cmocka_unit_test_setup_teardown(json_is_stored_item_by_item, begin, end),
        cmocka_unit_test_setup_teardown(expositions_are_stored_line_by_line, begin, end),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
