#include "store/series/store_import.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/must.h"
#include "store/series/store_inside.h"

enum {
    COLUMNS_MAX = 4096, /* timestamp columns that are looked for again */
    COLUMN_BYTES_MAX = 256 << 20,
    RUN_MAX = PART_TS_MAX / 2, /* samples written at once */
};

/* A column of a class's part: series of one target have the same one. */
struct column_seen {
    uint64_t hash;
    int64_t *ts; /* [n], owned */
    size_t n;
    uint32_t ref;
};

struct class_part {
    struct part_writer *writer; /* NULL: not begun */
    char *dir;
    struct column_seen *columns; /* [COLUMNS_MAX] by hash, NULL: none yet */
    size_t column_bytes;
    bool series_begun; /* the present series is in it */
};

struct store_import {
    struct store *s;
    struct tenant *t;
    struct class_part classes[STORE_CLASSES_MAX];
    size_t class; /* of the present series */
    struct buf key;
};

int store_import_new(struct store *s, struct tenant *t, struct store_import **ret, struct why *why)
{
    (void)why;
    struct store_import *im = mem_new(sizeof *im);
    im->s = s;
    im->t = t;
    buf_init(&im->key, LABELS_KEY_MAX);
    thread_lock(&s->work_lock);
    *ret = im;
    return 0;
}

static void free_columns(struct class_part *c)
{
    for (size_t i = 0; c->columns != NULL && i < COLUMNS_MAX; i++)
        mem_free(c->columns[i].ts);
    mem_free(c->columns);
    c->columns = NULL;
    c->column_bytes = 0;
}

void store_import_free(struct store_import *im)
{
    if (im == NULL)
        return;
    for (size_t i = 0; i < STORE_CLASSES_MAX; i++) {
        struct class_part *c = &im->classes[i];
        part_writer_free(c->writer);
        free_columns(c);
        if (c->dir != NULL) {
            /* What cannot be removed now is an orphan of the next start. */
            int ignored UNUSED = disk_remove_tree(im->s->config.disk, c->dir);
            mem_free(c->dir);
        }
    }
    buf_done(&im->key);
    thread_unlock(&im->s->work_lock);
    mem_free(im);
}

static int begin_class(struct store_import *im, struct class_part *c, struct why *why)
{
    struct part_place at = store_place(im->s);
    struct part_info info = {.tier = PART_RAW, .level = 0};
    snprintf(info.tenant, sizeof info.tenant, "%s", im->t->name);
    snprintf(info.retention_class, sizeof info.retention_class, "%s",
             im->s->classes[im->class].name);
    c->dir = tenant_new_dir(im->t);
    info.sequence = im->t->sequence;
    int err = part_writer_new(&at, c->dir, &info, &c->writer, why);
    if (err == 0)
        c->columns = mem_array(COLUMNS_MAX, sizeof *c->columns);
    return err;
}

int store_import_series(struct store_import *im, struct str key, struct why *why)
{
    (void)why;
    buf_clear(&im->key);
    buf_put_str(&im->key, key);
    im->class = store_class_of(im->s, im->t, key);
    im->classes[im->class].series_begun = false;
    return 0;
}

/* The part of the present series' class, in which it has begun. */
static int class_of(struct store_import *im, struct class_part **ret, struct why *why)
{
    struct class_part *c = &im->classes[im->class];
    int err = c->writer == NULL ? begin_class(im, c, why) : 0;
    if (err == 0 && !c->series_begun)
        err = part_writer_series(c->writer, buf_str(&im->key));
    c->series_begun = err == 0;
    *ret = c;
    return err;
}

/* The column with these times: one that is there already, or a new one. */
static int column_of(struct class_part *c, const int64_t *ts, size_t n, uint32_t *ret_ref)
{
    uint64_t hash = hash_xxh3(ts, n * sizeof *ts, 0);
    struct column_seen *seen = &c->columns[hash % COLUMNS_MAX];
    if (seen->ts != NULL && seen->hash == hash && seen->n == n &&
        memcmp(seen->ts, ts, n * sizeof *ts) == 0) {
        *ret_ref = seen->ref;
        return 0;
    }
    int err = part_writer_ts(c->writer, ts, n, ret_ref);
    if (err != 0 || c->column_bytes + n * sizeof *ts > COLUMN_BYTES_MAX)
        return err;
    c->column_bytes += n * sizeof *ts - seen->n * sizeof *ts;
    mem_free(seen->ts);
    *seen = (struct column_seen){hash, mem_copy(ts, n * sizeof *ts), n, *ret_ref};
    return 0;
}

static int write_run(struct class_part *c, const int64_t *ts, const double *v,
                     const struct histogram *const *h, size_t n)
{
    uint32_t ref;
    int err = column_of(c, ts, n, &ref);
    if (err == 0)
        err = h != NULL ? part_writer_histograms(c->writer, ref, 0, ts, h, n, NULL)
                        : part_writer_floats(c->writer, ref, 0, ts, v, n, NULL);
    return err;
}

int store_import_samples(struct store_import *im, const int64_t *ts, const double *v,
                         const struct histogram *const *h, size_t n, struct why *why)
{
    struct class_part *c;
    int err = n == 0 ? 0 : class_of(im, &c, why);
    for (size_t from = 0, part; from < n && err == 0; from += part) {
        part = MIN(n - from, (size_t)RUN_MAX);
        err =
            write_run(c, ts + from, h == NULL ? v + from : NULL, h == NULL ? NULL : h + from, part);
    }
    if (err != 0 && why != NULL && why->text[0] == '\0')
        why_set(why, (enum err) - err, "a part could not be written: %s", err_text(err));
    return err;
}

int store_import_finish(struct store_import *im, uint64_t *samples, struct why *why)
{
    const char *dirs[STORE_CLASSES_MAX];
    struct manifest_edit edit;
    size_t n = 0;
    uint64_t written = 0;
    int err = 0;
    for (size_t i = 0; i < STORE_CLASSES_MAX && err == 0; i++) {
        struct class_part *c = &im->classes[i];
        struct part_info info;
        if (c->writer == NULL)
            continue;
        int one = part_writer_finish(c->writer, &info, why);
        part_writer_free(c->writer);
        c->writer = NULL;
        if (one == 0) {
            dirs[n++] = c->dir;
            written += info.samples;
        } else if (one != -ERR_SPARSE) {
            err = one;
        }
    }
    if (err != 0 || n == 0)
        return err;
    manifest_edit_init(&edit);
    err = tenant_publish(im->t, dirs, n, NULL, 0, &edit, why);
    manifest_edit_done(&edit);
    if (err != 0)
        return err;
    for (size_t i = 0; i < STORE_CLASSES_MAX; i++)
        for (size_t k = 0; k < n; k++)
            if (im->classes[i].dir == dirs[k]) { /* the tenant's now */
                mem_free(im->classes[i].dir);
                im->classes[i].dir = NULL;
                break;
            }
    *samples += written;
    return 0;
}
