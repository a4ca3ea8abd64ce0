/* client/metric/exemplar.h - a trace for a value: which one was in this bucket lately.
 *
 * A series has a few places (a counter one, a classic histogram one for each bucket, a native one
 * eight), made at the first sampled observation. A place is taken by a new trace at most each
 * metric.exemplar_ms, by whichever thread comes first; readers see whole exemplars or none.
 *
 * Threads: exemplar_keep(): any, no locks; exemplar_read(): any.
 */
#ifndef CLIENT_METRIC_EXEMPLAR_H
#define CLIENT_METRIC_EXEMPLAR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/metric/writer.h"
#include "sonde/core.h"

struct exemplar_place {
    _Atomic uint64_t sequence; /* 0: empty; odd: being written */
    _Atomic uint64_t trace[2], span, value, unix_ms;
    uint64_t told; /* sequence of the one that the daemon has; under the exporter's lock */
};

struct exemplar_set {
    size_t n;
    struct exemplar_place place[];
};

void exemplar_start(void); /* takes metric.exemplar_ms */
/* Keeps it in place i of n where the time has come; *set is made where it is missing. */
void exemplar_keep(struct exemplar_set *_Atomic *set, size_t n, size_t i, double value,
                   const sonde_context *context);
/* False: none. */
bool exemplar_read(struct exemplar_set *set, size_t i, struct exemplar_copy *ret);
/* The same, but each only once; under the exporter's lock. */
bool exemplar_take(struct exemplar_set *set, size_t i, struct exemplar_copy *ret);
void exemplar_clear(struct exemplar_set *set);

#endif
