#include <stdio.h>

#include "base/mem.h"
#include "base/vec.h"
#include "discover/errand.h"
#include "discover/group_list.h"
#include "os/file.h"
#include "os/file_watch.h"

/* Targets in files, which are read when they change and every refresh_interval. */
enum { FILE_BYTES_MAX = 64 << 20, WATCHES_MAX = 1000, FILES_MAX = 100000 };

struct options {
    struct yaml_struct_texts files; /* globs, as paths */
    int64_t refresh_ms;
};

static const struct yaml_struct_field FIELDS[] = {
    {"files", YAML_STRUCT_TEXTS, offsetof(struct options, files)},
    {"refresh_interval", YAML_STRUCT_DURATION, offsetof(struct options, refresh_ms)},
};

static const struct yaml_struct SHAPE = {"file.plain", FIELDS, COUNTOF(FIELDS), NULL};

/* What one look at the files brought. */
struct look {
    struct arena arena;
    struct str *patterns; /* [patterns_n] copies: the configuration may go meanwhile */
    size_t patterns_n;
    struct groups groups; /* of all files that could be read */
    struct {
        struct str *v; /* paths that could not be: their targets stay */
        size_t n, capacity;
    } broken;
    struct why why; /* the first fault */
};

struct discovery {
    struct discovery_host host;
    const struct options *options;
    struct timer *timer;
    struct errand *errand; /* NULL: none in progress */
    bool again;            /* something changed while it was */
    struct groups_told told;
    struct {
        struct file_watch **v;
        size_t n, capacity;
    } watches;
};

/* ^[^*]*(\*[^/]*)?\.(json|yml|yaml|JSON|YML|YAML)$ */
static bool pattern_good(struct str path)
{
    static const char *const ends[] = {".json", ".yml", ".yaml", ".JSON", ".YML", ".YAML"};
    for (size_t i = 0; i < COUNTOF(ends); i++) {
        if (!str_ends(path, str_c(ends[i])))
            continue;
        struct str front = str_sub(path, 0, path.n - strlen(ends[i]));
        size_t star = str_find(front, '*');
        return str_find(str_sub(front, star, front.n), '/') == front.n - star;
    }
    return false;
}

static int read_file(const struct yaml_node *entry, struct discovery_read *r,
                     struct discovery_config *ret, struct why *why)
{
    struct options *o = arena_new(r->a, sizeof *o);
    o->refresh_ms = 5 * 60 * 1000;
    int err = yaml_struct_read(entry, &SHAPE, r->a, o, &r->place, why);
    if (err)
        return err;
    if (o->files.n == 0)
        return why_set(why, ERR_FORMAT,
                       "file service discovery config must contain at least one path name");
    if (o->refresh_ms <= 0)
        return why_set(why, ERR_FORMAT, "refresh_interval must be more than 0");
    struct str *paths = arena_array(r->a, o->files.n, sizeof *paths);
    for (size_t i = 0; i < o->files.n; i++) {
        struct str path = o->files.v[i];
        if (!pattern_good(path))
            return why_set(why, ERR_FORMAT,
                           "path name \"" STR_FMT "\" is not valid for file discovery",
                           STR_ARG(path));
        paths[i] = path.p[0] == '/' || str_eq(r->folder, STR(""))
                       ? arena_str(r->a, path)
                       : arena_printf(r->a, STR_FMT "/" STR_FMT, STR_ARG(r->folder), STR_ARG(path));
    }
    o->files.v = paths;
    ret->options = o;
    return 0;
}

/* ---- on the pool */
static int read_targets(struct look *k, struct str path, struct why *why)
{
    struct buf text;
    buf_init(&text, FILE_BYTES_MAX);
    size_t before = k->groups.groups.n;
    int err = file_read(path.p, &text, why);
    if (!err && (str_ends(path, STR(".json")) || str_ends(path, STR(".JSON"))))
        err = group_list_json(buf_str(&text), &k->groups, STR("__meta_filepath"), path, why);
    else if (!err)
        err = group_list_yaml(buf_str(&text), &k->groups, STR("__meta_filepath"), path, why);
    buf_done(&text);
    if (err)
        k->groups.groups.n = before; /* half of a file is none */
    return err;
}

static void take_fault(struct look *k, const struct why *why, struct str path)
{
    if (k->why.text[0] != '\0')
        return;
    k->why = *why;
    if (str_search(str_c(why->text), path) == strlen(why->text))
        why_prefix(&k->why, STR_FMT, STR_ARG(path));
}

static void look_at_files(void *context)
{
    struct look *k = context;
    for (size_t i = 0; i < k->patterns_n; i++) {
        struct why why = {0};
        struct str *paths, pattern = k->patterns[i];
        size_t n;
        if (file_glob(pattern.p, &k->arena, &paths, &n, &why) != 0) {
            take_fault(k, &why, pattern);
            vec_push(&k->broken, STR("")); /* any may be behind it: nothing goes */
            continue;
        }
        for (size_t j = 0; j < n && j < FILES_MAX; j++) {
            if (read_targets(k, paths[j], &why) != 0) {
                take_fault(k, &why, paths[j]);
                vec_push(&k->broken, paths[j]);
            }
        }
    }
}

static struct look *new_look(const struct options *o)
{
    struct look *k = mem_new(sizeof *k);
    arena_init(&k->arena);
    groups_init(&k->groups);
    k->patterns_n = o->files.n;
    k->patterns = arena_array(&k->arena, o->files.n, sizeof *k->patterns);
    for (size_t i = 0; i < o->files.n; i++)
        k->patterns[i] = arena_str(&k->arena, o->files.v[i]);
    return k;
}

static void release_look(void *context)
{
    struct look *k = context;
    vec_free(&k->broken);
    groups_done(&k->groups);
    arena_done(&k->arena);
    mem_free(k);
}

/* ---- on the loop */
static void look(void *context);

/* Does source ("PATH:3") come from a file that could not be read? */
static bool of_broken(const struct look *k, struct str source)
{
    for (size_t i = 0; i < k->broken.n; i++) {
        struct str path = k->broken.v[i];
        if (path.n == 0 ||
            (source.n > path.n && str_starts(source, path) && source.p[path.n] == ':' &&
             str_find(str_sub(source, path.n + 1, source.n), ':') == source.n - path.n - 1))
            return true;
    }
    return false;
}

static void drop_gone(struct discovery *d, const struct look *k)
{
    struct map now;
    map_init(&now, 0);
    for (size_t i = 0; i < k->groups.groups.n; i++)
        map_put(&now, k->groups.groups.v[i].source, NULL);
    struct groups gone;
    groups_init(&gone);
    const struct map_slot *slot;
    for (size_t at = 0; (slot = map_next(&d->told.sources, &at));) {
        if (!map_get(&now, slot->key) && !of_broken(k, slot->key))
            groups_begin(&gone, slot->key);
    }
    groups_finish(&gone);
    if (gone.groups.n)
        groups_tell_some(&d->told, &d->host, &gone);
    groups_done(&gone);
    map_done(&now);
}

static void looked(void *owner, void *context)
{
    struct discovery *d = owner;
    struct look *k = context;
    d->errand = NULL;
    groups_tell_some(&d->told, &d->host, &k->groups);
    drop_gone(d, k);
    d->host.state(d->host.context, k->why.text);
    if (d->again)
        look(d);
}

static void look(void *context)
{
    struct discovery *d = context;
    d->again = d->errand != NULL;
    if (d->errand)
        return;
    struct look *k = new_look(d->options);
    struct errand_plan plan = {.loop = d->host.loop,
                               .pool = d->host.pool,
                               .work = look_at_files,
                               .done = looked,
                               .release = release_look,
                               .owner = d,
                               .context = k};
    if (errand_start(&plan, &d->errand) != 0)
        d->host.state(d->host.context, "too much waits for files and name servers already");
}

/* The folder of a pattern, whose files alone may have wildcards. */
static void watch(struct discovery *d, struct str pattern)
{
    char folder[4096];
    size_t n = pattern.n;
    while (n > 0 && pattern.p[n - 1] != '/')
        n--;
    snprintf(folder, sizeof folder, STR_FMT, STR_ARG(n ? str_sub(pattern, 0, n) : STR(".")));
    struct file_watch *w;
    /* Where it cannot be watched, refresh_interval has to do. */
    if (d->watches.n < WATCHES_MAX && file_watch_new(d->host.loop, folder, look, d, &w, NULL) == 0)
        vec_push(&d->watches, w);
}

static int start_file(const struct discovery_config *config, const struct discovery_host *host,
                      struct discovery **ret, struct why *why)
{
    struct discovery *d = mem_new(sizeof *d);
    d->host = *host;
    d->options = config->options;
    groups_told_init(&d->told);
    for (size_t i = 0; i < d->options->files.n; i++)
        watch(d, d->options->files.v[i]);
    d->timer = timer_new(host->loop, 0, d->options->refresh_ms, look, d);
    *ret = d;
    return 0;
}

static void stop_file(struct discovery *d)
{
    errand_cancel(d->errand);
    for (size_t i = 0; i < d->watches.n; i++)
        file_watch_free(d->watches.v[i]);
    vec_free(&d->watches);
    timer_free(d->timer);
    groups_told_done(&d->told);
    mem_free(d);
}

static void each_file(const struct discovery_config *config,
                      void (*f)(void *context, struct str path), void *context)
{
    const struct options *o = config->options;
    for (size_t i = 0; i < o->files.n; i++)
        f(context, o->files.v[i]);
}

const struct discovery_ops file_discovery = {.key = "file_sd_configs",
                                             .name = "file",
                                             .read = read_file,
                                             .start = start_file,
                                             .stop = stop_file,
                                             .files = each_file};
