#include "incident/incident_store.h"

#include <string.h>

enum { LIST_DEFAULT = 100, LIST_MAX = 1000, NOTES_MAX = 500, MOVED_MAX = 200 };

static const char *const STEPS[] = {
    "CREATE TABLE incident_incidents ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " open INTEGER NOT NULL,"
    " opened_ms INTEGER NOT NULL,"
    " closed_ms INTEGER NOT NULL,"
    " title TEXT NOT NULL,"
    " summary TEXT NOT NULL,"
    " labels BLOB NOT NULL,"
    " severity TEXT NOT NULL,"
    " merged_into INTEGER NOT NULL);"
    "CREATE INDEX incident_incidents_time ON incident_incidents (opened_ms);"
    "CREATE TABLE incident_problems ("
    " incident INTEGER NOT NULL,"
    " labels BLOB NOT NULL,"
    " title TEXT NOT NULL,"
    " severity TEXT NOT NULL,"
    " starts_ms INTEGER NOT NULL,"
    " ends_ms INTEGER NOT NULL,"
    " PRIMARY KEY (incident, labels)) WITHOUT ROWID;"
    "CREATE TABLE incident_moved ("
    " incident INTEGER NOT NULL,"
    " rank INTEGER NOT NULL,"
    " series BLOB NOT NULL,"
    " before REAL NOT NULL,"
    " after REAL NOT NULL,"
    " score REAL NOT NULL,"
    " rate INTEGER NOT NULL,"
    " PRIMARY KEY (incident, rank)) WITHOUT ROWID;"
    "CREATE TABLE incident_notes ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " incident INTEGER NOT NULL,"
    " time_ms INTEGER NOT NULL,"
    " kind TEXT NOT NULL,"
    " who TEXT NOT NULL,"
    " text TEXT NOT NULL);"
    "CREATE INDEX incident_notes_incident ON incident_notes (incident);",
};

const struct state_schema incident_store_schema = {"incident", STEPS, COUNTOF(STEPS)};

/* ---- writing */

int incident_store_put(struct state_tx *tx, const struct incident *v, int64_t *ret_id,
                       struct why *why)
{
    const struct state_value values[] = {v->id ? state_int(v->id) : state_null(),
                                         state_int(v->open),
                                         state_int(v->opened_ms),
                                         state_int(v->closed_ms),
                                         state_text(v->title),
                                         state_text(v->summary),
                                         state_blob(v->labels),
                                         state_text(v->severity),
                                         state_int(v->merged_into)};
    int err = state_run(tx,
                        "INSERT OR REPLACE INTO incident_incidents (id, open, opened_ms, closed_ms,"
                        " title, summary, labels, severity, merged_into)"
                        " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)",
                        values, COUNTOF(values), NULL, NULL, why);
    if (!err)
        *ret_id = v->id ? v->id : state_inserted(tx);
    return err;
}

int incident_store_problem(struct state_tx *tx, int64_t id, const struct incident_problem *v,
                           struct why *why)
{
    const struct state_value values[] = {state_int(id),           state_blob(v->labels),
                                         state_text(v->title),    state_text(v->severity),
                                         state_int(v->starts_ms), state_int(v->ends_ms)};
    return state_run(tx,
                     "INSERT OR REPLACE INTO incident_problems (incident, labels, title, severity,"
                     " starts_ms, ends_ms) VALUES (?1,?2,?3,?4,?5,?6)",
                     values, COUNTOF(values), NULL, NULL, why);
}

int incident_store_moved(struct state_tx *tx, int64_t id, const struct incident_moved *v, size_t n,
                         struct why *why)
{
    struct state_value only = state_int(id);
    int err =
        state_run(tx, "DELETE FROM incident_moved WHERE incident = ?1", &only, 1, NULL, NULL, why);
    for (size_t i = 0; i < n && !err; i++) {
        const struct state_value values[] = {state_int(id),          state_int((int64_t)i),
                                             state_blob(v[i].key),   state_real(v[i].before),
                                             state_real(v[i].after), state_real(v[i].score),
                                             state_int(v[i].rate)};
        err = state_run(tx,
                        "INSERT INTO incident_moved (incident, rank, series, before, after, score,"
                        " rate) VALUES (?1,?2,?3,?4,?5,?6,?7)",
                        values, COUNTOF(values), NULL, NULL, why);
    }
    return err;
}

int incident_store_note(struct state_tx *tx, int64_t id, const struct incident_entry *v,
                        struct why *why)
{
    const struct state_value values[] = {state_int(id), state_int(v->time_ms), state_text(v->kind),
                                         state_text(v->source), state_text(v->text)};
    return state_run(tx,
                     "INSERT INTO incident_notes (incident, time_ms, kind, who, text)"
                     " VALUES (?1,?2,?3,?4,?5)",
                     values, COUNTOF(values), NULL, NULL, why);
}

int incident_store_merge(struct state_tx *tx, int64_t id, int64_t into, struct why *why)
{
    static const char *const ALL[] = {
        "UPDATE OR REPLACE incident_problems SET incident = ?2 WHERE incident = ?1",
        "UPDATE incident_notes SET incident = ?2 WHERE incident = ?1",
        "UPDATE incident_incidents SET opened_ms = min(opened_ms, (SELECT opened_ms FROM"
        " incident_incidents WHERE id = ?1)) WHERE id = ?2",
    };
    const struct state_value values[] = {state_int(id), state_int(into)};
    int err = 0;
    for (size_t i = 0; i < COUNTOF(ALL) && !err; i++)
        err = state_run(tx, ALL[i], values, COUNTOF(values), NULL, NULL, why);
    return err;
}

int incident_store_expire(struct state_tx *tx, int64_t before_ms, struct why *why)
{
#define OLD "(SELECT id FROM incident_incidents WHERE open = 0 AND closed_ms < ?1)"
    static const char *const ALL[] = {
        "DELETE FROM incident_problems WHERE incident IN " OLD,
        "DELETE FROM incident_moved WHERE incident IN " OLD,
        "DELETE FROM incident_notes WHERE incident IN " OLD,
        "DELETE FROM incident_incidents WHERE open = 0 AND closed_ms < ?1",
    };
    struct state_value v = state_int(before_ms);
    int err = 0;
    for (size_t i = 0; i < COUNTOF(ALL) && !err; i++)
        err = state_run(tx, ALL[i], &v, 1, NULL, NULL, why);
    return err;
#undef OLD
}

/* ---- reading */

/* Rows of any type, gathered in an arena. */
struct rows {
    struct arena *arena;
    char *v; /* [n] of size bytes */
    size_t n, capacity, size, max;
    void (*read)(const struct state_value *c, struct arena *a, void *ret);
};

static int take(void *context, const struct state_value *c, size_t columns)
{
    struct rows *r = context;
    if (r->n == r->capacity) {
        size_t capacity = MAX(r->capacity * 2, (size_t)16);
        char *v = arena_array(r->arena, capacity, r->size);
        if (r->n)
            memcpy(v, r->v, r->n * r->size);
        r->v = v;
        r->capacity = capacity;
    }
    r->read(c, r->arena, r->v + r->n++ * r->size);
    return r->n >= r->max;
}

#define COLUMNS                                                                                    \
    "id, open, opened_ms, closed_ms, title, summary, labels, severity, merged_into,"               \
    " (SELECT count(*) FROM incident_problems WHERE incident = id),"                               \
    " (SELECT count(*) FROM incident_problems WHERE incident = id AND ends_ms = 0)"

static void read_incident(const struct state_value *c, struct arena *a, void *ret)
{
    *(struct incident *)ret = (struct incident){.id = c[0].integer,
                                                .open = c[1].integer != 0,
                                                .opened_ms = c[2].integer,
                                                .closed_ms = c[3].integer,
                                                .title = arena_str(a, c[4].bytes),
                                                .summary = arena_str(a, c[5].bytes),
                                                .labels = arena_str(a, c[6].bytes),
                                                .severity = arena_str(a, c[7].bytes),
                                                .merged_into = c[8].integer,
                                                .problems = (size_t)c[9].integer,
                                                .firing = (size_t)c[10].integer};
}

static void read_problem(const struct state_value *c, struct arena *a, void *ret)
{
    *(struct incident_problem *)ret =
        (struct incident_problem){.labels = arena_str(a, c[0].bytes),
                                  .title = arena_str(a, c[1].bytes),
                                  .severity = arena_str(a, c[2].bytes),
                                  .starts_ms = c[3].integer,
                                  .ends_ms = c[4].integer};
}

static void read_moved(const struct state_value *c, struct arena *a, void *ret)
{
    *(struct incident_moved *)ret = (struct incident_moved){.key = arena_str(a, c[0].bytes),
                                                            .before = c[1].real,
                                                            .after = c[2].real,
                                                            .score = c[3].real,
                                                            .rate = c[4].integer != 0};
}

static void read_note(const struct state_value *c, struct arena *a, void *ret)
{
    *(struct incident_entry *)ret = (struct incident_entry){.time_ms = c[0].integer,
                                                            .kind = arena_str(a, c[1].bytes),
                                                            .source = arena_str(a, c[2].bytes),
                                                            .text = arena_str(a, c[3].bytes),
                                                            .title = arena_str(a, c[3].bytes)};
}

int incident_store_list(struct state_tx *tx, const struct incident_query *q, struct arena *a,
                        struct incident **ret, size_t *ret_n, struct why *why)
{
    struct rows r = {.arena = a, .size = sizeof **ret, .read = read_incident};
    r.max = q->limit ? MIN(q->limit, (size_t)LIST_MAX) : LIST_DEFAULT;
    const struct state_value values[] = {state_int(q->from_ms), state_int(q->to_ms),
                                         state_int(q->open_only)};
    int err = state_run(tx,
                        "SELECT " COLUMNS " FROM incident_incidents WHERE opened_ms <= ?2 AND"
                        " (open = 1 OR closed_ms >= ?1) AND (?3 = 0 OR open = 1)"
                        " AND merged_into = 0 ORDER BY opened_ms DESC, id DESC",
                        values, COUNTOF(values), take, &r, why);
    *ret = (struct incident *)(void *)r.v;
    *ret_n = r.n;
    return MIN(err, 0);
}

int incident_store_get(struct state_tx *tx, int64_t id, struct arena *a, struct incident *ret,
                       struct why *why)
{
    struct rows r = {.arena = a, .size = sizeof *ret, .read = read_incident, .max = 1};
    struct state_value v = state_int(id);
    int err = state_run(tx, "SELECT " COLUMNS " FROM incident_incidents WHERE id = ?1", &v, 1, take,
                        &r, why);
    if (err < 0)
        return err;
    if (r.n == 0)
        return why_set(why, ERR_NOENT, "there is no incident %lld", (long long)id);
    memcpy(ret, r.v, sizeof *ret);
    return 0;
}

int incident_store_problems(struct state_tx *tx, int64_t id, struct arena *a,
                            struct incident_problem **ret, size_t *ret_n, struct why *why)
{
    struct rows r = {
        .arena = a, .size = sizeof **ret, .read = read_problem, .max = INCIDENT_PROBLEMS_MAX};
    struct state_value v = state_int(id);
    int err = state_run(tx,
                        "SELECT labels, title, severity, starts_ms, ends_ms FROM incident_problems"
                        " WHERE incident = ?1 ORDER BY starts_ms",
                        &v, 1, take, &r, why);
    *ret = (struct incident_problem *)(void *)r.v;
    *ret_n = r.n;
    return MIN(err, 0);
}

int incident_store_moved_list(struct state_tx *tx, int64_t id, struct arena *a,
                              struct incident_moved **ret, size_t *ret_n, struct why *why)
{
    struct rows r = {.arena = a, .size = sizeof **ret, .read = read_moved, .max = MOVED_MAX};
    struct state_value v = state_int(id);
    int err = state_run(tx,
                        "SELECT series, before, after, score, rate FROM incident_moved"
                        " WHERE incident = ?1 ORDER BY rank",
                        &v, 1, take, &r, why);
    *ret = (struct incident_moved *)(void *)r.v;
    *ret_n = r.n;
    return MIN(err, 0);
}

int incident_store_notes(struct state_tx *tx, int64_t id, struct arena *a,
                         struct incident_entry **ret, size_t *ret_n, struct why *why)
{
    struct rows r = {.arena = a, .size = sizeof **ret, .read = read_note, .max = NOTES_MAX};
    struct state_value v = state_int(id);
    int err = state_run(tx,
                        "SELECT time_ms, kind, who, text FROM incident_notes WHERE incident = ?1"
                        " ORDER BY id",
                        &v, 1, take, &r, why);
    *ret = (struct incident_entry *)(void *)r.v;
    *ret_n = r.n;
    return MIN(err, 0);
}
