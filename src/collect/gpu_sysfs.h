/* collect/gpu_sysfs.h - AMD's and Intel's cards, by what their drivers show in /sys.
 *
 * Source:  Linux, Documentation/gpu/amdgpu/thermal.rst, i915 and xe: sysfs-driver-intel-*-hwmon,
 *          gt/gt0/rps_*, tile0/gt0/freq0.
 * Threads: one at a time.
 */
#ifndef COLLECT_GPU_SYSFS_H
#define COLLECT_GPU_SYSFS_H

#include <stddef.h>

#include "collect/emit.h"

/* Emits the metrics of all cards below sys ("/sys"); how many there are. */
size_t gpu_sysfs_run(const char *sys, struct emit *e);

#endif
