#include "discover/groups.h"

#include <inttypes.h>

#include "base/vec.h"

enum {
    GROUP_KEY_MAX = LABELS_KEY_MAX, /* bytes of the labels of one group or target */
    NAME_MAX_BYTES = LABEL_NAME_MAX,
};

void groups_init(struct groups *g)
{
    *g = (struct groups){0};
    arena_init(&g->arena);
    buf_init(&g->labels, GROUP_KEY_MAX);
    buf_init(&g->target, GROUP_KEY_MAX);
}

void groups_done(struct groups *g)
{
    buf_done(&g->target);
    buf_done(&g->labels);
    vec_free(&g->names);
    vec_free(&g->targets);
    vec_free(&g->groups);
    arena_done(&g->arena);
}

void groups_clear(struct groups *g)
{
    g->groups.n = g->targets.n = g->total = 0;
    g->open = g->started = false;
    arena_reset(&g->arena);
}

/* A copy of key, by name, each name once. */
static struct str settle(struct groups *g, struct str key)
{
    const char *at = key.p;
    struct label label;
    struct buf out;
    g->names.n = 0;
    while (labels_next(key, &at, &label, NULL))
        vec_push(&g->names, label);
    if (g->names.n)
        labels_sort(g->names.v, g->names.n);
    buf_init(&out, GROUP_KEY_MAX);
    for (size_t i = 0; i < g->names.n; i++) {
        if (i + 1 == g->names.n || !str_eq(g->names.v[i].name, g->names.v[i + 1].name))
            labels_put(&out, g->names.v[i].name, g->names.v[i].value);
    }
    struct str settled = arena_str(&g->arena, buf_str(&out));
    buf_done(&out);
    return settled;
}

static void end_target(struct groups *g)
{
    if (!g->started)
        return;
    if (!buf_failed(&g->target)) /* a target with absurd labels is left out */
        vec_push(&g->targets, settle(g, buf_str(&g->target)));
    g->started = false;
}

void groups_finish(struct groups *g)
{
    end_target(g);
    if (!g->open)
        return;
    struct target_group *group = &g->groups.v[g->groups.n - 1];
    struct str *targets = arena_array(&g->arena, g->targets.n + 1, sizeof *targets);
    if (g->targets.n)
        memcpy(targets, g->targets.v, g->targets.n * sizeof *targets);
    group->targets = targets;
    group->n = g->targets.n;
    group->labels = settle(g, buf_str(&g->labels));
    g->targets.n = 0;
    g->open = false;
}

void groups_begin(struct groups *g, struct str source)
{
    groups_finish(g);
    struct target_group group = {.source = arena_str(&g->arena, source)};
    vec_push(&g->groups, group);
    buf_clear(&g->labels);
    g->open = true;
}

void groups_label(struct groups *g, struct str name, struct str value)
{
    labels_put(&g->labels, name, value);
}

void groups_target(struct groups *g, struct str address)
{
    end_target(g);
    if (g->total == GROUPS_TARGETS_MAX)
        return;
    g->total++;
    g->started = true;
    buf_clear(&g->target);
    labels_put(&g->target, STR("__address__"), address);
}

void groups_target_label(struct groups *g, struct str name, struct str value)
{
    if (g->started)
        labels_put(&g->target, name, value);
}

struct str groups_address(struct groups *g, struct str host, int64_t port)
{
    bool six = str_find(host, ':') < host.n;
    return arena_printf(&g->arena, "%s" STR_FMT "%s:%" PRId64, six ? "[" : "", STR_ARG(host),
                        six ? "]" : "", port);
}

void groups_clean_name(const char *prefix, struct str name, struct buf *ret)
{
    buf_put_str(ret, str_c(prefix));
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        if ((c & 0xc0) == 0x80)
            continue; /* of the letter before: one _ stands for all of it */
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        buf_put_c(ret, plain ? (char)c : '_');
    }
}

static void clean(struct groups *g, const char *prefix, struct str name, struct str value,
                  void (*put)(struct groups *g, struct str name, struct str value))
{
    struct buf whole;
    buf_init(&whole, NAME_MAX_BYTES);
    groups_clean_name(prefix, name, &whole);
    if (!buf_failed(&whole))
        put(g, buf_str(&whole), value);
    buf_done(&whole);
}

void groups_clean_label(struct groups *g, const char *prefix, struct str name, struct str value)
{
    clean(g, prefix, name, value, groups_label);
}

void groups_clean_target_label(struct groups *g, const char *prefix, struct str name,
                               struct str value)
{
    clean(g, prefix, name, value, groups_target_label);
}

/* ---- telling */
void groups_told_init(struct groups_told *t)
{
    map_init(&t->sources, 0);
}

void groups_told_done(struct groups_told *t)
{
    map_done(&t->sources);
}

static void note(struct groups_told *t, const struct groups *g, uint64_t round)
{
    for (size_t i = 0; i < g->groups.n; i++)
        map_put(&t->sources, g->groups.v[i].source, NULL)->u = round;
}

static void forget_empty(struct groups_told *t, const struct groups *g)
{
    for (size_t i = 0; i < g->groups.n; i++) {
        if (g->groups.v[i].n == 0)
            map_drop(&t->sources, g->groups.v[i].source);
    }
}

void groups_tell(struct groups_told *t, const struct discovery_host *host, struct groups *g)
{
    size_t at = 0;
    const struct map_slot *slot;
    groups_finish(g);
    while ((slot = map_next(&t->sources, &at)))
        map_get(&t->sources, slot->key)->u = 0;
    note(t, g, 1);
    for (at = 0; (slot = map_next(&t->sources, &at));) {
        struct target_group gone = {.source = arena_str(&g->arena, slot->key)};
        if (slot->value.u == 0)
            vec_push(&g->groups, gone);
    }
    host->update(host->context, g->groups.v, g->groups.n);
    forget_empty(t, g);
}

void groups_tell_some(struct groups_told *t, const struct discovery_host *host, struct groups *g)
{
    groups_finish(g);
    note(t, g, 1);
    host->update(host->context, g->groups.v, g->groups.n);
    forget_empty(t, g);
}

void groups_tell_gone(struct groups_told *t, const struct discovery_host *host, struct str source)
{
    struct target_group gone = {.source = source};
    if (map_get(&t->sources, source))
        host->update(host->context, &gone, 1);
    map_drop(&t->sources, source);
}
