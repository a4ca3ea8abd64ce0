/* daemon/listening.h - what the addresses of [server] say of who can reach the daemon.
 *
 * Threads: pure functions.
 */
#ifndef DAEMON_LISTENING_H
#define DAEMON_LISTENING_H

#include <stdbool.h>
#include <stddef.h>

#include "tool/options.h"

enum { LISTENING_URL_MAX = 512 /* bytes, with the NUL */ };

/* Are all of them of this machine alone? */
bool listening_loopback(const struct options_server *server);

/* The host of the first address, without its port, into ret [n]. */
void listening_host(const struct options_server *server, char *ret, size_t n);

/* Where the page is for who stands at this machine or, where all may come, anywhere:
 * http://HOST:PORT of the first address, into ret [n]. */
void listening_url(const struct options_server *server, char *ret, size_t n);

#endif
