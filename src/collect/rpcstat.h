/* collect/rpcstat.h - the files of /proc/net/rpc: rows of a name and numbers.
 *
 * Threads: pure functions.
 */
#ifndef COLLECT_RPCSTAT_H
#define COLLECT_RPCSTAT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "collect/emit.h"

enum { RPCSTAT_NUMBERS_MAX = 160 }; /* of a row; the rest is left out */

struct rpcstat_row {
    struct str name;
    double v[RPCSTAT_NUMBERS_MAX]; /* [n] */
    size_t n;
};

/* Takes the next row off *rest; false at the end. */
bool rpcstat_next(struct str *rest, struct rpcstat_row *ret);

/* Gives a row of calls by procedure: numbers from place first on are those of names[0], names[1]
 * and so on; a NULL name is passed over. Labels: proto, method. */
void rpcstat_methods(struct emit *e, const struct family *f, struct str proto,
                     const struct rpcstat_row *row, size_t first, const char *const *names,
                     size_t names_n);

#endif
