/* os/dial.h - connections to others without waiting: names looked up, sockets that connect, bytes
 * as far as they go.
 *
 * For who keeps very many connections with little memory, or talks a protocol of its own; streams
 * that were accepted are os/stream.h. Readiness comes from os/watch.h.
 *
 * Flow:    dial_literal() | dial_lookup_new() -> dial_open() -> watch: writable -> dial_finish()
 * Threads: pure calls of the kernel, any; lookups the loop's (libuv's threads ask).
 */
#ifndef OS_DIAL_H
#define OS_DIAL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "os/loop.h"

enum { DIAL_ADDRESSES_MAX = 4 }; /* of a name that are tried, one after the other */

union dial_address {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
};

struct dial_addresses {
    union dial_address v[DIAL_ADDRESSES_MAX];
    size_t n;
};

/* host as an address ("127.0.0.1", "::1", "[::1]"); false where it is a name. */
bool dial_literal(struct str host, uint16_t port, struct dial_addresses *ret);

/* Looks a name up. done() comes once and later: -ERR_NOENT where there is no such host, -ERR_BUSY
 * where the name servers do not answer. */
struct dial_lookup;
struct dial_lookup *dial_lookup_new(struct loop *l, const char *host, uint16_t port,
                                    void (*done)(void *context, int err,
                                                 const struct dial_addresses *addresses),
                                    void *context);
/* done() will not come. NULL is fine; not after done(). */
void dial_lookup_cancel(struct dial_lookup *l);

/* Begins to connect a stream socket, non-blocking and closed on exec. */
MUST_USE int dial_open(const union dial_address *to, int *ret_fd);
MUST_USE int dial_open_unix(const char *path, int *ret_fd);

/* Once it is writable: 0, or -ERR_x of the connection (-ERR_CLOSED: refused); *ret_text (may be
 * NULL) gets the kernel's words. */
MUST_USE int dial_finish(int fd, const char **ret_text);

/* How many bytes went, 0 where none can now, -ERR_CLOSED. */
int64_t dial_send(int fd, struct str bytes);

/* How many bytes came; -ERR_BUSY where there are none now, -ERR_END at the end, -ERR_CLOSED. */
int64_t dial_receive(int fd, char *p, size_t n);

void dial_close(int fd); /* negative is fine */

#endif
