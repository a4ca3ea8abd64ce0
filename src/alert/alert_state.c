#include "alert/alert_inside.h"

#include <math.h>

#include "base/vec.h"
#include "model/labels.h"

/* docs/format/alert.md draws these tables. */
static const char *const STEPS[] = {
    "CREATE TABLE alert_item(fingerprint INTEGER PRIMARY KEY, labels BLOB NOT NULL,"
    " annotations BLOB NOT NULL, url TEXT NOT NULL, value REAL, starts_ms INTEGER NOT NULL,"
    " ends_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, since_ms INTEGER NOT NULL,"
    " over_ms INTEGER NOT NULL, done_ms INTEGER NOT NULL, timeout INTEGER NOT NULL,"
    " resolved INTEGER NOT NULL, gone BLOB NOT NULL, acknowledged_by TEXT, acknowledged_ms INTEGER"
    " NOT NULL, assigned_to TEXT, ladder TEXT, ladder_base_ms INTEGER NOT NULL,"
    " ladder_step INTEGER NOT NULL, ladder_round INTEGER NOT NULL);"
    "CREATE TABLE alert_group(id BLOB PRIMARY KEY, next_ms INTEGER NOT NULL,"
    " flushed INTEGER NOT NULL, run INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE alert_told(key BLOB PRIMARY KEY, firing BLOB NOT NULL, resolved BLOB NOT NULL,"
    " time_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, over INTEGER NOT NULL);"
    "CREATE TABLE alert_silence(id TEXT PRIMARY KEY, matchers TEXT NOT NULL, starts_ms INTEGER NOT"
    " NULL, ends_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, created_by TEXT NOT NULL,"
    " comment TEXT NOT NULL, until_resolved INTEGER NOT NULL);"
    "CREATE TABLE alert_history(id INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, fingerprint"
    " INTEGER NOT NULL, labels BLOB NOT NULL, what TEXT NOT NULL, who TEXT NOT NULL, text TEXT NOT"
    " NULL);"
    "CREATE INDEX alert_history_time ON alert_history(time_ms);"
    "CREATE INDEX alert_history_alert ON alert_history(fingerprint, time_ms);"
    "CREATE TABLE alert_run(id INTEGER PRIMARY KEY CHECK (id = 1), run INTEGER NOT NULL,"
    " until_ms INTEGER NOT NULL);",
};

static const struct state_schema SCHEMA = {"alert", STEPS, COUNTOF(STEPS)};

static struct state_value text_of(const char *text)
{
    return text ? state_text(str_c(text)) : state_null();
}

static struct state_value set_of(const struct alert_set *s)
{
    return state_blob(str_of((const char *)s->v, s->n * sizeof *s->v));
}

/* ---- writing */

int alert_state_put_item(struct state_tx *tx, const struct alert_item *i, struct why *why)
{
    static const char *const SQL =
        "INSERT OR REPLACE INTO alert_item VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,"
        " ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)";
    const struct state_value v[] = {
        state_int((int64_t)i->fingerprint),
        state_blob(i->labels),
        state_blob(i->annotations),
        state_text(i->url),
        isnan(i->value) ? state_null() : state_real(i->value),
        state_int(i->starts_ms),
        state_int(i->ends_ms),
        state_int(i->updated_ms),
        state_int(i->since_ms),
        state_int(i->over_ms),
        state_int(i->done_ms),
        state_int(i->timeout),
        state_int(i->resolved),
        set_of(&i->gone),
        text_of(i->acknowledged_by),
        state_int(i->acknowledged_ms),
        text_of(i->assigned_to),
        i->escalation ? state_text(i->escalation->name) : state_null(),
        state_int(i->escalation_base_ms),
        state_int(i->escalation_step),
        state_int(i->escalation_round),
    };
    return state_run(tx, SQL, v, COUNTOF(v), NULL, NULL, why);
}

static int put_group(struct state_tx *tx, const struct alert_group *g, uint64_t run,
                     struct why *why)
{
    static const char *const SQL = "INSERT OR REPLACE INTO alert_group VALUES(?1, ?2, ?3, ?4)";
    const struct state_value v[] = {state_blob(str_of(g->id, g->id_n)), state_int(g->timer.at_ms),
                                    state_int(g->flushed), state_int((int64_t)run)};
    return state_run(tx, SQL, v, COUNTOF(v), NULL, NULL, why);
}

static int put_told(struct state_tx *tx, const struct alert_told *t, struct why *why)
{
    static const char *const PUT =
        "INSERT OR REPLACE INTO alert_told VALUES(?1, ?2, ?3, ?4, ?5, ?6)";
    static const char *const DROP = "DELETE FROM alert_told WHERE key = ?1";
    const struct state_value v[] = {state_blob(str_of(t->key, t->key_n)),
                                    set_of(&t->firing),
                                    set_of(&t->resolved),
                                    state_int(t->time_ms),
                                    state_int(t->expires_ms),
                                    state_int(t->over)};
    return t->gone ? state_run(tx, DROP, v, 1, NULL, NULL, why)
                   : state_run(tx, PUT, v, COUNTOF(v), NULL, NULL, why);
}

int alert_state_put_silence(struct state_tx *tx, const struct alert_quiet *s, struct why *why)
{
    static const char *const SQL =
        "INSERT OR REPLACE INTO alert_silence VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    struct buf matchers;
    buf_init(&matchers, 4 << 20);
    matcher_list_print(&s->matchers, &matchers);
    const struct state_value v[] = {
        state_text(s->id),      state_text(buf_str(&matchers)), state_int(s->starts_ms),
        state_int(s->ends_ms),  state_int(s->updated_ms),       state_text(s->created_by),
        state_text(s->comment), state_int(s->until_resolved),
    };
    int err = state_run(tx, SQL, v, COUNTOF(v), NULL, NULL, why);
    buf_done(&matchers);
    return err;
}

int alert_state_put_history(struct state_tx *tx, const struct alert_history_row *r, struct why *why)
{
    static const char *const SQL =
        "INSERT INTO alert_history(time_ms, fingerprint, labels, what, who, text)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6)";
    const struct state_value v[] = {state_int(r->time_ms), state_int((int64_t)r->fingerprint),
                                    state_blob(r->labels), state_text(r->what),
                                    state_text(r->who),    state_text(r->text)};
    return state_run(tx, SQL, v, COUNTOF(v), NULL, NULL, why);
}

static int write_gone(const struct alert_batch *b, struct state_tx *tx, struct why *why)
{
    static const char *const ITEM = "DELETE FROM alert_item WHERE fingerprint = ?1";
    static const char *const GROUP = "DELETE FROM alert_group WHERE id = ?1";
    static const char *const SILENCE = "DELETE FROM alert_silence WHERE id = ?1";
    static const char *const HISTORY = "DELETE FROM alert_history WHERE time_ms < ?1";
    int err = 0;
    for (size_t k = 0; err == 0 && k < b->items_gone.n; k++) {
        struct state_value v = state_int((int64_t)b->items_gone.v[k]);
        err = state_run(tx, ITEM, &v, 1, NULL, NULL, why);
    }
    for (size_t k = 0; err == 0 && k < b->groups_gone.n; k++) {
        struct state_value v = state_blob(b->groups_gone.v[k]);
        err = state_run(tx, GROUP, &v, 1, NULL, NULL, why);
    }
    for (size_t k = 0; err == 0 && k < b->silences_gone.n; k++) {
        struct state_value v = state_text(b->silences_gone.v[k]);
        err = state_run(tx, SILENCE, &v, 1, NULL, NULL, why);
    }
    struct state_value before = state_int(b->history_before_ms);
    if (err == 0 && b->history_before_ms)
        err = state_run(tx, HISTORY, &before, 1, NULL, NULL, why);
    return err;
}

static int write_rows(struct alerting *a, struct state_tx *tx, struct why *why)
{
    const struct alert_batch *b = &a->batch;
    int err = 0;
    for (size_t k = 0; err == 0 && k < b->items.n; k++)
        err = alert_state_put_item(tx, b->items.v[k], why);
    for (size_t k = 0; err == 0 && k < b->groups.n; k++)
        if (b->groups.v[k])
            err = put_group(tx, b->groups.v[k], a->run + b->ran, why);
    for (size_t k = 0; err == 0 && k < b->told.n; k++)
        err = put_told(tx, b->told.v[k], why);
    for (size_t k = 0; err == 0 && k < b->silences.n; k++)
        err = alert_state_put_silence(tx, b->silences.v[k], why);
    for (size_t k = 0; err == 0 && k < b->history.n; k++)
        err = alert_state_put_history(tx, &b->history.v[k], why);
    return err;
}

int alert_state_write(struct alerting *a, struct state_tx *tx, struct why *why)
{
    static const char *const RUN = "INSERT OR REPLACE INTO alert_run VALUES(1, ?1, ?2)";
    const struct alert_batch *b = &a->batch;
    int err = write_gone(b, tx, why);
    if (err == 0)
        err = write_rows(a, tx, why);
    for (size_t k = 0; err == 0 && k < b->messages.n; k++)
        err = a->config.add(a->config.context, tx, &b->messages.v[k], why);
    const struct state_value v[] = {state_int((int64_t)a->run + 1), state_int(a->ran_until_ms)};
    if (err == 0 && b->ran)
        err = state_run(tx, RUN, v, COUNTOF(v), NULL, NULL, why);
    return err;
}

/* ---- reading: a row that makes no sense is left out, and counted */

struct load {
    struct alerting *a;
    int64_t now_ms;
    size_t bad;
};

static int take_run(void *context, const struct state_value *c, size_t n)
{
    struct alerting *a = context;
    (void)n;
    a->run = (uint64_t)c[0].integer;
    a->ran_until_ms = c[1].integer;
    return 0;
}

static void take_set(struct alert_set *s, struct state_value v)
{
    size_t n = v.type == STATE_BLOB ? v.bytes.n / sizeof *s->v : 0;
    vec_reserve(s, n + 1);
    if (n)
        memcpy(s->v, v.bytes.p, n * sizeof *s->v);
    s->n = n;
    alert_item_set_sort(s);
}

static char *take_text(struct state_value v)
{
    return v.type == STATE_TEXT ? mem_text(v.bytes.p, v.bytes.n) : NULL;
}

static struct str bytes_of(struct state_value v)
{
    return v.type == STATE_TEXT || v.type == STATE_BLOB ? v.bytes : STR("");
}

static bool is_key(struct str key)
{
    bool bad = false;
    struct label l;
    for (const char *at = key.p; labels_next(key, &at, &l, &bad);)
        ;
    return !bad;
}

/* It ran out while nobody was here to hear of a renewal: whoever sends it gets the time that an
 * alert without an end has. */
static void give_grace(const struct load *l, struct alert_item *i)
{
    if (i->resolved || i->ends_ms > l->now_ms)
        return;
    i->ends_ms = l->now_ms + l->a->plan->resolve_timeout_ms;
    i->timeout = true;
    alert_item_touch(l->a, i);
}

static int take_item(void *context, const struct state_value *c, size_t n)
{
    struct load *l = context;
    struct str labels = bytes_of(c[1]), annotations = bytes_of(c[2]);
    uint64_t fingerprint = (uint64_t)c[0].integer;
    (void)n;
    if (labels.n == 0 || !is_key(labels) || !is_key(annotations) ||
        message_fingerprint(labels) != fingerprint) {
        l->bad++;
        return 0;
    }
    struct alert_item *i = alert_item_add(l->a, fingerprint);
    (void)alert_item_say(i, labels, annotations, bytes_of(c[3])); /* it is new */
    i->value = c[4].type == STATE_REAL  ? c[4].real
               : c[4].type == STATE_INT ? (double)c[4].integer
                                        : (double)NAN;
    i->starts_ms = c[5].integer;
    i->ends_ms = c[6].integer;
    i->updated_ms = c[7].integer;
    i->since_ms = c[8].integer;
    i->over_ms = c[9].integer;
    i->done_ms = c[10].integer;
    i->timeout = c[11].integer != 0;
    i->resolved = c[12].integer != 0;
    take_set(&i->gone, c[13]);
    i->acknowledged_by = take_text(c[14]);
    i->acknowledged_ms = c[15].integer;
    i->assigned_to = take_text(c[16]);
    i->escalation_name = take_text(c[17]);
    i->escalation_base_ms = c[18].integer;
    i->escalation_step = c[19].integer;
    i->escalation_round = c[20].integer;
    i->stored = true;
    give_grace(l, i);
    if (!i->resolved)
        alert_timer_set(&l->a->expiry, &i->expiry, i->ends_ms);
    return 0;
}

static int take_group(void *context, const struct state_value *c, size_t n)
{
    struct load *l = context;
    (void)n;
    alert_route_load(l->a, bytes_of(c[0]), c[1].integer, c[2].integer != 0, (uint64_t)c[3].integer);
    return 0;
}

static int take_told(void *context, const struct state_value *c, size_t n)
{
    struct load *l = context;
    struct alert_told *t = alert_told_load(l->a, bytes_of(c[0]));
    (void)n;
    take_set(&t->firing, c[1]);
    take_set(&t->resolved, c[2]);
    t->time_ms = c[3].integer;
    t->expires_ms = c[4].integer;
    t->over = c[5].integer != 0;
    return 0;
}

static int take_silence(void *context, const struct state_value *c, size_t n)
{
    struct load *l = context;
    struct arena arena;
    (void)n;
    arena_init(&arena);
    struct alert_quiet *s = arena_new(&arena, sizeof *s);
    if (matcher_parse(bytes_of(c[1]), &arena, &s->matchers, NULL) != 0) {
        matcher_list_done(&s->matchers);
        arena_done(&arena);
        l->bad++;
        return 0;
    }
    s->id = arena_str(&arena, bytes_of(c[0]));
    s->starts_ms = c[2].integer;
    s->ends_ms = c[3].integer;
    s->updated_ms = c[4].integer;
    s->created_by = arena_str(&arena, bytes_of(c[5]));
    s->comment = arena_str(&arena, bytes_of(c[6]));
    s->until_resolved = c[7].integer != 0;
    s->arena = arena;
    s->seen = (int)alert_quiet_state(s, l->now_ms);
    vec_push(&l->a->silences, s);
    return 0;
}

static int load(void *context, struct state_tx *tx, struct why *why)
{
    struct load *l = context;
    int err = state_run(tx, "SELECT run, until_ms FROM alert_run", NULL, 0, take_run, l->a, why);
    if (err == 0)
        err = state_run(tx, "SELECT * FROM alert_item", NULL, 0, take_item, l, why);
    if (err == 0)
        err = state_run(tx, "SELECT * FROM alert_group", NULL, 0, take_group, l, why);
    if (err == 0)
        err = state_run(tx, "SELECT * FROM alert_told", NULL, 0, take_told, l, why);
    if (err == 0)
        err = state_run(tx, "SELECT * FROM alert_silence", NULL, 0, take_silence, l, why);
    return err;
}

int alert_state_open(struct alerting *a, struct why *why)
{
    struct load l = {.a = a, .now_ms = clock_wall_ms(a->config.clock)};
    int err = state_prepare(a->config.state, &SCHEMA, why);
    if (err == 0)
        err = state_read(a->config.state, load, &l, why);
    if (err == 0)
        alert_metric_bad_rows(l.bad);
    return err;
}
