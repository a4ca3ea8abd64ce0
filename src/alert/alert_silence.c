#include "alert/alert_inside.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/rand.h"
#include "base/vec.h"

static const char *const STATES[] = {"pending", "active", "expired"};

static struct alert_quiet *find(const struct alerting *a, struct str id)
{
    for (size_t k = 0; k < a->silences.n; k++)
        if (str_eq(a->silences.v[k]->id, id))
            return a->silences.v[k];
    return NULL;
}

static bool holds_empty(const struct matcher_item *m)
{
    struct matcher_list one = {m, 1};
    return matcher_list_holds(&one, STR(""));
}

static int check(const struct alert_silence *s, int64_t now_ms, struct why *why)
{
    bool all_empty = true;
    if (s->starts_ms >= s->ends_ms)
        return why_set(why, ERR_FORMAT,
                       "failed to create silence: start time must be before end time");
    if (s->ends_ms < now_ms)
        return why_set(why, ERR_FORMAT, "failed to create silence: end time can't be in the past");
    if (s->matchers.n == 0)
        return why_set(why, ERR_FORMAT, "invalid silence: at least one matcher required");
    for (size_t k = 0; k < s->matchers.n; k++)
        all_empty = all_empty && holds_empty(&s->matchers.v[k]);
    if (all_empty)
        return why_set(why, ERR_FORMAT,
                       "invalid silence: at least one matcher must not match the empty string");
    return 0;
}

static bool is_same(const struct matcher_list *a, const struct matcher_list *b)
{
    struct buf x, y;
    buf_init(&x, 1 << 20);
    buf_init(&y, 1 << 20);
    matcher_list_print(a, &x);
    matcher_list_print(b, &y);
    bool same = str_eq(buf_str(&x), buf_str(&y)) && !buf_failed(&x) && !buf_failed(&y);
    buf_done(&y);
    buf_done(&x);
    return same;
}

/* May b become what a is, under a's id? */
static bool is_change(const struct alert_quiet *a, const struct alert_silence *b, int64_t now_ms)
{
    if (!is_same(&a->matchers, &b->matchers))
        return false;
    switch (alert_quiet_state(a, now_ms)) {
    case ALERT_QUIET_ACTIVE:
        return b->starts_ms / 1000 == a->starts_ms / 1000 && b->ends_ms >= now_ms;
    case ALERT_QUIET_PENDING:
        return b->starts_ms >= now_ms;
    case ALERT_QUIET_EXPIRED:
        break;
    }
    return false;
}

static struct str uuid(struct arena *a)
{
    uint64_t high = rand_seed(), low = rand_seed();
    high = (high & ~0xf000ULL) | 0x4000;
    low = (low & ~(3ULL << 62)) | 2ULL << 62;
    return arena_printf(a, "%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64,
                        high >> 32, high >> 16 & 0xffff, high & 0xffff, low >> 48,
                        (uint64_t)(low & 0xffffffffffffULL));
}

/* *ret is in an arena of its own. */
static int copy(const struct alert_silence *s, struct str id, int64_t now_ms,
                struct alert_quiet **ret, struct why *why)
{
    struct arena arena;
    arena_init(&arena);
    struct alert_quiet *q = arena_new(&arena, sizeof *q);
    int err = 0;
    for (size_t k = 0; err == 0 && k < s->matchers.n; k++) {
        const struct matcher_item *m = &s->matchers.v[k];
        err = matcher_add(m->name, m->op, m->value, &arena, &q->matchers, why);
    }
    if (err) {
        matcher_list_done(&q->matchers);
        arena_done(&arena);
        return err;
    }
    q->id = id.n ? arena_str(&arena, id) : uuid(&arena);
    q->created_by = arena_str(&arena, s->created_by);
    q->comment = arena_str(&arena, s->comment);
    q->starts_ms = s->starts_ms;
    q->ends_ms = s->ends_ms;
    q->updated_ms = now_ms;
    q->until_resolved = s->until_resolved;
    q->seen = ALERT_QUIET_PENDING;
    q->arena = arena;
    *ret = q;
    return 0;
}

struct pair {
    const struct alert_quiet *v[2]; /* NULL: none */
};

static int write_pair(void *context, struct state_tx *tx, struct why *why)
{
    const struct pair *p = context;
    int err = 0;
    for (size_t k = 0; err == 0 && k < COUNTOF(p->v); k++)
        if (p->v[k])
            err = alert_state_put_silence(tx, p->v[k], why);
    return err;
}

/* As it is when it has been ended now. */
static struct alert_quiet ended(const struct alert_quiet *s, int64_t now_ms)
{
    struct alert_quiet e = *s;
    e.starts_ms = MIN(e.starts_ms, now_ms);
    e.ends_ms = e.updated_ms = now_ms;
    return e;
}

static void end(struct alert_quiet *s, int64_t now_ms)
{
    s->starts_ms = MIN(s->starts_ms, now_ms);
    s->ends_ms = s->updated_ms = now_ms;
}

static void replace(struct alerting *a, struct alert_quiet *old, struct alert_quiet *fresh)
{
    for (size_t k = 0; k < a->silences.n; k++)
        if (a->silences.v[k] == old)
            a->silences.v[k] = fresh;
    for (size_t k = 0; k < a->batch.silences.n; k++)
        if (a->batch.silences.v[k] == old)
            a->batch.silences.v[k] = fresh;
    alert_quiet_free(old);
}

/* Both are on disk: they count from here. */
static void take_over(struct alerting *a, struct alert_quiet *old, struct alert_quiet *fresh,
                      bool change, int64_t now_ms)
{
    thread_lock(&a->lock);
    if (change) {
        fresh->seen = old->seen;
        replace(a, old, fresh);
    } else {
        if (old && alert_quiet_state(old, now_ms) != ALERT_QUIET_EXPIRED)
            end(old, now_ms);
        vec_push(&a->silences, fresh);
    }
    a->silences_next_ms = now_ms; /* has begun, perhaps */
    thread_unlock(&a->lock);
    alert_quiet_pass(a, now_ms);
}

static int set(struct alerting *a, const struct alert_silence *given, struct arena *arena,
               struct str *ret_id, struct why *why)
{
    int64_t now = clock_wall_ms(a->config.clock);
    struct alert_silence s = *given;
    struct alert_quiet *fresh, *old = s.id.n ? find(a, s.id) : NULL, gone;
    if (s.starts_ms == 0)
        s.starts_ms = now;
    int err = check(&s, now, why);
    if (err)
        return err;
    if (s.id.n && old == NULL)
        return why_set(why, ERR_NOENT, "silence not found");
    bool change = old && is_change(old, &s, now);
    if (!change)
        s.starts_ms = MAX(s.starts_ms, now);
    err = copy(&s, change ? s.id : STR(""), now, &fresh, why);
    if (err)
        return err;
    struct pair pair = {{fresh, NULL}};
    if (old && !change && alert_quiet_state(old, now) != ALERT_QUIET_EXPIRED) {
        gone = ended(old, now);
        pair.v[1] = &gone;
    }
    err = state_write(a->config.state, write_pair, &pair, why);
    if (err) {
        alert_quiet_free(fresh);
        return err;
    }
    *ret_id = arena_str(arena, fresh->id);
    take_over(a, old, fresh, change, now);
    return 0;
}

int alert_silence_set(struct alerting *a, const struct alert_silence *s, struct arena *arena,
                      struct str *ret_id, struct why *why)
{
    thread_lock(&a->turn);
    int err = set(a, s, arena, ret_id, why);
    thread_unlock(&a->turn);
    if (err == 0)
        alert_wake(a);
    return err;
}

static int expire(struct alerting *a, struct str id, struct why *why)
{
    int64_t now = clock_wall_ms(a->config.clock);
    struct alert_quiet *s = find(a, id);
    if (s == NULL)
        return why_set(why, ERR_NOENT, "silence not found");
    if (alert_quiet_state(s, now) == ALERT_QUIET_EXPIRED)
        return why_set(why, ERR_STATE, "silence " STR_FMT " already expired", STR_ARG(id));
    struct alert_quiet over = ended(s, now);
    struct pair pair = {{&over, NULL}};
    int err = state_write(a->config.state, write_pair, &pair, why);
    if (err)
        return err;
    thread_lock(&a->lock);
    end(s, now);
    a->silences_next_ms = now;
    thread_unlock(&a->lock);
    alert_quiet_pass(a, now);
    return 0;
}

int alert_silence_expire(struct alerting *a, struct str id, struct why *why)
{
    thread_lock(&a->turn);
    int err = expire(a, id, why);
    thread_unlock(&a->turn);
    if (err == 0)
        alert_wake(a);
    return err;
}

static struct matcher_list readable(const struct matcher_list *m, struct arena *arena)
{
    struct matcher_item *v = arena_array(arena, m->n + 1, sizeof *v);
    for (size_t k = 0; k < m->n; k++)
        v[k] = (struct matcher_item){arena_str(arena, m->v[k].name),
                                     arena_str(arena, m->v[k].value), m->v[k].op, NULL};
    return (struct matcher_list){v, m->n};
}

int alert_silence_list(struct alerting *a, struct arena *arena, struct alert_silence **ret,
                       size_t *ret_n, struct why *why)
{
    (void)why; /* nothing can fail */
    int64_t now = clock_wall_ms(a->config.clock);
    thread_lock(&a->lock);
    struct alert_silence *v = arena_array(arena, a->silences.n + 1, sizeof *v);
    for (size_t k = 0; k < a->silences.n; k++) {
        const struct alert_quiet *s = a->silences.v[k];
        v[k] = (struct alert_silence){.id = arena_str(arena, s->id),
                                      .matchers = readable(&s->matchers, arena),
                                      .starts_ms = s->starts_ms,
                                      .ends_ms = s->ends_ms,
                                      .updated_ms = s->updated_ms,
                                      .created_by = arena_str(arena, s->created_by),
                                      .comment = arena_str(arena, s->comment),
                                      .until_resolved = s->until_resolved,
                                      .state = STATES[alert_quiet_state(s, now)]};
    }
    *ret_n = a->silences.n;
    thread_unlock(&a->lock);
    *ret = v;
    return 0;
}
