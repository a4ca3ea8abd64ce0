/* model/labels.h - what a series is called.
 *
 * A label set travels as its key: the bytes of a protobuf sequence of Label messages exactly as in
 * remote write 1.0, once per label: 0x0a LEN 0x0a NAMELEN name 0x12 VALUELEN value. Keys off the
 * wire come in any order. The canonical key has __name__ first, then the other labels by bytewise
 * name, no empty values, no duplicates; equal label sets have equal canonical keys, and all parts
 * of the store sort series by memcmp() of them.
 *
 * Threads: pure functions.
 */
#ifndef MODEL_LABELS_H
#define MODEL_LABELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum {
    LABELS_MAX = 128,            /* labels of one series, as accepted by default */
    LABEL_NAME_MAX = 1024,       /* bytes */
    LABEL_VALUE_MAX = 64 * 1024, /* bytes */
    LABELS_KEY_MAX = 256 * 1024, /* bytes */
};

#define LABEL_METRIC STR("__name__")

struct label {
    struct str name, value;
};

/* Walks a key (canonical or not): at starts at key.p; false at the end. A key that is not well
 * formed ends early with *ret_bad set (NULL where the key is known to be good). */
bool labels_next(struct str key, const char **at, struct label *ret, bool *ret_bad);

/* The value of name in a key; an empty str where it is missing. */
struct str labels_get(struct str key, struct str name);

/* Appends the bytes of one label. */
void labels_put(struct buf *key, struct str name, struct str value);

/* Sorts labels in place into canonical order (stable; duplicates stay). */
void labels_sort(struct label *labels, size_t n);

/* Checks and sorts the labels of a key off the wire and appends the canonical key to out. Errors
 * say what is wrong with which label: no __name__, a duplicate, an empty name, UTF-8, a limit. */
MUST_USE int labels_canonical(struct str key, struct buf *out, struct why *why);

/* As labels_canonical, from labels (sorted in place; empty values are left out). */
MUST_USE int labels_encode(struct label *labels, size_t n, struct buf *out, struct why *why);

/* As both, for labels that are no series (of an exemplar): __name__ is not asked for. */
MUST_USE int labels_canonical_bare(struct str key, struct buf *out, struct why *why);
MUST_USE int labels_encode_bare(struct label *labels, size_t n, struct buf *out, struct why *why);

/* Prometheus's order of label sets: labels by name, compared name by name, value by value; a set
 * that is a prefix of the other comes first. Takes canonical keys; __name__ is ordered by its own
 * bytes among the names. */
int labels_cmp(struct str a, struct str b);

/* {__name__="up", job="x"} as up{job="x"}, quoted as Prometheus does; for messages and logs. */
void labels_print(struct str key, struct buf *out);

/* Is s a name that needs no quotes: [a-zA-Z_][a-zA-Z0-9_]* (metrics also ':')? */
bool label_name_plain(struct str s);
bool metric_name_plain(struct str s);

#endif
