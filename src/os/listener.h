/* os/listener.h - accepts connections from a listening socket.
 *
 * Part of os/loop.h, which says which thread may call what.
 *
 * Threads: the loop's.
 */
#ifndef OS_LISTENER_H
#define OS_LISTENER_H

#include "base/attr.h"
#include "base/err.h"

struct loop;
struct stream;
struct listener;

/* Takes over a listening socket (bound, listening, non-blocking). accepted() is called for each
 * connection and owns the stream. */
MUST_USE int listener_open(struct loop *l, int fd,
                           void (*accepted)(void *context, struct stream *s), void *context,
                           struct listener **ret);
void listener_free(struct listener *l); /* NULL is fine */

#endif
