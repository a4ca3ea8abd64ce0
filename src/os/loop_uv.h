/* os/loop_uv.h - what the files behind os/loop.h share; for os/ only, since it includes uv.h.
 *
 * Threads: as loop.h.
 */
#ifndef OS_LOOP_UV_H
#define OS_LOOP_UV_H

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "os/loop.h"

struct loop_task {
    void (*f)(void *context);
    void *context;
};

struct loop {
    uv_loop_t uv;
    uv_async_t wake;
    pthread_mutex_t lock; /* guards the next three */
    struct {
        struct loop_task *v;
        size_t n, capacity;
    } tasks,
        running; /* posted, and those being called now (the latter by the loop's thread only) */
    _Atomic bool stop;
    struct stream *lingering; /* streams that were freed and still send */
};

/* Closes a stream at once whose owner has let it go; for loop_free(). */
void stream_abandon(struct stream *s);

#endif
