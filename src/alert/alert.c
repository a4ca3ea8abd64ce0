#include "alert/alert.h"

#include "alert/alert_inside.h"

#include <math.h>
#include <stdio.h>

#include "base/rand.h"
#include "base/vec.h"
#include "model/labels.h"

enum { DAY_MS = 24 * 3600 * 1000, HISTORY_DAYS = 90, HISTORY_TIDY_MS = 3600 * 1000 };

/* ---- what comes in by the sink: copied behind one another, taken by the engine in one go */

struct arrived {
    uint32_t labels_n, annotations_n, url_n;
    bool resolved;
    int64_t starts_ms, ends_ms;
    double value;
};

static size_t size_of(const struct alert *v)
{
    return sizeof(struct arrived) + v->labels.n + v->annotations.n + v->generator_url.n;
}

static void put_arrival(struct buf *b, const struct alert *v)
{
    struct arrived head = {.labels_n = (uint32_t)v->labels.n,
                           .annotations_n = (uint32_t)v->annotations.n,
                           .url_n = (uint32_t)v->generator_url.n,
                           .resolved = v->resolved,
                           .starts_ms = v->starts_ms,
                           .ends_ms = v->ends_ms,
                           .value = v->value};
    buf_put(b, &head, sizeof head);
    buf_put_str(b, v->labels);
    buf_put_str(b, v->annotations);
    buf_put_str(b, v->generator_url);
}

void alert_wake(struct alerting *a)
{
    thread_lock(&a->inbox_lock);
    a->woken = true;
    thread_wake(&a->inbox_wake);
    thread_unlock(&a->inbox_lock);
}

static void take_in(struct alert_sink *s, const struct alert *alerts, size_t n)
{
    struct alerting *a = (struct alerting *)s;
    size_t dropped = 0;
    thread_lock(&a->inbox_lock);
    for (size_t k = 0; k < n; k++) {
        if (a->inbox.n + size_of(&alerts[k]) > ALERT_INBOX_BYTES_MAX)
            dropped++;
        else
            put_arrival(&a->inbox, &alerts[k]);
    }
    a->woken = true;
    thread_wake(&a->inbox_wake);
    thread_unlock(&a->inbox_lock);
    if (dropped)
        alert_metric_dropped(dropped); /* a rule sends them again */
}

struct alert_sink *alert_engine_sink(struct alerting *a)
{
    return &a->sink;
}

static struct str cut(const char **at, size_t n)
{
    struct str s = str_of(*at, n);
    *at += n;
    return s;
}

/* The next that came in; an alert that is over ends now at the latest, whatever its clock says. */
static bool next_arrival(struct alerting *a, struct alert_arrival *ret, int64_t now_ms)
{
    struct arrived head;
    if (a->taken_at >= a->taken.n) {
        buf_clear(&a->taken);
        a->taken_at = 0;
        thread_lock(&a->inbox_lock);
        struct buf empty = a->taken;
        a->taken = a->inbox;
        a->inbox = empty;
        thread_unlock(&a->inbox_lock);
        if (a->taken.n == 0)
            return false;
    }
    const char *at = a->taken.p + a->taken_at;
    memcpy(&head, at, sizeof head);
    at += sizeof head;
    *ret =
        (struct alert_arrival){.starts_ms = head.starts_ms,
                               .ends_ms = head.resolved ? MIN(head.ends_ms, now_ms) : head.ends_ms,
                               .value = head.value};
    ret->labels = cut(&at, head.labels_n);
    ret->annotations = cut(&at, head.annotations_n);
    ret->url = cut(&at, head.url_n);
    ret->fingerprint = message_fingerprint(ret->labels);
    a->taken_at = (size_t)(at - a->taken.p);
    return true;
}

static bool take_arrivals(struct alerting *a, int64_t now_ms)
{
    struct alert_arrival v;
    for (size_t n = 0; n < ALERT_ARRIVALS_A_RUN; n++) {
        if (!next_arrival(a, &v, now_ms))
            return false;
        alert_take(a, &v, now_ms);
    }
    return true;
}

/* ---- what is posted */

static int read_posted(const struct alert_posted *p, const struct plan *plan, int64_t now_ms,
                       struct buf *labels, struct buf *annotations, struct alert_arrival *ret,
                       struct why *why)
{
    buf_clear(labels);
    buf_clear(annotations);
    int err = labels_canonical_bare(p->labels, labels, why);
    if (err == 0)
        err = labels_canonical_bare(p->annotations, annotations, why);
    if (err)
        return -ERR_FORMAT;
    if (labels->n == 0)
        return why_set(why, ERR_FORMAT, "at least one label pair required");
    *ret = (struct alert_arrival){.labels = buf_str(labels),
                                  .annotations = buf_str(annotations),
                                  .url = p->generator_url,
                                  .starts_ms = p->starts_ms,
                                  .ends_ms = p->ends_ms,
                                  .value = (double)NAN};
    if (ret->starts_ms == 0)
        ret->starts_ms = ret->ends_ms ? ret->ends_ms : now_ms;
    if (ret->ends_ms == 0) {
        ret->timeout = true;
        ret->ends_ms = now_ms + plan->resolve_timeout_ms;
    }
    if (ret->ends_ms < ret->starts_ms)
        return why_set(why, ERR_FORMAT, "start time must be before end time");
    ret->fingerprint = message_fingerprint(ret->labels);
    return 0;
}

static int take_posted(struct alerting *a, const struct alert_posted *v, size_t n, int64_t now_ms,
                       struct why *why)
{
    struct buf labels, annotations;
    struct alert_arrival arrival;
    int err = 0;
    buf_init(&labels, LABELS_KEY_MAX);
    buf_init(&annotations, (size_t)4 * LABELS_KEY_MAX);
    for (size_t k = 0; k < n; k++) {
        struct why bad = {0};
        if (read_posted(&v[k], a->plan, now_ms, &labels, &annotations, &arrival, &bad) == 0) {
            alert_take(a, &arrival, now_ms);
            continue;
        }
        alert_metric_invalid();
        if (err == 0)
            err = why_set(why, ERR_FORMAT, "alert %zu: %s", k, bad.text);
    }
    buf_done(&annotations);
    buf_done(&labels);
    return err;
}

int alert_post(struct alerting *a, const struct alert_posted *v, size_t n, struct why *why)
{
    thread_lock(&a->turn);
    int64_t now = clock_wall_ms(a->config.clock);
    int bad = take_posted(a, v, n, now, why);
    int err = alert_batch_commit(a, now, why);
    thread_unlock(&a->turn);
    alert_wake(a);
    return err ? err : bad;
}

/* ---- doing what is due */

static void drop_done(struct alerting *a, int64_t now_ms)
{
    struct {
        struct alert_item **v;
        size_t n, capacity;
    } old = {0};
    size_t at = 0;
    thread_lock(&a->lock);
    for (struct map_slot *m; (m = map_next(&a->items, &at)) != NULL;) {
        struct alert_item *i = m->value.p;
        if (i->resolved && i->done_ms && i->done_ms + ALERT_DONE_KEEP_MS <= now_ms)
            vec_push(&old, i);
    }
    for (size_t k = 0; k < old.n; k++) {
        uint64_t fingerprint = old.v[k]->fingerprint;
        vec_push(&a->batch.items_gone, fingerprint);
        (void)map_drop(&a->items, str_of((char *)&fingerprint, sizeof fingerprint)); /* it is */
        alert_item_free(old.v[k]);
    }
    thread_unlock(&a->lock);
    vec_free(&old);
}

/* Only where nothing waits for the disk: what goes is in no list then. */
static void tidy(struct alerting *a, int64_t now_ms)
{
    if (now_ms < a->tidy_ms || !alert_batch_empty(&a->batch))
        return;
    a->tidy_ms = now_ms + ALERT_TIDY_MS;
    drop_done(a, now_ms);
    alert_told_tidy(a, now_ms);
    alert_quiet_tidy(a, now_ms);
    if (now_ms >= a->history_tidy_ms) {
        int64_t days = a->plan->settings ? a->plan->settings->history_days : HISTORY_DAYS;
        a->batch.history_before_ms = MAX(now_ms - days * DAY_MS, 1);
        a->history_tidy_ms = now_ms + HISTORY_TIDY_MS;
    }
}

#define GROUP_OF(t) ((struct alert_group *)((char *)(t)-offsetof(struct alert_group, timer)))

static bool is_due(const struct alert_timers *heap, int64_t now_ms)
{
    const struct alert_timer *t = alert_timer_first(heap);
    return t && t->at_ms <= now_ms;
}

static bool look_at_groups(struct alerting *a, int64_t now_ms)
{
    size_t n = 0;
    for (; n < ALERT_GROUPS_A_RUN && is_due(&a->due, now_ms); n++)
        alert_dispatch(a, GROUP_OF(alert_timer_first(&a->due)), now_ms);
    if (n) {
        bool more = is_due(&a->due, now_ms);
        a->batch.ran = true;
        a->ran_until_ms = more ? alert_timer_first(&a->due)->at_ms - 1 : now_ms;
        return more;
    }
    return false;
}

/* Is the disk taking what is written? Tries again where it is time to. */
static bool is_well(struct alerting *a, int64_t now_ms)
{
    if (a->retry_ms == 0)
        return true;
    return now_ms >= a->retry_ms && alert_batch_commit(a, now_ms, NULL) == 0;
}

/* One transaction's worth; is there more at once? Nothing is decided while nothing can be kept. */
static bool run_once(struct alerting *a, int64_t now_ms)
{
    tidy(a, now_ms);
    bool more = take_arrivals(a, now_ms);
    alert_take_expired(a, now_ms);
    alert_quiet_pass(a, now_ms);
    if (!is_well(a, now_ms))
        return false;
    more = look_at_groups(a, now_ms) || more;
    alert_escalation_run(a, now_ms);
    return alert_batch_commit(a, now_ms, NULL) == 0 && more; /* counted; the batch stays */
}

static int64_t next_of(const struct alerting *a, int64_t now_ms)
{
    const struct alert_timer *first[] = {alert_timer_first(&a->expiry), alert_timer_first(&a->due),
                                         alert_timer_first(&a->ladder)};
    int64_t next = MIN(a->silences_next_ms, now_ms + ALERT_IDLE_MS);
    if (a->retry_ms)
        return MIN(next, a->retry_ms);
    for (size_t k = 0; k < COUNTOF(first); k++)
        if (first[k])
            next = MIN(next, first[k]->at_ms);
    return next;
}

int64_t alert_run(struct alerting *a)
{
    int64_t now;
    thread_lock(&a->turn);
    do
        now = clock_wall_ms(a->config.clock);
    while (run_once(a, now));
    if (now >= a->count_ms || now < a->count_ms - ALERT_COUNT_MS) {
        alert_metric_count(a, now);
        a->count_ms = now + ALERT_COUNT_MS;
    }
    int64_t next = next_of(a, now);
    thread_unlock(&a->turn);
    return next;
}

static void live(void *context)
{
    struct alerting *a = context;
    bool stopping = false;
    while (!stopping) {
        int64_t next = alert_run(a);
        int64_t wait = MAX(MIN(next - clock_wall_ms(a->config.clock), ALERT_COUNT_MS), 1);
        thread_lock(&a->inbox_lock);
        if (!a->stopping && !a->woken)
            (void)thread_wait_for(&a->inbox_wake, &a->inbox_lock, wait * 1000000);
        a->woken = false;
        stopping = a->stopping;
        thread_unlock(&a->inbox_lock);
    }
    (void)alert_run(a); /* what came in at the end */
}

void alert_start(struct alerting *a)
{
    thread_start(&a->thread, "alert", live, a);
}

/* ---- opening, closing, another plan */

static void take_plan(struct alerting *a, const struct plan *plan, int64_t now_ms)
{
    size_t at = 0;
    a->plan = plan;
    alert_route_all(a, now_ms);
    alert_inhibit_open(a, plan);
    alert_escalation_open(a, plan);
    for (struct map_slot *m; (m = map_next(&a->items, &at)) != NULL;)
        alert_escalation_resume(a, m->value.p, now_ms);
}

/* Where each alert is on its ladder, by name: the ladders go with the plan. */
static void note_ladders(struct alerting *a)
{
    size_t at = 0;
    for (struct map_slot *m; (m = map_next(&a->items, &at)) != NULL;) {
        struct alert_item *i = m->value.p;
        if (i->escalation)
            i->escalation_name = mem_text(i->escalation->name.p, i->escalation->name.n);
        i->escalation = NULL;
    }
}

void alert_reload(struct alerting *a, const struct plan *plan)
{
    thread_lock(&a->turn);
    thread_lock(&a->lock);
    note_ladders(a);
    alert_inhibit_close(a);
    take_plan(a, plan, clock_wall_ms(a->config.clock));
    thread_unlock(&a->lock);
    thread_unlock(&a->turn);
    alert_wake(a);
}

int alert_new(const struct alert_config *config, struct alerting **ret, struct why *why)
{
    static const struct alert_sink_ops OPS = {take_in};
    struct alerting *a = mem_new(sizeof *a);
    a->sink.ops = &OPS;
    a->config = *config;
    a->plan = config->plan;
    thread_lock_init(&a->turn);
    thread_lock_init(&a->lock);
    thread_lock_init(&a->inbox_lock);
    thread_cond_init(&a->inbox_wake);
    map_init(&a->items, rand_seed());
    map_init(&a->groups, rand_seed());
    map_init(&a->told, rand_seed());
    map_init(&a->silences_by, rand_seed());
    buf_init(&a->inbox, ALERT_INBOX_BYTES_MAX);
    buf_init(&a->taken, ALERT_INBOX_BYTES_MAX);
    alert_batch_init(&a->batch);
    alert_metric_open();
    int err = alert_state_open(a, why);
    if (err) {
        alert_free(a);
        return err;
    }
    int64_t now = clock_wall_ms(config->clock);
    alert_quiet_index(a, now);
    take_plan(a, config->plan, now);
    *ret = a;
    return 0;
}

static void free_values(struct map *m, void (*f)(void *))
{
    size_t at = 0;
    for (struct map_slot *s; (s = map_next(m, &at)) != NULL;)
        f(s->value.p);
    map_done(m);
}

static void free_item(void *v)
{
    alert_item_free(v);
}

static void free_group(void *v)
{
    alert_route_free(v);
}

static void free_told(void *v)
{
    alert_told_free(v);
}

static void free_quiet_list(void *v)
{
    struct alert_quiet_list *list = v;
    vec_free(list);
    mem_free(list);
}

void alert_stop(struct alerting *a)
{
    thread_lock(&a->inbox_lock);
    a->stopping = true;
    thread_wake(&a->inbox_wake);
    thread_unlock(&a->inbox_lock);
    thread_join(&a->thread);
}

void alert_free(struct alerting *a)
{
    if (a == NULL)
        return;
    alert_stop(a);
    alert_inhibit_close(a);
    free_values(&a->items, free_item);
    free_values(&a->groups, free_group);
    free_values(&a->told, free_told);
    free_values(&a->silences_by, free_quiet_list);
    for (size_t k = 0; k < a->silences.n; k++)
        alert_quiet_free(a->silences.v[k]);
    vec_free(&a->silences);
    vec_free(&a->silences_rest);
    vec_free(&a->ladder_receivers);
    vec_free(&a->due);
    vec_free(&a->expiry);
    vec_free(&a->ladder);
    alert_batch_done(a);
    buf_done(&a->inbox);
    buf_done(&a->taken);
    mem_free(a);
}
