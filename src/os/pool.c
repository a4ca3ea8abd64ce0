#include "os/pool.h"

#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/must.h"
#include "os/thread.h"

struct job {
    void (*f)(void *);
    void *context;
};

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct job *ring; /* [queue_max] */
    size_t queue_max, head, n;
    bool closing;
    struct thread *threads; /* [threads_n] */
    size_t threads_n;
};

static bool take(struct pool *p, struct job *ret)
{
    thread_lock(&p->lock);
    while (p->n == 0 && !p->closing)
        thread_wait(&p->work, &p->lock);
    bool got = p->n > 0;
    if (got) {
        *ret = p->ring[p->head];
        p->head = (p->head + 1) % p->queue_max;
        p->n--;
    }
    thread_unlock(&p->lock);
    return got;
}

static void work(void *context)
{
    struct job job;
    while (take(context, &job))
        job.f(job.context);
}

struct pool *pool_new(const char *name, size_t threads, size_t queue_max)
{
    must(threads > 0 && queue_max > 0);
    struct pool *p = mem_new(sizeof *p);
    thread_lock_init(&p->lock);
    thread_cond_init(&p->work);
    p->ring = mem_array(queue_max, sizeof *p->ring);
    p->queue_max = queue_max;
    p->threads = mem_array(threads, sizeof *p->threads);
    p->threads_n = threads;
    for (size_t i = 0; i < threads; i++)
        thread_start(&p->threads[i], name, work, p);
    return p;
}

int pool_run(struct pool *p, void (*f)(void *context), void *context)
{
    int err = 0;
    thread_lock(&p->lock);
    if (p->n == p->queue_max || p->closing) {
        err = -ERR_BUSY;
    } else {
        p->ring[(p->head + p->n++) % p->queue_max] = (struct job){f, context};
        thread_wake(&p->work);
    }
    thread_unlock(&p->lock);
    return err;
}

size_t pool_waiting(struct pool *p)
{
    thread_lock(&p->lock);
    size_t n = p->n;
    thread_unlock(&p->lock);
    return n;
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    thread_lock(&p->lock);
    p->closing = true;
    thread_wake_all(&p->work);
    thread_unlock(&p->lock);
    for (size_t i = 0; i < p->threads_n; i++)
        thread_join(&p->threads[i]);
    must(pthread_cond_destroy(&p->work) == 0);
    must(pthread_mutex_destroy(&p->lock) == 0);
    mem_free(p->threads);
    mem_free(p->ring);
    mem_free(p);
}
