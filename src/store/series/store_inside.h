/* store/series/store_inside.h - what the files of the store share and nobody else sees.
 *
 * Threads: work_lock: one flush, merge or snapshot at a time. tenants_lock: the list of tenants.
 */
#ifndef STORE_SERIES_STORE_INSIDE_H
#define STORE_SERIES_STORE_INSIDE_H

#include "base/stat.h"
#include "os/thread.h"
#include "store/disk/log.h"
#include "store/series/tenant.h"

enum {
    STORE_LOG_LANES = SINK_LANES_MAX,
    STORE_DAY_MS = 86400000,
    STORE_CLASSES_MAX = MERGE_CLASSES_MAX,
};

/* What a lane does between two commits. */
struct store_lane {
    struct head_writer writer;
    uint64_t segment; /* that the writer's values were logged in */
    uint64_t floor;   /* log_floor() when the first record since the last commit was appended */
    bool pending;     /* records since the last commit */
    struct tenant *tenant;
    int failed; /* an append was refused since the last commit */
    struct buf record;
};

/* One rule of retention, compiled. */
struct store_class {
    char name[48];
    struct index_matchers *matchers; /* NULL: the default class */
    const char *tenant;              /* "": all */
    int64_t keep_s;
};

struct store {
    struct sink sink;
    struct series_store face;
    struct store_config config;
    struct store_settings settings;
    _Atomic int64_t out_of_order_s; /* of settings, for writers while those are replaced */
    struct keyring *ring;
    struct page_cache *cache;
    struct log *log;
    struct store_lane lanes[STORE_LOG_LANES];

    pthread_rwlock_t tenants_lock;
    struct map by_name; /* -> struct tenant * */
    struct {
        struct tenant **v; /* by number - 1 */
        size_t n, capacity;
    } tenants;

    struct store_class classes[STORE_CLASSES_MAX];
    size_t classes_n;
    uint64_t series_max_auto;

    pthread_mutex_t work_lock;
    pthread_mutex_t wake_lock;
    pthread_cond_t wake;
    _Atomic bool stopping;
    struct thread background;
    int64_t retry_flush_ns; /* after a failed flush: not before */
    int64_t next_upkeep_ns, retry_merge_ns;
    _Atomic uint64_t sequence; /* of the next log record of samples */
    uint64_t replayed_samples, orphans;
    uint64_t replay_bad; /* records that could not be applied */
    int64_t replay_ns;
};

/* The day (UTC, since 1970) that a time lies in. */
static inline int64_t store_day(int64_t ts_ms)
{
    return ts_ms >= 0 ? ts_ms / STORE_DAY_MS : (ts_ms + 1) / STORE_DAY_MS - 1;
}

struct part_place store_place(struct store *s);
void store_warn(struct store *s, const char *format, ...) PRINTF(2, 3);
struct head_limits store_limits(struct store *s, const struct tenant *t);
size_t store_exemplars_max(struct store *s);

/* The clock's minute since 1970. */
uint32_t store_minute(struct store *s);

/* head_define_f: logs a new series. context is the struct tenant. */
void store_define(void *context, uint32_t lane, uint32_t id, struct str key);

/* The class (index into s->classes) of a series of t. */
size_t store_class_of(struct store *s, const struct tenant *t, struct str key);

/* ---- store_sink.c */
extern const struct sink_ops store_sink_ops;
MUST_USE int store_make_tenant(struct store *s, struct str name, struct tenant **ret,
                               struct why *why);
MUST_USE int store_load_tenants(struct store *s, struct why *why);
MUST_USE int store_replay(struct store *s, uint64_t *ret_last_segment, struct why *why);

/* The number in the file "replay-from" (decimal, blank, CRC32C of it in hexadecimal); false where
 * it is damaged. */
bool store_replay_from(struct str text, uint64_t *ret);

/* Takes the sum off the text of "tenants/list" (its last line: "#", CRC32C of what is before in
 * hexadecimal); false where it is damaged. */
bool store_list_text(struct str *text);

/* ---- store_flush.c, store_merge.c: the work lock is held */
MUST_USE int store_flush_all(struct store *s, struct why *why);
bool store_flush_due(struct store *s);
MUST_USE int store_merge_tenant(struct store *s, struct tenant *t, bool final, bool *ret_any,
                                struct why *why);
bool store_upkeep(struct store *s);

/* Writes one part anew from what can be read of it; it takes the place of the old one. */
MUST_USE int store_rewrite_part(struct store *s, struct tenant *t, struct tenant_part *p,
                                struct why *why);

/* ---- store_snapshot.c: removes what a crash left half made */
void store_snapshot_clean(struct store *s);

/* ---- store_face.c */
extern const struct series_store_ops store_face_ops;

/* The tenants there are now (mem_free). */
struct tenant **store_tenants(struct store *s, size_t *ret_n);

#endif
