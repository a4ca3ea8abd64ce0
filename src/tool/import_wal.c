#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "codec/tsdb_wal.h"
#include "model/labels.h"
#include "os/file.h"
#include "tool/import_state.h"

/* Reading a log. */
struct replay {
    struct import *im;
    struct map keys; /* number of a series -> its canonical key, in `names` */
    struct arena names, samples;
    int64_t done_ms;
    struct why *why;
};

static void note_series(void *context, uint64_t ref, struct str raw)
{
    struct replay *r = context;
    struct buf key;
    struct why why = {0};
    buf_init(&key, LABELS_KEY_MAX);
    if (labels_canonical(raw, &key, &why) == 0) {
        struct str *name = arena_new(&r->names, sizeof *name);
        *name = arena_str(&r->names, buf_str(&key));
        map_put(&r->keys, str_of((const char *)&ref, sizeof ref), NULL)->p = name;
    } else {
        import_refused(r->im, str_c(why.text));
    }
    buf_done(&key);
}

static int note_sample(void *context, const struct tsdb_wal_sample *s)
{
    struct replay *r = context;
    const union map_value *name = map_get(&r->keys, str_of((const char *)&s->ref, sizeof s->ref));
    if (s->ts_ms <= r->done_ms)
        return 0;
    if (name == NULL) { /* its definition is lost */
        import_refused(r->im, STR("a sample of the log whose series is not defined in it"));
        return 0;
    }
    const struct str *key = name->p;
    return import_put(r->im, *key, s->ts_ms, s->value, s->histogram, r->why);
}

static int take_record(struct replay *r, struct str record)
{
    unsigned type = record.n ? (unsigned char)record.p[0] : 0;
    if (type == TSDB_WAL_SERIES)
        return tsdb_wal_series(record, note_series, r);
    int err = tsdb_wal_samples(record, &r->samples, note_sample, r);
    if (r->samples.total > 64 << 20 && err == 0) {
        err = import_flush(r->im, r->why); /* its histograms go */
        arena_reset(&r->samples);
    }
    return err == -ERR_UNSUPPORTED ? 0 : err;
}

/* Damage ends a segment; what the next one has is still good. */
static int take_segment(struct replay *r, struct tsdb_wal *w, struct str bytes)
{
    struct str record;
    struct why why = {0};
    int got = 0, err = 0;
    for (size_t at = 0; err == 0 && (got = tsdb_wal_record(w, bytes, &at, &record, &why)) > 0;)
        err = take_record(r, record);
    if (got < 0)
        import_skipped(r->im, str_c(why.text));
    if (err != -ERR_FORMAT)
        return err;
    import_skipped(r->im, STR("a record of the log is malformed"));
    return 0;
}

static int take_files(struct replay *r, const char *pattern)
{
    struct arena a;
    struct str *found;
    struct tsdb_wal w;
    size_t n = 0;
    arena_init(&a);
    tsdb_wal_init(&w);
    int err = file_glob(pattern, &a, &found, &n, r->why);
    for (size_t i = 0; i < n && err == 0; i++) {
        struct str bytes;
        err = file_map(found[i].p, &bytes, r->why);
        if (err == 0)
            err = take_segment(r, &w, bytes);
        file_unmap(bytes);
        import_progress(r->im, found[i].p);
    }
    tsdb_wal_done(&w);
    arena_done(&a);
    return err;
}

int import_wal(struct import *im, const char *folder, int64_t done_ms, struct why *why)
{
    struct replay r = {.im = im, .done_ms = done_ms, .why = why};
    char pattern[IMPORT_PATH_MAX];
    map_init(&r.keys, 0);
    arena_init(&r.names);
    arena_init(&r.samples);
    /* The checkpoint stands for the segments before it, which are gone. */
    snprintf(pattern, sizeof pattern, "%s/wal/checkpoint.*[0-9]/[0-9]*", folder);
    int err = take_files(&r, pattern);
    snprintf(pattern, sizeof pattern, "%s/wal/[0-9]*", folder);
    if (err == 0)
        err = take_files(&r, pattern);
    if (err == 0)
        err = import_flush(im, why);
    im->points.n = 0; /* they point into what goes now */
    map_done(&r.keys);
    arena_done(&r.names);
    arena_done(&r.samples);
    return err;
}
