#include "apps/apps.h"

#include "apps/apps_inside.h"
#include "base/mem.h"
#include "base/must.h"

static struct stat connected =
    STAT_GAUGE("sonde_apps_connected", "Applications that are connected.");

static void on_tick(void *context)
{
    struct apps *a = context;
    bool second = ++a->ticks % APPS_SECOND_TICKS == 0;
    for (struct app *app = a->first, *next; app != NULL; app = next) {
        next = app->next;
        apps_connection_tick(app, second);
    }
    apps_ask_tick(a);
    if (second)
        stat_set(&connected, (double)a->connections);
    if (atomic_load(&a->stopping) && a->held == 0 && a->first == NULL)
        loop_stop(a->loop);
}

int apps_new(const struct apps_config *config, struct apps **ret, struct why *why)
{
    struct apps *a = mem_new(sizeof *a);
    a->config = *config;
    thread_lock_init(&a->lock);
    rw1_init(&a->rw1);
    int err =
        config->sink->ops->tenant(config->sink, str_c(config->settings->tenant), &a->tenant, why);
    if (err == 0)
        err = loop_new(&a->loop);
    if (err) {
        apps_free(a);
        return err;
    }
    stat_register(&connected);
    apps_connection_stats();
    apps_metrics_stats();
    apps_ask_stats();
    *ret = a;
    return 0;
}

static void run(void *context)
{
    struct apps *a = context;
    loop_run(a->loop);
}

int apps_start(struct apps *a, const int *fds, size_t n, struct why *why)
{
    for (size_t i = 0; i < n; i++) {
        if (a->listeners_n == APPS_LISTENERS_MAX)
            return why_set(why, ERR_LIMIT, "apps.listen has more than %d sockets",
                           APPS_LISTENERS_MAX);
        int err = listener_open(a->loop, fds[i], apps_accept, a, &a->listeners[a->listeners_n]);
        if (err)
            return why_set(why, (enum err) - err, "the socket for applications: %s", err_text(err));
        a->listeners_n++;
    }
    a->tick = timer_new(a->loop, APPS_TICK_MS, APPS_TICK_MS, on_tick, a);
    thread_lock(&a->lock);
    a->running = true;
    thread_unlock(&a->lock);
    thread_start(&a->thread, "apps", run, a);
    return 0;
}

static void close_listeners(struct apps *a)
{
    while (a->listeners_n > 0)
        listener_free(a->listeners[--a->listeners_n]);
}

/* On the loop. on_tick() ends it as soon as nothing is on its way. */
static void quit(void *context)
{
    struct apps *a = context;
    thread_lock(&a->lock);
    a->closed = true;
    thread_unlock(&a->lock);
    close_listeners(a);
    while (a->first)
        apps_close(a->first, APPS_END_STOP, "the daemon ends");
    apps_ask_stop(a);
}

void apps_stop(struct apps *a)
{
    if (a == NULL || !a->running || atomic_exchange(&a->stopping, true))
        return;
    loop_post(a->loop, quit, a);
    thread_join(&a->thread);
}

void apps_free(struct apps *a)
{
    if (a == NULL)
        return;
    apps_stop(a);
    close_listeners(a);
    timer_free(a->tick);
    loop_free(a->loop);
    rw1_done(&a->rw1);
    pthread_mutex_destroy(&a->lock);
    mem_free(a);
}

void apps_list(struct apps *a, struct arena *arena, struct apps_view **ret, size_t *ret_n)
{
    size_t n = 0;
    thread_lock(&a->lock);
    struct apps_view *v = arena_array(arena, a->connections + a->gone_n + 1, sizeof *v);
    for (const struct app *app = a->first; app != NULL; app = app->next)
        if (app->state == APP_KNOWN)
            v[n++] = app->view;
    for (size_t i = 0; i < a->gone_n; i++)
        v[n++] = a->gone[(a->gone_at + APPS_GONE_MAX - 1 - i) % APPS_GONE_MAX];
    thread_unlock(&a->lock);
    *ret = v;
    *ret_n = n;
}
