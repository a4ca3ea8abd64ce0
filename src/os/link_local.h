/* os/link_local.h - addresses of the link alone, at which clouds tell their machines secrets:
 * 169.254.0.0/16, fe80::/10, fd00:ec2::254, the same inside IPv6, and the names that clouds give
 * them. A stranger's targets and checks do not reach them.
 *
 * Source:  RFC 3927, RFC 4291, RFC 6052 (64:ff9b::/96).
 * Threads: pure functions.
 */
#ifndef OS_LINK_LOCAL_H
#define OS_LINK_LOCAL_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/str.h"

/* Does host, without brackets and port, stand for one, as any resolver reads it? Other names are
 * not looked up. */
bool link_local(struct str host);

/* Is it one? false for what is neither IPv4 nor IPv6. */
bool link_local_address(const struct sockaddr *address);

#endif
