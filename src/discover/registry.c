#include "discover/registry.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/vec.h"
#include "discover/groups.h"
#include "discover/registry_request.h"
#include "os/thread.h"
#include "text/json_tree.h"

enum {
    TICK_MS = 500,       /* until a change is told, and what is over goes */
    SAVE_MS = 30 * 1000, /* at most, from a prolongation until it is on disk */
    GRACE_S = 60,        /* that all live after a start, to be registered again */
    POSTS_BURST = 100,   /* registrations at once, */
    POSTS_PER_S = 20,    /* and a second */
    FILE_BYTES_MAX = 1 << 30,
    SCRAPE_TIMEOUT_MS = 10 * 1000,
};

static const char FILE_NAME[] = "registered";
static const char FILE_BAD[] = "registered.damaged";

#define AT(member) offsetof(struct registry_settings, member)

static const struct option ROWS[] = {
    {"register_tokens", OPTION_LIST, AT(register_tokens), "", 0, 0, NULL, OPTION_SECRET,
     "Who registers targets has to say one of these (Authorization: Bearer TOKEN). Empty: only "
     "programs on this machine may register."},
    {"register_targets_max", OPTION_INT, AT(register_targets_max), "10000", 0, 1000000, NULL, 0,
     "The most targets that are registered at once."},
    {"register_link_local", OPTION_BOOL, AT(register_link_local), "false", 0, 0, NULL, 0,
     "Let addresses of the link alone (169.254.0.0/16, fe80::/10) be registered. Clouds answer "
     "there with credentials of the machine."},
};

const struct option_table registry_options = {
    "discover", "Targets that programs register themselves.",
    false,      sizeof(struct registry_settings),
    ROWS,       COUNTOF(ROWS),
};

struct registry {
    struct registry_plan plan;
    struct registry_settings settings; /* tokens: owned copies */
    pthread_mutex_t lock;              /* guards the next */
    struct map targets;                /* id -> struct registry_target *, its texts owned */
    uint64_t version;                  /* of the set: what the discovery has to tell */
    int64_t unsaved_since_ns;          /* 0: all is on disk, or nothing but the set matters */
    int64_t bucket_ns;                 /* when the bucket of registrations would be full again */
    pthread_mutex_t saving;            /* one writes at a time */
    struct registry *self;             /* what registry_config() points to */
};

/* ---- targets */
static struct str own_text(struct str s)
{
    return str_of(mem_text(s.n ? s.p : "", s.n), s.n);
}

static void free_text(struct str s)
{
    mem_free((void *)(uintptr_t)s.p);
}

static struct registry_target *own(const struct registry_target *t)
{
    struct registry_target *mine = mem_copy(t, sizeof *t);
    mine->job = own_text(t->job);
    mine->address = own_text(t->address);
    mine->scheme = own_text(t->scheme);
    mine->metrics_path = own_text(t->metrics_path);
    mine->labels = own_text(t->labels);
    return mine;
}

static void target_free(struct registry_target *t)
{
    free_text(t->job);
    free_text(t->address);
    free_text(t->scheme);
    free_text(t->metrics_path);
    free_text(t->labels);
    mem_free(t);
}

/* Is it scraped in the same way? */
static bool same(const struct registry_target *a, const struct registry_target *b)
{
    return str_eq(a->scheme, b->scheme) && str_eq(a->metrics_path, b->metrics_path) &&
           str_eq(a->labels, b->labels) && a->interval_ms == b->interval_ms;
}

/* Takes those out whose time is over. */
static void sweep(struct registry *r, int64_t now_ms)
{
    const struct map_slot *slot;
    for (size_t at = 0; (slot = map_next(&r->targets, &at));) {
        struct registry_target *t = slot->value.p;
        if (t->expires_ms == 0 || t->expires_ms > now_ms)
            continue;
        map_drop(&r->targets, str_of(t->id, REGISTRY_ID_SIZE));
        target_free(t);
        r->version++;
        at = 0; /* dropping moves what follows */
    }
}

/* ---- the file */
void registry_put_place(struct json_writer *w, const struct registry_target *t)
{
    json_key(w, STR("job"));
    json_text(w, t->job);
    json_key(w, STR("address"));
    json_text(w, t->address);
    json_key(w, STR("scheme"));
    json_text(w, t->scheme);
    json_key(w, STR("metrics_path"));
    json_text(w, t->metrics_path);
    json_key(w, STR("interval_ms"));
    json_i64(w, t->interval_ms);
}

void registry_put_labels(struct json_writer *w, const struct registry_target *t)
{
    const char *at = t->labels.p;
    struct label label;
    json_key(w, STR("labels"));
    json_begin_object(w);
    while (labels_next(t->labels, &at, &label, NULL)) {
        json_key(w, label.name);
        json_text(w, label.value);
    }
    json_end_object(w);
}

static void put_target(struct json_writer *w, const struct registry_target *t)
{
    json_begin_object(w);
    registry_put_place(w, t);
    json_key(w, STR("ttl_s"));
    json_i64(w, t->ttl_s);
    json_key(w, STR("registered_ms"));
    json_i64(w, t->registered_ms);
    json_key(w, STR("expires_ms"));
    json_i64(w, t->expires_ms);
    registry_put_labels(w, t);
    json_end_object(w);
}

static void put_all(struct registry *r, struct buf *out)
{
    struct json_writer w;
    const struct map_slot *slot;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_key(&w, STR("version"));
    json_i64(&w, 1);
    json_key(&w, STR("targets"));
    json_begin_array(&w);
    for (size_t at = 0; (slot = map_next(&r->targets, &at));)
        put_target(&w, slot->value.p);
    json_end_array(&w);
    json_end_object(&w);
}

static void warn(const struct registry *r, const char *what, int err)
{
    char text[200];
    snprintf(text, sizeof text, "DATA/%s %s: %s", FILE_NAME, what, err_text(err));
    if (r->plan.warn)
        r->plan.warn(text);
}

static void save(void *registry)
{
    struct registry *r = registry;
    struct buf out;
    if (!r->plan.disk)
        return;
    buf_init(&out, FILE_BYTES_MAX);
    thread_lock(&r->saving);
    thread_lock(&r->lock);
    put_all(r, &out);
    r->unsaved_since_ns = 0;
    thread_unlock(&r->lock);
    int err = buf_failed(&out) ? -ERR_LIMIT : disk_replace(r->plan.disk, FILE_NAME, out.p, out.n);
    thread_unlock(&r->saving);
    if (err)
        warn(r, "could not be written", err);
    buf_done(&out);
}

static void load_target(struct registry *r, const struct json_tree *node, struct arena *a,
                        int64_t now_ms)
{
    const struct json_tree *labels = json_tree_get(node, "labels");
    struct registry_target t = {
        .job = json_tree_text(node, "job"),
        .address = json_tree_text(node, "address"),
        .scheme = json_tree_text(node, "scheme"),
        .metrics_path = json_tree_text(node, "metrics_path"),
        .interval_ms = json_tree_whole(node, "interval_ms"),
        .ttl_s = json_tree_whole(node, "ttl_s"),
        .registered_ms = json_tree_whole(node, "registered_ms"),
        .expires_ms = json_tree_whole(node, "expires_ms"),
    };
    struct buf key;
    if (t.job.n == 0 ||
        registry_request_check_address(t.address, r->settings.register_link_local, NULL) != 0)
        return; /* what is forbidden by now is not scraped */
    buf_init(&key, LABELS_KEY_MAX);
    for (size_t i = 0; i < json_tree_n(labels); i++)
        labels_put(&key, labels->children[i].key, json_tree_text(&labels->children[i], ""));
    t.labels = arena_str(a, buf_str(&key));
    buf_done(&key);
    registry_request_id(t.job, t.address, t.id);
    if (t.expires_ms)
        t.expires_ms = MAX(t.expires_ms, now_ms + MIN(t.ttl_s, (int64_t)GRACE_S) * 1000);
    union map_value *slot = map_put(&r->targets, str_of(t.id, REGISTRY_ID_SIZE), NULL);
    if (slot->p)
        target_free(slot->p);
    slot->p = own(&t);
}

static void load(struct registry *r)
{
    void *bytes;
    size_t n;
    struct arena a;
    const struct json_tree *root;
    int err = disk_slurp(r->plan.disk, FILE_NAME, FILE_BYTES_MAX, &bytes, &n);
    if (err == -ERR_NOENT)
        return;
    if (err) {
        warn(r, "could not be read", err);
        return;
    }
    arena_init(&a);
    err = json_tree_parse(str_of(bytes, n), &a, &root, NULL);
    if (err == 0) {
        const struct json_tree *list = json_tree_get(root, "targets");
        for (size_t i = 0; i < json_tree_n(list); i++)
            load_target(r, &list->children[i], &a, clock_wall_ms(r->plan.clock));
    } else {
        warn(r, "is damaged and was put aside", err);
        err = disk_rename(r->plan.disk, FILE_NAME, FILE_BAD);
        if (err)
            warn(r, "could not be put aside", err);
    }
    arena_done(&a);
    mem_free(bytes);
}

/* ---- the registry */
struct registry *registry_new(const struct registry_plan *plan)
{
    struct registry *r = mem_new(sizeof *r);
    const struct option_list *tokens = &plan->settings->register_tokens;
    r->plan = *plan;
    r->self = r;
    r->settings = *plan->settings;
    r->settings.register_tokens.v = mem_array(tokens->n + 1, sizeof *tokens->v);
    for (size_t i = 0; i < tokens->n; i++)
        r->settings.register_tokens.v[i] = mem_text(tokens->v[i], strlen(tokens->v[i]));
    thread_lock_init(&r->lock);
    thread_lock_init(&r->saving);
    map_init(&r->targets, 0);
    if (plan->disk)
        load(r);
    return r;
}

void registry_free(struct registry *r)
{
    const struct map_slot *slot;
    if (!r)
        return;
    if (r->unsaved_since_ns)
        save(r);
    for (size_t at = 0; (slot = map_next(&r->targets, &at));)
        target_free(slot->value.p);
    map_done(&r->targets);
    for (size_t i = 0; i < r->settings.register_tokens.n; i++)
        mem_free((void *)(uintptr_t)r->settings.register_tokens.v[i]);
    mem_free(r->settings.register_tokens.v);
    pthread_mutex_destroy(&r->saving);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

/* Without telling by the time how much of it was right. */
static bool same_secret(struct str said, struct str secret)
{
    unsigned char differs = said.n != secret.n;
    for (size_t i = 0; i < said.n && secret.n; i++)
        differs |= (unsigned char)(said.p[i] ^ secret.p[i % secret.n]);
    return !differs && secret.n;
}

bool registry_allows(const struct registry *r, struct str authorization, bool local)
{
    const struct option_list *tokens = &r->settings.register_tokens;
    bool known = false;
    if (tokens->n == 0)
        return local;
    if (!str_starts(authorization, STR("Bearer ")))
        return false;
    struct str said = str_trim(str_sub(authorization, strlen("Bearer "), authorization.n));
    for (size_t i = 0; i < tokens->n; i++)
        known |= same_secret(said, str_c(tokens->v[i]));
    return known;
}

int registry_read(const struct registry *r, struct str json, struct arena *a,
                  struct registry_request *ret, struct why *why)
{
    return registry_request_read(json, r->settings.register_link_local, a, ret, why);
}

/* A bucket that fills by POSTS_PER_S, kept as the time at which it is full. */
static bool too_often(struct registry *r)
{
    enum { POST_NS = 1000000000 / POSTS_PER_S };
    int64_t now = clock_monotonic_ns(r->plan.clock);
    int64_t full = MAX(r->bucket_ns, now) + POST_NS;
    if (full - now > (int64_t)POST_NS * POSTS_BURST)
        return true;
    r->bucket_ns = full;
    return false;
}

static int add_locked(struct registry *r, struct registry_request *request, int64_t now_ms,
                      struct why *why)
{
    size_t fresh = 0;
    if (too_often(r))
        return why_set(why, ERR_BUSY, "more than %d registrations a second: wait a little",
                       POSTS_PER_S);
    sweep(r, now_ms);
    for (size_t i = 0; i < request->n; i++)
        fresh += !map_get(&r->targets, str_c(request->targets[i].id));
    if (r->targets.n + fresh > (size_t)r->settings.register_targets_max)
        return why_set(why, ERR_LIMIT,
                       "more than %" PRId64 " targets (register_targets_max of [discover])",
                       r->settings.register_targets_max);
    for (size_t i = 0; i < request->n; i++) {
        struct registry_target *t = &request->targets[i], *old;
        union map_value *slot = map_put(&r->targets, str_c(t->id), NULL);
        old = slot->p;
        t->registered_ms = old ? old->registered_ms : now_ms;
        t->expires_ms = t->ttl_s ? now_ms + t->ttl_s * 1000 : 0;
        r->version += !old || !same(old, t);
        if (old)
            target_free(old);
        slot->p = own(t);
    }
    return 0;
}

int registry_add(struct registry *r, struct registry_request *request, struct why *why)
{
    int64_t now_ms = clock_wall_ms(r->plan.clock);
    thread_lock(&r->lock);
    uint64_t before = r->version;
    int err = add_locked(r, request, now_ms, why);
    bool changed = r->version != before;
    if (!err && r->unsaved_since_ns == 0)
        r->unsaved_since_ns = clock_monotonic_ns(r->plan.clock);
    thread_unlock(&r->lock);
    if (!err && changed)
        save(r);
    return err;
}

int registry_drop(struct registry *r, struct str id)
{
    thread_lock(&r->lock);
    union map_value *slot = map_get(&r->targets, id);
    struct registry_target *t = slot ? slot->p : NULL;
    if (t) {
        map_drop(&r->targets, id);
        r->version++;
    }
    thread_unlock(&r->lock);
    if (!t)
        return -ERR_NOENT;
    target_free(t);
    save(r);
    return 0;
}

static int by_id(const void *a, const void *b)
{
    const struct registry_target *x = a, *y = b;
    return strcmp(x->id, y->id);
}

void registry_list(struct registry *r, struct arena *a, struct registry_target **ret, size_t *ret_n)
{
    const struct map_slot *slot;
    size_t n = 0;
    thread_lock(&r->lock);
    sweep(r, clock_wall_ms(r->plan.clock));
    struct registry_target *all = arena_array(a, r->targets.n + 1, sizeof *all);
    for (size_t at = 0; (slot = map_next(&r->targets, &at)); n++) {
        all[n] = *(const struct registry_target *)slot->value.p;
        all[n].job = arena_str(a, all[n].job);
        all[n].address = arena_str(a, all[n].address);
        all[n].scheme = arena_str(a, all[n].scheme);
        all[n].metrics_path = arena_str(a, all[n].metrics_path);
        all[n].labels = arena_str(a, all[n].labels);
    }
    thread_unlock(&r->lock);
    if (n)
        qsort(all, n, sizeof *all, by_id);
    *ret = all;
    *ret_n = n;
}

/* ---- the discovery */
struct discovery {
    struct discovery_host host;
    struct registry *registry;
    struct timer *timer;
    struct groups_told told;
    uint64_t version; /* that was told */
    bool any;         /* it was told at all */
};

static void put_group(struct groups *g, const struct registry_target *t)
{
    const char *at = t->labels.p;
    struct label label;
    groups_begin(g, str_of(t->id, REGISTRY_ID_SIZE));
    while (labels_next(t->labels, &at, &label, NULL))
        groups_label(g, label.name, label.value);
    groups_label(g, STR("job"), t->job);
    groups_label(g, STR("__meta_registered_id"), str_of(t->id, REGISTRY_ID_SIZE));
    groups_label(g, STR("__scheme__"), t->scheme);
    groups_label(g, STR("__metrics_path__"), t->metrics_path);
    if (t->interval_ms) {
        groups_label(g, STR("__scrape_interval__"),
                     arena_printf(&g->arena, "%" PRId64 "ms", t->interval_ms));
        groups_label(g, STR("__scrape_timeout__"),
                     arena_printf(&g->arena, "%" PRId64 "ms",
                                  MIN(t->interval_ms, (int64_t)SCRAPE_TIMEOUT_MS)));
    }
    groups_target(g, t->address);
}

static void tick(void *context)
{
    struct discovery *d = context;
    struct registry *r = d->registry;
    const struct map_slot *slot;
    struct groups g;
    int64_t now = clock_monotonic_ns(r->plan.clock);
    groups_init(&g);
    thread_lock(&r->lock);
    sweep(r, clock_wall_ms(r->plan.clock));
    bool changed = !d->any || r->version != d->version;
    for (size_t at = 0; changed && (slot = map_next(&r->targets, &at));)
        put_group(&g, slot->value.p);
    d->version = r->version;
    bool late = r->unsaved_since_ns && now - r->unsaved_since_ns > SAVE_MS * 1000000LL;
    if (late)
        r->unsaved_since_ns = now; /* not again before it is done */
    thread_unlock(&r->lock);
    if (changed) {
        groups_tell(&d->told, &d->host, &g);
        d->host.state(d->host.context, "");
    }
    groups_done(&g);
    d->any = true;
    if (late && pool_run(d->host.pool, save, r) != 0)
        save(r);
}

static int start_registry(const struct discovery_config *config, const struct discovery_host *host,
                          struct discovery **ret, struct why *why)
{
    struct discovery *d = mem_new(sizeof *d);
    d->host = *host;
    d->registry = *(struct registry *const *)config->options;
    groups_told_init(&d->told);
    d->timer = timer_new(host->loop, 0, TICK_MS, tick, d);
    *ret = d;
    return 0;
}

static void stop_registry(struct discovery *d)
{
    timer_free(d->timer);
    groups_told_done(&d->told);
    mem_free(d);
}

static const struct discovery_ops registry_discovery = {
    .key = "", .name = "registered", .start = start_registry, .stop = stop_registry};

struct discovery_config registry_config(struct registry *r)
{
    return (struct discovery_config){
        .ops = &registry_discovery, .options = &r->self, .http = fetch_settings_default};
}
