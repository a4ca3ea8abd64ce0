#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "apps/apps_inside.h"
#include "apps/crash_facts.h"
#include "base/bits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/rand.h"

enum { MINUTE_MS = 60000, REFUSED_MAX = 2000, RETRY_MS = 1000, RETRY_FULL_MS = 30000 };

static const char *const MODULE = "apps";

static const char *const END_WORDS[APPS_ENDS_N] = {"bye",  "lost", "frame", "hello", "slow",
                                                   "late", "full", "stop",  "done"};

#define CLOSED(word)                                                                               \
    STAT_COUNTER_OF("sonde_apps_closed_total", "by=\"" word "\"",                                  \
                    "Connections of applications that have ended, by how.")
static struct stat closed[APPS_ENDS_N] = {CLOSED("bye"),   CLOSED("lost"), CLOSED("frame"),
                                          CLOSED("hello"), CLOSED("slow"), CLOSED("late"),
                                          CLOSED("full"),  CLOSED("stop"), CLOSED("done")};

#define FRAMES(word)                                                                               \
    STAT_COUNTER_OF("sonde_apps_frames_total", "kind=\"" word "\"",                                \
                    "Frames that applications have sent.")
static struct stat frames[] = {FRAMES("hello"),  FRAMES("metrics"),  FRAMES("spans"),
                               FRAMES("logs"),   FRAMES("envelope"), FRAMES("crash"),
                               FRAMES("answer"), FRAMES("bye")};

static struct stat bytes_in =
    STAT_COUNTER("sonde_apps_bytes_total", "Bytes that applications have sent.");
static struct stat refused =
    STAT_COUNTER("sonde_apps_refused_total", "Frames that were answered with REFUSED.");
static struct stat waited =
    STAT_COUNTER("sonde_apps_waits_total",
                 "Times that a connection was not read for a while: too many bytes in a second, "
                 "or too many that were not durable yet.");

void apps_connection_stats(void)
{
    for (size_t i = 0; i < COUNTOF(closed); i++)
        stat_register(&closed[i]);
    for (size_t i = 0; i < COUNTOF(frames); i++)
        stat_register(&frames[i]);
    stat_register(&bytes_in);
    stat_register(&refused);
    stat_register(&waited);
}

void apps_hold(struct app *app)
{
    app->held++;
    app->apps->held++;
}

void apps_release(struct app *app)
{
    app->apps->held--;
    if (--app->held > 0 || app->stream != NULL)
        return;
    frame_reader_done(&app->reader);
    app->apps->series_bytes -= app->series_bytes;
    map_done(&app->series);
    buf_done(&app->up_key);
    mem_free(app);
}

/* ---- ending */

/* A few lines a minute: whoever can connect must not fill the log. */
static bool may_log(struct apps *a)
{
    int64_t now_ms = loop_now_ms(a->loop);
    if (now_ms - a->logged_from_ms >= MINUTE_MS) {
        a->logged_from_ms = now_ms;
        a->logged = 0;
    }
    return a->logged++ < APPS_LOG_MINUTE_MAX;
}

static void remember(struct app *app, enum apps_end end, const char *text)
{
    struct apps *a = app->apps;
    thread_lock(&a->lock);
    app->view.ended_ms = clock_wall_ms(a->config.clock);
    snprintf(app->view.end, sizeof app->view.end, "%.*s", APPS_END_MAX - 1, text);
    if (app->state == APP_KNOWN) {
        a->gone[a->gone_at] = app->view;
        a->gone_at = (a->gone_at + 1) % APPS_GONE_MAX;
        a->gone_n = MIN(a->gone_n + 1, (size_t)APPS_GONE_MAX);
    }
    *(app->prev ? &app->prev->next : &a->first) = app->next;
    *(app->next ? &app->next->prev : &a->last) = app->prev;
    app->prev = app->next = NULL;
    a->connections--;
    thread_unlock(&a->lock);
    stat_add(&closed[end], 1);
}

void apps_close(struct app *app, enum apps_end end, const char *format, ...)
{
    struct apps *a = app->apps;
    char text[APPS_END_MAX];
    va_list list;
    if (app->stream == NULL)
        return;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    apps_hold(app);
    struct stream *s = app->stream;
    remember(app, end, text);
    app->stream = NULL;
    a->buffers -= app->reader.capacity;
    apps_ask_gone(app);
    if (app->state == APP_KNOWN && end != APPS_END_STOP)
        apps_metrics_end(app);
    stream_free(s);
    bool fault =
        end != APPS_END_BYE && end != APPS_END_LOST && end != APPS_END_STOP && end != APPS_END_DONE;
    if (fault && may_log(a))
        log_warn(MODULE, "the connection of %s (pid %lld, uid %lld) is closed (%s): %s",
                 app->state == APP_KNOWN ? app->view.hello.service : "an application",
                 (long long)app->view.pid, (long long)app->view.uid, END_WORDS[end], text);
    apps_release(app);
}

/* ---- sending */
void apps_send(struct app *app, enum frame_kind kind, uint8_t detail, uint64_t sequence,
               struct str payload)
{
    struct frame_header h = {.length = (uint32_t)payload.n,
                             .kind = (uint8_t)kind,
                             .detail = detail,
                             .version = FRAME_VERSION,
                             .sequence = sequence};
    const struct str parts[] = {str_of((const char *)&h, sizeof h), payload};
    if (app->stream == NULL)
        return;
    /* Where the other end is gone, closed() says so. */
    (void)!stream_write(app->stream, parts, COUNTOF(parts));
    if (stream_queued(app->stream) > APPS_WRITE_QUEUE_MAX)
        apps_close(app, APPS_END_SLOW, "it does not read what it is answered");
}

static void send_refused(struct app *app, uint64_t sequence, int err, const char *text)
{
    bool later = err == -ERR_BUSY || err == -ERR_IO || err == -ERR_FULL || err == -ERR_CLOSED ||
                 err == -ERR_TIMEOUT || err == -ERR_STATE;
    struct buf b;
    buf_init(&b, REFUSED_MAX);
    hello_put(&b, "code", str_c(err_code(err)));
    hello_put(&b, "message", str_c(text != NULL && text[0] ? text : err_text(err)));
    buf_printf(&b, "retry_ms=%d\n", !later ? 0 : err == -ERR_FULL ? RETRY_FULL_MS : RETRY_MS);
    stat_add(&refused, 1);
    apps_send(app, FRAME_REFUSED, 0, sequence, buf_str(&b));
    buf_done(&b);
}

void apps_answer_frame(struct app *app, const struct frame_header *h, int err, const char *text)
{
    if ((h->flags & FRAME_ACK_WANTED) == 0 && app->state != APP_CRASH)
        return;
    if (err)
        send_refused(app, h->sequence, err, text);
    else
        apps_send(app, FRAME_ACK, 0, h->sequence, STR(""));
}

/* ---- signals */

/* A frame whose signal is on its way to the sink. */
struct handed {
    struct app *app;
    struct frame_header header;
    int err;
};

static void settle(void *context)
{
    struct handed *d = context;
    struct app *app = d->app;
    struct apps *a = app->apps;
    app->pending_bytes -= d->header.length;
    if (d->err == 0) {
        thread_lock(&a->lock);
        app->view.spans += d->header.kind == FRAME_SPANS;
        app->view.logs += d->header.kind == FRAME_LOGS;
        app->view.errors += d->header.kind == FRAME_ENVELOPE || d->header.kind == FRAME_CRASH;
        thread_unlock(&a->lock);
    }
    apps_answer_frame(app, &d->header, d->err, NULL);
    if (app->state == APP_CRASH)
        apps_close(app, APPS_END_DONE, "the crash has been taken");
    apps_release(app);
    mem_free(d);
}

/* On any thread. */
static void on_durable(void *context, int err)
{
    struct handed *d = context;
    d->err = err;
    loop_post(d->app->apps->loop, settle, d);
}

static void hand_over(struct app *app, const struct frame *f, enum signal_kind kind)
{
    struct apps *a = app->apps;
    struct handed *d = mem_new(sizeof *d);
    const struct signal s = {.kind = kind,
                             .bytes = f->payload,
                             .service = str_c(app->view.hello.service),
                             .instance = str_c(app->view.hello.instance),
                             .time_ms = clock_wall_ms(a->config.clock),
                             .pid = app->view.pid,
                             .uid = app->view.uid};
    *d = (struct handed){app, f->header, 0};
    app->pending_bytes += f->header.length;
    apps_hold(app);
    a->config.signals->ops->take(a->config.signals, &s, on_durable, d);
}

/* ---- frames */

/* A signal handler's only frame. */
static void take_crash(struct app *app, const struct frame *f)
{
    struct crash_facts facts;
    struct why why = {0};
    int err = crash_facts_read(f->payload, &facts, &why);
    thread_lock(&app->apps->lock);
    app->state = APP_CRASH;
    if (err == 0)
        app->view.hello = facts.hello;
    if (err == 0 && app->view.pid == 0)
        app->view.pid = facts.hello.pid;
    thread_unlock(&app->apps->lock);
    if (err == 0) {
        hand_over(app, f, SIGNAL_CRASH);
        return;
    }
    send_refused(app, f->header.sequence, err, why.text);
    apps_close(app, APPS_END_FRAME, "%s", why.text);
}

static void welcome(struct app *app, const struct frame *f)
{
    struct apps *a = app->apps;
    struct hello h;
    struct why why = {0};
    struct buf b;
    int err = hello_read(f->payload, &h, &why);
    if (err) {
        send_refused(app, f->header.sequence, err, why.text);
        apps_close(app, APPS_END_HELLO, "%s", why.text);
        return;
    }
    thread_lock(&a->lock);
    app->view.hello = h;
    app->state = APP_KNOWN;
    thread_unlock(&a->lock);
    buf_init(&b, REFUSED_MAX);
    hello_put(&b, "server", STR("sonde " SONDE_VERSION));
    apps_send(app, FRAME_WELCOME, 0, f->header.sequence, buf_str(&b));
    buf_done(&b);
    if (app->stream != NULL)
        apps_metrics_begin(app);
}

static void take_first(struct app *app, const struct frame *f)
{
    if (f->header.kind == FRAME_HELLO) {
        welcome(app, f);
    } else if (f->header.kind == FRAME_CRASH) {
        take_crash(app, f);
    } else {
        send_refused(app, f->header.sequence, -ERR_FORMAT, "the first frame must be HELLO");
        apps_close(app, APPS_END_HELLO, "its first frame was not HELLO");
    }
}

static void take(struct app *app, const struct frame *f)
{
    stat_add(&frames[f->header.kind - FRAME_HELLO], 1);
    if (app->state == APP_NEW) {
        take_first(app, f);
        return;
    }
    if (app->state == APP_CRASH || f->header.kind == FRAME_HELLO || f->header.kind == FRAME_CRASH) {
        apps_close(app, APPS_END_FRAME, "a frame that may not come here");
        return;
    }
    switch (f->header.kind) {
    case FRAME_METRICS:
        apps_metrics_take(app, f);
        break;
    case FRAME_SPANS:
        hand_over(app, f, SIGNAL_SPANS);
        break;
    case FRAME_LOGS:
        hand_over(app, f, SIGNAL_LOGS);
        break;
    case FRAME_ENVELOPE:
        hand_over(app, f, SIGNAL_ERRORS);
        break;
    case FRAME_ANSWER:
        apps_ask_answer(app, f);
        break;
    default:
        app->bye = true;
        apps_close(app, APPS_END_BYE, "it ended on purpose");
    }
}

/* ---- the stream */
static void wait_a_little(struct app *app)
{
    stat_add(&waited, 1);
    app->paused = true;
    stream_pause(app->stream);
}

static bool too_fast(const struct app *app)
{
    return app->second_bytes > (uint64_t)app->apps->config.settings->bytes_per_second_max ||
           app->pending_bytes > APPS_PENDING_BYTES_MAX;
}

static char *room(void *context, size_t *ret)
{
    struct app *app = context;
    struct apps *a = app->apps;
    a->buffers -= app->reader.capacity;
    char *p = frame_reader_room(&app->reader, ret);
    a->buffers += app->reader.capacity;
    return p;
}

static void on_data(void *context, size_t n)
{
    struct app *app = context;
    struct apps *a = app->apps;
    struct frame f;
    struct why why = {0};
    int got = 0;
    apps_hold(app);
    if (!frame_reader_partial(&app->reader))
        app->begun_ms = loop_now_ms(a->loop);
    frame_reader_got(&app->reader, n);
    stat_add(&bytes_in, n);
    app->second_bytes += n;
    thread_lock(&a->lock);
    app->view.bytes += n;
    app->view.last_ms = clock_wall_ms(a->config.clock);
    thread_unlock(&a->lock);
    while (app->stream != NULL && (got = frame_reader_next(&app->reader, &f, &why)) == 1) {
        app->begun_ms = loop_now_ms(a->loop);
        take(app, &f);
    }
    if (app->stream != NULL && got < 0) {
        send_refused(app, 0, got, why.text);
        apps_close(app, APPS_END_FRAME, "%s", why.text);
    }
    if (app->stream != NULL && a->buffers > APPS_BUFFERS_MAX)
        apps_close(app, APPS_END_FULL, "the frames of all applications take too much memory");
    if (app->stream != NULL && too_fast(app))
        wait_a_little(app);
    apps_release(app);
}

static void on_closed(void *context, int err)
{
    struct app *app = context;
    apps_close(app, APPS_END_LOST, "the connection broke: %s",
               err == -ERR_CLOSED ? "the process has gone" : err_text(err));
}

void apps_connection_tick(struct app *app, bool second)
{
    int64_t since_ms = loop_now_ms(app->apps->loop) - app->begun_ms;
    if (second)
        app->second_bytes = 0;
    if (app->paused && !too_fast(app)) {
        app->paused = false;
        app->begun_ms = loop_now_ms(app->apps->loop);
        stream_resume(app->stream);
        return;
    }
    if (app->state == APP_NEW && since_ms > APPS_HELLO_MS)
        apps_close(app, APPS_END_LATE, "no HELLO came");
    else if (!app->paused && frame_reader_partial(&app->reader) && since_ms > APPS_FRAME_MS)
        apps_close(app, APPS_END_LATE, "half a frame came, and no more");
    else if (app->state == APP_KNOWN)
        apps_metrics_tick(app);
}

void apps_accept(void *apps, struct stream *s)
{
    static const struct stream_events EVENTS = {room, on_data, on_closed, NULL};
    struct apps *a = apps;
    struct app *app = mem_new(sizeof *app);
    app->apps = a;
    app->stream = s;
    app->begun_ms = loop_now_ms(a->loop);
    frame_reader_init(&app->reader);
    map_init(&app->series, rand_seed());
    buf_init(&app->up_key, LABELS_KEY_MAX);
    app->view.since_ms = app->view.last_ms = clock_wall_ms(a->config.clock);
    stream_credentials(s, &app->view.pid, &app->view.uid);
    thread_lock(&a->lock);
    app->prev = a->last;
    *(a->last ? &a->last->next : &a->first) = app;
    a->last = app;
    a->connections++;
    thread_unlock(&a->lock);
    stream_start(s, &EVENTS, app);
    if (a->connections > (size_t)a->config.settings->connections_max) {
        send_refused(app, 0, -ERR_BUSY, "too many applications are connected");
        apps_close(app, APPS_END_FULL, "more than apps.connections_max applications");
    }
}
