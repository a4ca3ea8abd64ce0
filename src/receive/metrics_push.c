#include "receive/metrics_push.h"

#include "base/mem.h"
#include "base/stat.h"
#include "codec/exposition.h"
#include "codec/metrics_json.h"
#include "receive/body.h"
#include "receive/lane_scratch.h"
#include "receive/push.h"
#include "text/json.h"

static struct stat requests =
    STAT_COUNTER("sonde_metrics_push_requests_total", "Requests to POST /api/metrics.");

static struct stat rejected = STAT_COUNTER("sonde_metrics_push_rejected_total",
                                           "Requests to POST /api/metrics that stored nothing.");

/* What one lane needs for a request, kept for the next. */
struct scratch {
    struct body body;
    struct metrics_json_reader json;
    struct exposition_reader exposition;
    struct batch batch;
    struct sides sides;
};

struct metrics_push {
    struct sink *sink;
    const struct clock *clock;
    struct lane_scratch lanes;
};

static void scratch_init(void *scratch)
{
    struct scratch *s = scratch;
    body_init(&s->body);
    metrics_json_init(&s->json);
    exposition_init(&s->exposition);
}

static void scratch_done(void *scratch)
{
    struct scratch *s = scratch;
    body_done(&s->body);
    metrics_json_done(&s->json);
    exposition_done(&s->exposition);
}

static void put_refused(const struct push *p, struct json_writer *w)
{
    json_key(w, STR("refused"));
    json_begin_array(w);
    for (size_t i = 0; i < p->bad_n; i++) {
        json_begin_object(w);
        json_key(w, STR("index"));
        json_u64(w, p->bad[i].index);
        json_key(w, STR("series"));
        json_text(w, p->bad[i].series);
        json_key(w, STR("reason"));
        json_text(w, p->bad[i].reason);
        json_end_object(w);
    }
    json_end_array(w);
}

static void answer(struct push *p, int err)
{
    struct buf body;
    struct json_writer w;
    int store_err = err ? err : p->store_err;
    const char *whole = NULL; /* why all of it, or the rest, was refused */
    int status = 200;
    bool nothing = p->samples == 0;

    if (store_err) {
        status = push_status(p, store_err);
        whole = err || !p->why.text[0] ? err_text(store_err) : p->why.text;
    } else if (p->why.text[0]) {
        status = 400;
        whole = p->why.text;
    } else if (nothing && p->refused) {
        status = 400;
    }
    if (status != 200)
        stat_add(&rejected, 1);

    buf_init(&body, 4 << 20);
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_key(&w, STR("accepted"));
    json_u64(&w, err ? 0 : p->samples);
    json_key(&w, STR("refused_total"));
    json_u64(&w, p->refused);
    put_refused(p, &w);
    if (whole) {
        json_key(&w, STR("error"));
        json_text(&w, str_c(whole));
        json_key(&w, STR("code"));
        json_text(&w, str_c(err_code(store_err ? store_err : -ERR_FORMAT)));
    }
    json_end_object(&w);
    http_reply(p->request, status, STR("application/json"), buf_str(&body));
    buf_done(&body);
}

static void read_json(struct scratch *s, struct push *p, struct str in, int64_t now_ms)
{
    metrics_json_begin(&s->json, in, now_ms);
    while (metrics_json_next(&s->json, &s->batch, &s->sides, &p->why) > 0)
        if (push_take(p, &s->batch, &s->sides, s->json.items))
            return;
}

static void read_exposition(struct scratch *s, struct push *p, struct str in,
                            enum exposition_format format, int64_t now_ms)
{
    exposition_begin(&s->exposition, in, format, now_ms);
    while (exposition_next(&s->exposition, &s->batch, &s->sides) > 0)
        if (push_take(p, &s->batch, &s->sides, s->exposition.lines))
            return;
}

static void handle(struct http_request *r, void *context)
{
    struct metrics_push *m = context;
    struct scratch *s = lane_scratch_of(&m->lanes, http_lane(r));
    struct str type = http_header(r, STR("Content-Type"));
    bool json = push_same_text(push_media_type(type), STR("application/json"));
    enum exposition_format format = EXPOSITION_TEXT;
    enum pack_codec codec;
    struct why why = {0};
    struct push *p;
    struct str in;

    stat_add(&requests, 1);
    if (!json && !exposition_format_of(type, &format)) {
        http_reply_error(r, 415, -ERR_UNSUPPORTED,
                         "send Content-Type application/json, text/plain; version=0.0.4 or "
                         "application/openmetrics-text");
        return;
    }
    if (pack_codec_of(http_header(r, STR("Content-Encoding")), &codec) || codec == PACK_LZ4) {
        http_reply_error(r, 415, -ERR_UNSUPPORTED,
                         "send Content-Encoding gzip, deflate, zstd, snappy or none");
        return;
    }
    int err = push_new(r, m->sink, METRICS_PUSH_REFUSED_MAX, &p, &why);
    if (err) {
        http_reply_error(r, 400, err, why.text);
        return;
    }
    err = body_unpack(&s->body, codec, http_body(r), METRICS_PUSH_UNPACKED_MAX, &in, &why);
    if (err) {
        http_reply_error(r, err == -ERR_LIMIT ? 413 : err == -ERR_BUSY ? 503 : 400, err, why.text);
        return;
    }
    p->answer = answer;
    if (json)
        read_json(s, p, in, clock_wall_ms(m->clock));
    else
        read_exposition(s, p, in, format, clock_wall_ms(m->clock));
    body_release(&s->body);
    push_commit(p);
}

static int open(const struct receiver_host *host, void **ret, struct why *why)
{
    (void)why;
    struct metrics_push *m = mem_new(sizeof *m);
    m->sink = host->sink;
    m->clock = host->clock;
    m->lanes = (struct lane_scratch){sizeof(struct scratch), scratch_init, scratch_done, {0}};
    stat_register(&requests);
    stat_register(&rejected);
    *ret = m;
    return 0;
}

static void close(void *state)
{
    struct metrics_push *m = state;
    lane_scratch_done(&m->lanes);
    mem_free(m);
}

static const struct receiver_route ROUTES[] = {
    {HTTP_POST, "/api/metrics", METRICS_PUSH_BODY_MAX, handle},
};

const struct receiver_ops metrics_push_receiver = {"metrics_push", open, close, ROUTES,
                                                   COUNTOF(ROUTES)};
