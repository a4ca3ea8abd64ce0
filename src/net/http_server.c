#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "net/http_conn.h"

enum {
    SWEEP_MS = 500, /* how often connections are looked at, at least */
    TRIM_MS = 5000,
    LISTENERS_MAX = 64,
    HEAD_MAX = 1024 * 1024, /* bytes of the head of an answer */
};

static const struct http_limits DEFAULTS = {
    .header_bytes_max = 32 * 1024,
    .connections_max = 10000,
    .body_bytes_total_max = 256u * 1024 * 1024,
    .header_timeout_ms = 10000,
    .body_timeout_ms = 15000,
    .idle_timeout_ms = 120000,
    .write_queue_max = 64u * 1024 * 1024,
};

/* ---- what is counted, over all servers */

static struct stat requests[] = {
#define REQUESTS(class)                                                                            \
    STAT_COUNTER_OF("sonde_http_requests_total", "code=\"" class "\"",                             \
                    "HTTP requests answered, by class of their status.")
    REQUESTS("1xx"), REQUESTS("2xx"), REQUESTS("3xx"), REQUESTS("4xx"), REQUESTS("5xx"),
};
static struct stat refused[HTTP_REFUSAL_COUNT] = {
#define REFUSED(reason)                                                                            \
    STAT_COUNTER_OF("sonde_http_refused_total", "reason=\"" reason "\"",                           \
                    "Connections and requests refused before a handler saw them, or dropped.")
    [HTTP_REFUSAL_CONNECTIONS] = REFUSED("connections"),
    [HTTP_REFUSAL_HEAD] = REFUSED("bad_request"),
    [HTTP_REFUSAL_BODY_SIZE] = REFUSED("body_size"),
    [HTTP_REFUSAL_BODY_BUDGET] = REFUSED("body_budget"),
    [HTTP_REFUSAL_TIMEOUT] = REFUSED("timeout"),
    [HTTP_REFUSAL_SLOW_READER] = REFUSED("slow_reader"),
    [HTTP_REFUSAL_GUARD] = REFUSED("guard"),
};
static struct stat connections = STAT_GAUGE("sonde_http_connections", "HTTP connections open.");
static struct stat duration =
    STAT_HISTOGRAM("sonde_http_request_duration_seconds",
                   "Time from the whole head of a request to the end of its answer.");
static struct stat received =
    STAT_COUNTER("sonde_http_received_bytes_total", "Bytes received over HTTP.");
static struct stat sent = STAT_COUNTER("sonde_http_sent_bytes_total", "Bytes sent over HTTP.");
static _Atomic int64_t open_connections;

static void register_stats(void)
{
    for (size_t i = 0; i < COUNTOF(requests); i++)
        stat_register(&requests[i]);
    for (size_t i = 0; i < COUNTOF(refused); i++)
        stat_register(&refused[i]);
    stat_register(&connections);
    stat_register(&duration);
    stat_register(&received);
    stat_register(&sent);
}

static void count_connections(int64_t change)
{
    stat_set(&connections, (double)(atomic_fetch_add(&open_connections, change) + change));
}

void http_server_refused(enum http_refusal what)
{
    stat_add(&refused[what], 1);
}

void http_server_counted(const struct http_request *r, size_t bytes_out)
{
    if (bytes_out)
        stat_add(&sent, bytes_out);
    if (!r)
        return;
    int class = r->answer.status / 100;
    must(class >= 1 && class <= 5);
    stat_add(&requests[class - 1], 1);
    stat_observe(&duration, clock_monotonic_ns(&clock_real) - r->began_ns);
}

void http_server_heard(size_t bytes_in)
{
    stat_add(&received, bytes_in);
}

const char *http_server_date(struct http_server *s)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t now = (time_t)(clock_wall_ms(&clock_real) / 1000);
    if (now == s->date_s)
        return s->date;
    struct tm tm;
    must(gmtime_r(&now, &tm) != NULL);
    snprintf(s->date, sizeof s->date, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
             days + 3 * (tm.tm_wday % 7), tm.tm_mday % 32, months + 3 * (tm.tm_mon % 12),
             (tm.tm_year + 1900) % 10000, tm.tm_hour % 24, tm.tm_min % 60, tm.tm_sec % 61);
    s->date_s = now;
    return s->date;
}

/* ---- draining */

static void say_drained(void *context)
{
    struct http_server *s = context;
    if (!s->drained)
        return;
    void (*done)(void *) = s->drained;
    s->drained = NULL;
    done(s->drained_context);
}

static void check_drained(struct http_server *s)
{
    /* In the next round, since what ends now is still on the stack. */
    if (s->draining && s->conns_n + s->upgraded_n == 0)
        timer_again(s->sweep, 0, 0);
}

void http_server_removed(struct http_server *s, struct http_conn *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else
        s->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    s->conns_n--;
    count_connections(-1);
    check_drained(s);
}

void http_server_joined(struct http_server *s, struct http_upgraded *u)
{
    u->server = s;
    u->prev = NULL;
    u->next = s->upgraded;
    if (u->next)
        u->next->prev = u;
    s->upgraded = u;
    s->upgraded_n++;
    count_connections(1);
}

void http_server_left(struct http_server *s, struct http_upgraded *u)
{
    if (u->prev)
        u->prev->next = u->next;
    else
        s->upgraded = u->next;
    if (u->next)
        u->next->prev = u->prev;
    u->server = NULL;
    s->upgraded_n--;
    count_connections(-1);
    check_drained(s);
}

void http_server_drain(struct http_server *s, void (*done)(void *context), void *context)
{
    must(!s->draining);
    s->draining = true;
    s->drained = done;
    s->drained_context = context;
    for (size_t i = 0; i < s->listeners_n; i++)
        listener_free(s->listeners[i]);
    s->listeners_n = 0;
    for (struct http_conn *c = s->conns, *next; c; c = next) {
        next = c->next;
        bool waits = c->state == HTTP_STATE_HEAD || c->state == HTTP_STATE_SPILL;
        if (waits && c->pending.n == 0 && !c->running)
            http_conn_drop(c);
    }
    for (struct http_upgraded *u = s->upgraded, *next; u; u = next) {
        next = u->next;
        u->leave(u);
    }
    check_drained(s);
}

/* ---- the server */

static void on_sweep(void *context)
{
    struct http_server *s = context;
    int64_t now = loop_now_ms(s->loop);
    if (s->draining && s->conns_n + s->upgraded_n == 0) {
        say_drained(s);
        return;
    }
    for (struct http_conn *c = s->conns, *next; c; c = next) {
        next = c->next;
        http_conn_look(c, now);
    }
    for (struct http_upgraded *u = s->upgraded, *next; u; u = next) {
        next = u->next;
        u->look(u, now);
    }
    if (now - s->trimmed_ms >= TRIM_MS) {
        s->trimmed_ms = now;
        http_bodies_trim(&s->bodies);
    }
}

static void on_accepted(void *context, struct stream *stream)
{
    struct http_server *s = context;
    if (s->conns_n + s->upgraded_n >= s->config.limits.connections_max) {
        struct str full = STR("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
                              "Content-Length: 0\r\nConnection: close\r\n\r\n");
        http_server_refused(HTTP_REFUSAL_CONNECTIONS);
        /* Whether it arrives makes no difference: the connection ends. */
        (void)stream_write(stream, &full, 1);
        stream_free(stream);
        return;
    }
    count_connections(1);
    http_conn_open(s, stream);
}

static void fill_in(struct http_limits *limits)
{
#define DEFAULT(member) limits->member = limits->member ? limits->member : DEFAULTS.member
    DEFAULT(header_bytes_max);
    DEFAULT(connections_max);
    DEFAULT(body_bytes_total_max);
    DEFAULT(header_timeout_ms);
    DEFAULT(body_timeout_ms);
    DEFAULT(idle_timeout_ms);
    DEFAULT(write_queue_max);
#undef DEFAULT
    /* A head has to fit into what a connection keeps of what was read. */
    limits->header_bytes_max = MIN(limits->header_bytes_max, (size_t)48 * 1024);
}

int http_server_new(struct loop *l, const struct http_config *config, struct http_server **ret)
{
    register_stats();
    struct http_server *s = mem_new(sizeof *s);
    s->loop = l;
    s->config = *config;
    fill_in(&s->config.limits);
    s->bodies.max = s->config.limits.body_bytes_total_max;
    s->listeners = mem_array(LISTENERS_MAX, sizeof(struct listener *));
    buf_init(&s->head, HEAD_MAX);
    buf_init(&s->packed, SIZE_MAX / 2);
    const struct http_limits *limits = &s->config.limits;
    int64_t shortest =
        MIN(MIN(limits->header_timeout_ms, limits->body_timeout_ms), limits->idle_timeout_ms);
    int64_t sweep = MAX(MIN(shortest / 4, (int64_t)SWEEP_MS), 10);
    s->sweep = timer_new(l, sweep, sweep, on_sweep, s);
    *ret = s;
    return 0;
}

int http_server_listen(struct http_server *s, int fd)
{
    if (s->listeners_n == LISTENERS_MAX || s->draining)
        return -ERR_STATE;
    int err = listener_open(s->loop, fd, on_accepted, s, &s->listeners[s->listeners_n]);
    if (!err)
        s->listeners_n++;
    return err;
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->listeners_n; i++)
        listener_free(s->listeners[i]);
    while (s->upgraded)
        s->upgraded->drop(s->upgraded);
    for (struct http_conn *c = s->conns, *next; c; c = next) {
        next = c->next;
        must(!c->running);
        if (c->state == HTTP_STATE_BUSY) {
            /* Its handler still has it: it lives on without us until it is answered. */
            stream_free(c->stream);
            c->stream = NULL;
            atomic_store(&c->request.gone, true);
            http_server_removed(s, c);
            c->server = NULL;
        } else {
            http_conn_drop(c);
        }
    }
    timer_free(s->sweep);
    http_bodies_done(&s->bodies);
    buf_done(&s->head);
    buf_done(&s->packed);
    if (s->gzip) {
        deflateEnd(s->gzip);
        mem_free(s->gzip);
    }
    mem_free(s->listeners);
    mem_free(s);
}
