/* codec/collectd.h - the parts of collectd's binary network protocol.
 *
 * A packet is a sequence of parts: type (2 bytes), length with this head (2 bytes), content; all
 * big-endian. Parts set what the next values are of (host, time, plugin, type, ...); each part of
 * values is an item. A signed packet begins with a part whose digest covers all that follows; an
 * encrypted one is a part that holds the others. Checking and decrypting are the caller's.
 *
 * Flow:    packet -> collectd_next() .. -> values -> collectd_key() -> labels
 * Source:  collectd, "Binary protocol" and src/network.h; names as its write_prometheus plugin.
 * Threads: one a reader.
 */
#ifndef CODEC_COLLECTD_H
#define CODEC_COLLECTD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

enum {
    COLLECTD_MAC_BYTES = 32,
    COLLECTD_IV_BYTES = 16,
    COLLECTD_DIGEST_BYTES = 20, /* SHA-1 in front of what was encrypted */
};

enum collectd_kind {
    COLLECTD_COUNTER,
    COLLECTD_GAUGE,
    COLLECTD_DERIVE,
    COLLECTD_ABSOLUTE,
};

/* What values are of, as the parts before them have said. */
struct collectd_identity {
    struct str host, plugin, plugin_instance, type, type_instance;
    int64_t ts_ms, interval_ms; /* 0 where not said */
};

enum collectd_what {
    COLLECTD_END,
    COLLECTD_VALUES,
    COLLECTD_SIGNED,       /* what is left is signed: check it before going on */
    COLLECTD_ENCRYPTED,    /* decrypt sealed and read that */
    COLLECTD_NOTIFICATION, /* a message about what the parts before it have said */
    COLLECTD_BAD,          /* nothing more can be read */
};

struct collectd_item {
    struct str codes; /* of values: the kind of each, one byte */
    struct str bytes; /* of values: eight bytes each */
    struct str user, mac, iv;
    struct str covered; /* of a signature: what its digest is of */
    struct str sealed;
    struct str message; /* of a notification */
    unsigned severity;  /* of a notification: COLLECTD_FAILURE, COLLECTD_WARNING, COLLECTD_OKAY; 0:
                         * not said */
};

enum { COLLECTD_FAILURE = 1, COLLECTD_WARNING = 2, COLLECTD_OKAY = 4 };

struct collectd_reader {
    struct str rest;
    struct collectd_identity now;
    unsigned severity; /* said of the next notification */
};

static inline void collectd_begin(struct collectd_reader *r, struct str packet)
{
    *r = (struct collectd_reader){.rest = packet};
}

enum collectd_what collectd_next(struct collectd_reader *r, struct collectd_item *ret);

/* How many values an item has; value i of it. */
static inline size_t collectd_values(const struct collectd_item *item)
{
    return item->codes.n;
}
double collectd_value(const struct collectd_item *item, size_t i, enum collectd_kind *ret_kind);

/* Appends the name of the metric: collectd_PLUGIN_TYPE_VALUE_total, without the plugin where the
 * type has its name, the value where it is called "value", "_total" where it is none of a counter.
 */
void collectd_name(const struct collectd_identity *id, struct str value, enum collectd_kind kind,
                   struct buf *out);

/* Appends the labels of a series with that name, as a key in any order: instance is the host, the
 * label PLUGIN the plugin's instance, type the type's (or PLUGIN, where the plugin has none). */
void collectd_key(const struct collectd_identity *id, struct str name, struct buf *out);

#endif
