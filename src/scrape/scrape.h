/* scrape/scrape.h - asks targets for their metrics, at their interval, and keeps account of it.
 *
 * Each scrape_config is a pool: its discoveries give groups of targets, relabelling makes labels of
 * them, equal ones count once. Targets are spread over a few threads, each with a loop, a fetcher
 * and a lane of the sink, and over their interval by a hash, so that no two daemons and no two
 * targets ask at once. What a target gave last is remembered, so that a line that stands where it
 * stood costs a comparison and a number.
 *
 * Flow:    promfile -> discover -> relabel -> fetch -> codec -> metric_relabel -> sink
 * Source:  Prometheus, scrape/: order of steps, limits, staleness, up and its companions.
 * Threads: scrape_new, start, reload, free: one; views and registrations: any.
 */
#ifndef SCRAPE_SCRAPE_H
#define SCRAPE_SCRAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/option.h"
#include "model/batch.h"
#include "model/sink.h"
#include "promfile/promfile.h"

enum { SCRAPE_THREADS_MAX = 4 };

/* [scrape] of the configuration. */
struct scrape_settings {
    int64_t threads; /* 0: as many as cores, 4 at most */
    const char *tenant;
    int64_t targets_max;
    int64_t body_bytes_max; /* of one answer where its scrape_config has no limit */
};

extern const struct option_table scrape_options;

struct scrape;

/* All but settings outlives it. */
struct scrape_config {
    const struct scrape_settings *settings;
    const struct promfile *file;       /* NULL: nothing to scrape yet */
    const struct promfile_scrape *own; /* a pool that is always there; NULL: none */
    struct sink *sink;
    size_t lane; /* the first of `threads` lanes of the sink, nobody else's */
    size_t threads;
    const struct clock *clock;
};

/* How many threads settings ask for. */
size_t scrape_threads(const struct scrape_settings *settings);

MUST_USE int scrape_new(const struct scrape_config *config, struct scrape **ret, struct why *why);
void scrape_start(struct scrape *s);

/* Another file from now on: pools whose scrape_config is the same go on as they are; the series of
 * targets that are gone end. The old file may be freed afterwards. */
MUST_USE int scrape_reload(struct scrape *s, const struct promfile *file, struct why *why);

/* Ends the threads. NULL is fine. */
void scrape_free(struct scrape *s);

enum scrape_health { SCRAPE_UNKNOWN, SCRAPE_UP, SCRAPE_DOWN }; /* "unknown", "up", "down" */

struct scrape_target_view {
    struct str discovered, labels; /* bare keys */
    struct str url, global_url;
    struct str last_error; /* "" where none */
    enum scrape_health health;
    int64_t last_scrape_ms, last_duration_ns; /* 0: never */
    int64_t interval_ms, timeout_ms;
};

struct scrape_pool_view {
    struct str job, yaml;
    struct str discovery_error; /* of a discovery that fails; "" where none */
    const struct promfile_scrape *config;
    struct scrape_target_view *active; /* [active_n], by labels */
    size_t active_n;
    struct str *dropped; /* [dropped_n] discovered labels of targets that relabelling dropped */
    size_t dropped_n;
    size_t dropped_total; /* keep_dropped_targets may keep fewer */
};

struct scrape_view {
    struct scrape_pool_view *pools; /* [n] by job */
    size_t n;
};

/* A picture of all pools, or of one (job "" is all); memory from a. It holds the configuration in
 * force until scrape_view_done(). */
void scrape_view(struct scrape *s, struct str job, struct arena *a, struct scrape_view *ret);
void scrape_view_done(struct scrape *s);

/* Metadata that the targets told last: calls f for each metric of each active target. */
struct scrape_metadata_view {
    struct str target; /* its labels, a bare key */
    struct metadata metadata;
};
void scrape_metadata(struct scrape *s,
                     void (*f)(void *context, const struct scrape_metadata_view *row),
                     void *context);

#endif
