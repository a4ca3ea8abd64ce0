/* What outlives the daemon, in state.db: spans of states, when the daemon ran, checks and windows
 * that programs and people made. docs/format/state.md draws the tables. */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "health/checkup_inside.h"

enum {
    BEAT_MS = 5000,     /* between two notes that the daemon runs */
    CARRY_MS = 600000,  /* a state that is older is not carried on */
    QUEUE_MAX = 100000, /* changes that wait; more are dropped and counted in a warning */
    PRUNE_MS = 3600000,
};

static const int64_t DAY_MS = 86400000;
static const char *const MODULE = "health";

static const char *const STEPS[] = {
    "CREATE TABLE health_session(id INTEGER PRIMARY KEY, from_ms INTEGER NOT NULL,"
    " to_ms INTEGER NOT NULL);"
    "CREATE TABLE health_span(id INTEGER PRIMARY KEY, name TEXT NOT NULL,"
    " from_ms INTEGER NOT NULL, to_ms INTEGER, state INTEGER NOT NULL,"
    " maintenance INTEGER NOT NULL, message TEXT NOT NULL, duration_s REAL NOT NULL);"
    "CREATE INDEX health_span_by_name ON health_span(name, from_ms);"
    "CREATE INDEX health_span_open ON health_span(name) WHERE to_ms IS NULL;"
    "CREATE TABLE health_check(name TEXT PRIMARY KEY, origin INTEGER NOT NULL,"
    " json TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE health_maintenance(id INTEGER PRIMARY KEY, json TEXT NOT NULL);",
};
static const struct state_schema SCHEMA = {"health", STEPS, COUNTOF(STEPS)};

/* A change that waits to be written; texts are owned. */
struct change {
    char *name, *message;
    int64_t time_ms;
    uint8_t state;
    bool maintenance;
    double duration_s;
};

struct changes {
    struct change *v; /* [n] */
    size_t n, capacity;
};

/* What state.db knows of a check. */
struct past {
    struct standing_history history;
    int64_t since_ms;
    uint8_t state;
};

struct checkup_record {
    struct checkup *checkup;
    pthread_mutex_t lock;
    struct changes waiting;
    bool writing, dropped, failed;
    int64_t session, beat_ms, pruned_ms;
    struct map past; /* name -> struct past, until a check takes it */
};

/* ---- reading what there was */

static int take_session(void *context, const struct state_value *v, size_t n)
{
    *(int64_t *)context = v[0].integer;
    return 0;
}

static int take_span(void *context, const struct state_value *v, size_t n)
{
    struct checkup_record *r = context;
    bool is_new;
    union map_value *slot = map_put(&r->past, v[0].bytes, &is_new);
    if (is_new)
        slot->p = mem_new(sizeof(struct past));
    struct past *p = slot->p;
    struct standing_span span = {v[1].integer, v[2].integer, (uint8_t)(v[3].integer & 3),
                                 v[4].integer != 0};
    bool goes_on = p->history.n > 0 && p->state == span.state &&
                   span.from_ms == p->history.v[p->history.n - 1].to_ms;
    if (!goes_on)
        p->since_ms = span.from_ms;
    p->state = span.state;
    vec_push(&p->history, span);
    return 0;
}

static int begin_session(void *context, struct state_tx *tx, struct why *why)
{
    struct checkup_record *r = context;
    int64_t now = clock_wall_ms(r->checkup->plan.clock), last = 0;
    int64_t keep = now - r->checkup->plan.settings->own.history_days * DAY_MS;
    int err =
        state_run(tx, "SELECT max(to_ms) FROM health_session", NULL, 0, take_session, &last, why);
    /* What went on when the daemon ended, or died, ended with it. */
    const struct state_value end[] = {state_int(last)};
    if (err == 0)
        err = state_run(tx, "UPDATE health_span SET to_ms = max(from_ms, ?1) WHERE to_ms IS NULL",
                        end, 1, NULL, NULL, why);
    const struct state_value from[] = {state_int(keep)};
    if (err == 0)
        err = state_run(tx, "DELETE FROM health_span WHERE to_ms < ?1", from, 1, NULL, NULL, why);
    if (err == 0)
        err =
            state_run(tx, "DELETE FROM health_session WHERE to_ms < ?1", from, 1, NULL, NULL, why);
    const struct state_value session[] = {state_int(now)};
    if (err == 0)
        err = state_run(tx, "INSERT INTO health_session(from_ms, to_ms) VALUES(?1, ?1)", session, 1,
                        NULL, NULL, why);
    if (err == 0)
        r->session = state_inserted(tx);
    if (err == 0)
        err = state_run(tx,
                        "SELECT name, from_ms, to_ms, state, maintenance FROM health_span"
                        " ORDER BY name, from_ms, id",
                        NULL, 0, take_span, r, why);
    return err;
}

int checkup_record_open(struct checkup *c, struct why *why)
{
    if (c->plan.state == NULL)
        return 0;
    struct checkup_record *r = mem_new(sizeof *r);
    r->checkup = c;
    thread_lock_init(&r->lock);
    map_init(&r->past, 1);
    c->record = r;
    int err = state_prepare(c->plan.state, &SCHEMA, why);
    return err != 0 ? err : state_write(c->plan.state, begin_session, r, why);
}

void checkup_record_carry(struct checkup *c, struct checkup_check *k)
{
    struct checkup_record *r = c->record;
    union map_value *slot = r ? map_get(&r->past, str_c(k->settings.name)) : NULL;
    if (slot == NULL)
        return;
    struct past *p = slot->p;
    int64_t last = p->history.v[p->history.n - 1].to_ms;
    k->history = p->history;
    k->carried = p->state != HEALTH_UNKNOWN && clock_wall_ms(c->plan.clock) - last < CARRY_MS;
    k->carried_state = (enum health_state)p->state;
    k->carried_since_ms = p->since_ms;
    mem_free(p);
    (void)map_drop(&r->past, str_c(k->settings.name));
}

/* ---- writing what changes */

static void free_changes(struct changes *all)
{
    for (size_t i = 0; i < all->n; i++) {
        mem_free(all->v[i].name);
        mem_free(all->v[i].message);
    }
    vec_free(all);
}

void checkup_record_change(struct checkup_check *k)
{
    struct checkup_record *r = k->checkup->record;
    if (r == NULL)
        return;
    const struct standing_span *last = &k->history.v[k->history.n - 1];
    const char *message = k->because != NULL ? k->because->settings.name : k->result.message;
    struct change v = {.name = mem_text(k->settings.name, strlen(k->settings.name)),
                       .time_ms = last->from_ms,
                       .state = last->state,
                       .maintenance = last->maintenance,
                       .duration_s = k->result.duration_s};
    if (k->because != NULL) {
        struct buf b;
        buf_init(&b, 400);
        buf_printf(&b, "because %s is down", message);
        v.message = mem_text(b.p, b.n);
        buf_done(&b);
    } else {
        v.message = mem_text(message, strlen(message));
    }
    thread_lock(&r->lock);
    if (r->waiting.n >= QUEUE_MAX) {
        r->dropped = true;
        mem_free(v.name);
        mem_free(v.message);
    } else {
        vec_push(&r->waiting, v);
    }
    thread_unlock(&r->lock);
}

struct batch_of_changes {
    struct checkup_record *record;
    struct changes changes;
};

static int write_change(struct state_tx *tx, const struct change *v, struct why *why)
{
    const struct state_value end[] = {state_text(str_c(v->name)), state_int(v->time_ms)};
    int err = state_run(tx,
                        "UPDATE health_span SET to_ms = max(from_ms, ?2)"
                        " WHERE name = ?1 AND to_ms IS NULL",
                        end, 2, NULL, NULL, why);
    const struct state_value row[] = {state_text(str_c(v->name)),    state_int(v->time_ms),
                                      state_int(v->state),           state_int(v->maintenance),
                                      state_text(str_c(v->message)), state_real(v->duration_s)};
    if (err == 0)
        err = state_run(tx,
                        "INSERT INTO health_span(name, from_ms, state, maintenance, message,"
                        " duration_s) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
                        row, 6, NULL, NULL, why);
    return err;
}

static int write_all(void *context, struct state_tx *tx, struct why *why)
{
    const struct batch_of_changes *b = context;
    struct checkup_record *r = b->record;
    int64_t now = clock_wall_ms(r->checkup->plan.clock);
    const struct state_value beat[] = {state_int(r->session), state_int(now)};
    int err = state_run(tx, "UPDATE health_session SET to_ms = ?2 WHERE id = ?1", beat, 2, NULL,
                        NULL, why);
    for (size_t i = 0; i < b->changes.n && err == 0; i++)
        err = write_change(tx, &b->changes.v[i], why);
    if (err == 0 && now - r->pruned_ms > PRUNE_MS) {
        const struct checkup_settings_own *own = &r->checkup->plan.settings->own;
        const struct state_value keep[] = {state_int(now - own->history_days * DAY_MS)};
        const struct state_value most[] = {state_int(own->history_max)};
        err = state_run(tx, "DELETE FROM health_span WHERE to_ms < ?1", keep, 1, NULL, NULL, why);
        if (err == 0)
            err = state_run(tx,
                            "DELETE FROM health_span WHERE id IN (SELECT id FROM (SELECT id,"
                            " row_number() OVER (PARTITION BY name ORDER BY from_ms DESC, id DESC)"
                            " AS place FROM health_span) WHERE place > ?1)",
                            most, 1, NULL, NULL, why);
        r->pruned_ms = now;
    }
    return err;
}

/* Writes what waits; what cannot be written waits on. */
static void write_now(struct checkup_record *r)
{
    struct batch_of_changes b = {.record = r};
    struct why why = {0};
    thread_lock(&r->lock);
    b.changes = r->waiting;
    r->waiting = (struct changes){0};
    thread_unlock(&r->lock);
    int err = state_write(r->checkup->plan.state, write_all, &b, &why);
    if (err != 0 && !r->failed)
        log_warn(MODULE, "changes of checks cannot be kept: %s",
                 why.text[0] ? why.text : err_text(err));
    r->failed = err != 0;
    thread_lock(&r->lock);
    if (err != 0) { /* before those that came meanwhile */
        for (size_t i = 0; i < r->waiting.n; i++)
            vec_push(&b.changes, r->waiting.v[i]);
        vec_free(&r->waiting);
        r->waiting = b.changes;
    }
    r->writing = false;
    thread_unlock(&r->lock);
    if (err == 0)
        free_changes(&b.changes);
}

static void on_pool(void *context)
{
    write_now(context);
}

void checkup_record_tick(struct checkup *c)
{
    struct checkup_record *r = c->record;
    if (r == NULL)
        return;
    int64_t now = clock_wall_ms(c->plan.clock);
    thread_lock(&r->lock);
    bool due = r->waiting.n > 0 || now - r->beat_ms >= BEAT_MS || now < r->beat_ms;
    bool begin = due && !r->writing;
    if (begin) {
        r->writing = true;
        r->beat_ms = now;
    }
    bool dropped = r->dropped;
    r->dropped = false;
    thread_unlock(&r->lock);
    if (dropped)
        log_warn(MODULE, "changes of checks were not kept: more than %d wait", QUEUE_MAX);
    if (begin && pool_run(c->pool, on_pool, r) != 0) {
        thread_lock(&r->lock);
        r->writing = false;
        thread_unlock(&r->lock);
    }
}

void checkup_record_close(struct checkup *c)
{
    struct checkup_record *r = c->record;
    size_t at = 0;
    if (r->session != 0)
        write_now(r);
    for (struct map_slot *slot; (slot = map_next(&r->past, &at)) != NULL;) {
        standing_history_done(&((struct past *)slot->value.p)->history);
        mem_free(slot->value.p);
    }
    map_done(&r->past);
    free_changes(&r->waiting);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
    c->record = NULL;
}

/* ---- history */

struct asked {
    struct arena *arena;
    struct str name;
    int64_t from_ms, to_ms;
    size_t limit;
    struct {
        struct checkup_change *v;
        size_t n, capacity;
    } found;
};

static int take_change(void *context, const struct state_value *v, size_t n)
{
    struct asked *a = context;
    struct checkup_change change = {
        .from_ms = v[0].integer,
        .to_ms = v[1].type == STATE_NULL ? 0 : v[1].integer,
        .state = (enum health_state)(v[2].integer & 3),
        .maintenance = v[3].integer != 0,
        .message = arena_str(a->arena, v[4].bytes),
        .duration_s = v[5].real,
    };
    vec_push(&a->found, change);
    return 0;
}

static int read_history(void *context, struct state_tx *tx, struct why *why)
{
    struct asked *a = context;
    const struct state_value values[] = {state_text(a->name), state_int(a->from_ms),
                                         state_int(a->to_ms), state_int((int64_t)a->limit)};
    return state_run(tx,
                     "SELECT from_ms, to_ms, state, maintenance, message, duration_s"
                     " FROM health_span WHERE name = ?1 AND from_ms < ?3"
                     " AND (to_ms IS NULL OR to_ms >= ?2) ORDER BY from_ms DESC, id DESC LIMIT ?4",
                     values, 4, take_change, a, why);
}

int checkup_history(struct checkup *c, struct str name, int64_t from_ms, int64_t to_ms,
                    size_t limit, struct arena *arena, struct checkup_change **ret, size_t *ret_n,
                    struct why *why)
{
    struct asked a = {arena, name, from_ms, to_ms, limit, {0}};
    if (c == NULL || c->plan.state == NULL)
        return why_set(why, ERR_NOENT, "no history is kept");
    int err = state_read(c->plan.state, read_history, &a, why);
    if (err == 0) {
        *ret = arena_array(arena, a.found.n + 1, sizeof **ret);
        if (a.found.n > 0)
            memcpy(*ret, a.found.v, a.found.n * sizeof **ret);
        *ret_n = a.found.n;
    }
    vec_free(&a.found);
    return err;
}

/* ---- checks and windows that were made */

struct loading {
    struct checkup *checkup;
    struct why *why;
};

/* One that cannot be used any more is told and left where it is. */
static int take_check(void *context, const struct state_value *v, size_t n)
{
    struct loading *l = context;
    struct checkup_check *k;
    struct why why = {0};
    struct checkup *c = l->checkup;
    int err = 0;
    if (checkup_inside_find(c, v[0].bytes) != NULL)
        err = why_set(&why, ERR_EXISTS, "the configuration has one of that name");
    if (err == 0)
        err = checkup_inside_make(
            c, v[0].bytes, v[2].bytes,
            v[1].integer == CHECKUP_REGISTERED ? CHECKUP_REGISTERED : CHECKUP_API, &k, &why);
    if (err == 0 && (err = checkup_inside_add(c, k, &why)) != 0)
        checkup_inside_free_check(k);
    if (err != 0)
        log_warn(MODULE, "the check \"" STR_FMT "\" that was made over the API is left out: %s",
                 STR_ARG(v[0].bytes), why.text);
    return 0;
}

static int take_window(void *context, const struct state_value *v, size_t n)
{
    struct loading *l = context;
    struct checkup_window *w;
    struct why why = {0};
    if (checkup_inside_make_window(v[1].bytes, &w, &why) != 0) {
        log_warn(MODULE, "the maintenance %lld is left out: %s", (long long)v[0].integer, why.text);
        return 0;
    }
    w->id = v[0].integer;
    vec_push(&l->checkup->windows, w);
    return 0;
}

static int load(void *context, struct state_tx *tx, struct why *why)
{
    struct loading l = {context, why};
    int err = state_run(tx, "SELECT name, origin, json FROM health_check ORDER BY name", NULL, 0,
                        take_check, &l, why);
    if (err == 0)
        err = state_run(tx, "SELECT id, json FROM health_maintenance ORDER BY id", NULL, 0,
                        take_window, &l, why);
    return err;
}

int checkup_record_load(struct checkup *c, struct why *why)
{
    return c->plan.state ? state_read(c->plan.state, load, c, why) : 0;
}

struct row {
    struct str name, json;
    int64_t id, origin;
};

static int write_check(void *context, struct state_tx *tx, struct why *why)
{
    const struct row *r = context;
    const struct state_value v[] = {state_text(r->name), state_int(r->origin), state_text(r->json)};
    return state_run(tx,
                     "INSERT OR REPLACE INTO health_check(name, origin, json)"
                     " VALUES(?1, ?2, ?3)",
                     v, 3, NULL, NULL, why);
}

static int drop_check(void *context, struct state_tx *tx, struct why *why)
{
    const struct row *r = context;
    const struct state_value v[] = {state_text(r->name)};
    return state_run(tx, "DELETE FROM health_check WHERE name = ?1", v, 1, NULL, NULL, why);
}

int checkup_record_put(struct checkup *c, const struct checkup_check *k, struct why *why)
{
    if (c->plan.state == NULL)
        return 0;
    struct json_writer w;
    struct buf b;
    buf_init(&b, 1 << 20);
    json_writer_init(&w, &b);
    json_begin_object(&w);
    checkup_settings_write(&checkup_settings_options, &k->settings, false, &w);
    json_end_object(&w);
    struct row r = {.name = str_c(k->settings.name), .json = buf_str(&b), .origin = k->origin};
    int err = buf_failed(&b) ? why_set(why, ERR_LIMIT, "the check is longer than 1 MiB")
                             : state_write(c->plan.state, write_check, &r, why);
    buf_done(&b);
    return err;
}

int checkup_record_drop(struct checkup *c, struct str name, struct why *why)
{
    struct row r = {.name = name};
    return c->plan.state ? state_write(c->plan.state, drop_check, &r, why) : 0;
}

static int write_window(void *context, struct state_tx *tx, struct why *why)
{
    struct row *r = context;
    const struct state_value v[] = {state_text(r->json)};
    int err =
        state_run(tx, "INSERT INTO health_maintenance(json) VALUES(?1)", v, 1, NULL, NULL, why);
    if (err == 0)
        r->id = state_inserted(tx);
    return err;
}

static int drop_window(void *context, struct state_tx *tx, struct why *why)
{
    const struct row *r = context;
    const struct state_value v[] = {state_int(r->id)};
    return state_run(tx, "DELETE FROM health_maintenance WHERE id = ?1", v, 1, NULL, NULL, why);
}

int checkup_record_put_window(struct checkup *c, const struct checkup_window *w, int64_t *ret_id,
                              struct why *why)
{
    if (c->plan.state == NULL)
        return why_set(why, ERR_STATE, "there is no place to keep it");
    struct json_writer json;
    struct buf b;
    buf_init(&b, 1 << 20);
    json_writer_init(&json, &b);
    json_begin_object(&json);
    checkup_settings_write(&checkup_settings_maintenance_options, &w->settings, false, &json);
    json_end_object(&json);
    struct row r = {.json = buf_str(&b)};
    int err = state_write(c->plan.state, write_window, &r, why);
    if (err == 0)
        *ret_id = r.id;
    buf_done(&b);
    return err;
}

int checkup_record_drop_window(struct checkup *c, int64_t id, struct why *why)
{
    struct row r = {.id = id};
    return c->plan.state ? state_write(c->plan.state, drop_window, &r, why) : 0;
}
