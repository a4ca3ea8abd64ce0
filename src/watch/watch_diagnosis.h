/* watch/watch_diagnosis.h - why a program died, in one sentence and a few facts.
 *
 * Flow:    how it ended, its last output, the kernel -> struct watch_diagnosis
 * Threads: one at a time.
 */
#ifndef WATCH_WATCH_DIAGNOSIS_H
#define WATCH_WATCH_DIAGNOSIS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "os/program.h"
#include "watch/keeper.h"

enum {
    WATCH_DIAGNOSIS_FACTS_MAX = 16,
    WATCH_DIAGNOSIS_LINES = 10, /* of its last output, as facts */
    WATCH_DIAGNOSIS_LINE_MAX = 300,
};

/* What stands in "cause" of an exit. */
enum watch_diagnosis_cause {
    WATCH_DIAGNOSIS_EXIT,          /* an exit status */
    WATCH_DIAGNOSIS_SIGNAL,        /* a signal */
    WATCH_DIAGNOSIS_CONFIGURATION, /* exit status 78 */
    WATCH_DIAGNOSIS_NOT_FOUND,     /* no such executable */
    WATCH_DIAGNOSIS_NOT_ALLOWED,   /* may not be executed */
    WATCH_DIAGNOSIS_PORT_TAKEN,
    WATCH_DIAGNOSIS_OUT_OF_MEMORY, /* the kernel killed it */
    WATCH_DIAGNOSIS_DISK_FULL,
    WATCH_DIAGNOSIS_FILES,   /* too many open */
    WATCH_DIAGNOSIS_UNKNOWN, /* it was no child of this sonde-watch */
};

struct watch_diagnosis {
    enum watch_diagnosis_cause cause;
    enum keeper_remedy remedy;
    struct str sentence;
    struct str facts[WATCH_DIAGNOSIS_FACTS_MAX];
    size_t n;
};

/* What is known of an end. */
struct watch_death {
    struct program_end end;
    int pid;
    const char *name;   /* of the program's process, for the core's name */
    const char *folder; /* its working folder */
    int64_t port;       /* that it is to listen at; 0 none */
    int64_t uptime_ms;
    bool killed_by_us;
    int64_t oom_kills; /* in its cgroup, since it was started */
    struct str output; /* its last bytes */
    int kernel_log;    /* of kernel_log_open() */
};

const char *watch_diagnosis_word(enum watch_diagnosis_cause c);

/* Memory from a. */
void watch_diagnosis_of(const struct watch_death *d, struct arena *a, struct watch_diagnosis *ret);

/* Of a start that failed with errnum. */
void watch_diagnosis_of_start(int errnum, const char *executable, struct str why, bool ran_before,
                              struct arena *a, struct watch_diagnosis *ret);

/* "SIGSEGV (segmentation fault)"; of a real-time signal "signal 40". */
const char *watch_diagnosis_signal(int signum);

#endif
