/* store/state/state.h - what people and the daemon decide, beside the samples: silences,
 * acknowledgements, notifications that wait, events, check-ins, states of health and of alerts.
 *
 * One SQLite database, DATA/state.db, in write-ahead mode with full synchronisation: when
 * state_write() has returned 0, what it wrote survives kill -9 and a power cut. A module keeps its
 * tables to itself and says how they are made (struct state_schema); it asks with SQL of its own.
 *
 * A database that is damaged is set aside (state.db.damaged-TIME, never deleted), what can be read
 * of it is carried over, and state_problem() says so.
 *
 * Flow:    state_open() -> state_schema() of each module -> state_write(), state_read()
 * Source:  SQLite's documentation: WAL, synchronous, user_version.
 * Threads: any; writers take turns, readers see a snapshot and wait for nobody. All of it waits for
 *          the disk, so none of it belongs on a loop's thread.
 */
#ifndef STORE_STATE_STATE_H
#define STORE_STATE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

struct state;
struct state_tx; /* a transaction in progress */

/* path is that of the database file; ":memory:" for tests. Waits a few seconds for a worker before
 * that is still ending. -ERR_BUSY where another process keeps it. */
MUST_USE int state_open(const char *path, struct state **ret, struct why *why);
void state_close(struct state *s); /* NULL is fine */

/* "" where all is well; else a sentence: what was damaged and where it was put. */
const char *state_problem(const struct state *s);

/* 0 where the last transaction that wrote did; else what kept it from that, such as -ERR_FULL. */
MUST_USE int state_writable(struct state *s, struct why *why);

/* The same, after a transaction that writes one row: for who looks whether it is well again. */
MUST_USE int state_probe(struct state *s, struct why *why);

/* How the tables of a module come to be: step i brings them from version i to version i + 1 (SQL,
 * several statements). Steps that were released never change; new ones are added at the end. Table
 * names begin with the module's. */
struct state_schema {
    const char *module;
    const char *const *steps; /* [n] */
    size_t n;
};

/* Runs the steps that are missing. -ERR_FORMAT where the database is newer than the program. */
MUST_USE int state_prepare(struct state *s, const struct state_schema *schema, struct why *why);

/* Runs f in a transaction: all of it becomes durable, or nothing where f or the commit fails.
 * -ERR_FULL: the disk is full. */
MUST_USE int state_write(struct state *s,
                         int (*f)(void *context, struct state_tx *tx, struct why *why),
                         void *context, struct why *why);

/* The same on a snapshot that does not change; f must not write. */
MUST_USE int state_read(struct state *s,
                        int (*f)(void *context, struct state_tx *tx, struct why *why),
                        void *context, struct why *why);

/* ---- statements; inside of f */

enum state_type { STATE_NULL, STATE_INT, STATE_REAL, STATE_TEXT, STATE_BLOB };

struct state_value {
    enum state_type type;
    union {
        int64_t integer;
        double real;
        struct str bytes; /* TEXT and BLOB */
    };
};

struct state_value state_null(void);
struct state_value state_int(int64_t v);
struct state_value state_real(double v);
struct state_value state_text(struct str v); /* borrowed for the call */
struct state_value state_blob(struct str v);

/* Runs one statement, whose ?1, ?2, .. are values [n]; sql is a constant (it is kept prepared by
 * its address). row (NULL where none are wanted) gets each row with its columns [columns_n], valid
 * for the call; not 0 ends it and is returned. */
MUST_USE int state_run(struct state_tx *tx, const char *sql, const struct state_value *values,
                       size_t n,
                       int (*row)(void *context, const struct state_value *columns,
                                  size_t columns_n),
                       void *context, struct why *why);

/* The number of the last row that was inserted, and how many rows the last statement changed. */
int64_t state_inserted(const struct state_tx *tx);
int64_t state_changed(const struct state_tx *tx);

/* Writes a copy of the whole database, as it is now, to path, which must not exist: for backups. */
MUST_USE int state_copy(struct state *s, const char *path, struct why *why);

#endif
