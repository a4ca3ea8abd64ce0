#include "remedy/remedy_store.h"

enum { LIST_DEFAULT = 100, LIST_MAX = 1000 };

static const char *const STEPS[] = {
    "CREATE TABLE remedy_runs ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " time_ms INTEGER NOT NULL,"
    " duration_ms INTEGER NOT NULL,"
    " name TEXT NOT NULL,"
    " who TEXT NOT NULL,"
    " action TEXT NOT NULL,"
    " labels BLOB NOT NULL,"
    " outcome TEXT NOT NULL,"
    " text TEXT NOT NULL);"
    "CREATE INDEX remedy_runs_name ON remedy_runs (name, id);",
};

const struct state_schema remedy_store_schema = {"remedy", STEPS, COUNTOF(STEPS)};

int remedy_store_put(struct state_tx *tx, const struct remedy_record *v, int64_t *ret_id,
                     struct why *why)
{
    const struct state_value values[] = {v->id ? state_int(v->id) : state_null(),
                                         state_int(v->time_ms),
                                         state_int(v->duration_ms),
                                         state_text(v->name),
                                         state_text(v->who),
                                         state_text(v->action),
                                         state_blob(v->labels),
                                         state_text(v->outcome),
                                         state_text(v->text)};
    int err = state_run(tx,
                        "INSERT OR REPLACE INTO remedy_runs (id, time_ms, duration_ms, name, who,"
                        " action, labels, outcome, text) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)",
                        values, COUNTOF(values), NULL, NULL, why);
    if (!err)
        *ret_id = v->id ? v->id : state_inserted(tx);
    return err;
}

struct listing {
    struct arena *arena;
    struct remedy_record *v; /* [max] */
    size_t n, max;
};

static int take(void *context, const struct state_value *c, size_t columns)
{
    struct listing *l = context;
    struct arena *a = l->arena;
    l->v[l->n++] = (struct remedy_record){.id = c[0].integer,
                                          .time_ms = c[1].integer,
                                          .duration_ms = c[2].integer,
                                          .name = arena_str(a, c[3].bytes),
                                          .who = arena_str(a, c[4].bytes),
                                          .action = arena_str(a, c[5].bytes),
                                          .labels = arena_str(a, c[6].bytes),
                                          .outcome = arena_str(a, c[7].bytes),
                                          .text = arena_str(a, c[8].bytes)};
    return l->n >= l->max;
}

int remedy_store_list(struct state_tx *tx, struct str name, size_t limit, struct arena *a,
                      struct remedy_record **ret, size_t *ret_n, struct why *why)
{
    struct listing l = {.arena = a, .max = limit ? MIN(limit, (size_t)LIST_MAX) : LIST_DEFAULT};
    struct state_value v = state_text(name);
    l.v = arena_array(a, l.max, sizeof *l.v);
    int err = state_run(tx,
                        "SELECT id, time_ms, duration_ms, name, who, action, labels, outcome, text"
                        " FROM remedy_runs WHERE ?1 = '' OR name = ?1 ORDER BY id DESC",
                        &v, 1, take, &l, why);
    *ret = l.v;
    *ret_n = l.n;
    return MIN(err, 0);
}

int remedy_store_expire(struct state_tx *tx, int64_t before_ms, struct why *why)
{
    struct state_value v = state_int(before_ms);
    return state_run(tx, "DELETE FROM remedy_runs WHERE time_ms < ?1", &v, 1, NULL, NULL, why);
}
