#include "net/http_conn.h"

#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"

enum {
    PENDING_MAX = 64 * 1024,         /* bytes that a client may send ahead of an answer */
    ARENA_KEPT = 64 * 1024,          /* bytes of memory that an idle connection keeps */
    BODY_STEP = HTTP_BODY_KEPT_SIZE, /* bytes that are allocated on the word of the client */
    IDLE_MS = 5000,                  /* after which it keeps none */
    SPILL_MAX = 64 << 20,            /* bytes of a refused body that are thrown away */
    SPILL_WAIT_MS = 1000,            /* without a byte of it */
    SPILL_MS = 10000,                /* in all */
    BODY_TIMEOUTS = 20, /* a body may take so many body_timeout_ms, however it trickles */
};

/* ---- a request's life */

static void request_init(struct http_conn *c)
{
    struct http_request *r = &c->request;
    struct arena arena = r->arena;
    r->conn = c;
    r->loop = c->server->loop;
    r->lane = c->server->config.lane;
    r->method = HTTP_GET;
    r->head = (struct http_parse){.fields_n = 0};
    r->target = (struct http_target){.path = STR("")};
    r->params = (struct http_params){0};
    r->route = NULL;
    r->arena = arena;
    r->began_ns = clock_monotonic_ns(&clock_real);
    atomic_store_explicit(&r->gone, false, memory_order_relaxed);
    r->keep_alive = false;
    r->answer = (struct http_answer){0};
    buf_init(&r->answer.headers, SIZE_MAX / 2);
    buf_init(&r->answer.trailers, SIZE_MAX / 2);
    buf_init(&r->answer.out, SIZE_MAX / 2);
}

void http_conn_done(struct http_conn *c)
{
    struct http_request *r = &c->request;
    if (c->server)
        http_bodies_give(&c->server->bodies, &r->body);
    else
        mem_free(r->body.memory);
    r->body = (struct http_body){0};
    http_reply_free(&r->answer);
    if (r->arena.total > ARENA_KEPT)
        arena_done(&r->arena);
    else
        arena_reset(&r->arena);
}

static void free_if_over(struct http_conn *c)
{
    if (c->running || c->stream || c->state == HTTP_STATE_BUSY)
        return;
    http_conn_done(c);
    arena_done(&c->request.arena);
    buf_done(&c->pending);
    if (c->server)
        http_server_removed(c->server, c);
    mem_free(c);
}

static void let_go(struct http_conn *c)
{
    stream_free(c->stream);
    c->stream = NULL;
    if (c->state != HTTP_STATE_BUSY)
        c->state = HTTP_STATE_CLOSED;
    else
        atomic_store(&c->request.gone, true);
}

void http_conn_drop(struct http_conn *c)
{
    let_go(c);
    free_if_over(c);
}

/* Notes that a refused body of so many bytes is still coming. A client that is cut off while it
 * sends never reads why, takes that for a broken connection, and sends all of it again. */
static void spill_body(struct http_conn *c)
{
    const struct http_request *r = &c->request;
    if (r->head.wants_continue)
        return; /* it waits for our word */
    c->spill = r->head.chunked ? SPILL_MAX : MIN(r->head.length - r->body.n, (uint64_t)SPILL_MAX);
}

/* Answers what cannot be served and closes: the rest of what the client sends is not understood. */
static void refuse(struct http_conn *c, int status)
{
    c->state = HTTP_STATE_BUSY;
    http_reply_plain(&c->request, status, true);
}

void http_conn_answered(struct http_conn *c)
{
    if (c->http2) {
        http2_answered(c);
        return;
    }
    http_conn_done(c);
    c->state = HTTP_STATE_HEAD;
    if (c->spill && c->stream && c->server && !c->ended && !c->server->draining) {
        c->state = HTTP_STATE_SPILL;
        c->began_ms = c->heard_ms = loop_now_ms(c->server->loop);
    } else if (!c->stream || !c->server || !c->request.keep_alive || c->server->draining) {
        let_go(c);
    } else {
        c->heard_ms = loop_now_ms(c->server->loop);
        c->began_ms = c->pending.n ? c->heard_ms : 0;
    }
    if (!c->running)
        http_conn_run(c);
}

void http_conn_take(struct http_request *r, struct buf *ret_rest)
{
    struct http_conn *c = r->conn;
    must(c->state == HTTP_STATE_BUSY);
    *ret_rest = c->pending;
    buf_init(&c->pending, PENDING_MAX);
    c->stream = NULL;
    c->state = HTTP_STATE_CLOSED;
    if (!c->running)
        free_if_over(c);
}

/* ---- the head */

static unsigned method_of(struct str name)
{
    static const struct {
        struct str name;
        unsigned bit;
    } methods[] = {
        {{"GET", 3}, HTTP_GET},   {{"POST", 4}, HTTP_POST},     {{"PUT", 3}, HTTP_PUT},
        {{"HEAD", 4}, HTTP_HEAD}, {{"DELETE", 6}, HTTP_DELETE}, {{"OPTIONS", 7}, HTTP_OPTIONS},
    };
    for (size_t i = 0; i < COUNTOF(methods); i++) {
        if (str_eq(methods[i].name, name))
            return methods[i].bit;
    }
    return 0;
}

/* Finds the route of the request; *ret_methods are those that its path serves, 0 where there is
 * no such path. */
static const struct http_route *find_route(struct http_request *r, unsigned method,
                                           unsigned *ret_methods)
{
    const struct http_config *config = &r->conn->server->config;
    const struct http_route *found = NULL;
    unsigned best = 0, methods = 0, wanted = method == HTTP_HEAD ? HTTP_GET | HTTP_HEAD : method;
    for (size_t i = 0; i < config->routes_n; i++) {
        const struct http_route *route = &config->routes[i];
        unsigned match = http_target_match(&r->target, str_c(route->path));
        if (match == 0 || match < best)
            continue;
        if (match > best) {
            found = NULL;
            methods = 0;
        }
        best = match;
        methods |= route->methods;
        if (!found && (route->methods & wanted))
            found = route;
    }
    *ret_methods = methods;
    return found;
}

static void allow(struct http_request *r, unsigned methods)
{
    static const struct {
        unsigned bits;
        const char *name;
    } names[] = {{HTTP_GET, "GET"},
                 {HTTP_GET | HTTP_HEAD, "HEAD"},
                 {HTTP_POST, "POST"},
                 {HTTP_PUT, "PUT"},
                 {HTTP_DELETE, "DELETE"}};
    struct buf text;
    buf_init(&text, 64);
    buf_put_str(&text, STR("OPTIONS"));
    for (size_t i = 0; i < COUNTOF(names); i++) {
        if (names[i].bits & methods)
            buf_printf(&text, ", %s", names[i].name);
    }
    http_reply_header(r, STR("Allow"), buf_str(&text));
    buf_done(&text);
}

/* 0, or the status to refuse the request with before its body is read. */
static int admit(struct http_conn *c)
{
    struct http_request *r = &c->request;
    const struct http_config *config = &c->server->config;
    int err = config->guard ? config->guard(config->guard_context, r) : 0;
    if (err) {
        http_server_refused(HTTP_REFUSAL_GUARD);
        return 403;
    }
    unsigned methods, method = method_of(r->head.method);
    r->route = find_route(r, method, &methods);
    if (method == HTTP_OPTIONS) {
        allow(r, methods ? methods : HTTP_GET | HTTP_POST | HTTP_PUT | HTTP_DELETE);
        return 204;
    }
    if (!methods)
        return 404;
    if (!r->route) {
        allow(r, methods);
        return 405;
    }
    if (r->head.length > r->route->body_max) {
        http_server_refused(HTTP_REFUSAL_BODY_SIZE);
        return 413;
    }
    if (r->head.length > c->server->bodies.max - c->server->bodies.used) {
        http_server_refused(HTTP_REFUSAL_BODY_BUDGET);
        return 503;
    }
    return 0;
}

/* Parses a head of n bytes at p into the request: 0 or a status. */
static int read_head(struct http_conn *c, const char *p, size_t n)
{
    static _Thread_local struct http_field fields[HTTP_PARSE_FIELDS_MAX];
    struct http_request *r = &c->request;
    request_init(c);
    char *copy = arena_new(&r->arena, n + 1);
    memcpy(copy, p, n);
    int status = http_parse_head(&r->head, copy, n, fields);
    size_t fields_size = r->head.fields_n * sizeof *fields;
    r->head.fields = arena_new(&r->arena, fields_size);
    memcpy(r->head.fields, fields, fields_size);
    if (status == 0) {
        int err = http_target_parse(&r->arena, r->head.target, &r->target);
        if (!err)
            err = http_target_params(&r->arena, r->target.query, &r->params);
        status = err == -ERR_LIMIT ? 414 : err ? 400 : 0;
    }
    if (status) {
        http_server_refused(HTTP_REFUSAL_HEAD);
        return status;
    }
    unsigned method = method_of(r->head.method);
    r->method = method ? method : HTTP_POST;
    r->keep_alive = r->head.keep_alive;
    return 0;
}

int http_conn_head(struct http_conn *c, const char *p, size_t n)
{
    int status = read_head(c, p, n);
    return status ? status : admit(c);
}

/* Reads a whole head and decides what comes next. */
static void begin(struct http_conn *c, const char *p, size_t n)
{
    struct http_request *r = &c->request;
    c->spoken = true;
    int status = read_head(c, p, n);
    if (status) {
        refuse(c, status);
        return;
    }
    bool has_body = r->head.chunked || r->head.length > 0;
    status = admit(c);
    if (status) {
        c->state = HTTP_STATE_BUSY;
        if (has_body)
            spill_body(c);
        http_reply_plain(r, status, has_body);
        return;
    }
    c->state = r->head.chunked ? HTTP_STATE_CHUNKS : HTTP_STATE_BODY;
    if (!has_body) {
        c->state = HTTP_STATE_READY;
    } else if (http_bodies_grow(&c->server->bodies, &r->body,
                                MIN((size_t)r->head.length, (size_t)BODY_STEP))) {
        http_server_refused(HTTP_REFUSAL_BODY_BUDGET);
        spill_body(c);
        refuse(c, 503);
    }
}

/* ---- the body */

/* Makes room for more, after what has come. A client's word alone makes us allocate BODY_STEP at
 * most, beyond that it has to have sent half of it. 0 or a status. */
static int grow_body(struct http_conn *c, size_t wanted)
{
    struct http_request *r = &c->request;
    if (wanted <= r->body.capacity)
        return 0;
    size_t most = r->head.chunked ? r->route->body_max : (size_t)r->head.length;
    size_t size = MIN(MAX(wanted, r->body.capacity * 2), MAX(most, wanted));
    if (http_bodies_grow(&c->server->bodies, &r->body, size) == 0)
        return 0;
    http_server_refused(HTTP_REFUSAL_BODY_BUDGET);
    return 503;
}

int http_conn_body(struct http_conn *c, const char *p, size_t n)
{
    struct http_body *body = &c->request.body;
    if (n > c->request.route->body_max - body->n) {
        http_server_refused(HTTP_REFUSAL_BODY_SIZE);
        return 413;
    }
    int status = grow_body(c, body->n + n);
    if (status)
        return status;
    memcpy(body->p + body->n, p, n);
    body->n += n;
    return 0;
}

static int take_chunk(void *context, const char *p, size_t n)
{
    return http_conn_body(context, p, n);
}

/* n bytes of the body have been put behind the others. */
static void body_came(struct http_conn *c, size_t n)
{
    struct http_request *r = &c->request;
    r->body.n += n;
    if (r->body.n == r->head.length) {
        c->state = HTTP_STATE_READY;
        return;
    }
    /* Only a full buffer grows, so that reading goes straight into it. */
    int status = r->body.n == r->body.capacity ? grow_body(c, r->body.n + 1) : 0;
    if (status) {
        spill_body(c);
        refuse(c, status);
    }
}

static void greet_body(struct http_conn *c)
{
    struct str go_on = STR("HTTP/1.1 100 Continue\r\n\r\n");
    if (!c->request.head.wants_continue || !c->stream)
        return;
    c->request.head.wants_continue = false;
    /* A failure shows itself to the reader. */
    (void)stream_write(c->stream, &go_on, 1);
}

/* ---- going on */

static size_t consume_head(struct http_conn *c, const char *p, size_t n)
{
    if (c->began_ms == 0)
        c->began_ms = loop_now_ms(c->server->loop);
    if (!c->spoken && http2_begins(p, n)) {
        if (n >= HTTP2_PREFACE)
            c->state = HTTP_STATE_HTTP2;
        return 0;
    }
    int64_t length = http_parse_find(&c->find, p, n);
    size_t max = c->server->config.limits.header_bytes_max;
    if (length < 0 || (length == 0 && n > max) || length > (int64_t)max) {
        http_server_refused(HTTP_REFUSAL_HEAD);
        request_init(c);
        refuse(c, length < 0 ? 400 : 431);
        return n;
    }
    if (length == 0)
        return 0;
    c->find = (struct http_find){0};
    if (length == 2) /* an empty line ahead of a request: RFC 9112 2.2 */
        return 2;
    begin(c, p, (size_t)length);
    return (size_t)length;
}

/* Uses up bytes that were read: how many. 0 where more are needed. */
static size_t consume(struct http_conn *c, const char *p, size_t n)
{
    struct http_request *r = &c->request;
    size_t used = n;
    if (c->state == HTTP_STATE_HEAD)
        return consume_head(c, p, n);
    if (c->state == HTTP_STATE_SPILL) {
        c->spill -= MIN(c->spill, (uint64_t)n);
        if (c->spill == 0)
            let_go(c);
    } else if (c->state == HTTP_STATE_BODY) {
        used = MIN(n, MIN(r->body.capacity, (size_t)r->head.length) - r->body.n);
        memcpy(r->body.p + r->body.n, p, used);
        body_came(c, used);
    } else if (c->state == HTTP_STATE_CHUNKS) {
        int status = http_parse_chunks(&r->head, p, n, take_chunk, c, &used);
        if (status == 413 || status == 503)
            spill_body(c);
        if (status)
            refuse(c, status);
        else if (r->head.body_done)
            c->state = HTTP_STATE_READY;
    }
    return used;
}

static bool is_form(struct http_request *r)
{
    struct str type = http_header(r, STR("content-type"));
    struct str form = STR("application/x-www-form-urlencoded");
    return type.n >= form.n && strncasecmp(type.p, form.p, form.n) == 0 &&
           (type.n == form.n || type.p[form.n] == ';' || type.p[form.n] == ' ');
}

void http_conn_dispatch(struct http_conn *c)
{
    struct http_request *r = &c->request;
    c->state = HTTP_STATE_BUSY;
    if (r->body.n > 0 && !(r->route->methods & HTTP_RAW) && is_form(r)) {
        struct http_params query = r->params, form = {0};
        int err = http_target_params(&r->arena, str_of(r->body.p, r->body.n), &form);
        for (size_t i = 0; !err && i < query.n; i++) {
            if (form.n == form.capacity) {
                form.capacity = form.n + query.n;
                struct http_param *v = arena_array(&r->arena, form.capacity, sizeof *v);
                if (form.n)
                    memcpy(v, form.v, form.n * sizeof *v);
                form.v = v;
            }
            form.v[form.n++] = query.v[i];
        }
        if (err) {
            http_reply_error(r, 400, err,
                             "The form in the body is not percent-encoded correctly "
                             "or has too many parameters.");
            return;
        }
        r->params = form;
    }
    r->route->handler(r, r->route->context);
}

static bool is_reading(const struct http_conn *c)
{
    return c->state == HTTP_STATE_HEAD || c->state == HTTP_STATE_BODY ||
           c->state == HTTP_STATE_CHUNKS || c->state == HTTP_STATE_SPILL;
}

void http_conn_run(struct http_conn *c)
{
    if (c->running)
        return;
    c->running = true;
    for (;;) {
        if (c->state == HTTP_STATE_READY) {
            http_conn_dispatch(c);
        } else if (is_reading(c) && c->pending.n > 0) {
            size_t used = consume(c, c->pending.p, c->pending.n);
            buf_shift(&c->pending, MIN(used, c->pending.n));
            if (used == 0 && c->state != HTTP_STATE_HTTP2)
                break;
        } else if (c->state == HTTP_STATE_HTTP2) {
            http2_take(c);
        } else {
            break;
        }
    }
    if (is_reading(c) && c->ended)
        let_go(c);
    if (c->pending.n == 0)
        buf_done(&c->pending);
    if (is_reading(c)) {
        if (c->state != HTTP_STATE_HEAD)
            greet_body(c);
        stream_resume(c->stream);
    }
    c->running = false;
    free_if_over(c);
}

/* ---- the stream's events */

static bool reads_into_body(const struct http_conn *c)
{
    return c->state == HTTP_STATE_BODY && c->pending.n == 0;
}

static char *on_room(void *context, size_t *ret_size)
{
    struct http_conn *c = context;
    if (reads_into_body(c)) {
        const struct http_request *r = &c->request;
        bool last = r->body.capacity >= r->head.length;
        /* Room for a little more than the rest makes the last read a short one, which tells the
         * loop without another call that nothing else waits. */
        size_t end = last ? (size_t)r->head.length + HTTP_BODY_SLACK : r->body.capacity;
        *ret_size = end - r->body.n;
        return r->body.p + r->body.n;
    }
    if (c->state == HTTP_STATE_CLOSED || c->pending.n > PENDING_MAX - HTTP_READ_SIZE)
        return NULL;
    bool body = c->state == HTTP_STATE_CHUNKS || c->state == HTTP_STATE_SPILL;
    *ret_size = body ? HTTP_READ_SIZE : HTTP_READ_HEAD;
    return c->server->room;
}

static void keep(struct http_conn *c, const char *p, size_t n)
{
    if (n > 0)
        buf_put(&c->pending, p, n);
    must(!buf_failed(&c->pending)); /* on_room() gives no more than fits */
}

static void on_data(void *context, size_t n)
{
    struct http_conn *c = context;
    http_server_heard(n);
    c->heard_ms = loop_now_ms(c->server->loop);
    c->running = true; /* what is refused on the way must not free c yet */
    if (reads_into_body(c)) {
        struct http_body *body = &c->request.body;
        size_t rest = (size_t)c->request.head.length - body->n;
        if (n > rest) /* the next request, read into the slack */
            keep(c, body->p + body->n + rest, n - rest);
        body_came(c, MIN(n, rest));
    } else if (c->pending.n > 0 || !is_reading(c)) {
        keep(c, c->server->room, n);
    } else {
        size_t used = consume(c, c->server->room, n);
        if (c->state != HTTP_STATE_CLOSED)
            keep(c, c->server->room + used, n - used);
    }
    c->running = false;
    http_conn_run(c);
}

static void on_closed(void *context, int err)
{
    struct http_conn *c = context;
    c->ended = true;
    if (c->state == HTTP_STATE_BUSY)
        atomic_store(&c->request.gone, true);
    if (err != -ERR_CLOSED || is_reading(c))
        http_conn_drop(c);
}

void http_conn_open(struct http_server *s, struct stream *stream)
{
    static const struct stream_events events = {on_room, on_data, on_closed, NULL};
    struct http_conn *c = mem_new(sizeof *c);
    c->server = s;
    c->stream = stream;
    c->heard_ms = loop_now_ms(s->loop);
    buf_init(&c->pending, PENDING_MAX);
    arena_init(&c->request.arena);
    request_init(c);
    c->next = s->conns;
    if (c->next)
        c->next->prev = c;
    s->conns = c;
    s->conns_n++;
    stream_start(stream, &events, c);
}

/* ---- time */

static bool is_slow_reader(struct http_conn *c, int64_t now_ms)
{
    size_t queued = stream_queued(c->stream);
    if (queued == 0 || queued != c->queued_before)
        c->queued_ms = now_ms;
    c->queued_before = queued;
    return now_ms - c->queued_ms > c->server->config.limits.idle_timeout_ms;
}

void http_conn_look(struct http_conn *c, int64_t now_ms)
{
    const struct http_limits *limits = &c->server->config.limits;
    if (!c->stream)
        return;
    bool late = false, idle = false;
    int64_t waited = now_ms - c->heard_ms, age = now_ms - c->began_ms;
    if (c->state == HTTP_STATE_HEAD) {
        idle = c->began_ms == 0 && waited > limits->idle_timeout_ms;
        if (c->began_ms == 0 && waited > IDLE_MS)
            arena_done(&c->request.arena);
        late = c->began_ms != 0 && age > limits->header_timeout_ms;
    } else if (c->state == HTTP_STATE_SPILL) {
        idle = waited > SPILL_WAIT_MS || age > SPILL_MS;
    } else if (is_reading(c)) {
        late = waited > limits->body_timeout_ms || age > BODY_TIMEOUTS * limits->body_timeout_ms;
    }
    if (late) {
        http_server_refused(HTTP_REFUSAL_TIMEOUT);
        if (c->state == HTTP_STATE_HEAD)
            request_init(c);
        refuse(c, 408);
    } else if (idle) {
        http_conn_drop(c);
    } else if (is_slow_reader(c, now_ms)) {
        http_server_refused(HTTP_REFUSAL_SLOW_READER);
        http_conn_drop(c);
    }
}
