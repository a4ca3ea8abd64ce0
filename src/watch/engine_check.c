#include <stdio.h>

#include "watch/engine_inside.h"

/* "127.0.0.1:5432", "[::1]:5432", "host:80"; the path of a Unix socket. */
static int place_of(const char *target, struct prober_place *ret, struct why *why)
{
    struct str all = str_c(target);
    const char *colon = strrchr(target, ':');
    uint64_t port;
    *ret = (struct prober_place){.unix_path = NULL};
    if (target[0] == '/') {
        ret->unix_path = target;
        return 0;
    }
    if (!colon || !str_u64(str_c(colon + 1), &port) || port == 0 || port > UINT16_MAX)
        return why_set(why, ERR_FORMAT, "%s is no HOST:PORT", target);
    ret->host = str_sub(all, 0, (size_t)(colon - target));
    ret->port = (uint16_t)port;
    return 0;
}

static int make_probe(struct engine_unit *u, const struct watch_probe *p, struct prober_probe **ret,
                      struct why *why)
{
    if (p->kind == WATCH_PROBE_HTTP) {
        struct prober_http http = {.url = str_c(p->target), .timeout_ms = p->timeout_ms};
        return prober_http_new(u->engine->prober, &http, ret, why);
    }
    struct prober_tcp tcp = {.timeout_ms = p->timeout_ms};
    int err = place_of(p->target, &tcp.place, why);
    return err ? err : prober_tcp_new(u->engine->prober, &tcp, ret, why);
}

static const struct watch_probe *row_of(const struct engine_unit *u, int which)
{
    return which == KEEPER_CHECK_LIVENESS ? &u->row.liveness : &u->row.readiness;
}

void engine_check_renew(struct engine_unit *u)
{
    for (int i = 0; i < KEEPER_CHECKS; i++) {
        const struct watch_probe *p = row_of(u, i);
        struct engine_check *c = &u->checks[i];
        struct why why = {.text = ""};
        prober_probe_free(c->probe);
        c->probe = NULL;
        c->wall_ms = 0;
        if ((p->kind == WATCH_PROBE_HTTP || p->kind == WATCH_PROBE_TCP) &&
            make_probe(u, p, &c->probe, &why) != 0)
            engine_journal_say(u->engine, u, KEEPER_ERROR, "error", str_c(why.text));
    }
}

static void on_answer(void *context, const struct prober_answer *a)
{
    struct engine_check *c = context;
    /* The unit is that of which this check is one of two. */
    struct engine_unit *u = c->context;
    int which =
        c == &u->checks[KEEPER_CHECK_LIVENESS] ? KEEPER_CHECK_LIVENESS : KEEPER_CHECK_READINESS;
    const struct watch_probe *p = row_of(u, (int)which);
    char text[ENGINE_TEXT_MAX];
    bool ok = false;
    if (a->err)
        snprintf(text, sizeof text, "%s", *a->why ? a->why : err_text(a->err));
    else if (p->kind == WATCH_PROBE_HTTP &&
             (a->status < p->status_min || a->status > p->status_max))
        snprintf(text, sizeof text, "HTTP status %d", a->status);
    else if (*p->body && str_search(a->body, str_c(p->body)) == a->body.n)
        snprintf(text, sizeof text, "the answer does not hold \"%.60s\"", p->body);
    else
        ok = snprintf(text, sizeof text, "well") > 0;
    engine_check_done(u, (enum keeper_which)which, ok, text);
    engine_work(u->engine);
}

void engine_check_begin(struct engine_unit *u, enum keeper_which which)
{
    struct engine_check *c = &u->checks[which];
    const struct watch_probe *p = row_of(u, (int)which);
    if (c->asked)
        return; /* one that was asked for by hand answers the keeper too */
    c->asked = true;
    c->begun_ms = engine_now_ms();
    if (p->kind == WATCH_PROBE_COMMAND) {
        engine_command_start(u, ENGINE_FOR_CHECK, (int)which, p->argv, p->timeout_ms);
    } else if (c->probe) {
        c->context = u;
        prober_ask(c->probe, on_answer, c);
    } else {
        engine_check_done(u, which, false, "its target makes no sense");
    }
}

static void journal(struct engine_unit *u, enum keeper_which which, bool ok, const char *text)
{
    const struct engine_check *c = &u->checks[which];
    char said[ENGINE_TEXT_MAX + 64];
    struct buf event;
    if (u->engine->plan->verbosity < 2)
        return;
    int n = snprintf(said, sizeof said, "%s: %s (%lld ms)",
                     which == KEEPER_CHECK_LIVENESS ? "liveness" : "readiness", text,
                     (long long)c->duration_ms);
    struct str s = str_of(said, MIN((size_t)n, sizeof said - 1));
    engine_journal_begin(u, KEEPER_DEBUG, "check", s, &event);
    buf_printf(&event, ",\"which\":\"%s\",\"ok\":%s,\"duration_ms\":%lld",
               which == KEEPER_CHECK_LIVENESS ? "liveness" : "readiness", ok ? "true" : "false",
               (long long)c->duration_ms);
    engine_journal_put(u->engine, u, KEEPER_DEBUG, "check", s, &event);
}

/* Who asked for it by hand. */
static void tell(struct engine_unit *u, enum keeper_which which, bool ok)
{
    struct engine_check *c = &u->checks[which];
    void (*done)(void *, struct engine_unit *, enum keeper_which, bool, const char *, int64_t) =
        c->done;
    c->done = NULL;
    if (done)
        done(c->done_context, u, which, ok, c->text, c->duration_ms);
}

void engine_check_done(struct engine_unit *u, enum keeper_which which, bool ok, const char *text)
{
    struct engine_check *c = &u->checks[which];
    c->asked = false;
    c->duration_ms = engine_now_ms() - c->begun_ms;
    c->wall_ms = engine_wall_ms();
    snprintf(c->text, sizeof c->text, "%s", text);
    journal(u, which, ok, text);
    tell(u, which, ok);
    keeper_checked(&u->keeper, engine_now_ms(), which, ok, c->text);
}

void engine_check_cancel(struct engine_unit *u)
{
    for (int i = 0; i < KEEPER_CHECKS; i++) {
        struct engine_check *c = &u->checks[i];
        if (!c->asked)
            continue;
        if (c->probe)
            prober_cancel(c->probe);
        engine_command_cancel(u, ENGINE_FOR_CHECK, i);
        c->command = NULL;
        c->asked = u->keeper.checks[i].running = false;
        snprintf(c->text, sizeof c->text, "it ended meanwhile");
        tell(u, (enum keeper_which)i, false);
    }
}

bool engine_check(struct engine *e, struct engine_unit *u, enum keeper_which which,
                  void (*done)(void *context, struct engine_unit *u, enum keeper_which which,
                               bool ok, const char *text, int64_t duration_ms),
                  void *context)
{
    struct engine_check *c = &u->checks[which];
    if (row_of(u, (int)which)->kind == WATCH_PROBE_NONE || c->done)
        return false;
    c->done = done;
    c->done_context = context;
    engine_check_begin(u, which);
    engine_work(e);
    return true;
}
