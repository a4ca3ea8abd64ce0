/* net/address.h - where to listen: "HOST:PORT", "[::1]:0", "*:7663" or "unix:/path".
 *
 * HOST is an IP address, "localhost" (127.0.0.1) or "*" (every IPv4 and IPv6 address); names are
 * not looked up, so that opening a socket never waits for a name server.
 *
 * Threads: pure functions and calls of the kernel; any.
 */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

struct address {
    struct sockaddr_storage raw;
    socklen_t raw_n;
    char text[160]; /* as a person writes it, "127.0.0.1:7663", with the port really bound */
};

MUST_USE int address_parse(struct str text, struct address *ret, struct why *why);

/* Only this machine can reach it (127.0.0.0/8, ::1, a Unix socket). */
bool address_is_loopback(const struct address *a);

/* The TCP port, 0 for a Unix socket. */
uint16_t address_port(const struct address *a);

/* Opens n listening, non-blocking, close-on-exec sockets on a into ret_fds [n]: SO_REUSEPORT where
 * n > 1 (for a Unix socket, n descriptors of one socket). *a gets the port really bound. A Unix
 * path that nobody listens on any more is replaced; the new one is for the owner and group only.
 * -ERR_BUSY where another process has the address, -ERR_DENIED where it may not be used. */
MUST_USE int address_listen(struct address *a, size_t n, int *ret_fds, struct why *why);

/* The same for datagrams (UDP, or a Unix datagram socket). */
MUST_USE int address_receive(struct address *a, size_t n, int *ret_fds, struct why *why);

/* Opens a blocking connection to a, for checks and tests. */
MUST_USE int address_connect(const struct address *a, int *ret_fd, struct why *why);

#endif
