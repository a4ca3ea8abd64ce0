/* client/debug/profile.h - where the processor time goes: stacks taken at a rate of processor time.
 *
 * A timer of the process's CPU clock sends SIGPROF; its handler unwinds what was interrupted into a
 * ring set aside; a task of the worker adds equal stacks up. A profiler of the application's own on
 * SIGPROF is left alone: starting is refused then. The handler stays installed for ever, because a
 * signal that is on its way when the timer stops would end a process without one.
 *
 * Flow:    SIGPROF -> ring -> profile_gather() -> stacks with counts -> folded lines, pprof
 * Source:  github.com/google/pprof, proto/profile.proto; folded stacks: Brendan Gregg's FlameGraph
 * Threads: start and stop: any, one lock; gathering on the worker.
 */
#ifndef CLIENT_DEBUG_PROFILE_H
#define CLIENT_DEBUG_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/core/text.h"

enum {
    PROFILE_FRAMES_MAX = 64,
    PROFILE_STACKS_MAX = 16384, /* different ones; more are counted as lost */
    PROFILE_RING = 2048,        /* samples between two gatherings; a power of two */
    PROFILE_HZ_MAX = 1000,
};

struct profile_stack {
    uint64_t count;
    uint64_t hash;
    uint32_t frames_n;
    uint32_t frames_at; /* in profile_sum.frames */
};

/* What was gathered: belongs to the caller of profile_stop(). */
struct profile_sum {
    struct profile_stack *stacks; /* [stacks_n] */
    size_t stacks_n, stacks_cap;
    uintptr_t *frames; /* the innermost first */
    size_t frames_n, frames_cap;
    uint32_t *slots; /* hash -> stack + 1; [slots_n], a power of two */
    size_t slots_n;
    uint64_t samples, lost;
    uint64_t period_ns; /* of processor time */
    int64_t started_unix_ns;
    uint64_t duration_ns;
};

int profile_start(unsigned hz, unsigned seconds, char *problem);
/* SONDE_ERROR_STATE where none runs. */
int profile_stop(struct profile_sum *ret);
bool profile_running(uint64_t *ret_samples, uint64_t *ret_lost);
void profile_sum_done(struct profile_sum *s);

void profile_folded(const struct profile_sum *s, struct text *ret);
void profile_pprof(const struct profile_sum *s, struct text *ret);

/* Adds the commands. */
void profile_commands(void);
void profile_end(void);        /* at shutdown: stops one that runs */
void profile_fork_child(void); /* timers are not inherited */

#endif
