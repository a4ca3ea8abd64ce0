#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "notify/outbox_inside.h"

static const char *const MODULE = "notify";

enum { BACKOFF_STEPS = 9 /* doublings: 1, 2, 4 .. 256 s, then 300 */, EXPIRY_LOOK_MS = 60000 };

static int64_t rate_of(const struct outbox *o)
{
    return o->config.rate_per_minute > 0 ? o->config.rate_per_minute : OUTBOX_RATE_DEFAULT;
}

struct outbox_line *outbox_line_get(struct outbox *o, struct str receiver, struct str kind,
                                    uint32_t index)
{
    for (size_t i = 0; i < o->lines.n; i++) {
        const struct outbox_row *row = &o->lines.v[i]->row;
        if (row->index == index && str_eq(row->kind, kind) && str_eq(row->receiver, receiver))
            return o->lines.v[i];
    }
    struct outbox_line *l = mem_new(sizeof *l);
    l->outbox = o;
    l->row.receiver = str_of(mem_text(receiver.p, receiver.n), receiver.n);
    l->row.kind = str_of(mem_text(kind.p, kind.n), kind.n);
    l->row.index = index;
    l->tokens = (double)rate_of(o);
    l->refilled_ms = loop_now_ms(o->loop);
    l->stats = outbox_stats_get(kind, receiver);
    vec_push(&o->lines, l);
    return l;
}

static void entry_free(struct outbox_entry *e)
{
    mem_free(e->context);
    mem_free(e);
}

void outbox_line_free(struct outbox_line *l)
{
    for (size_t i = 0; i < l->entries.n; i++)
        entry_free(l->entries.v[i]);
    vec_free(&l->entries);
    fetch_client_free(l->client);
    mem_free(l->error);
    mem_free((char *)(uintptr_t)l->row.receiver.p);
    mem_free((char *)(uintptr_t)l->row.kind.p);
    mem_free(l);
}

static void show_waiting(struct outbox_line *l)
{
    l->row.waiting = l->entries.n;
    stat_set(&l->stats->waiting, (double)l->entries.n);
}

void outbox_line_remove(struct outbox_line *l, struct outbox_entry *e)
{
    bool first = true;
    size_t at = 0;
    while (l->entries.v[at] != e)
        at++;
    memmove(l->entries.v + at, l->entries.v + at + 1,
            (l->entries.n - at - 1) * sizeof *l->entries.v);
    l->entries.n--;
    for (size_t i = 0; i < l->entries.n; i++)
        if (l->entries.v[i]->group == e->group) {
            l->entries.v[i]->follows = !first;
            first = false;
        }
    outbox_rows_drop(l->outbox, e->id);
    entry_free(e);
    show_waiting(l);
}

/* ---- joining */

static bool decode(struct outbox *o, int64_t id, struct arena *a, struct message *ret)
{
    struct str body;
    return outbox_rows_body(o, id, a, &body, NULL) == 0 && message_decode(body, a, ret, NULL) == 0;
}

/* The message before id in its group goes where id tells all of it and it is not on its way. */
static void join(struct outbox_line *l, struct outbox_entry *before, int64_t id)
{
    struct arena a;
    struct message older, newer;
    arena_init(&a);
    if (!before->attempt && decode(l->outbox, before->id, &a, &older) &&
        decode(l->outbox, id, &a, &newer) && outbox_rows_covers(&newer, &older))
        outbox_line_remove(l, before);
    arena_done(&a);
}

static struct outbox_entry *last_of(const struct outbox_line *l, uint64_t group)
{
    for (size_t i = l->entries.n; i > 0; i--)
        if (l->entries.v[i - 1]->group == group)
            return l->entries.v[i - 1];
    return NULL;
}

static void drop_oldest(struct outbox_line *l)
{
    size_t i = 0;
    while (i < l->entries.n && l->entries.v[i]->attempt)
        i++;
    if (i == l->entries.n)
        return;
    log_warn(MODULE, "more than %d messages wait for %.*s of %.*s: the oldest is dropped",
             OUTBOX_LINE_MAX, STR_ARG(l->row.kind), STR_ARG(l->row.receiver));
    l->row.dropped++;
    stat_add(&l->stats->expired, 1);
    outbox_line_remove(l, l->entries.v[i]);
}

void outbox_line_add(struct outbox_line *l, int64_t id, uint64_t group, int64_t time_ms)
{
    struct outbox_entry *before = last_of(l, group);
    if (before)
        join(l, before, id);
    if (l->entries.n >= OUTBOX_LINE_MAX)
        drop_oldest(l);
    struct outbox_entry *e = mem_new(sizeof *e);
    e->id = id;
    e->group = group;
    e->time_ms = time_ms;
    e->follows = last_of(l, group) != NULL;
    vec_push(&l->entries, e);
    show_waiting(l);
}

/* ---- how the line is */

static int64_t backoff_ms(struct outbox *o, unsigned failures)
{
    unsigned steps = MIN(failures > 0 ? failures - 1 : 0, (unsigned)BACKOFF_STEPS);
    int64_t ms = MIN(1000LL << steps, (int64_t)OUTBOX_BACKOFF_MAX_MS);
    /* A tenth up or down, so that many do not come back at once; the most stays the most. */
    ms += (int64_t)((rand_unit(&o->rand) - 0.5) * 0.2 * (double)ms);
    return MIN(ms, (int64_t)OUTBOX_BACKOFF_MAX_MS);
}

void outbox_line_well(struct outbox_line *l)
{
    l->failures = 0;
    l->next_ms = 0;
    l->row.next_attempt_ms = 0;
}

/* While a line is not well one message at a time finds out whether it is again, each time another
 * one, and its failures are the line's. Only what fails while the line is well counts against the
 * message itself: so one that the receiver chokes on holds up others for moments only. */
void outbox_line_failed(struct outbox_line *l, struct outbox_entry *e, uint64_t number,
                        int64_t after_ms)
{
    struct outbox *o = l->outbox;
    int64_t now = loop_now_ms(o->loop);
    if (l->failures == 0) {
        e->attempts++;
        e->next_ms = now + MAX(backoff_ms(o, e->attempts), after_ms);
    }
    if (l->failures == 0 || number > l->failed_at) {
        l->failures++;
        l->failed_at = o->number;
        l->next_ms = now + MAX(backoff_ms(o, l->failures), after_ms);
    } else {
        l->next_ms = MAX(l->next_ms, now + after_ms);
    }
    l->row.next_attempt_ms = clock_wall_ms(o->config.clock) + l->next_ms - now;
}

/* ---- what goes next */

static void refill(struct outbox_line *l, int64_t now)
{
    double rate = (double)rate_of(l->outbox);
    l->tokens = MIN(l->tokens + (double)(now - l->refilled_ms) * rate / 60000, rate);
    l->refilled_ms = now;
}

static struct outbox_entry *pick(const struct outbox_line *l, int64_t now)
{
    struct outbox_entry *best = NULL;
    for (size_t i = 0; i < l->entries.n; i++) {
        struct outbox_entry *e = l->entries.v[i];
        if (e->attempt || e->follows || (l->failures == 0 && e->next_ms > now))
            continue;
        if (!best || e->tried < best->tried)
            best = e;
    }
    return best;
}

static size_t flying_max(const struct outbox_line *l)
{
    const struct notifier *n = notifier_by_kind(l->row.kind);
    return l->failures > 0 || !n || !n->http ? 1 : OUTBOX_FLYING_MAX;
}

static void drop_expired(struct outbox_line *l)
{
    struct outbox *o = l->outbox;
    int64_t most = o->config.expire_ms ? o->config.expire_ms : OUTBOX_EXPIRE_DEFAULT_H * 3600000LL;
    int64_t now = clock_wall_ms(o->config.clock);
    for (size_t i = 0; i < l->entries.n;) {
        struct outbox_entry *e = l->entries.v[i];
        if (e->attempt || now - e->time_ms <= most) {
            i++;
            continue;
        }
        log_warn(MODULE, "a message for %.*s of %.*s could not be sent in time and is dropped%s%s",
                 STR_ARG(l->row.kind), STR_ARG(l->row.receiver), l->error ? ": " : "",
                 l->error ? l->error : "");
        l->row.dropped++;
        stat_add(&l->stats->expired, 1);
        outbox_line_remove(l, e);
    }
}

/* Begins what may begin; when (of the loop) to look again, INT64_MAX: not by itself. */
static int64_t run_line(struct outbox_line *l)
{
    int64_t now = loop_now_ms(l->outbox->loop), next = INT64_MAX;
    struct outbox_entry *e;
    drop_expired(l);
    refill(l, now);
    while (l->flying < flying_max(l) && now >= l->next_ms && l->tokens >= 1 &&
           (e = pick(l, now)) != NULL) {
        l->tokens -= 1;
        outbox_send_begin(l, e);
    }
    if (l->entries.n == 0)
        return next;
    next = now + EXPIRY_LOOK_MS;
    if (l->flying >= flying_max(l))
        return next; /* its end looks again */
    if (now < l->next_ms)
        return MIN(next, l->next_ms);
    if (l->tokens < 1)
        next = MIN(next, now + 1 + (int64_t)((1 - l->tokens) * 60000 / (double)rate_of(l->outbox)));
    for (size_t i = 0; i < l->entries.n; i++)
        if (l->entries.v[i]->next_ms > now && !l->entries.v[i]->attempt)
            next = MIN(next, l->entries.v[i]->next_ms);
    return next;
}

void outbox_line_run(void *outbox)
{
    struct outbox *o = outbox;
    int64_t next = INT64_MAX;
    if (o->stopping)
        return;
    if (atomic_exchange(&o->woken, false))
        outbox_rows_load(o);
    for (size_t i = 0; i < o->lines.n; i++)
        next = MIN(next, run_line(o->lines.v[i]));
    if (o->gone.n > 0 && !o->gone_posted)
        outbox_rows_flush(o);
    if (atomic_load(&o->woken) || o->gone.n > 0)
        next = MIN(next, loop_now_ms(o->loop) + 1000);
    if (next != INT64_MAX)
        timer_again(o->timer, MAX(next - loop_now_ms(o->loop), 1), 0);
}
