/* os/channel.h - short messages between two processes, and waiting for descriptors.
 *
 * A channel is a pair of connected sockets that keep the borders of messages: a type and up to
 * CHANNEL_TEXT_MAX bytes. Neither end ever waits in a call but channel_wait().
 *
 * Threads: any; one reader at a time.
 */
#ifndef OS_CHANNEL_H
#define OS_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

enum {
    CHANNEL_TEXT_MAX = 4000, /* bytes; more is cut off */
    CHANNEL_WAIT_MAX = 8,    /* descriptors */
    CHANNEL_FDS_MAX = 4,     /* with one message */
};

struct channel_message {
    char type;
    size_t n;
    char text[CHANNEL_TEXT_MAX + 1]; /* [n] and a NUL */
};

/* Two ends of a channel, non-blocking and closed on exec. */
MUST_USE int channel_pair(int ret_fds[2]);

/* -ERR_BUSY where the other end does not read, -ERR_CLOSED where it is gone. */
int channel_send(int fd, char type, struct str text);

/* The same with at most CHANNEL_FDS_MAX descriptors, of which the other end gets copies. */
int channel_send_fds(int fd, char type, struct str text, const int *fds, size_t fds_n);

/* The next message; -ERR_BUSY where there is none, -ERR_CLOSED at the end. */
MUST_USE int channel_receive(int fd, struct channel_message *ret);

/* The same with the descriptors that came with it (the caller's, closed on exec); *ret_fds_n is how
 * many. */
MUST_USE int channel_receive_fds(int fd, struct channel_message *ret, int ret_fds[CHANNEL_FDS_MAX],
                                 size_t *ret_fds_n);

/* Waits until one of the descriptors can be read or has ended, for at most timeout_ms (negative:
 * for ever). Returns a bit for each, 0 where the time ran out. A negative descriptor is skipped. */
unsigned channel_wait(const int *fds, size_t n, int64_t timeout_ms);

/* Closes fd; negative is fine. */
void channel_close(int fd);

#endif
