#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
#include "model/labels.h"
#include "scrape/scrape_inside.h"

enum {
    SOON_MS = 100,       /* after a change, so that those that come together are one */
    DROPPED_MAX = 10000, /* shown of one pool, whatever keep_dropped_targets says */
};

/* ---- what runs on the scraping threads */

struct order {
    struct scrape_pool *pool;
    struct scrape_thread *thread;
    size_t number;                  /* of the thread */
    struct scrape_target **targets; /* [n], of all threads */
    size_t n;
    const struct promfile_scrape *config;
    bool forget;
};

static void start_targets(void *context)
{
    struct order *o = context;
    for (size_t i = 0; i < o->n; i++)
        if (o->targets[i]->thread == o->thread)
            scrape_target_start(o->targets[i]);
}

static void stop_targets(void *context)
{
    struct order *o = context;
    for (size_t i = 0; i < o->n; i++)
        if (o->targets[i] && o->targets[i]->thread == o->thread) {
            scrape_target_stop(o->targets[i]);
            o->targets[i] = NULL;
        }
}

static void open_client(void *context)
{
    struct order *o = context;
    scrape_thread_client(o->thread, &o->pool->clients[o->number], o->config);
}

static void close_client(void *context)
{
    struct order *o = context;
    scrape_thread_client_done(o->thread, &o->pool->clients[o->number]);
}

/* Another client with all that is in progress. Requests of the old one are canceled with it, so
 * that each must be begun anew. */
static void change_client(void *context)
{
    struct order *o = context;
    struct scrape_client old = o->pool->clients[o->number], *c = &o->pool->clients[o->number];
    c->client = NULL;
    scrape_thread_client(o->thread, c, o->config);
    for (size_t i = 0; i < o->n; i++)
        if (o->targets[i]->thread == o->thread)
            scrape_target_again(o->targets[i], o->forget);
    scrape_thread_client_done(o->thread, &old);
}

static void each_thread(struct order *o, void (*f)(void *order))
{
    struct scrape *s = o->pool->scrape;
    for (size_t i = 0; i < s->threads_n; i++) {
        o->number = i;
        o->thread = &s->threads[i];
        scrape_call(o->thread->loop, f, o);
    }
}

/* ---- groups: what the discoveries tell, on the manager's thread */

static void group_free(struct scrape_group *g)
{
    arena_done(&g->a);
    mem_free(g);
}

static void group_drop(struct scrape_pool *p, size_t i)
{
    group_free(p->groups.v[i]);
    p->groups.v[i] = p->groups.v[--p->groups.n];
    scrape_pool_changed(p);
}

static void group_put(struct scrape_pool *p, size_t slot, const struct target_group *told)
{
    struct scrape_group *g = mem_new(sizeof *g);
    g->slot = slot;
    g->generation = p->generation;
    arena_init(&g->a);
    struct str *targets = arena_array(&g->a, told->n, sizeof *targets);
    for (size_t i = 0; i < told->n; i++)
        targets[i] = arena_str(&g->a, told->targets[i]);
    g->group.source = arena_str(&g->a, told->source);
    g->group.labels = arena_str(&g->a, told->labels);
    g->group.targets = targets;
    g->group.n = told->n;
    vec_push(&p->groups, g);
}

static void on_update(void *context, const struct target_group *groups, size_t n)
{
    struct scrape_slot *slot = context;
    struct scrape_pool *p = slot->pool;
    thread_lock(&p->scrape->lock);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = p->groups.n; k-- > 0;)
            if (p->groups.v[k]->slot == slot->index &&
                str_eq(p->groups.v[k]->group.source, groups[i].source))
                group_drop(p, k);
        if (groups[i].n)
            group_put(p, slot->index, &groups[i]);
    }
    scrape_pool_changed(p);
    thread_unlock(&p->scrape->lock);
}

/* A refresh that went well has told of all that there is: what an earlier discovery told, and this
 * one did not, is gone. */
static void on_state(void *context, const char *why)
{
    struct scrape_slot *slot = context;
    struct scrape_pool *p = slot->pool;
    thread_lock(&p->scrape->lock);
    if (*why && strcmp(why, slot->error) != 0)
        log_warn("scrape", "job \"" STR_FMT "\": %s: %s", STR_ARG(p->config->job),
                 slot->config->ops->name, why);
    snprintf(slot->error, sizeof slot->error, "%s", why);
    for (size_t k = p->groups.n; !*why && k-- > 0;)
        if (p->groups.v[k]->slot == slot->index && p->groups.v[k]->generation < p->generation)
            group_drop(p, k);
    thread_unlock(&p->scrape->lock);
}

/* ---- targets */

/* What a sync goes by. */
struct sync {
    struct scrape_pool *pool;
    struct map by_hash; /* of the targets that there are */
    struct arena scratch;
    struct {
        struct scrape_target **v;
        size_t n, capacity;
    } fresh, gone;
    char first[WHY_MAX]; /* of those that are invalid */
};

static struct str hash_key(const uint64_t *hash)
{
    return str_of((const char *)hash, sizeof *hash);
}

static void drop_target(struct scrape_pool *p, struct str discovered)
{
    uint64_t keep = p->config->keep_dropped_targets;
    p->dropped_total++;
    if ((keep && p->dropped.n >= keep) || p->dropped.n >= DROPPED_MAX)
        return;
    vec_push(&p->dropped, arena_str(&p->dropped_memory, discovered));
}

static void new_target(struct sync *y, const struct target *is)
{
    struct scrape_pool *p = y->pool;
    struct scrape *s = p->scrape;
    if (s->targets_n >= (size_t)s->settings.targets_max) {
        if (!s->full_told)
            log_warn("scrape",
                     "more targets than scrape.targets_max allows (%lld): the rest is "
                     "not scraped",
                     (long long)s->settings.targets_max);
        s->full_told = true;
        return;
    }
    struct scrape_client *c = &p->clients[is->hash % s->threads_n];
    struct scrape_target *t = scrape_target_new(s, is, c);
    t->round = p->round;
    map_put(&y->by_hash, hash_key(&is->hash), NULL)->p = t;
    vec_push(&y->fresh, t);
    vec_push(&p->targets, t);
    s->targets_n++;
}

static void sync_target(struct sync *y, struct str group, struct str own)
{
    struct scrape_pool *p = y->pool;
    struct target is;
    struct why why = {0};
    int got = target_make(p->config, group, own, str_c(p->scrape->host), &y->scratch, &is, &why);
    if (got == 0) {
        drop_target(p, is.discovered);
        return;
    }
    if (got < 0) {
        if (p->invalid++ == 0)
            snprintf(y->first, sizeof y->first, "%s", why.text);
        return;
    }
    union map_value *known = map_get(&y->by_hash, hash_key(&is.hash));
    if (!known) {
        new_target(y, &is);
        return;
    }
    struct scrape_target *t = known->p;
    bool first = t->round != p->round;
    t->round = p->round;
    if (!first || str_eq(t->is.discovered, is.discovered))
        return;
    mem_free(t->discovered);
    t->discovered = mem_text(is.discovered.p, is.discovered.n);
    t->is.discovered.p = t->discovered;
    t->is.discovered.n = is.discovered.n;
}

static void begin_sync(struct sync *y)
{
    struct scrape_pool *p = y->pool;
    p->round++;
    p->dirty = false;
    p->dropped.n = p->dropped_total = p->invalid = 0;
    arena_reset(&p->dropped_memory);
    arena_init(&y->scratch);
    map_init(&y->by_hash, p->scrape->seed);
    for (size_t i = 0; i < p->targets.n; i++)
        map_put(&y->by_hash, hash_key(&p->targets.v[i]->is.hash), NULL)->p = p->targets.v[i];
}

/* Takes those that were not found again out of the list. */
static void collect_gone(struct sync *y)
{
    struct scrape_pool *p = y->pool;
    size_t kept = 0;
    for (size_t i = 0; i < p->targets.n; i++) {
        struct scrape_target *t = p->targets.v[i];
        if (t->round == p->round)
            p->targets.v[kept++] = t;
        else
            vec_push(&y->gone, t);
    }
    p->targets.n = kept;
    p->scrape->targets_n -= y->gone.n;
    if (y->gone.n)
        p->scrape->full_told = false;
}

static void tell_invalid(struct scrape_pool *p, const char *first)
{
    stat_add(&scrape_stats_invalid, p->invalid);
    if (p->invalid && (!p->told || strcmp(p->told, first) != 0))
        log_warn("scrape", "job \"" STR_FMT "\": %zu targets cannot be scraped, the first: %s",
                 STR_ARG(p->config->job), p->invalid, first);
    mem_free(p->told);
    p->told = p->invalid ? mem_text(first, strlen(first)) : NULL;
}

static int by_labels(const void *a, const void *b)
{
    const struct scrape_target *x = *(struct scrape_target *const *)a;
    const struct scrape_target *y = *(struct scrape_target *const *)b;
    int order = labels_cmp(x->is.labels, y->is.labels);
    return order ? order : str_cmp(x->is.url, y->is.url);
}

void scrape_pool_sync(struct scrape_pool *p)
{
    struct sync y = {.pool = p};
    struct scrape *s = p->scrape;
    int64_t begun = clock_monotonic_ns(&clock_real);
    thread_lock(&s->lock);
    begin_sync(&y);
    for (size_t g = 0; g < p->groups.n; g++) {
        const struct target_group *group = &p->groups.v[g]->group;
        for (size_t i = 0; i < group->n; i++)
            sync_target(&y, group->labels, group->targets[i]);
        arena_reset(&y.scratch);
    }
    collect_gone(&y);
    if (p->targets.n > 0)
        qsort(p->targets.v, p->targets.n, sizeof *p->targets.v, by_labels);
    uint64_t limit = p->config->target_limit;
    atomic_store(&p->over_limit, limit && p->targets.n > limit);
    tell_invalid(p, y.first);
    thread_unlock(&s->lock);
    struct order order = {.pool = p, .targets = y.gone.v, .n = y.gone.n};
    if (y.gone.n)
        each_thread(&order, stop_targets);
    order.targets = y.fresh.v;
    order.n = y.fresh.n;
    if (y.fresh.n)
        each_thread(&order, start_targets);
    stat_observe(&scrape_stats_sync, clock_monotonic_ns(&clock_real) - begun);
    vec_free(&y.gone);
    vec_free(&y.fresh);
    map_done(&y.by_hash);
    arena_done(&y.scratch);
}

/* ---- timer of syncs */

static void on_sync(void *context)
{
    struct scrape *s = context;
    for (size_t i = 0; i < s->pools.n; i++)
        if (s->pools.v[i]->dirty)
            scrape_pool_sync(s->pools.v[i]);
}

void scrape_pool_changed(struct scrape_pool *p)
{
    struct scrape *s = p->scrape;
    if (p->dirty)
        return;
    p->dirty = true;
    if (!s->timer)
        s->timer = timer_new(s->loop, SOON_MS, 0, on_sync, s);
    else
        timer_again(s->timer, SOON_MS, 0);
}

/* ---- a pool's life */

struct scrape_pool *scrape_pool_new(struct scrape *s, const struct promfile_scrape *config)
{
    struct scrape_pool *p = mem_new(sizeof *p);
    p->scrape = s;
    p->config = config;
    arena_init(&p->dropped_memory);
    for (size_t i = 0; i < s->threads_n; i++)
        p->clients[i].over_limit = &p->over_limit;
    struct order order = {.pool = p, .config = config};
    each_thread(&order, open_client);
    return p;
}

void scrape_pool_start(struct scrape_pool *p)
{
    struct scrape *s = p->scrape;
    p->generation++;
    for (size_t i = 0; i < p->config->discoveries_n; i++) {
        const struct discovery_config *config = &p->config->discoveries[i];
        struct scrape_slot *slot = mem_new(sizeof *slot);
        struct why why = {0};
        *slot = (struct scrape_slot){.pool = p, .index = i, .config = config};
        vec_push(&p->slots, slot);
        const struct discovery_host host = {.loop = s->loop,
                                            .fetcher = s->fetcher,
                                            .pool = s->helpers,
                                            .clock = s->config.clock,
                                            .job = p->config->job,
                                            .update = on_update,
                                            .state = on_state,
                                            .context = slot};
        if (discovery_start(config, &host, &slot->discovery, &why))
            on_state(slot, why.text[0] ? why.text : "it cannot be started");
    }
    thread_lock(&s->lock);
    for (size_t k = p->groups.n; k-- > 0;)
        if (p->groups.v[k]->slot >= p->slots.n)
            group_drop(p, k);
    thread_unlock(&s->lock);
}

void scrape_pool_pause(struct scrape_pool *p)
{
    for (size_t i = 0; i < p->slots.n; i++) {
        struct scrape_slot *slot = p->slots.v[i];
        if (slot->discovery)
            discovery_stop(slot->config, slot->discovery);
    }
    thread_lock(&p->scrape->lock);
    for (size_t i = 0; i < p->slots.n; i++)
        mem_free(p->slots.v[i]);
    p->slots.n = 0;
    thread_unlock(&p->scrape->lock);
}

void scrape_pool_configure(struct scrape_pool *p, const struct promfile_scrape *config)
{
    struct scrape *s = p->scrape;
    struct order order = {.pool = p,
                          .config = config,
                          .targets = p->targets.v,
                          .n = p->targets.n,
                          .forget = !str_eq(p->config->yaml, config->yaml)};
    each_thread(&order, change_client);
    thread_lock(&s->lock);
    p->config = config;
    if (order.forget)
        scrape_pool_changed(p);
    thread_unlock(&s->lock);
}

void scrape_pool_free(struct scrape_pool *p)
{
    struct scrape *s = p->scrape;
    struct order order = {.pool = p, .targets = p->targets.v, .n = p->targets.n};
    each_thread(&order, stop_targets);
    each_thread(&order, close_client);
    s->targets_n -= p->targets.n;
    for (size_t i = 0; i < p->groups.n; i++)
        group_free(p->groups.v[i]);
    vec_free(&p->groups);
    vec_free(&p->slots);
    vec_free(&p->targets);
    vec_free(&p->dropped);
    arena_done(&p->dropped_memory);
    mem_free(p->told);
    mem_free(p);
}
