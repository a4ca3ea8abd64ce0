/* sonde/sonde.h - all of libsonde.
 *
 *     #include <sonde/sonde.h>
 *     int main(void) {
 *         sonde_init(NULL);
 *         sonde_counter *jobs = sonde_counter_get("jobs_total", "Jobs that were done.", NULL);
 *         sonde_counter_add(jobs, 1);
 *         return sonde_shutdown(1000);
 *     }
 *
 * cc program.c $(pkg-config --cflags --libs sonde)
 */
#ifndef SONDE_SONDE_H
#define SONDE_SONDE_H

#include <sonde/core.h>
#include <sonde/metric.h>
#include <sonde/bus.h>
#include <sonde/debug.h>
#include <sonde/operation.h>
#include <sonde/frame.h>
#include <sonde/alarm.h>
#include <sonde/cache.h>
#include <sonde/crash.h>
#include <sonde/debug.h>
#include <sonde/error.h>
#include <sonde/health.h>
#include <sonde/frame.h>
#include <sonde/log.h>
#include <sonde/memory.h>
#include <sonde/metric.h>
#include <sonde/operation.h>
#include <sonde/span.h>

#endif
