#include "checkin/checkin_store.h"

static const char *const STEPS[] = {
    "CREATE TABLE checkin_checks ("
    " name TEXT PRIMARY KEY,"
    " configured INTEGER NOT NULL,"
    " every_ms INTEGER NOT NULL,"
    " cron TEXT NOT NULL,"
    " zone TEXT NOT NULL,"
    " grace_ms INTEGER NOT NULL,"
    " max_runtime_ms INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL,"
    " start_ms INTEGER NOT NULL,"
    " end_ms INTEGER NOT NULL,"
    " success_ms INTEGER NOT NULL,"
    " duration_ms INTEGER NOT NULL,"
    " exit INTEGER NOT NULL,"
    " pings INTEGER NOT NULL,"
    " running INTEGER NOT NULL,"
    " failed INTEGER NOT NULL,"
    " state INTEGER NOT NULL,"
    " since_ms INTEGER NOT NULL,"
    " problem INTEGER NOT NULL,"
    " problem_ms INTEGER NOT NULL);"
    "CREATE TABLE checkin_pings ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " name TEXT NOT NULL,"
    " time_ms INTEGER NOT NULL,"
    " kind INTEGER NOT NULL,"
    " exit INTEGER NOT NULL,"
    " duration_ms INTEGER NOT NULL,"
    " output BLOB NOT NULL);"
    "CREATE INDEX checkin_pings_name ON checkin_pings (name, id);",
};

const struct state_schema checkin_store_schema = {"checkin", STEPS, COUNTOF(STEPS)};

int checkin_store_put(struct state_tx *tx, const struct checkin_store_row *row, struct why *why)
{
    const struct checkin_facts *f = &row->facts;
    const struct checkin_schedule *s = &row->schedule;
    const struct state_value values[] = {
        state_text(row->name),        state_int(row->configured), state_int(s->every_ms),
        state_text(s->cron),          state_text(s->zone),        state_int(s->grace_ms),
        state_int(s->max_runtime_ms), state_int(f->created_ms),   state_int(f->start_ms),
        state_int(f->end_ms),         state_int(f->success_ms),   state_int(f->duration_ms),
        state_int(f->exit),           state_int(f->pings),        state_int(f->running),
        state_int(f->failed),         state_int(f->state),        state_int(f->since_ms),
        state_int(f->problem),        state_int(f->problem_ms)};
    return state_run(tx,
                     "INSERT OR REPLACE INTO checkin_checks (name, configured, every_ms, cron,"
                     " zone, grace_ms, max_runtime_ms, created_ms, start_ms, end_ms, success_ms,"
                     " duration_ms, exit, pings, running, failed, state, since_ms, problem,"
                     " problem_ms) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,"
                     "?16,?17,?18,?19,?20)",
                     values, COUNTOF(values), NULL, NULL, why);
}

struct each {
    void (*f)(void *context, const struct checkin_store_row *row);
    void *context;
};

static int64_t bounded(int64_t v, int64_t max)
{
    return v < 0 || v > max ? 0 : v;
}

static int take_row(void *context, const struct state_value *c, size_t n)
{
    const struct each *e = context;
    struct checkin_store_row row = {
        .name = c[0].bytes,
        .configured = c[1].integer != 0,
        .schedule = {.every_ms = c[2].integer,
                     .cron = c[3].bytes,
                     .zone = c[4].bytes,
                     .grace_ms = c[5].integer,
                     .max_runtime_ms = c[6].integer},
        .facts = {.created_ms = c[7].integer,
                  .start_ms = c[8].integer,
                  .end_ms = c[9].integer,
                  .success_ms = c[10].integer,
                  .duration_ms = c[11].integer,
                  .exit = c[12].integer,
                  .pings = c[13].integer,
                  .running = c[14].integer != 0,
                  .failed = c[15].integer != 0,
                  .state = (enum checkin_state)bounded(c[16].integer, CHECKIN_OVERRUN),
                  .since_ms = c[17].integer,
                  .problem = (enum checkin_problem)bounded(c[18].integer, CHECKIN_PROBLEMS_N - 1),
                  .problem_ms = c[19].integer}};
    e->f(e->context, &row);
    return 0;
}

int checkin_store_each(struct state_tx *tx,
                       void (*f)(void *context, const struct checkin_store_row *row), void *context,
                       struct why *why)
{
    struct each e = {f, context};
    return state_run(tx,
                     "SELECT name, configured, every_ms, cron, zone, grace_ms, max_runtime_ms,"
                     " created_ms, start_ms, end_ms, success_ms, duration_ms, exit, pings,"
                     " running, failed, state, since_ms, problem, problem_ms"
                     " FROM checkin_checks ORDER BY name",
                     NULL, 0, take_row, &e, why);
}

int checkin_store_delete(struct state_tx *tx, struct str name, struct why *why)
{
    struct state_value v = state_text(name);
    int err = state_run(tx, "DELETE FROM checkin_pings WHERE name = ?1", &v, 1, NULL, NULL, why);
    return err ? err
               : state_run(tx, "DELETE FROM checkin_checks WHERE name = ?1", &v, 1, NULL, NULL,
                           why);
}

int checkin_store_ping(struct state_tx *tx, struct str name, const struct checkin_ping *ping,
                       struct why *why)
{
    const struct state_value values[] = {
        state_text(name),      state_int(ping->time_ms),     state_int(ping->kind),
        state_int(ping->exit), state_int(ping->duration_ms), state_blob(ping->output)};
    int err = state_run(tx,
                        "INSERT INTO checkin_pings (name, time_ms, kind, exit, duration_ms,"
                        " output) VALUES (?1,?2,?3,?4,?5,?6)",
                        values, COUNTOF(values), NULL, NULL, why);
    const struct state_value old[] = {state_text(name), state_int(CHECKIN_PINGS_MAX)};
    return err ? err
               : state_run(tx,
                           "DELETE FROM checkin_pings WHERE name = ?1 AND id <= (SELECT id FROM"
                           " checkin_pings WHERE name = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                           old, COUNTOF(old), NULL, NULL, why);
}

struct pings {
    struct arena *arena;
    struct checkin_ping *v; /* [CHECKIN_PINGS_MAX] */
    size_t n;
};

static int take_ping(void *context, const struct state_value *c, size_t n)
{
    struct pings *p = context;
    p->v[p->n++] =
        (struct checkin_ping){.time_ms = c[0].integer,
                              .kind = (enum checkin_kind)bounded(c[1].integer, CHECKIN_FAIL),
                              .exit = c[2].integer,
                              .duration_ms = c[3].integer,
                              .output = arena_str(p->arena, c[4].bytes)};
    return p->n == CHECKIN_PINGS_MAX;
}

int checkin_store_pings(struct state_tx *tx, struct str name, struct arena *a,
                        struct checkin_ping *ret, size_t *ret_n, struct why *why)
{
    struct pings p = {.arena = a, .v = ret};
    struct state_value v = state_text(name);
    int err = state_run(tx,
                        "SELECT time_ms, kind, exit, duration_ms, output FROM checkin_pings"
                        " WHERE name = ?1 ORDER BY id DESC",
                        &v, 1, take_ping, &p, why);
    *ret_n = p.n;
    return MIN(err, 0);
}
