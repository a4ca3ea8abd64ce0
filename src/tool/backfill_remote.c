#include "tool/backfill_remote.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/vec.h"
#include "cli/query_answer.h"
#include "codec/wire_put.h"
#include "model/labels.h"
#include "net/client.h"
#include "pack/pack.h"
#include "text/template.h"

enum {
    BODY_MAX = 32 << 20, /* bytes of a request */
    WRITE_POINTS = 20000,
    PATIENCE_MS = 600000,
    REASON_BYTES = 300,
};

/* ---- queries */

static int post(const struct backfill_remote *r, const char *path, const char *const *headers,
                size_t headers_n, struct str body, struct client_reply *ret, struct why *why)
{
    char url[4096], tenant[TENANT_NAME_MAX + 32];
    const char *all[8];
    if (snprintf(url, sizeof url, "%s%s", r->server, path) >= (int)sizeof url)
        return why_set(why, ERR_LIMIT, "the server's URL is too long");
    snprintf(tenant, sizeof tenant, "X-Scope-OrgID: %s", r->tenant);
    for (size_t i = 0; i < headers_n; i++)
        all[i] = headers[i];
    all[headers_n] = tenant;
    struct client_request request = {.method = "POST",
                                     .url = url,
                                     .headers = all,
                                     .headers_n = headers_n + 1,
                                     .body = body,
                                     .timeout_ms = PATIENCE_MS};
    int err = client_send(&request, ret, why);
    if (err != 0)
        (void)why_prefix(why, "%s", r->server);
    return err;
}

static int take_series(const struct query_series *s, struct arena *a, struct backfill_points *ret,
                       struct why *why)
{
    struct label *labels = arena_array(a, s->labels_n + 1, sizeof *labels);
    struct buf key;
    for (size_t i = 0; i < s->labels_n; i++)
        labels[i] = (struct label){s->labels[i].name, s->labels[i].value};
    buf_init(&key, LABELS_KEY_MAX);
    int err = labels_encode_bare(labels, s->labels_n, &key, why);
    struct str name = arena_str(a, buf_str(&key));
    buf_done(&key);
    for (size_t i = 0; i < s->n && err == 0; i++) {
        struct backfill_point p = {name, s->points[i].ts_ms, s->points[i].value, NULL};
        if (s->points[i].histogram)
            return why_set(why, ERR_UNSUPPORTED,
                           "it gives native histograms, which can be backfilled only while no "
                           "daemon uses the data directory");
        vec_push(ret, p);
    }
    return err;
}

static int take_answer(struct str body, struct arena *a, struct backfill_points *ret,
                       struct why *why)
{
    struct query_answer answer;
    int err = query_answer_read(body, a, &answer, why);
    if (err == 0 && answer.error.n > 0)
        err = why_set(why, ERR_FORMAT, STR_FMT, STR_ARG(answer.error));
    for (size_t i = 0; err == 0 && i < answer.n; i++)
        err = take_series(&answer.series[i], a, ret, why);
    return err;
}

int backfill_remote_query(void *context, const struct rule *rule, int64_t start_ms, int64_t end_ms,
                          int64_t step_ms, struct arena *a, struct backfill_points *ret,
                          struct why *why)
{
    static const char *const HEADERS[] = {"Content-Type: application/x-www-form-urlencoded"};
    struct client_reply reply;
    struct buf form;
    buf_init(&form, (size_t)4 * PROMQL_TEXT_MAX);
    buf_printf(&form, "start=%" PRId64 ".%03d&end=%" PRId64 ".%03d&step=%" PRId64 ".%03d&query=",
               start_ms / 1000, (int)(start_ms % 1000), end_ms / 1000, (int)(end_ms % 1000),
               step_ms / 1000, (int)(step_ms % 1000));
    template_escape_query(rule->expr, &form);
    int err = buf_failed(&form) ? why_set(why, ERR_LIMIT, "the expression is too long")
                                : post(context, "/api/v1/query_range", HEADERS, COUNTOF(HEADERS),
                                       buf_str(&form), &reply, why);
    buf_done(&form);
    if (err != 0)
        return err;
    struct str body = arena_str(a, buf_str(&reply.body)); /* the answer's texts point into it */
    err = take_answer(body, a, ret, why);
    client_reply_done(&reply);
    return err;
}

/* ---- writes */

/* A TimeSeries of remote write 1.0: the key is its labels as they are sent. Returns how many points
 * it took. */
static size_t put_series(const struct backfill_point *v, size_t n, struct buf *out)
{
    struct buf series, sample;
    size_t i = 0;
    buf_init(&series, BODY_MAX);
    buf_init(&sample, 64);
    buf_put_str(&series, v[0].key);
    for (; i < n && str_eq(v[i].key, v[0].key); i++) {
        buf_clear(&sample);
        wire_put_double(&sample, 1, v[i].value);
        wire_put_int(&sample, 2, (uint64_t)v[i].ts_ms);
        wire_put_bytes(&series, 2, buf_str(&sample));
    }
    wire_put_bytes(out, 1, buf_str(&series));
    buf_done(&sample);
    buf_done(&series);
    return i;
}

static int send_points(const struct backfill_remote *r, const struct backfill_point *v, size_t n,
                       struct why *why)
{
    static const char *const HEADERS[] = {"Content-Type: application/x-protobuf",
                                          "Content-Encoding: snappy",
                                          "X-Prometheus-Remote-Write-Version: 0.1.0"};
    struct client_reply reply;
    struct buf plain, packed;
    buf_init(&plain, BODY_MAX);
    buf_init(&packed, BODY_MAX);
    for (size_t i = 0; i < n;)
        i += put_series(v + i, n - i, &plain);
    int err = buf_failed(&plain) ? -ERR_LIMIT : pack_pack(PACK_SNAPPY, 0, buf_str(&plain), &packed);
    if (err != 0)
        err = why_set(why, ERR_LIMIT, "the results are too large for one request");
    else
        err = post(r, "/api/v1/write", HEADERS, COUNTOF(HEADERS), buf_str(&packed), &reply, why);
    buf_done(&packed);
    buf_done(&plain);
    if (err != 0)
        return err;
    if (reply.status / 100 != 2)
        err = why_set(why, ERR_DENIED, "the daemon refused samples (status %d): " STR_FMT,
                      reply.status,
                      STR_ARG(str_sub(str_trim(buf_str(&reply.body)), 0, REASON_BYTES)));
    client_reply_done(&reply);
    return err;
}

int backfill_remote_write(void *context, const struct backfill_point *v, size_t n, struct why *why)
{
    int err = 0;
    for (size_t i = 0; i < n && err == 0; i += WRITE_POINTS)
        err = send_points(context, v + i, MIN(n - i, (size_t)WRITE_POINTS), why);
    return err;
}
