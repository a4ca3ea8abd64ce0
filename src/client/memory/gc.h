/* client/memory/gc.h - runs of garbage collectors that the host reports.
 *
 * Threads: any; one mutex, for some ten nanoseconds a run.
 */
#ifndef CLIENT_MEMORY_GC_H
#define CLIENT_MEMORY_GC_H

#include <stdint.h>

#include "client/core/jot.h"
#include "client/metric/source.h"
#include "sonde/memory.h"

enum { GC_MAX = 32, GC_NAME_MAX = 64, GC_SECONDS = 60 };

/* As sonde_gc_record(), sonde_gc_snapshot(), as of now_ns. */
void gc_record(const char *collector, double pause_s, uint64_t freed, uint64_t heap,
               uint64_t now_ns);
int gc_stats(const char *collector, uint64_t now_ns, sonde_gc_stats *ret);
void gc_write(struct source_writer *w);
void gc_answer(struct jot *j); /* members of the open object */
void gc_fork_child(void);      /* its collections are its own from now on */

#endif
