#include "receive/pushgateway.h"

#include "base/mem.h"
#include "base/stat.h"
#include "codec/exposition.h"
#include "receive/body.h"
#include "receive/lane_scratch.h"
#include "receive/push.h"
#include "receive/pushgateway_body.h"
#include "receive/pushgateway_writer.h"
#include "text/duration.h"
#include "text/json.h"

enum { LIST_BYTES_MAX = 512 << 20 };

#define AT(member) offsetof(struct pushgateway_settings, member)

static const struct option ROWS[] = {
    {"interval_ms", OPTION_INT, AT(interval_ms), "15000", 1000, 3600000, NULL, 0,
     "How often pushed groups are written to the store, until they are deleted."},
    {"lifetime_ms", OPTION_INT, AT(lifetime_ms), "0", 0, 1e13, NULL, 0,
     "A group ends that long after its last push. 0: it is there until it is deleted. A push can "
     "say its own with X-Sonde-Lifetime: 2h."},
    {"groups_max", OPTION_INT, AT(groups_max), "10000", 1, 1e7, NULL, 0,
     "Groups at once; a push that would make one more is refused."},
    {"bytes_max", OPTION_INT, AT(bytes_max), "268435456", 1048576, 1e12, NULL, 0,
     "Memory of all groups together."},
};

const struct option_table pushgateway_options = {
    "pushgateway", "What is pushed through Pushgateway's API.",
    false,         sizeof(struct pushgateway_settings),
    ROWS,          COUNTOF(ROWS),
};

static struct stat requests =
    STAT_COUNTER("sonde_pushgateway_requests_total", "Pushes and deletions of groups.");
static struct stat rejected =
    STAT_COUNTER("sonde_pushgateway_rejected_total", "Pushes that were not answered with success.");

struct pushgateway {
    struct sink *sink;
    const struct clock *clock;
    struct pushgateway_settings settings;
    struct pushgateway_groups *groups;
    struct pushgateway_writer *writer;
    struct lane_scratch lanes; /* of struct body */
    int64_t start_ms;
};

static void scratch_init(void *scratch)
{
    body_init(scratch);
}

static void scratch_done(void *scratch)
{
    body_done(scratch);
}

static void refuse(struct http_request *r, int status, const char *text)
{
    stat_add(&rejected, 1);
    if (status == 503)
        http_reply_header(r, STR("Retry-After"), STR("5"));
    http_reply(r, status, STR("text/plain; charset=utf-8"),
               arena_printf(http_arena(r), "%s\n", text));
}

/* Anything that is neither of the other two is text, as curl calls it what it likes. */
static enum pushgateway_format format_of(struct str type)
{
    enum exposition_format text = EXPOSITION_TEXT;
    if (push_same_text(push_media_type(type), STR("application/vnd.google.protobuf")))
        return PUSHGATEWAY_PROTOBUF;
    if (exposition_format_of(type, &text) && text == EXPOSITION_OPENMETRICS)
        return PUSHGATEWAY_OPENMETRICS;
    return PUSHGATEWAY_TEXT;
}

/* The lifetime that a push asks for, -1 for none. */
static int lifetime_of(const struct pushgateway *g, struct http_request *r, int64_t *ret,
                       struct why *why)
{
    struct str text = http_header(r, STR("X-Sonde-Lifetime"));
    *ret = g->settings.lifetime_ms > 0 ? g->settings.lifetime_ms : -1;
    return text.n ? duration_read(text, ret, why) : 0;
}

static int push(struct pushgateway *g, struct http_request *r,
                const struct pushgateway_grouping *grouping, struct why *why)
{
    struct body *body = lane_scratch_of(&g->lanes, http_lane(r));
    struct pushgateway_family **families;
    enum pack_codec codec;
    struct str text;
    int64_t lifetime_ms;
    size_t n;
    int err = lifetime_of(g, r, &lifetime_ms, why);
    if (err != 0)
        return err;
    if (pack_codec_of(http_header(r, STR("Content-Encoding")), &codec) || codec == PACK_LZ4)
        return why_set(why, ERR_UNSUPPORTED, "send Content-Encoding gzip, deflate, zstd or none");
    err = body_unpack(body, codec, http_body(r), PUSHGATEWAY_UNPACKED_MAX, &text, why);
    if (err != 0)
        return err;
    err = pushgateway_body_read(text, format_of(http_header(r, STR("Content-Type"))), grouping,
                                &families, &n, why);
    body_release(body);
    if (err != 0)
        return err;
    err = pushgateway_groups_push(g->groups, grouping, http_method(r) == HTTP_PUT, families, n,
                                  clock_wall_ms(g->clock), lifetime_ms, why);
    mem_free(families);
    return err;
}

static int status_of(int err)
{
    if (err == -ERR_LIMIT)
        return 413;
    if (err == -ERR_UNSUPPORTED)
        return 415;
    return err == -ERR_BUSY ? 503 : 400;
}

static void handle_group(struct http_request *r, void *context)
{
    struct pushgateway *g = context;
    struct str name = http_header(r, STR("X-Scope-OrgID"));
    struct pushgateway_grouping grouping = {.tenant = name.n ? name : STR("default")};
    struct tenant *tenant;
    struct why why = {0};
    stat_add(&requests, 1);
    int err = g->sink->ops->tenant(g->sink, grouping.tenant, &tenant, &why);
    if (err == 0)
        err = pushgateway_grouping_of(http_path(r), http_arena(r), &grouping, &why);
    if (err != 0) {
        refuse(r, 400, why.text);
        return;
    }
    if (http_method(r) == HTTP_DELETE) {
        pushgateway_groups_delete(g->groups, &grouping);
        pushgateway_writer_wake(g->writer);
        http_reply(r, 202, STR(""), STR(""));
        return;
    }
    err = push(g, r, &grouping, &why);
    pushgateway_writer_wake(g->writer);
    if (err != 0)
        refuse(r, status_of(err), why.text);
    else
        http_reply(r, 200, STR(""), STR(""));
}

static void handle_list(struct http_request *r, void *context)
{
    struct pushgateway *g = context;
    struct buf out;
    buf_init(&out, LIST_BYTES_MAX);
    if (str_eq(http_path(r), STR("/api/pushgateway")))
        pushgateway_list_short(g->groups, &out);
    else
        pushgateway_list(g->groups, &out);
    if (buf_failed(&out))
        http_reply_error(r, 422, -ERR_LIMIT, "the pushed groups are too many for one answer");
    else
        http_reply(r, 200, STR("application/json"), buf_str(&out));
    buf_done(&out);
}

static void handle_status(struct http_request *r, void *context)
{
    const struct pushgateway *g = context;
    struct buf out;
    struct json_writer w;
    buf_init(&out, 1 << 16);
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_key(&w, STR("status"));
    json_text(&w, STR("success"));
    json_key(&w, STR("data"));
    json_begin_object(&w);
    json_key(&w, STR("build_information"));
    json_begin_object(&w);
    json_key(&w, STR("version"));
    json_text(&w, STR(SONDE_VERSION));
    json_end_object(&w);
    json_key(&w, STR("groups"));
    json_u64(&w, pushgateway_groups_n(g->groups));
    json_key(&w, STR("start_time_ms"));
    json_i64(&w, g->start_ms);
    json_end_object(&w);
    json_end_object(&w);
    http_reply(r, 200, STR("application/json"), buf_str(&out));
    buf_done(&out);
}

static int open(const struct receiver_host *host, void **ret, struct why *why)
{
    (void)why;
    struct pushgateway *g = mem_new(sizeof *g);
    g->sink = host->sink;
    g->clock = host->clock;
    if (host->settings)
        g->settings = *(const struct pushgateway_settings *)host->settings(host->context,
                                                                           &pushgateway_options);
    else
        option_defaults(&pushgateway_options, &g->settings);
    g->groups =
        pushgateway_groups_new((size_t)g->settings.groups_max, (size_t)g->settings.bytes_max);
    g->lanes = (struct lane_scratch){sizeof(struct body), scratch_init, scratch_done, {0}};
    g->start_ms = clock_wall_ms(host->clock);
    const struct pushgateway_writer_plan plan = {.groups = g->groups,
                                                 .sink = host->sink,
                                                 .lane = host->writer_lane,
                                                 .clock = host->clock,
                                                 .disk = host->disk,
                                                 .interval_ms = g->settings.interval_ms};
    g->writer = pushgateway_writer_new(&plan);
    stat_register(&requests);
    stat_register(&rejected);
    *ret = g;
    return 0;
}

static void close(void *state)
{
    struct pushgateway *g = state;
    pushgateway_writer_free(g->writer);
    pushgateway_groups_free(g->groups);
    lane_scratch_done(&g->lanes);
    mem_free(g);
}

static const struct receiver_route ROUTES[] = {
    {HTTP_POST | HTTP_PUT | HTTP_DELETE | HTTP_RAW, "/metrics/job/", PUSHGATEWAY_BODY_MAX,
     handle_group},
    {HTTP_POST | HTTP_PUT | HTTP_DELETE | HTTP_RAW, "/metrics/job@base64/", PUSHGATEWAY_BODY_MAX,
     handle_group},
    {HTTP_GET, "/api/v1/metrics", 0, handle_list},
    {HTTP_GET, "/api/v1/status", 0, handle_status},
    {HTTP_GET, "/api/pushgateway", 0, handle_list},
};

const struct receiver_ops pushgateway_receiver = {"pushgateway", open, close, ROUTES,
                                                  COUNTOF(ROUTES)};
