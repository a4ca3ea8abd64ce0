#include <libpq-fe.h>
#include <stdio.h>

#include "helper/sql/ask.h"
#include "text/json.h"
#include "text/number.h"

/* Types of columns (pg_type.dat) whose texts are numbers. */
enum {
    OID_BOOL = 16,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_OID = 26,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_NUMERIC = 1700
};

enum { TIMEOUT_TEXT = 128 };

static bool is_number(Oid type)
{
    return type == OID_INT8 || type == OID_INT2 || type == OID_INT4 || type == OID_OID ||
           type == OID_FLOAT4 || type == OID_FLOAT8 || type == OID_NUMERIC;
}

static void put_cell(struct json_writer *w, const PGresult *r, int row, int i)
{
    struct str text = str_of(PQgetvalue(r, row, i), (size_t)PQgetlength(r, row, i));
    double v;
    if (PQgetisnull(r, row, i))
        json_null(w);
    else if (PQftype(r, i) == OID_BOOL)
        json_bool(w, str_eq(text, STR("t")));
    else if (is_number(PQftype(r, i)) && number_parse(text, &v) == 0 && v - v == 0)
        json_number(w, v);
    else
        json_text(w, str_sub(text, 0, ASK_CELL_MAX)); /* NaN, Infinity too */
}

static void put_names(const PGresult *r, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_array(&w);
    for (int i = 0; i < PQnfields(r); i++)
        json_text(&w, str_c(PQfname(r, i)));
    json_end_array(&w);
    buf_put_c(out, '\n');
}

static void put_row(const PGresult *r, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_array(&w);
    for (int i = 0; i < PQnfields(r); i++)
        put_cell(&w, r, 0, i);
    json_end_array(&w);
    buf_put_c(out, '\n');
}

static int failed(PGconn *db, const PGresult *r, struct why *why)
{
    struct str text = str_trim(str_c(r ? PQresultErrorMessage(r) : PQerrorMessage(db)));
    return why_set(why, ERR_STATE, STR_FMT, STR_ARG(text));
}

/* One result: the names once, rows one by one. */
static int take(const struct ask *ask, PGconn *db, const PGresult *r, size_t *rows, bool *named,
                struct buf *out, struct why *why)
{
    ExecStatusType status = PQresultStatus(r);
    if (status != PGRES_SINGLE_TUPLE && status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        return failed(db, r, why);
    if (PQnfields(r) > ASK_COLUMNS_MAX)
        return why_set(why, ERR_LIMIT, "the answer has more than %d columns", ASK_COLUMNS_MAX);
    if (!*named)
        put_names(r, out);
    *named = true;
    if (status != PGRES_SINGLE_TUPLE)
        return 0;
    if (++*rows > ask->rows_max)
        return why_set(why, ERR_LIMIT, "the answer has more than rows_max = %zu rows",
                       ask->rows_max);
    put_row(r, out);
    return 0;
}

static int ask_open(const struct ask *ask, PGconn *db, struct buf *out, struct why *why)
{
    PGresult *r;
    size_t rows = 0;
    bool named = false;
    int err = 0;
    /* With parameters, even none, the server takes one statement only. */
    if (PQsendQueryParams(db, ask->query, 0, NULL, NULL, NULL, NULL, 0) != 1 ||
        PQsetSingleRowMode(db) != 1)
        return failed(db, NULL, why);
    while (err == 0 && !buf_failed(out) && (r = PQgetResult(db)) != NULL) {
        err = take(ask, db, r, &rows, &named, out, why);
        PQclear(r);
    }
    return err;
}

/* The session's own settings: nothing may be changed, and it gives up in time. */
static int prepare(const struct ask *ask, PGconn *db, struct why *why)
{
    char text[TIMEOUT_TEXT];
    snprintf(text, sizeof text,
             "SET statement_timeout = %lld; SET default_transaction_read_only = on",
             (long long)ask->timeout_ms);
    PGresult *r = PQexec(db, text);
    int err = PQresultStatus(r) == PGRES_COMMAND_OK ? 0 : failed(db, r, why);
    PQclear(r);
    return err;
}

int ask_postgresql(const struct ask *ask, struct buf *out, struct why *why)
{
    char seconds[TIMEOUT_TEXT];
    /* Its own words would show pieces of the text, and a password may be among them. */
    PQconninfoOption *parsed = PQconninfoParse(ask->dsn, NULL);
    if (parsed == NULL)
        return why_set(why, ERR_FORMAT, "dsn is no connection string as PostgreSQL has it");
    PQconninfoFree(parsed);
    /* What stands behind dbname is taken apart as a connection string, what comes later wins. */
    const char *names[] = {"dbname",
                           "application_name",
                           "connect_timeout",
                           "client_encoding",
                           ask->password[0] ? "password" : NULL,
                           NULL};
    snprintf(seconds, sizeof seconds, "%lld", (long long)(ask->timeout_ms + 999) / 1000);
    const char *values[] = {ask->dsn, "sonde", seconds, "UTF8", ask->password, NULL};
    PGconn *db = PQconnectdbParams(names, values, 1);
    int err = PQstatus(db) == CONNECTION_OK ? prepare(ask, db, why) : failed(db, NULL, why);
    if (err == 0)
        err = ask_open(ask, db, out, why);
    PQfinish(db);
    return err;
}
