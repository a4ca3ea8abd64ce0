/* os/loop.h - the event loop: sockets, timers, signals and work from other threads.
 *
 * A thin skin over libuv, so that no other folder includes it. Every callback of a loop runs on the
 * thread that runs the loop; except for loop_post() nothing here may be called from another thread
 * while the loop runs.
 *
 * Threads: one per loop; loop_post() and loop_stop() from any.
 */
#ifndef OS_LOOP_H
#define OS_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

struct loop;

MUST_USE int loop_new(struct loop **ret);

/* Frees l, which must not be running; everything opened on it must have been closed (the closing
 * callbacks run inside). NULL is fine. */
void loop_free(struct loop *l);

/* Runs until loop_stop(). */
void loop_run(struct loop *l);

/* Ends loop_run() after the present round. Any thread. */
void loop_stop(struct loop *l);

/* Runs f(context) on l's thread, in the order of the calls. Any thread; also before loop_run(). */
void loop_post(struct loop *l, void (*f)(void *context), void *context);

/* Monotonic milliseconds, cached once a round. */
int64_t loop_now_ms(const struct loop *l);

/* ---- timers */
struct timer;

/* Calls f after first_ms and then every every_ms (0: once only). Freed by timer_free(). */
struct timer *timer_new(struct loop *l, int64_t first_ms, int64_t every_ms, void (*f)(void *context),
                        void *context);

/* Starts it anew with other times. */
void timer_again(struct timer *t, int64_t first_ms, int64_t every_ms);
void timer_free(struct timer *t); /* NULL is fine */

/* ---- streams: TCP and Unix sockets */
struct listener;
struct stream;

/* Takes over a listening socket (bound, listening, non-blocking). accepted() is called for each
 * connection and owns the stream. */
MUST_USE int listener_open(struct loop *l, int fd, void (*accepted)(void *context, struct stream *s),
                           void *context, struct listener **ret);
void listener_free(struct listener *l); /* NULL is fine */

struct stream_events {
    /* Room for what comes next: at least 1 byte, valid until data() or the next room(). NULL pauses
     * reading until stream_resume(). */
    char *(*room)(void *context, size_t *ret_size);
    void (*data)(void *context, size_t n);
    /* The other end is done (-ERR_CLOSED) or the socket failed; no event follows. The owner still
     * has to stream_free(). */
    void (*closed)(void *context, int err);
    /* The queue of unwritten bytes has become empty. */
    void (*drained)(void *context);
};

/* Starts reading. */
void stream_start(struct stream *s, const struct stream_events *events, void *context);
void stream_pause(struct stream *s);
void stream_resume(struct stream *s);

/* Sends the bytes of up to 8 parts, in order. They are tried at once; what the socket does not take
 * is copied (borrowed no longer than the call). -ERR_CLOSED where the other end is gone. */
int stream_write(struct stream *s, const struct str *parts, size_t n);

/* Sends shared bytes without copying: release(owner) is called once when they are no longer needed
 * (also on failure). */
int stream_write_shared(struct stream *s, struct str bytes, void (*release)(void *owner),
                        void *owner);

/* Bytes that wait to be sent. */
size_t stream_queued(const struct stream *s);

/* "127.0.0.1:52100", "[::1]:52100" or "unix". Valid as long as s. */
const char *stream_peer(const struct stream *s);

/* Sends what is queued (for at most 1 s), then closes. No event follows. */
void stream_free(struct stream *s); /* NULL is fine */

/* ---- signals */
struct signal_watch;
struct signal_watch *signal_watch_new(struct loop *l, int signum, void (*f)(void *context),
                                      void *context);
void signal_watch_free(struct signal_watch *w); /* NULL is fine */

#endif
