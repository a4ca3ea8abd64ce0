/* codec/collectd_types.h - what the values of collectd's types are called.
 *
 * The network protocol sends values by number; types.db(5) names them. The standard types are built
 * in; files of one's own types add to them and replace them.
 *
 * Source:  collectd, types.db(5).
 * Threads: made by one, then read by any.
 */
#ifndef CODEC_COLLECTD_TYPES_H
#define CODEC_COLLECTD_TYPES_H

#include <stddef.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/map.h"
#include "base/str.h"

enum { COLLECTD_TYPES_MAX = 10000, COLLECTD_TYPES_FILE_MAX = 4 << 20 /* bytes */ };

struct collectd_types {
    struct map by_name; /* -> struct str *, names of values with blanks between */
    struct arena arena;
};

/* With the standard types. */
void collectd_types_init(struct collectd_types *t);
void collectd_types_done(struct collectd_types *t);

/* Adds the types of a types.db: lines "TYPE NAME:KIND:MIN:MAX, ...". -ERR_FORMAT with the line. */
MUST_USE int collectd_types_read(struct collectd_types *t, struct str text, struct why *why);

/* The name of value i of a type that has n of them. A type that is not known, or not with so many,
 * has "value" where it is alone, else its number. */
struct str collectd_types_value(const struct collectd_types *t, struct str type, size_t i, size_t n,
                                char number[24]);

#endif
