/* client/debug/socket.h - the debug socket: lines in, JSON lines out, for the same user alone.
 *
 * Mode 0600 in a folder of mode 0700; each caller's credentials are checked (the same user or
 * root). Nothing here waits: answers that a caller does not read are kept up to one answer, then it
 * is not listened to until it has read; one that floods is served in its turn. At most
 * SOCKET_CALLERS_MAX at once: the next one is told so and closed.
 *
 * Threads: the worker; sonde_debug_path(): any.
 */
#ifndef CLIENT_DEBUG_SOCKET_H
#define CLIENT_DEBUG_SOCKET_H

#include "client/core/command.h"

enum { SOCKET_CALLERS_MAX = 8, SOCKET_PATH_MAX = 108 };

/* Opens it as the settings say: 0 (also where there is to be none), or an error with a sentence. */
int socket_start(char *problem);
void socket_stop(void);       /* closes and removes it */
void socket_fork_child(void); /* the parent's is not ours: closed, then one of our own where the
                                 setting is "auto" */

const char *socket_path(void); /* "" where there is none */

/* The level that the setting debug.level gives; false: it names none. */
bool socket_level(enum command_level *ret);

#endif
