/* store/series/store_testbed.h - a store on a simulated disk with a clock that is turned by hand,
 * for the tests of this folder.
 *
 * Threads: one.
 */
#ifndef STORE_SERIES_STORE_TESTBED_H
#define STORE_SERIES_STORE_TESTBED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "base/vec.h"
#include "model/labels.h"
#include "model/sample.h"
#include "os/disk_sim.h"
#include "store/face/selector.h"
#include "store/series/store_inside.h"

static const int64_t BED_EPOCH = 1800000000000 / STORE_DAY_MS * STORE_DAY_MS; /* begins a day */

struct bed {
    struct disk *disk;
    struct clock_manual clock;
    struct store_settings settings;
    struct store *store;
    struct tenant *tenant; /* "default" */
    unsigned warnings;
};

static void bed_warn(void *context, const char *text)
{
    struct bed *b = context;
    b->warnings++;
    if (getenv("VERBOSE"))
        fprintf(stderr, "warn: %s\n", text);
}

UNUSED static int bed_try_open(struct bed *b, struct why *why)
{
    struct store_config config = {.disk = b->disk,
                                  .clock = &b->clock.clock,
                                  .settings = &b->settings,
                                  .lanes = 1,
                                  .manual = true,
                                  .warn = bed_warn,
                                  .warn_context = b};
    b->warnings = 0;
    int err = store_open(&config, &b->store, why);
    if (err) {
        b->store = NULL;
        return err;
    }
    struct sink *sink = store_sink(b->store);
    return sink->ops->tenant(sink, STR("default"), &b->tenant, why);
}

UNUSED static void bed_open(struct bed *b)
{
    struct why why = {0};
    if (bed_try_open(b, &why))
        fail_msg("the store does not open: %s", why.text);
}

UNUSED static void bed_begin(struct bed *b, uint64_t seed)
{
    *b = (struct bed){.disk = disk_sim_new(seed, 0)};
    clock_manual_init(&b->clock, BED_EPOCH);
    store_settings_init(&b->settings);
    b->settings.log_segment_bytes = 1 << 20;
    b->settings.page_cache_bytes = 1 << 20;
}

UNUSED static void bed_end(struct bed *b)
{
    store_abandon(b->store);
    disk_free(b->disk);
}

/* Ends the process of the store; what is on the disk stays. */
UNUSED static void bed_kill(struct bed *b)
{
    store_abandon(b->store);
    b->store = NULL;
    disk_sim_crash(b->disk, DISK_SIM_KEEP);
}

static void bed_done(void *context, int err)
{
    *(int *)context = err;
}

/* Makes what was appended durable; 0 or why not. */
UNUSED static int bed_commit(struct bed *b)
{
    int result = 1;
    struct sink *sink = store_sink(b->store);
    sink->ops->commit(sink, 0, bed_done, &result);
    while (result == 1 && log_step(b->store->log))
        ;
    return result;
}

static void bed_key(struct buf *key, const char *metric, int nr)
{
    char text[32];
    snprintf(text, sizeof text, "%d", nr);
    buf_init(key, 4096);
    labels_put(key, LABEL_METRIC, str_c(metric));
    labels_put(key, STR("instance"), STR("host:9100"));
    labels_put(key, STR("job"), STR("node"));
    labels_put(key, STR("nr"), str_c(text));
}

/* One sample each of series metric{nr=from..to-1}, not yet committed. */
UNUSED static void bed_put(struct bed *b, struct tenant *t, const char *metric, int from, int to,
                           int64_t ts_ms, const double *values)
{
    struct sink *sink = store_sink(b->store);
    struct buf keys[64];
    for (int at = from; at < to;) {
        struct batch batch = {0};
        struct why why = {0};
        for (; at < to && batch.n < COUNTOF(keys); at++) {
            bed_key(&keys[batch.n], metric, at);
            batch.key[batch.n] = buf_str(&keys[batch.n]);
            batch.ts_ms[batch.n] = ts_ms;
            batch.value[batch.n] =
                values ? values[at - from] : (double)(ts_ms / 1000 % 100000 + at);
            batch.n++;
        }
        if (sink->ops->append(sink, 0, t, &batch, &why) != (int)batch.n)
            fail_msg("not all was taken: %s", why.text);
        for (size_t i = 0; i < batch.n; i++)
            buf_done(&keys[i]);
    }
}

/* Samples (with SELECT_BLOCKS: of blocks) of all series that match in the range. */
UNUSED static uint64_t bed_count(struct bed *b, struct tenant *t, const char *selector,
                                 int64_t from_ms, int64_t to_ms, enum select_want want,
                                 uint64_t *ret_tier_blocks)
{
    struct series_store *face = store_face(b->store);
    struct select how = {.from_ms = from_ms, .to_ms = to_ms, .want = want};
    struct matcher *matchers;
    struct arena a;
    struct series_cursor *c;
    struct series_view view;
    struct why why = {0};
    uint64_t n = 0, tiers = 0;
    int got;
    arena_init(&a);
    assert_int_equal(selector_parse(str_c(selector), &a, &matchers, &how.matchers_n, &why), 0);
    how.matchers = matchers;
    assert_int_equal(face->ops->select(face, t, &how, &c, &why), 0);
    while ((got = face->ops->next(c, &view, &why)) == 1) {
        n += view.column.n;
        for (size_t i = 0; i < view.blocks_n; i++) {
            n += view.blocks[i].n;
            tiers += view.blocks[i].tier;
        }
        if (want == SELECT_KEYS)
            n++;
    }
    assert_int_equal(got, 0);
    face->ops->close(c);
    arena_done(&a);
    if (ret_tier_blocks)
        *ret_tier_blocks = tiers;
    return n;
}

UNUSED static uint64_t bed_samples(struct bed *b, const char *selector, int64_t from_ms,
                                   int64_t to_ms)
{
    return bed_count(b, b->tenant, selector, from_ms, to_ms, SELECT_SAMPLES, NULL);
}

/* ---- all files of the disk */

struct bed_files {
    char **v; /* owned */
    size_t n, capacity;
};

struct bed_walk {
    struct disk *disk;
    const char *dir;
    struct bed_files *files;
};

static int bed_walk_entry(void *context, const struct disk_entry *e)
{
    struct bed_walk *w = context;
    char path[512];
    snprintf(path, sizeof path, strcmp(w->dir, ".") ? "%.200s/%.200s" : "%.0s%.200s", w->dir,
             e->name);
    if (!e->is_dir) {
        vec_push(w->files, mem_text(path, strlen(path)));
        return 0;
    }
    struct bed_walk below = {w->disk, path, w->files};
    return disk_list(w->disk, path, bed_walk_entry, &below);
}

UNUSED static void bed_list_files(struct disk *d, const char *dir, struct bed_files *ret)
{
    struct bed_walk w = {d, dir, ret};
    assert_int_equal(disk_list(d, dir, bed_walk_entry, &w), 0);
}

UNUSED static void bed_free_files(struct bed_files *files)
{
    for (size_t i = 0; i < files->n; i++)
        mem_free(files->v[i]);
    vec_free(files);
}

UNUSED static uint64_t bed_file_size(struct disk *d, const char *path)
{
    struct disk_file *f;
    uint64_t n = 0;
    assert_int_equal(disk_open(d, path, DISK_READ, &f), 0);
    assert_int_equal(disk_size(d, f, &n), 0);
    disk_close(d, f);
    return n;
}

#endif
