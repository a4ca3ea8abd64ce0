/* cli/debug_client.h - a connection to the debug socket of a program that links libsonde.
 *
 * Threads: one.
 */
#ifndef CLI_DEBUG_CLIENT_H
#define CLI_DEBUG_CLIENT_H

#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { DEBUG_CLIENT_ANSWER_MAX = 16 << 20 };

struct debug_client {
    int fd;
    int64_t timeout_ms;
    struct buf in; /* what was read and not yet given */
};

/* path may also be a process id, or a service's name where one socket of it is there. */
MUST_USE int debug_client_open(const char *path, int64_t timeout_ms, struct debug_client *ret,
                               struct why *why);
void debug_client_close(struct debug_client *c);

/* Sends a line and reads the answer's, without its LF; valid until the next call. */
MUST_USE int debug_client_ask(struct debug_client *c, struct str line, struct str *ret,
                              struct why *why);

/* The sockets that there are, one a line. */
void debug_client_list(struct buf *out);

#endif
