/* codec/perfdata.h - performance data of Nagios plug-ins: 'label'=value[unit];warn;crit;min;max ...
 *
 * Source:  Monitoring Plugins Development Guidelines.
 * Threads: pure functions over the caller's state.
 */
#ifndef CODEC_PERFDATA_H
#define CODEC_PERFDATA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

struct perfdata {
    struct str rest;
    struct buf label;
};

struct perfdata_value {
    struct str label; /* until the next one */
    struct str unit;
    double value;
    bool number; /* false: it has none ("U") or cannot be read */
};

/* data is what follows the '|'. */
void perfdata_init(struct perfdata *p, struct str data, size_t label_max);
void perfdata_done(struct perfdata *p);

/* The next one; false at the end or where no label follows. */
bool perfdata_next(struct perfdata *p, struct perfdata_value *ret);

/* The data in a plug-in's output: behind the | of the first line, and behind the next |. */
struct str perfdata_first(struct str output);
struct str perfdata_more(struct str output);

#endif
