#include "serve/answer.h"
#include "serve/member.h"
#include "serve/param.h"
#include "serve/status_api.h"
#include "text/json.h"

enum { TOP_DEFAULT = 10, TOP_MAX = 10000 };

static void put_count(struct json_writer *w, struct str key, uint64_t n)
{
    json_key(w, key);
    json_u64(w, n);
}

static void put_rows(struct json_writer *w, struct str key, const struct cardinality_row *v,
                     size_t n)
{
    json_key(w, key);
    json_begin_array(w);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(w);
        member_text(w, "name", v[i].name);
        put_count(w, STR("value"), v[i].n);
        json_end_object(w);
    }
    json_end_array(w);
}

static void tsdb_work(struct job *j)
{
    const int64_t *top = j->context;
    struct series_store *store = j->serve->config.store;
    /* What a head without samples says there. */
    struct cardinality c = {.first_ms = INT64_MAX, .last_ms = INT64_MIN};
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
    put_count(&w, STR("numSeries"), c.series);
    put_count(&w, STR("numLabelPairs"), c.label_pairs);
    put_count(&w, STR("chunkCount"), c.chunks);
    member_whole(&w, "minTime", c.first_ms);
    member_whole(&w, "maxTime", c.last_ms);
    json_end_object(&w);
    put_rows(&w, STR("seriesCountByMetricName"), c.by_metric, c.by_metric_n);
    put_rows(&w, STR("labelValueCountByLabelName"), c.by_label, c.by_label_n);
    put_rows(&w, STR("memoryInBytesByLabelName"), c.by_bytes, c.by_bytes_n);
    put_rows(&w, STR("seriesCountByLabelValuePair"), c.by_pair, c.by_pair_n);
    json_end_object(&w);
    answer_end(j, NULL, STR(""));
}

void status_api_tsdb(struct http_request *r, void *serve)
{
    int64_t *top = arena_new(http_arena(r), sizeof *top);
    struct str text;
    *top = TOP_DEFAULT;
    bool given = http_param(r, STR("limit"), &text) && text.n;
    if (given && (!str_i64(text, top) || *top < 1))
        answer_refuse(r, 400, "bad_data", "limit must be a positive number");
    else if (*top > TOP_MAX)
        answer_refuse(r, 400, "bad_data", "limit must not exceed 10000");
    else
        job_start(serve, r, tsdb_work, top);
}

static void put_block(struct json_writer *w, const struct serve_block *b)
{
    json_begin_object(w);
    member_text(w, "ulid", b->name);
    member_whole(w, "minTime", b->first_ms);
    member_whole(w, "maxTime", b->last_ms + 1); /* there it is the first one behind */
    json_key(w, STR("stats"));
    json_begin_object(w);
    put_count(w, STR("numSamples"), b->samples);
    put_count(w, STR("numSeries"), b->series);
    put_count(w, STR("numChunks"), b->chunks);
    json_end_object(w);
    json_key(w, STR("compaction"));
    json_begin_object(w);
    put_count(w, STR("level"), b->level + 1); /* there the first is 1 */
    json_end_object(w);
    put_count(w, STR("version"), 1);
    json_end_object(w);
}

static void blocks_work(struct job *j)
{
    const struct serve_daemon *daemon = &j->serve->config.daemon;
    struct serve_block *v = NULL;
    struct json_writer w;
    size_t n = 0;
    int err = daemon->blocks
                  ? daemon->blocks(daemon->context, job_tenant(j->request), &j->arena, &v, &n)
                  : 0;
    if (err) {
        answer_failure(j, err, NULL);
        return;
    }
    answer_begin(j);
    json_writer_init(&w, &j->body);
    json_begin_object(&w);
    json_key(&w, STR("blocks"));
    json_begin_array(&w);
    for (size_t i = 0; i < n; i++)
        put_block(&w, &v[i]);
    json_end_array(&w);
    json_end_object(&w);
    answer_end(j, NULL, STR(""));
}

void status_api_blocks(struct http_request *r, void *serve)
{
    job_start(serve, r, blocks_work, NULL);
}
