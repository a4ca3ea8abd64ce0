/* codec/statsd.h - StatsD's and DogStatsD's lines.
 *
 *   NAME:VALUE[:VALUE..]|TYPE[|@RATE][|#TAG:VALUE,..][|c:CONTAINER][|TSECONDS]
 *   _e{TITLE_BYTES,TEXT_BYTES}:TITLE|TEXT[|d:SECONDS][|h:HOST][|k:KEY][|p:low][|s:SOURCE][|t:error]
 *   _sc|NAME|STATUS[|d:SECONDS][|h:HOST][|#TAGS][|m:MESSAGE]
 *
 * TYPE is c, g, ms, h, d or s. A datagram has lines with '\n' between. Values behind a type or a
 * rate, as in "a:1|c:2|c", are further ones of the same name. Sections that are not known are left
 * out, since the protocol grows by them. The reader copies nothing: all texts lie in the datagram.
 *
 * Flow:    datagram -> statsd_next() .. -> items
 * Source:  etsy/statsd, docs/metric_types.md; Datadog, "DogStatsD datagram format" up to 1.3.
 * Threads: one a reader.
 */
#ifndef CODEC_STATSD_H
#define CODEC_STATSD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

enum { STATSD_NAME_MAX = 1024 /* bytes */ };

enum statsd_bad {
    STATSD_FINE,
#define BAD(name, label, text) STATSD_BAD_##name,
#include "codec/statsd_bad.tbl.h"
#undef BAD
    STATSD_BAD_N
};

enum statsd_type {
    STATSD_COUNTER,
    STATSD_GAUGE,
    STATSD_TIMER, /* milliseconds */
    STATSD_HISTOGRAM,
    STATSD_DISTRIBUTION,
    STATSD_SET,
};

enum statsd_what { STATSD_END, STATSD_METRIC, STATSD_EVENT, STATSD_CHECK, STATSD_BAD };

struct statsd_metric {
    struct str name;
    struct str values; /* for statsd_value(); of a set: one text */
    struct str tags;   /* behind '#', or empty */
    struct str container;
    enum statsd_type type;
    double rate;   /* 1 where none is named */
    int64_t ts_ms; /* 0 where none is named */
};

enum statsd_alert {
    STATSD_ALERT_INFO,
    STATSD_ALERT_WARNING,
    STATSD_ALERT_ERROR,
    STATSD_ALERT_SUCCESS,
    STATSD_ALERTS_N
};

struct statsd_event {
    struct str title, text; /* a line break is still "\n", two bytes */
    struct str host, key, priority, source, tags;
    enum statsd_alert alert;
    int64_t ts_ms;
};

struct statsd_check {
    struct str name, host, tags, message;
    uint8_t status; /* 0 fine, 1 warning, 2 critical, 3 unknown */
    int64_t ts_ms;
};

struct statsd_item {
    union {
        struct statsd_metric metric;
        struct statsd_event event;
        struct statsd_check check;
        enum statsd_bad bad;
    };
};

struct statsd_reader {
    struct str rest; /* lines not read yet */
    struct str name; /* of the values in more */
    struct str more; /* further values of one line; p NULL for none */
};

static inline void statsd_begin(struct statsd_reader *r, struct str datagram)
{
    *r = (struct statsd_reader){.rest = datagram};
}

/* The next item; blank lines are passed over. */
HOT enum statsd_what statsd_next(struct statsd_reader *r, struct statsd_item *ret);

/* Takes the next value off *values; false at the end. -ERR_FORMAT in *ret_err for no finite number.
 * *ret_signed: it begins with + or -. */
HOT bool statsd_value(struct str *values, double *ret, bool *ret_signed, int *ret_err);

/* "name", "value", ...: a label's value. */
const char *statsd_bad_label(enum statsd_bad bad);

/* Splits a name of Librato's ("name#tag=v,tag=v") or of InfluxDB's and Telegraf's manner
 * ("name,tag=v,tag=v") into the name alone and the tags; else *ret_tags is empty. */
void statsd_split_name(struct str name, struct str *ret_name, struct str *ret_tags);

/* Takes the next tag off *tags; between name and value stands separator. One without a value has
 * the value "true". False at the end. */
bool statsd_tag(struct str *tags, char separator, struct str *ret_name, struct str *ret_value);

#endif
