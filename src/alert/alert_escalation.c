#include "alert/alert_inside.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/vec.h"

/* Who was escalated to is kept in the notification log under a kind that no integration has. */
static const char *const KIND = "(escalation)";
static const int64_t TOLD_KEEP_MS = 30LL * 24 * 3600 * 1000;

#define ITEM_OF_LADDER(t) ((struct alert_item *)((char *)(t)-offsetof(struct alert_item, ladder)))

struct items {
    struct alert_item **v;
    size_t n, capacity;
};

/* ---- position */

static const struct plan_escalation *ladder_of(const struct plan *p, struct str labels)
{
    for (size_t k = 0; k < p->escalations_n; k++)
        if (p->escalations[k].n && matcher_list_holds(&p->escalations[k].match, labels))
            return &p->escalations[k];
    return NULL;
}

static void schedule(struct alerting *a, struct alert_item *i)
{
    const struct plan_escalation *e = i->escalation;
    if ((size_t)i->escalation_step < e->n)
        alert_timer_set(&a->ladder, &i->ladder,
                        i->escalation_base_ms + e->steps[i->escalation_step].after_ms);
    else
        alert_timer_drop(&a->ladder, &i->ladder);
}

void alert_escalation_begin(struct alerting *a, struct alert_item *i, int64_t now_ms)
{
    alert_escalation_stop(a, i);
    i->escalation = ladder_of(a->plan, i->labels);
    if (i->escalation == NULL)
        return;
    i->escalation_base_ms = now_ms;
    schedule(a, i);
}

void alert_escalation_stop(struct alerting *a, struct alert_item *i)
{
    alert_timer_drop(&a->ladder, &i->ladder);
    mem_free(i->escalation_name);
    i->escalation_name = NULL;
    i->escalation = NULL;
    i->escalation_base_ms = i->escalation_step = i->escalation_round = 0;
}

/* Where its row or the plan before has it: on the same ladder if that is still the alert's. */
void alert_escalation_resume(struct alerting *a, struct alert_item *i, int64_t now_ms)
{
    const struct plan_escalation *e = ladder_of(a->plan, i->labels);
    char *name = i->escalation_name;
    bool wanted = !i->resolved && i->acknowledged_by == NULL && e != NULL;
    bool same = wanted && name && str_eq(e->name, str_c(name)) && i->escalation_step >= 0 &&
                (size_t)i->escalation_step <= e->n;
    if (!same) {
        alert_escalation_stop(a, i);
        if (wanted)
            alert_escalation_begin(a, i, now_ms);
        return;
    }
    i->escalation_name = NULL;
    mem_free(name);
    i->escalation = e;
    schedule(a, i);
}

/* After a step: the next one, or the first of the next round. */
static void advance(struct alerting *a, struct alert_item *i)
{
    const struct plan_escalation *e = i->escalation;
    int64_t at_ms = i->escalation_base_ms + e->steps[i->escalation_step].after_ms;
    i->escalation_step++;
    if ((size_t)i->escalation_step >= e->n && i->escalation_round < e->repeat) {
        i->escalation_round++;
        i->escalation_step = 0;
        i->escalation_base_ms = at_ms;
    }
    schedule(a, i);
    alert_item_touch(a, i);
}

/* ---- telling */

static void tell_all(struct alerting *a, struct alert_telling *t, bool resolved)
{
    for (size_t k = 0; k < t->receiver->n; k++) {
        const struct notify_integration *integration = &t->receiver->integrations[k];
        if (!resolved || integration->send_resolved)
            alert_message_add(a, t, integration, alert_message_index(t->receiver, k));
    }
}

static void note_told(struct alerting *a, const struct alert_group *g, struct str receiver,
                      struct alert_item *const *v, size_t n, int64_t now_ms)
{
    struct alert_told *t = alert_told_make(a, str_c(g->key), receiver, str_c(KIND), 0);
    for (size_t k = 0; k < n; k++)
        alert_item_set_add(&t->firing, v[k]->fingerprint);
    t->time_ms = now_ms;
    t->expires_ms = now_ms + TOLD_KEEP_MS;
    alert_told_touch(a, t);
}

/* One message about alerts of one group at one step. */
static void tell_step(struct alerting *a, struct alert_item *const *v, size_t n, int64_t now_ms)
{
    const struct plan_escalation *e = v[0]->escalation;
    int64_t step = v[0]->escalation_step;
    const struct alert_group *g = v[0]->groups.v[0];
    const struct plan_receiver *r = plan_receiver(a->plan, e->steps[step].receiver);
    struct message_alert *alerts = arena_array(&a->batch.arena, n, sizeof *alerts);
    char text[160];
    if (r == NULL)
        return;
    for (size_t k = 0; k < n; k++)
        alerts[k] = alert_message_alert(a, v[k], now_ms);
    struct alert_telling t = {.group = g,
                              .receiver = r,
                              .reason = MESSAGE_ESCALATION,
                              .alerts = alerts,
                              .n = n,
                              .tick_ms = v[0]->escalation_base_ms + e->steps[step].after_ms,
                              .now_ms = now_ms};
    tell_all(a, &t, false);
    note_told(a, g, r->name, v, n, now_ms);
    (void)snprintf(text, sizeof text, STR_FMT ", step %d", STR_ARG(str_sub(e->name, 0, 100)),
                   (int)step + 1);
    for (size_t k = 0; k < n; k++)
        alert_item_history(a, v[k], now_ms, "escalated", r->name, str_c(text));
}

static int order_due(const void *x, const void *y)
{
    const struct alert_item *a = *(const struct alert_item *const *)x,
                            *b = *(const struct alert_item *const *)y;
    int by =
        a->groups.v[0] == b->groups.v[0] ? 0 : strcmp(a->groups.v[0]->key, b->groups.v[0]->key);
    if (by == 0 && a->groups.v[0] != b->groups.v[0])
        by = a->groups.v[0] < b->groups.v[0] ? -1 : 1;
    if (by == 0 && a->escalation != b->escalation)
        by = a->escalation < b->escalation ? -1 : 1;
    if (by == 0 && a->escalation_step != b->escalation_step)
        by = a->escalation_step < b->escalation_step ? -1 : 1;
    if (by == 0 && a->ladder.at_ms != b->ladder.at_ms)
        by = a->ladder.at_ms < b->ladder.at_ms ? -1 : 1;
    return by ? by : alert_item_order(a->labels, b->labels);
}

static bool is_one(const struct alert_item *a, const struct alert_item *b)
{
    return a->groups.v[0] == b->groups.v[0] && a->escalation == b->escalation &&
           a->escalation_step == b->escalation_step && a->ladder.at_ms == b->ladder.at_ms;
}

/* Silenced or inhibited when its step is due: it is not told, and begins anew from here. */
static bool is_held(struct alerting *a, struct alert_item *i, int64_t now_ms)
{
    alert_quiet_look(a, i);
    if (i->silences.n == 0 && alert_inhibit_by(a, i, now_ms) == NULL)
        return false;
    thread_lock(&a->lock);
    i->escalation_base_ms = now_ms;
    i->escalation_step = i->escalation_round = 0;
    schedule(a, i);
    alert_item_touch(a, i);
    thread_unlock(&a->lock);
    return true;
}

/* What is due, out of the heap. A ladder whose first step waits for nothing would be due for ever
 * while it is held. */
static void take_due(struct alerting *a, int64_t now_ms, struct items *ret)
{
    struct alert_timer *t;
    while ((t = alert_timer_first(&a->ladder)) != NULL && t->at_ms <= now_ms) {
        struct alert_item *i = ITEM_OF_LADDER(t);
        if (is_held(a, i, now_ms)) {
            if (i->ladder.at_ms <= now_ms)
                alert_timer_set(&a->ladder, &i->ladder, now_ms + 1);
            continue;
        }
        alert_timer_drop(&a->ladder, &i->ladder);
        if (i->groups.n)
            vec_push(ret, i);
    }
}

void alert_escalation_run(struct alerting *a, int64_t now_ms)
{
    struct items due = {0};
    do {
        due.n = 0;
        take_due(a, now_ms, &due);
        if (due.n > 1)
            qsort(due.v, due.n, sizeof *due.v, order_due);
        for (size_t k = 0, n; k < due.n; k += n) {
            for (n = 1; k + n < due.n && is_one(due.v[k], due.v[k + n]);)
                n++;
            tell_step(a, due.v + k, n, now_ms);
        }
        thread_lock(&a->lock);
        for (size_t k = 0; k < due.n; k++)
            advance(a, due.v[k]);
        thread_unlock(&a->lock);
    } while (due.n);
    vec_free(&due);
}

/* ---- the end */

static void tell_over(struct alerting *a, struct alert_group *g, struct alert_told *told,
                      const struct plan_receiver *r, struct items *over, int64_t tick_ms,
                      int64_t now_ms)
{
    size_t n = 0;
    struct message_alert *alerts =
        arena_array(&a->batch.arena, over->n + told->firing.n + 1, sizeof *alerts);
    for (size_t k = 0; k < told->firing.n; k++) {
        const struct alert_item *i = alert_item_find(a, told->firing.v[k]);
        if (i && i->ends_ms > now_ms)
            alerts[n++] = alert_message_alert(a, i, now_ms);
    }
    bool all = n == 0;
    for (size_t k = 0; k < over->n; k++)
        alerts[n++] = alert_message_alert(a, over->v[k], now_ms);
    tell_all(a,
             &(struct alert_telling){.group = g,
                                     .receiver = r,
                                     .reason = all ? MESSAGE_ALL_RESOLVED : MESSAGE_NEW_RESOLVED,
                                     .alerts = alerts,
                                     .n = n,
                                     .tick_ms = tick_ms,
                                     .now_ms = now_ms},
             true);
}

static bool take_out(struct alert_set *s, uint64_t fingerprint)
{
    size_t n = 0;
    for (size_t k = 0; k < s->n; k++)
        if (s->v[k] != fingerprint)
            s->v[n++] = s->v[k];
    bool out = n < s->n;
    s->n = n;
    return out;
}

void alert_escalation_over(struct alerting *a, struct alert_group *g,
                           struct alert_item *const *resolved, size_t n,
                           const struct alert_set *tell, int64_t tick_ms, int64_t now_ms)
{
    struct items over = {0};
    for (size_t k = 0; k < a->ladder_receivers.n; k++) {
        struct str name = a->ladder_receivers.v[k];
        struct alert_told *t = alert_told_find(a, str_c(g->key), name, str_c(KIND), 0, now_ms);
        const struct plan_receiver *r = plan_receiver(a->plan, name);
        bool out = false;
        over.n = 0;
        for (size_t j = 0; t && j < n; j++) {
            if (!take_out(&t->firing, resolved[j]->fingerprint))
                continue;
            out = true;
            if (alert_item_set_has(tell, resolved[j]->fingerprint))
                vec_push(&over, resolved[j]);
        }
        if (!out)
            continue;
        if (over.n && r && !str_eq(name, g->route->receiver)) /* the group tells that one itself */
            tell_over(a, g, t, r, &over, tick_ms, now_ms);
        if (t->firing.n == 0)
            alert_told_drop(a, t);
        else
            alert_told_touch(a, t);
    }
    vec_free(&over);
}

void alert_escalation_open(struct alerting *a, const struct plan *p)
{
    a->ladder_receivers.n = 0;
    for (size_t k = 0; k < p->escalations_n; k++)
        for (size_t j = 0; j < p->escalations[k].n; j++) {
            bool known = false;
            for (size_t m = 0; m < a->ladder_receivers.n; m++)
                known =
                    known || str_eq(a->ladder_receivers.v[m], p->escalations[k].steps[j].receiver);
            if (!known)
                vec_push(&a->ladder_receivers, p->escalations[k].steps[j].receiver);
        }
}
