/* codec/collectd_http.h - what collectd's write_http plugin sends: JSON, or PUTVAL commands.
 *
 *   [{"values":[1,2],"dstypes":["derive","derive"],"dsnames":["rx","tx"],"time":1732233600.5,
 *     "interval":10,"host":"web1","plugin":"interface","plugin_instance":"eth0",
 *     "type":"if_octets","type_instance":""}]
 *   PUTVAL web1/interface-eth0/if_octets interval=10.000 1732233600.500:1:2
 *
 * Commands do not say what kind of values they have: those of standard types that only grow are
 * counters, others are gauges. Series are called as those of the binary protocol.
 *
 * Flow:    bytes -> batch + sides (bad alone), again and again
 * Source:  collectd, write_http in collectd.conf(5), "Plain text protocol".
 * Threads: one per reader.
 */
#ifndef CODEC_COLLECTD_HTTP_H
#define CODEC_COLLECTD_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/collectd.h"
#include "codec/collectd_types.h"
#include "codec/sides.h"
#include "model/batch.h"
#include "text/json.h"

enum { COLLECTD_HTTP_VALUES_MAX = 128 /* of one item */ };

struct collectd_http_reader {
    const struct collectd_types *types;
    bool json, begun, ended;
    int err; /* that ended it, told once what came before is taken */
    struct why why;
    struct json_reader reader;
    struct str rest; /* commands not read yet */
    int64_t now_ms;
    size_t item_n; /* items or lines read */
    /* The present item: */
    struct collectd_identity id;
    struct {
        double value;
        struct str name;
        enum collectd_kind kind;
    } v[COLLECTD_HTTP_VALUES_MAX];
    size_t n, at; /* values of it, those that are in a batch */
    struct buf name, key;
    struct arena items; /* of the item */
    struct arena arena; /* of what the present batch points to */
};

void collectd_http_init(struct collectd_http_reader *r);
void collectd_http_done(struct collectd_http_reader *r);

/* types and text outlive the batches. JSON where it begins with '[' or '{', else commands. */
void collectd_http_begin(struct collectd_http_reader *r, struct str text,
                         const struct collectd_types *types, int64_t now_ms);

/* Fills b and s (bad alone) anew: 1 where there is something in one of them, 0 at the end,
 * -ERR_FORMAT where the text is no JSON of items. */
MUST_USE int collectd_http_next(struct collectd_http_reader *r, struct batch *b, struct sides *s,
                                struct why *why);

#endif
