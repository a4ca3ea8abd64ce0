/* daemon/sockets.h - the listening sockets, which live as long as the parent.
 *
 * An address of HTTP has one socket for each loop of the worker, so that the kernel spreads
 * connections. A new set keeps the sockets of the addresses that it shares with the old one.
 *
 * Threads: one.
 */
#ifndef DAEMON_SOCKETS_H
#define DAEMON_SOCKETS_H

#include <stddef.h>

#include "base/attr.h"
#include "conf/conf.h"
#include "daemon/doors.h"
#include "os/child.h"

enum {
    SOCKETS_ADDRESSES_MAX = 64,
    SOCKETS_LAUNCHER = '+', /* the kind of what is no socket but the channel to the launcher */
};

struct sockets {
    struct sockets_address {
        enum door door;
        char wanted[160]; /* as configured */
        char bound[160];  /* with the port really bound */
        int *fds;         /* [fds_n], owned */
        size_t fds_n;
    } v[SOCKETS_ADDRESSES_MAX];
    size_t n;
};

/* Opens the sockets of all doors that c names, for that many loops, into *s, which holds the
 * present ones (or none, all zero). On failure *s is as it was. An address of a door that is not
 * needed is left out with a warning where it cannot be had. */
MUST_USE int sockets_open(struct sockets *s, const struct conf *c, size_t loops, struct why *why);
void sockets_close(struct sockets *s);

/* All descriptors, at most max, with the kind of each as a letter ('a' is the first door) in
 * ret_kinds [max + 1], NUL-terminated; returns how many. */
size_t sockets_fds(const struct sockets *s, int *ret, char *ret_kinds, size_t max);

/* The address that HTTP is served on first. */
const char *sockets_bound(const struct sockets *s);

#endif
