/* helper/sql/ask.h - one query of a database, its rows as JSON lines.
 *
 * Both databases are told to refuse what would change something, and to give up in time. What
 * exceeds a limit is an error: half an answer would look like all of it.
 *
 * Flow:    ask -> libpq, SQLite -> [names], [values]...
 * Threads: one.
 */
#ifndef HELPER_SQL_ASK_H
#define HELPER_SQL_ASK_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"

enum { ASK_OUTPUT_MAX = 15 << 20, ASK_COLUMNS_MAX = 200, ASK_CELL_MAX = 4096 };

struct ask {
    const char *dsn, *password, *path, *query;
    int64_t timeout_ms;
    size_t rows_max;
};

MUST_USE int ask_postgresql(const struct ask *ask, struct buf *out, struct why *why);
MUST_USE int ask_sqlite(const struct ask *ask, struct buf *out, struct why *why);

#endif
