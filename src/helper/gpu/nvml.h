/* helper/gpu/nvml.h - NVIDIA's management library, loaded at run time, read into lines.
 *
 * Only what is called is declared here, with the types that the library's binary interface has.
 * A call that a card or a driver does not know gives no line.
 *
 * Source:  NVIDIA, NVML API reference.
 * Threads: one.
 */
#ifndef HELPER_GPU_NVML_H
#define HELPER_GPU_NVML_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"

struct nvml;

/* Loads the library of that name. -ERR_NOENT where there is none; -ERR_STATE where it does not
 * work: no driver, no card. */
MUST_USE int nvml_open(const char *library, struct nvml **ret, struct why *why);
void nvml_close(struct nvml *n); /* NULL is fine */

/* Appends the lines of all cards, as helper/gpu/main.c describes them. -ERR_STATE where the driver
 * is gone. */
MUST_USE int nvml_read(struct nvml *n, struct buf *out);

#endif
