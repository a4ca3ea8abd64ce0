/* store/series/store.h - the store of series: heads, log and parts of all tenants behind the two
 * tables of functions that the rest of the daemon knows (model/sink.h, store/face/series.h).
 *
 * Flow:    sink -> head + log -> (flush) part -> (merge) larger parts, tiers -> gone by retention
 *          select -> head and parts -> cursor
 * Threads: any; the log's commit thread and one background thread inside.
 */
#ifndef STORE_SERIES_STORE_H
#define STORE_SERIES_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/option.h"
#include "model/sink.h"
#include "os/disk.h"
#include "store/face/series.h"

struct store;

/* [store] */
struct store_settings {
    int64_t commit_interval_ms, flush_interval_s, flush_samples_max, flush_bytes_max;
    int64_t out_of_order_window_s, retention_s, retention_bytes;
    int64_t tier_5m_retention_s, tier_1h_retention_s;
    int64_t series_max, series_per_metric_max, tenants_max, exemplars_max;
    int64_t page_cache_bytes, log_segment_bytes, merge_bytes_per_s;
    const char *acknowledge;      /* "durable" or "appended" */
    const char *key_file;         /* "" : no encryption */
    struct option_rows retention; /* struct store_retention */
    struct option_rows tenants;   /* struct store_tenant_limits */
};

/* [[store.retention]]: series that match are kept for another time. The first row that matches. */
struct store_retention {
    const char *selector, *tenant; /* tenant "": all */
    int64_t keep_s;
};

/* [[store.tenant]]: limits of one tenant; 0 is the general setting. */
struct store_tenant_limits {
    const char *name;
    int64_t series_max, retention_s, retention_bytes;
};

extern const struct option_table store_options, store_retention_options, store_tenant_options;

/* All defaults, for tests and offline tools. */
void store_settings_init(struct store_settings *s);

/* What one row alone cannot say: selectors, names of tenants, that the key file can be read. */
MUST_USE int store_settings_check(const struct store_settings *s, struct why *why);

struct store_config {
    struct disk *disk;                     /* of the data directory; borrowed */
    const struct clock *clock;             /* borrowed */
    const struct store_settings *settings; /* copied, but for texts and rows, which are borrowed */
    uint32_t lanes;                        /* that write, 1 .. SINK_LANES_MAX */
    bool manual; /* no background thread: store_work() does it (tests and offline tools) */
    void (*warn)(void *context, const char *text); /* damage and the like; may be NULL */
    void *warn_context;
};

/* Opens the store: reads catalogues, replays the log, is then ready for everything. -ERR_BUSY where
 * another process has the directory, -ERR_KEY, -ERR_CORRUPT, -ERR_FULL with what to do. */
MUST_USE int store_open(const struct store_config *config, struct store **ret, struct why *why);

/* Flushes everything, then frees. Where the flush fails the log keeps what it was told. NULL is
 * fine. */
void store_close(struct store *s);

/* Frees without flushing, as if the process had been killed (tests). */
void store_abandon(struct store *s);

struct sink *store_sink(struct store *s);
struct series_store *store_face(struct store *s);

/* Whether writes are accepted now: 0 or -ERR_FULL, -ERR_IO with a sentence. */
int store_writable(struct store *s, struct why *why);

/* New limits and times (those of the settings that can change while it runs). */
void store_reload(struct store *s, const struct store_settings *settings);

/* ---- work that the background thread does; from elsewhere for the operator's sake */

/* Writes what the heads hold into parts and drops the log before it. */
MUST_USE int store_flush(struct store *s, struct why *why);

/* Merges all that can be merged (final: also what would wait for more). */
MUST_USE int store_merge(struct store *s, bool final, struct why *why);

/* One round of everything that is due; true where anything was done. */
bool store_work(struct store *s);

/* Flushes, then links all parts into snapshots/NAME (made here, all or nothing). Returns its path
 * relative to the data directory in ret (owned by the caller). */
MUST_USE int store_snapshot(struct store *s, char **ret, struct why *why);

struct store_stats {
    uint64_t tenants, series, samples_in_head, parts, bytes_on_disk, log_bytes, head_bytes;
    uint64_t replayed_samples, orphans;
    int64_t replay_ns;
    int64_t disk_free, disk_total;
};
void store_stats(struct store *s, struct store_stats *ret);

/* Calls f for each tenant with its number of series, bytes on disk and refusals by metric. */
struct store_tenant_stats {
    struct str name;
    uint64_t series, series_max, parts, bytes_on_disk, refused;
    struct store_excess {
        struct str metric;
        uint64_t refused;
    } worst[8];
    size_t worst_n;
};
void store_each_tenant(struct store *s, void (*f)(void *context, const struct store_tenant_stats *),
                       void *context);

/* Calls f for each part of a tenant that has samples (not those of the tiers), oldest first. */
struct store_part {
    const char *dir; /* below the data directory */
    int64_t first_ms, last_ms;
    uint64_t samples, series, chunks;
    unsigned level;
};
void store_each_part(struct store *s, struct str tenant,
                     void (*f)(void *context, const struct store_part *), void *context);

#endif
