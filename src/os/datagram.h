/* os/datagram.h - reads datagrams from sockets that somebody has opened, many with one call.
 *
 * A reader waits for all its sockets at once and takes up to DATAGRAM_BATCH datagrams of one of
 * them at a time into memory of its own. Datagrams that come singly are let gather for a fraction
 * of a millisecond, so that a busy sender does not wake the reader for each.
 *
 * Flow:    kernel -> datagram_read() -> who takes them apart
 * Source:  Linux: recvmmsg(2), SO_MEMINFO (socket's own count of what it dropped).
 * Threads: one; datagram_wake() from any.
 */
#ifndef OS_DATAGRAM_H
#define OS_DATAGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

enum {
    DATAGRAM_BATCH = 64,
    DATAGRAM_BYTES_MAX = 65536, /* of one; longer ones (Unix sockets) are cut off */
    DATAGRAM_SOCKETS_MAX = 64,
    DATAGRAM_QUEUE_BYTES = 8 * 1024 * 1024, /* that a socket asks the kernel to keep for it */
};

struct datagram_reader;

/* Borrows the sockets, which do not block. -ERR_LIMIT for too many. */
MUST_USE int datagram_reader_new(const int *fds, size_t n, struct datagram_reader **ret,
                                 struct why *why);
void datagram_reader_free(struct datagram_reader *r); /* NULL is fine */

/* Waits until there is something to read, for at most timeout_ns; false where the time ran out or
 * somebody has called datagram_wake(). */
bool datagram_wait(struct datagram_reader *r, int64_t timeout_ns);

/* What one socket has now: *ret [n] until the next call. Returns n; 0 where no socket has anything.
 * A datagram that was cut off has *ret_cut counted and is left out. */
size_t datagram_read(struct datagram_reader *r, const struct str **ret, uint64_t *ret_cut);

/* Datagrams that the kernel dropped since the reader was made, because nobody read in time. */
uint64_t datagram_dropped(struct datagram_reader *r);

/* Ends the present or the next datagram_wait() early. */
void datagram_wake(struct datagram_reader *r);

/* Asks the kernel for a long queue: beyond its limit where this process may, else up to it. */
void datagram_queue(int fd);

#endif
