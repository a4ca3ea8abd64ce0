#include "health/standing.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/vec.h"

bool standing_take(struct standing *s, enum health_state reading, unsigned fall, unsigned rise)
{
    if (!s->ever && reading == HEALTH_OK) {
        *s = (struct standing){.state = reading, .ever = true};
        return true;
    }
    int side = !s->ever ? 1 : reading > s->state ? 1 : reading < s->state ? -1 : 0;
    if (side == 0) {
        s->side = 0;
        s->row = 0;
        return false;
    }
    bool goes_on = side == s->side;
    s->mildest = !goes_on   ? reading
                 : side > 0 ? MIN(s->mildest, reading)
                            : MAX(s->mildest, reading);
    s->row = goes_on ? s->row + 1 : 1;
    s->side = side;
    if (s->row < (side > 0 ? fall : rise))
        return false;
    s->state = s->mildest;
    s->ever = true;
    s->side = 0;
    s->row = 0;
    return true;
}

void standing_end(struct standing_history *h, int64_t now_ms)
{
    if (h->n == 0 || h->v[h->n - 1].to_ms != INT64_MAX)
        return;
    struct standing_span *last = &h->v[h->n - 1];
    last->to_ms = MAX(now_ms, last->from_ms);
}

void standing_change(struct standing_history *h, int64_t now_ms, enum health_state state,
                     bool maintenance, size_t max)
{
    struct standing_span *last = h->n > 0 ? &h->v[h->n - 1] : NULL;
    if (last != NULL && last->to_ms == INT64_MAX && last->state == (uint8_t)state &&
        last->maintenance == maintenance)
        return;
    standing_end(h, now_ms);
    if (h->n > 0)
        now_ms = MAX(now_ms, h->v[h->n - 1].to_ms);
    if (h->n >= max) {
        size_t gone = h->n - max + 1;
        memmove(h->v, h->v + gone, (h->n - gone) * sizeof *h->v);
        h->n -= gone;
    }
    struct standing_span next = {now_ms, INT64_MAX, (uint8_t)state, maintenance};
    vec_push(h, next);
}

void standing_history_done(struct standing_history *h)
{
    vec_free(h);
}

struct standing_sum standing_spent(const struct standing_history *h, int64_t from_ms, int64_t to_ms)
{
    struct standing_sum sum = {.maintenance = 0};
    for (size_t i = h->n; i-- > 0;) {
        const struct standing_span *s = &h->v[i];
        int64_t from = MAX(s->from_ms, from_ms), to = MIN(s->to_ms, to_ms);
        if (s->to_ms <= from_ms)
            break;
        if (to <= from)
            continue;
        if (s->maintenance)
            sum.maintenance += to - from;
        else
            sum.in[s->state % STANDING_STATES] += to - from;
    }
    return sum;
}

double standing_uptime(const struct standing_history *h, int64_t from_ms, int64_t to_ms)
{
    struct standing_sum sum = standing_spent(h, from_ms, to_ms);
    int64_t up = sum.in[HEALTH_OK] + sum.in[HEALTH_DEGRADED], down = sum.in[HEALTH_UNHEALTHY];
    return up + down > 0 ? (double)up / (double)(up + down) : (double)NAN;
}
