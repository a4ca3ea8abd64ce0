/* Health in other words: our own JSON, {storage, modules, plugins}, and gRPC's health service. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "custom/custom.h"
#include "health/checkup.h"
#include "receive/grpc.h"
#include "serve/checkup_json.h"
#include "serve/health_api.h"
#include "serve/health_api_inside.h"
#include "serve/member.h"
#include "serve/serve_state.h"
#include "text/json.h"

enum { ANSWER_MAX = 32 << 20, SLOW_S = 1 };

enum health_state health_api_worst(const struct serve *s)
{
    return MAX(health_worst(s->config.health), checkup_worst(s->config.checkup));
}

/* ---- our own words */

static void put_daemon(struct json_writer *w, const struct health_row *rows, size_t n)
{
    json_key(w, STR("daemon"));
    json_begin_array(w);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(w);
        member_text(w, "component", str_c(rows[i].check->component));
        member_text(w, "measurement", str_c(rows[i].check->measurement));
        member_text(w, "status", str_c(checkup_word(rows[i].reading.state)));
        member_text(w, "message", str_c(rows[i].reading.output));
        json_key(w, STR("value"));
        json_number(w, rows[i].reading.value);
        member_text(w, "unit", str_c(rows[i].check->unit));
        json_key(w, STR("time_ms"));
        json_i64(w, rows[i].time_ms);
        json_end_object(w);
    }
    json_end_array(w);
}

void health_api_own(struct http_request *r, struct serve *s)
{
    struct health_row *rows = arena_array(http_arena(r), HEALTH_CHECKS_MAX, sizeof *rows);
    enum health_state worst = health_api_worst(s);
    struct checkup_view *v;
    struct json_writer w;
    struct buf b;
    size_t n;
    buf_init(&b, ANSWER_MAX);
    json_writer_init(&w, &b);
    json_begin_object(&w);
    member_text(&w, "status", str_c(checkup_word(worst)));
    if (health_api_is_local(r)) {
        json_key(&w, STR("time_ms"));
        json_i64(&w, clock_wall_ms(s->config.clock));
        member_text(&w, "version", str_c(SONDE_VERSION));
        put_daemon(&w, rows, health_list(s->config.health, rows, HEALTH_CHECKS_MAX));
        checkup_list(s->config.checkup, http_arena(r), &v, &n);
        json_key(&w, STR("checks"));
        json_begin_array(&w);
        for (size_t i = 0; i < n; i++)
            checkup_json_put(&w, &v[i], false);
        json_end_array(&w);
    }
    json_end_object(&w);
    http_reply_header(r, STR("Cache-Control"), STR("no-store"));
    http_reply(r, worst == HEALTH_UNHEALTHY ? 503 : 200, STR("application/json"), buf_str(&b));
    buf_done(&b);
}

/* ---- storage, modules, plugins */

struct part {
    enum health_state state;
    double response_s; /* NaN: not known */
    char message[HEALTH_TEXT_MAX];
};

static void put_part(struct json_writer *w, const char *name, const struct part *p)
{
    json_key(w, str_c(name));
    json_begin_object(w);
    member_text(w, "status", str_c(checkup_word(p->state)));
    member_text(w, "message", str_c(p->message[0] != '\0' ? p->message : "all is well"));
    json_key(w, STR("checks"));
    json_begin_object(w);
    member_text(w, "connectivity", str_c(p->state == HEALTH_UNHEALTHY ? "failed" : "ok"));
    json_key(w, STR("response_time"));
    json_number(w, p->response_s);
    json_end_object(w);
    json_end_object(w);
}

static bool is_storage(const struct health_check *c)
{
    return strcmp(c->component, "storage") == 0 || strcmp(c->type, "datastore") == 0;
}

static void worsen(struct part *p, enum health_state state, const char *what, const char *text)
{
    if (state == HEALTH_UNKNOWN || state <= p->state)
        return;
    p->state = state;
    snprintf(p->message, sizeof p->message, "%.60s: %.180s", what, text);
}

/* A write and a query in a second or more are degraded, before that settles in the registry. */
static void look_at_store(struct serve *s, struct part *p)
{
    struct health_reading r = {.state = HEALTH_OK};
    serve_probe(s, &r);
    p->response_s = r.value;
    worsen(p, r.state, "storage", r.output);
    if (r.value >= SLOW_S)
        worsen(p, HEALTH_DEGRADED, "storage", "a write took a second or more");
}

static void take_plugin(void *context, const struct custom_view *v)
{
    struct part *p = context;
    if (v->runs == 0)
        return;
    if (isnan(p->response_s) || v->duration_s > p->response_s)
        p->response_s = v->duration_s;
    if (!v->up)
        worsen(p, HEALTH_DEGRADED, v->name, v->text);
}

void health_api_monitoring(struct http_request *r, void *serve)
{
    struct serve *s = serve;
    struct health_row *rows = arena_array(http_arena(r), HEALTH_CHECKS_MAX, sizeof *rows);
    size_t n = health_list(s->config.health, rows, HEALTH_CHECKS_MAX);
    struct part storage = {.response_s = (double)NAN}, modules = storage, plugins = storage;
    struct json_writer w;
    struct buf b;
    look_at_store(s, &storage);
    for (size_t i = 0; i < n; i++) {
        struct part *p = is_storage(rows[i].check) ? &storage : &modules;
        worsen(p, rows[i].reading.state, rows[i].check->component, rows[i].reading.output);
        if (p == &modules && strcmp(rows[i].check->unit, "s") == 0 && rows[i].time_ms != 0 &&
            strcmp(rows[i].check->component, "clock") != 0)
            p->response_s = rows[i].reading.value;
    }
    custom_each(s->config.custom, take_plugin, &plugins);
    enum health_state worst = MAX(storage.state, MAX(modules.state, plugins.state));
    buf_init(&b, ANSWER_MAX);
    json_writer_init(&w, &b);
    json_begin_object(&w);
    member_text(&w, "status", str_c(checkup_word(worst)));
    if (health_api_is_local(r)) {
        json_key(&w, STR("checks"));
        json_begin_object(&w);
        put_part(&w, "storage", &storage);
        put_part(&w, "modules", &modules);
        put_part(&w, "plugins", &plugins);
        json_end_object(&w);
    }
    json_end_object(&w);
    http_reply_header(r, STR("Cache-Control"), STR("no-store"));
    http_reply(r, worst == HEALTH_UNHEALTHY ? 503 : 200, STR("application/json"), buf_str(&b));
    buf_done(&b);
}

/* ---- gRPC */

/* The field service (1) of a HealthCheckRequest; false where the message is damaged. */
static bool read_service(struct str message, struct str *ret)
{
    *ret = STR("");
    if (message.n == 0)
        return true;
    if (message.n < 2 || message.p[0] != 0x0a)
        return false;
    size_t n = (unsigned char)message.p[1], at = 2;
    if (n >= 128) {
        if (message.n < 3)
            return false;
        n = (n & 127) | (size_t)((unsigned char)message.p[2] & 127) << 7;
        at = 3;
    }
    if (message.n - at != n)
        return false;
    *ret = str_sub(message, at, message.n);
    return true;
}

static void reply_grpc(struct http_request *r, enum health_state state)
{
    enum { UNKNOWN = 0, SERVING = 1, NOT_SERVING = 2 };
    char word = state == HEALTH_UNKNOWN     ? UNKNOWN
                : state == HEALTH_UNHEALTHY ? NOT_SERVING
                                            : SERVING;
    const char message[] = {0x08, word};
    grpc_reply(r, str_of(message, word == UNKNOWN ? 0 : sizeof message));
}

void health_api_grpc(struct http_request *r, void *serve)
{
    struct serve *s = serve;
    struct body body;
    struct str message, service;
    struct checkup_view v;
    body_init(&body);
    if (grpc_message(r, &body, 4096, &message) == 0) {
        if (!read_service(message, &service))
            grpc_fail(r, GRPC_INVALID_ARGUMENT, "this is no HealthCheckRequest", 0);
        else if (service.n == 0)
            reply_grpc(r, health_api_worst(s));
        else if (checkup_one(s->config.checkup, service, http_arena(r), &v) == 0)
            reply_grpc(r, v.state);
        else
            grpc_fail(r, GRPC_NOT_FOUND, "there is no check of that name", 0);
    }
    body_done(&body);
}
