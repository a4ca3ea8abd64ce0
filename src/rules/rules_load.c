#include <stdlib.h>

#include "base/map.h"
#include "base/vec.h"
#include "os/file.h"
#include "rules/rules_inside.h"

/* ---- files */

void rules_file_drop(struct rules_file *f)
{
    if (f == NULL || --f->refs > 0)
        return;
    rule_file_free(f->file);
    mem_free(f);
}

void rules_files_drop(struct rules_files *f)
{
    for (size_t i = 0; i < f->n; i++)
        rules_file_drop(f->v[i]);
    vec_free(f);
}

static int text_cmp(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

struct paths {
    struct str *v;
    size_t n, capacity;
};

/* A confined worker may open the folders that were named and there when it started. */
static void put_fault(struct buf *problems, int err, const struct why *why)
{
    const char *hint =
        err == -ERR_DENIED
            ? " (a folder that was not there when the worker started needs a restart)"
            : "";
    buf_printf(problems, "%s%s\n", why->text, hint);
}

/* All paths that the patterns name, sorted, each once. */
static void find_paths(const struct option_list *patterns, struct arena *a, struct paths *ret,
                       struct buf *problems)
{
    for (size_t i = 0; i < patterns->n; i++) {
        struct str *found;
        size_t n;
        struct why why = {0};
        int err = file_glob(patterns->v[i], a, &found, &n, &why);
        if (err != 0) {
            put_fault(problems, err, &why);
            continue;
        }
        if (n == 0 && strpbrk(patterns->v[i], "*?[") == NULL)
            buf_printf(problems, "%s: there is no such rule file\n", patterns->v[i]);
        for (size_t k = 0; k < n; k++)
            vec_push(ret, found[k]);
    }
    if (ret->n > 1)
        qsort(ret->v, ret->n, sizeof *ret->v, text_cmp);
    size_t kept = 0;
    for (size_t i = 0; i < ret->n; i++)
        if (i == 0 || !str_eq(ret->v[i], ret->v[kept - 1]))
            ret->v[kept++] = ret->v[i];
    ret->n = kept;
}

static void read_one(struct str path, const struct promql_options *options, struct rules_files *ret,
                     struct buf *problems)
{
    struct buf text;
    struct why why = {0};
    struct rule_file *file;
    buf_init(&text, RULE_FILE_BYTES_MAX);
    int err = file_read(path.p, &text, &why);
    if (err != 0) {
        put_fault(problems, err, &why);
    } else if (rule_file_read(buf_str(&text), path, options, &file, problems) == 0) {
        struct rules_file *f = mem_new(sizeof *f);
        *f = (struct rules_file){file, 1};
        vec_push(ret, f);
    }
    buf_done(&text);
}

void rules_files_read(const struct rules_settings *settings, const struct promql_options *options,
                      struct rules_files *ret, struct buf *problems)
{
    struct arena a;
    struct paths paths = {0};
    size_t groups = 0;
    arena_init(&a);
    find_paths(&settings->files, &a, &paths, problems);
    for (size_t i = 0; i < paths.n && i < RULES_FILES_MAX; i++)
        read_one(paths.v[i], options, ret, problems);
    if (paths.n > RULES_FILES_MAX)
        buf_printf(problems, "rules.files names more than %d files\n", RULES_FILES_MAX);
    for (size_t i = 0; i < ret->n; i++)
        groups += ret->v[i]->file->groups_n;
    if (groups > (size_t)settings->groups_max) {
        buf_printf(problems, "the rule files have %zu groups, more than rules.groups_max\n",
                   groups);
        rules_files_drop(ret);
    }
    vec_free(&paths);
    arena_done(&a);
}

/* ---- in force */

void rules_entry_free(struct rules_entry *e)
{
    group_free(e->group);
    rules_file_drop(e->from);
    mem_free(e);
}

/* Names of groups are unique in a file; a NUL stands in no path. */
static struct str name_of(struct str file, struct str name, struct buf *out)
{
    buf_clear(out);
    buf_put_str(out, file);
    buf_put_c(out, '\0');
    buf_put_str(out, name);
    return buf_str(out);
}

static void index_of(const struct rules_entries *all, struct map *ret)
{
    struct buf name;
    buf_init(&name, RULE_FILE_BYTES_MAX);
    map_init(ret, 0);
    for (size_t i = 0; i < all->n; i++) {
        const struct group *g = all->v[i]->group;
        map_put(ret, name_of(group_file(g), group_rules(g)->name, &name), NULL)->p = all->v[i];
    }
    buf_done(&name);
}

static struct rules_entry *find(const struct map *known, struct str file, struct str name)
{
    struct buf full;
    buf_init(&full, RULE_FILE_BYTES_MAX);
    const union map_value *at = map_get(known, name_of(file, name, &full));
    buf_done(&full);
    return at == NULL ? NULL : at->p;
}

static struct rules_entry *entry_new(struct rules *r, struct rules_file *from,
                                     const struct rule_group *rules, const struct rules_plan *plan)
{
    int64_t interval_ms = plan->settings.evaluation_interval_ms;
    int64_t now = clock_wall_ms(r->config.clock);
    struct rules_entry *e = mem_new(sizeof *e);
    e->from = from;
    from->refs++;
    e->group = group_new(rules, from->file->name, interval_ms, r->restore);
    e->stats = rules_stats_of(e->group);
    e->next_ms = group_next_ms(e->group, now);
    if (r->restore)
        (void)group_take_up(e->group, &plan->world, now); /* else group_restore() has its turn */
    return e;
}

static bool unchanged(const struct rules_entry *e, const struct rule_group *rules,
                      int64_t interval_ms)
{
    int64_t interval = rules->interval_ms > 0 ? rules->interval_ms : interval_ms;
    return group_interval_ms(e->group) == interval && group_same(group_rules(e->group), rules);
}

/* The entries to come: those that did not change are the old ones. */
static void plan_entries(struct rules *r, const struct rules_files *files,
                         const struct rules_plan *plan, struct rules_entries *ret)
{
    struct map known;
    index_of(&r->entries, &known);
    for (size_t i = 0; i < files->n; i++) {
        const struct rule_file *f = files->v[i]->file;
        for (size_t k = 0; k < f->groups_n; k++) {
            struct rules_entry *old = find(&known, f->name, f->groups[k].name);
            bool keep =
                old != NULL && unchanged(old, &f->groups[k], plan->settings.evaluation_interval_ms);
            struct rules_entry *e = keep ? old : entry_new(r, files->v[i], &f->groups[k], plan);
            vec_push(ret, e);
        }
    }
    map_done(&known);
}

/* Those that are not among the new ones end what they are doing and are not run again. */
static void stop_entries(struct rules *r, const struct rules_entries *next)
{
    for (size_t i = 0; i < r->entries.n; i++)
        r->entries.v[i]->gone = true;
    for (size_t i = 0; i < next->n; i++)
        next->v[i]->gone = false;
    for (size_t i = 0; i < r->entries.n; i++)
        if (r->entries.v[i]->gone)
            atomic_store(&r->entries.v[i]->canceled, true);
    for (size_t i = 0; i < r->entries.n; i++)
        while (r->entries.v[i]->gone && r->entries.v[i]->running)
            thread_wait(&r->idle, &r->lock);
}

static void leave(struct rules *r, struct rules_entry *e)
{
    struct rules_leaving *l = mem_new(sizeof *l);
    int64_t now = clock_wall_ms(r->config.clock);
    arena_init(&l->arena);
    group_series(e->group, &l->arena, &l->keys, &l->n);
    l->at_ms = now;
    l->due_ms = now + 2 * group_interval_ms(e->group);
    vec_push(&r->leaving, l);
}

/* States go from an entry that was stopped to the one in its place. */
static void hand_over(struct rules *r, const struct rules_entries *next)
{
    struct map known;
    index_of(next, &known);
    for (size_t i = 0; i < r->entries.n; i++) {
        struct rules_entry *e = r->entries.v[i];
        if (!e->gone)
            continue;
        struct rules_entry *heir = find(&known, group_file(e->group), group_rules(e->group)->name);
        if (heir != NULL) {
            group_inherit(heir->group, e->group);
            heir->runs = e->runs;
            /* A run that was cut off is done again by the new rules. */
            if (group_interval_ms(heir->group) == group_interval_ms(e->group))
                heir->next_ms = MIN(heir->next_ms, e->next_ms);
        } else {
            leave(r, e);
            rules_stats_hide(e->stats);
        }
        rules_entry_free(e);
    }
    map_done(&known);
}

void rules_files_apply(struct rules *r, const struct rules_files *files, struct rules_plan *plan)
{
    struct rules_entries next = {0};
    thread_lock(&r->lock);
    plan_entries(r, files, plan, &next);
    stop_entries(r, &next);
    hand_over(r, &next);
    vec_free(&r->entries);
    r->entries = next;
    struct rules_plan *old = r->plan;
    r->plan = plan;
    if (old != NULL)
        rules_plan_drop(old);
    thread_wake_all(&r->wake);
    thread_unlock(&r->lock);
}
