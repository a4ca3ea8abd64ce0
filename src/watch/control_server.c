#include "watch/control_server.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "os/append_file.h"
#include "watch/control.h"
#include "watch/json_line.h"
#include "watch/tail.h"

enum {
    READ_SIZE = 16 << 10,
    LOG_BYTES_MAX = 4 << 20,   /* of one unit's log that are looked through */
    FOLLOW_LINE_MAX = 8 << 10, /* of output without a line end, before it is sent all the same */
};

/* A line of output that has not ended yet, of one unit that is followed. */
struct partial {
    struct partial *next;
    struct engine_unit *unit;
    struct buf line;
};

struct client {
    struct control_server *server;
    struct client *next;
    struct stream *stream;
    struct buf in;
    char *room;
    bool closed;
    /* A request that is not answered yet; further ones wait in `in`. */
    bool waiting;
    struct arena arena; /* of request */
    struct control_request request;
    int64_t until_ms;
    struct timer *timer;
    struct buf answer; /* of checks, as they end */
    size_t checks_left;
    bool follows_logs, follows_events;
    struct partial *partials;
};

struct control_server {
    struct loop *loop;
    struct engine *engine;
    struct control_server_hooks hooks;
    struct listener *listener;
    struct client *clients;
    size_t n;
    struct engine_watcher watcher;
    struct timer *soon; /* frees clients that have closed, tries waiting ones */
};

static void send(struct client *c, struct str bytes)
{
    if (c->closed)
        return;
    if (stream_queued(c->stream) + bytes.n > CONTROL_SERVER_QUEUE_MAX + CONTROL_LINE_MAX ||
        stream_write(c->stream, &bytes, 1) != 0) {
        c->closed = true;
        timer_again(c->server->soon, 0, 0);
    }
}

static void send_line(struct client *c, struct buf *line)
{
    buf_put_c(line, '\n');
    if (buf_failed(line))
        send(c, STR("{\"ok\":false,\"error\":\"limit_exceeded\",\"message\":\"the answer is too "
                    "long\"}\n"));
    else
        send(c, buf_str(line));
    buf_done(line);
}

static void refuse(struct client *c, int err, const char *message)
{
    struct buf b;
    buf_init(&b, CONTROL_LINE_MAX);
    json_line_open(&b, NULL, '{');
    json_line_flag(&b, "ok", false);
    json_line_text(&b, "error", str_c(err_code(err)));
    json_line_text(&b, "message", str_c(message));
    json_line_close(&b, '}');
    send_line(c, &b);
}

static void begin(struct buf *b)
{
    buf_init(b, CONTROL_LINE_MAX);
    json_line_open(b, NULL, '{');
    json_line_flag(b, "ok", true);
}

static void done(struct client *c)
{
    c->waiting = false;
    arena_done(&c->arena);
}

static bool meant(const struct control_request *r, const struct engine_unit *u)
{
    const struct watch_program *p = engine_unit_program(u);
    return control_target_is(r->target, p->name, p->group, engine_unit_name(u));
}

/* Does u start after something that is meant? */
static bool depends_on_meant(struct engine *e, const struct control_request *r,
                             const struct engine_unit *u)
{
    for (size_t i = 0; r->dependents && i < engine_units(e); i++)
        if (meant(r, engine_unit(e, i)) && engine_depends(e, u, engine_unit(e, i)))
            return true;
    return false;
}

static bool concerned(struct engine *e, const struct control_request *r,
                      const struct engine_unit *u)
{
    return meant(r, u) || depends_on_meant(e, r, u);
}

/* ---- start, stop, restart, reload, signal */

/* A single instance that is named is restarted at once. */
static void restart(struct control_server *s, const struct control_request *r,
                    struct engine_unit *u)
{
    if (strcmp(r->target, engine_unit_name(u)) == 0)
        engine_restart(s->engine, u);
    else
        s->hooks.restart(s->hooks.context, u);
}

static void do_to(struct control_server *s, const struct control_request *r, struct engine_unit *u)
{
    struct engine *e = s->engine;
    switch (r->verb) {
    case CONTROL_START:
        engine_start(e, u);
        break;
    case CONTROL_STOP:
        engine_stop(e, u);
        break;
    case CONTROL_RESTART:
        restart(s, r, u);
        break;
    case CONTROL_RELOAD:
        engine_reload(e, u);
        break;
    default:
        engine_signal(e, u, control_signal_of(r->signal));
    }
}

static bool reached(struct control_server *s, const struct control_request *r)
{
    struct engine *e = s->engine;
    for (size_t i = 0; i < engine_units(e); i++) {
        struct engine_unit *u = engine_unit(e, i);
        const struct keeper *k = engine_unit_keeper(u);
        if (!concerned(e, r, u))
            continue;
        if (r->verb == CONTROL_STOP ? !keeper_down(k) : !k->ready || k->again)
            return false;
        if (r->verb == CONTROL_RESTART && s->hooks.restarts(s->hooks.context, u))
            return false;
    }
    return true;
}

static void answer_units(struct client *c, bool with_reached)
{
    struct engine *e = c->server->engine;
    struct buf b;
    begin(&b);
    json_line_open(&b, "units", '[');
    for (size_t i = 0; i < engine_units(e); i++)
        if (concerned(e, &c->request, engine_unit(e, i)))
            json_line_text(&b, NULL, str_c(engine_unit_name(engine_unit(e, i))));
    json_line_close(&b, ']');
    if (with_reached)
        json_line_flag(&b, "reached", reached(c->server, &c->request));
    json_line_close(&b, '}');
    done(c);
    send_line(c, &b);
}

static void command(struct client *c)
{
    struct engine *e = c->server->engine;
    const struct control_request *r = &c->request;
    for (size_t i = 0; i < engine_units(e); i++)
        if (concerned(e, r, engine_unit(e, i)))
            do_to(c->server, r, engine_unit(e, i));
    if (r->wait_ms == 0 || r->verb == CONTROL_RELOAD || r->verb == CONTROL_SIGNAL) {
        answer_units(c, false);
        return;
    }
    timer_again(c->timer, r->wait_ms, 0);
    c->until_ms = loop_now_ms(c->server->loop) + r->wait_ms;
}

/* ---- checks */

static void finish_checks(struct client *c)
{
    json_line_close(&c->answer, ']');
    json_line_close(&c->answer, '}');
    done(c);
    send_line(c, &c->answer);
}

static void on_check(void *context, struct engine_unit *u, enum keeper_which which, bool ok,
                     const char *text, int64_t duration_ms)
{
    struct client *c = context;
    json_line_open(&c->answer, NULL, '{');
    json_line_text(&c->answer, "unit", str_c(engine_unit_name(u)));
    json_line_text(&c->answer, "which",
                   which == KEEPER_CHECK_LIVENESS ? STR("liveness") : STR("readiness"));
    json_line_flag(&c->answer, "ok", ok);
    json_line_text(&c->answer, "message", str_c(text));
    json_line_i64(&c->answer, "duration_ms", duration_ms);
    json_line_close(&c->answer, '}');
    if (--c->checks_left == 0) {
        finish_checks(c);
        timer_again(c->server->soon, 0, 0);
    }
}

static void check(struct client *c)
{
    struct engine *e = c->server->engine;
    begin(&c->answer);
    json_line_open(&c->answer, "checks", '[');
    c->checks_left = 1; /* until all are asked */
    for (size_t i = 0; i < engine_units(e); i++)
        for (int k = 0; meant(&c->request, engine_unit(e, i)) && k < KEEPER_CHECKS; k++) {
            c->checks_left++;
            if (!engine_check(e, engine_unit(e, i), (enum keeper_which)k, on_check, c))
                c->checks_left--;
        }
    if (--c->checks_left == 0)
        finish_checks(c);
}

/* ---- logs, events */

static void put_output(struct buf *b, const char *unit, struct str line)
{
    json_line_open(b, NULL, '{');
    json_line_text(b, "unit", str_c(unit));
    json_line_text(b, "text", line);
    json_line_close(b, '}');
    buf_put_c(b, '\n');
}

static void put_log(struct buf *out, struct engine_unit *u, size_t lines)
{
    struct buf log;
    struct str line;
    buf_init(&log, LOG_BYTES_MAX * 2);
    append_file_tail(engine_unit_log(u), LOG_BYTES_MAX, &log);
    struct str rest = tail_lines(buf_str(&log), lines, log.n + 1);
    while (rest.n && str_split(&rest, '\n', &line))
        put_output(out, engine_unit_name(u), line);
    buf_done(&log);
}

static size_t count_lines(const struct buf *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++)
        n += b->p[i] == '\n';
    return n;
}

static void listing(struct client *c)
{
    struct engine *e = c->server->engine;
    const struct control_request *r = &c->request;
    struct buf lines, head;
    bool logs = r->verb == CONTROL_LOGS, follow = r->follow;
    buf_init(&lines, CONTROL_LINE_MAX);
    if (logs)
        engine_flush(e); /* what has been printed is in the files */
    for (size_t i = 0; logs && i < engine_units(e); i++)
        if (meant(r, engine_unit(e, i)))
            put_log(&lines, engine_unit(e, i), (size_t)r->lines);
    if (!logs)
        engine_events(e, r->target, (size_t)r->lines, &lines);
    begin(&head);
    json_line_i64(&head, "lines", (int64_t)count_lines(&lines));
    json_line_close(&head, '}');
    send_line(c, &head);
    send(c, buf_str(&lines));
    buf_done(&lines);
    c->follows_logs = follow && logs;
    c->follows_events = follow && !logs;
    if (!follow)
        done(c); /* else it says what is followed until the end */
}

static struct partial *partial_of(struct client *c, struct engine_unit *u)
{
    struct partial *p = c->partials;
    while (p && p->unit != u)
        p = p->next;
    if (p)
        return p;
    p = mem_new(sizeof *p);
    p->unit = u;
    p->next = c->partials;
    c->partials = p;
    buf_init(&p->line, FOLLOW_LINE_MAX);
    return p;
}

static void on_output(void *context, struct engine_unit *u, struct str bytes)
{
    struct control_server *s = context;
    for (struct client *c = s->clients; c; c = c->next) {
        if (!c->follows_logs || !meant(&c->request, u))
            continue;
        struct partial *p = partial_of(c, u);
        struct buf out;
        buf_init(&out, CONTROL_LINE_MAX);
        for (size_t i = 0; i < bytes.n; i++) {
            if (bytes.p[i] != '\n')
                buf_put_c(&p->line, bytes.p[i]);
            if (bytes.p[i] == '\n' || p->line.n == FOLLOW_LINE_MAX) {
                put_output(&out, engine_unit_name(u), buf_str(&p->line));
                buf_clear(&p->line);
            }
        }
        send(c, buf_str(&out));
        buf_done(&out);
    }
}

static void on_event(void *context, struct engine_unit *u, struct str json)
{
    struct control_server *s = context;
    for (struct client *c = s->clients; c; c = c->next) {
        if (!c->follows_events || (u && !meant(&c->request, u)) || (!u && *c->request.target))
            continue;
        struct buf line;
        buf_init(&line, CONTROL_LINE_MAX);
        buf_put_str(&line, json);
        send_line(c, &line);
    }
}

static void free_partials(struct client *c)
{
    for (struct partial *p = c->partials, *next; p; p = next) {
        next = p->next;
        buf_done(&p->line);
        mem_free(p);
    }
    c->partials = NULL;
}

static void on_planned(void *context)
{
    struct control_server *s = context;
    for (struct client *c = s->clients; c; c = c->next)
        free_partials(c); /* pointers to units */
}

/* ---- plan, status, the process */

static void set_plan(struct client *c)
{
    struct watch_plan *plan;
    struct why why = {.text = ""};
    struct buf b;
    int err = watch_plan_read(str_c(c->request.plan), &plan, &why);
    if (err) {
        done(c);
        refuse(c, err, why.text);
        return;
    }
    begin(&b);
    err = engine_set_plan(c->server->engine, plan, &b, &why);
    done(c);
    if (err) {
        watch_plan_free(plan);
        buf_done(&b);
        refuse(c, err, why.text);
        return;
    }
    json_line_close(&b, '}');
    send_line(c, &b);
}

static void status(struct client *c)
{
    struct buf b;
    buf_init(&b, CONTROL_LINE_MAX);
    engine_status(c->server->engine, c->request.target, &b);
    done(c);
    send_line(c, &b);
}

static void process(struct client *c)
{
    struct control_server *s = c->server;
    struct buf b;
    char path[4096];
    bool upgrade = c->request.verb == CONTROL_UPGRADE;
    snprintf(path, sizeof path, "%s", c->request.path);
    begin(&b);
    json_line_close(&b, '}');
    done(c);
    send_line(c, &b);
    if (upgrade)
        s->hooks.upgrade(s->hooks.context, path);
    else
        s->hooks.shutdown(s->hooks.context);
}

static bool target_exists(struct client *c)
{
    struct engine *e = c->server->engine;
    const char *target = c->request.target;
    bool found = !*target || strcmp(target, "all") == 0;
    for (size_t i = 0; i < engine_units(e) && !found; i++)
        found = meant(&c->request, engine_unit(e, i));
    if (found)
        return true;
    char message[WHY_MAX];
    snprintf(message, sizeof message, "there is no program, instance or group called '%.200s'",
             target);
    done(c);
    refuse(c, ERR_NOENT, message);
    return false;
}

static void answer(struct client *c, struct str line)
{
    struct why why = {.text = ""};
    arena_init(&c->arena);
    int err = control_request_read(line, &c->arena, &c->request, &why);
    if (err) {
        arena_done(&c->arena);
        refuse(c, err, why.text);
        return;
    }
    c->waiting = true;
    if (!target_exists(c))
        return;
    switch (c->request.verb) {
    case CONTROL_STATUS:
        status(c);
        break;
    case CONTROL_CHECK:
        check(c);
        break;
    case CONTROL_LOGS:
    case CONTROL_EVENTS:
        listing(c);
        break;
    case CONTROL_PLAN:
        set_plan(c);
        break;
    case CONTROL_UPGRADE:
    case CONTROL_SHUTDOWN:
        process(c);
        break;
    default:
        command(c);
    }
}

/* ---- connections */

static void answer_all(struct client *c)
{
    while (!c->waiting && !c->closed) {
        struct str all = buf_str(&c->in);
        size_t at = str_find(all, '\n');
        if (at == all.n)
            return;
        struct str line = str_sub(all, 0, at);
        if (str_trim(line).n)
            answer(c, line);
        buf_shift(&c->in, at + 1);
    }
}

static void free_client(struct client *c)
{
    struct client **at = &c->server->clients;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    c->server->n--;
    stream_free(c->stream);
    timer_free(c->timer);
    free_partials(c);
    buf_done(&c->in);
    if (c->waiting)
        arena_done(&c->arena);
    mem_free(c->room);
    mem_free(c);
}

/* One that was given up will not be there, whatever the time. */
static bool hopeless(struct control_server *s, const struct control_request *r)
{
    for (size_t i = 0; i < engine_units(s->engine); i++) {
        struct engine_unit *u = engine_unit(s->engine, i);
        const struct keeper *k = engine_unit_keeper(u);
        if (r->verb != CONTROL_STOP && concerned(s->engine, r, u) && k->state == KEEPER_CRITICAL &&
            !k->again)
            return true;
    }
    return false;
}

static void try_waiting(struct control_server *s)
{
    for (struct client *c = s->clients; c; c = c->next)
        if (c->waiting && c->until_ms && (reached(s, &c->request) || hopeless(s, &c->request))) {
            c->until_ms = 0;
            timer_again(c->timer, INT32_MAX, 0);
            answer_units(c, true);
            answer_all(c);
        }
}

static void on_soon(void *context)
{
    struct control_server *s = context;
    for (struct client *c = s->clients, *next; c; c = next) {
        next = c->next;
        if (c->closed && c->checks_left == 0) /* a check that is under way knows it */
            free_client(c);
        else
            answer_all(c);
    }
    try_waiting(s);
}

static void on_changed(void *context)
{
    struct control_server *s = context;
    timer_again(s->soon, 0, 0);
}

static void on_timer(void *context)
{
    struct client *c = context;
    if (!c->waiting || !c->until_ms)
        return;
    c->until_ms = 0;
    answer_units(c, true);
    answer_all(c);
}

static char *on_room(void *context, size_t *ret_size)
{
    struct client *c = context;
    *ret_size = READ_SIZE;
    return c->room;
}

static void on_data(void *context, size_t n)
{
    struct client *c = context;
    buf_put(&c->in, c->room, n);
    if (buf_failed(&c->in)) {
        refuse(c, ERR_LIMIT, "the request is too long");
        c->closed = true;
        timer_again(c->server->soon, 0, 0);
        return;
    }
    answer_all(c);
}

static void on_closed(void *context, int err)
{
    struct client *c = context;
    (void)err; /* whichever way it went, it is gone */
    c->closed = true;
    timer_again(c->server->soon, 0, 0);
}

static void on_accepted(void *context, struct stream *stream)
{
    static const struct stream_events events = {
        .room = on_room, .data = on_data, .closed = on_closed};
    struct control_server *s = context;
    if (s->n == CONTROL_SERVER_CLIENTS_MAX) {
        stream_free(stream);
        return;
    }
    struct client *c = mem_new(sizeof *c);
    c->server = s;
    c->stream = stream;
    c->room = mem_raw(READ_SIZE);
    buf_init(&c->in, CONTROL_LINE_MAX);
    c->timer = timer_new(s->loop, INT32_MAX, 0, on_timer, c);
    c->next = s->clients;
    s->clients = c;
    s->n++;
    stream_start(stream, &events, c);
}

int control_server_new(struct loop *l, int fd, struct engine *e,
                       const struct control_server_hooks *hooks, struct control_server **ret)
{
    struct control_server *s = mem_new(sizeof *s);
    s->loop = l;
    s->engine = e;
    s->hooks = *hooks;
    int err = listener_open(l, fd, on_accepted, s, &s->listener);
    if (err) {
        mem_free(s);
        return err;
    }
    s->soon = timer_new(l, INT32_MAX, 0, on_soon, s);
    s->watcher = (struct engine_watcher){.event = on_event,
                                         .output = on_output,
                                         .changed = on_changed,
                                         .planned = on_planned,
                                         .context = s};
    engine_watch(e, &s->watcher);
    *ret = s;
    return 0;
}

void control_server_free(struct control_server *s)
{
    if (!s)
        return;
    engine_unwatch(s->engine, &s->watcher);
    while (s->clients)
        free_client(s->clients);
    listener_free(s->listener);
    timer_free(s->soon);
    mem_free(s);
}
