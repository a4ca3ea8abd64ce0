#include "daemon/lanes.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "os/loop.h"
#include "os/thread.h"

enum { TURN_MS = 500 /* how often a loop says that it turns */ };

struct lane {
    struct lanes *all;
    struct loop *loop;
    struct http_server *server;
    struct timer *timer;
    struct thread thread;
    _Atomic uint64_t turns;
    uint64_t seen; /* turns at the last lanes_turned() */
};

struct lanes {
    size_t n;
    pthread_mutex_t lock;
    pthread_cond_t drained;
    size_t open; /* servers that have not drained */
    struct lane v[];
};

static void turn(void *context)
{
    struct lane *lane = context;
    atomic_fetch_add_explicit(&lane->turns, 1, memory_order_relaxed);
}

int lanes_new(size_t n, const struct http_config *config, struct lanes **ret, struct why *why)
{
    struct lanes *l = mem_new(sizeof *l + n * sizeof l->v[0]);
    thread_lock_init(&l->lock);
    thread_cond_init(&l->drained);
    int err = 0;
    for (size_t i = 0; i < n && err == 0; i++) {
        struct lane *lane = &l->v[i];
        struct http_config own = *config;
        own.lane = i;
        lane->all = l;
        err = loop_new(&lane->loop);
        if (err == 0)
            err = http_server_new(lane->loop, &own, &lane->server);
        l->n = i + 1;
    }
    if (err != 0) {
        lanes_free(l);
        return why_set(why, (enum err) - err, "no event loop: %s", err_text(err));
    }
    *ret = l;
    return 0;
}

static void run(void *context)
{
    struct lane *lane = context;
    loop_run(lane->loop);
}

int lanes_start(struct lanes *l, const int *fds, size_t fds_n, struct why *why)
{
    for (size_t i = 0; i < fds_n; i++) {
        int err = http_server_listen(l->v[i % l->n].server, fds[i]);
        if (err != 0)
            return why_set(why, (enum err) - err, "a listening socket cannot be used: %s",
                           err_text(err));
    }
    for (size_t i = 0; i < l->n; i++) {
        char name[16];
        snprintf(name, sizeof name, "loop-%u", (unsigned)i % 100);
        l->v[i].timer = timer_new(l->v[i].loop, TURN_MS, TURN_MS, turn, &l->v[i]);
        thread_start(&l->v[i].thread, name, run, &l->v[i]);
    }
    return 0;
}

struct loop *lanes_loop(const struct lanes *l, size_t i)
{
    return l->v[i].loop;
}

bool lanes_turned(struct lanes *l)
{
    bool all = true;
    for (size_t i = 0; i < l->n; i++)
        all = all && atomic_load_explicit(&l->v[i].turns, memory_order_relaxed) != l->v[i].seen;
    for (size_t i = 0; i < l->n && all; i++)
        l->v[i].seen = atomic_load_explicit(&l->v[i].turns, memory_order_relaxed);
    return all;
}

static void drained(void *context)
{
    struct lane *lane = context;
    thread_lock(&lane->all->lock);
    lane->all->open--;
    thread_wake(&lane->all->drained);
    thread_unlock(&lane->all->lock);
}

static void drain(void *context)
{
    struct lane *lane = context;
    timer_free(lane->timer);
    lane->timer = NULL;
    http_server_drain(lane->server, drained, lane);
}

static void drop(void *context)
{
    struct lane *lane = context;
    http_server_free(lane->server);
    lane->server = NULL;
}

void lanes_drain(struct lanes *l, int64_t timeout_ms)
{
    int64_t until = clock_monotonic_ns(&clock_real) + timeout_ms * 1000000;
    thread_lock(&l->lock);
    l->open = l->n;
    for (size_t i = 0; i < l->n; i++)
        loop_post(l->v[i].loop, drain, &l->v[i]);
    for (int64_t left; l->open > 0 && (left = until - clock_monotonic_ns(&clock_real)) > 0;)
        thread_wait_for(&l->drained, &l->lock, left);
    thread_unlock(&l->lock);
    for (size_t i = 0; i < l->n; i++)
        loop_post(l->v[i].loop, drop, &l->v[i]);
}

static void stop(void *context)
{
    struct lane *lane = context;
    loop_stop(lane->loop);
}

void lanes_end(struct lanes *l)
{
    for (size_t i = 0; i < l->n; i++)
        loop_post(l->v[i].loop, stop, &l->v[i]);
    for (size_t i = 0; i < l->n; i++)
        thread_join(&l->v[i].thread);
}

void lanes_free(struct lanes *l)
{
    if (l == NULL)
        return;
    for (size_t i = 0; i < l->n; i++) {
        timer_free(l->v[i].timer);
        http_server_free(l->v[i].server);
        loop_free(l->v[i].loop);
    }
    mem_free(l);
}
