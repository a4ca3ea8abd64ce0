/* receive/statsd_labels.h - the labels of a new series: name, tags in any manner, container.
 *
 * Threads: one at a time.
 */
#ifndef RECEIVE_STATSD_LABELS_H
#define RECEIVE_STATSD_LABELS_H

#include "base/arena.h"
#include "base/attr.h"
#include "model/labels.h"
#include "receive/statsd_table.h"

struct statsd_labels {
    struct label v[LABELS_MAX + 1];
    size_t n;
    bool failed; /* too many, or __name__ among them */
    struct arena *arena;
};

/* Empty but for the name, already plain. All texts are copied into a or outlive l. */
void statsd_labels_begin(struct statsd_labels *l, struct arena *a, struct str name);

/* Sets a label; one of that name that is there already is replaced. */
void statsd_labels_set(struct statsd_labels *l, struct str name, struct str value);

/* The tags of a line, with that separator between name and value. */
void statsd_labels_tags(struct statsd_labels *l, struct str tags, char separator);

/* Appends the canonical key. -ERR_FORMAT, -ERR_LIMIT where the labels cannot be a series. */
MUST_USE int statsd_labels_key(struct statsd_labels *l, struct buf *out);

#endif
