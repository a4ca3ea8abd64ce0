/* os/stream.h - a connection: TCP or Unix socket.
 *
 * Part of os/loop.h, which says which thread may call what.
 *
 * Threads: the loop's.
 */
#ifndef OS_STREAM_H
#define OS_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

struct stream;

struct stream_events {
    /* Room for what comes next: at least 1 byte, valid until data() or the next room(). NULL pauses
     * reading until stream_resume(). */
    char *(*room)(void *context, size_t *ret_size);
    void (*data)(void *context, size_t n);
    /* The other end sends no more (-ERR_CLOSED; it may still read what is written) or the socket
     * failed; no event but drained() follows. The owner still has to stream_free(). */
    void (*closed)(void *context, int err);
    /* The queue of unwritten bytes has become empty. May be NULL. */
    void (*drained)(void *context);
};

/* Starts reading. Again hands the stream to another owner, also from within an event. */
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

/* Who is at the other end of a Unix socket, by the kernel, when it connected; where that is not
 * known 0 and -1. */
void stream_credentials(const struct stream *s, int64_t *ret_pid, int64_t *ret_uid);

/* Sends what is queued and closes when the other end has closed too, at most 1 s later. No event
 * follows. */
void stream_free(struct stream *s); /* NULL is fine */

#endif
