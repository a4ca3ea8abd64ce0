#include "receive/remote_write.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/stat.h"
#include "codec/rw1.h"
#include "codec/rw2.h"
#include "receive/body.h"
#include "receive/lane_scratch.h"
#include "receive/push.h"

enum { NAMED_MAX = 10 }; /* bad samples that an answer names */

static struct stat requests[] = {
    STAT_COUNTER_OF("sonde_remote_write_requests_total", "version=\"1.0\"",
                    "Remote write requests, by version of the protocol."),
    STAT_COUNTER_OF("sonde_remote_write_requests_total", "version=\"2.0\"",
                    "Remote write requests, by version of the protocol."),
};

static struct stat rejected = STAT_COUNTER("sonde_remote_write_rejected_total",
                                           "Remote write requests not answered with success.");

static struct stat bytes = STAT_COUNTER("sonde_remote_write_bytes_total",
                                        "Bytes of remote write requests, as they were sent.");

static struct stat latency =
    STAT_HISTOGRAM("sonde_remote_write_seconds", "Time from the whole request to its answer.");

/* What one lane needs for a request, kept for the next. */
struct scratch {
    struct body body;
    struct rw1_reader rw1;
    struct rw2_reader rw2;
    struct batch batch;
    struct sides sides;
};

struct remote_write {
    struct sink *sink;
    struct lane_scratch lanes;
};

/* What an answer needs beside its push. */
struct request {
    bool v2;
    int64_t from_ns;
};

static void scratch_init(void *scratch)
{
    struct scratch *s = scratch;
    body_init(&s->body);
    rw1_init(&s->rw1);
    rw2_init(&s->rw2);
}

static void scratch_done(void *scratch)
{
    struct scratch *s = scratch;
    body_done(&s->body);
    rw1_done(&s->rw1);
    rw2_done(&s->rw2);
}

static void put_written(struct http_request *r, struct arena *a, const char *what, uint64_t n)
{
    struct str name = arena_printf(a, "X-Prometheus-Remote-Write-%s-Written", what);
    http_reply_header(r, name, arena_printf(a, "%llu", (unsigned long long)n));
}

static void reply(struct http_request *r, bool v2, const struct push *p, int status,
                  struct str text)
{
    struct arena *a = http_arena(r);
    if (v2) {
        put_written(r, a, "Samples", p ? p->samples : 0);
        put_written(r, a, "Histograms", p ? p->histograms : 0);
        put_written(r, a, "Exemplars", p ? p->exemplars : 0);
    }
    if (status >= 300)
        stat_add(&rejected, 1);
    http_reply(r, status, text.n ? STR("text/plain; charset=utf-8") : STR(""), text);
}

/* Names the bad samples, and what ended the reading where something did. */
static struct str bad_text(const struct push *p)
{
    struct buf b;
    buf_init(&b, 256 * 1024);
    if (p->why.text[0])
        buf_printf(&b, "%s\n", p->why.text);
    if (p->refused || p->bad_n)
        buf_printf(&b, "%llu of %llu samples were refused, the others are stored\n",
                   (unsigned long long)p->refused,
                   (unsigned long long)(p->refused + p->samples + p->histograms));
    for (size_t i = 0; i < p->bad_n; i++)
        buf_printf(&b, STR_FMT ": " STR_FMT "\n", STR_ARG(p->bad[i].series),
                   STR_ARG(p->bad[i].reason));
    struct str text = arena_str(p->arena, buf_str(&b));
    buf_done(&b);
    return text;
}

static void answer(struct push *p, int err)
{
    const struct request *q = p->context;
    int store_err = err ? err : p->store_err;
    int status = 204;
    struct str text = {0};

    stat_observe(&latency, clock_monotonic_ns(&clock_real) - q->from_ns);
    if (store_err) {
        status = push_status(p, store_err);
        text = arena_printf(p->arena, "%s\n",
                            err || !p->why.text[0] ? err_text(store_err) : p->why.text);
    } else if (p->refused || p->bad_n || p->why.text[0]) {
        status = 400;
        text = bad_text(p);
    }
    reply(p->request, q->v2, p, status, text);
}

/* Reads all of it; what could not be read is in p->why. */
static void read_all(struct scratch *s, struct push *p, bool v2, struct str in)
{
    int got = 1;
    if (v2)
        got = rw2_begin(&s->rw2, in, &p->why) == 0;
    else
        rw1_begin(&s->rw1, in);
    while (got > 0) {
        got = v2 ? rw2_next(&s->rw2, &s->batch, &s->sides, &p->why)
                 : rw1_next(&s->rw1, &s->batch, &s->sides, &p->why);
        if (got > 0 && push_take(p, &s->batch, &s->sides, NULL))
            break;
    }
}

/* Which protocol a Content-Type speaks: 0 with *ret_v2, or -ERR_UNSUPPORTED. */
static int version_of(struct str content_type, bool *ret_v2)
{
    struct str proto = push_media_param(content_type, STR("proto"));
    *ret_v2 = str_eq(proto, STR("io.prometheus.write.v2.Request"));
    /* Early senders of 1.0 name no type. */
    if (content_type.n &&
        !push_same_text(push_media_type(content_type), STR("application/x-protobuf")))
        return -ERR_UNSUPPORTED;
    if (proto.p && !*ret_v2 && !str_eq(proto, STR("prometheus.WriteRequest")))
        return -ERR_UNSUPPORTED;
    return 0;
}

static int encoding_of(struct str name, enum pack_codec *ret)
{
    if (name.n == 0) {
        *ret = PACK_SNAPPY; /* likewise */
        return 0;
    }
    if (pack_codec_of(name, ret) || (*ret != PACK_SNAPPY && *ret != PACK_ZSTD))
        return -ERR_UNSUPPORTED;
    return 0;
}

static int body_status(struct http_request *r, int err)
{
    if (err == -ERR_LIMIT)
        return 413;
    if (err != -ERR_BUSY)
        return 400;
    http_reply_header(r, STR("Retry-After"), STR("1"));
    return 503;
}

static void handle(struct http_request *r, void *context)
{
    struct remote_write *rw = context;
    int64_t from_ns = clock_monotonic_ns(&clock_real);
    struct scratch *s = lane_scratch_of(&rw->lanes, http_lane(r));
    enum pack_codec codec;
    struct why why = {0};
    struct push *p;
    struct str in;
    bool v2;

    int unknown = version_of(http_header(r, STR("Content-Type")), &v2);
    stat_add(&requests[v2], 1);
    stat_add(&bytes, http_body(r).n);
    if (unknown) {
        reply(r, v2, NULL, 415,
              STR("send application/x-protobuf, with proto=prometheus.WriteRequest or "
                  "proto=io.prometheus.write.v2.Request\n"));
        return;
    }
    if (encoding_of(http_header(r, STR("Content-Encoding")), &codec)) {
        reply(r, v2, NULL, 415, STR("send the body as snappy (block format) or zstd\n"));
        return;
    }
    int err = push_new(r, rw->sink, NAMED_MAX, &p, &why);
    if (err) {
        reply(r, v2, NULL, 400, arena_printf(http_arena(r), "%s\n", why.text));
        return;
    }
    err = body_unpack(&s->body, codec, http_body(r), REMOTE_WRITE_UNPACKED_MAX, &in, &why);
    if (err) {
        reply(r, v2, NULL, body_status(r, err), arena_printf(http_arena(r), "%s\n", why.text));
        return;
    }
    struct request *q = arena_new(p->arena, sizeof *q);
    *q = (struct request){v2, from_ns};
    p->answer = answer;
    p->context = q;
    read_all(s, p, v2, in);
    body_release(&s->body);
    push_commit(p);
}

static int open(const struct receiver_host *host, void **ret, struct why *why)
{
    (void)why;
    struct remote_write *rw = mem_new(sizeof *rw);
    rw->sink = host->sink;
    rw->lanes = (struct lane_scratch){sizeof(struct scratch), scratch_init, scratch_done, {0}};
    stat_register(&requests[0]);
    stat_register(&requests[1]);
    stat_register(&rejected);
    stat_register(&bytes);
    stat_register(&latency);
    *ret = rw;
    return 0;
}

static void close(void *state)
{
    struct remote_write *rw = state;
    lane_scratch_done(&rw->lanes);
    mem_free(rw);
}

static const struct receiver_route ROUTES[] = {
    {HTTP_POST, "/api/v1/write", REMOTE_WRITE_BODY_MAX, handle},
};

const struct receiver_ops remote_write_receiver = {"remote_write", open, close, ROUTES,
                                                   COUNTOF(ROUTES)};
