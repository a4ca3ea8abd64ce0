#include "alert/alert_inside.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/vec.h"
#include "text/regex.h"

/* One question: what is wanted, and where the answer goes. */
struct ask {
    const struct alerting *a;
    const struct alert_filter *f;
    struct regex *receiver; /* NULL: any */
    struct arena *arena;
    int64_t now_ms;
    struct alert_quiet_list silences; /* scratch */
};

static bool is_receiver(const struct ask *q, struct str name)
{
    return q->receiver == NULL || regex_match(q->receiver, name);
}

static bool has_receiver(const struct ask *q, const struct alert_item *i)
{
    bool has = q->receiver == NULL;
    for (size_t k = 0; !has && k < i->groups.n; k++)
        has = is_receiver(q, i->groups.v[k]->route->receiver);
    return has;
}

static const struct str *names_of(const struct ask *q, const struct alert_item *i)
{
    struct str *v = arena_array(q->arena, i->groups.n + 1, sizeof *v);
    for (size_t k = 0; k < i->groups.n; k++)
        v[k] = arena_str(q->arena, i->groups.v[k]->route->receiver);
    return v;
}

static void put_silences(struct ask *q, const struct alert_item *i, struct alert_row *r)
{
    const struct alert_quiet_list *held;
    struct alert_quiet_list kept = {i->silences.v, i->silences.n, i->silences.capacity};
    held = &kept;
    if (i->silences_version != q->a->silences_version) {
        alert_quiet_find(q->a, i->labels, &q->silences);
        held = &q->silences;
    }
    struct str *v = arena_array(q->arena, held->n + 1, sizeof *v);
    for (size_t k = 0; k < held->n; k++)
        if (alert_quiet_state(held->v[k], q->now_ms) == ALERT_QUIET_ACTIVE)
            v[r->silenced_n++] = arena_str(q->arena, held->v[k]->id);
    r->silenced_by = v;
}

static void put_inhibition(const struct ask *q, const struct alert_item *i, struct alert_row *r)
{
    const struct alert_item *by = alert_inhibit_by(q->a, i, q->now_ms);
    if (by == NULL)
        return;
    struct str *v = arena_array(q->arena, 1, sizeof *v);
    v[0] = arena_printf(q->arena, "%016llx", (unsigned long long)by->fingerprint);
    r->inhibited_by = v;
    r->inhibited_n = 1;
}

/* Of one group; of an alert where all its groups are mute. */
static void put_mute(const struct ask *q, const struct alert_group *const *groups, size_t n,
                     struct alert_row *r)
{
    struct str *v = arena_array(q->arena, n + 1, sizeof *v), name;
    size_t muted = 0;
    for (size_t k = 0; k < n; k++)
        if (alert_dispatch_muted(groups[k]->route, q->now_ms, &name))
            v[muted++] = arena_str(q->arena, name);
    if (n == 0 || muted < n)
        return;
    r->muted_by = v;
    r->muted_n = muted;
}

static void put_ladder(const struct ask *q, const struct alert_item *i, struct alert_row *r)
{
    r->escalation = STR("");
    if (i->escalation == NULL)
        return;
    r->escalation = arena_str(q->arena, i->escalation->name);
    r->escalation_step = i->escalation_step;
    r->escalation_next_ms = i->ladder.place ? i->ladder.at_ms : 0;
}

static bool is_wanted(const struct alert_filter *f, const struct alert_item *i,
                      const struct alert_row *r)
{
    bool held = r->silenced_n || r->inhibited_n || r->muted_n;
    return !(f->no_active && !held && i->stored) && !(f->no_silenced && r->silenced_n) &&
           !(f->no_inhibited && r->inhibited_n) && !(f->no_muted && r->muted_n) &&
           !(f->no_unprocessed && !i->stored);
}

/* Fills *r where the alert is wanted; group NULL: of no group in particular. */
static bool put_row(struct ask *q, const struct alert_item *i, const struct alert_group *group,
                    struct alert_row *r)
{
    struct arena *arena = q->arena;
    if (i->resolved || i->ends_ms <= q->now_ms)
        return false;
    if (q->f->match && !matcher_list_holds(q->f->match, i->labels))
        return false;
    *r = (struct alert_row){.fingerprint = i->fingerprint,
                            .value = i->value,
                            .starts_ms = i->starts_ms,
                            .ends_ms = i->ends_ms,
                            .updated_ms = i->updated_ms,
                            .acknowledged = i->acknowledged_by != NULL,
                            .acknowledged_ms = i->acknowledged_ms};
    put_silences(q, i, r);
    put_inhibition(q, i, r);
    if (group)
        put_mute(q, &group, 1, r);
    else
        put_mute(q, (const struct alert_group *const *)i->groups.v, i->groups.n, r);
    if (!is_wanted(q->f, i, r))
        return false;
    r->state = !i->stored                                      ? "unprocessed"
               : r->silenced_n || r->inhibited_n || r->muted_n ? "suppressed"
                                                               : "active";
    r->labels = arena_str(arena, i->labels);
    r->annotations = arena_str(arena, i->annotations);
    r->generator_url = arena_str(arena, i->url);
    r->receivers = names_of(q, i);
    r->receivers_n = i->groups.n;
    r->acknowledged_by = arena_str(arena, str_c(i->acknowledged_by));
    r->assigned_to = arena_str(arena, str_c(i->assigned_to));
    put_ladder(q, i, r);
    return true;
}

static int order_rows(const void *x, const void *y)
{
    const struct alert_row *a = x, *b = y;
    return a->fingerprint < b->fingerprint ? -1 : a->fingerprint > b->fingerprint;
}

static int begin(struct ask *q, struct why *why)
{
    q->now_ms = clock_wall_ms(q->a->config.clock);
    if (q->f->receiver == NULL || q->f->receiver[0] == '\0')
        return 0;
    return regex_new(str_c(q->f->receiver), &q->receiver, why);
}

static void end(struct ask *q)
{
    regex_free(q->receiver);
    vec_free(&q->silences);
}

int alert_list(struct alerting *a, const struct alert_filter *f, struct arena *arena,
               struct alert_row **ret, size_t *ret_n, struct why *why)
{
    struct ask q = {.a = a, .f = f, .arena = arena};
    size_t at = 0, n = 0;
    int err = begin(&q, why);
    if (err)
        return err;
    thread_lock(&a->lock);
    struct alert_row *v = arena_array(arena, a->items.n + 1, sizeof *v);
    for (struct map_slot *m; (m = map_next(&a->items, &at)) != NULL;)
        if (has_receiver(&q, m->value.p) && put_row(&q, m->value.p, NULL, &v[n]))
            n++;
    thread_unlock(&a->lock);
    end(&q);
    if (n > 1)
        qsort(v, n, sizeof *v, order_rows);
    *ret = v;
    *ret_n = n;
    return 0;
}

/* ---- groups */

static int order_groups(const void *x, const void *y)
{
    const struct alert_group_row *a = x, *b = y;
    int by = alert_item_order(a->labels, b->labels);
    return by ? by : str_cmp(a->receiver, b->receiver);
}

static int order_in_group(const void *x, const void *y)
{
    return alert_item_order(((const struct alert_row *)x)->labels,
                            ((const struct alert_row *)y)->labels);
}

static bool put_group(struct ask *q, const struct alert_group *g, struct alert_group_row *r)
{
    if (!is_receiver(q, g->route->receiver))
        return false;
    *r = (struct alert_group_row){.next_ms = g->timer.at_ms};
    r->alerts = arena_array(q->arena, g->items.n + 1, sizeof *r->alerts);
    for (size_t k = 0; k < g->items.n; k++)
        if (put_row(q, g->items.v[k], g, &r->alerts[r->n]))
            r->n++;
    if (r->n == 0)
        return false;
    if (r->n > 1)
        qsort(r->alerts, r->n, sizeof *r->alerts, order_in_group);
    r->labels = arena_str(q->arena, g->labels);
    r->receiver = arena_str(q->arena, g->route->receiver);
    r->key = arena_str(q->arena, str_c(g->key));
    return true;
}

int alert_groups(struct alerting *a, const struct alert_filter *f, struct arena *arena,
                 struct alert_group_row **ret, size_t *ret_n, struct why *why)
{
    struct ask q = {.a = a, .f = f, .arena = arena};
    size_t at = 0, n = 0;
    int err = begin(&q, why);
    if (err)
        return err;
    thread_lock(&a->lock);
    struct alert_group_row *v = arena_array(arena, a->groups.n + 1, sizeof *v);
    for (struct map_slot *m; (m = map_next(&a->groups, &at)) != NULL;)
        if (put_group(&q, m->value.p, &v[n]))
            n++;
    thread_unlock(&a->lock);
    end(&q);
    if (n > 1)
        qsort(v, n, sizeof *v, order_groups);
    *ret = v;
    *ret_n = n;
    return 0;
}
