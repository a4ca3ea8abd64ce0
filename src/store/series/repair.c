#include "store/series/repair.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/vec.h"
#include "store/series/store_inside.h"
#include "store/series/verify.h"

enum { PATH_BYTES = 600, NOTE_MAX = 16 << 20 };

struct state {
    const struct repair *r;
    struct repair_result result;
    struct {
        char **v; /* owned: damaged files, parts, parts of snapshots, "log" */
        size_t n, capacity;
    } paths;
    struct buf note;       /* what was found */
    const char *from, *to; /* directories, while files are linked */
    struct store *store;
    char last[WHY_MAX + PATH_BYTES]; /* warning of the store that was told */
};

PRINTF(2, 3) static void say(struct state *s, const char *format, ...)
{
    char text[WHY_MAX + PATH_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (s->r->say)
        s->r->say(s->r->context, text);
}

/* Of the store; a sentence that comes again and again is told once. */
static void warned(void *context, const char *text)
{
    struct state *s = context;
    if (strncmp(s->last, text, sizeof s->last - 1) == 0)
        return;
    snprintf(s->last, sizeof s->last, "%s", text);
    say(s, "%s", text);
}

static bool is_damaged(const struct state *s, const char *path)
{
    for (size_t i = 0; i < s->paths.n; i++)
        if (strcmp(s->paths.v[i], path) == 0)
            return true;
    return false;
}

static void found(void *context, const char *path, const char *text)
{
    struct state *s = context;
    say(s, "%s", text);
    buf_printf(&s->note, "%s\n", text);
    if (!is_damaged(s, path))
        vec_push(&s->paths, mem_text(path, strlen(path)));
}

/* ---- quarantine */

static int link_entry(void *context, const struct disk_entry *e)
{
    struct state *s = context;
    char from[PATH_BYTES], to[PATH_BYTES];
    if (e->is_dir)
        return 0;
    int err = disk_join(from, sizeof from, s->from, e->name);
    if (!err)
        err = disk_join(to, sizeof to, s->to, e->name);
    if (!err)
        err = disk_link(s->r->disk, from, to);
    return err == -ERR_EXISTS ? 0 : err;
}

/* Links a file, or the files of a directory, into quarantine under its path with '_' for '/'. */
static int keep(struct state *s, const char *path)
{
    struct disk *d = s->r->disk;
    char name[PATH_BYTES], to[PATH_BYTES];
    struct disk_file *file;
    snprintf(name, sizeof name, "%s", path);
    for (char *p = name; *p; p++)
        if (*p == '/')
            *p = '_';
    int err = disk_join(to, sizeof to, s->result.quarantine, name);
    if (err)
        return err;
    s->from = path;
    s->to = to;
    err = disk_make_dir(d, to);
    if (!err)
        err = disk_list(d, path, link_entry, s);
    if (err == 0)
        return disk_sync_dir(d, to);
    /* It is a file, or is missing. */
    err = disk_remove(d, to);
    if (!err && disk_open(d, path, DISK_READ, &file) == 0) {
        disk_close(d, file);
        err = disk_link(d, path, to);
    }
    return err;
}

static int quarantine(struct state *s)
{
    struct disk *d = s->r->disk;
    char text[32], path[PATH_BYTES];
    time_t now = (time_t)(clock_wall_ms(s->r->clock) / 1000);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &tm);
    snprintf(s->result.quarantine, sizeof s->result.quarantine, "quarantine/%s", text);
    int err = disk_make_dir(d, "quarantine");
    if (!err)
        err = disk_make_dir(d, s->result.quarantine);
    for (size_t i = 0; i < s->paths.n && !err; i++)
        if (!str_starts(str_c(s->paths.v[i]), STR("snapshots/")))
            err = keep(s, s->paths.v[i]);
    if (!err)
        err = disk_join(path, sizeof path, s->result.quarantine, "note");
    if (!err)
        err = disk_replace(d, path, s->note.p, s->note.n);
    if (!err)
        err = disk_sync_dir(d, "quarantine");
    return err ? err : disk_sync_dir(d, ".");
}

/* A snapshot with damage is no longer what it was. */
static int move_snapshots(struct state *s)
{
    int err = 0;
    for (size_t i = 0; i < s->paths.n && !err; i++) {
        struct str rest = str_c(s->paths.v[i]), first, name;
        char from[PATH_BYTES], to[PATH_BYTES];
        if (!str_split(&rest, '/', &first) || !str_eq(first, STR("snapshots")) ||
            !str_split(&rest, '/', &name))
            continue;
        snprintf(from, sizeof from, "snapshots/%.*s", STR_ARG(name));
        snprintf(to, sizeof to, "%s/snapshot-%.*s", s->result.quarantine, STR_ARG(name));
        err = disk_rename(s->r->disk, from, to);
        if (err == -ERR_NOENT)
            err = 0; /* moved for another of its problems */
        else if (!err)
            say(s, "%s was moved to %s", from, to);
    }
    return err;
}

/* metadata and tombstones that cannot be read would be told of at every start. */
static int remove_notes(struct state *s)
{
    int err = 0;
    for (size_t i = 0; i < s->paths.n && !err; i++) {
        struct str path = str_c(s->paths.v[i]);
        if (str_starts(path, STR("tenants/")) &&
            (str_ends(path, STR("/metadata")) || str_ends(path, STR("/tombstones"))))
            err = disk_remove(s->r->disk, s->paths.v[i]);
    }
    return err;
}

/* ---- parts */

static bool is_open(const struct tenant *t, struct str name)
{
    for (size_t i = 0; i < t->parts.n; i++)
        if (str_eq(str_c(t->parts.v[i]->dir + strlen(t->dir) + 1), name))
            return true;
    return false;
}

/* Takes those that do not open out of the manifest. */
static int drop_lost(struct state *s, struct tenant *t, struct why *why)
{
    struct manifest_edit edit;
    struct {
        char **v;
        size_t n, capacity;
    } gone = {0};
    manifest_edit_init(&edit);
    for (size_t i = 0; i < manifest_parts(t->manifest); i++) {
        struct str name = manifest_part(t->manifest, i)->name;
        if (is_open(t, name))
            continue;
        char path[PATH_BYTES];
        int n = snprintf(path, sizeof path, "%s/%.*s", t->dir, STR_ARG(name));
        vec_push(&gone, mem_text(path, (size_t)n));
        manifest_edit_remove(&edit, name);
    }
    int err = manifest_apply(t->manifest, &edit, why);
    for (size_t i = 0; i < gone.n; i++) {
        if (!err) {
            say(s, "%s was taken out of the store", gone.v[i]);
            s->result.dropped++;
            /* Its files stay in quarantine; what stays here is removed at the next start. */
            int ignored UNUSED = disk_remove_tree(s->r->disk, gone.v[i]);
        }
        mem_free(gone.v[i]);
    }
    vec_free(&gone);
    manifest_edit_done(&edit);
    return err;
}

static int rewrite_damaged(struct state *s, struct tenant *t, struct why *why)
{
    int err = 0;
    for (size_t i = 0; i < t->parts.n && !err;) {
        struct tenant_part *p = t->parts.v[i];
        if (!is_damaged(s, p->dir)) {
            i++;
            continue;
        }
        say(s, "%s is written anew from what is readable", p->dir);
        err = store_rewrite_part(s->store, t, p, why);
        s->result.rewritten += !err;
        i = 0; /* the list is another one now */
    }
    return err;
}

static bool has_damaged_catalogue(const struct state *s, const struct tenant *t)
{
    char prefix[PATH_BYTES];
    snprintf(prefix, sizeof prefix, "%s/catalogue-", t->dir);
    for (size_t i = 0; i < s->paths.n; i++)
        if (str_starts(str_c(s->paths.v[i]), str_c(prefix)))
            return true;
    return false;
}

static int repair_store(struct state *s, struct why *why)
{
    struct store_config config = {.disk = s->r->disk,
                                  .clock = s->r->clock,
                                  .settings = s->r->settings,
                                  .lanes = 1,
                                  .manual = true,
                                  .warn = warned,
                                  .warn_context = s};
    int err = store_open(&config, &s->store, why);
    if (err)
        return err;
    thread_lock(&s->store->work_lock);
    for (size_t i = 0; i < s->store->tenants.n && !err; i++) {
        struct tenant *t = s->store->tenants.v[i];
        t->catalogue.lost |= has_damaged_catalogue(s, t);
        err = drop_lost(s, t, why);
        if (!err)
            err = rewrite_damaged(s, t, why);
    }
    if (!err)
        err = store_flush_all(s->store, why);
    thread_unlock(&s->store->work_lock);
    store_abandon(s->store);
    s->store = NULL;
    return err;
}

static int find_damage(struct state *s, struct why *why)
{
    struct keyring *ring = NULL;
    struct verify_result counts;
    if (*s->r->settings->key_file) {
        int err = keyring_load(s->r->settings->key_file, &ring, why);
        if (err)
            return err;
    }
    struct verify v = {s->r->disk, ring, found, s};
    int err = verify_run(&v, &counts, why);
    keyring_free(ring);
    if (!err)
        s->result.problems = counts.problems;
    return err;
}

int repair_run(const struct repair *r, struct repair_result *ret, struct why *why)
{
    struct state s = {.r = r};
    buf_init(&s.note, NOTE_MAX);
    int err = find_damage(&s, why);
    if (!err && s.paths.n) {
        err = quarantine(&s);
        if (!err)
            err = move_snapshots(&s);
        if (!err)
            err = remove_notes(&s);
        if (err)
            why_set(why, (enum err) - err, "cannot put what is damaged into quarantine: %s",
                    err_text(err));
    }
    if (!err)
        err = repair_store(&s, why);
    for (size_t i = 0; i < s.paths.n; i++)
        mem_free(s.paths.v[i]);
    vec_free(&s.paths);
    buf_done(&s.note);
    if (!err)
        *ret = s.result;
    return err;
}
