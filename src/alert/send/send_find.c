#include <string.h>

#include "alert/send/send_inside.h"
#include "base/mem.h"
#include "base/stat.h"
#include "base/vec.h"
#include "model/labels.h"
#include "relabel/relabel.h"

enum { BODY_MAX = 64 << 20, TARGETS_MAX = 1000 /* of one set */ };

/* Targets of one source: a file, a service. */
struct send_source {
    struct arena arena;
    struct str *keys; /* [n] */
    size_t n;
};

/* ---- targets */

struct send_target *send_find_add(struct send_set *set, struct str url, bool dropped)
{
    struct send_target *t = mem_new(sizeof *t);
    t->set = set;
    t->url = mem_text(url.p, url.n);
    t->dropped = dropped;
    t->seen = true;
    t->ring = mem_array(SEND_QUEUE_MAX, sizeof *t->ring);
    buf_init(&t->body, BODY_MAX);
    vec_push(&set->targets, t);
    for (size_t i = 0; i < set->early.n; i++)
        send_queue_put(t, set->early.v[i]);
    return t;
}

static void target_free(struct send_target *t)
{
    fetch_cancel(t->fetch);
    send_queue_clear(t);
    buf_done(&t->body);
    mem_free(t->ring);
    mem_free(t->url);
    mem_free(t);
}

static struct send_target *find(const struct send_set *set, struct str url)
{
    for (size_t i = 0; i < set->targets.n; i++)
        if (str_eq(str_c(set->targets.v[i]->url), url))
            return set->targets.v[i];
    return NULL;
}

static void see(struct send_set *set, struct str url, bool dropped)
{
    struct send_target *t = find(set, url);
    if (t == NULL && set->targets.n < TARGETS_MAX)
        t = send_find_add(set, url, dropped);
    if (t == NULL)
        return;
    t->seen = true;
    t->dropped = dropped;
}

/* ---- what discovery says */

static struct str url_of(struct str key, struct arena *a)
{
    struct str path = labels_get(key, STR("__alerts_path__"));
    return arena_printf(a, STR_FMT "://" STR_FMT STR_FMT,
                        STR_ARG(labels_get(key, STR("__scheme__"))),
                        STR_ARG(labels_get(key, STR("__address__"))), STR_ARG(path));
}

/* `/` and `/am/` become /api/v2/alerts and /am/api/v2/alerts. */
static struct str path_of(const struct promfile_alertmanager *m, struct arena *a)
{
    struct str prefix = m->path_prefix;
    while (prefix.n > 0 && prefix.p[prefix.n - 1] == '/')
        prefix.n--;
    const char *slash = prefix.n > 0 && prefix.p[0] != '/' ? "/" : "";
    return arena_printf(a, "%s" STR_FMT "/api/v2/alerts", slash, STR_ARG(prefix));
}

static void take_target(struct send_set *set, struct str key, struct arena *a)
{
    struct label one, labels[LABELS_MAX];
    struct buf full;
    size_t n = 0;
    for (const char *at = key.p; n + 2 < LABELS_MAX && labels_next(key, &at, &one, NULL);)
        labels[n++] = one;
    if (labels_get(key, STR("__scheme__")).n == 0)
        labels[n++] = (struct label){STR("__scheme__"), set->manager.scheme};
    if (labels_get(key, STR("__alerts_path__")).n == 0)
        labels[n++] = (struct label){STR("__alerts_path__"), path_of(&set->manager, a)};
    buf_init(&full, LABELS_KEY_MAX);
    struct str out = STR("");
    /* Labels past the limits make no target. */
    if (labels_encode_bare(labels, n, &full, NULL) == 0) {
        struct str all = buf_str(&full);
        int kept = set->manager.relabel == NULL
                       ? 1
                       : relabel_apply(set->manager.relabel, all, a, &out, NULL);
        struct str good = set->manager.relabel == NULL ? all : out;
        if (kept == 1 && labels_get(good, STR("__address__")).n > 0)
            see(set, url_of(good, a), false);
        else if (kept == 0)
            see(set, url_of(all, a), true);
    }
    buf_done(&full);
}

static void drop_unseen(struct send_set *set)
{
    size_t kept = 0;
    for (size_t i = 0; i < set->targets.n; i++) {
        struct send_target *t = set->targets.v[i];
        if (t->seen)
            set->targets.v[kept++] = t;
        else
            target_free(t);
    }
    set->targets.n = kept;
}

/* What waited for the first target has been given to all that there are. */
static void forget_early(struct send_set *set)
{
    for (size_t i = 0; i < set->early.n; i++)
        send_queue_drop(set->early.v[i]);
    set->early.n = 0;
}

static void rebuild(struct send_set *set)
{
    struct arena a;
    bool any = false;
    arena_init(&a);
    thread_lock(&set->send->lock);
    for (size_t i = 0; i < set->targets.n; i++)
        set->targets.v[i]->seen = false;
    for (size_t i = 0; i < set->manager.discoveries_n; i++) {
        size_t at = 0;
        for (struct map_slot *m; (m = map_next(&set->slots[i].sources, &at)) != NULL;) {
            const struct send_source *source = m->value.p;
            for (size_t k = 0; k < source->n; k++)
                take_target(set, source->keys[k], &a);
        }
    }
    drop_unseen(set);
    for (size_t i = 0; i < set->targets.n; i++) {
        any |= !set->targets.v[i]->dropped;
        send_queue_go(set->targets.v[i]);
    }
    if (any)
        forget_early(set);
    thread_unlock(&set->send->lock);
    arena_done(&a);
}

/* A target's own labels go before its group's. */
static struct str join(struct str target, struct str group, struct arena *a)
{
    struct label one;
    struct buf key;
    buf_init(&key, LABELS_KEY_MAX);
    buf_put_str(&key, target);
    for (const char *at = group.p; group.n > 0 && labels_next(group, &at, &one, NULL);)
        if (labels_get(target, one.name).n == 0)
            labels_put(&key, one.name, one.value);
    struct str out = arena_str(a, buf_str(&key));
    buf_done(&key);
    return out;
}

static void source_free(struct send_source *s)
{
    if (s == NULL)
        return;
    arena_done(&s->arena);
    mem_free(s);
}

static void on_update(void *context, const struct target_group *groups, size_t n)
{
    struct send_slot *slot = context;
    for (size_t i = 0; i < n; i++) {
        union map_value *at = map_put(&slot->sources, groups[i].source, NULL);
        source_free(at->p);
        struct send_source *s = mem_new(sizeof *s);
        arena_init(&s->arena);
        s->keys = arena_array(&s->arena, groups[i].n + 1, sizeof *s->keys);
        for (size_t k = 0; k < groups[i].n; k++)
            s->keys[s->n++] = join(groups[i].targets[k], groups[i].labels, &s->arena);
        at->p = s;
    }
    rebuild(slot->set);
}

static void on_state(void *context, const char *why)
{
    (void)context; /* the last Alertmanagers that were found stay */
    (void)why;
}

/* ---- life */

void send_find_start(struct send_set *set)
{
    struct send *s = set->send;
    size_t n = set->manager.discoveries_n;
    set->slots = mem_array(n + 1, sizeof *set->slots);
    for (size_t i = 0; i < n; i++) {
        struct send_slot *slot = &set->slots[i];
        struct why why = {0};
        *slot = (struct send_slot){.set = set, .config = &set->manager.discoveries[i]};
        map_init(&slot->sources, 0);
        const struct discovery_host host = {.loop = s->loop,
                                            .fetcher = s->fetcher,
                                            .pool = s->pool,
                                            .clock = s->clock,
                                            .job = STR("alertmanager"),
                                            .update = on_update,
                                            .state = on_state,
                                            .context = slot};
        if (discovery_start(slot->config, &host, &slot->discovery, &why) != 0)
            on_state(slot, why.text);
    }
}

void send_find_stop(struct send_set *set)
{
    for (size_t i = 0; set->slots != NULL && i < set->manager.discoveries_n; i++) {
        struct send_slot *slot = &set->slots[i];
        size_t at = 0;
        if (slot->discovery != NULL)
            discovery_stop(slot->config, slot->discovery);
        for (struct map_slot *m; (m = map_next(&slot->sources, &at)) != NULL;)
            source_free(m->value.p);
        map_done(&slot->sources);
    }
    thread_lock(&set->send->lock);
    for (size_t i = 0; i < set->targets.n; i++)
        target_free(set->targets.v[i]);
    vec_free(&set->targets);
    forget_early(set);
    vec_free(&set->early);
    thread_unlock(&set->send->lock);
    mem_free(set->slots);
    set->slots = NULL;
}
