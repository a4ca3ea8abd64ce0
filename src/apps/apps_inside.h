/* apps/apps_inside.h - what the files of apps/apps.h share.
 *
 * Threads: the apps' thread, but for what stands under the lock.
 */
#ifndef APPS_APPS_INSIDE_H
#define APPS_APPS_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "apps/apps.h"
#include "apps/frame_reader.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/stat.h"
#include "codec/rw1.h"
#include "os/loop.h"
#include "os/thread.h"

enum {
    APPS_TICK_MS = 100,
    APPS_SECOND_TICKS = 10,
    APPS_HELLO_MS = 5000,              /* for the first frame */
    APPS_FRAME_MS = 30000,             /* for a frame that has begun */
    APPS_PENDING_BYTES_MAX = 16 << 20, /* of one connection that are not durable: reading waits */
    APPS_WRITE_QUEUE_MAX = 1 << 20,    /* bytes that a slow reader leaves */
    APPS_BUFFERS_MAX = 256 << 20,      /* bytes of all connections' frames that are not whole */
    APPS_SERIES_BYTES_MAX = 512 << 20, /* of the names of all applications' series */
    APPS_UP_MS = 15000,                /* up is written so often where no metrics come */
    APPS_LISTENERS_MAX = 8,
    APPS_LOG_MINUTE_MAX = 20, /* lines a minute about connections that are closed */
};

/* How a connection ends. */
enum apps_end {
    APPS_END_BYE,   /* the application said so */
    APPS_END_LOST,  /* without a word */
    APPS_END_FRAME, /* bytes that are no frame */
    APPS_END_HELLO, /* the first frame was none that may be first */
    APPS_END_SLOW,  /* does not read what it is told */
    APPS_END_LATE,  /* a frame or HELLO did not come in time */
    APPS_END_FULL,  /* too many connections, or no memory for their frames */
    APPS_END_STOP,  /* this daemon ends */
    APPS_END_DONE,  /* a crash has been handed over */
    APPS_ENDS_N
};

enum app_state { APP_NEW, APP_KNOWN, APP_CRASH };

/* A connection. */
struct app {
    struct apps *apps;
    struct app *prev, *next;
    struct stream *stream; /* NULL: closed */
    struct frame_reader reader;
    enum app_state state;
    unsigned held;        /* callbacks that are to come, and calls that are running */
    size_t pending_bytes; /* of frames that are not durable yet */
    uint64_t second_bytes;
    int64_t begun_ms; /* loop time: when the present frame, or the wait for HELLO, began */
    bool paused, bye;
    uint64_t sequence;     /* of the last frame sent */
    struct apps_view view; /* changed under the lock */
    /* Metrics: */
    struct map series;   /* raw keys -> number of the cycle that had it last */
    size_t series_bytes; /* of them */
    uint64_t cycle;      /* that is being read, or comes next */
    size_t cycle_n;      /* series of it */
    int64_t cycle_ts_ms, up_ms;
    struct buf up_key;
    bool up;
};

/* A question that waits. */
struct apps_asking;

struct apps {
    struct apps_config config;
    struct tenant *tenant;
    struct loop *loop;
    struct thread thread;
    bool running;
    _Atomic bool stopping;
    struct listener *listeners[APPS_LISTENERS_MAX];
    size_t listeners_n;
    struct timer *tick;
    unsigned ticks;
    struct app *first, *last;
    size_t connections;
    size_t held; /* of all, so that the end waits for them */
    uint64_t buffers;
    size_t series_bytes; /* of all */
    unsigned logged;     /* lines of this minute */
    int64_t logged_from_ms;
    struct apps_asking *asking;
    pthread_mutex_t lock;
    bool closed;                          /* no more questions; under the lock */
    struct apps_view gone[APPS_GONE_MAX]; /* a ring, under the lock */
    size_t gone_n, gone_at;
    /* Scratch: */
    struct rw1_reader rw1;
    struct batch batch, marks;
    struct sides sides;
};

/* ---- apps_connection.c */
void apps_accept(void *apps, struct stream *s);

/* Ends a connection: format says why, for people. The memory goes when nothing holds it. */
void apps_close(struct app *app, enum apps_end end, const char *format, ...) PRINTF(3, 4);

/* Sends a frame; closes the connection of a reader that is too slow. */
void apps_send(struct app *app, enum frame_kind kind, uint8_t detail, uint64_t sequence,
               struct str payload);

/* Is told every APPS_TICK_MS. */
void apps_connection_tick(struct app *app, bool second);

void apps_hold(struct app *app);
void apps_release(struct app *app); /* may free it */
void apps_connection_stats(void);   /* registers them */

/* Sends ACK or, for err, REFUSED, where the frame wants an answer; a crash always gets one. */
void apps_answer_frame(struct app *app, const struct frame_header *h, int err, const char *text);

/* ---- apps_metrics.c */
void apps_metrics_begin(struct app *app); /* of the connection: up */
void apps_metrics_take(struct app *app, const struct frame *f);
void apps_metrics_tick(struct app *app);
void apps_metrics_end(struct app *app); /* staleness markers */
void apps_metrics_stats(void);

/* ---- apps_ask.c */
void apps_ask_answer(struct app *app, const struct frame *f);
void apps_ask_gone(struct app *app);
void apps_ask_tick(struct apps *a);
void apps_ask_stop(struct apps *a);
void apps_ask_stats(void);

#endif
