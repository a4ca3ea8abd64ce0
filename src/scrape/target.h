/* scrape/target.h - discovered labels -> what is scraped, under which labels, how often; or why
 * not.
 *
 * Flow:    group + target + scrape_config -> relabel -> struct target
 * Source:  Prometheus, scrape/: PopulateLabels, Target.URL: order, defaults, checks and their
 *          words.
 * Threads: pure functions.
 */
#ifndef SCRAPE_TARGET_H
#define SCRAPE_TARGET_H

#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "promfile/promfile.h"

struct target {
    struct str discovered; /* labels before relabelling, a bare key */
    struct str labels;     /* of its series, a bare key: none begins with __ */
    struct str url;
    struct str global_url; /* as other hosts would ask for it */
    int64_t interval_ms, timeout_ms;
    uint64_t hash; /* of labels, URL and times: equal ones are one target */
};

/* Makes a target of group's and its own labels (bare keys; its own win); host is this machine's
 * name, for global_url. Texts are from a. 1: *ret is filled; 0: relabelling drops it, only
 * ret->discovered is; -ERR_FORMAT, -ERR_LIMIT: it cannot be scraped, why says so. */
MUST_USE int target_make(const struct promfile_scrape *config, struct str group, struct str own,
                         struct str host, struct arena *a, struct target *ret, struct why *why);

/* Both steps alone, for who shows them: labels with all defaults, a bare key. */
MUST_USE int target_discovered(const struct promfile_scrape *config, struct str group,
                               struct str own, struct arena *a, struct str *ret, struct why *why);

/* Behind the last of its times that a target is due, strictly after now_ms: times are multiples of
 * its interval, moved by offset. */
int64_t target_next(int64_t now_ms, int64_t interval_ms, uint64_t offset);

#endif
