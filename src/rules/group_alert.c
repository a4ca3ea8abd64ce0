#include <inttypes.h>

#include "base/vec.h"
#include "rules/group_inside.h"
#include "rules/rule_template.h"

/* ---- templates */

static int template_query(void *context, struct str expr, struct arena *a,
                          struct rule_template_sample **ret, size_t *ret_n, struct why *why)
{
    struct group_step s = *(const struct group_step *)context;
    struct promql_failure failure = {0};
    struct promql_expr *tree;
    struct promql_result *result;
    s.ts_ms = s.t_ms;
    s.why = why;
    if (promql_parse(expr, s.world->options, a, &tree, &failure) != 0)
        return why_set(why, ERR_FORMAT, "%s", failure.text);
    int err = group_query(&s, tree, &result);
    if (err != 0)
        return err;
    size_t n = 0, count = promql_result_count(result);
    struct rule_template_sample *v = arena_array(a, count + 1, sizeof *v);
    struct promql_series row;
    int64_t ms;
    if (promql_result_type(result) == PROMQL_SCALAR)
        v[n++].value = promql_result_scalar(result, &ms);
    else
        for (; n < count && promql_result_next(result, &row); n++) {
            v[n].key = arena_str(a, row.key);
            v[n].value = row.value ? row.value[0] : 0;
        }
    promql_result_free(result);
    *ret = v;
    *ret_n = n;
    return 0;
}

/* A template with a fault shows the fault. */
static struct str expand(const struct group_step *s, struct rule_template_data *data,
                         struct str text)
{
    struct buf out;
    struct why why = {0};
    if (str_search(text, STR("{{")) == text.n)
        return text;
    struct str name = arena_printf(s->arena, "__alert_%s", s->rule->rule->alert.p);
    buf_init(&out, GROUP_TEXT_MAX);
    struct str expanded;
    if (rule_template_expand(text, name, data, s->arena, &out, &why) != 0)
        expanded = arena_printf(s->arena, "<error expanding template: %s>", why.text);
    else
        expanded = arena_str(s->arena, buf_str(&out));
    buf_done(&out);
    return expanded;
}

/* ---- what the query gives */

struct candidate {
    struct str key, annotations;
    double value;
};

struct candidates {
    struct candidate *v;
    size_t n, capacity;
};

static int candidate_of(struct group_step *s, struct group_labels *l,
                        const struct promql_series *row, struct candidate *ret)
{
    const struct group_rule *r = s->rule;
    struct rule_template_data data = {.labels = row->key,
                                      .value = row->value ? row->value[0] : 0,
                                      .histogram = row->histogram ? row->histogram[0] : NULL,
                                      .external_labels = s->world->external_labels,
                                      .external_url = s->world->external_url,
                                      .now_ms = s->t_ms,
                                      .query = template_query,
                                      .context = s};
    group_labels_read(l, row->key);
    group_labels_set(l, LABEL_METRIC, STR(""));
    for (size_t i = 0; i < r->labels_n; i++)
        group_labels_set(l, r->labels[i].name, expand(s, &data, r->labels[i].value));
    group_labels_set(l, STR("alertname"), r->rule->alert);
    struct rule_pair *notes = arena_array(s->arena, r->rule->annotations_n + 1, sizeof *notes);
    for (size_t i = 0; i < r->rule->annotations_n; i++) {
        notes[i].name = r->rule->annotations[i].name;
        notes[i].value = expand(s, &data, r->rule->annotations[i].value);
    }
    ret->value = data.histogram ? 0 : data.value;
    ret->annotations = group_labels_pairs(notes, r->rule->annotations_n, s->arena);
    return group_labels_key(l, s->arena, &ret->key, s->why);
}

static int take(struct group_step *s, const struct promql_series *row, struct group_labels *l,
                struct map *seen, struct candidates *ret)
{
    struct candidate c;
    bool fresh;
    int err = candidate_of(s, l, row, &c);
    if (err != 0)
        return err;
    (void)map_put(seen, c.key, &fresh);
    if (!fresh)
        return why_set(s->why, ERR_EXISTS,
                       "vector contains metrics with the same labelset after applying alert "
                       "labels");
    vec_push(ret, c);
    return 0;
}

/* Whether a result of a rule's hold goes on: only what fires can be held. */
static bool is_firing(const struct group_step *s, struct str key)
{
    const union map_value *at = map_get(&s->rule->active, key);
    return at != NULL && ((const struct group_alert *)at->p)->state == ALERT_FIRING;
}

/* Adds those of the results that expr did not give and that fire already. */
static int take_held(struct group_step *s, const struct promql_series *row, struct group_labels *l,
                     struct map *seen, struct candidates *ret)
{
    struct candidate c;
    bool fresh;
    int err = candidate_of(s, l, row, &c);
    if (err != 0 || !is_firing(s, c.key))
        return err;
    (void)map_put(seen, c.key, &fresh);
    if (fresh)
        vec_push(ret, c);
    return 0;
}

typedef int take_f(struct group_step *s, const struct promql_series *row, struct group_labels *l,
                   struct map *seen, struct candidates *ret);

static int find(struct group_step *s, const struct promql_expr *tree, take_f *one, struct map *seen,
                struct candidates *ret)
{
    struct promql_result *result;
    struct group_labels labels = {0};
    struct promql_series row;
    int err = group_query(s, tree, &result);
    if (err != 0)
        return err;
    if (promql_result_type(result) == PROMQL_SCALAR) {
        int64_t ms;
        double value = promql_result_scalar(result, &ms);
        row = (struct promql_series){.ts_ms = &ms, .value = &value, .n = 1};
        err = one(s, &row, &labels, seen, ret);
    } else {
        while (err == 0 && promql_result_next(result, &row))
            err = one(s, &row, &labels, seen, ret);
    }
    vec_free(&labels);
    promql_result_free(result);
    return err;
}

/* Only the evaluating thread, this one, changes states: they are read without the lock. */
static bool any_firing(const struct group_rule *r)
{
    size_t at = 0;
    bool firing = false;
    for (struct map_slot *m; !firing && (m = map_next(&r->active, &at)) != NULL;)
        firing = ((const struct group_alert *)m->value.p)->state == ALERT_FIRING;
    return firing;
}

/* ---- states */

static struct group_alert *alert_new(const struct candidate *c, int64_t t_ms)
{
    struct group_alert *a = mem_new(sizeof *a + c->key.n);
    char *key = (char *)(a + 1);
    memcpy(key, c->key.p, c->key.n);
    *a = (struct group_alert){.key = str_of(key, c->key.n),
                              .state = ALERT_PENDING,
                              .active_ms = t_ms,
                              .fired_ms = GROUP_NEVER,
                              .resolved_ms = GROUP_NEVER,
                              .keep_since_ms = GROUP_NEVER,
                              .sent_ms = GROUP_NEVER,
                              .valid_until_ms = GROUP_NEVER,
                              .changed = true};
    return a;
}

static void alert_free(struct group_alert *a)
{
    if (a != NULL)
        mem_free((void *)(uintptr_t)a->annotations.p);
    mem_free(a);
}

/* New ones begin to pend; those that are there get the new value and annotations. */
static void meet(struct group_rule *r, const struct candidate *c, int64_t t_ms)
{
    union map_value *at = map_put(&r->active, c->key, NULL);
    struct group_alert *a = at->p;
    if (a == NULL || a->state == ALERT_INACTIVE) {
        alert_free(a);
        at->p = a = alert_new(c, t_ms);
    }
    mem_free((void *)(uintptr_t)a->annotations.p);
    a->annotations = str_of(mem_text(c->annotations.p, c->annotations.n), c->annotations.n);
    a->value = c->value;
}

/* Not among the results: false where it is over. *ret_drop: nothing remembers it any more. */
static bool miss(const struct group_step *s, struct group_alert *a, bool *ret_drop)
{
    int64_t keep = s->rule->rule->keep_firing_for_ms, t_ms = s->t_ms;
    if (s->group->settling && a->state != ALERT_INACTIVE)
        return true;
    if (a->state == ALERT_FIRING && keep > 0) {
        if (a->keep_since_ms == GROUP_NEVER || a->keep_since_ms > t_ms) {
            a->keep_since_ms = t_ms;
            a->changed = true;
        }
        if (t_ms - a->keep_since_ms < keep)
            return true;
    }
    *ret_drop = a->state == ALERT_PENDING ||
                (a->resolved_ms != GROUP_NEVER &&
                 (t_ms - a->resolved_ms > GROUP_RESOLVED_KEPT_MS || a->resolved_ms > t_ms));
    if (a->state != ALERT_INACTIVE) {
        a->state = ALERT_INACTIVE;
        a->resolved_ms = t_ms;
        a->changed = true;
    }
    return false;
}

static void progress(const struct group_rule *r, struct group_alert *a, int64_t t_ms)
{
    /* The clock was set back: what began in the future begins now. */
    if (a->active_ms > t_ms) {
        a->active_ms = t_ms;
        a->changed = true;
    }
    if (a->state != ALERT_PENDING || t_ms - a->active_ms < r->rule->for_ms)
        return;
    a->state = ALERT_FIRING;
    a->fired_ms = t_ms;
    a->changed = true;
}

static int push_row(struct group_step *s, struct group_labels *l, const struct group_alert *a,
                    struct str metric, const char *state, double value)
{
    struct group_row row = {.value = value};
    group_labels_read(l, a->key);
    group_labels_set(l, LABEL_METRIC, metric);
    if (state != NULL)
        group_labels_set(l, STR("alertstate"), str_c(state));
    int err = group_labels_key(l, s->arena, &row.key, s->why);
    if (err == 0)
        vec_push(s->rows, row);
    return err;
}

static int64_t seconds_of(int64_t ms)
{
    int64_t s = ms / 1000;
    return ms % 1000 < 0 ? s - 1 : s;
}

static int push_rows(struct group_step *s, struct group_labels *l, const struct group_alert *a)
{
    int err = push_row(s, l, a, STR("ALERTS"), alert_state_text(a->state), 1);
    if (err == 0)
        err = push_row(s, l, a, STR("ALERTS_FOR_STATE"), NULL, (double)seconds_of(a->active_ms));
    return err;
}

struct dropped {
    struct str *v;
    size_t n, capacity;
};

/* What is written down of it is dropped with the end of the run. */
static void forget(struct group_step *s, struct str key)
{
    if (s->world->keeper != NULL)
        (void)map_put(&s->rule->gone, key, NULL);
}

/* Moves all alerts on to t; the number of those that pend or fire. */
static int move_on(struct group_step *s, const struct map *seen, struct group_labels *l,
                   uint64_t *ret)
{
    struct group_rule *r = s->rule;
    struct dropped dropped = {0};
    uint64_t n = 0;
    size_t at = 0;
    int err = 0;
    for (struct map_slot *m; err == 0 && (m = map_next(&r->active, &at)) != NULL;) {
        struct group_alert *a = m->value.p;
        bool drop = false;
        if (map_get(seen, m->key) != NULL) {
            a->changed |= a->keep_since_ms != GROUP_NEVER;
            a->keep_since_ms = GROUP_NEVER;
        } else if (!miss(s, a, &drop)) {
            if (drop)
                vec_push(&dropped, a->key);
            continue;
        }
        n++;
        progress(r, a, s->t_ms);
        if (r->restored)
            err = push_rows(s, l, a);
    }
    for (size_t i = 0; i < dropped.n; i++) {
        struct group_alert *a = map_get(&r->active, dropped.v[i])->p;
        forget(s, a->key);
        (void)map_drop(&r->active, a->key);
        alert_free(a);
    }
    vec_free(&dropped);
    *ret = n;
    return err;
}

static int apply(struct group_step *s, const struct candidates *found, const struct map *seen)
{
    struct group_labels labels = {0};
    uint64_t n = 0, limit = s->group->rules->limit;
    thread_lock(&s->group->lock);
    for (size_t i = 0; i < found->n; i++)
        meet(s->rule, &found->v[i], s->t_ms);
    int err = move_on(s, seen, &labels, &n);
    if (err == 0 && limit > 0 && n > limit) {
        size_t at = 0;
        for (struct map_slot *m; (m = map_next(&s->rule->active, &at)) != NULL;)
            forget(s, m->key);
        group_alerts_clear(s->rule);
        err = why_set(s->why, ERR_LIMIT, "exceeded limit of %" PRIu64 " with %" PRIu64 " alerts",
                      limit, n);
    }
    thread_unlock(&s->group->lock);
    vec_free(&labels);
    return err;
}

int group_alert(struct group_step *s)
{
    struct map seen;
    struct candidates found = {0};
    map_init(&seen, 0);
    const struct rule *rule = s->rule->rule;
    int err = find(s, rule->tree, take, &seen, &found);
    if (err == 0 && rule->hold_tree != NULL && any_firing(s->rule))
        err = find(s, rule->hold_tree, take_held, &seen, &found);
    if (err == 0)
        err = apply(s, &found, &seen);
    vec_free(&found);
    map_done(&seen);
    return err;
}
