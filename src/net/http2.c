/* HTTP/2 for the server: a connection of nghttp2, whose streams are requests like those of HTTP/1.
 *
 * A stream's head is written down in the form of HTTP/1.1 and read by the same code, so that both
 * versions refuse the same things. Handlers are called and answers are sent between nghttp2's
 * calls, never from within one.
 */
#include <nghttp2/nghttp2.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "net/http_conn.h"

enum {
    STREAMS_MAX = 128,            /* requests at once of one connection */
    STREAM_WINDOW = 1 << 20,      /* bytes of a body that may come ahead of us */
    CONNECTION_WINDOW = 16 << 20, /* likewise of all bodies together */
    SEND_MAX = 1 << 20,           /* bytes that are framed ahead of the socket */
    RESETS_MAX = 200,             /* requests taken back in a second, before we end it */
    FIELDS_MAX = 64,
    SHIFT_MIN = 1 << 20, /* bytes that are sent before what is left moves to the front */
    LEAVE_MS = 5000,     /* for a client that is told to go */
};

static const char PREFACE[HTTP2_PREFACE + 1] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

struct http2;

struct http2_stream {
    struct http2 *connection;
    struct http2_stream *prev, *next;
    struct http2_stream *next_ready;
    int32_t id;
    bool closed;       /* by nghttp2: nothing is sent any more */
    bool answered;     /* conn is done with */
    bool ended;        /* out has the last byte */
    bool waiting;      /* nghttp2 is to be told when there is more */
    bool ready;        /* whole, for its handler */
    int status;        /* to refuse it with, 0: none */
    struct buf head;   /* of the request, as HTTP/1.1 has it */
    struct buf names;  /* ":method GET\n" lines of its pseudo headers */
    struct buf fields; /* "name: value\r\n" lines */
    struct buf out;    /* of the answer; what lies behind sent is not framed yet */
    size_t sent;
    struct buf trailers; /* of the answer */
    struct http_conn conn;
};

struct http2 {
    struct http_upgraded upgraded; /* first */
    struct http_server *server;    /* NULL after http_server_free() */
    struct stream *stream;         /* NULL when it is gone but requests are not answered yet */
    nghttp2_session *session;
    struct http2_stream *streams, *ready, **ready_end;
    size_t unanswered;
    bool running; /* on the stack: nothing is freed */
    bool ended, leaving;
    int64_t heard_ms, left_ms, queued_ms, resets_ms;
    size_t queued_before, resets;
    char room[HTTP_READ_SIZE];
};

bool http2_begins(const char *p, size_t n)
{
    return n >= 3 && memcmp(p, PREFACE, MIN(n, (size_t)HTTP2_PREFACE)) == 0;
}

/* ---- streams */

static void free_stream(struct http2_stream *s)
{
    struct http2 *h = s->connection;
    if (s->prev)
        s->prev->next = s->next;
    else
        h->streams = s->next;
    if (s->next)
        s->next->prev = s->prev;
    buf_done(&s->head);
    buf_done(&s->names);
    buf_done(&s->fields);
    buf_done(&s->out);
    buf_done(&s->trailers);
    mem_free(s);
}

/* Ends the request where it has no handler, and the stream where nothing needs it. */
static void settle(struct http2_stream *s)
{
    struct http2 *h = s->connection;
    if (s->closed && !s->answered && s->conn.state != HTTP_STATE_BUSY && !s->ready) {
        s->answered = true;
        h->unanswered--;
        http_conn_done(&s->conn);
        arena_done(&s->conn.request.arena);
    }
    if (s->closed && s->answered)
        free_stream(s);
}

static struct http2_stream *new_stream(struct http2 *h, int32_t id)
{
    struct http2_stream *s = mem_new(sizeof *s);
    s->connection = h;
    s->id = id;
    buf_init(&s->head, 2 * h->server->config.limits.header_bytes_max);
    buf_init(&s->names, 2 * h->server->config.limits.header_bytes_max);
    buf_init(&s->fields, h->server->config.limits.header_bytes_max);
    buf_init(&s->out, SIZE_MAX / 2);
    buf_init(&s->trailers, SIZE_MAX / 2);
    s->conn.server = h->server;
    s->conn.http2 = s;
    s->conn.stream = h->stream;
    s->conn.state = HTTP_STATE_HEAD;
    arena_init(&s->conn.request.arena);
    s->next = h->streams;
    if (s->next)
        s->next->prev = s;
    h->streams = s;
    h->unanswered++;
    return s;
}

static void make_ready(struct http2_stream *s)
{
    struct http2 *h = s->connection;
    if (s->ready || s->answered)
        return;
    s->ready = true;
    s->next_ready = NULL;
    *h->ready_end = s;
    h->ready_end = &s->next_ready;
}

/* ---- what nghttp2 tells */

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        struct http2_stream *s = new_stream(context, frame->hd.stream_id);
        nghttp2_session_set_stream_user_data(session, s->id, s);
    }
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags,
                     void *context)
{
    struct http2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    struct str n = str_of((const char *)name, name_n), v = str_of((const char *)value, value_n);
    (void)flags;
    (void)context;
    if (!s || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0; /* trailers of a request mean nothing to us */
    if (str_eq(n, STR(":method")) || str_eq(n, STR(":path")) || str_eq(n, STR(":authority"))) {
        buf_put_str(&s->names, n);
        buf_put_c(&s->names, ' ');
        buf_put_str(&s->names, v);
        buf_put_c(&s->names, '\n');
    } else if (n.n && n.p[0] != ':' && !str_eq(n, STR("host"))) {
        buf_put_str(&s->fields, n);
        buf_put(&s->fields, ": ", 2);
        buf_put_str(&s->fields, v);
        buf_put(&s->fields, "\r\n", 2);
    } else if (str_eq(n, STR("host")) &&
               str_search(buf_str(&s->names), STR(":authority ")) == s->names.n) {
        buf_printf(&s->names, ":authority " STR_FMT "\n", STR_ARG(v));
    }
    return 0;
}

/* The value of a pseudo header, which has no line ends in it. */
static struct str pseudo(const struct http2_stream *s, struct str name)
{
    struct str line, rest = buf_str(&s->names);
    while (str_split(&rest, '\n', &line))
        if (str_starts(line, name))
            return str_sub(line, name.n, line.n);
    return STR("");
}

static void read_head(struct http2_stream *s)
{
    struct str method = pseudo(s, STR(":method ")), path = pseudo(s, STR(":path "));
    struct str authority = pseudo(s, STR(":authority "));
    buf_printf(&s->head, STR_FMT " " STR_FMT " HTTP/1.1\r\nhost: " STR_FMT "\r\n", STR_ARG(method),
               STR_ARG(path), STR_ARG(authority));
    buf_put_str(&s->head, buf_str(&s->fields));
    buf_put(&s->head, "\r\n", 2);
    bool large = buf_failed(&s->head) || buf_failed(&s->fields) || buf_failed(&s->names) ||
                 s->head.n > s->conn.server->config.limits.header_bytes_max;
    /* A head that cannot be read still needs a request, to be answered. */
    int status = http_conn_head(&s->conn, large ? "" : s->head.p, large ? 0 : s->head.n);
    s->status = large ? 431 : status;
    s->conn.request.head.chunked = true; /* its body grows as it comes */
    buf_done(&s->head);
    buf_done(&s->names);
    buf_done(&s->fields);
    if (s->status)
        make_ready(s);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct http2 *h = context;
    struct http2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (frame->hd.type == NGHTTP2_RST_STREAM && ++h->resets > RESETS_MAX)
        nghttp2_session_terminate_session(session, NGHTTP2_ENHANCE_YOUR_CALM);
    if (!s || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        read_head(s);
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        make_ready(s);
    return 0;
}

static int on_body(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p, size_t n,
                   void *context)
{
    struct http2_stream *s = nghttp2_session_get_stream_user_data(session, id);
    (void)flags;
    (void)context;
    if (!s || s->status)
        return 0;
    s->status = http_conn_body(&s->conn, (const char *)p, n);
    if (s->status)
        make_ready(s);
    return 0;
}

/* An answer that ends before its request: the client is told to send no more of it. */
static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    bool frame_of_answer = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    int32_t id = frame->hd.stream_id;
    (void)context;
    if (frame_of_answer && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) &&
        nghttp2_session_get_stream_remote_close(session, id) == 0)
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *context)
{
    struct http2_stream *s = nghttp2_session_get_stream_user_data(session, id);
    (void)code;
    (void)context;
    if (!s)
        return 0;
    s->closed = true;
    s->conn.stream = NULL;
    atomic_store(&s->conn.request.gone, true);
    settle(s);
    return 0;
}

/* The fields of text as nghttp2 wants them: names in lower case, in place. */
static size_t split_fields(struct str text, nghttp2_nv *ret, size_t max)
{
    size_t n = 0;
    struct str line;
    while (n < max && str_split(&text, '\n', &line)) {
        size_t colon = str_find(line, ':');
        if (colon + 3 > line.n)
            continue;
        char *name = (char *)(uintptr_t)line.p; /* our own scratch */
        for (size_t i = 0; i < colon; i++)
            name[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] | 0x20 : name[i]);
        ret[n++] = (nghttp2_nv){.name = (uint8_t *)name,
                                .namelen = colon,
                                .value = (uint8_t *)name + colon + 2,
                                .valuelen = line.n - colon - 3};
    }
    return n;
}

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *to, size_t n, uint32_t *flags,
                       nghttp2_data_source *source, void *context)
{
    struct http2_stream *s = source->ptr;
    size_t part = MIN(n, s->out.n - s->sent);
    (void)context;
    if (part == 0 && !s->ended) {
        s->waiting = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (part)
        memcpy(to, s->out.p + s->sent, part);
    s->sent += part;
    if (s->sent == s->out.n || s->sent >= SHIFT_MIN) {
        buf_shift(&s->out, s->sent);
        s->sent = 0;
    }
    if (s->ended && s->out.n == 0) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (s->trailers.n) {
            nghttp2_nv nv[FIELDS_MAX];
            size_t fields = split_fields(buf_str(&s->trailers), nv, FIELDS_MAX);
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            must(nghttp2_submit_trailer(session, id, nv, fields) == 0);
        }
    }
    return (ssize_t)part;
}

/* ---- the connection */

static void free_if_over(struct http2 *h)
{
    if (h->running || h->stream || h->unanswered)
        return;
    while (h->streams)
        free_stream(h->streams);
    nghttp2_session_del(h->session);
    if (h->server)
        http_server_left(h->server, &h->upgraded);
    mem_free(h);
}

/* The connection is gone: what is asked is asked by nobody any more. */
static void let_go(struct http2 *h)
{
    stream_free(h->stream);
    h->stream = NULL;
    for (struct http2_stream *s = h->streams, *next; s; s = next) {
        next = s->next;
        s->closed = true;
        s->conn.stream = NULL;
        atomic_store(&s->conn.request.gone, true);
        nghttp2_session_set_stream_user_data(h->session, s->id, NULL);
        settle(s);
    }
}

/* Writes what nghttp2 has to say, as far as the client reads. */
static void send_frames(struct http2 *h)
{
    while (h->stream && stream_queued(h->stream) < SEND_MAX) {
        const uint8_t *p;
        ssize_t n = nghttp2_session_mem_send(h->session, &p);
        struct str part = str_of((const char *)p, n > 0 ? (size_t)n : 0);
        if (n < 0 || (n > 0 && stream_write(h->stream, &part, 1) != 0))
            h->ended = true;
        if (n <= 0 || h->ended)
            break;
    }
    bool over = !nghttp2_session_want_read(h->session) && !nghttp2_session_want_write(h->session);
    if (h->stream && (h->ended || over))
        let_go(h);
}

static void call_handlers(struct http2 *h)
{
    while (h->ready) {
        struct http2_stream *s = h->ready;
        h->ready = s->next_ready;
        if (!h->ready)
            h->ready_end = &h->ready;
        s->ready = false;
        if (s->closed) {
            settle(s);
            continue;
        }
        s->conn.state = HTTP_STATE_BUSY;
        if (s->status)
            http_reply_plain(&s->conn.request, s->status, false);
        else
            http_conn_dispatch(&s->conn);
    }
}

/* Handlers, answers, frames, until nothing is left to do; may free h. */
static void run(struct http2 *h)
{
    if (h->running)
        return;
    h->running = true;
    do {
        call_handlers(h);
        if (h->leaving && !h->streams)
            nghttp2_session_terminate_session(h->session, NGHTTP2_NO_ERROR);
        send_frames(h);
    } while (h->ready);
    h->running = false;
    free_if_over(h);
}

static void hear(struct http2 *h, const char *p, size_t n)
{
    h->running = true;
    ssize_t used = nghttp2_session_mem_recv(h->session, (const uint8_t *)p, n);
    if (used < 0)
        h->ended = true; /* what it answers to that is still sent */
    h->running = false;
    run(h);
}

static char *on_room(void *context, size_t *ret_size)
{
    struct http2 *h = context;
    *ret_size = sizeof h->room;
    return h->room;
}

static void on_data(void *context, size_t n)
{
    struct http2 *h = context;
    http_server_heard(n);
    h->heard_ms = loop_now_ms(h->server->loop);
    hear(h, h->room, n);
}

static void on_closed(void *context, int err)
{
    struct http2 *h = context;
    (void)err;
    h->running = true;
    let_go(h);
    h->running = false;
    run(h);
}

static void on_drained(void *context)
{
    run(context);
}

/* ---- the server's wishes */

static void leave(struct http_upgraded *u)
{
    struct http2 *h = (struct http2 *)u;
    h->leaving = true;
    h->left_ms = loop_now_ms(h->server->loop);
    /* What has begun is still answered; run() ends the session after the last of it. */
    nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(h->session), NGHTTP2_NO_ERROR,
                          NULL, 0);
    run(h);
}

static void drop(struct http_upgraded *u)
{
    struct http2 *h = (struct http2 *)u;
    struct http_server *server = h->server;
    must(!h->running);
    h->running = true;
    if (h->stream)
        let_go(h);
    for (struct http2_stream *s = h->streams; s; s = s->next)
        s->conn.server = NULL;
    h->running = false;
    h->server = NULL;
    http_server_left(server, u);
    run(h);
}

static void look(struct http_upgraded *u, int64_t now_ms)
{
    struct http2 *h = (struct http2 *)u;
    const struct http_limits *limits = &h->server->config.limits;
    if (!h->stream)
        return;
    if (now_ms - h->resets_ms >= 1000) {
        h->resets_ms = now_ms;
        h->resets = 0;
    }
    size_t queued = stream_queued(h->stream);
    if (queued == 0 || queued != h->queued_before)
        h->queued_ms = now_ms;
    h->queued_before = queued;
    int64_t silent = now_ms - h->heard_ms;
    bool coming = false; /* a request that is not whole */
    for (struct http2_stream *s = h->streams; s; s = s->next)
        coming = coming || (!s->answered && s->conn.state != HTTP_STATE_BUSY && !s->ready);
    bool idle = h->unanswered == 0 && silent > limits->idle_timeout_ms;
    bool late = coming && silent > limits->body_timeout_ms;
    bool slow = now_ms - h->queued_ms > limits->idle_timeout_ms;
    bool stays = h->leaving && h->unanswered == 0 && now_ms - h->left_ms > LEAVE_MS;
    if (late || slow)
        http_server_refused(late ? HTTP_REFUSAL_TIMEOUT : HTTP_REFUSAL_SLOW_READER);
    if (idle || late || slow || stays)
        on_closed(h, 0);
}

static void open_session(struct http2 *h)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    must(nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_body);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_option_set_no_closed_streams(option, 1);
    must(nghttp2_session_server_new2(&h->session, callbacks, h, option) == 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
         (uint32_t)h->server->config.limits.header_bytes_max},
    };
    must(nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings, COUNTOF(settings)) == 0);
    must(nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0,
                                               CONNECTION_WINDOW) == 0);
}

void http2_take(struct http_conn *c)
{
    static const struct stream_events events = {on_room, on_data, on_closed, on_drained};
    struct http2 *h = mem_new(sizeof *h);
    struct buf rest;
    h->server = c->server;
    h->stream = c->stream;
    h->ready_end = &h->ready;
    h->heard_ms = h->queued_ms = h->resets_ms = loop_now_ms(c->server->loop);
    h->upgraded.leave = leave;
    h->upgraded.drop = drop;
    h->upgraded.look = look;
    http_server_joined(c->server, &h->upgraded);
    open_session(h);
    c->state = HTTP_STATE_BUSY;
    http_conn_take(&c->request, &rest);
    stream_start(h->stream, &events, h);
    hear(h, rest.p, rest.n);
    buf_done(&rest);
}

/* ---- answers */

void http2_head(struct http_request *r, struct str fields)
{
    struct http2_stream *s = r->conn->http2;
    nghttp2_nv nv[FIELDS_MAX];
    char status[8];
    nghttp2_data_provider provider = {.source.ptr = s, .read_callback = on_read};
    if (s->closed)
        return;
    buf_put_str(&s->trailers, buf_str(&r->answer.trailers));
    nv[0] = (nghttp2_nv){.name = (uint8_t *)(uintptr_t) ":status",
                         .namelen = 7,
                         .value = (uint8_t *)status,
                         .valuelen = 3};
    must(r->answer.status >= 100 && r->answer.status <= 999);
    for (int i = 2, rest = r->answer.status; i >= 0; i--, rest /= 10)
        status[i] = (char)('0' + rest % 10);
    size_t n = 1 + split_fields(fields, nv + 1, FIELDS_MAX - 1);
    must(nghttp2_submit_response(s->connection->session, s->id, nv, n, &provider) == 0);
}

size_t http2_data(struct http_request *r, struct str bytes, bool last)
{
    struct http2_stream *s = r->conn->http2;
    if (s->closed)
        return 0;
    buf_put_str(&s->out, bytes);
    s->ended = last;
    if (s->waiting) {
        s->waiting = false;
        must(nghttp2_session_resume_data(s->connection->session, s->id) == 0);
    }
    run(s->connection);
    return s->out.n - s->sent;
}

void http2_answered(struct http_conn *c)
{
    struct http2_stream *s = c->http2;
    struct http2 *h = s->connection;
    http_conn_done(c);
    arena_done(&c->request.arena);
    c->state = HTTP_STATE_CLOSED;
    s->answered = true;
    h->unanswered--;
    settle(s);
    run(h);
}

void http2_reset(struct http_request *r)
{
    struct http2_stream *s = r->conn->http2;
    if (s->closed)
        return;
    nghttp2_submit_rst_stream(s->connection->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_CANCEL);
    r->conn->stream = NULL;
    atomic_store(&r->gone, true);
}
