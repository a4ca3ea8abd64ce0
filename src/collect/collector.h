/* collect/collector.h - what a collector is.
 *
 * One file NAME.c with one `const struct collector_ops NAME_collector`, and one row in
 * collectors.tbl.h. A collector reads the kernel's files below the roots of struct collector_host
 * (tests put made-up trees there) and gives values to an emitter. It keeps what it likes between
 * runs in its state: open files, names already judged, earlier counters.
 *
 * Flow:    kernel -> collector -> emit -> runner -> sink
 * Threads: one collector runs on one thread at a time, not always on the same one.
 */
#ifndef COLLECT_COLLECTOR_H
#define COLLECT_COLLECTOR_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "collect/emit.h"
#include "collect/settings.h"
#include "launch/launch.h"

struct process_table;

/* Where the host is. All live as long as the collectors. */
struct collector_host {
    const char *proc, *sys, *cgroup; /* "/proc", "/sys", "/sys/fs/cgroup" */
    const char *root;                /* "": put before mount points and /etc */
    const struct clock *clock;
    const struct settings *settings;
    struct process_table *processes; /* shared by the collectors of processes */
    struct launcher *launcher;       /* for helper programs; NULL: none are started */
};

struct collector_ops {
    /* A collector of one file names it, below proc: the file's struct pseudo is its state, and it
     * has neither open nor close. NULL for the others. */
    const char *file;
    /* Makes the state. *ret may stay NULL. A failure is reported and the collector left out. */
    int (*open)(const struct collector_host *host, void **ret, struct why *why);
    /* One collection. On failure why says what; the values given before it still count.
     * -ERR_NOENT says that the host has nothing of the kind: no success, but no warning either. */
    int (*run)(void *state, const struct collector_host *host, struct emit *e, struct why *why);
    void (*close)(void *state);
};

/* Makes and frees the state of a collector, by its file or by its functions. */
MUST_USE int collector_open(const struct collector_ops *ops, const struct collector_host *host,
                            void **ret, struct why *why);
void collector_close(const struct collector_ops *ops, void *state);

/* One row of collectors.tbl.h. */
struct collector {
    const char *name, *prose;
    int64_t interval_ms;
    const struct collector_ops *ops;
};

/* The collectors in the table's order: [COLLECTORS_N]. */
extern const struct collector collector_all[COLLECTORS_N];

/* The index of the collector with that name, or -ERR_NOENT. */
int collector_find(const char *name);

#define COLLECTOR(name, interval, prose) extern const struct collector_ops name##_collector;
#include "collect/collectors.tbl.h"
#undef COLLECTOR

#endif
