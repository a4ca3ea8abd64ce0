/* codec/otlp_labels.h - the labels of a series as they are put together from attributes.
 *
 * Threads: one per list.
 */
#ifndef CODEC_OTLP_LABELS_H
#define CODEC_OTLP_LABELS_H

#include <stddef.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "codec/otlp_name.h"
#include "codec/otlp_value.h"
#include "model/labels.h"

enum { OTLP_LABELS_MAX = 1024 };

struct otlp_labels {
    struct label v[OTLP_LABELS_MAX];
    size_t n;
};

/* Sets a label, over one of that name. */
void otlp_labels_set(struct otlp_labels *l, struct str name, struct str value);

/* Sets it where there is none of that name. */
void otlp_labels_default(struct otlp_labels *l, struct str name, struct str value);

/* Adds an attribute under its translated name, with something in front of its key ("" for nothing);
 * two that get the same name are joined by ';'. -ERR_FORMAT where nothing is left of the name. */
MUST_USE int otlp_labels_attribute(struct otlp_labels *l, const struct otlp_name_rules *rules,
                                   struct str before, const struct otlp_attribute *attribute,
                                   bool join, struct arena *a, struct why *why);

/* The canonical key, with memory from a. l is sorted by it. */
MUST_USE int otlp_labels_key(struct otlp_labels *l, struct arena *a, struct str *ret,
                             struct why *why);

#endif
