#include "net/ws.h"

#include <strings.h>

#include "base/mem.h"
#include "base/must.h"
#include "net/http_conn.h"
#include "net/ws_key.h"
#include "net/ws_parse.h"

enum {
    READ_SIZE = 16 * 1024,
    CLOSE_MS = 2000,  /* how long we wait for the answer to our close frame */
    QUIET_MS = 30000, /* without a byte from the client: we ping, */
    DEAD_MS = 70000,  /* and then give it up */
    CODE_GOING_AWAY = 1001,
    CODE_LOST = 1006, /* never sent: the connection broke */
};

struct ws_frame {
    _Atomic size_t users;
    size_t n;
    char bytes[];
};

struct ws {
    struct http_upgraded upgraded; /* first: what the server knows us by */
    struct loop *loop;
    struct stream *stream;
    struct ws_parse parse;
    const struct ws_events *events;
    void *context;
    size_t queue_max;
    int64_t heard_ms, pinged_ms, closing_ms; /* 0: not */
    struct buf ahead;                        /* what the client sent before it had our answer */
    struct timer *begin;                     /* feeds it */
    int code;                                /* what closed() will say */
    bool over;                               /* to be freed by the next event */
};

/* ---- frames */

static struct ws_frame *frame_new(enum ws_opcode opcode, struct str payload)
{
    uint8_t head[WS_HEAD_MAX];
    size_t head_n = ws_parse_head(opcode, payload.n, head);
    struct ws_frame *f = mem_raw(sizeof *f + head_n + payload.n);
    atomic_init(&f->users, 1);
    f->n = head_n + payload.n;
    memcpy(f->bytes, head, head_n);
    if (payload.n)
        memcpy(f->bytes + head_n, payload.p, payload.n);
    return f;
}

struct ws_frame *ws_frame_new(struct str payload, bool binary)
{
    return frame_new(binary ? WS_BINARY : WS_TEXT, payload);
}

static void drop_use(void *frame)
{
    struct ws_frame *f = frame;
    if (atomic_fetch_sub(&f->users, 1) == 1)
        mem_free(f);
}

void ws_frame_free(struct ws_frame *f)
{
    if (f)
        drop_use(f);
}

/* ---- sending */

static void send_frame(struct ws *w, struct ws_frame *f)
{
    if (w->over)
        return;
    atomic_fetch_add(&f->users, 1);
    if (stream_write_shared(w->stream, str_of(f->bytes, f->n), drop_use, f) != 0) {
        w->over = true; /* the reader will hear of it, or look() */
        return;
    }
    http_server_counted(NULL, f->n);
    if (stream_queued(w->stream) > w->queue_max) {
        http_server_refused(HTTP_REFUSAL_SLOW_READER);
        w->over = true;
    }
}

static void send_control(struct ws *w, enum ws_opcode opcode, struct str payload)
{
    struct ws_frame *f = frame_new(opcode, payload);
    send_frame(w, f);
    ws_frame_free(f);
}

void ws_send(struct ws *w, struct ws_frame *f)
{
    if (!w->closing_ms)
        send_frame(w, f);
}

size_t ws_queued(const struct ws *w)
{
    return stream_queued(w->stream);
}

void ws_close(struct ws *w, int code, struct str reason)
{
    char payload[WS_CONTROL_MAX];
    if (w->closing_ms || w->over)
        return;
    w->closing_ms = MAX(loop_now_ms(w->loop), (int64_t)1);
    w->code = code;
    reason = str_sub(reason, 0, sizeof payload - 2);
    while (!str_utf8(reason)) /* cut inside a character, or no text at all */
        reason.n--;
    payload[0] = (char)(code >> 8);
    payload[1] = (char)code;
    if (reason.n)
        memcpy(payload + 2, reason.p, reason.n);
    send_control(w, WS_CLOSE, str_of(payload, 2 + reason.n));
}

/* The last event, and the end of w. */
static void end(struct ws *w)
{
    if (w->upgraded.server)
        http_server_left(w->upgraded.server, &w->upgraded);
    stream_free(w->stream);
    timer_free(w->begin);
    buf_done(&w->ahead);
    ws_parse_done(&w->parse);
    w->over = true;
    w->events->closed(w->context, w->code);
    mem_free(w);
}

/* ---- receiving */

static bool on_got(void *context, enum ws_opcode opcode, struct str payload)
{
    struct ws *w = context;
    int refuse;
    switch (opcode) {
    case WS_PING:
        if (!w->closing_ms)
            send_control(w, WS_PONG, payload);
        break;
    case WS_PONG:
        break;
    case WS_CLOSE:
        if (!w->closing_ms) {
            int code = ws_parse_close(payload, &refuse);
            /* 1005 says that there was no code, and is not sent itself. */
            ws_close(w, refuse ? refuse : code == 1005 ? 1000 : code, STR(""));
            w->code = refuse ? refuse : code;
        }
        w->over = true;
        break;
    default:
        if (!w->closing_ms)
            w->events->message(w->context, payload, opcode == WS_BINARY);
    }
    return !w->over;
}

static void feed(struct ws *w, char *p, size_t n)
{
    w->heard_ms = loop_now_ms(w->loop);
    w->pinged_ms = 0;
    int code = ws_parse_feed(&w->parse, p, n);
    if (code) {
        ws_close(w, code, STR(""));
        w->over = true; /* what follows cannot be understood */
    }
    if (w->over)
        end(w);
}

static _Thread_local char scratch[READ_SIZE]; /* filled and fed in one go */

static char *on_room(void *context, size_t *ret_size)
{
    *ret_size = sizeof scratch;
    return scratch;
}

static void on_data(void *context, size_t n)
{
    http_server_heard(n);
    feed(context, scratch, n);
}

static void on_closed(void *context, int err)
{
    struct ws *w = context;
    if (!w->closing_ms)
        w->code = CODE_LOST;
    end(w);
}

/* In the round after ws_accept(), when its caller knows w. */
static void on_begin(void *context)
{
    struct ws *w = context;
    timer_free(w->begin);
    w->begin = NULL;
    stream_resume(w->stream);
    feed(w, w->ahead.p, w->ahead.n);
}

/* ---- what the server asks of it */

static void leave(struct http_upgraded *u)
{
    ws_close((struct ws *)u, CODE_GOING_AWAY, STR("The server is shutting down."));
}

static void drop(struct http_upgraded *u)
{
    struct ws *w = (struct ws *)u;
    w->code = CODE_GOING_AWAY;
    end(w);
}

static void look(struct http_upgraded *u, int64_t now_ms)
{
    struct ws *w = (struct ws *)u;
    bool unanswered = w->closing_ms && now_ms - w->closing_ms > CLOSE_MS;
    bool dead = now_ms - w->heard_ms > DEAD_MS;
    if (w->over || unanswered || dead) {
        if (!w->closing_ms)
            w->code = CODE_LOST;
        end(w);
    } else if (now_ms - w->heard_ms > QUIET_MS && !w->pinged_ms) {
        w->pinged_ms = now_ms;
        send_control(w, WS_PING, STR(""));
    }
}

/* ---- the handshake */

static bool has_token(struct str list, struct str token)
{
    struct str item;
    for (struct str rest = list; str_split(&rest, ',', &item);) {
        item = str_trim(item);
        if (item.n == token.n && strncasecmp(item.p, token.p, item.n) == 0)
            return true;
    }
    return false;
}

static int check(struct http_request *r)
{
    if (http_method(r) != HTTP_GET || r->head.minor < 1 || r->body.n > 0 ||
        !has_token(http_header(r, STR("upgrade")), STR("websocket")) ||
        !has_token(http_header(r, STR("connection")), STR("upgrade")))
        return 400;
    if (!str_eq(http_header(r, STR("sec-websocket-version")), STR("13")))
        return 426;
    return ws_key_is_fine(http_header(r, STR("sec-websocket-key"))) ? 0 : 400;
}

static struct str make_answer(struct http_request *r)
{
    char accept[WS_KEY_ANSWER_SIZE + 1];
    ws_key_answer(http_header(r, STR("sec-websocket-key")), accept);
    return arena_printf(http_arena(r),
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                        accept);
}

int ws_accept(struct http_request *r, const struct ws_events *events, void *context,
              size_t message_max, struct ws **ret)
{
    static const struct stream_events stream_events = {on_room, on_data, on_closed, NULL};
    int status = check(r);
    if (status) {
        if (status == 426) {
            http_reply_header(r, STR("Upgrade"), STR("websocket"));
            http_reply_header(r, STR("Sec-WebSocket-Version"), STR("13"));
        }
        http_reply_plain(r, status, false);
        return -ERR_FORMAT;
    }
    struct http_server *s = r->conn->server;
    if (!s || !r->conn->stream) {
        http_reply(r, 503, STR(""), STR("")); /* the client has gone meanwhile */
        return -ERR_CLOSED;
    }
    struct str answer = make_answer(r);
    struct ws *w = mem_new(sizeof *w);
    w->upgraded.leave = leave;
    w->upgraded.drop = drop;
    w->upgraded.look = look;
    w->loop = s->loop;
    w->events = events;
    w->context = context;
    w->queue_max = s->config.limits.write_queue_max;
    w->heard_ms = loop_now_ms(s->loop);
    w->code = CODE_LOST;
    ws_parse_init(&w->parse, message_max, on_got, w);
    http_server_joined(s, &w->upgraded);
    r->answer.status = 101;
    http_server_counted(r, answer.n);
    w->stream = r->conn->stream;
    if (stream_write(w->stream, &answer, 1) != 0)
        w->over = true; /* look() ends it: the caller is to see closed() after this call */
    http_conn_take(r, &w->ahead);
    stream_start(w->stream, &stream_events, w);
    *ret = w;
    if (w->ahead.n > 0) {
        stream_pause(w->stream);
        w->begin = timer_new(w->loop, 0, 0, on_begin, w);
    }
    return 0;
}
