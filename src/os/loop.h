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

/* Also makes the process ignore SIGPIPE. */
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

#include "os/listener.h"
#include "os/signal_watch.h"
#include "os/stream.h"
#include "os/timer.h"
#include "os/watch.h"

#endif
