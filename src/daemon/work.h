/* daemon/work.h - the worker: everything opened in order, waited for, closed in reverse.
 *
 * Threads: see ARCHITECTURE.md; this is the main thread, which waits for the parent's orders.
 */
#ifndef DAEMON_WORK_H
#define DAEMON_WORK_H

#include <stddef.h>

#include "tool/arguments.h"
#include "tool/options.h"

/* `sonde serve --worker KINDS ..`, started by the parent alone, with a letter for the kind of each
 * socket (daemon/sockets.h); the exit status. */
int work_run(const char *kinds, struct arguments *a);

/* How many loops that configuration asks for. */
size_t work_loops(const struct options_server *server);

#endif
