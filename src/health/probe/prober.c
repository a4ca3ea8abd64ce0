#include "health/probe/prober.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "health/probe/prober_inside.h"
#include "os/link_local.h"

enum { ROOM = 64 * 1024 /* bytes read at once */, KEY_MAX = 512 };

static const int64_t LOOKUP_NS = 30000000000; /* an answer of the name servers holds that long */

static int64_t now_ns(void)
{
    return clock_monotonic_ns(&clock_real);
}

/* ---- places */

static struct prober_place_state *place_of(struct prober *p, const struct prober_place *where)
{
    char key[KEY_MAX];
    bool is_new;
    snprintf(key, sizeof key, "%s%s%.*s:%u", where->no_link_local ? "guarded:" : "",
             where->unix_path ? "unix:" : "",
             where->unix_path ? (int)strlen(where->unix_path) : (int)where->host.n,
             where->unix_path ? where->unix_path : where->host.p, (unsigned)where->port);
    union map_value *slot = map_put(&p->places, str_c(key), &is_new);
    if (is_new) {
        struct prober_place_state *s = mem_new(sizeof *s);
        s->prober = p;
        s->key = mem_text(key, strlen(key));
        s->port = where->port;
        s->no_link_local = where->no_link_local;
        if (where->unix_path)
            s->path = mem_text(where->unix_path, strlen(where->unix_path));
        else
            s->host = mem_text(where->host.p, where->host.n);
        s->literal = s->path || dial_literal(where->host, where->port, &s->addresses);
        slot->p = s;
    }
    struct prober_place_state *s = slot->p;
    s->users++;
    return s;
}

static void close_connection(struct prober_connection *c)
{
    watch_free(c->watch);
    dial_close(c->fd);
    mem_free(c);
}

/* Takes c out of the list of those that wait. */
static void forget_idle(struct prober_connection *c)
{
    struct prober_connection **at = &c->place->idle;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    c->place->prober->idle_n--;
}

static void leave_place(struct prober_place_state *s)
{
    if (--s->users > 0)
        return;
    while (s->idle) {
        struct prober_connection *c = s->idle;
        forget_idle(c);
        close_connection(c);
    }
    dial_lookup_cancel(s->lookup);
    (void)map_drop(&s->prober->places, str_c(s->key));
    mem_free(s->key);
    mem_free(s->host);
    mem_free(s->path);
    mem_free(s);
}

/* ---- ending an ask */

/* Takes the connection off the probe: kept where that is possible. */
static void let_go(struct prober_probe *p, bool keep)
{
    struct prober_connection *c = p->connection;
    p->connection = NULL;
    if (!c)
        return;
    struct prober *prober = c->place->prober;
    if (keep && prober->idle_n < PROBER_IDLE_MAX) {
        c->probe = NULL;
        c->next = c->place->idle;
        c->place->idle = c;
        prober->idle_n++;
        watch_set(c->watch, WATCH_READ);
    } else {
        close_connection(c);
    }
}

static void stop_waiting(struct prober_probe *p)
{
    struct prober_probe **at = &p->place->waiting;
    while (*at && *at != p)
        at = &(*at)->next;
    if (*at)
        *at = p->next;
    p->next = NULL;
}

/* Ends the ask with what is in p->why (err not 0) or with an answer. */
static void finish(struct prober_probe *p, int err)
{
    bool http = p->kind->shares;
    if (p->asking) { /* done() never comes from within prober_ask(): the timer tells it */
        p->failed = err;
        timer_again(p->timer, 0, 0);
        return;
    }
    struct prober_answer a = {
        .err = err, .why = "", .reused = p->reused, .duration_ns = now_ns() - p->begun_ns};
    if (err != 0)
        a.why = p->why.text[0] ? p->why.text : err_text(err);
    if (http && err == 0) {
        a.status = p->reply.status;
        a.head = prober_reply_fields(&p->reply);
        a.body = buf_str(&p->reply.body);
    } else if (!http) {
        a.body = buf_str(&p->in);
    }
    timer_stop(p->timer);
    stop_waiting(p);
    let_go(p, err == 0 && http && p->reply.keep && !p->fresh);
    void (*done)(void *context, const struct prober_answer *answer) = p->done;
    p->done = NULL;
    p->answering = true;
    done(p->context, &a);
    p->answering = false;
    if (p->done) /* asked again from within */
        return;
    prober_reply_done(&p->reply);
    prober_reply_init(&p->reply);
    buf_done(&p->in);
    buf_done(&p->out);
}

static void on_timer(void *context)
{
    struct prober_probe *p = context;
    int err = p->failed;
    if (err == 0) {
        bool connected = p->connection && p->connection->connected;
        err = why_set(&p->why, ERR_TIMEOUT, "%s within %" PRId64 " ms",
                      p->place->lookup && !connected ? "the name was not found"
                      : connected                    ? "there was no whole answer"
                                                     : "it could not be connected",
                      p->timeout_ms);
    }
    finish(p, err);
}

/* ---- talking */

static void connect_next(struct prober_probe *p);

/* The connection failed: another address, or once more where it had been waiting. */
static void broken(struct prober_probe *p, int err)
{
    bool again = p->reused && p->reply.head.n == 0 && p->reply.status == 0;
    bool other =
        !p->connection->connected && p->place->host && p->attempt + 1 < p->place->addresses.n;
    let_go(p, false);
    if (again) {
        p->reused = false;
        connect_next(p);
    } else if (other) {
        p->attempt++;
        connect_next(p);
    } else {
        finish(p, err);
    }
}

static bool flush(struct prober_probe *p)
{
    struct prober_connection *c = p->connection;
    while (p->sent < p->out.n) {
        int64_t n = dial_send(c->fd, str_of(p->out.p + p->sent, p->out.n - p->sent));
        if (n < 0) {
            broken(p, why_set(&p->why, ERR_CLOSED, "the connection was closed"));
            return false;
        }
        if (n == 0)
            break;
        p->sent += (size_t)n;
    }
    watch_set(c->watch, WATCH_READ | (p->sent < p->out.n ? WATCH_WRITE : 0));
    return true;
}

static void obey(struct prober_probe *p, int step)
{
    if (step == PROBER_MORE)
        (void)flush(p); /* where it fails it has ended the ask */
    else
        finish(p, step);
}

/* Connected, or connected already: the first words. */
static void begin(struct prober_probe *p)
{
    buf_clear(&p->out);
    buf_clear(&p->in);
    p->sent = 0;
    prober_reply_clear(&p->reply);
    obey(p, p->kind->begin(p, &p->why));
}

static void on_readable(struct prober_connection *c)
{
    struct prober_probe *p = c->probe;
    struct prober *prober = c->place->prober;
    int64_t n = dial_receive(c->fd, prober->room, ROOM);
    if (n == -ERR_BUSY)
        return;
    if (!p) { /* one that waited has ended, or says what nobody asked for */
        forget_idle(c);
        close_connection(c);
    } else if (n > 0) {
        obey(p, p->kind->take(p, str_of(prober->room, (size_t)n), &p->why));
    } else if (n == -ERR_END) {
        int err = p->kind->closed(p, &p->why);
        if (err == -ERR_CLOSED)
            broken(p, err);
        else
            finish(p, err);
    } else {
        broken(p, why_set(&p->why, ERR_CLOSED, "the connection was reset"));
    }
}

static void on_event(void *context, unsigned events)
{
    struct prober_connection *c = context;
    if (!c->connected) {
        struct prober_probe *p = c->probe;
        const char *text = "";
        int err = dial_finish(c->fd, &text);
        if (err != 0) {
            why_set(&p->why, (enum err) - err, "it cannot be connected: %s", text);
            broken(p, err);
            return;
        }
        c->connected = true;
        begin(p);
    } else if (events & WATCH_READ) {
        on_readable(c);
    } else if (c->probe) {
        (void)flush(c->probe); /* where it fails it has ended the ask */
    }
}

/* ---- connecting */

static int open_socket(const struct prober_probe *p, int *ret)
{
    const struct prober_place_state *s = p->place;
    if (s->path)
        return dial_open_unix(s->path, ret);
    const union dial_address *to = &s->addresses.v[p->attempt];
    return s->no_link_local && link_local_address(&to->any) ? -ERR_DENIED : dial_open(to, ret);
}

/* To the address that is to be tried. */
static void connect_next(struct prober_probe *p)
{
    struct prober_place_state *s = p->place;
    int fd = -1, err;
    while ((err = open_socket(p, &fd)) != 0 && s->host && p->attempt + 1 < s->addresses.n)
        p->attempt++;
    if (err != 0) {
        why_set(&p->why, (enum err) - err, "it cannot be connected: %s",
                err == -ERR_CLOSED ? "Connection refused"
                : s->no_link_local && err == -ERR_DENIED
                    ? "a link-local address is not allowed here"
                    : err_text(err));
        finish(p, err);
        return;
    }
    struct prober_connection *c = mem_new(sizeof *c);
    *c = (struct prober_connection){.place = s, .probe = p, .fd = fd};
    err = watch_new(s->prober->loop, fd, on_event, c, &c->watch);
    if (err != 0) {
        dial_close(fd);
        mem_free(c);
        finish(p, why_set(&p->why, (enum err) - err, "the socket cannot be waited for"));
        return;
    }
    p->connection = c;
    watch_set(c->watch, WATCH_WRITE);
}

static void on_lookup(void *context, int err, const struct dial_addresses *addresses)
{
    struct prober_place_state *s = context;
    s->lookup = NULL;
    if (err == 0) {
        s->addresses = *addresses;
        s->looked_ns = now_ns();
    }
    s->users++; /* a callback may free the last of them */
    /* One at a time from the front: a callback may take others out, or ask anew. */
    while (s->waiting && !s->lookup) {
        struct prober_probe *p = s->waiting;
        s->waiting = p->next;
        p->next = NULL;
        if (err != 0)
            finish(p, why_set(&p->why, (enum err) - err, "the host %s is not known", s->host));
        else
            connect_next(p);
    }
    leave_place(s);
}

static void look_up(struct prober_probe *p)
{
    struct prober_place_state *s = p->place;
    p->next = s->waiting;
    s->waiting = p;
    if (!s->lookup)
        s->lookup = dial_lookup_new(s->prober->loop, s->host, s->port, on_lookup, s);
}

/* ---- asking */

void prober_ask(struct prober_probe *p,
                void (*done)(void *context, const struct prober_answer *answer), void *context)
{
    struct prober_place_state *s = p->place;
    must(!p->done);
    p->done = done;
    p->context = context;
    p->begun_ns = now_ns();
    p->attempt = 0;
    p->failed = 0;
    p->why.text[0] = '\0';
    p->reused = false;
    p->asking = true;
    if (p->timer)
        timer_again(p->timer, p->timeout_ms, 0);
    else
        p->timer = timer_new(s->prober->loop, p->timeout_ms, 0, on_timer, p);
    struct prober_connection *c = p->kind->shares && !p->fresh ? s->idle : NULL;
    if (c) {
        forget_idle(c);
        c->probe = p;
        p->connection = c;
        p->reused = true;
        begin(p);
    } else if (s->literal || (s->looked_ns && now_ns() - s->looked_ns < LOOKUP_NS)) {
        connect_next(p);
    } else {
        look_up(p);
    }
    p->asking = false;
}

bool prober_busy(const struct prober_probe *p)
{
    return p->done != NULL;
}

void prober_cancel(struct prober_probe *p)
{
    if (!p->done)
        return;
    p->done = NULL;
    timer_stop(p->timer);
    stop_waiting(p);
    let_go(p, false);
}

void prober_probe_free(struct prober_probe *p)
{
    if (!p)
        return;
    must(!p->answering); /* free it from a timer or after done() has returned */
    prober_cancel(p);
    timer_free(p->timer);
    leave_place(p->place);
    if (p->kind->free)
        p->kind->free(p);
    prober_reply_done(&p->reply);
    buf_done(&p->in);
    buf_done(&p->out);
    mem_free((char *)(uintptr_t)p->request.p);
    mem_free((char *)(uintptr_t)p->first.p);
    mem_free((char *)(uintptr_t)p->expect.p);
    mem_free(p);
}

/* ---- life */

struct str prober_inside_copy(struct str s)
{
    return s.n ? str_of(mem_copy(s.p, s.n), s.n) : (struct str){NULL, 0};
}

int prober_inside_new(struct prober *prober, const struct prober_place *place,
                      const struct prober_kind *kind, int64_t timeout_ms, struct prober_probe **ret,
                      struct why *why)
{
    if (!place->unix_path && (place->host.n == 0 || place->host.n > 255))
        return why_set(why, ERR_FORMAT, "the host is missing or too long");
    if (!place->unix_path && place->port == 0)
        return why_set(why, ERR_FORMAT, "the port is missing");
    struct prober_probe *p = mem_new(sizeof *p);
    p->kind = kind;
    p->place = place_of(prober, place);
    p->timeout_ms = timeout_ms > 0 ? timeout_ms : PROBER_TIMEOUT_MS;
    prober_reply_init(&p->reply);
    buf_init(&p->in, PROBER_BODY_MAX);
    buf_init(&p->out, PROBER_BODY_MAX);
    *ret = p;
    return 0;
}

int prober_new(struct loop *l, struct prober **ret)
{
    struct prober *p = mem_new(sizeof *p);
    p->loop = l;
    p->room = mem_raw(ROOM);
    map_init(&p->places, 0);
    *ret = p;
    return 0;
}

void prober_free(struct prober *p)
{
    if (!p)
        return;
    must(p->places.n == 0);
    map_done(&p->places);
    mem_free(p->room);
    mem_free(p);
}

struct str prober_header(const struct prober_answer *a, struct str name)
{
    struct str rest = a->head, line;
    while (str_split(&rest, '\n', &line)) {
        size_t colon = str_find(line, ':');
        if (colon == name.n && strncasecmp(line.p, name.p, name.n) == 0)
            return str_trim(str_sub(line, colon + 1, line.n));
    }
    return STR("");
}
