#include <inttypes.h>
#include <stdio.h>

#include "base/vec.h"
#include "model/sample.h"
#include "rules/group_inside.h"

int group_query(const struct group_step *s, const struct promql_expr *tree,
                struct promql_result **ret)
{
    const struct group_world *w = s->world;
    struct promql_query q = {.expr = tree,
                             .options = w->options,
                             .store = w->store,
                             .tenant = w->tenant,
                             .start_ms = s->ts_ms,
                             .end_ms = s->ts_ms,
                             .instant = true,
                             .lookback_ms = w->lookback_ms,
                             .subquery_step_ms = w->interval_ms,
                             .limits = w->limits,
                             .canceled = w->canceled,
                             .pool = w->pool};
    struct promql_failure failure = {0};
    struct promql_result *result;
    if (promql_run(&q, &result, &failure) != 0)
        return why_set(s->why, failure.kind == PROMQL_CANCELED ? ERR_CANCELED : ERR_FORMAT, "%s",
                       failure.text);
    enum promql_type type = promql_result_type(result);
    if (type == PROMQL_SCALAR || type == PROMQL_VECTOR) {
        *ret = result;
        return 0;
    }
    promql_result_free(result);
    return why_set(s->why, ERR_FORMAT, "rule result is not a vector or scalar");
}

/* ---- into the store */

static int append(const struct group_world *w, struct batch *b, struct group_row *rows,
                  struct why *why)
{
    struct why first = {0};
    int err = w->sink->ops->append(w->sink, w->lane, w->tenant, b, &first);
    bool refused = err < 0;
    int worst = refused ? err : 0;
    for (size_t i = 0; i < b->n; i++) {
        rows[i].err = refused ? err : b->err[i];
        if (worst == 0)
            worst = rows[i].err;
    }
    if (worst != 0 && why->text[0] == '\0')
        why_set(why, (enum err) - worst, "%s", first.text[0] ? first.text : err_text(worst));
    return worst;
}

static void committed(void *context, int err)
{
    /* The commit's own thread reports a disk that cannot be written; the store's check shows it. */
    (void)context;
    (void)err;
}

int group_write(const struct group_world *w, struct group_row *rows, size_t n, int64_t ts_ms,
                struct why *why)
{
    struct batch b;
    int worst = 0;
    if (n == 0)
        return 0;
    if (w->lane_lock)
        thread_lock(w->lane_lock);
    for (size_t from = 0; from < n; from += b.n) {
        b.n = MIN(n - from, (size_t)BATCH_MAX);
        for (size_t i = 0; i < b.n; i++) {
            b.key[i] = rows[from + i].key;
            b.ts_ms[i] = ts_ms;
            b.value[i] = rows[from + i].value;
            b.histogram[i] = rows[from + i].histogram;
            b.start_ms[i] = 0;
            b.err[i] = 0;
        }
        int err = append(w, &b, rows + from, why);
        worst = worst == 0 ? err : worst;
    }
    w->sink->ops->commit(w->sink, w->lane, committed, NULL);
    if (w->lane_lock)
        thread_unlock(w->lane_lock);
    return worst;
}

static void push_stale(struct group_rows *rows, struct str key)
{
    struct group_row row = {.key = key, .value = sample_stale()};
    vec_push(rows, row);
}

void group_end_series(const struct group_world *w, const struct str *keys, size_t n, int64_t ts_ms)
{
    struct group_rows rows = {0};
    struct why why = {0};
    for (size_t i = 0; i < n; i++)
        push_stale(&rows, keys[i]);
    if (group_write(w, rows.v, rows.n, ts_ms, &why) != 0 && w->warn)
        w->warn(w->context, why.text);
    vec_free(&rows);
}

/* Writes what the rule gave and ends the series that it no longer gives. */
static int write_rows(struct group_step *s)
{
    struct group_rows *rows = s->rows;
    struct map now;
    map_init(&now, 0);
    int err = group_write(s->world, rows->v, rows->n, s->ts_ms, s->why);
    for (size_t i = 0; i < rows->n; i++)
        if (rows->v[i].err == 0)
            (void)map_put(&now, rows->v[i].key, NULL);
    struct group_rows gone = {0};
    size_t at = 0;
    for (struct map_slot *m; (m = map_next(&s->rule->written, &at)) != NULL;)
        if (map_get(&now, m->key) == NULL)
            push_stale(&gone, m->key);
    struct why why = {0};
    int end = group_write(s->world, gone.v, gone.n, s->ts_ms, &why);
    if (err == 0 && end != 0)
        *s->why = why;
    vec_free(&gone);
    thread_lock(&s->group->lock);
    map_done(&s->rule->written);
    s->rule->written = now;
    thread_unlock(&s->group->lock);
    return err == 0 ? end : err;
}

/* ---- one rule */

static void settle(struct group_step *s, int err, int64_t took_ns)
{
    struct group_rule *r = s->rule;
    char *text = err == 0 ? NULL : mem_text(s->why->text, strlen(s->why->text));
    thread_lock(&s->group->lock);
    mem_free(r->error);
    r->error = text;
    r->health = err == 0 ? RULE_OK : RULE_ERR;
    r->took_ns = took_ns;
    r->at_ms = s->t_ms;
    thread_unlock(&s->group->lock);
}

static void warn_of(const struct group_step *s)
{
    const struct rule *rule = s->rule->rule;
    char text[WHY_MAX + 512];
    if (s->world->warn == NULL)
        return;
    snprintf(text, sizeof text, "%.200s, group \"%.100s\", rule \"%.100s\": %s", s->group->file,
             s->group->rules->name.p, rule->record.n ? rule->record.p : rule->alert.p,
             s->why->text);
    s->world->warn(s->world->context, text);
}

static bool same_error(const struct group_rule *r, const struct why *why)
{
    return r->error != NULL && strcmp(r->error, why->text) == 0;
}

static void run_rule(struct group_step *s, struct group_outcome *ret)
{
    int64_t begun = clock_monotonic_ns(s->world->clock);
    bool alerting = s->rule->rule->alert.n > 0;
    int err = alerting ? group_alert(s) : group_record(s);
    if (err == -ERR_CANCELED) {
        ret->canceled = true;
        return;
    }
    s->rule->ran = err == 0;
    if (err == 0) {
        ret->samples += s->rows->n;
        err = write_rows(s);
    }
    ret->evaluated++;
    ret->failed += err != 0;
    if (err != 0 && !same_error(s->rule, s->why))
        warn_of(s);
    settle(s, err, clock_monotonic_ns(s->world->clock) - begun);
}

/* ---- the group */

static void end_leaving(struct group *g, const struct group_world *w, int64_t ts_ms)
{
    struct group_rows rows = {0};
    struct why why = {0};
    size_t at = 0;
    for (struct map_slot *m; (m = map_next(&g->leaving, &at)) != NULL;)
        if (!group_writes(g, m->key))
            push_stale(&rows, m->key);
    if (group_write(w, rows.v, rows.n, ts_ms, &why) != 0 && w->warn)
        w->warn(w->context, why.text);
    vec_free(&rows);
    map_done(&g->leaving);
    map_init(&g->leaving, 0);
}

/* Alerts are told when they are written down: what somebody has heard of survives a crash. */
static void tell(struct group *g, const struct group_world *w, int64_t t_ms, int64_t ts_ms,
                 struct arena *arena)
{
    group_keep(g, w, t_ms);
    for (size_t i = 0; i < g->rules->rules_n; i++) {
        struct group_step s = {g, &g->v[i], w, t_ms, ts_ms, arena, NULL, NULL};
        arena_reset(arena);
        if (s.rule->ran && s.rule->rule->alert.n > 0)
            group_send(&s);
    }
}

void group_evaluate(struct group *g, const struct group_world *w, int64_t t_ms,
                    struct group_outcome *ret)
{
    int64_t begun = clock_monotonic_ns(w->clock);
    int64_t offset = g->rules->has_query_offset ? g->rules->query_offset_ms : w->query_offset_ms;
    struct arena arena;
    struct group_rows rows = {0};
    arena_init(&arena);
    *ret = (struct group_outcome){0};
    for (size_t i = 0; i < g->rules->rules_n && !ret->canceled; i++) {
        struct why why = {0};
        struct group_step s = {g, &g->v[i], w, t_ms, t_ms - offset, &arena, &rows, &why};
        rows.n = 0;
        arena_reset(&arena);
        run_rule(&s, ret);
    }
    vec_free(&rows);
    if (!ret->canceled)
        tell(g, w, t_ms, t_ms - offset, &arena);
    arena_done(&arena);
    if (ret->canceled)
        return;
    end_leaving(g, w, t_ms - offset);
    thread_lock(&g->lock);
    g->took_ns = clock_monotonic_ns(w->clock) - begun;
    g->at_ms = t_ms;
    thread_unlock(&g->lock);
}
