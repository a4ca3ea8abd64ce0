#include "receive/otlp.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/stat.h"
#include "codec/otlp_metrics_json.h"
#include "codec/otlp_translate.h"
#include "pack/budget.h"
#include "receive/body.h"
#include "receive/lane_scratch.h"
#include "receive/otlp_grpc.h"
#include "receive/otlp_reply.h"
#include "receive/push.h"

enum {
    JSON_GROWTH_MAX = 4, /* bytes of protobuf for a byte of JSON: counts of buckets grow */
    JSON_KEEP_MAX = 4 << 20,
    RETRY_S = 5,
    RETRY_FULL_S = 30
};

static struct stat requests[] = {
    STAT_COUNTER_OF("sonde_otlp_requests_total", "encoding=\"protobuf\"",
                    "Requests with OpenTelemetry's metrics, by their encoding."),
    STAT_COUNTER_OF("sonde_otlp_requests_total", "encoding=\"json\"",
                    "Requests with OpenTelemetry's metrics, by their encoding."),
};
static struct stat failed =
    STAT_COUNTER("sonde_otlp_failed_total", "Requests with OpenTelemetry's metrics that failed.");
static struct stat points =
    STAT_COUNTER("sonde_otlp_points_total", "Data points of OpenTelemetry that came in.");
static struct stat rejected =
    STAT_COUNTER("sonde_otlp_rejected_points_total", "Data points of OpenTelemetry refused.");
static struct stat bytes =
    STAT_COUNTER("sonde_otlp_bytes_total", "Bytes of OpenTelemetry's metrics, as they were sent.");
static struct stat known = STAT_COUNTER("sonde_otlp_cache_hits_total",
                                        "Series, metrics and resources whose names were known.");
static struct stat unknown = STAT_COUNTER("sonde_otlp_cache_misses_total",
                                          "Series, metrics and resources that were translated.");
static struct stat latency =
    STAT_HISTOGRAM("sonde_otlp_seconds", "Time from the whole request to its answer.");

static struct stat *const STATS[] = {&requests[0], &requests[1], &failed,  &points, &rejected,
                                     &bytes,       &known,       &unknown, &latency};

struct scratch {
    struct body body;
    struct buf json; /* a request in JSON, written again in protobuf */
    struct arena texts;
    bool ready; /* translate has been made, with its settings */
    struct otlp_translate translate;
};

struct otlp {
    struct sink *sink;
    const struct clock *clock;
    struct otlp_settings settings;
    struct otlp_delta *delta;
    struct lane_scratch lanes;
};

static void scratch_init(void *scratch)
{
    struct scratch *s = scratch;
    body_init(&s->body);
    arena_init(&s->texts);
    buf_init(&s->json, SIZE_MAX / 2);
}

static void scratch_done(void *scratch)
{
    struct scratch *s = scratch;
    body_done(&s->body);
    arena_done(&s->texts);
    buf_done(&s->json);
    if (s->ready)
        otlp_translate_done(&s->translate);
}

static struct scratch *scratch_of(struct otlp *o, size_t lane)
{
    struct scratch *s = lane_scratch_of(&o->lanes, lane);
    if (!s->ready) {
        otlp_translate_init(&s->translate, &o->settings, o->delta);
        s->ready = true;
    }
    return s;
}

/* ---- one request, however it came */

/* What an answer needs beside its push. */
struct taking {
    struct otlp_call call;
    struct push *push;
    int err; /* of the bytes */
    uint64_t rejected;
    int64_t last_rejected; /* a point of several rows counts once */
};

static void tell(struct taking *q, const struct otlp_outcome *outcome)
{
    stat_add(&rejected, outcome->rejected);
    if (outcome->err)
        stat_add(&failed, 1);
    q->call.done(q->call.context, outcome);
}

static void fail(struct taking *q, int err, bool retry, struct str message)
{
    const struct otlp_outcome outcome = {
        .err = err,
        .retry = retry,
        .retry_s = err == -ERR_FULL ? RETRY_FULL_S : RETRY_S,
        .message = message,
    };
    tell(q, &outcome);
}

/* The reasons of the first points that were refused. */
static struct str reasons(const struct taking *q)
{
    const struct push *p = q->push;
    struct buf b;
    if (q->rejected == 0)
        return (struct str){0};
    buf_init(&b, 64 * 1024);
    buf_printf(&b, "%llu data points were refused", (unsigned long long)q->rejected);
    for (size_t i = 0; i < p->bad_n; i++)
        buf_printf(&b, "%s" STR_FMT ": " STR_FMT, i ? "; " : ": ", STR_ARG(p->bad[i].series),
                   STR_ARG(p->bad[i].reason));
    struct str text = arena_str(p->arena, buf_str(&b));
    buf_done(&b);
    return text;
}

static void committed(struct push *p, int commit_err)
{
    struct taking *q = p->context;
    int store_err = commit_err ? commit_err : p->store_err;
    struct str said = str_c(p->why.text[0] ? p->why.text : NULL);
    if (store_err) {
        fail(q, store_err, push_curable(store_err),
             commit_err || said.n == 0 ? str_c(err_text(store_err)) : said);
    } else if (q->err) {
        fail(q, q->err, false, said);
    } else {
        const struct otlp_outcome outcome = {.rejected = q->rejected, .message = reasons(q)};
        tell(q, &outcome);
    }
}

static void count_rejected(struct taking *q, const struct otlp_translate *t)
{
    q->rejected += t->sides.bad_n;
    for (size_t i = 0; i < t->batch.n; i++)
        if (t->batch.err[i] && t->point[i] != OTLP_TRANSLATE_NO_POINT &&
            t->point[i] != q->last_rejected) {
            q->last_rejected = t->point[i];
            q->rejected++;
        }
}

static int take(void *context, struct otlp_translate *t)
{
    struct taking *q = context;
    uint64_t refused = q->push->refused;
    int err = push_take(q->push, &t->batch, &t->sides, NULL);
    if (err == 0 && q->push->refused != refused)
        count_rejected(q, t);
    return err;
}

/* The bytes in protobuf: JSON is written again. Gives what it took of the budget. */
static int in_protobuf(struct scratch *s, const struct otlp_call *call, struct str *ret,
                       uint64_t *ret_reserved, struct why *why)
{
    *ret = call->bytes;
    *ret_reserved = 0;
    if (!call->json)
        return 0;
    uint64_t max = (uint64_t)call->bytes.n * JSON_GROWTH_MAX + 64;
    if (budget_reserve(max))
        return why_set(why, ERR_BUSY, "too many bodies are being unpacked at once; send it again");
    *ret_reserved = max;
    buf_clear(&s->json);
    s->json.max = max;
    int err = otlp_metrics_json(call->bytes, &s->texts, &s->json, why);
    if (err)
        return err;
    s->json.max = SIZE_MAX / 2;
    size_t n = s->json.n;
    char *slack = buf_reserve(&s->json, CODEC_SLACK);
    if (slack)
        memset(slack, 0, CODEC_SLACK);
    *ret = str_of(s->json.p, n);
    return 0;
}

static void forget_json(struct scratch *s, uint64_t reserved)
{
    budget_release(reserved);
    s->json.max = SIZE_MAX / 2;
    buf_clear(&s->json);
    arena_reset(&s->texts);
    if (s->json.capacity > JSON_KEEP_MAX)
        buf_done(&s->json);
    if (s->texts.total > JSON_KEEP_MAX)
        arena_done(&s->texts);
}

static int read_all(struct otlp *o, struct scratch *s, struct taking *q)
{
    struct otlp_translate *t = &s->translate;
    struct push *p = q->push;
    struct str in;
    uint64_t reserved, hits = t->cache.hits, misses = t->cache.misses;
    int err = in_protobuf(s, &q->call, &in, &reserved, &p->why);
    if (err == 0) {
        err = otlp_translate_read(t, in, (uint64_t)(uintptr_t)p->tenant, clock_wall_ms(o->clock),
                                  take, q, &p->why);
        stat_add(&points, (uint64_t)t->points);
        stat_add(&known, t->cache.hits - hits);
        stat_add(&unknown, t->cache.misses - misses);
    }
    forget_json(s, reserved);
    return err;
}

void otlp_take(struct otlp *o, const struct otlp_call *call)
{
    const struct push_from from = {o->sink, call->tenant, call->loop, call->lane, call->arena};
    struct taking *q = arena_new(call->arena, sizeof *q);
    struct why why = {0};
    q->call = *call;
    q->last_rejected = OTLP_TRANSLATE_NO_POINT;
    stat_add(&requests[call->json], 1);
    int err = push_open(&from, OTLP_NAMED_MAX, &q->push, &why);
    if (err) {
        fail(q, err, false, arena_str(call->arena, str_c(why.text)));
        return;
    }
    q->push->context = q;
    q->push->answer = committed;
    q->err = read_all(o, scratch_of(o, call->lane), q);
    if (q->err == -ERR_BUSY && q->push->store_err == 0) {
        fail(q, q->err, true, str_c(q->push->why.text));
        return;
    }
    q->call.bytes = (struct str){0}; /* was for the call only */
    push_commit(q->push);
}

/* ---- over HTTP */

struct answer {
    struct http_request *request;
    bool json;
    int64_t from_ns;
};

static int status_of(const struct otlp_outcome *outcome)
{
    if (outcome->err == 0)
        return 200;
    if (!outcome->retry)
        return outcome->err == -ERR_LIMIT ? 413 : 400;
    return outcome->err == -ERR_BUSY ? 429 : 503;
}

static void send_answer(const struct answer *a, int status, const struct otlp_outcome *outcome)
{
    struct arena *arena = http_arena(a->request);
    if (outcome->retry)
        http_reply_header(a->request, STR("Retry-After"),
                          arena_printf(arena, "%lld", (long long)outcome->retry_s));
    struct str body = outcome->err || status >= 300
                          ? otlp_reply_status(a->json, status, outcome->message, arena)
                          : otlp_reply_success(a->json, outcome->rejected, outcome->message, arena);
    http_reply(a->request, status,
               a->json ? STR("application/json") : STR("application/x-protobuf"), body);
}

static void done(void *context, const struct otlp_outcome *outcome)
{
    const struct answer *a = context;
    stat_observe(&latency, clock_monotonic_ns(&clock_real) - a->from_ns);
    send_answer(a, status_of(outcome), outcome);
}

static void refuse(const struct answer *a, int status, const char *message)
{
    const struct otlp_outcome outcome = {.err = -ERR_FORMAT, .message = str_c(message)};
    stat_add(&failed, 1);
    send_answer(a, status, &outcome);
}

/* Does the type name one of both encodings? */
static bool type_of(struct str content_type, bool *ret_json)
{
    struct str type = push_media_type(content_type);
    *ret_json = push_same_text(type, STR("application/json"));
    return *ret_json || push_same_text(type, STR("application/x-protobuf"));
}

static bool codec_of(struct str name, enum pack_codec *ret)
{
    return pack_codec_of(name, ret) == 0 && *ret != PACK_SNAPPY && *ret != PACK_LZ4;
}

static void unpacked(struct otlp *o, struct scratch *s, struct answer *a, enum pack_codec codec)
{
    struct http_request *r = a->request;
    struct why why = {0};
    struct str in = http_body(r);
    size_t max = (size_t)o->settings.body_bytes_max;
    /* A body that is not packed has its slack behind it already. */
    int err = 0;
    if (codec != PACK_IDENTITY)
        err = body_unpack(&s->body, codec, in, max, &in, &why);
    else if (in.n > max)
        err =
            why_set(&why, ERR_LIMIT, "the body has %zu bytes, at most %zu are accepted", in.n, max);
    if (err) {
        const struct otlp_outcome outcome = {err, err == -ERR_BUSY, RETRY_S, 0,
                                             arena_str(http_arena(r), str_c(why.text))};
        stat_add(&failed, 1);
        send_answer(a, status_of(&outcome), &outcome);
        return;
    }
    const struct otlp_call call = {
        .bytes = in,
        .json = a->json,
        .tenant = http_header(r, STR("X-Scope-OrgID")),
        .loop = http_loop(r),
        .lane = http_lane(r),
        .arena = http_arena(r),
        .done = done,
        .context = a,
    };
    otlp_take(o, &call);
    if (codec != PACK_IDENTITY)
        body_release(&s->body);
}

static void handle(struct http_request *r, void *context)
{
    struct otlp *o = context;
    struct answer *a = arena_new(http_arena(r), sizeof *a);
    enum pack_codec codec;
    *a = (struct answer){.request = r, .from_ns = clock_monotonic_ns(&clock_real)};
    stat_add(&bytes, http_body(r).n);
    if (!type_of(http_header(r, STR("Content-Type")), &a->json))
        refuse(a, 415, "send application/x-protobuf or application/json");
    else if (!codec_of(http_header(r, STR("Content-Encoding")), &codec))
        refuse(a, 415, "send the body as it is, or as gzip, deflate or zstd");
    else
        unpacked(o, scratch_of(o, http_lane(r)), a, codec);
}

static void handle_grpc(struct http_request *r, void *context)
{
    struct otlp *o = context;
    stat_add(&bytes, http_body(r).n);
    otlp_grpc_call(r, o, (size_t)o->settings.body_bytes_max);
}

/* ---- the receiver */

static int open(const struct receiver_host *host, void **ret, struct why *why)
{
    (void)why;
    struct otlp *o = mem_new(sizeof *o);
    o->sink = host->sink;
    o->clock = host->clock ? host->clock : &clock_real;
    if (host->settings)
        o->settings =
            *(const struct otlp_settings *)host->settings(host->context, &otlp_settings_options);
    else
        option_defaults(&otlp_settings_options, &o->settings);
    if (o->settings.delta_to_cumulative)
        o->delta =
            otlp_delta_new((size_t)o->settings.delta_series_max, o->settings.delta_max_stale_ms);
    o->lanes = (struct lane_scratch){sizeof(struct scratch), scratch_init, scratch_done, {0}};
    for (size_t i = 0; i < COUNTOF(STATS); i++)
        stat_register(STATS[i]);
    *ret = o;
    return 0;
}

static void close(void *state)
{
    struct otlp *o = state;
    lane_scratch_done(&o->lanes);
    otlp_delta_free(o->delta);
    mem_free(o);
}

static const struct receiver_route ROUTES[] = {
    {HTTP_POST, "/v1/metrics", OTLP_BODY_MAX, handle},
    {HTTP_POST, "/api/v1/otlp/v1/metrics", OTLP_BODY_MAX, handle},
    {HTTP_POST, OTLP_GRPC_PATH, OTLP_BODY_MAX, handle_grpc},
};

const struct receiver_ops otlp_receiver = {"otlp", open, close, ROUTES, COUNTOF(ROUTES)};
