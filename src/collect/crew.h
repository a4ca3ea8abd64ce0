/* collect/crew.h - threads for work that may hang, and what happens then.
 *
 * The owner gives a list of jobs; one worker runs them one after the other. When one exceeds the
 * deadline its worker is left behind with it, and a new worker goes on with the rest. The late one
 * frees its job when it comes back, and ends. The runner has a crew for the collectors, and the
 * collector of filesystems one for statvfs().
 *
 * Threads: crew_run() and crew_free() by one thread; jobs that are not busy are the caller's.
 */
#ifndef COLLECT_CREW_H
#define COLLECT_CREW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A piece of work; the first member of what it is about. */
struct crew_job {
    void (*run)(struct crew_job *job);
    bool busy; /* under the crew's lock: a worker has it, nobody else may touch it */
};

struct crew;

/* name is the threads'. release(context) is called when the last thread has ended, perhaps long
 * after crew_free(). */
struct crew *crew_new(const char *name, int64_t deadline_ms, void (*release)(void *context),
                      void *context);

/* Runs the jobs in order. Returns when each has been run or left behind: those are still busy.
 * Jobs that are busy from an earlier call are passed over. */
void crew_run(struct crew *c, struct crew_job **jobs, size_t n);

/* Is a worker still at it? */
bool crew_busy(struct crew *c, const struct crew_job *job);

/* Ends the threads; those that hang are left behind (see release). */
void crew_free(struct crew *c);

#endif
