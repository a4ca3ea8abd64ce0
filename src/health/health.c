#include "health/health.h"

#include <stdio.h>

#include "base/mem.h"
#include "os/thread.h"

struct entry {
    struct health_check check;
    struct health_reading reading; /* with the settled state */
    enum health_state said;        /* by the last run */
    unsigned same;                 /* runs in a row that said so */
    int64_t time_ms, ran_ns;
    bool ran;
};

struct disk_check {
    struct disk *disk;
};

struct clock_check {
    const struct clock *clock;
    int64_t wall_ms, monotonic_ns, jumped_ns, jump_ms;
};

struct health {
    const struct clock *clock;
    pthread_mutex_t lock; /* of what follows */
    struct entry entries[HEALTH_CHECKS_MAX];
    size_t n;
    pthread_mutex_t running; /* one health_run() at a time */
    struct disk_check disks[HEALTH_CHECKS_MAX];
    size_t disks_n;
    struct clock_check clock_check;
};

struct health *health_new(const struct clock *clock)
{
    struct health *h = mem_new(sizeof *h);
    h->clock = clock;
    thread_lock_init(&h->lock);
    thread_lock_init(&h->running);
    return h;
}

void health_free(struct health *h)
{
    if (!h)
        return;
    pthread_mutex_destroy(&h->lock);
    pthread_mutex_destroy(&h->running);
    mem_free(h);
}

int health_add(struct health *h, const struct health_check *check)
{
    int err = 0;
    thread_lock(&h->lock);
    if (h->n == HEALTH_CHECKS_MAX)
        err = -ERR_LIMIT;
    else
        h->entries[h->n++] = (struct entry){.check = *check};
    thread_unlock(&h->lock);
    return err;
}

/* ---- built-in checks */

static const double SPACE_WARN = 0.10, SPACE_FAIL = 0.02; /* of the whole disk */
static const uint64_t SPACE_FAIL_BYTES = 64ULL * 1024 * 1024;

static void disk_run(void *context, struct health_reading *ret)
{
    struct disk_check *c = context;
    uint64_t free_bytes, total;
    int err = disk_space(c->disk, &free_bytes, &total);
    if (err || total == 0) {
        ret->state = HEALTH_UNHEALTHY;
        snprintf(ret->output, sizeof ret->output, "the free space cannot be read: %s",
                 err_text(err));
        return;
    }
    double share = (double)free_bytes / (double)total;
    ret->value = (double)free_bytes;
    if (share < SPACE_FAIL || free_bytes < SPACE_FAIL_BYTES)
        ret->state = HEALTH_UNHEALTHY;
    else if (share < SPACE_WARN)
        ret->state = HEALTH_DEGRADED;
    if (ret->state != HEALTH_OK)
        snprintf(ret->output, sizeof ret->output,
                 "%.1f %% (%llu MiB) of the data disk is free: free space or shorten the retention",
                 share * 100, (unsigned long long)(free_bytes / (1024 * 1024)));
}

int health_add_disk(struct health *h, const char *component, struct disk *d)
{
    if (h->disks_n == HEALTH_CHECKS_MAX)
        return -ERR_LIMIT;
    struct disk_check *c = &h->disks[h->disks_n++];
    c->disk = d;
    return health_add(h, &(struct health_check){.component = component,
                                                .measurement = "space_free",
                                                .unit = "bytes",
                                                .type = "datastore",
                                                .every_ms = 5000,
                                                .run = disk_run,
                                                .context = c});
}

enum { JUMP_MS = 1000, JUMP_SHOWN_S = 60 };

static void clock_run(void *context, struct health_reading *ret)
{
    struct clock_check *c = context;
    int64_t wall = clock_wall_ms(c->clock), monotonic = clock_monotonic_ns(c->clock);
    if (c->monotonic_ns) {
        int64_t off = (wall - c->wall_ms) - (monotonic - c->monotonic_ns) / 1000000;
        if (off > JUMP_MS || off < -JUMP_MS) {
            c->jumped_ns = monotonic;
            c->jump_ms = off;
        }
    }
    c->wall_ms = wall;
    c->monotonic_ns = monotonic;
    if (!c->jumped_ns || monotonic - c->jumped_ns > (int64_t)JUMP_SHOWN_S * 1000000000)
        return;
    ret->state = HEALTH_DEGRADED;
    ret->value = (double)c->jump_ms / 1000;
    snprintf(ret->output, sizeof ret->output,
             "the clock jumped by %.1f s: is time synchronisation running?",
             (double)c->jump_ms / 1000);
}

int health_add_clock(struct health *h)
{
    h->clock_check.clock = h->clock;
    return health_add(h, &(struct health_check){.component = "clock",
                                                .measurement = "jump",
                                                .unit = "s",
                                                .type = "system",
                                                .run = clock_run,
                                                .context = &h->clock_check});
}

/* ---- running and asking */

/* Takes a reading in; the state follows only after enough of the same. Under the lock. */
static void settle(struct entry *e, const struct health_reading *reading)
{
    enum health_state state = e->ran ? e->reading.state : reading->state;
    e->same = e->ran && reading->state == e->said ? e->same + 1 : 1;
    e->said = reading->state;
    unsigned needed = reading->state > state ? e->check.fall : e->check.rise;
    if (e->same >= MAX(needed, 1U))
        state = reading->state;
    e->reading = *reading;
    e->reading.state = state;
    e->ran = true;
}

void health_run(struct health *h)
{
    thread_lock(&h->running);
    for (size_t i = 0;; i++) {
        struct health_reading reading = {.state = HEALTH_OK};
        int64_t now = clock_monotonic_ns(h->clock);
        thread_lock(&h->lock);
        bool there = i < h->n;
        struct health_check check = {0};
        if (there)
            check = h->entries[i].check;
        bool due =
            there && (!h->entries[i].ran || now - h->entries[i].ran_ns >= check.every_ms * 1000000);
        thread_unlock(&h->lock);
        if (!there)
            break;
        if (!due)
            continue;
        check.run(check.context, &reading);
        thread_lock(&h->lock);
        settle(&h->entries[i], &reading);
        h->entries[i].ran_ns = now;
        h->entries[i].time_ms = clock_wall_ms(h->clock);
        thread_unlock(&h->lock);
    }
    thread_unlock(&h->running);
}

size_t health_list(struct health *h, struct health_row *ret, size_t max)
{
    thread_lock(&h->lock);
    size_t n = MIN(h->n, max);
    for (size_t i = 0; i < n; i++) {
        const struct entry *e = &h->entries[i];
        ret[i] =
            (struct health_row){.check = &e->check, .reading = e->reading, .time_ms = e->time_ms};
        if (!e->ran)
            ret[i].reading.state = HEALTH_UNKNOWN;
    }
    thread_unlock(&h->lock);
    return n;
}

enum health_state health_worst(struct health *h)
{
    enum health_state worst = HEALTH_OK;
    thread_lock(&h->lock);
    for (size_t i = 0; i < h->n; i++)
        if (h->entries[i].ran && h->entries[i].reading.state != HEALTH_UNKNOWN)
            worst = MAX(worst, h->entries[i].reading.state);
    thread_unlock(&h->lock);
    return worst;
}

const char *health_word(enum health_state state)
{
    switch (state) {
    case HEALTH_OK:
        return "pass";
    case HEALTH_UNHEALTHY:
        return "fail";
    case HEALTH_DEGRADED:
    case HEALTH_UNKNOWN:
        break;
    }
    return "warn";
}
