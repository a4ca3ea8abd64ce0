#include "rules/keeper.h"

#include <math.h>

#include "base/vec.h"
#include "os/thread.h"

static const char *const STEPS[] = {
    "CREATE TABLE rules_alert ("
    " file TEXT NOT NULL, grp TEXT NOT NULL, rule INTEGER NOT NULL, labels BLOB NOT NULL,"
    " annotations BLOB NOT NULL, state INTEGER NOT NULL, active_ms INTEGER NOT NULL,"
    " fired_ms INTEGER NOT NULL, resolved_ms INTEGER NOT NULL, keep_since_ms INTEGER NOT NULL,"
    " value REAL, PRIMARY KEY (file, grp, rule, labels)) WITHOUT ROWID;"
    "CREATE TABLE rules_alive (one INTEGER PRIMARY KEY CHECK (one = 1), at_ms INTEGER NOT NULL);",
};

static const struct state_schema SCHEMA = {"rules", STEPS, COUNTOF(STEPS)};

/* ---- life */

static int take_time(void *context, const struct state_value *columns, size_t n)
{
    int64_t *at = context;
    (void)n;
    *at = columns[0].integer;
    return 0;
}

static int read_alive(void *context, struct state_tx *tx, struct why *why)
{
    return state_run(tx, "SELECT at_ms FROM rules_alive", NULL, 0, take_time, context, why);
}

int keeper_open(struct keeper *k, struct state *state, struct why *why)
{
    *k = (struct keeper){.state = state};
    thread_lock_init(&k->lock);
    int err = state_prepare(state, &SCHEMA, why);
    return err != 0 ? err : state_read(state, read_alive, &k->before_ms, why);
}

void keeper_close(struct keeper *k)
{
    if (k->state != NULL)
        (void)pthread_mutex_destroy(&k->lock);
    k->state = NULL;
}

bool keeper_knows(const struct keeper *k, int64_t now_ms, int64_t tolerance_ms)
{
    return k->before_ms != 0 && now_ms - k->before_ms <= tolerance_ms;
}

/* ---- one group */

struct reading {
    struct str file, group;
    struct arena *arena;
    struct {
        struct keeper_alert *v;
        size_t n, capacity;
    } rows;
};

static int take_alert(void *context, const struct state_value *c, size_t n)
{
    struct reading *r = context;
    (void)n;
    struct keeper_alert a = {.rule = (uint64_t)c[0].integer,
                             .labels = arena_str(r->arena, c[1].bytes),
                             .annotations = arena_str(r->arena, c[2].bytes),
                             .state = c[3].integer,
                             .active_ms = c[4].integer,
                             .fired_ms = c[5].integer,
                             .resolved_ms = c[6].integer,
                             .keep_since_ms = c[7].integer,
                             .value = c[8].type == STATE_REAL ? c[8].real : NAN};
    vec_push(&r->rows, a);
    return 0;
}

static int read_group(void *context, struct state_tx *tx, struct why *why)
{
    struct reading *r = context;
    const struct state_value values[] = {state_text(r->file), state_text(r->group)};
    return state_run(tx,
                     "SELECT rule, labels, annotations, state, active_ms, fired_ms, resolved_ms,"
                     " keep_since_ms, value FROM rules_alert WHERE file = ?1 AND grp = ?2",
                     values, COUNTOF(values), take_alert, r, why);
}

int keeper_read(struct keeper *k, struct str file, struct str group, struct arena *a,
                struct keeper_alert **ret, size_t *ret_n, struct why *why)
{
    struct reading r = {.file = file, .group = group, .arena = a};
    int err = state_read(k->state, read_group, &r, why);
    if (err == 0) {
        struct keeper_alert *v = arena_array(a, r.rows.n + 1, sizeof *v);
        for (size_t i = 0; i < r.rows.n; i++)
            v[i] = r.rows.v[i];
        *ret = v;
        *ret_n = r.rows.n;
    }
    vec_free(&r.rows);
    return err;
}

/* ---- writing */

struct writing {
    struct str file, group;
    const struct keeper_alert *v;
    size_t n;
    bool whole;
    int64_t now_ms;
};

static int put_alert(struct state_tx *tx, const struct writing *w, const struct keeper_alert *a,
                     struct why *why)
{
    const struct state_value values[] = {
        state_text(w->file),         state_text(w->group),       state_int((int64_t)a->rule),
        state_blob(a->labels),       state_blob(a->annotations), state_int(a->state),
        state_int(a->active_ms),     state_int(a->fired_ms),     state_int(a->resolved_ms),
        state_int(a->keep_since_ms), state_real(a->value)};
    if (a->gone)
        return state_run(tx,
                         "DELETE FROM rules_alert"
                         " WHERE file = ?1 AND grp = ?2 AND rule = ?3 AND labels = ?4",
                         values, 4, NULL, NULL, why);
    return state_run(tx,
                     "INSERT OR REPLACE INTO rules_alert (file, grp, rule, labels, annotations,"
                     " state, active_ms, fired_ms, resolved_ms, keep_since_ms, value)"
                     " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                     values, COUNTOF(values), NULL, NULL, why);
}

static int put_alive(struct state_tx *tx, int64_t now_ms, struct why *why)
{
    const struct state_value now = state_int(now_ms);
    return state_run(tx, "INSERT OR REPLACE INTO rules_alive (one, at_ms) VALUES (1, ?1)", &now, 1,
                     NULL, NULL, why);
}

static int drop_group(struct state_tx *tx, struct str file, struct str group, struct why *why)
{
    const struct state_value values[] = {state_text(file), state_text(group)};
    return state_run(tx, "DELETE FROM rules_alert WHERE file = ?1 AND grp = ?2", values,
                     COUNTOF(values), NULL, NULL, why);
}

static int write_group(void *context, struct state_tx *tx, struct why *why)
{
    const struct writing *w = context;
    int err = put_alive(tx, w->now_ms, why);
    if (err == 0 && w->whole)
        err = drop_group(tx, w->file, w->group, why);
    for (size_t i = 0; err == 0 && i < w->n; i++)
        err = put_alert(tx, w, &w->v[i], why);
    return err;
}

static void set_beat(struct keeper *k, int64_t now_ms)
{
    thread_lock(&k->lock);
    k->beat_ms = now_ms;
    thread_unlock(&k->lock);
}

int keeper_write(struct keeper *k, struct str file, struct str group, const struct keeper_alert *v,
                 size_t n, bool whole, int64_t now_ms, struct why *why)
{
    struct writing w = {file, group, v, n, whole, now_ms};
    int err = state_write(k->state, write_group, &w, why);
    if (err == 0)
        set_beat(k, now_ms);
    return err;
}

static int write_alive(void *context, struct state_tx *tx, struct why *why)
{
    return put_alive(tx, *(const int64_t *)context, why);
}

int keeper_beat(struct keeper *k, int64_t now_ms, struct why *why)
{
    thread_lock(&k->lock);
    bool due = now_ms - k->beat_ms >= KEEPER_BEAT_MS || now_ms < k->beat_ms;
    if (due)
        k->beat_ms = now_ms; /* by this thread alone */
    thread_unlock(&k->lock);
    return due ? state_write(k->state, write_alive, &now_ms, why) : 0;
}

/* ---- groups that are gone */

struct pruning {
    bool (*has)(void *context, struct str file, struct str group);
    void *context;
    struct arena arena;
    struct {
        struct str *v; /* file, group, file, group, .. */
        size_t n, capacity;
    } gone;
};

static int take_group(void *context, const struct state_value *c, size_t n)
{
    struct pruning *p = context;
    (void)n;
    if (p->has(p->context, c[0].bytes, c[1].bytes))
        return 0;
    vec_push(&p->gone, arena_str(&p->arena, c[0].bytes));
    vec_push(&p->gone, arena_str(&p->arena, c[1].bytes));
    return 0;
}

static int find_gone(void *context, struct state_tx *tx, struct why *why)
{
    return state_run(tx, "SELECT DISTINCT file, grp FROM rules_alert", NULL, 0, take_group, context,
                     why);
}

static int drop_gone(void *context, struct state_tx *tx, struct why *why)
{
    const struct pruning *p = context;
    int err = 0;
    for (size_t i = 0; err == 0 && i < p->gone.n; i += 2)
        err = drop_group(tx, p->gone.v[i], p->gone.v[i + 1], why);
    return err;
}

int keeper_prune(struct keeper *k, bool (*has)(void *context, struct str file, struct str group),
                 void *context, struct why *why)
{
    struct pruning p = {.has = has, .context = context};
    arena_init(&p.arena);
    int err = state_read(k->state, find_gone, &p, why);
    if (err == 0 && p.gone.n > 0)
        err = state_write(k->state, drop_gone, &p, why);
    vec_free(&p.gone);
    arena_done(&p.arena);
    return err;
}
