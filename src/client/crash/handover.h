/* client/crash/handover.h - gives a record to the daemon at once, on a connection of its own.
 *
 * Where no daemon takes it and the setting crash.helper names a program, that is started by
 * vfork(2) to send it to the DSN; otherwise it waits for the next start.
 *
 * Threads: handover_start(): at start; handover_send(): safe in signal handlers.
 */
#ifndef CLIENT_CRASH_HANDOVER_H
#define CLIENT_CRASH_HANDOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "client/wire/crash_record.h"

void handover_start(const char *folder); /* of the spool: for the helper */

/* Until deadline_ns (CLOCK_MONOTONIC). True: it was acknowledged, and its state says so. */
bool handover_send(struct crash_record *r, uint64_t deadline_ns);

/* Starts the helper for a record in a file and waits for its end; true: it has taken it. */
bool handover_help(const char *path, uint64_t deadline_ns);

#endif
