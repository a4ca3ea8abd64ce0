#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/stat.h"
#include "os/thread.h"
#include "store/state/state_inside.h"

enum {
    LOCK_PATIENCE_MS = 3000, /* for the worker before, which may still be ending */
    LOCK_PAUSE_MS = 50,
    BUSY_MS = 5000
};

static const char *const LOCK_SUFFIX = "-lock";

/* The cache is small, as the kernel's holds the file too; nothing is put outside the folder. */
static const char *const SETTINGS = "PRAGMA journal_mode=WAL;"
                                    "PRAGMA synchronous=FULL;"
                                    "PRAGMA foreign_keys=ON;"
                                    "PRAGMA temp_store=MEMORY;"
                                    "PRAGMA cache_size=-1024;"
                                    "PRAGMA journal_size_limit=4194304;"
                                    "PRAGMA cell_size_check=ON;"
                                    "PRAGMA trusted_schema=OFF";

static const char *const VERSIONS = "CREATE TABLE IF NOT EXISTS state_versions ("
                                    "module TEXT PRIMARY KEY, version INTEGER NOT NULL)";

static struct stat commits =
    STAT_COUNTER("sonde_state_commits_total", "Transactions written to state.db.");
static struct stat failures =
    STAT_COUNTER("sonde_state_failures_total",
                 "Transactions of state.db that the disk kept from being written.");
static struct stat seconds =
    STAT_HISTOGRAM("sonde_state_commit_seconds", "Commits of state.db, with their sync.");

int state_connect(const char *path, sqlite3 **ret, struct why *why)
{
    sqlite3 *db;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                SQLITE_OPEN_EXRESCODE,
        err = 0;
    if (sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK)
        err = why_set(why, state_error(db), "%s: %s", path, sqlite3_errmsg(db));
    if (err == 0) {
        sqlite3_busy_timeout(db, BUSY_MS);
        err = state_exec(db, SETTINGS, why);
    }
    if (err != 0) {
        sqlite3_close(db);
        return err;
    }
    *ret = db;
    return 0;
}

/* ---- opening */

/* The folder of s->path as a disk, and the name in it. */
static int open_folder(struct state *s, struct why *why)
{
    char folder[STATE_PATH_MAX];
    const char *slash = strrchr(s->path, '/');
    snprintf(s->name, sizeof s->name, "%.200s", slash == NULL ? s->path : slash + 1);
    if (slash == NULL)
        snprintf(folder, sizeof folder, ".");
    else
        snprintf(folder, sizeof folder, "%.*s", (int)MAX(slash - s->path, (ptrdiff_t)1), s->path);
    return disk_real_open(folder, &s->disk, why);
}

static int lock(struct state *s, struct why *why)
{
    char name[256 + 16];
    snprintf(name, sizeof name, "%s%s", s->name, LOCK_SUFFIX);
    int64_t until = clock_monotonic_ns(&clock_real) + LOCK_PATIENCE_MS * 1000000LL;
    int err;
    while ((err = disk_lock(s->disk, name)) == -ERR_BUSY && clock_monotonic_ns(&clock_real) < until)
        usleep(LOCK_PAUSE_MS * 1000);
    if (err != 0)
        why_set(why, (enum err) - err, "%s: %s", s->path,
                err == -ERR_BUSY ? "another process has it open" : err_text(err));
    return err;
}

static int open_file(struct state *s, struct why *why)
{
    int err = open_folder(s, why);
    if (err == 0)
        err = lock(s, why);
    if (err == 0)
        err = state_mend(s, why);
    return err;
}

int state_open(const char *path, struct state **ret, struct why *why)
{
    if (strlen(path) >= STATE_PATH_MAX - 32)
        return why_set(why, ERR_LIMIT, "%.100s..: the path is too long", path);
    struct state *s = mem_new(sizeof *s);
    snprintf(s->path, sizeof s->path, "%s", path);
    snprintf(s->name, sizeof s->name, "%.200s", path);
    s->memory = strcmp(path, ":memory:") == 0;
    thread_lock_init(&s->writing);
    thread_lock_init(&s->reading);
    thread_cond_init(&s->freed);
    thread_lock_init(&s->judging);
    stat_register(&commits);
    stat_register(&failures);
    stat_register(&seconds);
    int err = s->memory ? 0 : open_file(s, why);
    if (err == 0)
        err = state_connect(s->path, &s->writer.db, why);
    if (err == 0)
        err = state_exec(s->writer.db, VERSIONS, why);
    if (err == 0 && !s->memory && (err = disk_sync_dir(s->disk, ".")) != 0)
        why_set(why, (enum err) - err, "%s: %s", path, err_text(err));
    if (err != 0) {
        state_close(s);
        return err;
    }
    *ret = s;
    return 0;
}

void state_close(struct state *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < STATE_READERS_MAX; i++)
        state_connection_done(&s->readers[i]);
    state_connection_done(&s->writer);
    disk_free(s->disk);
    pthread_cond_destroy(&s->freed);
    pthread_mutex_destroy(&s->judging);
    pthread_mutex_destroy(&s->reading);
    pthread_mutex_destroy(&s->writing);
    mem_free(s);
}

const char *state_problem(const struct state *s)
{
    if (s->problem[0] == '\0' && s->damaged)
        return "state.db is damaged; it is mended when the daemon starts the next time";
    return s->problem;
}

/* ---- transactions */

/* Ends the transaction: with COMMIT where err is 0. */
static int end(struct state_tx *tx, int err, struct why *why)
{
    sqlite3 *db = tx->c->db;
    if (err == 0 && tx->err != 0)
        err = why_set(why, (enum err) - tx->err, "%s: the transaction has failed", tx->state->name);
    if (err == 0 && state_exec(db, "COMMIT", why) != 0) {
        err = tx->failed = -(int)state_error(db);
        tx->state->damaged = tx->state->damaged || err == -ERR_CORRUPT;
        why_prefix(why, "%s", tx->state->name);
    }
    /* What failed may have rolled back already; nothing else can go wrong here. */
    if (!sqlite3_get_autocommit(db) && state_exec(db, "ROLLBACK", NULL) != 0)
        return err;
    return err;
}

/* Notes how a writer fared. One that gave up for reasons of its own says nothing of the disk. */
static void judge(struct state *s, int err, const struct state_tx *tx, int64_t took_ns)
{
    if (err == 0) {
        stat_add(&commits, 1);
        stat_observe(&seconds, took_ns);
    } else if (tx->failed == 0) {
        return;
    } else {
        stat_add(&failures, 1);
    }
    thread_lock(&s->judging);
    s->failed = err == 0 ? 0 : tx->failed;
    thread_unlock(&s->judging);
}

static int transact(struct state *s, struct state_connection *c, const char *begin,
                    int (*f)(void *context, struct state_tx *tx, struct why *why), void *context,
                    struct why *why)
{
    struct state_tx tx = {.state = s, .c = c};
    int64_t before = 0;
    int err = tx.failed = state_exec(c->db, begin, why);
    if (err != 0) {
        why_prefix(why, "%s", s->name);
    } else {
        err = f(context, &tx, why);
        before = clock_monotonic_ns(&clock_real);
        err = end(&tx, err, why);
    }
    if (c == &s->writer)
        judge(s, err, &tx, clock_monotonic_ns(&clock_real) - before);
    return err;
}

int state_write(struct state *s, int (*f)(void *context, struct state_tx *tx, struct why *why),
                void *context, struct why *why)
{
    thread_lock(&s->writing);
    int err = transact(s, &s->writer, "BEGIN IMMEDIATE", f, context, why);
    thread_unlock(&s->writing);
    return err;
}

/* A connection that reads, waited for. */
static size_t take_reader(struct state *s)
{
    size_t i = 0;
    thread_lock(&s->reading);
    for (;;) {
        for (i = 0; i < STATE_READERS_MAX && s->taken[i]; i++)
            ;
        if (i < STATE_READERS_MAX)
            break;
        thread_wait(&s->freed, &s->reading);
    }
    s->taken[i] = true;
    thread_unlock(&s->reading);
    return i;
}

static void give_reader(struct state *s, size_t i)
{
    thread_lock(&s->reading);
    s->taken[i] = false;
    thread_wake(&s->freed);
    thread_unlock(&s->reading);
}

int state_read(struct state *s, int (*f)(void *context, struct state_tx *tx, struct why *why),
               void *context, struct why *why)
{
    if (s->memory)
        return state_write(s, f, context, why);
    size_t i = take_reader(s);
    struct state_connection *c = &s->readers[i];
    int err = 0;
    if (c->db == NULL) {
        err = state_connect(s->path, &c->db, why);
        if (err == 0)
            err = state_exec(c->db, "PRAGMA query_only=ON", why);
    }
    if (err == 0)
        err = transact(s, c, "BEGIN", f, context, why);
    give_reader(s, i);
    return err;
}

int state_writable(struct state *s, struct why *why)
{
    thread_lock(&s->judging);
    int err = s->failed;
    thread_unlock(&s->judging);
    return err == 0
               ? 0
               : why_set(why, (enum err) - err, "%s cannot be written: %s", s->path, err_text(err));
}

static int write_probe(void *context, struct state_tx *tx, struct why *why)
{
    return state_run(tx,
                     "INSERT INTO state_versions (module, version) VALUES ('probe', 1) "
                     "ON CONFLICT (module) DO UPDATE SET version = 3 - version",
                     NULL, 0, NULL, NULL, why);
}

int state_probe(struct state *s, struct why *why)
{
    struct why inner = {0};
    if (state_write(s, write_probe, NULL, &inner) != 0)
        return why_set(why, (enum err) - inner.err, "%s", inner.text);
    return state_writable(s, why);
}

/* ---- schemas */

static int take_version(void *context, const struct state_value *columns, size_t n)
{
    *(int64_t *)context = columns[0].integer;
    return 0;
}

static int step_up(struct state_tx *tx, const char *sql, struct why *why)
{
    int err = state_exec(tx->c->db, sql, why);
    return err == 0 ? 0 : why_prefix(why, "%s", tx->state->name) != 0 ? err : err;
}

static int prepare(void *context, struct state_tx *tx, struct why *why)
{
    const struct state_schema *schema = context;
    struct state_value row[] = {state_text(str_c(schema->module)), state_int((int64_t)schema->n)};
    int64_t version = 0;
    int err = state_run(tx, "SELECT version FROM state_versions WHERE module = ?1", row, 1,
                        take_version, &version, why);
    if (err == 0 && version > (int64_t)schema->n)
        err = why_set(why, ERR_FORMAT,
                      "%s is newer than this program: %s is at version %lld of its tables, this "
                      "program knows %zu; start the newer program",
                      tx->state->path, schema->module, (long long)version, schema->n);
    for (size_t i = (size_t)version; err == 0 && i < schema->n; i++)
        err = step_up(tx, schema->steps[i], why);
    if (err == 0 && version < (int64_t)schema->n)
        err = state_run(tx,
                        "INSERT INTO state_versions (module, version) VALUES (?1, ?2) "
                        "ON CONFLICT (module) DO UPDATE SET version = ?2",
                        row, 2, NULL, NULL, why);
    return err;
}

int state_prepare(struct state *s, const struct state_schema *schema, struct why *why)
{
    struct state_schema copy = *schema;
    return state_write(s, prepare, &copy, why);
}

/* ---- copies */

/* Everything of from into the file at path, which is empty; one that is whole without a -wal. */
static int copy_into(sqlite3 *from, const char *path, struct why *why)
{
    sqlite3 *to = NULL;
    int err = 0;
    if (sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        err = why_set(why, state_error(to), "%s: %s", path, sqlite3_errmsg(to));
    if (err == 0)
        err = state_exec(to, "PRAGMA synchronous=FULL", why);
    sqlite3_backup *b = err == 0 ? sqlite3_backup_init(to, "main", from, "main") : NULL;
    if (b != NULL) {
        (void)sqlite3_backup_step(b, -1); /* finish says the same */
        if (sqlite3_backup_finish(b) != SQLITE_OK)
            err = why_set(why, state_error(to), "%s: %s", path, sqlite3_errmsg(to));
    } else if (err == 0) {
        err = why_set(why, state_error(to), "%s: %s", path, sqlite3_errmsg(to));
    }
    if (err == 0)
        err = state_exec(to, "PRAGMA journal_mode=DELETE", why);
    sqlite3_close(to);
    return err;
}

/* Makes the empty file, or says why not; then its folder is synced when synced is set. */
static int touch(const char *path, bool synced, struct why *why)
{
    char folder[STATE_PATH_MAX];
    const char *slash = strrchr(path, '/');
    struct disk *d;
    struct disk_file *f;
    snprintf(folder, sizeof folder, "%.*s",
             slash == NULL ? 1 : (int)MAX(slash - path, (ptrdiff_t)1), slash == NULL ? "." : path);
    int err = disk_real_open(folder, &d, why);
    if (err != 0)
        return err;
    if (synced)
        err = disk_sync_dir(d, ".");
    else if ((err = disk_open(d, slash == NULL ? path : slash + 1, DISK_WRITE | DISK_CREATE, &f)) ==
             0)
        disk_close(d, f);
    disk_free(d);
    if (err != 0)
        why_set(why, (enum err) - err, "%s: %s", path, err_text(err));
    return err;
}

int state_copy(struct state *s, const char *path, struct why *why)
{
    sqlite3 *from = s->writer.db;
    int err = strlen(path) >= STATE_PATH_MAX
                  ? why_set(why, ERR_LIMIT, "%.100s..: the path is too long", path)
                  : touch(path, false, why);
    if (err == 0 && !s->memory)
        err = state_connect(s->path, &from, why);
    if (err != 0)
        return err;
    if (s->memory)
        thread_lock(&s->writing);
    err = copy_into(from, path, why);
    if (s->memory)
        thread_unlock(&s->writing);
    else
        sqlite3_close(from);
    return err == 0 ? touch(path, true, why) : err;
}
