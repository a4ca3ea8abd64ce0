#include "serve/read_api.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/vec.h"
#include "codec/remote_read.h"
#include "pack/pack.h"
#include "serve/job.h"
#include "serve/query_registry.h"

enum { REQUEST_MAX = 4 * 1024 * 1024 /* bytes of a request, unpacked */ };

/* What was written of one series: [at, at + n) of the bytes. */
struct piece {
    struct str key;
    size_t at, n;
};

struct reading {
    struct job *job;
    struct remote_read_request request;
    size_t query;              /* the present one */
    struct buf bytes, scratch; /* of its series */
    struct {
        struct piece *v;
        size_t n, capacity;
    } pieces;
    uint64_t samples, samples_max;
    struct str external; /* labels that all series have outside, a bare key */
};

static void answer_text(struct job *j, int status, const char *text)
{
    buf_clear(&j->body);
    buf_put_str(&j->body, str_c(text));
    buf_put_c(&j->body, '\n');
    j->status = status;
    j->type = STR("text/plain; charset=utf-8");
    j->encoding = STR("");
}

static int piece_cmp(const void *a, const void *b)
{
    return labels_cmp(((const struct piece *)a)->key, ((const struct piece *)b)->key);
}

/* Asks a matcher for an external label, as it is? Every series has that outside. */
static bool is_external(const struct reading *r, const struct matcher *m)
{
    struct str value = labels_get(r->external, m->name);
    return m->type == MATCH_EQUAL && value.n > 0 && str_eq(value, m->value);
}

/* The matchers of a query. A request may have none that refuses the empty value; every series has
 * a name, so that one on it changes nothing. */
static struct matcher *matchers_of(struct reading *r, const struct remote_read_query *q,
                                   size_t *ret_n)
{
    static const enum match_type TYPES[] = {[REMOTE_READ_EQUAL] = MATCH_EQUAL,
                                            [REMOTE_READ_NOT_EQUAL] = MATCH_NOT_EQUAL,
                                            [REMOTE_READ_REGEX] = MATCH_REGEX,
                                            [REMOTE_READ_NOT_REGEX] = MATCH_NOT_REGEX};
    struct matcher *m = arena_array(&r->job->arena, q->matchers_n + 1, sizeof *m);
    size_t n = 0;
    for (size_t i = 0; i < q->matchers_n; i++) {
        m[n].type = TYPES[q->matchers[i].type];
        m[n].name = q->matchers[i].name;
        m[n].value = q->matchers[i].value;
        n += !is_external(r, &m[n]);
    }
    m[n++] = (struct matcher){MATCH_NOT_EQUAL, LABEL_METRIC, STR("")};
    *ret_n = n;
    return m;
}

/* The series' labels and the external ones that it does not have. */
static int full_key(struct reading *r, struct str key, struct str *ret, struct why *why)
{
    struct label labels[2 * LABELS_MAX];
    size_t n = 0;
    struct label l;
    struct buf full;
    if (r->external.n == 0) {
        *ret = arena_str(&r->job->arena, key);
        return 0;
    }
    for (const char *at = key.p; n < LABELS_MAX && labels_next(key, &at, &l, NULL);)
        labels[n++] = l;
    for (const char *at = r->external.p; labels_next(r->external, &at, &l, NULL);)
        if (labels_get(key, l.name).n == 0 && n < COUNTOF(labels))
            labels[n++] = l;
    buf_init(&full, LABELS_KEY_MAX);
    int err = labels_encode(labels, n, &full, why);
    if (err == 0)
        *ret = arena_str(&r->job->arena, buf_str(&full));
    buf_done(&full);
    return err;
}

static int take_series(void *context, const struct series_view *view, struct why *why)
{
    struct reading *r = context;
    const struct column *c = &view->column;
    struct prom_chunk_samples samples = {c->ts_ms, c->value, c->histogram, c->n};
    struct piece piece = {.at = r->bytes.n};
    uint64_t limit = r->samples_max;
    if (c->n == 0)
        return 0;
    int err = full_key(r, view->key, &piece.key, why);
    if (err != 0)
        return err;
    r->samples += c->n;
    if (limit && r->samples > limit)
        return why_set(why, ERR_LIMIT, "exceeded sample limit (%llu)", (unsigned long long)limit);
    if (r->request.streamed)
        remote_read_put_frames(&r->bytes, &r->scratch, r->query, piece.key, &samples);
    else
        remote_read_put_series(&r->bytes, piece.key, &samples);
    if (buf_failed(&r->bytes))
        return why_set(why, ERR_LIMIT, "the answer is larger than 1 GiB");
    piece.n = r->bytes.n - piece.at;
    vec_push(&r->pieces, piece);
    return 0;
}

static int read_series(struct reading *r, size_t query, struct why *why)
{
    const struct remote_read_query *q = &r->request.queries[query];
    struct select how = {.from_ms = q->from_ms, .to_ms = q->to_ms, .want = SELECT_SAMPLES};
    how.matchers = matchers_of(r, q, &how.matchers_n);
    r->query = query;
    return job_each_series(r->job, &how, take_series, r, why);
}

/* Moves what was written of the query's series to the answer, in the order of their labels: who
 * reads the frames merges them with series of his own. */
static void put_sorted(struct reading *r, struct buf *out)
{
    if (r->pieces.n > 1)
        qsort(r->pieces.v, r->pieces.n, sizeof *r->pieces.v, piece_cmp);
    for (size_t i = 0; i < r->pieces.n; i++)
        buf_put(out, r->bytes.p + r->pieces.v[i].at, r->pieces.v[i].n);
    buf_clear(&r->bytes);
    r->pieces.n = 0;
}

static int read_query(struct reading *r, size_t query, struct buf *out, struct why *why)
{
    struct buf result;
    int err = r->job->tenant ? read_series(r, query, why) : 0;
    if (err || r->request.streamed) {
        put_sorted(r, out);
        return err;
    }
    buf_init(&result, SERVE_ANSWER_MAX);
    put_sorted(r, &result);
    remote_read_put_result(out, buf_str(&result));
    out->failed |= buf_failed(&result);
    buf_done(&result);
    return 0;
}

static void put_answer(struct reading *r, struct buf *out)
{
    struct job *j = r->job;
    if (r->request.streamed) {
        j->type = STR("application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse");
        buf_done(&j->body);
        j->body = *out;
        buf_init(out, SERVE_ANSWER_MAX);
        return;
    }
    j->type = STR("application/x-protobuf");
    j->encoding = STR("snappy");
    if (buf_failed(out) || pack_pack(PACK_SNAPPY, 0, buf_str(out), &j->body) != 0)
        answer_text(j, 400, "the answer is larger than 1 GiB: ask for a shorter time");
}

static int status_of(int err)
{
    switch (-err) {
    case ERR_FORMAT:
    case ERR_LIMIT:
    case ERR_RANGE:
        return 400;
    default:
        return 500;
    }
}

static void answer_queries(struct reading *r)
{
    struct why why = {0};
    struct buf out;
    int err = 0;
    buf_init(&out, SERVE_ANSWER_MAX);
    for (size_t i = 0; i < r->request.queries_n && !err; i++)
        err = read_query(r, i, &out, &why);
    if (err)
        answer_text(r->job, status_of(err), why.text[0] ? why.text : err_text(err));
    else
        put_answer(r, &out);
    buf_done(&out);
}

static void work(struct job *j)
{
    struct query_rules rules;
    query_registry_rules(j->serve->queries, &rules);
    const struct serve_daemon *daemon = &j->serve->config.daemon;
    struct serve_facts facts = {0};
    if (daemon->facts)
        daemon->facts(daemon->context, &j->arena, &facts);
    struct reading r = {.job = j,
                        .samples_max = (uint64_t)rules.settings.samples_max,
                        .external = facts.external_labels};
    struct buf request;
    struct why why = {0};
    buf_init(&request, REQUEST_MAX + PACK_SLACK);
    buf_init(&r.bytes, SERVE_ANSWER_MAX);
    buf_init(&r.scratch, SERVE_ANSWER_MAX);
    int err = pack_unpack(PACK_SNAPPY, http_body(j->request), &request, REQUEST_MAX, &why);
    if (err == 0)
        err = remote_read_decode(buf_str(&request), &j->arena, &r.request, &why);
    if (err)
        answer_text(j, 400, why.text[0] ? why.text : err_text(err));
    else
        answer_queries(&r);
    vec_free(&r.pieces);
    buf_done(&r.scratch);
    buf_done(&r.bytes);
    buf_done(&request);
}

void read_api_handle(struct http_request *r, void *serve)
{
    job_start(serve, r, work, NULL);
}
