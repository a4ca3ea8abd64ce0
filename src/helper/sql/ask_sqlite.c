#include <math.h>
#include <sqlite3.h>

#include "base/clock.h"
#include "helper/sql/ask.h"
#include "text/json.h"

enum { STEPS = 1000 /* of SQLite's machine between two looks at the time */ };

static int64_t now_ms(void)
{
    return clock_monotonic_ns(&clock_real) / 1000000;
}

static int is_late(void *context)
{
    const int64_t *until_ms = context;
    return now_ms() > *until_ms;
}

static void put_cell(struct json_writer *w, sqlite3_stmt *s, int i)
{
    double v;
    switch (sqlite3_column_type(s, i)) {
    case SQLITE_INTEGER:
        json_i64(w, sqlite3_column_int64(s, i));
        break;
    case SQLITE_FLOAT:
        v = sqlite3_column_double(s, i);
        if (isinf(v))
            json_text(w, v > 0 ? STR("Infinity") : STR("-Infinity"));
        else
            json_number(w, v);
        break;
    case SQLITE_NULL:
        json_null(w);
        break;
    default: {
        const char *p = (const char *)sqlite3_column_text(s, i);
        json_text(w,
                  str_sub(str_of(p, p ? (size_t)sqlite3_column_bytes(s, i) : 0), 0, ASK_CELL_MAX));
    }
    }
}

static void put_names(sqlite3_stmt *s, int columns, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_array(&w);
    for (int i = 0; i < columns; i++)
        json_text(&w, str_c(sqlite3_column_name(s, i)));
    json_end_array(&w);
    buf_put_c(out, '\n');
}

static int put_rows(const struct ask *ask, sqlite3_stmt *s, struct buf *out, struct why *why)
{
    int columns = sqlite3_column_count(s), got;
    size_t rows = 0;
    if (columns > ASK_COLUMNS_MAX)
        return why_set(why, ERR_LIMIT, "the answer has more than %d columns", ASK_COLUMNS_MAX);
    put_names(s, columns, out);
    while ((got = sqlite3_step(s)) == SQLITE_ROW) {
        struct json_writer w;
        if (++rows > ask->rows_max)
            return why_set(why, ERR_LIMIT, "the answer has more than rows_max = %zu rows",
                           ask->rows_max);
        json_writer_init(&w, out);
        json_begin_array(&w);
        for (int i = 0; i < columns; i++)
            put_cell(&w, s, i);
        json_end_array(&w);
        buf_put_c(out, '\n');
        if (buf_failed(out))
            break;
    }
    if (got == SQLITE_INTERRUPT)
        return why_set(why, ERR_TIMEOUT, "it did not end within %lld ms",
                       (long long)ask->timeout_ms);
    if (got != SQLITE_DONE && got != SQLITE_ROW)
        return why_set(why, ERR_STATE, "%s", sqlite3_errmsg(sqlite3_db_handle(s)));
    return 0;
}

static int ask_open(const struct ask *ask, sqlite3 *db, struct buf *out, struct why *why)
{
    int64_t until_ms = now_ms() + ask->timeout_ms;
    sqlite3_stmt *s = NULL;
    const char *rest = NULL;
    int err = 0;
    sqlite3_busy_timeout(db, (int)ask->timeout_ms);
    sqlite3_progress_handler(db, STEPS, is_late, &until_ms);
    if (sqlite3_prepare_v2(db, ask->query, -1, &s, &rest) != SQLITE_OK)
        err = why_set(why, ERR_FORMAT, "%s", sqlite3_errmsg(db));
    else if (s == NULL || str_trim(str_c(rest)).n > 0)
        err = why_set(why, ERR_FORMAT, "query has to be one statement");
    else if (!sqlite3_stmt_readonly(s))
        err = why_set(why, ERR_DENIED, "the query would change the database");
    else
        err = put_rows(ask, s, out, why);
    sqlite3_finalize(s);
    return err;
}

int ask_sqlite(const struct ask *ask, struct buf *out, struct why *why)
{
    sqlite3 *db = NULL;
    int err;
    if (sqlite3_open_v2(ask->path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
        err = why_set(why, ERR_IO, "%s: %s", ask->path, db ? sqlite3_errmsg(db) : "no memory");
    else
        err = ask_open(ask, db, out, why);
    sqlite3_close(db);
    return err;
}
