#include "receive/collectd_http.h"

#include "base/mem.h"
#include "base/stat.h"
#include "codec/collectd_http.h"
#include "os/file.h"
#include "receive/body.h"
#include "receive/collectd_receiver.h"
#include "receive/lane_scratch.h"
#include "receive/push.h"

static struct stat requests =
    STAT_COUNTER("sonde_collectd_http_requests_total", "Requests of collectd's write_http plugin.");
static struct stat rejected = STAT_COUNTER("sonde_collectd_http_rejected_total",
                                           "Those that were not answered with success.");

/* What one lane needs for a request, kept for the next. */
struct scratch {
    struct body body;
    struct collectd_http_reader reader;
    struct batch batch;
    struct sides sides;
};

struct collectd_http {
    struct sink *sink;
    const struct clock *clock;
    struct collectd_types types;
    struct lane_scratch lanes;
};

static void scratch_init(void *scratch)
{
    struct scratch *s = scratch;
    body_init(&s->body);
    collectd_http_init(&s->reader);
}

static void scratch_done(void *scratch)
{
    struct scratch *s = scratch;
    body_done(&s->body);
    collectd_http_done(&s->reader);
}

static void refuse(struct http_request *r, int status, struct str text)
{
    stat_add(&rejected, 1);
    http_reply(r, status, STR("text/plain; charset=utf-8"), text);
}

static struct str bad_text(const struct push *p)
{
    struct buf b;
    buf_init(&b, 256 * 1024);
    if (p->why.text[0])
        buf_printf(&b, "%s\n", p->why.text);
    if (p->refused)
        buf_printf(&b, "%llu values were refused, %llu are stored\n",
                   (unsigned long long)p->refused, (unsigned long long)p->samples);
    for (size_t i = 0; i < p->bad_n; i++)
        buf_printf(&b, STR_FMT ": " STR_FMT "\n", STR_ARG(p->bad[i].series),
                   STR_ARG(p->bad[i].reason));
    struct str text = arena_str(p->arena, buf_str(&b));
    buf_done(&b);
    return text;
}

static void answer(struct push *p, int err)
{
    int store_err = err ? err : p->store_err;
    if (store_err)
        refuse(p->request, push_status(p, store_err),
               arena_printf(p->arena, "%s\n",
                            err || !p->why.text[0] ? err_text(store_err) : p->why.text));
    else if (p->refused || p->why.text[0])
        refuse(p->request, 400, bad_text(p));
    else
        http_reply(p->request, 204, STR(""), STR(""));
}

static void handle(struct http_request *r, void *context)
{
    struct collectd_http *c = context;
    struct scratch *s = lane_scratch_of(&c->lanes, http_lane(r));
    enum pack_codec codec;
    struct why why = {0};
    struct push *p;
    struct str text;

    stat_add(&requests, 1);
    if (pack_codec_of(http_header(r, STR("Content-Encoding")), &codec) || codec == PACK_LZ4) {
        refuse(r, 415, STR("send Content-Encoding gzip, deflate, zstd, snappy or none\n"));
        return;
    }
    int err = push_new(r, c->sink, COLLECTD_HTTP_NAMED_MAX, &p, &why);
    if (err) {
        refuse(r, 400, arena_printf(http_arena(r), "%s\n", why.text));
        return;
    }
    err = body_unpack(&s->body, codec, http_body(r), COLLECTD_HTTP_UNPACKED_MAX, &text, &why);
    if (err) {
        refuse(r,
               err == -ERR_LIMIT  ? 413
               : err == -ERR_BUSY ? 503
                                  : 400,
               arena_printf(http_arena(r), "%s\n", why.text));
        return;
    }
    p->answer = answer;
    collectd_http_begin(&s->reader, text, &c->types, clock_wall_ms(c->clock));
    while (collectd_http_next(&s->reader, &s->batch, &s->sides, &p->why) > 0)
        if (push_take(p, &s->batch, &s->sides, NULL))
            break;
    body_release(&s->body);
    push_commit(p);
}

/* The types of one's own. */
static int read_types(struct collectd_http *c, const struct collectd_settings *settings,
                      struct why *why)
{
    int err = 0;
    for (size_t i = 0; i < settings->types_db.n && err == 0; i++) {
        struct buf text;
        buf_init(&text, COLLECTD_TYPES_FILE_MAX);
        err = file_read(settings->types_db.v[i], &text, why);
        if (err == 0)
            err = collectd_types_read(&c->types, buf_str(&text), why);
        buf_done(&text);
    }
    return err;
}

static void close(void *state)
{
    struct collectd_http *c = state;
    lane_scratch_done(&c->lanes);
    collectd_types_done(&c->types);
    mem_free(c);
}

static int open(const struct receiver_host *host, void **ret, struct why *why)
{
    struct collectd_http *c = mem_new(sizeof *c);
    c->sink = host->sink;
    c->clock = host->clock;
    c->lanes = (struct lane_scratch){sizeof(struct scratch), scratch_init, scratch_done, {0}};
    collectd_types_init(&c->types);
    stat_register(&requests);
    stat_register(&rejected);
    int err = host->settings == NULL
                  ? 0
                  : read_types(c, host->settings(host->context, &collectd_options), why);
    if (err != 0)
        close(c);
    else
        *ret = c;
    return err;
}

static const struct receiver_route ROUTES[] = {
    {HTTP_POST | HTTP_RAW, "/api/collectd", COLLECTD_HTTP_BODY_MAX, handle},
};

const struct receiver_ops collectd_http_receiver = {"collectd_http", open, close, ROUTES,
                                                    COUNTOF(ROUTES)};
