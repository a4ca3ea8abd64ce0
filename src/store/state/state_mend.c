#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "store/state/state_inside.h"

enum {
    NAME_MAX_BYTES = 256 + 80,
    SQL_MAX = 16384,    /* bytes of one statement that copies a table */
    SKIPS_MAX = 200000, /* damaged places of one table that are stepped over */
    TABLES_MAX = 1000,
    TABLE_NAME_MAX = 256,
    ASIDE_TRIES = 1000 /* names of one second */
};

static const char *const NEW_SUFFIX = ".new";
static const char *const PARTS[] = {"", "-wal", "-shm", "-journal"};

/* ---- files */

static int complain(const struct state *s, int err, const char *what, struct why *why)
{
    return why_set(why, (enum err) - err, "%s: %s: %s", s->path, what, err_text(err));
}

static bool is_there(struct disk *d, const char *name)
{
    struct disk_file *f;
    if (disk_open(d, name, DISK_READ, &f) != 0)
        return false;
    disk_close(d, f);
    return true;
}

/* Renames what belongs to the database to NAME.damaged-TIME..; ret [NAME_MAX_BYTES] is that name.
 */
static int set_aside(struct state *s, char *ret)
{
    time_t now = (time_t)(clock_wall_ms(&clock_real) / 1000);
    struct tm tm;
    char stamp[32], from[NAME_MAX_BYTES], to[NAME_MAX_BYTES + 8];
    gmtime_r(&now, &tm);
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
    for (int i = 0; i < ASIDE_TRIES; i++) {
        snprintf(ret, NAME_MAX_BYTES, i == 0 ? "%s.damaged-%s" : "%s.damaged-%s-%d", s->name, stamp,
                 i);
        if (!is_there(s->disk, ret))
            break;
    }
    for (size_t i = 0; i < COUNTOF(PARTS); i++) {
        snprintf(from, sizeof from, "%s%s", s->name, PARTS[i]);
        snprintf(to, sizeof to, "%s%s", ret, PARTS[i]);
        int err = disk_rename(s->disk, from, to);
        if (err != 0 && err != -ERR_NOENT)
            return err;
    }
    return disk_sync_dir(s->disk, ".");
}

static int remove_new(struct state *s)
{
    char name[NAME_MAX_BYTES];
    for (size_t i = 0; i < COUNTOF(PARTS); i++) {
        snprintf(name, sizeof name, "%s%s%s", s->name, NEW_SUFFIX, PARTS[i]);
        int err = disk_remove(s->disk, name);
        if (err != 0 && err != -ERR_NOENT)
            return err;
    }
    return 0;
}

/* Puts what was carried over in the place of the damaged database. */
static int put_in_place(struct state *s, char *ret_aside)
{
    char name[NAME_MAX_BYTES];
    snprintf(name, sizeof name, "%s%s", s->name, NEW_SUFFIX);
    int err = set_aside(s, ret_aside);
    if (err == 0)
        err = disk_rename(s->disk, name, s->name);
    return err != 0 ? err : disk_sync_dir(s->disk, ".");
}

/* ---- what can be read */

struct carrying {
    sqlite3 *db, *old; /* the new one and the damaged one */
    uint64_t rows;
    uint64_t lost; /* tables of which something could not be read */
};

/* Calls f with the name and the SQL of what a query of the schema gives. */
static bool each_thing(struct carrying *c, sqlite3 *db, const char *sql,
                       void (*f)(struct carrying *c, const char *name, const char *text))
{
    sqlite3_stmt *q = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &q, NULL);
    for (size_t n = 0; code == SQLITE_OK && n < TABLES_MAX;) {
        int step = sqlite3_step(q);
        if (step != SQLITE_ROW) {
            code = step;
            break;
        }
        const char *name = (const char *)sqlite3_column_text(q, 0);
        const char *text = (const char *)sqlite3_column_text(q, 1);
        if (name != NULL && text != NULL && strlen(name) < TABLE_NAME_MAX)
            f(c, name, text);
        n++;
    }
    sqlite3_finalize(q);
    return code == SQLITE_DONE;
}

/* Damage may be in the text itself: what cannot be made is left out. */
static void make_thing(struct carrying *c, const char *name, const char *text)
{
    if (state_exec(c->db, text, NULL) != 0)
        c->lost++;
}

/* Does main have that table with such SQL run on it? */
static bool holds(struct carrying *c, const char *format, const char *name)
{
    sqlite3_stmt *q = NULL;
    char *sql = sqlite3_mprintf(format, name);
    int code = sqlite3_prepare_v2(c->db, sql, -1, &q, NULL);
    code = code == SQLITE_OK ? sqlite3_step(q) : code;
    bool yes = code == SQLITE_ROW && sqlite3_column_int(q, 0) != 0;
    sqlite3_finalize(q);
    sqlite3_free(sql);
    return yes;
}

/* A list of a table's columns, quoted, with commas; "" where it cannot be told. of: the rows of
 * pragma_table_info() that are wanted and their order; suffix: what follows each. */
static void columns_of(struct carrying *c, const char *name, const char *of, const char *suffix,
                       char *ret, size_t n)
{
    sqlite3_stmt *q = NULL;
    char *sql = sqlite3_mprintf("SELECT '\"' || replace(name, '\"', '\"\"') || '\"%s' "
                                "FROM pragma_table_info(%Q) %s",
                                suffix, name, of);
    size_t at = 0;
    ret[0] = '\0';
    if (sqlite3_prepare_v2(c->db, sql, -1, &q, NULL) == SQLITE_OK)
        while (sqlite3_step(q) == SQLITE_ROW && at < n)
            at += (size_t)snprintf(ret + at, n - at, "%s%s", at == 0 ? "" : ", ",
                                   (const char *)sqlite3_column_text(q, 0));
    if (at >= n)
        ret[0] = '\0';
    sqlite3_finalize(q);
    sqlite3_free(sql);
}

/* Rows one after another into the new table; *at becomes the number of the last (numbered tables:
 * their first column). False where damage ended it. */
static bool carry_rows(struct carrying *c, sqlite3_stmt *get, sqlite3_stmt *put, int64_t *at)
{
    int step;
    while ((step = sqlite3_step(get)) == SQLITE_ROW) {
        *at = sqlite3_column_int64(get, 0);
        int n = sqlite3_bind_parameter_count(put), left = sqlite3_column_count(get) - n;
        for (int i = 0; i < n; i++)
            sqlite3_bind_value(put, i + 1, sqlite3_column_value(get, left + i));
        if (sqlite3_step(put) == SQLITE_DONE)
            c->rows += (uint64_t)sqlite3_changes64(c->db);
        sqlite3_reset(put);
    }
    sqlite3_reset(get);
    return step == SQLITE_DONE;
}

/* From the front, stepping over damaged places with steps that double. */
static bool carry_forward(struct carrying *c, sqlite3_stmt *get, sqlite3_stmt *put, bool numbered)
{
    int64_t at = INT64_MIN, skip = 1, before;
    bool whole = true;
    for (size_t i = 0; i < SKIPS_MAX; i++) {
        before = at;
        if (numbered)
            sqlite3_bind_int64(get, 1, at);
        if (carry_rows(c, get, put, &at))
            return whole;
        whole = false;
        skip = at > before ? 1 : skip * 2;
        at = at == INT64_MIN ? 0 : at; /* numbers begin at 1 */
        if (!numbered || skip <= 0 || __builtin_add_overflow(at, skip, &at))
            return false;
    }
    return false;
}

/* Front to back, and where damage is on the way, back to front as well. */
static bool carry_with(struct carrying *c, const char *read, const char *read_back,
                       const char *write, bool numbered)
{
    sqlite3_stmt *get = NULL, *back = NULL, *put = NULL;
    bool whole = false;
    int64_t at;
    if (sqlite3_prepare_v2(c->old, read, -1, &get, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(c->old, read_back, -1, &back, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(c->db, write, -1, &put, NULL) == SQLITE_OK) {
        whole = carry_forward(c, get, put, numbered);
        if (!whole)
            (void)carry_rows(c, back, put, &at); /* it is known already that something is lost */
    }
    sqlite3_finalize(get);
    sqlite3_finalize(back);
    sqlite3_finalize(put);
    return whole;
}

/* INSERT of so many values, whose columns these are. */
static void put_insert(struct buf *out, const char *name, const char *columns)
{
    char *into = sqlite3_mprintf("INSERT OR IGNORE INTO main.\"%w\" (%s) VALUES (?", name, columns);
    buf_put_str(out, str_c(into));
    for (const char *p = columns; *p != '\0'; p++)
        if (*p == ',')
            buf_put_str(out, STR(", ?"));
    buf_put(out, ")", 2);
    sqlite3_free(into);
}

/* Rows are numbered but WITHOUT ROWID; the number is written where no column is another name of it.
 */
static void carry_table(struct carrying *c, const char *name, const char *text)
{
    static const char NUMBER[] = "rowid, ";
    char columns[SQL_MAX / 4] = "rowid, ", keys[SQL_MAX / 4] = "rowid DESC";
    bool numbered = !holds(c, "SELECT wr FROM pragma_table_list(%Q)", name);
    bool named = holds(c,
                       "SELECT count(*) = 1 AND max(upper(type)) = 'INTEGER' "
                       "FROM pragma_table_info(%Q) WHERE pk > 0",
                       name);
    size_t at = numbered ? sizeof NUMBER - 1 : 0;
    columns_of(c, name, "", "", columns + at, sizeof columns - at);
    if (!numbered)
        columns_of(c, name, "WHERE pk > 0 ORDER BY pk", " DESC", keys, sizeof keys);
    char *read = sqlite3_mprintf("SELECT %s FROM main.\"%w\" %s", columns, name,
                                 numbered ? "WHERE rowid >= ?1 ORDER BY rowid" : "");
    char *back = sqlite3_mprintf("SELECT %s FROM main.\"%w\" ORDER BY %s", columns, name, keys);
    struct buf write;
    buf_init(&write, SQL_MAX);
    put_insert(&write, name, columns + (named ? at : 0));
    if (columns[at] == '\0' || keys[0] == '\0' || buf_failed(&write) ||
        !carry_with(c, read, back, write.p, numbered))
        c->lost++;
    buf_done(&write);
    sqlite3_free(back);
    sqlite3_free(read);
}

/* All that can be read of the damaged database into the new one: its tables in the order in which
 * they were made, their rows, then indexes and triggers. */
static int carry(struct carrying *c, struct why *why)
{
    int err = state_exec(c->db, "PRAGMA foreign_keys=OFF; PRAGMA synchronous=OFF; BEGIN", why);
    if (err != 0)
        return err;
    bool whole = each_thing(c, c->old,
                            "SELECT name, sql FROM sqlite_schema WHERE type = 'table' "
                            "AND name NOT LIKE 'sqlite_%' ORDER BY rowid",
                            make_thing) &&
                 each_thing(c, c->old,
                            "SELECT name, sql FROM sqlite_schema WHERE type = 'table' "
                            "AND name NOT LIKE 'sqlite_%' ORDER BY rowid",
                            carry_table) &&
                 each_thing(c, c->old,
                            "SELECT name, sql FROM sqlite_schema WHERE type <> 'table' "
                            "AND sql IS NOT NULL ORDER BY rowid",
                            make_thing);
    c->lost += !whole;
    return state_exec(c->db, "COMMIT", why);
}

/* Makes NAME.new, whole and synced. */
static int make_new(struct state *s, struct carrying *c, struct why *why)
{
    char path[STATE_PATH_MAX + 8];
    struct disk_file *f;
    snprintf(path, sizeof path, "%s%s", s->name, NEW_SUFFIX);
    int err = remove_new(s);
    if (err == 0)
        err = disk_open(s->disk, path, DISK_WRITE | DISK_CREATE, &f);
    if (err != 0)
        return complain(s, err, "a new one cannot be made", why);
    disk_close(s->disk, f);
    snprintf(path, sizeof path, "%s%s", s->path, NEW_SUFFIX);
    if (sqlite3_open_v2(path, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK)
        err = why_set(why, state_error(c->db), "%s: %s", path, sqlite3_errmsg(c->db));
    /* What is damaged stays as it is, -wal included, and is read as far as it goes. */
    if (err == 0 && sqlite3_open_v2(s->path, &c->old, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                                    NULL) == SQLITE_OK)
        (void)sqlite3_db_config(c->old, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (err == 0)
        err = carry(c, why);
    sqlite3_close(c->old);
    sqlite3_close(c->db);
    if (err != 0)
        return err;
    snprintf(path, sizeof path, "%s%s", s->name, NEW_SUFFIX);
    err = disk_open(s->disk, path, DISK_WRITE, &f);
    if (err == 0) {
        err = disk_sync(s->disk, f);
        disk_close(s->disk, f);
    }
    return err == 0 ? 0 : complain(s, err, "a new one cannot be synced", why);
}

/* ---- looking */

/* "" where the database is sound; else what is wrong with it. */
static int look(struct state *s, char *ret, size_t n, struct why *why)
{
    struct why inner = {0};
    sqlite3 *db;
    sqlite3_stmt *q = NULL;
    ret[0] = '\0';
    int err = state_connect(s->path, &db, &inner);
    if (err == -ERR_CORRUPT)
        snprintf(ret, n, "%.300s", inner.text);
    if (err != 0)
        return err == -ERR_CORRUPT ? 0 : why_set(why, (enum err) - err, "%s", inner.text);
    int code = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &q, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(q);
    if (code == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(q, 0);
        if (text == NULL || strcmp(text, "ok") != 0)
            snprintf(ret, n, "%.300s", text == NULL ? "it cannot be read" : text);
    } else if (state_error(db) == ERR_CORRUPT) {
        snprintf(ret, n, "%.300s", sqlite3_errmsg(db));
    } else {
        err = why_set(why, state_error(db), "%s: %s", s->path, sqlite3_errmsg(db));
    }
    sqlite3_finalize(q);
    /* Its -wal is needed where it is set aside: it is not written back into what is damaged. */
    if (ret[0] != '\0')
        (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close(db);
    return err;
}

static int replace(struct state *s, char *wrong, struct why *why)
{
    struct carrying c = {0};
    char aside[NAME_MAX_BYTES];
    for (char *p = wrong; *p != '\0'; p++)
        *p = *p == '\n' ? ' ' : *p;
    int err = make_new(s, &c, why);
    if (err == 0 && (err = put_in_place(s, aside)) != 0)
        complain(s, err, "it is damaged and cannot be set aside", why);
    if (err == 0)
        snprintf(s->problem, sizeof s->problem,
                 "%s was damaged (%.120s) and is set aside as %.160s; %" PRIu64
                 " rows were carried over, %s",
                 s->name, wrong, aside, c.rows,
                 c.lost == 0 ? "nothing is known to be lost" : "some could not be read");
    return err;
}

/* A crash while one was being replaced: NAME.new counts where NAME is gone already. */
static int finish(struct state *s)
{
    char name[NAME_MAX_BYTES], aside[NAME_MAX_BYTES];
    snprintf(name, sizeof name, "%s%s", s->name, NEW_SUFFIX);
    if (!is_there(s->disk, name))
        return 0;
    if (is_there(s->disk, s->name))
        return remove_new(s);
    return put_in_place(s, aside);
}

int state_mend(struct state *s, struct why *why)
{
    char wrong[STATE_PROBLEM_MAX];
    struct disk_file *f;
    int err = finish(s);
    if (err != 0)
        return complain(s, err, "what a crash has left cannot be put in order", why);
    /* Made here and not by SQLite, for the rights of the store's files. */
    err = disk_open(s->disk, s->name, DISK_WRITE | DISK_CREATE, &f);
    if (err == 0)
        disk_close(s->disk, f);
    else if (err != -ERR_EXISTS)
        return complain(s, err, "it cannot be made", why);
    err = look(s, wrong, sizeof wrong, why);
    if (err != 0 || wrong[0] == '\0')
        return err;
    return replace(s, wrong, why);
}
