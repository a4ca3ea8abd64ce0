#include "receive/statsd_receiver.h"

#include "base/mem.h"
#include "receive/datagram_thread.h"

static struct stat datagrams =
    STAT_COUNTER("sonde_statsd_datagrams_total", "Datagrams of StatsD that were read.");
static struct stat cut = STAT_COUNTER("sonde_statsd_datagrams_cut_total",
                                      "Datagrams that were left out since they were too long.");
static struct stat dropped =
    STAT_COUNTER("sonde_statsd_datagrams_dropped_total",
                 "Datagrams that the kernel dropped since they came faster than they were read.");

struct statsd_receiver {
    struct statsd_plan plan;
    const struct clock *clock;
    struct statsd_aggregator *aggregator;
    struct datagram_thread *thread;
};

static void take(void *context, struct str datagram)
{
    statsd_aggregator_take(context, datagram);
}

static void tick(void *context, int64_t ts_ms)
{
    statsd_aggregator_tell(context);
    statsd_aggregator_flush(context, ts_ms);
}

static bool step(void *context)
{
    return statsd_aggregator_step(context);
}

int statsd_receiver_new(const struct statsd_plan *plan, const struct clock *clock,
                        struct statsd_receiver **ret, struct why *why)
{
    struct statsd_receiver *r = mem_new(sizeof *r);
    r->plan = *plan;
    r->clock = clock;
    int err = statsd_aggregator_new(plan, &r->aggregator, why);
    if (err != 0) {
        mem_free(r);
        return err;
    }
    *ret = r;
    return 0;
}

int statsd_receiver_start(struct statsd_receiver *r, const int *fds, size_t n, struct why *why)
{
    static const struct datagram_thread_ops OPS = {take, tick, step};
    struct datagram_thread_plan plan = {.ops = &OPS,
                                        .context = r->aggregator,
                                        .name = "statsd",
                                        .interval_ms = r->plan.settings->interval_ms,
                                        .clock = r->clock,
                                        .datagrams = &datagrams,
                                        .cut = &cut,
                                        .dropped = &dropped};
    return n == 0 ? 0 : datagram_thread_start(&plan, fds, n, &r->thread, why);
}

void statsd_receiver_free(struct statsd_receiver *r)
{
    if (r == NULL)
        return;
    datagram_thread_stop(r->thread);
    statsd_aggregator_free(r->aggregator);
    mem_free(r);
}
