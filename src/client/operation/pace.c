#include "client/operation/pace.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "client/core/ticks.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t noted_ticks[PACE_NOTES]; /* when */
static unsigned last, notes;             /* the newest of them; how many there are */
static uint64_t forgot_ticks;            /* there is none from before */

void pace_lock(void)
{
    pthread_mutex_lock(&lock);
}

void pace_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

void pace_tick(uint64_t now_ticks)
{
    last = (last + 1) % PACE_NOTES;
    notes += notes < PACE_NOTES;
    noted_ticks[last] = now_ticks;
}

void pace_note(struct pace *p, uint64_t count, uint64_t failed)
{
    p->count[last] = (uint32_t)count;
    p->failed[last] = (uint32_t)failed;
}

struct pace_added pace_added(const struct pace *p, unsigned seconds, uint64_t count,
                             uint64_t failed, uint64_t now_ticks, uint64_t since_ticks)
{
    bool from_nothing = since_ticks >= forgot_ticks; /* no note has been lost since then */
    uint64_t wanted = ticks_of_ns((uint64_t)seconds * 1000000000), from = now_ticks;
    uint32_t count_then = (uint32_t)count, failed_then = (uint32_t)failed;
    bool old_enough = false;
    for (unsigned i = 0; i < notes && !old_enough; i++) {
        unsigned at = (last + PACE_NOTES - i) % PACE_NOTES;
        if (from_nothing && noted_ticks[at] <= since_ticks) {
            break;
        }
        from = noted_ticks[at];
        count_then = p->count[at];
        failed_then = p->failed[at];
        old_enough = now_ticks >= from + wanted;
    }
    if (!old_enough && from_nothing) {
        from = since_ticks;
        count_then = failed_then = 0;
    }
    double s = now_ticks > from ? (double)ticks_ns(now_ticks - from) * 1e-9 : 0;
    return (struct pace_added){.count = (uint32_t)((uint32_t)count - count_then),
                               .failed = (uint32_t)((uint32_t)failed - failed_then),
                               .seconds = s > 1 ? s : 1};
}

void pace_clear(struct pace *p)
{
    memset(p, 0, sizeof *p);
}

void pace_forget(uint64_t now_ticks)
{
    notes = 0;
    forgot_ticks = now_ticks;
}

void pace_fork_child(void)
{
    pthread_mutex_init(&lock, NULL);
}
