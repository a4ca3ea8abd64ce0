/* supervise/report.h - what is kept of a worker that died: one text file a crash.
 *
 * Threads: one.
 */
#ifndef SUPERVISE_REPORT_H
#define SUPERVISE_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "os/child.h"

enum { REPORT_TAIL_MAX = 64 << 10 /* bytes of standard error that are kept */ };

/* The last bytes of a stream. */
struct report_tail {
    char bytes[REPORT_TAIL_MAX]; /* a ring */
    uint64_t n;                  /* bytes ever added */
};

void report_tail_add(struct report_tail *t, const char *p, size_t n);

/* Copies what is kept, oldest first, into ret; returns how many bytes. */
size_t report_tail_copy(const struct report_tail *t, char ret[REPORT_TAIL_MAX]);

struct report {
    int64_t time_ms; /* wall time of the end */
    int64_t uptime_ms;
    int pid;
    unsigned restarts; /* before this one */
    struct child_end end;
    bool hung;         /* ended by us because its heart had stopped */
    const char *build; /* version and what else names the build */
    const struct report_tail *tail;
};

/* Writes folder/TIME.txt (folder is made) and removes the oldest beyond keep. The name written
 * goes into ret_name [64]. */
MUST_USE int report_write(const struct report *r, const char *folder, size_t keep,
                          char ret_name[64], struct why *why);

#endif
