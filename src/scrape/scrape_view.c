#include <stdlib.h>

#include "base/mem.h"
#include "codec/exposition_line.h"
#include "model/labels.h"
#include "scrape/scrape_inside.h"

static struct str copy(struct arena *a, struct str s)
{
    return arena_str(a, s);
}

static void view_target(struct scrape_target *t, struct arena *a, struct scrape_target_view *ret)
{
    thread_lock(&t->thread->lock);
    *ret = (struct scrape_target_view){.discovered = copy(a, t->is.discovered),
                                       .labels = copy(a, t->is.labels),
                                       .url = copy(a, t->is.url),
                                       .global_url = copy(a, t->is.global_url),
                                       .last_error = copy(a, str_c(t->error ? t->error : "")),
                                       .health = t->health,
                                       .last_scrape_ms = t->last_ms,
                                       .last_duration_ns = t->duration_ns,
                                       .interval_ms = t->is.interval_ms,
                                       .timeout_ms = t->is.timeout_ms};
    thread_unlock(&t->thread->lock);
}

static void view_pool(struct scrape_pool *p, struct arena *a, struct scrape_pool_view *ret)
{
    *ret = (struct scrape_pool_view){.job = p->config->job,
                                     .yaml = p->config->yaml,
                                     .config = p->config,
                                     .discovery_error = STR(""),
                                     .active_n = p->targets.n,
                                     .dropped_n = p->dropped.n,
                                     .dropped_total = p->dropped_total};
    for (size_t i = 0; i < p->slots.n; i++)
        if (p->slots.v[i]->error[0])
            ret->discovery_error = copy(a, str_c(p->slots.v[i]->error));
    ret->active = arena_array(a, p->targets.n, sizeof *ret->active);
    for (size_t i = 0; i < p->targets.n; i++)
        view_target(p->targets.v[i], a, &ret->active[i]);
    ret->dropped = arena_array(a, p->dropped.n, sizeof *ret->dropped);
    for (size_t i = 0; i < p->dropped.n; i++)
        ret->dropped[i] = copy(a, p->dropped.v[i]);
}

static int by_job(const void *a, const void *b)
{
    const struct scrape_pool_view *x = a, *y = b;
    return str_cmp(x->job, y->job);
}

/* Our own pool is worth a line only where it has something to show. */
static bool is_shown(const struct scrape *s, const struct scrape_pool *p)
{
    return p->config != s->config.own || p->targets.n > 0;
}

void scrape_view(struct scrape *s, struct str job, struct arena *a, struct scrape_view *ret)
{
    thread_lock(&s->lock);
    *ret = (struct scrape_view){.pools = arena_array(a, s->pools.n, sizeof *ret->pools)};
    for (size_t i = 0; i < s->pools.n; i++)
        if (is_shown(s, s->pools.v[i]) && (job.n == 0 || str_eq(s->pools.v[i]->config->job, job)))
            view_pool(s->pools.v[i], a, &ret->pools[ret->n++]);
    qsort(ret->pools, ret->n, sizeof *ret->pools, by_job);
}

void scrape_view_done(struct scrape *s)
{
    thread_unlock(&s->lock);
}

/* ---- metadata, from the comments that are remembered */

/* Adds what a comment says to the metadata of its family. */
static void put_comment(struct metadata *m, const struct exposition_line *l, struct arena *a)
{
    m->metric = copy(a, l->name);
    if (l->type == EXPOSITION_LINE_HELP)
        m->help = copy(a, l->text);
    else if (l->type == EXPOSITION_LINE_UNIT)
        m->unit = copy(a, l->text);
}

struct telling {
    void (*f)(void *context, const struct scrape_metadata_view *row);
    void *context;
    struct scrape_metadata_view row;
    uint32_t family;
    bool any;
};

static void tell(struct telling *to)
{
    if (to->any)
        to->f(to->context, &to->row);
    to->any = false;
    to->row.metadata = (struct metadata){.help = STR(""), .unit = STR("")};
}

/* In the order of the last answer: a family's comments follow each other, its samples behind. */
static void tell_target(struct scrape_target *t, struct arena *a, struct exposition_line *line,
                        struct telling *to)
{
    const struct recall *r = &t->recall;
    to->row.target = t->is.labels;
    for (size_t i = 0, at = r->first; i < r->n && at != RECALL_NONE; i++) {
        const struct recall_line *l = &r->lines[at];
        at = l->next;
        if (l->kind < RECALL_HELP)
            continue;
        struct str text = recall_text(r, l);
        text = str_sub(text, 0, str_find(text, '\n'));
        if (exposition_line_read(text, EXPOSITION_OPENMETRICS, false, a, line) &&
            exposition_line_read(text, EXPOSITION_TEXT, false, a, line))
            continue;
        if (!to->any || l->group != to->family)
            tell(to);
        to->family = l->group;
        to->any = true;
        put_comment(&to->row.metadata, line, a);
        if (l->kind == RECALL_TYPE)
            to->row.metadata.type = (enum metric_type)l->key_at;
    }
    tell(to);
}

void scrape_metadata(struct scrape *s,
                     void (*f)(void *context, const struct scrape_metadata_view *row),
                     void *context)
{
    struct telling to = {.f = f, .context = context};
    struct exposition_line *line = mem_new(sizeof *line);
    struct arena a;
    arena_init(&a);
    tell(&to);
    thread_lock(&s->lock);
    for (size_t i = 0; i < s->pools.n; i++)
        for (size_t k = 0; k < s->pools.v[i]->targets.n; k++) {
            struct scrape_target *t = s->pools.v[i]->targets.v[k];
            thread_lock(&t->thread->lock);
            tell_target(t, &a, line, &to);
            thread_unlock(&t->thread->lock);
            arena_reset(&a);
        }
    thread_unlock(&s->lock);
    arena_done(&a);
    mem_free(line);
}
