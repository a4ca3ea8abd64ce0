/* serve/serve_testbed.h - a server with serve's routes over a store in memory, and a client, for
 * the tests of this folder.
 *
 * Threads: the server's loop and one thread of the pool; the tests ask from the main thread.
 */
#ifndef SERVE_SERVE_TESTBED_H
#define SERVE_SERVE_TESTBED_H

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "net/loopback_test.h"
#include "query/promql/promqltest.h"
#include "text/json.h"
#include "serve/serve.h"

/* ---- a store in memory behind both tables of functions */

enum commit_mode { COMMIT_GOOD, COMMIT_FAILS, COMMIT_HANGS };

static struct {
    struct series_store store;
    struct series_store_ops ops;
    struct sink sink;
    struct promqltest_store *memory;
    _Atomic int commit;
    _Atomic int removed, flushed, merged;
    struct serve *serve;
    struct health *health;
    struct pool *pool;
    struct loopback at;
    const struct query_settings *query; /* of the next start(); NULL: the defaults */
    int64_t base_ms;                    /* when the test began, whole seconds */
    void (*rules)(struct rules *r, struct arena *a, struct rules_view *ret);
    bool closed;         /* admin API and lifecycle are off */
    const char *problem; /* what a reload answers; "" where it goes well */
    _Atomic int quits;
} site = {.problem = ""};

static int snapshot_store(void *context, struct arena *a, struct str *ret, struct why *why)
{
    (void)context, (void)why;
    *ret = arena_str(a, STR("snapshots/20231114T221320Z"));
    return 0;
}

/* ---- a daemon around it */

static void tell_facts(void *context, struct arena *a, struct serve_facts *ret)
{
    static struct serve_flag flags[] = {{{"web.enable-lifecycle", 20}, {"true", 4}}};
    struct buf labels;
    (void)context;
    buf_init(&labels, 1000);
    labels_put(&labels, STR("job"), STR("never")); /* most series have their own */
    labels_put(&labels, STR("region"), STR("eu"));
    *ret = (struct serve_facts){.config = STR("global: {}\n"),
                                .flags = flags,
                                .flags_n = 1,
                                .external_labels = arena_str(a, buf_str(&labels)),
                                .folder = STR("/var/lib/sonde"),
                                .retention = STR("15d"),
                                .reload_problem = site.problem,
                                .reload_ms = 1700000000500,
                                .threads = 9,
                                .cores = 2,
                                .language = {.experimental_functions = true}};
    buf_done(&labels);
}

static int list_blocks(void *context, struct str tenant, struct arena *a, struct serve_block **ret,
                       size_t *ret_n)
{
    (void)context;
    *ret = arena_array(a, 1, sizeof **ret);
    **ret = (struct serve_block){STR("tenants/0000/part-7"), 1000, 1999, 50, 5, 6, 2};
    *ret_n = str_eq(tenant, STR("default")) ? 1 : 0;
    return 0;
}

static void take_reload(void *context)
{
    (void)context;
    serve_reloaded(site.serve, site.problem);
}

static void take_quit(void *context)
{
    (void)context;
    atomic_fetch_add(&site.quits, 1);
}

static int flush_store(void *context, struct why *why)
{
    (void)context, (void)why;
    atomic_fetch_add(&site.flushed, 1);
    return 0;
}

static int merge_store(void *context, struct why *why)
{
    (void)context;
    if (atomic_fetch_add(&site.merged, 1) == 0)
        return 0;
    return why_set(why, ERR_FULL, "no room for a merged part");
}

static int64_t start_ms;

static int names(struct series_store *s, struct tenant *t, const struct select *how,
                 struct arena *a, struct str **ret, size_t *ret_n, struct why *why)
{
    static const struct str ALL[] = {{"__name__", 8}, {"instance", 8}, {"job", 3}};
    (void)s, (void)t, (void)how, (void)why;
    *ret = arena_array(a, COUNTOF(ALL), sizeof ALL[0]);
    memcpy(*ret, ALL, sizeof ALL);
    *ret_n = COUNTOF(ALL);
    return 0;
}

static int values(struct series_store *s, struct tenant *t, struct str name,
                  const struct select *how, struct arena *a, struct str **ret, size_t *ret_n,
                  struct why *why)
{
    (void)s, (void)t;
    if (str_eq(name, STR("broken")))
        return why_set(why, ERR_CORRUPT, "page 7 of a part is damaged");
    *ret = arena_array(a, 2, sizeof **ret);
    (*ret)[0] = how->matchers_n ? how->matchers[0].value : STR("a");
    (*ret)[1] = STR("z");
    *ret_n = 2;
    return 0;
}

static int metadata(struct series_store *s, struct tenant *t, struct str metric, struct arena *a,
                    struct metadata **ret, size_t *ret_n)
{
    (void)s, (void)t, (void)metric;
    *ret = arena_array(a, 2, sizeof **ret);
    (*ret)[0] = (struct metadata){STR("lines"), METRIC_COUNTER, STR("Lines \"seen\"."), STR("")};
    (*ret)[1] = (struct metadata){STR("up"), METRIC_GAUGE, STR("Is it up?"), STR("bool")};
    *ret_n = 2;
    return 0;
}

static int exemplars(struct series_store *s, struct tenant *t, const struct select *how,
                     struct arena *a, struct exemplar **ret, size_t *ret_n, struct why *why)
{
    struct buf key, labels;
    (void)s, (void)t, (void)why;
    buf_init(&key, 1000);
    buf_init(&labels, 1000);
    labels_put(&key, LABEL_METRIC, how->matchers[0].value);
    labels_put(&labels, STR("trace_id"), STR("7f3a"));
    *ret = arena_array(a, 2, sizeof **ret);
    for (size_t i = 0; i < 2; i++)
        (*ret)[i] = (struct exemplar){.key = arena_str(a, buf_str(&key)),
                                      .labels = arena_str(a, buf_str(&labels)),
                                      .ts_ms = 1600096945479 + (int64_t)i,
                                      .value = 6 + (double)i};
    *ret_n = 2;
    buf_done(&key);
    buf_done(&labels);
    return 0;
}

static int cardinality(struct series_store *s, struct tenant *t, size_t top, struct arena *a,
                       struct cardinality *ret)
{
    static struct cardinality_row rows[] = {{{"up", 2}, 2}};
    (void)s, (void)t, (void)a;
    *ret = (struct cardinality){.series = 3,
                                .label_pairs = 5,
                                .chunks = 4,
                                .by_bytes = rows,
                                .by_bytes_n = MIN(top, 1),
                                .first_ms = 1,
                                .last_ms = 2,
                                .by_metric = rows,
                                .by_metric_n = MIN(top, 1)};
    return 0;
}

static int remove_series(struct series_store *s, struct tenant *t, const struct matcher *matchers,
                         size_t matchers_n, int64_t from_ms, int64_t to_ms, struct why *why)
{
    (void)s, (void)t, (void)matchers, (void)from_ms, (void)to_ms, (void)why;
    atomic_fetch_add(&site.removed, (int)matchers_n);
    return 0;
}

static struct tenant *find_tenant(struct series_store *s, struct str name)
{
    (void)s;
    if (str_eq(name, STR("stranger")))
        return NULL;
    return promqltest_store_tenant(site.memory);
}

static int select_series(struct series_store *s, struct tenant *t, const struct select *how,
                         struct series_cursor **ret, struct why *why)
{
    struct series_store *face = promqltest_store_face(site.memory);
    (void)s;
    return face->ops->select(face, t, how, ret, why);
}

static uint64_t mark_store(struct series_store *s, struct tenant *t)
{
    struct series_store *face = promqltest_store_face(site.memory);
    (void)s;
    return face->ops->mark(face, t);
}

static uint64_t written_store(struct series_store *s, struct tenant *t, int64_t from_ms,
                              int64_t to_ms)
{
    struct series_store *face = promqltest_store_face(site.memory);
    (void)s;
    return face->ops->written(face, t, from_ms, to_ms);
}

static void bound_store(struct series_store *s, struct tenant *t, int64_t from_ms, int64_t to_ms,
                        uint64_t *ret_samples, uint64_t *ret_series)
{
    struct series_store *face = promqltest_store_face(site.memory);
    (void)s;
    face->ops->bound(face, t, from_ms, to_ms, ret_samples, ret_series);
}

static int sink_tenant(struct sink *s, struct str name, struct tenant **ret, struct why *why)
{
    (void)s, (void)why;
    assert_true(str_eq(name, STR("_sonde")));
    *ret = promqltest_store_tenant(site.memory);
    return 0;
}

static int sink_append(struct sink *s, size_t lane, struct tenant *t, struct batch *b,
                       struct why *why)
{
    (void)s, (void)t, (void)why;
    assert_int_equal(lane, 5);
    for (size_t i = 0; i < b->n; i++) {
        promqltest_store_put(site.memory, b->key[i], b->ts_ms[i], b->value[i], NULL);
        b->err[i] = 0;
    }
    return (int)b->n;
}

static void sink_commit(struct sink *s, size_t lane, void (*done)(void *context, int err),
                        void *context)
{
    (void)s, (void)lane;
    int mode = atomic_load(&site.commit);
    if (mode != COMMIT_HANGS)
        done(context, mode == COMMIT_FAILS ? -ERR_FULL : 0);
}

/* ---- a server */

static const uint8_t
    PAGE[] = {0x1f, 0x8b, 0x8,  0x0,  0x0,  0x0,  0x0,  0x0,  0x2,  0x3,  0xcb,
              0x48, 0xcd, 0xc9, 0xc9, 0x57, 0x28, 0xcf, 0x2f, 0xca, 0x49, 0x1,
              0x0,  0x85, 0x11, 0x4a, 0xd,  0xb,  0x0,  0x0,  0x0}; /* "hello world" */
static const struct asset ASSETS[] = {
    {"/", "text/html; charset=utf-8", "\"e1\"", PAGE, sizeof PAGE, 11, false},
    {"/assets/a.js", "text/javascript", "\"e2\"", PAGE, sizeof PAGE, 11, true},
};

static void each_row(void *context, void (*f)(void *f_context, const struct serve_row *row),
                     void *f_context)
{
    static const struct serve_row ROWS[] = {
        {{"node_cpu_seconds_total", 22},
         {"CPU \\ time\nby mode.", 19},
         METRIC_COUNTER,
         {"node_cpu_seconds_total{cpu=\"0\"}", 31},
         1.5},
        {{"node_cpu_seconds_total", 22},
         {"CPU \\ time\nby mode.", 19},
         METRIC_COUNTER,
         {"node_cpu_seconds_total{cpu=\"1\"}", 31},
         1e21},
        {{"node_load1", 10}, {"Load.", 5}, METRIC_GAUGE, {"node_load1", 10}, 0.25},
        {{"odd", 3}, {"Counted without the suffix.", 27}, METRIC_COUNTER, {"odd", 3}, 3},
        {{"sonde_probes_total", 18}, {"Stale.", 6}, METRIC_COUNTER, {"sonde_probes_total", 18}, 99},
    };
    (void)context;
    for (size_t i = 0; i < COUNTOF(ROWS); i++)
        f(f_context, &ROWS[i]);
}

static void fill(void)
{
    struct buf key;
    const char *jobs[] = {"a", "b"};
    for (size_t j = 0; j < 2; j++) {
        buf_init(&key, 1000);
        labels_put(&key, LABEL_METRIC, STR("up"));
        labels_put(&key, STR("job"), str_c(jobs[j]));
        for (int64_t i = -120; i <= 120; i++)
            promqltest_store_put(site.memory, buf_str(&key), site.base_ms + i * 1000,
                                 (double)(i + 120) + (double)j * 0.5, NULL);
        for (int64_t i = 0; i < 10; i++)
            promqltest_store_put(site.memory, buf_str(&key), 1000000 + i * 1000, (double)i, NULL);
        buf_done(&key);
    }
}

UNUSED static int start(void **state)
{
    static const struct sink_ops SINK = {
        .tenant = sink_tenant, .append = sink_append, .commit = sink_commit};
    (void)state;
    site.memory = promqltest_store_new();
    site.base_ms = clock_wall_ms(&clock_real) / 1000 * 1000;
    start_ms = site.base_ms;
    fill();
    site.ops = *promqltest_store_face(site.memory)->ops;
    site.ops.tenant = find_tenant;
    site.ops.select = select_series;
    site.ops.mark = mark_store;
    site.ops.written = written_store;
    site.ops.bound = bound_store;
    site.ops.label_names = names;
    site.ops.label_values = values;
    site.ops.metadata = metadata;
    site.ops.exemplars = exemplars;
    site.ops.cardinality = cardinality;
    site.ops.remove = remove_series;
    site.store.ops = &site.ops;
    site.sink.ops = &SINK;
    site.health = health_new(&clock_real);
    site.pool = pool_new("query", 1, 64);
    const struct serve_config config = {
        .store = &site.store,
        .sink = &site.sink,
        .probe_lane = 5,
        .pool = site.pool,
        .clock = &clock_real,
        .health = site.health,
        .source = {.each = each_row},
        .assets = ASSETS,
        .assets_n = COUNTOF(ASSETS),
        .admin = {NULL, flush_store, merge_store, snapshot_store},
        .listen_host = "box.example",
        .query = site.query,
        .job = "sonde",
        .instance = "box",
        .loopback = true,
        .start_ms = 1700000000000,
        .admin_api = !site.closed,
        .lifecycle = !site.closed,
        .cors_origin = site.closed ? "" : "https?://friend\\.example(:[0-9]+)?",
        .rules = {.view = site.rules, .tenant = "default"},
        .daemon = {NULL, tell_facts, list_blocks, take_reload, take_quit},
    };
    struct why why;
    assert_int_equal(serve_new(&config, &site.serve, &why), 0);
    struct http_config http = {.guard = serve_guard,
                               .guard_context = site.serve,
                               .cors = serve_cors,
                               .cors_context = site.serve};
    http.routes = serve_routes(site.serve, &http.routes_n);
    loopback_start(&site.at, &http);
    return 0;
}

UNUSED static int stop(void **state)
{
    (void)state;
    loop_stop(site.at.loop);
    thread_join(&site.at.thread);
    pool_free(site.pool);
    loopback_free(&site.at);
    serve_free(site.serve);
    health_free(site.health);
    promqltest_store_free(site.memory);
    return 0;
}

/* ---- a client */

static struct buf heard, plain;

UNUSED static int dial(void)
{
    return loopback_dial(site.at.port);
}

/* Sends a request line with headers; the whole answer. */
UNUSED static struct str ask(const char *line, const char *headers, const char *body)
{
    struct buf b;
    buf_init(&b, 4 << 20);
    buf_printf(&b, "%s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\n%s", line,
               site.at.port, headers);
    if (body)
        buf_printf(&b, "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %zu\r\n",
                   strlen(body));
    buf_printf(&b, "\r\n%s", body ? body : "");
    int fd = dial();
    loopback_say(fd, buf_str(&b));
    buf_done(&b);
    buf_done(&heard);
    buf_init(&heard, 16 * 1024 * 1024);
    loopback_hear(fd, &heard);
    return buf_str(&heard);
}

UNUSED static struct str body_of(struct str answer)
{
    size_t at = str_search(answer, STR("\r\n\r\n"));
    return str_sub(answer, at + 4, answer.n);
}

UNUSED static bool has(struct str text, const char *needle)
{
    return str_search(text, str_c(needle)) < text.n;
}

UNUSED static void expect(const char *line, const char *headers, const char *body, int status,
                          const char *wanted)
{
    char begin[32];
    struct str answer = ask(line, headers, body);
    snprintf(begin, sizeof begin, "HTTP/1.1 %d ", status);
    buf_init(&plain, 1024 * 1024);
    buf_put_str(&plain, body_of(answer));
    buf_put_c(&plain, 0);
    if (!str_starts(answer, str_c(begin)))
        fail_msg("%s: not %d but " STR_FMT, line, status, STR_ARG(answer));
    assert_string_equal(plain.p, wanted);
    buf_done(&plain);
}

#endif
