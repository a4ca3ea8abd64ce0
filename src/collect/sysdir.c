#include "collect/sysdir.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/vec.h"

void sysdir_init(struct sysdir *d, const char *root, const char *path, const char *prefix,
                 const char *const *attrs, size_t attrs_n)
{
    struct buf b;
    buf_init(&b, PSEUDO_SMALL);
    buf_put_str(&b, str_c(root));
    buf_put_str(&b, str_c(path));
    *d = (struct sysdir){
        .path = mem_text(b.p, b.n), .attrs = attrs, .attrs_n = attrs_n, .prefix = prefix};
    buf_done(&b);
}

static void drop(struct sysdir *d, struct sysdir_device *v)
{
    for (size_t i = 0; i < d->attrs_n; i++)
        pseudo_done(&v->attrs[i]);
    mem_free(v->attrs);
    mem_free(v->name);
}

void sysdir_done(struct sysdir *d)
{
    for (size_t i = 0; i < d->n; i++)
        drop(d, &d->v[i]);
    vec_free(d);
    mem_free(d->path);
}

struct sysdir *sysdir_new(const char *root, const char *path, const char *prefix,
                          const char *const *attrs, size_t attrs_n)
{
    struct sysdir *d = mem_new(sizeof *d);
    sysdir_init(d, root, path, prefix, attrs, attrs_n);
    return d;
}

void sysdir_free(struct sysdir *d)
{
    if (d)
        sysdir_done(d);
    mem_free(d);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct sysdir_device *)a)->name, ((const struct sysdir_device *)b)->name);
}

static void add(struct sysdir *d, const char *name)
{
    struct sysdir_device v = {.name = mem_text(name, strlen(name)), .scan = d->scan};
    v.attrs = mem_array(d->attrs_n + 1, sizeof *v.attrs);
    struct buf path;
    buf_init(&path, PSEUDO_SMALL);
    for (size_t i = 0; i < d->attrs_n; i++) {
        buf_clear(&path);
        buf_printf(&path, "/%s/%s", name, d->attrs[i]);
        buf_put_c(&path, 0);
        pseudo_init(&v.attrs[i], d->path, path.p);
    }
    buf_done(&path);
    vec_push(d, v);
}

int sysdir_scan(struct sysdir *d, struct why *why)
{
    DIR *dir = opendir(d->path);
    if (!dir)
        return why_set(why, (enum err)err_of_errno(errno), "%s cannot be read", d->path);
    d->scan++;
    size_t old = d->n;
    for (struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] == '.' || !str_starts(str_c(e->d_name), str_c(d->prefix)) ||
            (e->d_type != DT_DIR && e->d_type != DT_LNK && e->d_type != DT_UNKNOWN))
            continue;
        struct sysdir_device key = {.name = e->d_name};
        struct sysdir_device *v = old ? bsearch(&key, d->v, old, sizeof *d->v, by_name) : NULL;
        if (v)
            v->scan = d->scan;
        else if (d->n < SYSDIR_DEVICES_MAX)
            add(d, e->d_name);
    }
    closedir(dir);
    size_t n = 0;
    bool changed = d->n > old;
    for (size_t i = 0; i < d->n; i++) {
        if (d->v[i].scan == d->scan)
            d->v[n++] = d->v[i];
        else
            drop(d, &d->v[i]);
    }
    d->n = n;
    if (changed)
        qsort(d->v, d->n, sizeof *d->v, by_name);
    return 0;
}

bool sysdir_text(const struct sysdir_device *v, size_t i, char room[PSEUDO_SMALL], struct str *ret)
{
    return pseudo_read_small(&v->attrs[i], room, ret) == 0;
}

bool sysdir_number(const struct sysdir_device *v, size_t i, double *ret)
{
    char room[PSEUDO_SMALL];
    struct str text;
    return sysdir_text(v, i, room, &text) && pseudo_parse(text, ret);
}
