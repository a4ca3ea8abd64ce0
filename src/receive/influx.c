#include "receive/influx.h"

#include <strings.h>

#include "base/mem.h"
#include "base/stat.h"
#include "codec/influx.h"
#include "receive/body.h"
#include "receive/lane_scratch.h"
#include "receive/push.h"
#include "text/json.h"
#include "text/template.h"

#define AT(member) offsetof(struct influx_settings, member)

static const struct option ROWS[] = {
    {"separator", OPTION_TEXT, AT(separator), "_", 0, 16, NULL, 0,
     "What stands between measurement and field in the name of a series."},
    {"skip_measurement", OPTION_BOOL, AT(skip_measurement), "false", 0, 0, NULL, 0,
     "Call a series as its field alone."},
    {"skip_single_field", OPTION_BOOL, AT(skip_single_field), "false", 0, 0, NULL, 0,
     "Call the series of a line that has one field alone as its measurement."},
    {"names", OPTION_CHOICE, AT(names), "utf8", 0, 0, "utf8|underscores", 0,
     "Names that PromQL writes in quotes only, as cpu.load: keep them (utf8), or write _ for every "
     "character that a plain name cannot have."},
    {"db_label", OPTION_TEXT, AT(db_label), "db", 0, 1024, NULL, 0,
     "The label that has the database (version 1) or bucket (version 2) of a write, unless a tag "
     "is called so. Empty: none."},
};

const struct option_table influx_options = {
    "influx", "How samples that come in InfluxDB's line protocol are called.",
    false,    sizeof(struct influx_settings),
    ROWS,     COUNTOF(ROWS),
};

static struct stat requests =
    STAT_COUNTER("sonde_influx_requests_total", "Writes in InfluxDB's line protocol.");
static struct stat rejected = STAT_COUNTER("sonde_influx_rejected_total",
                                           "Writes in line protocol not answered with success.");
static struct stat texts = STAT_COUNTER(
    "sonde_influx_texts_total", "Fields of line protocol that were texts, which are not stored.");

/* What one lane needs for a request, kept for the next. */
struct scratch {
    struct body body;
    struct influx_reader reader;
    struct batch batch;
    struct sides sides;
};

struct influx {
    struct sink *sink;
    const struct clock *clock;
    struct influx_settings settings;
    struct lane_scratch lanes;
};

static void scratch_init(void *scratch)
{
    struct scratch *s = scratch;
    body_init(&s->body);
    influx_init(&s->reader);
}

static void scratch_done(void *scratch)
{
    struct scratch *s = scratch;
    body_done(&s->body);
    influx_done(&s->reader);
}

static bool is_v2(struct http_request *r)
{
    return str_search(http_path(r), STR("/api/v2/")) < http_path(r).n;
}

/* An error as that version of InfluxDB tells it. */
static void reply_error(struct http_request *r, int status, struct str text)
{
    struct buf body;
    struct json_writer w;
    buf_init(&body, 1 << 20);
    json_writer_init(&w, &body);
    json_begin_object(&w);
    if (is_v2(r)) {
        json_key(&w, STR("code"));
        json_text(&w, status == 413   ? STR("request too large")
                      : status == 503 ? STR("unavailable")
                      : status == 507 ? STR("internal error")
                                      : STR("invalid"));
    }
    json_key(&w, is_v2(r) ? STR("message") : STR("error"));
    json_text(&w, text);
    json_end_object(&w);
    stat_add(&rejected, 1);
    http_reply(r, status, STR("application/json"), buf_str(&body));
    buf_done(&body);
}

/* What was refused, a line each. */
static struct str refused_text(const struct push *p)
{
    struct buf b;
    bool partial = p->samples > 0;
    buf_init(&b, 512 * 1024);
    if (partial)
        buf_put_str(&b, STR("partial write: "));
    for (size_t i = 0; i < p->bad_n; i++) {
        if (i > 0)
            buf_put_c(&b, '\n');
        /* A line's own reason names it; what the store refuses is named here. */
        if (!str_starts(p->bad[i].reason, STR("unable to parse")))
            buf_printf(&b, STR_FMT ": ", STR_ARG(p->bad[i].series));
        buf_put_str(&b, p->bad[i].reason);
    }
    if (partial)
        buf_printf(&b, " dropped=%llu", (unsigned long long)p->refused);
    struct str text = arena_str(p->arena, buf_str(&b));
    buf_done(&b);
    return text;
}

static void answer(struct push *p, int err)
{
    int store_err = err ? err : p->store_err;
    if (store_err)
        reply_error(p->request, push_status(p, store_err),
                    str_c(err || !p->why.text[0] ? err_text(store_err) : p->why.text));
    else if (p->refused)
        reply_error(p->request, 400, refused_text(p));
    else
        http_reply(p->request, 204, STR(""), STR(""));
}

static void put_version(struct http_request *r)
{
    http_reply_header(r, STR("X-Influxdb-Version"), STR("1.8.10"));
}

static void read_all(struct scratch *s, struct push *p, struct str in,
                     const struct influx_plan *plan)
{
    influx_begin(&s->reader, in, plan);
    while (influx_next(&s->reader, &s->batch, &s->sides) > 0)
        if (push_take(p, &s->batch, &s->sides, s->reader.lines))
            break;
    stat_add(&texts, s->reader.texts);
}

/* How the lines of a request are to be read; false where it asks for what there is not. */
static bool plan_of(const struct influx *in, struct http_request *r, struct influx_plan *ret)
{
    struct str precision = {0};
    *ret = (struct influx_plan){
        .separator = str_c(in->settings.separator),
        .skip_measurement = in->settings.skip_measurement,
        .skip_single = in->settings.skip_single_field,
        .underscores = in->settings.names[0] == 'u' && in->settings.names[1] == 'n',
        .db_label = str_c(in->settings.db_label),
        .now_ms = clock_wall_ms(in->clock),
    };
    if (!http_param(r, is_v2(r) ? STR("bucket") : STR("db"), &ret->db))
        ret->db = (struct str){0};
    (void)http_param(r, STR("precision"), &precision);
    return influx_unit_of(precision, &ret->unit);
}

static void handle_write(struct http_request *r, void *context)
{
    struct influx *in = context;
    struct scratch *s = lane_scratch_of(&in->lanes, http_lane(r));
    struct influx_plan plan;
    enum pack_codec codec;
    struct why why = {0};
    struct push *p;
    struct str text;

    stat_add(&requests, 1);
    put_version(r);
    if (!plan_of(in, r, &plan)) {
        reply_error(r, 400, STR("invalid precision (use n, u, ms, s, m or h)"));
        return;
    }
    if (pack_codec_of(http_header(r, STR("Content-Encoding")), &codec) || codec == PACK_LZ4) {
        reply_error(r, 415, STR("send Content-Encoding gzip, deflate, zstd, snappy or none"));
        return;
    }
    int err = push_new(r, in->sink, INFLUX_NAMED_MAX, &p, &why);
    if (err) {
        reply_error(r, 400, str_c(why.text));
        return;
    }
    err = body_unpack(&s->body, codec, http_body(r), INFLUX_UNPACKED_MAX, &text, &why);
    if (err) {
        reply_error(r, err == -ERR_LIMIT ? 413 : err == -ERR_BUSY ? 503 : 400, str_c(why.text));
        return;
    }
    p->answer = answer;
    read_all(s, p, text, &plan);
    body_release(&s->body);
    push_commit(p);
}

static void handle_ping(struct http_request *r, void *context)
{
    struct str verbose;
    (void)context;
    put_version(r);
    if (http_param(r, STR("verbose"), &verbose) && !str_eq(verbose, STR("false")))
        http_reply(r, 200, STR("application/json"), STR("{\"version\":\"1.8.10\"}\n"));
    else
        http_reply(r, 204, STR(""), STR(""));
}

static bool says(struct str statement, struct str begin)
{
    return statement.n >= begin.n && strncasecmp(statement.p, begin.p, begin.n) == 0;
}

/* A page of Prometheus has the same address: to that of ours which stands for it. */
static void redirect_query(struct http_request *r)
{
    struct str expression = {0}, tab = {0};
    struct buf to;
    buf_init(&to, 1 << 20);
    (void)http_param(r, STR("g0.expr"), &expression);
    (void)http_param(r, STR("g0.tab"), &tab);
    buf_put_str(&to, STR("/graph?g0.expr="));
    template_escape_query(expression, &to);
    buf_put_str(&to, STR("&g0.tab="));
    template_escape_query(tab, &to);
    http_reply_header(r, STR("Location"), buf_str(&to));
    http_reply(r, 302, STR("text/plain; charset=utf-8"), STR("Found\n"));
    buf_done(&to);
}

static void handle_query(struct http_request *r, void *context)
{
    struct str statement;
    (void)context;
    if (!http_param(r, STR("q"), &statement)) {
        if (http_method(r) == HTTP_POST)
            reply_error(r, 400, STR("missing required parameter \"q\""));
        else
            redirect_query(r);
        return;
    }
    statement = str_trim(statement);
    put_version(r);
    struct str body = STR("{\"results\":[{\"statement_id\":0,\"error\":\"this statement is not "
                          "answered: ask /api/v1/query in PromQL\"}]}\n");
    if (says(statement, STR("create ")) || says(statement, STR("alter ")))
        body = STR("{\"results\":[{\"statement_id\":0}]}\n");
    else if (says(statement, STR("show databases")))
        body = STR("{\"results\":[{\"statement_id\":0,\"series\":[{\"name\":\"databases\","
                   "\"columns\":[\"name\"]}]}]}\n");
    http_reply(r, 200, STR("application/json"), body);
}

static int open(const struct receiver_host *host, void **ret, struct why *why)
{
    (void)why;
    struct influx *in = mem_new(sizeof *in);
    in->sink = host->sink;
    in->clock = host->clock;
    if (host->settings)
        in->settings =
            *(const struct influx_settings *)host->settings(host->context, &influx_options);
    else
        option_defaults(&influx_options, &in->settings);
    in->lanes = (struct lane_scratch){sizeof(struct scratch), scratch_init, scratch_done, {0}};
    stat_register(&requests);
    stat_register(&rejected);
    stat_register(&texts);
    *ret = in;
    return 0;
}

static void close(void *state)
{
    struct influx *in = state;
    lane_scratch_done(&in->lanes);
    mem_free(in);
}

static const struct receiver_route ROUTES[] = {
    {HTTP_POST | HTTP_RAW, "/write", INFLUX_BODY_MAX, handle_write},
    {HTTP_POST | HTTP_RAW, "/api/v2/write", INFLUX_BODY_MAX, handle_write},
    {HTTP_POST | HTTP_RAW, "/influx/write", INFLUX_BODY_MAX, handle_write},
    {HTTP_POST | HTTP_RAW, "/influx/api/v2/write", INFLUX_BODY_MAX, handle_write},
    {HTTP_GET, "/ping", 0, handle_ping},
    {HTTP_GET, "/influx/ping", 0, handle_ping},
    {HTTP_GET | HTTP_POST, "/query", 64 << 10, handle_query},
    {HTTP_GET | HTTP_POST, "/influx/query", 64 << 10, handle_query},
};

const struct receiver_ops influx_receiver = {"influx", open, close, ROUTES, COUNTOF(ROUTES)};
