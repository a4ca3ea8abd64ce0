/* os/dns.h - records of the domain name system, by the name servers of /etc/resolv.conf
 * or by one that is named.
 *
 * Calls wait: for pools, not for loops. Names without a final dot are tried with the search list
 * too.
 *
 * Source:  libresolv; RFC 1035, RFC 2782 (SRV), RFC 3596 (AAAA).
 * Threads: any.
 */
#ifndef OS_DNS_H
#define OS_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "os/dial.h"

enum dns_type { DNS_A, DNS_AAAA, DNS_MX, DNS_NS, DNS_SRV, DNS_TXT };

struct dns_record {
    struct str text; /* an address, the name that the record points to, without a final dot, or
                      * what TXT says */
    uint16_t port;   /* of SRV */
};

/* Records of that type (others in the answer are left out); none where the name does not exist.
 * Memory from a. -ERR_TIMEOUT or -ERR_CLOSED where no server gave an answer, -ERR_FORMAT where it
 * is damaged or the name is none. */
MUST_USE int dns_lookup(const char *name, enum dns_type type, struct arena *a,
                        struct dns_record **ret, size_t *ret_n, struct why *why);

/* Whom to ask, and how patiently. */
struct dns_server {
    bool given; /* false: the servers of /etc/resolv.conf */
    union dial_address address;
    int64_t timeout_ms; /* of all tries together, in whole seconds and one at least; 0: 15 s */
};

/* An address, "127.0.0.1", "127.0.0.1:53", "::1" or "[::1]:53"; -ERR_FORMAT where it is none. */
MUST_USE int dns_server_read(struct str text, struct dns_server *ret, struct why *why);

/* As dns_lookup(). */
MUST_USE int dns_lookup_at(const struct dns_server *server, const char *name, enum dns_type type,
                           struct arena *a, struct dns_record **ret, size_t *ret_n,
                           struct why *why);

/* For tests: asks 127.0.0.1:port from now on; 0: the servers of /etc/resolv.conf again. */
void dns_ask(uint16_t port);

#endif
