/* daemon/sockets.h - the listening sockets, which live as long as the parent.
 *
 * Each address has one socket for each loop of the worker, so that the kernel spreads connections.
 * A new set keeps the sockets of the addresses that it shares with the old one.
 *
 * Threads: one.
 */
#ifndef DAEMON_SOCKETS_H
#define DAEMON_SOCKETS_H

#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/option.h"
#include "os/child.h"

enum { SOCKETS_ADDRESSES_MAX = 16 };

struct sockets {
    struct sockets_address {
        char wanted[160]; /* as configured */
        char bound[160];  /* with the port really bound */
        int *fds;         /* [fds_n], owned */
        size_t fds_n;
    } v[SOCKETS_ADDRESSES_MAX];
    size_t n;
};

/* Opens loops sockets for each address into *s, which holds the present ones (or none, all zero).
 * On failure *s is as it was. */
MUST_USE int sockets_open(struct sockets *s, const struct option_list *addresses, size_t loops,
                          struct why *why);
void sockets_close(struct sockets *s);

/* All descriptors, at most max; returns how many. */
size_t sockets_fds(const struct sockets *s, int *ret, size_t max);

#endif
