#include "serve/health_api.h"

#include <time.h>

#include "base/mem.h"
#include "health/checkup.h"
#include "serve/health_api_inside.h"
#include "serve/member.h"
#include "serve/probe.h"
#include "serve/serve_state.h"
#include "text/json.h"

enum { ANSWER_MAX = 32 << 20 };

bool health_api_is_local(const struct http_request *r)
{
    struct str peer = str_c(http_peer(r));
    bool loopback = str_starts(peer, STR("127.")) || str_starts(peer, STR("[::1]")) ||
                    str_eq(peer, STR("unix"));
    return loopback && http_header(r, STR("X-Forwarded-For")).n == 0 &&
           http_header(r, STR("Forwarded")).n == 0;
}

static void reply_text(struct http_request *r, int status, struct str text)
{
    http_reply_header(r, STR("Cache-Control"), STR("no-store"));
    http_reply(r, status, STR("text/plain; charset=utf-8"), text);
}

void health_api_live(struct http_request *r, void *serve)
{
    (void)serve;
    reply_text(r, 200, STR("ok\n"));
}

void health_api_healthy_text(struct http_request *r, void *serve)
{
    (void)serve;
    reply_text(r, 200, STR("Prometheus Server is Healthy.\n"));
}

static void ready_answer(struct http_request *r, void *context, const struct probe_outcome *outcome)
{
    struct str ok = *(const struct str *)context;
    if (outcome->ready) {
        reply_text(r, 200, ok);
        return;
    }
    http_reply_header(r, STR("Retry-After"), STR("1"));
    if (health_api_is_local(r))
        reply_text(r, 503, arena_printf(http_arena(r), "not ready: %s\n", outcome->text));
    else
        reply_text(r, 503, STR("not ready\n"));
}

void health_api_ready(struct http_request *r, void *serve)
{
    static struct str ok = {"ok\n", 3};
    struct serve *s = serve;
    probe_ask(s->probe, r, ready_answer, &ok);
}

void health_api_ready_text(struct http_request *r, void *serve)
{
    static struct str ok = {"Prometheus Server is Ready.\n", 28};
    struct serve *s = serve;
    probe_ask(s->probe, r, ready_answer, &ok);
}

/* ---- /health */

static void put_time(struct json_writer *w, int64_t ms)
{
    char text[64];
    struct tm tm;
    time_t seconds = (time_t)(ms / 1000);
    gmtime_r(&seconds, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    member_text(w, "time", str_c(text));
}

static void put_row(struct json_writer *w, const struct health_row *row)
{
    json_begin_object(w);
    member_text(w, "componentType", str_c(row->check->type));
    member_text(w, "status", str_c(health_word(row->reading.state)));
    if (row->time_ms) {
        json_key(w, STR("observedValue"));
        json_number(w, row->reading.value);
        member_text(w, "observedUnit", str_c(row->check->unit));
        put_time(w, row->time_ms);
    }
    if (row->reading.output[0])
        member_text(w, "output", str_c(row->reading.output));
    json_end_object(w);
}

/* "check:NAME": [{..}] of each check of a component. */
static void put_components(struct json_writer *w, struct checkup *checkup, struct arena *a)
{
    static const char *const WORDS[] = {"pass", "warn", "fail", "warn"};
    struct checkup_view *v;
    size_t n;
    checkup_list(checkup, a, &v, &n);
    for (size_t i = 0; i < n; i++) {
        json_key(w, arena_printf(a, "check:%s", v[i].settings.name));
        json_begin_array(w);
        json_begin_object(w);
        member_text(w, "componentType", str_c("component"));
        member_text(w, "componentId", str_c(v[i].settings.name));
        member_text(w, "status", str_c(WORDS[v[i].state]));
        if (v[i].ever) {
            json_key(w, STR("observedValue"));
            json_number(w, v[i].duration_s);
            member_text(w, "observedUnit", str_c("s"));
            put_time(w, v[i].last_ms);
        }
        if (v[i].state != HEALTH_OK && v[i].message.n > 0) {
            json_key(w, STR("output"));
            json_text(w, v[i].message);
        }
        json_end_object(w);
        json_end_array(w);
    }
}

/* "storage:commit_latency": [{..}], the key of each pair once. */
static void put_checks(struct json_writer *w, const struct health_row *rows, size_t n,
                       struct checkup *checkup, struct arena *a)
{
    bool *done = arena_array(a, n + 1, sizeof *done);
    json_key(w, STR("checks"));
    json_begin_object(w);
    for (size_t i = 0; i < n; i++) {
        const struct health_check *check = rows[i].check;
        if (done[i])
            continue;
        json_key(w, arena_printf(a, "%s:%s", check->component, check->measurement));
        json_begin_array(w);
        for (size_t k = i; k < n; k++) {
            bool same = str_eq(str_c(rows[k].check->component), str_c(check->component)) &&
                        str_eq(str_c(rows[k].check->measurement), str_c(check->measurement));
            if (!same)
                continue;
            put_row(w, &rows[k]);
            done[k] = true;
        }
        json_end_array(w);
    }
    put_components(w, checkup, a);
    json_end_object(w);
}

/* Are our own words asked for? */
static bool wants_own(struct http_request *r)
{
    struct str format = STR(""), accept = http_header(r, STR("Accept"));
    if (http_param(r, STR("format"), &format))
        return str_eq(format, STR("json")) || str_eq(format, STR("sonde"));
    return str_starts(accept, STR("application/json"));
}

void health_api_health(struct http_request *r, void *serve)
{
    struct serve *s = serve;
    enum health_state worst = health_api_worst(s);
    if (wants_own(r)) {
        health_api_own(r, s);
        return;
    }
    struct json_writer w;
    struct buf b;
    buf_init(&b, ANSWER_MAX);
    json_writer_init(&w, &b);
    json_begin_object(&w);
    member_text(&w, "status", str_c(health_word(worst)));
    if (health_api_is_local(r)) {
        struct health_row *rows = arena_array(http_arena(r), HEALTH_CHECKS_MAX, sizeof *rows);
        size_t n = health_list(s->config.health, rows, HEALTH_CHECKS_MAX);
        member_text(&w, "version", str_c(SONDE_VERSION));
        member_text(&w, "serviceId", str_c("sonde"));
        member_text(&w, "description", str_c("health of the Sonde daemon"));
        put_checks(&w, rows, n, s->config.checkup, http_arena(r));
    }
    json_end_object(&w);
    http_reply_header(r, STR("Cache-Control"), STR("no-store"));
    http_reply(r, worst == HEALTH_UNHEALTHY ? 503 : 200, STR("application/health+json"),
               buf_str(&b));
    buf_done(&b);
}
