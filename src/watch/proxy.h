/* watch/proxy.h - a TCP proxy in front of the instances of one program: each connection goes to the
 * fit instance that has the fewest.
 *
 * Where none is fit, connections wait for one for PROXY_WAIT_MS, so that even a program of a single
 * instance is restarted without a refused connection.
 *
 * Flow:    rotation.h says who is fit -> proxy -> os/relay.h
 * Threads: the loop's.
 */
#ifndef WATCH_PROXY_H
#define WATCH_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "os/loop.h"

enum {
    PROXY_WAIT_MS = 10000,         /* of a connection for an instance that is fit */
    PROXY_CONNECTIONS_MAX = 20000, /* at once; what exceeds it is closed */
    PROXY_DIALS_MAX = 8,           /* instances that one connection tries */
};

struct proxy;

/* Takes over a listening descriptor (os/relay.h). Instance i is at 127.0.0.1, port + i; none is fit
 * yet. */
struct proxy *proxy_new(struct loop *l, int fd, size_t instances, uint16_t port);
void proxy_free(struct proxy *p); /* closes everything; NULL is fine */

/* Another number of instances, or another port: who was fit and is still there is. */
void proxy_set(struct proxy *p, size_t instances, uint16_t port);

void proxy_fit(struct proxy *p, size_t instance, bool fit);

/* Connections of an instance leave it at their next request; to be called once it is unfit. */
void proxy_move(struct proxy *p, size_t instance);

/* Connections of an instance that are at work. */
size_t proxy_busy(const struct proxy *p, size_t instance);

void proxy_count(const struct proxy *p, size_t instance, uint64_t *ret_now, uint64_t *ret_all);

/* Takes no new connections (they wait in the kernel) and lets those that are kept open go once
 * their answer is over; or goes on. */
void proxy_pause(struct proxy *p, bool paused);

/* Is any connection at work? */
bool proxy_at_work(const struct proxy *p);

/* Its listening descriptor. */
int proxy_fd(const struct proxy *p);

#endif
