#include "scrape/scrape.h"

#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/rand.h"
#include "base/vec.h"
#include "scrape/scrape_inside.h"

enum { GAUGES_MS = 5000, HELPERS = 2, HELPERS_QUEUE_MAX = 4096 };

#define AT(member) offsetof(struct scrape_settings, member)

static const struct option ROWS[] = {
    {"threads", OPTION_INT, AT(threads), "0", 0, SCRAPE_THREADS_MAX, NULL, 0,
     "Threads that scrape; 0: as many as processors, 4 at most."},
    {"tenant", OPTION_TEXT, AT(tenant), "default", 0, TENANT_NAME_MAX, NULL, 0,
     "The tenant that scraped samples belong to."},
    {"targets_max", OPTION_INT, AT(targets_max), "20000", 1, 1000000, NULL, 0,
     "The most targets, all scrape_configs together; the rest is found, but not scraped."},
    {"body_bytes_max", OPTION_INT, AT(body_bytes_max), "67108864", 1024, 1 << 30, NULL, 0,
     "The longest answer of a target, unpacked, where its scrape_config has no body_size_limit."},
};

const struct option_table scrape_options = {
    "scrape", "How targets of Prometheus's configuration file are scraped.",
    false,    sizeof(struct scrape_settings),
    ROWS,     COUNTOF(ROWS),
};

size_t scrape_threads(const struct scrape_settings *settings)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (settings->threads > 0)
        return (size_t)MIN(settings->threads, (int64_t)SCRAPE_THREADS_MAX);
    return (size_t)MAX(1L, MIN(cores, (long)SCRAPE_THREADS_MAX));
}

int scrape_new(const struct scrape_config *config, struct scrape **ret, struct why *why)
{
    struct scrape *s = mem_new(sizeof *s);
    s->config = *config;
    s->settings = *config->settings;
    s->threads_n = MIN(config->threads, (size_t)SCRAPE_THREADS_MAX);
    s->file = config->file;
    int err = config->sink->ops->tenant(config->sink, str_c(s->settings.tenant), &s->tenant, why);
    if (err) {
        mem_free(s);
        return err;
    }
    if (gethostname(s->host, sizeof s->host - 1))
        s->host[0] = 0;
    s->seed = rand_seed();
    s->offset_seed = hash_xxh3(s->host, strlen(s->host), 0);
    thread_lock_init(&s->lock);
    err = loop_new(&s->loop);
    if (!err)
        err = fetcher_new(s->loop, NULL, &s->fetcher);
    for (size_t i = 0; i < s->threads_n && !err; i++)
        err = scrape_thread_open(&s->threads[i], s, config->lane + i);
    if (err) {
        scrape_free(s);
        return why_set(why, (enum err) - err, "no event loop for scraping: %s", err_text(err));
    }
    scrape_stats_open();
    *ret = s;
    return 0;
}

/* ---- on the manager's thread */

static void on_gauges(void *context)
{
    scrape_stats_count(context);
}

static void run(void *context)
{
    struct scrape *s = context;
    loop_run(s->loop);
}

static const struct promfile_scrape *find(const struct scrape *s, const struct promfile *file,
                                          struct str job)
{
    if (s->config.own && str_eq(s->config.own->job, job))
        return s->config.own;
    for (size_t i = 0; file && i < file->scrapes_n; i++)
        if (str_eq(file->scrapes[i].job, job))
            return &file->scrapes[i];
    return NULL;
}

static struct scrape_pool *pool_of(const struct scrape *s, struct str job)
{
    for (size_t i = 0; i < s->pools.n; i++)
        if (str_eq(s->pools.v[i]->config->job, job))
            return s->pools.v[i];
    return NULL;
}

/* Pools that the file does not name end; the list that is left is under the lock. */
static void drop_pools(struct scrape *s, const struct promfile *file)
{
    struct {
        struct scrape_pool **v;
        size_t n, capacity;
    } gone = {0};
    thread_lock(&s->lock);
    size_t kept = 0;
    for (size_t i = 0; i < s->pools.n; i++) {
        struct scrape_pool *p = s->pools.v[i];
        if (find(s, file, p->config->job))
            s->pools.v[kept++] = p;
        else
            vec_push(&gone, p);
    }
    s->pools.n = kept;
    thread_unlock(&s->lock);
    for (size_t i = 0; i < gone.n; i++)
        scrape_pool_free(gone.v[i]);
    vec_free(&gone);
}

struct change {
    struct scrape *scrape;
    const struct promfile *file;
};

static void change_pool(struct scrape *s, const struct promfile_scrape *config)
{
    struct scrape_pool *p = pool_of(s, config->job);
    if (p) {
        scrape_pool_configure(p, config);
        return;
    }
    p = scrape_pool_new(s, config);
    thread_lock(&s->lock);
    vec_push(&s->pools, p);
    thread_unlock(&s->lock);
}

static void change_file(void *context)
{
    const struct change *c = context;
    struct scrape *s = c->scrape;
    for (size_t i = 0; i < s->pools.n; i++)
        scrape_pool_pause(s->pools.v[i]);
    drop_pools(s, c->file);
    if (s->config.own)
        change_pool(s, s->config.own);
    for (size_t i = 0; c->file && i < c->file->scrapes_n; i++)
        change_pool(s, &c->file->scrapes[i]);
    s->file = c->file;
    for (size_t i = 0; i < s->pools.n; i++)
        scrape_pool_start(s->pools.v[i]);
}

static void end_all(void *context)
{
    struct scrape *s = context;
    for (size_t i = 0; i < s->threads_n; i++)
        s->threads[i].ending = true;
    for (size_t i = 0; i < s->pools.n; i++)
        scrape_pool_pause(s->pools.v[i]);
    s->config.own = NULL;
    drop_pools(s, NULL);
    timer_free(s->timer);
    timer_free(s->gauges);
}

/* ---- from outside */

void scrape_start(struct scrape *s)
{
    struct change c = {s, s->file};
    s->started = true;
    s->helpers = pool_new("scrape-sd", HELPERS, HELPERS_QUEUE_MAX);
    s->gauges = timer_new(s->loop, GAUGES_MS, GAUGES_MS, on_gauges, s);
    for (size_t i = 0; i < s->threads_n; i++)
        scrape_thread_start(&s->threads[i], i);
    thread_start(&s->manager, "scrape", run, s);
    scrape_call(s->loop, change_file, &c);
}

int scrape_reload(struct scrape *s, const struct promfile *file, struct why *why)
{
    struct change c = {s, file};
    (void)why;
    if (s->started)
        scrape_call(s->loop, change_file, &c);
    else
        s->file = file;
    return 0;
}

void scrape_free(struct scrape *s)
{
    if (!s)
        return;
    if (s->started) {
        scrape_call(s->loop, end_all, s);
        loop_stop(s->loop);
        thread_join(&s->manager);
    }
    for (size_t i = 0; i < s->threads_n; i++)
        scrape_thread_close(&s->threads[i]);
    pool_free(s->helpers);
    fetcher_free(s->fetcher);
    loop_free(s->loop);
    vec_free(&s->pools);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}
