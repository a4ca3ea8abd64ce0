#include "os/disk.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/vec.h"

enum { PATH_BYTES_MAX = 1024, TREE_LEVELS = 4 /* a snapshot: tenants, tenant, part */ };

int disk_open(struct disk *d, const char *path, int flags, struct disk_file **ret)
{
    return d->ops->open(d, path, flags, ret);
}

void disk_close(struct disk *d, struct disk_file *f)
{
    if (f)
        d->ops->close(d, f);
}

int disk_read(struct disk *d, struct disk_file *f, uint64_t offset, void *p, size_t n,
              size_t *ret_n)
{
    return d->ops->read(d, f, offset, p, n, ret_n);
}

int disk_read_all(struct disk *d, struct disk_file *f, uint64_t offset, void *p, size_t n)
{
    size_t got = 0;
    int err = d->ops->read(d, f, offset, p, n, &got);
    if (err)
        return err;
    return got == n ? 0 : -ERR_CORRUPT;
}

int disk_write(struct disk *d, struct disk_file *f, uint64_t offset, const void *p, size_t n)
{
    return d->ops->write(d, f, offset, p, n);
}

int disk_sync(struct disk *d, struct disk_file *f)
{
    return d->ops->sync(d, f);
}

int disk_truncate(struct disk *d, struct disk_file *f, uint64_t size)
{
    return d->ops->truncate(d, f, size);
}

int disk_allocate(struct disk *d, struct disk_file *f, uint64_t size)
{
    return d->ops->allocate(d, f, size);
}

int disk_size(struct disk *d, struct disk_file *f, uint64_t *ret)
{
    return d->ops->size(d, f, ret);
}

int disk_rename(struct disk *d, const char *from, const char *to)
{
    return d->ops->rename(d, from, to);
}

int disk_remove(struct disk *d, const char *path)
{
    return d->ops->remove(d, path);
}

int disk_link(struct disk *d, const char *from, const char *to)
{
    return d->ops->link(d, from, to);
}

int disk_make_dir(struct disk *d, const char *path)
{
    return d->ops->make_dir(d, path);
}

int disk_sync_dir(struct disk *d, const char *path)
{
    return d->ops->sync_dir(d, path);
}

int disk_list(struct disk *d, const char *path, int (*f)(void *context, const struct disk_entry *),
              void *context)
{
    return d->ops->list(d, path, f, context);
}

int disk_space(struct disk *d, uint64_t *ret_free, uint64_t *ret_total)
{
    return d->ops->space(d, ret_free, ret_total);
}

int disk_lock(struct disk *d, const char *path)
{
    return d->ops->lock(d, path);
}

void disk_free(struct disk *d)
{
    if (d)
        d->ops->free(d);
}

int disk_join(char *ret, size_t n, const char *dir, const char *name)
{
    int used = snprintf(ret, n, "%s/%s", dir, name);
    return used < 0 || (size_t)used >= n ? -ERR_LIMIT : 0;
}

int disk_sync_parent(struct disk *d, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return disk_sync_dir(d, ".");
    char dir[PATH_BYTES_MAX];
    snprintf(dir, sizeof dir, "%.*s", (int)(slash - path), path);
    return disk_sync_dir(d, dir);
}

static int write_new(struct disk *d, const char *path, const void *p, size_t n)
{
    struct disk_file *f;
    int err = disk_open(d, path, DISK_WRITE | DISK_CREATE, &f);
    if (err)
        return err;
    if (n)
        err = disk_write(d, f, 0, p, n);
    if (!err)
        err = disk_sync(d, f);
    disk_close(d, f);
    return err;
}

int disk_replace(struct disk *d, const char *path, const void *p, size_t n)
{
    char temporary[PATH_BYTES_MAX];
    if (snprintf(temporary, sizeof temporary, "%s.tmp", path) >= (int)sizeof temporary)
        return -ERR_LIMIT;
    int err = disk_remove(d, temporary); /* what a crash left */
    if (err && err != -ERR_NOENT)
        return err;

    err = write_new(d, temporary, p, n);
    if (!err)
        err = disk_rename(d, temporary, path);
    if (err) {
        /* The first error is what the caller needs; a leftover is removed by the next call. */
        int ignored = disk_remove(d, temporary);
        (void)ignored;
        return err;
    }
    return disk_sync_parent(d, path);
}

int disk_slurp(struct disk *d, const char *path, size_t max, void **ret, size_t *ret_n)
{
    struct disk_file *f;
    int err = disk_open(d, path, DISK_READ, &f);
    if (err)
        return err;

    uint64_t size;
    err = disk_size(d, f, &size);
    if (!err && size > max)
        err = -ERR_LIMIT;
    if (!err) {
        void *p = mem_raw((size_t)size);
        size_t got = 0;
        err = disk_read(d, f, 0, p, (size_t)size, &got);
        if (err) {
            mem_free(p);
        } else {
            *ret = p;
            *ret_n = got;
        }
    }
    disk_close(d, f);
    return err;
}

struct names {
    struct {
        char *text;
        bool is_dir;
    } * v;
    size_t n, capacity;
};

static int collect_name(void *context, const struct disk_entry *entry)
{
    struct names *names = context;
    vec_reserve(names, names->n + 1);
    names->v[names->n].text = mem_text(entry->name, strlen(entry->name));
    names->v[names->n++].is_dir = entry->is_dir;
    return 0;
}

static int remove_tree(struct disk *d, const char *path, int levels)
{
    struct names names = {0};
    int err = disk_list(d, path, collect_name, &names);
    for (size_t i = 0; i < names.n; i++) {
        char child[PATH_BYTES_MAX];
        if (!err &&
            snprintf(child, sizeof child, "%s/%s", path, names.v[i].text) >= (int)sizeof child)
            err = -ERR_LIMIT;
        if (!err && names.v[i].is_dir && levels > 0)
            err = remove_tree(d, child, levels - 1);
        else if (!err)
            err = disk_remove(d, child);
        mem_free(names.v[i].text);
    }
    vec_free(&names);
    return err ? err : disk_remove(d, path);
}

int disk_remove_tree(struct disk *d, const char *path)
{
    return remove_tree(d, path, TREE_LEVELS);
}
