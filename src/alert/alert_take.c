#include "alert/alert_inside.h"

#include "base/vec.h"

#define ITEM_OF_EXPIRY(t) ((struct alert_item *)((char *)(t)-offsetof(struct alert_item, expiry)))

/* As Alertmanager's provider does: where the times of both overlap, the earlier start counts, and
 * an end that somebody gave goes before a guess. */
static void merge(const struct alert_item *old, struct alert_arrival *v, int64_t now_ms)
{
    bool overlap = (v->ends_ms > old->starts_ms && v->ends_ms < old->ends_ms) ||
                   (v->starts_ms > old->starts_ms && v->starts_ms < old->ends_ms);
    if (!overlap)
        return;
    v->starts_ms = MIN(v->starts_ms, old->starts_ms);
    if (v->ends_ms <= now_ms) {
        if (old->ends_ms <= now_ms)
            v->ends_ms = MAX(v->ends_ms, old->ends_ms);
    } else if (!old->timeout) {
        v->ends_ms = MAX(v->ends_ms, old->ends_ms);
    }
}

static void forget_person(char **text)
{
    mem_free(*text);
    *text = NULL;
}

static void fire(struct alerting *a, struct alert_item *i, int64_t now_ms)
{
    i->resolved = false;
    i->since_ms = now_ms;
    i->done_ms = 0;
    i->gone.n = 0;
    forget_person(&i->acknowledged_by);
    i->acknowledged_ms = 0;
    alert_inhibit_add(a, i);
    alert_escalation_begin(a, i, now_ms);
    alert_item_history(a, i, now_ms, "firing", STR(""), STR(""));
    alert_batch_changed(a, i);
}

static void resolve(struct alerting *a, struct alert_item *i, int64_t now_ms)
{
    i->resolved = true;
    i->over_ms = now_ms;
    alert_timer_drop(&a->expiry, &i->expiry);
    alert_inhibit_drop(i);
    alert_escalation_stop(a, i);
    alert_quiet_resolved(a, i, now_ms);
    alert_item_history(a, i, now_ms, "resolved", STR(""), STR(""));
    alert_batch_changed(a, i);
}

static void keep(struct alert_item *i, const struct alert_arrival *v, int64_t now_ms)
{
    (void)alert_item_say(i, v->labels, v->annotations, v->url);
    i->starts_ms = v->starts_ms;
    i->ends_ms = v->ends_ms;
    i->updated_ms = now_ms;
    i->timeout = v->timeout;
    i->value = v->value;
}

/* Resolved before and now: the times move, nobody hears of it again. */
static bool is_old_news(const struct alert_item *i, const struct alert_arrival *v, int64_t now_ms)
{
    return i->resolved && v->ends_ms <= now_ms;
}

void alert_take(struct alerting *a, const struct alert_arrival *given, int64_t now_ms)
{
    struct alert_arrival v = *given;
    struct alert_item *i = alert_item_find(a, v.fingerprint);
    bool known = i != NULL;
    if (known)
        merge(i, &v, now_ms);
    bool over = v.ends_ms <= now_ms;
    alert_metric_received(over);
    thread_lock(&a->lock);
    if (!known)
        i = alert_item_add(a, v.fingerprint);
    bool old_news = known && is_old_news(i, &v, now_ms);
    bool was_firing = known && !i->resolved;
    keep(i, &v, now_ms);
    if (!over)
        alert_timer_set(&a->expiry, &i->expiry, i->ends_ms);
    if (!over && !was_firing)
        fire(a, i, now_ms);
    else if (over && was_firing)
        resolve(a, i, now_ms);
    else if (over && !known)
        i->resolved = true;
    if (!old_news)
        alert_route_item(a, i, now_ms, true);
    alert_item_touch(a, i);
    thread_unlock(&a->lock);
}

void alert_take_expired(struct alerting *a, int64_t now_ms)
{
    struct alert_timer *t;
    thread_lock(&a->lock);
    while ((t = alert_timer_first(&a->expiry)) != NULL && t->at_ms <= now_ms) {
        struct alert_item *i = ITEM_OF_EXPIRY(t);
        resolve(a, i, now_ms);
        alert_item_touch(a, i);
    }
    thread_unlock(&a->lock);
}
