/* receive/pushgateway_groups.h - what has been pushed, group by group, until it is deleted.
 *
 * A group is all that was pushed with the same grouping labels, by family. It knows nothing of HTTP
 * and of the sink: handlers change groups, the writer asks for what is to be written.
 *
 * Source:  Prometheus Pushgateway: what PUT, POST and DELETE do, and what it refuses.
 * Threads: any; one lock inside.
 */
#ifndef RECEIVE_PUSHGATEWAY_GROUPS_H
#define RECEIVE_PUSHGATEWAY_GROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "model/batch.h"
#include "model/sink.h"

enum {
    PUSHGATEWAY_LABELS_MAX = 64, /* of a grouping */
};

struct pushgateway_series {
    struct str key; /* canonical, with the grouping's labels */
    double value;
    const struct histogram *histogram; /* NULL for floats */
};

/* One family of a push; all of it in its arena. */
struct pushgateway_family {
    struct arena arena;
    struct str name, help, unit;
    enum metric_type type;
    struct pushgateway_series *v; /* [n] */
    size_t n;
};

/* Freed with its arena. */
void pushgateway_family_free(struct pushgateway_family *f);

/* The labels of a group, sorted by name, job among them. */
struct pushgateway_grouping {
    struct str tenant;
    struct label labels[PUSHGATEWAY_LABELS_MAX];
    size_t n;
};

struct pushgateway_group {
    struct arena arena; /* of what follows, but for the families */
    struct str id;      /* tenant and labels */
    struct pushgateway_grouping grouping;
    struct tenant *tenant;              /* of the sink; NULL until the writer has asked for it */
    int64_t pushed_ms, failed_ms;       /* 0: never */
    int64_t lifetime_ms;                /* after the last push; 0: until it is deleted */
    bool dirty;                         /* not written since it was pushed */
    struct pushgateway_series times[2]; /* push_time_seconds, push_failure_time_seconds */
    struct {
        struct pushgateway_family **v; /* [n], owned */
        size_t n, capacity;
    } families;
};

struct pushgateway_groups;

/* Limits: groups, and bytes of all families together. */
struct pushgateway_groups *pushgateway_groups_new(size_t groups_max, size_t bytes_max);
void pushgateway_groups_free(struct pushgateway_groups *g);

/* Puts families [n] into a group, which is made where it is missing: in place of those that have
 * the same names, or (replace) of all. Owns the families also on failure. lifetime_ms is -1 to keep
 * the group's. -ERR_FORMAT where they contradict each other or other groups: the group then has the
 * time of the failure; -ERR_LIMIT where there is no room. */
MUST_USE int pushgateway_groups_push(struct pushgateway_groups *g,
                                     const struct pushgateway_grouping *grouping, bool replace,
                                     struct pushgateway_family **families, size_t n, int64_t now_ms,
                                     int64_t lifetime_ms, struct why *why);

/* Deletes a group; false where there is none. */
bool pushgateway_groups_delete(struct pushgateway_groups *g,
                               const struct pushgateway_grouping *grouping);

/* Deletes those whose lifetime is over; how many. */
size_t pushgateway_groups_expire(struct pushgateway_groups *g, int64_t now_ms);

/* Notes that a push was refused for what it says, as a time of failure. */
void pushgateway_groups_failed(struct pushgateway_groups *g,
                               const struct pushgateway_grouping *grouping, int64_t now_ms);

/* Calls f for every group (only_dirty: for those that are, which then are no more), one at a time
 * under the lock. */
void pushgateway_groups_each(struct pushgateway_groups *g, bool only_dirty,
                             void (*f)(void *context, struct pushgateway_group *group),
                             void *context);

/* Series that have ended since the last call, and that nothing has pushed again. */
struct pushgateway_ended {
    struct str tenant;
    struct str key;
    bool histogram;
};

/* Takes them into a (*ret [n] is an array there). */
size_t pushgateway_groups_ended(struct pushgateway_groups *g, struct arena *a,
                                struct pushgateway_ended **ret);

size_t pushgateway_groups_n(struct pushgateway_groups *g);

/* Has anything changed since the last call of pushgateway_groups_save()? */
bool pushgateway_groups_changed(struct pushgateway_groups *g);

/* All groups as bytes (docs/format/pushgateway.md), and back into an empty set: -ERR_CORRUPT,
 * -ERR_FORMAT for damage, with nothing taken. */
void pushgateway_groups_save(struct pushgateway_groups *g, struct buf *out);
MUST_USE int pushgateway_groups_load(struct pushgateway_groups *g, struct str bytes,
                                     struct why *why);

#endif
