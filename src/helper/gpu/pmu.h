/* helper/gpu/pmu.h - how busy the engines of Intel's cards are, by the kernel's performance
 * counters.
 *
 * i915 offers a counter of busy nanoseconds for each engine. Opening one needs CAP_PERFMON or a
 * kernel.perf_event_paranoid of 0 or less; where that is not given there is nothing to read here,
 * and what programs report of themselves (collect/gpuclient.c) is all there is.
 *
 * Source:  Linux, drivers/gpu/drm/i915/i915_pmu.c; perf_event_open(2).
 * Threads: one.
 */
#ifndef HELPER_GPU_PMU_H
#define HELPER_GPU_PMU_H

#include <stddef.h>

#include "base/buf.h"

struct pmu;

/* Opens the counters below sys ("/sys"); NULL where none can be. */
struct pmu *pmu_open(const char *sys);
void pmu_close(struct pmu *p); /* NULL is fine */

/* Appends an "engine_busy" line for each engine, in seconds. */
void pmu_read(struct pmu *p, struct buf *out);

/* How many counters the tree below sys names, opened or not; for tests. */
size_t pmu_named(const char *sys);

#endif
