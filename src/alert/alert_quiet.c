#include "alert/alert_inside.h"

#include "base/vec.h"
#include "model/labels.h"

enum { PAIR_BYTES_MAX = LABEL_NAME_MAX + LABEL_VALUE_MAX + 1 };

enum alert_quiet_state alert_quiet_state(const struct alert_quiet *s, int64_t now_ms)
{
    if (s->ends_ms <= now_ms)
        return ALERT_QUIET_EXPIRED;
    return s->starts_ms <= now_ms ? ALERT_QUIET_ACTIVE : ALERT_QUIET_PENDING;
}

void alert_quiet_free(struct alert_quiet *s)
{
    if (s == NULL)
        return;
    matcher_list_done(&s->matchers);
    struct arena arena = s->arena;
    arena_done(&arena);
}

/* ---- which silences hold an alert: by one equality of each, so that many silences cost little */

static const struct matcher_item *equality_of(const struct alert_quiet *s)
{
    for (size_t k = 0; k < s->matchers.n; k++)
        if (s->matchers.v[k].op == MATCHER_EQUAL && s->matchers.v[k].value.n)
            return &s->matchers.v[k];
    return NULL;
}

static void put_pair(struct buf *b, struct str name, struct str value)
{
    buf_clear(b);
    buf_put_str(b, name);
    buf_put_c(b, '\0');
    buf_put_str(b, value);
}

static void clear_index(struct alerting *a)
{
    size_t at = 0;
    for (struct map_slot *m; (m = map_next(&a->silences_by, &at)) != NULL;) {
        struct alert_quiet_list *list = m->value.p;
        vec_free(list);
        mem_free(list);
    }
    map_done(&a->silences_by);
    map_init(&a->silences_by, 0);
    a->silences_rest.n = 0;
}

static void index_one(struct alerting *a, struct alert_quiet *s, struct buf *scratch)
{
    const struct matcher_item *m = equality_of(s);
    if (m == NULL) {
        vec_push(&a->silences_rest, s);
        return;
    }
    put_pair(scratch, m->name, m->value);
    union map_value *v = map_put(&a->silences_by, buf_str(scratch), NULL);
    if (v->p == NULL)
        v->p = mem_new(sizeof(struct alert_quiet_list));
    struct alert_quiet_list *list = v->p;
    vec_push(list, s);
}

void alert_quiet_index(struct alerting *a, int64_t now_ms)
{
    struct buf scratch;
    buf_init(&scratch, PAIR_BYTES_MAX);
    clear_index(a);
    a->silences_version++;
    a->silences_next_ms = INT64_MAX;
    for (size_t k = 0; k < a->silences.n; k++) {
        struct alert_quiet *s = a->silences.v[k];
        enum alert_quiet_state state = alert_quiet_state(s, now_ms);
        if (state == ALERT_QUIET_ACTIVE)
            index_one(a, s, &scratch);
        if (state != ALERT_QUIET_EXPIRED)
            a->silences_next_ms =
                MIN(a->silences_next_ms, state == ALERT_QUIET_ACTIVE ? s->ends_ms : s->starts_ms);
    }
    buf_done(&scratch);
}

static void add_holding(const struct alert_quiet_list *from, struct str labels,
                        struct alert_quiet_list *ret)
{
    for (size_t k = 0; k < from->n; k++)
        if (matcher_list_holds(&from->v[k]->matchers, labels))
            vec_push(ret, from->v[k]);
}

void alert_quiet_find(const struct alerting *a, struct str labels, struct alert_quiet_list *ret)
{
    struct buf scratch;
    struct label l;
    ret->n = 0;
    add_holding(&a->silences_rest, labels, ret);
    if (a->silences_by.n == 0)
        return;
    buf_init(&scratch, PAIR_BYTES_MAX);
    for (const char *at = labels.p; labels_next(labels, &at, &l, NULL);) {
        put_pair(&scratch, l.name, l.value);
        union map_value *v = map_get(&a->silences_by, buf_str(&scratch));
        if (v)
            add_holding(v->p, labels, ret);
    }
    buf_done(&scratch);
}

void alert_quiet_look(struct alerting *a, struct alert_item *i)
{
    if (i->silences_version == a->silences_version)
        return;
    struct alert_quiet_list found = {i->silences.v, 0, i->silences.capacity};
    thread_lock(&a->lock);
    alert_quiet_find(a, i->labels, &found);
    i->silences.v = found.v;
    i->silences.n = found.n;
    i->silences.capacity = found.capacity;
    i->silences_version = a->silences_version;
    thread_unlock(&a->lock);
}

/* ---- time */

/* What it holds is written into the history of each alert. */
static void begin(struct alerting *a, const struct alert_quiet *s, int64_t now_ms)
{
    size_t at = 0, n = 0;
    for (struct map_slot *m; (m = map_next(&a->items, &at)) != NULL;) {
        const struct alert_item *i = m->value.p;
        if (i->resolved || !matcher_list_holds(&s->matchers, i->labels))
            continue;
        if (n++ >= ALERT_SILENCED_ROWS_MAX)
            return;
        alert_item_history(a, i, now_ms, "silenced", s->created_by, s->comment);
    }
}

static bool holds_any(const struct alerting *a, const struct alert_quiet *s, int64_t now_ms)
{
    size_t at = 0;
    for (struct map_slot *m; (m = map_next(&a->items, &at)) != NULL;) {
        const struct alert_item *i = m->value.p;
        if (!i->resolved && i->ends_ms > now_ms && matcher_list_holds(&s->matchers, i->labels))
            return true;
    }
    return false;
}

/* Notes that a silence may have nothing left to hold. */
void alert_quiet_resolved(struct alerting *a, const struct alert_item *i, int64_t now_ms)
{
    for (size_t k = 0; k < a->silences.n; k++) {
        const struct alert_quiet *s = a->silences.v[k];
        if (s->until_resolved && alert_quiet_state(s, now_ms) == ALERT_QUIET_ACTIVE &&
            matcher_list_holds(&s->matchers, i->labels)) {
            a->silences.v[k]->check = true;
            a->until_resolved = true;
        }
    }
}

static void end_resolved(struct alerting *a, int64_t now_ms)
{
    for (size_t k = 0; k < a->silences.n; k++) {
        struct alert_quiet *s = a->silences.v[k];
        if (!s->check)
            continue;
        s->check = false;
        if (alert_quiet_state(s, now_ms) != ALERT_QUIET_ACTIVE || holds_any(a, s, now_ms))
            continue;
        s->ends_ms = s->updated_ms = now_ms;
        s->seen = ALERT_QUIET_EXPIRED;
        vec_push(&a->batch.silences, s);
        a->silences_next_ms = now_ms;
    }
    a->until_resolved = false;
}

void alert_quiet_pass(struct alerting *a, int64_t now_ms)
{
    thread_lock(&a->lock);
    if (a->silences_next_ms <= now_ms) {
        for (size_t k = 0; k < a->silences.n; k++) {
            struct alert_quiet *s = a->silences.v[k];
            int state = (int)alert_quiet_state(s, now_ms);
            if (state == ALERT_QUIET_ACTIVE && s->seen == ALERT_QUIET_PENDING)
                begin(a, s, now_ms);
            s->seen = state;
        }
        alert_quiet_index(a, now_ms);
    }
    if (a->until_resolved)
        end_resolved(a, now_ms);
    if (a->silences_next_ms <= now_ms)
        alert_quiet_index(a, now_ms);
    thread_unlock(&a->lock);
}

void alert_quiet_tidy(struct alerting *a, int64_t now_ms)
{
    size_t n = 0;
    thread_lock(&a->lock);
    for (size_t k = 0; k < a->silences.n; k++) {
        struct alert_quiet *s = a->silences.v[k];
        if (s->ends_ms + ALERT_SILENCE_KEEP_MS > now_ms) {
            a->silences.v[n++] = s;
            continue;
        }
        vec_push(&a->batch.silences_gone, arena_str(&a->batch.arena, s->id));
        alert_quiet_free(s);
    }
    bool fewer = n < a->silences.n;
    a->silences.n = n;
    if (fewer)
        alert_quiet_index(a, now_ms);
    thread_unlock(&a->lock);
}
