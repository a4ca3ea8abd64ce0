#include "os/loop.h"

#include <signal.h>

#include "base/mem.h"
#include "base/must.h"
#include "base/vec.h"
#include "os/loop_uv.h"
#include "os/thread.h"

/* Calls what was posted before this round; what is posted meanwhile waits for the next one. */
static void on_wake(uv_async_t *wake)
{
    struct loop *l = wake->data;
    thread_lock(&l->lock);
    struct loop_task *swap = l->running.v;
    size_t swap_capacity = l->running.capacity;
    l->running.v = l->tasks.v;
    l->running.n = l->tasks.n;
    l->running.capacity = l->tasks.capacity;
    l->tasks.v = swap;
    l->tasks.n = 0;
    l->tasks.capacity = swap_capacity;
    thread_unlock(&l->lock);

    for (size_t i = 0; i < l->running.n; i++)
        l->running.v[i].f(l->running.v[i].context);
    l->running.n = 0;
    if (atomic_load(&l->stop))
        uv_stop(&l->uv);
}

int loop_new(struct loop **ret)
{
    /* A write to a closed connection is an error like any other, not the end of the process. */
    must(signal(SIGPIPE, SIG_IGN) != SIG_ERR);

    struct loop *l = mem_new(sizeof *l);
    int err = uv_loop_init(&l->uv);
    if (err) {
        mem_free(l);
        return -err_of_errno(-err);
    }
    err = uv_async_init(&l->uv, &l->wake, on_wake);
    if (err) {
        must(uv_loop_close(&l->uv) == 0);
        mem_free(l);
        return -err_of_errno(-err);
    }
    l->wake.data = l;
    thread_lock_init(&l->lock);
    *ret = l;
    return 0;
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    while (l->lingering)
        stream_abandon(l->lingering);
    atomic_store(&l->stop, false);
    /* What was posted last may own memory: it is called, and may close what it closes. */
    on_wake(&l->wake);
    while (l->lingering)
        stream_abandon(l->lingering);
    uv_close((uv_handle_t *)&l->wake, NULL);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    must(uv_loop_close(&l->uv) == 0);
    pthread_mutex_destroy(&l->lock);
    vec_free(&l->tasks);
    vec_free(&l->running);
    mem_free(l);
}

void loop_run(struct loop *l)
{
    while (!atomic_load(&l->stop))
        uv_run(&l->uv, UV_RUN_DEFAULT);
    atomic_store(&l->stop, false);
}

void loop_stop(struct loop *l)
{
    atomic_store(&l->stop, true);
    must(uv_async_send(&l->wake) == 0);
}

void loop_post(struct loop *l, void (*f)(void *context), void *context)
{
    thread_lock(&l->lock);
    bool first = l->tasks.n == 0;
    vec_push(&l->tasks, ((struct loop_task){f, context}));
    thread_unlock(&l->lock);
    if (first)
        must(uv_async_send(&l->wake) == 0);
}

int64_t loop_now_ms(const struct loop *l)
{
    return (int64_t)uv_now(&l->uv);
}
