#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/vec.h"
#include "store/series/store_inside.h"

enum {
    PATH_BYTES = 600,
    SMALL_FILE_MAX = 128 << 20, /* bytes of a file that is copied */
    SAME_SECOND_MAX = 1000,     /* snapshots with one time in their names */
};

static struct stat stat_snapshots =
    STAT_COUNTER("sonde_store_snapshots_total", "Snapshots that were made.");

/* A snapshot is a data directory of its own: tenants/list, tenants/NNNN/{manifest, ..., part-N/}.
 * Files that never change are linked, those that are appended to are copied. */
struct snapshot {
    struct disk *disk;
    const char *root; /* "snapshots/NAME.tmp" */
    const char *from; /* directory that is being linked from .. */
    const char *to;   /* .. and to */
};

static int copy_file(struct disk *d, const char *from, const char *to)
{
    void *p;
    size_t n;
    int err = disk_slurp(d, from, SMALL_FILE_MAX, &p, &n);
    if (err)
        return err;
    struct disk_file *f;
    err = disk_open(d, to, DISK_WRITE | DISK_CREATE, &f);
    if (!err) {
        if (n)
            err = disk_write(d, f, 0, p, n);
        if (!err)
            err = disk_sync(d, f);
        disk_close(d, f);
    }
    mem_free(p);
    return err;
}

static bool is_unfinished(struct str name)
{
    return str_ends(name, STR(".tmp"));
}

static int link_entry(void *context, const struct disk_entry *e)
{
    struct snapshot *s = context;
    char from[PATH_BYTES], to[PATH_BYTES];
    if (e->is_dir || is_unfinished(str_c(e->name)))
        return 0;
    int err = disk_join(from, sizeof from, s->from, e->name);
    if (!err)
        err = disk_join(to, sizeof to, s->to, e->name);
    return err ? err : disk_link(s->disk, from, to);
}

/* Links all files of a part's directory. */
static int link_part(struct snapshot *s, const char *name, const char *tenant, const char *copy)
{
    char from[PATH_BYTES], to[PATH_BYTES];
    int err = disk_join(from, sizeof from, tenant, name);
    if (!err)
        err = disk_join(to, sizeof to, copy, name);
    if (!err)
        err = disk_make_dir(s->disk, to);
    s->from = from;
    s->to = to;
    if (!err)
        err = disk_list(s->disk, from, link_entry, s);
    return err ? err : disk_sync_dir(s->disk, to);
}

/* Files of the tenant beside its parts: catalogues never change once they are finished. */
static int take_file(void *context, const struct disk_entry *e)
{
    struct snapshot *s = context;
    struct str name = str_c(e->name);
    char from[PATH_BYTES], to[PATH_BYTES];
    if (e->is_dir || is_unfinished(name))
        return 0;
    int err = disk_join(from, sizeof from, s->from, e->name);
    if (!err)
        err = disk_join(to, sizeof to, s->to, e->name);
    if (err)
        return err;
    return str_starts(name, STR("catalogue-")) ? disk_link(s->disk, from, to)
                                               : copy_file(s->disk, from, to);
}

static int take_tenant(struct snapshot *s, struct tenant *t)
{
    char to[PATH_BYTES], name[MANIFEST_NAME_MAX + 1];
    int err = disk_join(to, sizeof to, s->root, t->dir);
    if (!err)
        err = disk_make_dir(s->disk, to);
    s->from = t->dir;
    s->to = to;
    if (!err)
        err = disk_list(s->disk, t->dir, take_file, s);
    for (size_t i = 0; i < manifest_parts(t->manifest) && !err; i++) {
        snprintf(name, sizeof name, STR_FMT, STR_ARG(manifest_part(t->manifest, i)->name));
        err = link_part(s, name, t->dir, to);
        if (err == -ERR_NOENT)
            err = 0; /* lost before: the store has told of it when it was opened */
    }
    return err ? err : disk_sync_dir(s->disk, to);
}

static int stop_listing(void *context, const struct disk_entry *e)
{
    (void)context, (void)e;
    return 1;
}

/* A name that is free: UTC, and a number where there is one of this second already. */
static int choose_name(struct store *s, char *ret, size_t n)
{
    char text[32];
    time_t now = (time_t)(clock_wall_ms(s->config.clock) / 1000);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &tm);
    for (int i = 0; i < SAME_SECOND_MAX; i++) {
        int used = snprintf(ret, n, i ? "snapshots/%s-%d" : "snapshots/%s", text, i);
        must(used > 0 && (size_t)used < n);
        int err = disk_list(s->config.disk, ret, stop_listing, NULL);
        if (err == -ERR_NOENT)
            return 0;
        if (err < 0)
            return err;
    }
    return -ERR_EXISTS;
}

static int take_all(struct store *s, const char *root)
{
    struct snapshot shot = {.disk = s->config.disk, .root = root};
    char path[PATH_BYTES], names[PATH_BYTES];
    size_t n;
    int err = disk_make_dir(shot.disk, root);
    if (!err)
        err = disk_join(path, sizeof path, root, "tenants");
    if (!err)
        err = disk_join(names, sizeof names, root, "tenants/list");
    if (!err)
        err = disk_make_dir(shot.disk, path);
    struct tenant **list = store_tenants(s, &n);
    for (size_t i = 0; i < n && !err; i++)
        err = take_tenant(&shot, list[i]);
    mem_free(list);
    /* After the tenants: one that appears meanwhile is in the list, and empty. */
    if (!err && n)
        err = copy_file(shot.disk, "tenants/list", names);
    if (!err)
        err = disk_sync_dir(shot.disk, path);
    return err ? err : disk_sync_dir(shot.disk, root);
}

static int make(struct store *s, const char *name)
{
    struct disk *d = s->config.disk;
    char root[PATH_BYTES];
    snprintf(root, sizeof root, "%.100s.tmp", name);
    int err = disk_remove_tree(d, root); /* what a crash left */
    if (err && err != -ERR_NOENT)
        return err;
    err = take_all(s, root);
    if (!err)
        err = disk_rename(d, root, name);
    if (!err)
        err = disk_sync_dir(d, "snapshots");
    if (err) {
        /* The first error is the caller's; what stays is removed by the next start. */
        int ignored UNUSED = disk_remove_tree(d, root);
    }
    return err;
}

int store_snapshot(struct store *s, char **ret, struct why *why)
{
    char name[96];
    stat_register(&stat_snapshots);
    thread_lock(&s->work_lock);
    int err = store_flush_all(s, why);
    if (!err) {
        err = disk_make_dir(s->config.disk, "snapshots");
        if (!err)
            err = disk_sync_dir(s->config.disk, ".");
        if (!err)
            err = choose_name(s, name, sizeof name);
        if (!err)
            err = make(s, name);
        if (err)
            why_set(why, (enum err) - err, "cannot make a snapshot: %s", err_text(err));
    }
    thread_unlock(&s->work_lock);
    if (err)
        return err;
    stat_add(&stat_snapshots, 1);
    *ret = mem_text(name, strlen(name));
    return 0;
}

/* Snapshots that a crash left half made. */
static int remove_unfinished(void *context, const struct disk_entry *e)
{
    struct store *s = context;
    char path[PATH_BYTES];
    if (!is_unfinished(str_c(e->name)))
        return 0;
    int ignored UNUSED = disk_join(path, sizeof path, "snapshots", e->name)
                             ? 0
                             : disk_remove_tree(s->config.disk, path); /* else the next start */
    return 0;
}

void store_snapshot_clean(struct store *s)
{
    /* No directory: no snapshots. One that cannot be listed does no harm. */
    int ignored UNUSED = disk_list(s->config.disk, "snapshots", remove_unfinished, s);
}
