/* os/ping.h - an ICMP echo: is a host there, and how far away?
 *
 * Waits: for pools, not for loops. Needs no privilege where net.ipv4.ping_group_range lets the
 * group open such sockets; else CAP_NET_RAW.
 *
 * Source:  RFC 792, RFC 4443; Linux' ping sockets (SOCK_DGRAM, IPPROTO_ICMP and IPPROTO_ICMPV6).
 * Threads: any.
 */
#ifndef OS_PING_H
#define OS_PING_H

#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

/* Sends an echo to host (a name or an address) and waits for its answer: -ERR_TIMEOUT, -ERR_NOENT
 * (no such host), -ERR_CLOSED (unreachable), -ERR_DENIED (no such socket is allowed). */
MUST_USE int ping(const char *host, int64_t timeout_ms, int64_t *ret_ns, struct why *why);

#endif
