#include <string.h>

#include "base/must.h"
#include "store/state/state_inside.h"

enum { COLUMNS_MAX = 64 };

struct state_value state_null(void)
{
    return (struct state_value){.type = STATE_NULL};
}

struct state_value state_int(int64_t v)
{
    return (struct state_value){.type = STATE_INT, .integer = v};
}

struct state_value state_real(double v)
{
    return (struct state_value){.type = STATE_REAL, .real = v};
}

struct state_value state_text(struct str v)
{
    return (struct state_value){.type = STATE_TEXT, .bytes = v};
}

struct state_value state_blob(struct str v)
{
    return (struct state_value){.type = STATE_BLOB, .bytes = v};
}

/* What the system said of the last file that failed; SQLite's own account of it is often gone by
 * the time that one asks. 0: nothing. */
static int system_error(sqlite3 *db)
{
    int main_errno = 0, log_errno = 0;
    sqlite3_file *log = NULL;
    /* Where they have no answer the numbers stay 0. */
    (void)sqlite3_file_control(db, "main", SQLITE_FCNTL_LAST_ERRNO, &main_errno);
    (void)sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    if (log != NULL && log->pMethods != NULL)
        (void)log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &log_errno);
    return log_errno != 0 ? log_errno : main_errno != 0 ? main_errno : sqlite3_system_errno(db);
}

enum err state_error(sqlite3 *db)
{
    int extended = sqlite3_extended_errcode(db);
    switch (extended & 0xff) {
    case SQLITE_FULL:
        return ERR_FULL;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
        return ERR_DENIED;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        return system_error(db) == 0 ? ERR_IO : (enum err)err_of_errno(system_error(db));
    case SQLITE_TOOBIG:
        return ERR_LIMIT;
    case SQLITE_CONSTRAINT:
        return extended == SQLITE_CONSTRAINT_UNIQUE || extended == SQLITE_CONSTRAINT_PRIMARYKEY
                   ? ERR_EXISTS
                   : ERR_STATE;
    default:
        return ERR_STATE;
    }
}

int state_exec(sqlite3 *db, const char *sql, struct why *why)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    return why_set(why, state_error(db), "%s", sqlite3_errmsg(db));
}

void state_connection_done(struct state_connection *c)
{
    size_t at = 0;
    for (struct map_slot *slot; (slot = map_next(&c->statements, &at)) != NULL;)
        sqlite3_finalize(slot->value.p);
    map_done(&c->statements);
    sqlite3_close(c->db);
    c->db = NULL;
}

/* What a failure means for the transaction: some end it in the database too. */
static int failed(struct state_tx *tx, const char *sql, struct why *why)
{
    sqlite3 *db = tx->c->db;
    enum err code = state_error(db);
    if (code == ERR_CORRUPT)
        tx->state->damaged = true;
    if (code == ERR_CORRUPT || code == ERR_FULL || code == ERR_IO || code == ERR_DENIED)
        tx->failed = -(int)code;
    why_set(why, code, "%s: %s (%.100s)", tx->state->name, sqlite3_errmsg(db), sql);
    if (sqlite3_get_autocommit(db))
        tx->err = -(int)code;
    return -(int)code;
}

static sqlite3_stmt *compile(struct state_tx *tx, const char *sql, unsigned flags)
{
    sqlite3_stmt *s;
    return sqlite3_prepare_v3(tx->c->db, sql, -1, flags, &s, NULL) == SQLITE_OK ? s : NULL;
}

/* The statement of sql; *ret_kept: it stays prepared. One that is in progress (a row's function
 * that asks the same again) gets a second. */
static sqlite3_stmt *statement(struct state_tx *tx, const char *sql, bool *ret_kept)
{
    struct map *all = &tx->c->statements;
    struct str address = {(const char *)&sql, sizeof sql};
    union map_value *found = map_get(all, address);
    *ret_kept = true;
    if (found != NULL && strcmp(sqlite3_sql(found->p), sql) != 0 && !sqlite3_stmt_busy(found->p)) {
        sqlite3_finalize(found->p);
        map_drop(all, address);
        found = NULL;
    }
    if (found != NULL && !sqlite3_stmt_busy(found->p))
        return found->p;
    *ret_kept = found == NULL && all->n < STATE_STATEMENTS_MAX;
    sqlite3_stmt *s = compile(tx, sql, *ret_kept ? SQLITE_PREPARE_PERSISTENT : 0);
    if (s != NULL && *ret_kept)
        map_put(all, address, NULL)->p = s;
    return s;
}

static int bind(sqlite3_stmt *s, int at, const struct state_value *v)
{
    const char *bytes = v->type >= STATE_TEXT && v->bytes.n > 0 ? v->bytes.p : "";
    switch (v->type) {
    case STATE_INT:
        return sqlite3_bind_int64(s, at, v->integer);
    case STATE_REAL:
        return sqlite3_bind_double(s, at, v->real);
    case STATE_TEXT:
        return sqlite3_bind_text64(s, at, bytes, v->bytes.n, SQLITE_STATIC, SQLITE_UTF8);
    case STATE_BLOB:
        return sqlite3_bind_blob64(s, at, bytes, v->bytes.n, SQLITE_STATIC);
    default:
        return sqlite3_bind_null(s, at);
    }
}

static struct state_value column(sqlite3_stmt *s, int at)
{
    switch (sqlite3_column_type(s, at)) {
    case SQLITE_INTEGER:
        return state_int(sqlite3_column_int64(s, at));
    case SQLITE_FLOAT:
        return state_real(sqlite3_column_double(s, at));
    case SQLITE_TEXT: {
        const char *p = (const char *)sqlite3_column_text(s, at);
        return state_text(str_of(p, (size_t)sqlite3_column_bytes(s, at)));
    }
    case SQLITE_BLOB: {
        const char *p = sqlite3_column_blob(s, at);
        return state_blob(str_of(p, (size_t)sqlite3_column_bytes(s, at)));
    }
    default:
        return state_null();
    }
}

static int step_all(struct state_tx *tx, sqlite3_stmt *s, const char *sql,
                    int (*row)(void *context, const struct state_value *columns, size_t columns_n),
                    void *context, struct why *why)
{
    struct state_value columns[COLUMNS_MAX];
    int n = sqlite3_column_count(s), code, err = 0;
    must(n <= COLUMNS_MAX);
    while (err == 0 && (code = sqlite3_step(s)) != SQLITE_DONE) {
        if (code != SQLITE_ROW)
            return failed(tx, sql, why);
        for (int i = 0; row != NULL && i < n; i++)
            columns[i] = column(s, i);
        if (row != NULL)
            err = row(context, columns, (size_t)n);
    }
    return err;
}

int state_run(struct state_tx *tx, const char *sql, const struct state_value *values, size_t n,
              int (*row)(void *context, const struct state_value *columns, size_t columns_n),
              void *context, struct why *why)
{
    if (tx->err != 0)
        return why_set(why, (enum err) - tx->err, "%s: the transaction has failed before",
                       tx->state->name);
    bool kept;
    sqlite3_stmt *s = statement(tx, sql, &kept);
    int err = 0;
    if (s == NULL)
        return failed(tx, sql, why);
    for (size_t i = 0; i < n && err == 0; i++)
        if (bind(s, (int)i + 1, &values[i]) != SQLITE_OK)
            err = failed(tx, sql, why);
    if (err == 0)
        err = step_all(tx, s, sql, row, context, why);
    /* Their results repeat what the last step has said. */
    (void)sqlite3_reset(s);
    (void)sqlite3_clear_bindings(s);
    if (!kept)
        sqlite3_finalize(s);
    return err;
}

int64_t state_inserted(const struct state_tx *tx)
{
    return sqlite3_last_insert_rowid(tx->c->db);
}

int64_t state_changed(const struct state_tx *tx)
{
    return sqlite3_changes64(tx->c->db);
}
