/* collect/gpu_helper.h - what sonde-helper-gpu tells, as metrics.
 *
 * The helper is started through the launcher, and again some time after it has ended. Reading takes
 * what is there and never waits.
 *
 * Flow:    helper's lines -> the last whole block -> emit
 * Threads: one at a time.
 */
#ifndef COLLECT_GPU_HELPER_H
#define COLLECT_GPU_HELPER_H

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "collect/emit.h"
#include "launch/launch.h"

#define GPU_HELPER_PROGRAM "helper:gpu" /* its row in the launcher's table */

struct gpu_helper;

/* launcher and clock outlive it. */
struct gpu_helper *gpu_helper_new(struct launcher *launcher, const struct clock *clock,
                                  const char *proc);
void gpu_helper_free(struct gpu_helper *h); /* NULL is fine */

/* Gives the metrics of the last block. -ERR_NOENT where the helper found no card, -ERR_x with why
 * where it does not work. */
MUST_USE int gpu_helper_run(struct gpu_helper *h, struct emit *e, struct why *why);

/* Emits the metrics of a block of lines; for the above, tests and fuzzing. */
void gpu_helper_emit(struct str block, const char *proc, struct emit *e);

#endif
