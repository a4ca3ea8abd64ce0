/* rules/keeper.h - the states of alerts on disk, so that a restart forgets none: pending ones go on
 * pending, firing ones go on firing.
 *
 * Rows are written by each change, those of one run of a group in one transaction; a run that
 * changes nothing writes nothing. Twice a minute the keeper notes that the daemon is alive: after
 * an outage longer than rules.for_outage_tolerance_ms the states count as unknown and are
 * forgotten.
 *
 * Flow:    group_keep.c -> keeper_write() -> state.db -> keeper_read() -> group_keep.c
 * Threads: any. All of it waits for the disk.
 */
#ifndef RULES_KEEPER_H
#define RULES_KEEPER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "store/state/state.h"

enum { KEEPER_BEAT_MS = 30 * 1000 };

struct keeper {
    struct state *state;
    pthread_mutex_t lock; /* of beat_ms */
    int64_t beat_ms;      /* when the daemon was last noted to be alive */
    int64_t before_ms;    /* when the one before was; 0: there was none */
};

/* One alert of a rule, whose number is the same as long as its name and labels are. */
struct keeper_alert {
    uint64_t rule;
    struct str labels, annotations; /* keys */
    int64_t state, active_ms, fired_ms, resolved_ms, keep_since_ms;
    double value;
    bool gone; /* nothing remembers it any more */
};

MUST_USE int keeper_open(struct keeper *k, struct state *state, struct why *why);
void keeper_close(struct keeper *k);

/* Are there states of a daemon that was alive at most tolerance_ms before now_ms? */
bool keeper_knows(const struct keeper *k, int64_t now_ms, int64_t tolerance_ms);

/* What was kept of a group; memory from a. */
MUST_USE int keeper_read(struct keeper *k, struct str file, struct str group, struct arena *a,
                         struct keeper_alert **ret, size_t *ret_n, struct why *why);

/* Writes what changed; whole: v is all there is of the group, whatever was kept is dropped. */
MUST_USE int keeper_write(struct keeper *k, struct str file, struct str group,
                          const struct keeper_alert *v, size_t n, bool whole, int64_t now_ms,
                          struct why *why);

/* Notes that the daemon is alive, where that was KEEPER_BEAT_MS ago. */
MUST_USE int keeper_beat(struct keeper *k, int64_t now_ms, struct why *why);

/* Drops the states of groups that has() does not know any more. */
MUST_USE int keeper_prune(struct keeper *k,
                          bool (*has)(void *context, struct str file, struct str group),
                          void *context, struct why *why);

#endif
