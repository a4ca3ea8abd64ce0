/* receive/lane_scratch.h - what a handler needs for a request, once for each lane, kept for the
 * next one.
 *
 * Threads: each lane's own thread makes and uses its own.
 */
#ifndef RECEIVE_LANE_SCRATCH_H
#define RECEIVE_LANE_SCRATCH_H

#include <stddef.h>

#include "model/sink.h"

struct lane_scratch {
    size_t size; /* of one, zeroed when it is made */
    void (*init)(void *scratch);
    void (*done)(void *scratch);
    void *v[SINK_LANES_MAX];
};

/* The lane's, made with its first request. */
void *lane_scratch_of(struct lane_scratch *s, size_t lane);

/* Frees all; after all loops have ended. */
void lane_scratch_done(struct lane_scratch *s);

#endif
