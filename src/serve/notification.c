#include "serve/notification.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/mem.h"
#include "os/loop.h"
#include "os/thread.h"
#include "serve/answer.h"
#include "text/json.h"

enum {
    HELD_MAX = 32,        /* that hold at once */
    RING_MAX = 64,        /* changes that a slow stream may be behind */
    STREAMS_MAX = 16,     /* open at once, as Prometheus has by default */
    LOOK_MS = 100,        /* how often a stream looks for changes */
    ALIVE_MS = 15000,     /* after which a silent stream says that it is alive */
    TEXT_MAX = WHY_MAX,   /* bytes of a text */
    EVENT_MAX = 64 * 1024 /* bytes of an event */
};

struct notification {
    char text[TEXT_MAX];
    int64_t date_ms;
    bool active;
};

struct notification_board {
    pthread_mutex_t lock;
    struct notification held[HELD_MAX]; /* [held_n] */
    size_t held_n;
    struct notification ring[RING_MAX]; /* change i is at i % RING_MAX */
    uint64_t changes;
    _Atomic int streams;
    atomic_bool ending;
};

struct notification_board *notification_board_new(void)
{
    struct notification_board *b = mem_new(sizeof *b);
    thread_lock_init(&b->lock);
    return b;
}

void notification_board_free(struct notification_board *b)
{
    if (!b)
        return;
    pthread_mutex_destroy(&b->lock);
    mem_free(b);
}

void notification_end(struct notification_board *b)
{
    atomic_store(&b->ending, true);
}

static size_t find(const struct notification_board *b, struct str text)
{
    size_t i = 0;
    while (i < b->held_n && !str_eq(str_c(b->held[i].text), text))
        i++;
    return i;
}

/* Holds, or holds no longer; what changes nothing is told to nobody. */
static void change(struct notification_board *b, const struct notification *now)
{
    size_t i = find(b, str_c(now->text));
    bool known = i < b->held_n;
    if (!known && (!now->active || b->held_n == HELD_MAX))
        return;
    if (now->active) {
        b->held[i] = *now;
        b->held_n += !known;
    } else {
        for (b->held_n--; i < b->held_n; i++)
            b->held[i] = b->held[i + 1];
    }
    b->ring[b->changes++ % RING_MAX] = *now;
}

void notification_tell(struct notification_board *b, const char *text, bool active, int64_t now_ms)
{
    struct notification now = {.date_ms = now_ms, .active = active};
    snprintf(now.text, sizeof now.text, "%s", text);
    thread_lock(&b->lock);
    change(b, &now);
    thread_unlock(&b->lock);
}

static void put(struct json_writer *w, const struct notification *n)
{
    char date[ANSWER_DATE_MAX];
    json_begin_object(w);
    json_key(w, STR("text"));
    json_text(w, str_c(n->text));
    json_key(w, STR("date"));
    json_text(w, answer_date(n->date_ms, date));
    json_key(w, STR("active"));
    json_bool(w, n->active);
    json_end_object(w);
}

void notification_list(struct http_request *r, void *serve)
{
    struct serve *s = serve;
    struct json_writer w;
    struct buf b;
    buf_init(&b, SERVE_BODY_MAX);
    json_writer_init(&w, &b);
    json_begin_array(&w);
    thread_lock(&s->board->lock);
    for (size_t i = 0; i < s->board->held_n; i++)
        put(&w, &s->board->held[i]);
    thread_unlock(&s->board->lock);
    json_end_array(&w);
    answer_data(r, buf_str(&b));
    buf_done(&b);
}

/* ---- streams */

struct stream_of_events {
    struct notification_board *board;
    struct http_request *request;
    struct timer *timer;
    uint64_t seen; /* changes */
    int64_t spoke_ms;
};

static void say(struct stream_of_events *e, const struct notification *n)
{
    struct json_writer w;
    struct buf b;
    buf_init(&b, EVENT_MAX);
    buf_put_str(&b, STR("data: "));
    json_writer_init(&w, &b);
    put(&w, n);
    buf_put_str(&b, STR("\n\n"));
    http_reply_put(e->request, buf_str(&b));
    buf_done(&b);
}

/* Says what has changed; how much that was. */
static size_t say_changes(struct stream_of_events *e)
{
    struct notification_board *b = e->board;
    size_t n = 0;
    thread_lock(&b->lock);
    if (b->changes - e->seen > RING_MAX)
        e->seen = b->changes - RING_MAX;
    for (; e->seen < b->changes; e->seen++, n++)
        say(e, &b->ring[e->seen % RING_MAX]);
    thread_unlock(&b->lock);
    return n;
}

static void look(void *context)
{
    struct stream_of_events *e = context;
    int64_t now_ms = loop_now_ms(http_loop(e->request));
    if (http_gone(e->request) || atomic_load(&e->board->ending)) {
        timer_free(e->timer);
        atomic_fetch_sub(&e->board->streams, 1);
        http_reply_end(e->request);
        mem_free(e);
        return;
    }
    size_t n = say_changes(e);
    bool silent = n == 0 && now_ms - e->spoke_ms >= ALIVE_MS;
    if (silent)
        http_reply_put(e->request, STR(":\n\n"));
    if (n || silent) {
        e->spoke_ms = now_ms;
        http_reply_flush(e->request);
    }
}

void notification_live(struct http_request *r, void *serve)
{
    struct serve *s = serve;
    struct notification_board *b = s->board;
    if (http_method(r) == HTTP_HEAD || atomic_fetch_add(&b->streams, 1) >= STREAMS_MAX) {
        if (http_method(r) != HTTP_HEAD)
            atomic_fetch_sub(&b->streams, 1);
        http_reply(r, 204, STR(""), STR(""));
        return;
    }
    struct stream_of_events *e = mem_new(sizeof *e);
    e->board = b;
    e->request = r;
    http_reply_header(r, STR("Cache-Control"), STR("no-cache"));
    http_reply_begin(r, 200, STR("text/event-stream"));
    thread_lock(&b->lock);
    for (size_t i = 0; i < b->held_n; i++)
        say(e, &b->held[i]);
    e->seen = b->changes;
    thread_unlock(&b->lock);
    e->spoke_ms = loop_now_ms(http_loop(r));
    http_reply_flush(r);
    e->timer = timer_new(http_loop(r), LOOK_MS, LOOK_MS, look, e);
}
