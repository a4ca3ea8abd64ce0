/* cli/watch_table.h - the watched programs as aligned text, a line each.
 *
 * Threads: pure functions.
 */
#ifndef CLI_WATCH_TABLE_H
#define CLI_WATCH_TABLE_H

#include "base/buf.h"
#include "watch/feed/watch_view.h"

/* name, state, pid, uptime, restarts, memory, CPU, checks; below it a line for each that is not
 * well, with its reason. colour: states in the colours of a terminal. */
void watch_table(const struct watch_view *v, bool colour, struct buf *out);

/* 1d2h, 3m12s, 45s */
void watch_table_age(struct buf *out, int64_t ms);
/* 1.2G, 34M, 812K */
void watch_table_bytes(struct buf *out, int64_t bytes);

#endif
