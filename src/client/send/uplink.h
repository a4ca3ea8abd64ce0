/* client/send/uplink.h - the connection to the daemon: hello, metrics, what the queue holds,
 * answers.
 *
 * One non-blocking Unix socket, watched by the worker. Metrics are written each interval while the
 * daemon takes them; what the queue lends is kept until it is acknowledged and goes back when the
 * connection breaks. At most UPLINK_AHEAD_BYTES are ahead of what the daemon has read, so that one
 * that reads slowly or not at all costs neither time nor memory.
 *
 * Flow:    queue -> frames -> socket -> ACK | REFUSED -> queue; REQUEST -> command_run() -> ANSWER
 * Source:  docs/format/libsonde.md
 * Threads: the worker, or whoever stands for it; uplink_state(), uplink_info(): any.
 */
#ifndef CLIENT_SEND_UPLINK_H
#define CLIENT_SEND_UPLINK_H

#include <stdbool.h>
#include <stdint.h>

#include "client/core/jot.h"
#include "client/send/queue.h"

enum {
    UPLINK_AHEAD_BYTES = 256 << 10,
    UPLINK_WINDOW_MAX = 256, /* frames that are not acknowledged yet */
    UPLINK_SNAPSHOTS_MAX = 4,
};

enum uplink_state {
    UPLINK_NONE,   /* no place to connect to */
    UPLINK_DOWN,   /* waits before the next attempt */
    UPLINK_TRYING, /* the first attempt is to come, or HELLO is sent */
    UPLINK_UP,     /* welcome */
};

/* changed() is called after each change of the state, and when something was acknowledged. */
void uplink_start(void (*changed)(void));
/* Says BYE where nothing stands before it, and closes. */
void uplink_stop(void);
void uplink_fork_child(void);
int uplink_fd(void); /* -1: none; to be closed in forked children. Any thread */

void uplink_pump(void);     /* sends what there is, as far as it goes */
void uplink_snapshot(void); /* metrics as of now */
/* Has the daemon all that was put up to this order, and a snapshot that was taken after the call of
 * uplink_snapshot()? */
bool uplink_settled(uint64_t order);

enum uplink_state uplink_state(void);
uint64_t uplink_down_since_ns(void); /* CLOCK_MONOTONIC; 0: it is up */
bool uplink_was_up(void);            /* in this process */
uint64_t uplink_sent(int kind);      /* things that were acknowledged: spool kinds, then metrics */
void uplink_info(struct jot *j);     /* members of the open object */

#endif
