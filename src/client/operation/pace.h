/* client/operation/pace.h - calls a second over the last 1, 10 and 60 seconds.
 *
 * Each second the one thread notes how often every operation had ended and failed; a rate is what
 * has been added since the note of so long ago, by the time that has really gone by.
 *
 * Threads: pace_tick(), pace_note(), pace_added(), pace_clear(), pace_forget(): under pace_lock().
 */
#ifndef CLIENT_OPERATION_PACE_H
#define CLIENT_OPERATION_PACE_H

#include <stdint.h>

enum { PACE_SECONDS = 60, PACE_NOTES = PACE_SECONDS + 2 };

struct pace {
    uint32_t count[PACE_NOTES], failed[PACE_NOTES]; /* modulo 2^32 */
};

void pace_lock(void);
void pace_unlock(void);

/* Begins a new second: the notes that follow belong to it. */
void pace_tick(uint64_t now_ticks);
void pace_note(struct pace *p, uint64_t count, uint64_t failed);

/* What was added in the last so many seconds, counted from nothing at since_ticks. */
struct pace_added {
    double count, failed;
    double seconds; /* in which it was: about as many as asked for, or since then; 1 at the least */
};
struct pace_added pace_added(const struct pace *p, unsigned seconds, uint64_t count,
                             uint64_t failed, uint64_t now_ticks, uint64_t since_ticks);
void pace_clear(struct pace *p);      /* counts are at nothing again */
void pace_forget(uint64_t now_ticks); /* all seconds: at the start, and in a child */
void pace_fork_child(void);           /* nobody holds the lock */

#endif
