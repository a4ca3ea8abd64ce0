#include "forward/forward.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/must.h"
#include "base/stat.h"
#include "base/vec.h"
#include "forward/destination.h"
#include "forward/tap.h"
#include "os/thread.h"
#include "relabel/relabel.h"

enum { TICK_MS = 1000, DRAIN_MS = 3000, DESTINATIONS_MAX = 256 };

static const char *const DIR = "forward";

static struct stat queue_bytes =
    STAT_GAUGE("sonde_forward_queue_bytes", "Bytes on disk that wait to be sent.");
static struct stat queue_dropped =
    STAT_GAUGE("sonde_forward_queue_dropped_segments",
               "Segments that the queue dropped since the start because it was full.");
static struct stat queue_lost =
    STAT_GAUGE("sonde_forward_queue_lost_rows",
               "Rows that the queue could not take since the start: the disk was full or failed.");

struct forward {
    struct forward_config config;
    struct keyring *ring;
    struct tap *tap;
    struct queue *queue;
    struct loop *loop;
    struct fetcher *fetcher;
    struct timer *tick, *late;
    struct thread thread;
    bool running;
    struct arena arena;                  /* of the plan */
    struct forward_options_ready *ready; /* [ready_n] of it */
    size_t ready_n;
    struct str *tenants; /* [destinations.n] */
    struct {
        struct destination **v;
        size_t n, capacity;
    } destinations;
    _Atomic bool woken; /* a wake is on its way */
    size_t busy;        /* destinations that still drain */
};

/* ---- on the loop */
static void wake(void *context)
{
    struct forward *f = context;
    atomic_store(&f->woken, false);
    for (size_t i = 0; i < f->destinations.n; i++)
        destination_wake(f->destinations.v[i]);
}

static void on_filled(void *context)
{
    struct forward *f = context;
    if (!atomic_exchange(&f->woken, true))
        loop_post(f->loop, wake, f);
}

static void on_tick(void *context)
{
    struct forward *f = context;
    uint64_t segment = UINT64_MAX;
    (void)!queue_sync(f->queue); /* what could not be synced is lost with the power alone */
    for (size_t i = 0; i < f->destinations.n; i++) {
        destination_tick(f->destinations.v[i]);
        segment = MIN(segment, destination_segment(f->destinations.v[i]));
    }
    queue_trim(f->queue, segment);
    struct queue_facts facts = queue_facts(f->queue);
    stat_set(&queue_bytes, (double)facts.bytes);
    stat_set(&queue_dropped, (double)facts.dropped);
    stat_set(&queue_lost, (double)tap_lost(f->tap));
}

static void on_idle(void *context)
{
    struct forward *f = context;
    if (--f->busy == 0)
        loop_stop(f->loop);
}

static void on_late(void *context)
{
    struct forward *f = context;
    loop_stop(f->loop);
}

static void drain(void *context)
{
    struct forward *f = context;
    f->busy = f->destinations.n;
    f->late = timer_new(f->loop, DRAIN_MS, 0, on_late, f);
    for (size_t i = 0; i < f->destinations.n; i++)
        destination_drain(f->destinations.v[i]);
}

static void run(void *context)
{
    struct forward *f = context;
    loop_run(f->loop);
}

/* ---- opening */
struct forward *forward_new(const struct forward_config *config)
{
    struct forward *f = mem_new(sizeof *f);
    f->config = *config;
    f->tap = tap_new(config->next);
    arena_init(&f->arena);
    stat_register(&queue_bytes);
    stat_register(&queue_dropped);
    stat_register(&queue_lost);
    return f;
}

struct sink *forward_sink(struct forward *f)
{
    return tap_sink(f->tap);
}

static int open_queue(struct forward *f, uint64_t bytes_max, struct why *why)
{
    if (f->queue)
        return 0;
    if (f->config.key_file[0] != '\0' && f->ring == NULL) {
        int err = keyring_load(f->config.key_file, &f->ring, why);
        if (err)
            return err;
    }
    return queue_open(f->config.disk, DIR, f->ring, bytes_max, &f->queue, why);
}

/* A name for one of the Prometheus file that has none: its URL, and which it is where that comes
 * again. */
static struct str name_for(struct forward *f, const struct promfile *p, size_t i)
{
    const struct promfile_remote_write *w = &p->remote_writes[i];
    size_t same = 0;
    if (w->name.n > 0)
        return w->name;
    for (size_t k = 0; k < i; k++)
        same += p->remote_writes[k].name.n == 0 && str_eq(p->remote_writes[k].url, w->url);
    return same == 0 ? w->url : arena_printf(&f->arena, STR_FMT "#%zu", STR_ARG(w->url), same + 1);
}

/* Both kinds as one list. */
static void gather(struct forward *f, const struct forward_plan *plan)
{
    const struct promfile *p = plan->promfile;
    size_t own = plan->settings.remote_writes.n, others = p ? p->remote_writes_n : 0;
    f->ready = arena_array(&f->arena, own + others + 1, sizeof *f->ready);
    f->ready_n = own;
    for (size_t i = 0; i < own; i++)
        forward_options_make(&plan->settings, i, &f->arena, &f->ready[i]);
    for (size_t i = 0; i < others; i++) {
        f->ready[own + i] = (struct forward_options_ready){
            .write = p->remote_writes[i], .tenant = STR("default"), .labels = p->external_labels};
        f->ready[own + i].write.name = name_for(f, p, i);
    }
    size_t n = own + others;
    f->tenants = arena_array(&f->arena, n + 1, sizeof *f->tenants);
    for (size_t i = 0; i < n; i++)
        f->tenants[i] = f->ready[i].tenant;
}

static int open_destinations(struct forward *f, size_t n, struct why *why)
{
    for (size_t i = 0; i < n; i++) {
        struct destination *d;
        struct destination_plan plan = {.write = &f->ready[i].write,
                                        .tenant = f->ready[i].tenant,
                                        .external_labels = f->ready[i].labels,
                                        .loop = f->loop,
                                        .fetcher = f->fetcher,
                                        .queue = f->queue,
                                        .disk = f->config.disk,
                                        .dir = DIR,
                                        .clock = f->config.clock,
                                        .warn = f->config.warn,
                                        .context = f->config.context,
                                        .idle = on_idle};
        plan.idle_context = f;
        int err = destination_new(&plan, &d, why);
        if (err)
            return err;
        vec_push(&f->destinations, d);
    }
    return 0;
}

/* The loop and the queue stay: lanes go on to fill it. */
static void close_destinations(struct forward *f)
{
    for (size_t i = 0; i < f->destinations.n; i++)
        destination_free(f->destinations.v[i]);
    vec_free(&f->destinations);
    fetcher_free(f->fetcher);
    timer_free(f->tick);
    timer_free(f->late);
    f->fetcher = NULL;
    f->tick = f->late = NULL;
    for (size_t i = 0; i < f->ready_n; i++)
        relabel_free(f->ready[i].write.relabel);
    f->ready_n = 0;
}

static void close_all(struct forward *f)
{
    tap_set(f->tap, &(struct tap_target){0});
    close_destinations(f);
    queue_close(f->queue);
    f->queue = NULL;
    arena_done(&f->arena);
}

void forward_stop(struct forward *f)
{
    if (!f->running)
        return;
    loop_post(f->loop, drain, f);
    thread_join(&f->thread);
    f->running = false;
}

static int open_all(struct forward *f, const struct forward_plan *plan, size_t n, struct why *why)
{
    if (n > DESTINATIONS_MAX)
        return why_set(why, ERR_LIMIT, "there are more than %d remote writes",
                       (int)DESTINATIONS_MAX);
    gather(f, plan);
    int err = open_queue(f, (uint64_t)plan->settings.queue_bytes_max, why);
    if (err == 0 && f->loop == NULL)
        err = loop_new(&f->loop);
    if (err == 0)
        err = fetcher_new(f->loop, NULL, &f->fetcher);
    if (err == 0)
        err = open_destinations(f, n, why);
    if (err)
        return err;
    f->tick = timer_new(f->loop, TICK_MS, TICK_MS, on_tick, f);
    tap_set(f->tap, &(struct tap_target){f->queue, f->tenants, n, on_filled, f});
    return 0;
}

int forward_reload(struct forward *f, const struct forward_plan *plan, struct why *why)
{
    size_t n = plan->settings.remote_writes.n;
    struct arena before = f->arena; /* the tap has texts in it until it gets new ones */
    n += plan->promfile ? plan->promfile->remote_writes_n : 0;
    forward_stop(f);
    close_destinations(f);
    arena_init(&f->arena);
    int err = n > 0 ? open_all(f, plan, n, why) : 0;
    if (err || n == 0)
        close_all(f);
    arena_done(&before);
    if (err || n == 0)
        return err;
    thread_start(&f->thread, "forward", run, f);
    f->running = true;
    on_filled(f); /* what is there from before */
    return 0;
}

void forward_free(struct forward *f)
{
    if (f == NULL)
        return;
    forward_stop(f);
    close_all(f);
    loop_free(f->loop);
    tap_free(f->tap);
    keyring_free(f->ring);
    mem_free(f);
}
