/* client/crash/gather.h - what is known at the moment of a crash, put into a record.
 *
 * What does not change is put in at the start (gather_facts); the rest by gather_crash() in the
 * signal handler: in stages, each of which may fault (a damaged heap, a stack that is gone) without
 * keeping the others from their turn.
 *
 * Threads: gather_facts(): at start; gather_crash(): one at a time, safe in signal handlers;
 * gather_fault(): the handler of the same thread.
 */
#ifndef CLIENT_CRASH_GATHER_H
#define CLIENT_CRASH_GATHER_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "client/wire/crash_record.h"

enum { GATHER_TYPE_MAX = 128, GATHER_MESSAGE_MAX = 1024 };

/* Who the program and the machine are; also for a forked child. */
void gather_facts(struct crash_record *r);

void gather_start(void); /* looks up what the handler needs */

/* What ended the program besides the signal: what terminate() or the caller said. Taken by the next
 * record of the same thread. */
void gather_say(const char *type, const char *message);

/* In a forked child: its own number and event_id, no session. Safe in signal handlers. */
void gather_child(struct crash_record *r);

/* Fills and seals a record of CRASH_RECORD_MAX bytes; info NULL: on demand, by the caller. */
void gather_crash(struct crash_record *r, const siginfo_t *info, const void *context);

/* Called by a handler that was entered again while gather_crash() runs on the same thread: goes on
 * with the next stage and does not return. Returns where no stage is running. */
void gather_fault(void);

#endif
