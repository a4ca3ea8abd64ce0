#include "serve/status_api.h"

#include <time.h>

#include "serve/answer.h"
#include "serve/param.h"
#include "text/json.h"

/* Clients switch features on by the version: the API's level first, ours behind the plus. */
#define API_LEVEL "3.0.0"

enum { TOP_DEFAULT = 10, TOP_MAX = 10000 };

static void put_pair(struct json_writer *w, struct str key, struct str value)
{
    json_key(w, key);
    json_text(w, value);
}

static void send(struct http_request *r, struct buf *b)
{
    http_reply(r, 200, STR("application/json"), buf_str(b));
    buf_done(b);
}

void status_api_build(struct http_request *r, void *serve)
{
    const struct serve *s = serve;
    struct json_writer w;
    struct buf b;
    buf_init(&b, SERVE_BODY_MAX);
    buf_put_str(&b, STR("{\"status\":\"success\",\"data\":"));
    json_writer_init(&w, &b);
    json_begin_object(&w);
    put_pair(&w, STR("version"), STR(API_LEVEL "+sonde-" SONDE_VERSION));
    put_pair(&w, STR("revision"), str_c(s->config.revision ? s->config.revision : ""));
    put_pair(&w, STR("branch"), STR(""));
    put_pair(&w, STR("buildUser"), STR(""));
    put_pair(&w, STR("buildDate"), STR(""));
    put_pair(&w, STR("goVersion"), STR(""));
    json_end_object(&w);
    buf_put_c(&b, '}');
    send(r, &b);
}

static void put_time(struct json_writer *w, struct str key, int64_t ms)
{
    char text[64];
    struct tm tm;
    time_t seconds = (time_t)(ms / 1000);
    gmtime_r(&seconds, &tm);
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    put_pair(w, key, str_of(text, n));
}

void status_api_runtime(struct http_request *r, void *serve)
{
    const struct serve *s = serve;
    struct json_writer w;
    struct buf b;
    buf_init(&b, SERVE_BODY_MAX);
    buf_put_str(&b, STR("{\"status\":\"success\",\"data\":"));
    json_writer_init(&w, &b);
    json_begin_object(&w);
    put_time(&w, STR("startTime"), s->config.start_ms);
    put_time(&w, STR("serverTime"), clock_wall_ms(s->config.clock));
    put_pair(&w, STR("hostname"), str_c(s->config.instance ? s->config.instance : ""));
    json_end_object(&w);
    buf_put_c(&b, '}');
    send(r, &b);
}

static void put_rows(struct json_writer *w, struct str key, const struct cardinality_row *v,
                     size_t n)
{
    json_key(w, key);
    json_begin_array(w);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(w);
        put_pair(w, STR("name"), v[i].name);
        json_key(w, STR("value"));
        json_u64(w, v[i].n);
        json_end_object(w);
    }
    json_end_array(w);
}

static void tsdb_work(struct job *j)
{
    const uint64_t *top = j->context;
    struct series_store *store = j->serve->config.store;
    struct cardinality c = {0};
    struct why why = {0};
    struct json_writer w;
    int err =
        j->tenant ? store->ops->cardinality(store, j->tenant, (size_t)*top, &j->arena, &c) : 0;
    if (err) {
        answer_failure(j, err, &why);
        return;
    }
    answer_begin(j);
    json_writer_init(&w, &j->body);
    json_begin_object(&w);
    json_key(&w, STR("headStats"));
    json_begin_object(&w);
    json_key(&w, STR("numSeries"));
    json_u64(&w, c.series);
    json_key(&w, STR("numLabelPairs"));
    json_u64(&w, c.label_pairs);
    json_key(&w, STR("minTime"));
    json_i64(&w, c.first_ms);
    json_key(&w, STR("maxTime"));
    json_i64(&w, c.last_ms);
    json_end_object(&w);
    put_rows(&w, STR("seriesCountByMetricName"), c.by_metric, c.by_metric_n);
    put_rows(&w, STR("labelValueCountByLabelName"), c.by_label, c.by_label_n);
    put_rows(&w, STR("seriesCountByLabelValuePair"), c.by_pair, c.by_pair_n);
    json_end_object(&w);
    answer_end(j, NULL, STR(""));
}

void status_api_tsdb(struct http_request *r, void *serve)
{
    uint64_t *top = arena_new(http_arena(r), sizeof *top);
    if (!param_limit(r, STR("limit"), top))
        return;
    if (*top > TOP_MAX) {
        param_refuse(r, STR("limit"), "limit must not exceed 10000");
        return;
    }
    if (*top == 0)
        *top = TOP_DEFAULT;
    job_start(serve, r, tsdb_work, top);
}
