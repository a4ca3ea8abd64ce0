#include "alert/alert_inside.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/vec.h"

/* One look at a group: who is in it, what of that may be told, and to whom. */
struct look {
    struct alerting *a;
    struct alert_group *g;
    const struct plan_receiver *receiver;
    int64_t tick_ms, now_ms;
    struct { /* that may be told, in order */
        const struct alert_item **v;
        size_t n, capacity;
    } items;
    struct alert_set firing, resolved;
    bool anybody;                 /* one fires that nobody has acknowledged */
    struct message_alert *alerts; /* [items.n], made when the first message is */
};

/* What is said to one integration, or nothing. */
struct verdict {
    bool log;  /* the notification log changes */
    bool tell; /* a message goes out */
    bool over; /* all resolved, but the receiver does not hear of that */
    enum message_reason reason;
};

bool alert_dispatch_muted(const struct plan_route *r, int64_t now_ms, struct str *ret_name)
{
    for (size_t k = 0; k < r->mute_n; k++)
        if (interval_holds(r->mute[k], now_ms)) {
            *ret_name = r->mute[k]->name;
            return true;
        }
    for (size_t k = 0; k < r->active_n; k++)
        if (interval_holds(r->active[k], now_ms))
            return false;
    if (r->active_n)
        *ret_name = r->active[0]->name;
    return r->active_n > 0;
}

/* ---- who may be told of */

static bool is_held(struct look *l, struct alert_item *i)
{
    if (alert_inhibit_by(l->a, i, l->now_ms)) {
        alert_metric_suppressed(ALERT_METRIC_INHIBITED, 1);
        return true;
    }
    alert_quiet_look(l->a, i);
    if (i->silences.n)
        alert_metric_suppressed(ALERT_METRIC_SILENCED, 1);
    return i->silences.n > 0;
}

static int order(const void *x, const void *y)
{
    const struct alert_item *a = *(const struct alert_item *const *)x,
                            *b = *(const struct alert_item *const *)y;
    return alert_item_order(a->labels, b->labels);
}

static void gather(struct look *l)
{
    struct str name;
    if (alert_dispatch_muted(l->g->route, l->now_ms, &name)) {
        alert_metric_suppressed(
            l->g->route->mute_n ? ALERT_METRIC_MUTE_TIME : ALERT_METRIC_ACTIVE_TIME, l->g->items.n);
        return;
    }
    for (size_t k = 0; k < l->g->items.n; k++) {
        struct alert_item *i = l->g->items.v[k];
        if (is_held(l, i))
            continue;
        vec_push(&l->items, i);
        bool over = i->ends_ms <= l->now_ms;
        vec_push(over ? &l->resolved : &l->firing, i->fingerprint);
        l->anybody = l->anybody || (!over && i->acknowledged_by == NULL);
    }
    if (l->items.n > 1)
        qsort(l->items.v, l->items.n, sizeof(struct alert_item *), order);
    alert_item_set_sort(&l->firing);
    alert_item_set_sort(&l->resolved);
}

/* ---- the decision */

/* It had been resolved so shortly that the receiver, who does not want to hear of that, need not
 * hear that it fires either. */
static bool is_flap(const struct look *l, const struct alert_item *i)
{
    return i->over_ms > 0 && i->since_ms - i->over_ms < l->g->route->group_interval_ms;
}

/* Does an alert fire that has not been told, and that nobody has acknowledged? */
static bool is_news(const struct look *l, const struct alert_told *t)
{
    for (size_t k = 0; k < l->items.n; k++) {
        const struct alert_item *i = l->items.v[k];
        if (i->ends_ms <= l->now_ms || i->acknowledged_by)
            continue;
        if (!alert_item_set_has(&t->firing, i->fingerprint) || (t->over && !is_flap(l, i)))
            return true;
    }
    return false;
}

static struct verdict say(enum message_reason reason)
{
    return (struct verdict){.log = true, .tell = true, .reason = reason};
}

static struct verdict decide(const struct look *l, const struct alert_told *t, bool send_resolved)
{
    if (t == NULL)
        return l->anybody ? say(MESSAGE_FIRST) : (struct verdict){0};
    if (is_news(l, t))
        return say(MESSAGE_NEW_ALERTS);
    if (l->firing.n == 0) {
        if (t->firing.n == 0 || t->over)
            return (struct verdict){0};
        return send_resolved ? say(MESSAGE_ALL_RESOLVED)
                             : (struct verdict){.log = true, .over = true};
    }
    if (send_resolved && !alert_item_set_within(&l->resolved, &t->resolved))
        return say(MESSAGE_NEW_RESOLVED);
    if (l->anybody && t->time_ms + l->g->route->repeat_interval_ms <= l->tick_ms)
        return say(MESSAGE_REPEAT);
    return (struct verdict){0};
}

/* ---- telling */

/* Everything that may be told; of a repetition not what somebody has acknowledged; nothing that is
 * resolved to who does not want that. */
static void put_message(struct look *l, const struct notify_integration *integration,
                        uint32_t index, enum message_reason reason)
{
    struct alert_batch *b = &l->a->batch;
    size_t n = 0;
    if (l->alerts == NULL) {
        l->alerts = arena_array(&b->arena, l->items.n, sizeof *l->alerts);
        for (size_t k = 0; k < l->items.n; k++)
            l->alerts[k] = alert_message_alert(l->a, l->items.v[k], l->now_ms);
    }
    struct message_alert *alerts = l->alerts;
    if (!integration->send_resolved || reason == MESSAGE_REPEAT) {
        alerts = arena_array(&b->arena, l->items.n, sizeof *alerts);
        for (size_t k = 0; k < l->items.n; k++) {
            bool over = l->alerts[k].resolved;
            bool known = !over && l->items.v[k]->acknowledged_by != NULL;
            if ((over && !integration->send_resolved) || (known && reason == MESSAGE_REPEAT))
                continue;
            alerts[n++] = l->alerts[k];
        }
    } else {
        n = l->items.n;
    }
    alert_message_add(l->a,
                      &(struct alert_telling){.group = l->g,
                                              .receiver = l->receiver,
                                              .reason = reason,
                                              .alerts = alerts,
                                              .n = n,
                                              .tick_ms = l->tick_ms,
                                              .now_ms = l->now_ms},
                      integration, index);
}

/* A row for each alert of which there is news; one for all where it is said again. */
static void put_history(const struct look *l, const struct alert_told *before,
                        const struct notify_integration *integration, enum message_reason reason)
{
    struct str text = str_c(message_reason_text(reason));
    if (reason == MESSAGE_REPEAT) {
        alert_batch_history(l->a, &(struct alert_history_row){.time_ms = l->now_ms,
                                                              .labels = l->g->labels,
                                                              .what = STR("notified"),
                                                              .who = l->receiver->name,
                                                              .text = text});
        return;
    }
    for (size_t k = 0; k < l->items.n; k++) {
        const struct alert_item *i = l->items.v[k];
        bool over = i->ends_ms <= l->now_ms;
        if (over ? !integration->send_resolved ||
                       (before && alert_item_set_has(&before->resolved, i->fingerprint))
                 : before && alert_item_set_has(&before->firing, i->fingerprint) && !before->over)
            continue;
        alert_item_history(l->a, i, l->now_ms, "notified", l->receiver->name, text);
    }
}

static void copy_set(struct alert_set *to, const struct alert_set *from)
{
    vec_reserve(to, from->n + 1);
    if (from->n)
        memcpy(to->v, from->v, from->n * sizeof *to->v);
    to->n = from->n;
}

static void tell(struct look *l, size_t which)
{
    const struct notify_integration *integration = &l->receiver->integrations[which];
    uint32_t index = alert_message_index(l->receiver, which);
    struct str kind = str_c(integration->notifier->kind), key = str_c(l->g->key);
    struct alert_told *t = alert_told_find(l->a, key, l->receiver->name, kind, index, l->now_ms);
    struct verdict v = decide(l, t, integration->send_resolved);
    if (!v.log)
        return;
    if (v.tell) {
        put_message(l, integration, index, v.reason);
        put_history(l, t, integration, v.reason);
    }
    if (t == NULL)
        t = alert_told_make(l->a, key, l->receiver->name, kind, index);
    t->over = v.over;
    if (!v.over) { /* else it stays as it is: whom it knows, and since when */
        copy_set(&t->firing, &l->firing);
        copy_set(&t->resolved, &l->resolved);
        t->time_ms = l->tick_ms;
        t->expires_ms = l->tick_ms + 2 * l->g->route->repeat_interval_ms;
    }
    alert_told_touch(l->a, t);
}

/* ---- afterwards */

static void leave(struct look *l, struct alert_item *i)
{
    for (size_t k = 0; k < i->groups.n; k++)
        if (i->groups.v[k] == l->g)
            i->groups.v[k] = i->groups.v[--i->groups.n];
    alert_item_set_add(&i->gone, l->g->hash);
    if (i->groups.n == 0)
        i->done_ms = l->now_ms;
    alert_item_touch(l->a, i);
}

/* What is resolved leaves the group, told or held back, as in Alertmanager. */
static void sweep(struct look *l)
{
    struct {
        struct alert_item **v;
        size_t n, capacity;
    } over = {0};
    size_t n = 0;
    thread_lock(&l->a->lock);
    for (size_t k = 0; k < l->g->items.n; k++) {
        struct alert_item *i = l->g->items.v[k];
        if (i->ends_ms > l->now_ms) {
            l->g->items.v[n++] = i;
            continue;
        }
        leave(l, i);
        vec_push(&over, i);
    }
    l->g->items.n = n;
    thread_unlock(&l->a->lock);
    if (over.n)
        alert_escalation_over(l->a, l->g, over.v, over.n, &l->resolved, l->tick_ms, l->now_ms);
    vec_free(&over);
}

/* Ticks stay on their grid: a late look counts as the last one that should have been. */
static int64_t tick_of(const struct alert_group *g, int64_t now_ms)
{
    int64_t interval = MAX(g->route->group_interval_ms, 1);
    int64_t late = now_ms - g->timer.at_ms;
    return g->timer.at_ms + (late > 0 ? late / interval * interval : 0);
}

void alert_dispatch(struct alerting *a, struct alert_group *g, int64_t now_ms)
{
    struct look l = {.a = a, .g = g, .now_ms = now_ms, .tick_ms = tick_of(g, now_ms)};
    l.receiver = plan_receiver(a->plan, g->route->receiver);
    alert_metric_lag(now_ms - g->timer.at_ms);
    thread_lock(&a->lock);
    bool first = !g->flushed;
    g->flushed = true;
    alert_timer_set(&a->due, &g->timer, l.tick_ms + MAX(g->route->group_interval_ms, 1));
    thread_unlock(&a->lock);
    gather(&l);
    for (size_t k = 0; l.items.n && l.receiver && k < l.receiver->n; k++)
        tell(&l, k);
    sweep(&l);
    thread_lock(&a->lock);
    if (g->items.n == 0)
        alert_route_drop(a, g);
    else if (first && !g->dirty) { /* its row says that it has been looked at */
        g->dirty = true;
        vec_push(&a->batch.groups, g);
    }
    thread_unlock(&a->lock);
    vec_free(&l.items);
    vec_free(&l.firing);
    vec_free(&l.resolved);
}
