/* discover/local_exporters.h - ports of this machine on which a well-known exporter may listen.
 *
 * Only where somebody listens; whether it is an exporter, who asks it will see.
 *
 * Flow:    /proc/net/tcp, tcp6 -> listening sockets -> local_exporters.tbl.h
 * Source:  the kernel's proc_net_tcp.rst; only loopback and any-address sockets count.
 * Threads: any.
 */
#ifndef DISCOVER_LOCAL_EXPORTERS_H
#define DISCOVER_LOCAL_EXPORTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

enum { LOCAL_EXPORTERS_MAX = 128 };

struct local_exporter {
    uint16_t port;
    const char *kind; /* "node" */
    bool six;         /* it listens on ::1 alone */
};

/* Reads /proc/net/tcp and tcp6; how many there are of ret [LOCAL_EXPORTERS_MAX]. */
MUST_USE size_t local_exporters_find(struct local_exporter *ret);

/* The same for the texts of the two files. */
MUST_USE size_t local_exporters_read(struct str tcp, struct str tcp6, struct local_exporter *ret);

#endif
