/* event/event_count.h - counters whose labels are known only when something happens.
 *
 * A counter is made the first time that its labels are seen and stays as long as the process (so
 * base/stat.h wants it); at most EVENT_COUNT_SERIES_MAX of them, the rest is counted as "other".
 *
 * Threads: any.
 */
#ifndef EVENT_EVENT_COUNT_H
#define EVENT_EVENT_COUNT_H

#include <stdint.h>

#include "base/str.h"
#include "base/stat.h"

enum {
    EVENT_COUNT_SERIES_MAX = 1000, /* of all families together */
    EVENT_COUNT_VALUE_MAX = 100,   /* bytes of a label's value; longer ones are cut */
    EVENT_COUNT_LABELS_MAX = 3,
};

/* A family; constant. */
struct event_count_family {
    const char *name, *help;
    enum stat_type type;
    const struct stat_bounds *bounds;
    const char *labels[EVENT_COUNT_LABELS_MAX]; /* names; NULL behind the last */
};

/* The series of the family with these values, one for each of its labels. */
struct stat *event_count(const struct event_count_family *f, const struct str *values);

#endif
