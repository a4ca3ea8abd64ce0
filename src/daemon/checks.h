/* daemon/checks.h - the health checks of what the daemon wires together: can the store write, do
 * the collectors run, is the configuration in force the one in the file?
 *
 * Threads: those of health.h.
 */
#ifndef DAEMON_CHECKS_H
#define DAEMON_CHECKS_H

#include "base/attr.h"
#include "base/err.h"
#include "collect/runner.h"
#include "health/health.h"
#include "os/disk.h"
#include "rules/rules.h"
#include "store/series/store.h"
#include "supervise/worker.h"

/* What the checks look at; it outlives the health. */
struct checks {
    struct store *store;
    struct runner *runner; /* NULL: nothing is collected */
    struct disk *disk;
    const struct worker *worker;
    struct rules *rules;
};

MUST_USE int checks_add(struct checks *c, struct health *h);

#endif
