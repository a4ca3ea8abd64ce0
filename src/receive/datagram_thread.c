#include "receive/datagram_thread.h"

#include <stdatomic.h>

#include "base/mem.h"
#include "os/datagram.h"
#include "os/thread.h"

enum { NAP_MS_MAX = 1000 /* the wall clock may be set meanwhile */ };

struct datagram_thread {
    struct datagram_thread_plan plan;
    struct datagram_reader *reader;
    struct thread thread;
    _Atomic bool stop;
    int64_t due_ms;
    uint64_t dropped; /* told so far */
};

/* How many datagrams there were. */
static size_t take(struct datagram_thread *t)
{
    const struct str *v;
    uint64_t cut = 0;
    size_t n = datagram_read(t->reader, &v, &cut);
    for (size_t i = 0; i < n; i++)
        t->plan.ops->take(t->plan.context, v[i]);
    if (n > 0)
        stat_add(t->plan.datagrams, n);
    if (cut > 0)
        stat_add(t->plan.cut, cut);
    return n;
}

static void tick(struct datagram_thread *t, int64_t ts_ms)
{
    uint64_t dropped = datagram_dropped(t->reader);
    stat_add(t->plan.dropped, dropped - t->dropped);
    t->dropped = dropped;
    t->plan.ops->tick(t->plan.context, ts_ms);
}

static void run(void *context)
{
    struct datagram_thread *t = context;
    int64_t interval = t->plan.interval_ms, now = clock_wall_ms(t->plan.clock);
    t->due_ms = (now / interval + 1) * interval;
    while (!atomic_load_explicit(&t->stop, memory_order_relaxed)) {
        now = clock_wall_ms(t->plan.clock);
        if (t->due_ms - now > 2 * interval) /* the clock was set back */
            t->due_ms = (now / interval + 1) * interval;
        if (now >= t->due_ms) {
            tick(t, now / interval * interval);
            t->due_ms = (now / interval + 1) * interval;
        }
        bool more = t->plan.ops->step(t->plan.context);
        if (take(t) == 0 && !more)
            datagram_wait(t->reader, MIN(t->due_ms - now, NAP_MS_MAX) * 1000000);
    }
    tick(t, clock_wall_ms(t->plan.clock));
    while (t->plan.ops->step(t->plan.context))
        continue;
}

int datagram_thread_start(const struct datagram_thread_plan *plan, const int *fds, size_t n,
                          struct datagram_thread **ret, struct why *why)
{
    struct datagram_reader *reader;
    int err = datagram_reader_new(fds, n, &reader, why);
    if (err != 0)
        return err;
    stat_register(plan->datagrams);
    stat_register(plan->cut);
    stat_register(plan->dropped);
    struct datagram_thread *t = mem_new(sizeof *t);
    t->plan = *plan;
    t->reader = reader;
    thread_start(&t->thread, plan->name, run, t);
    *ret = t;
    return 0;
}

void datagram_thread_stop(struct datagram_thread *t)
{
    if (t == NULL)
        return;
    atomic_store(&t->stop, true);
    datagram_wake(t->reader);
    thread_join(&t->thread);
    datagram_reader_free(t->reader);
    mem_free(t);
}
