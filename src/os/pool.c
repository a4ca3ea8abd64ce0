#include "os/pool.h"

#include <stdatomic.h>
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
    }
    thread_unlock(&p->lock);
    if (!err)
        thread_wake(&p->work); /* behind the lock, which who wakes up takes first */
    return err;
}

/* ---- splitting one job */

/* Lives until the last who knows it has looked: a thread may come to it after all has ended. */
struct split {
    atomic_size_t next, ended;
    atomic_uint refs;
    size_t n;
    void (*f)(void *context, size_t i);
    void *context;
    pthread_mutex_t lock;
    pthread_cond_t done;
};

enum { SPINS = 2000 /* looks at the rest before sleeping: some microseconds */ };

static void split_release(struct split *s)
{
    if (atomic_fetch_sub(&s->refs, 1) > 1)
        return;
    must(pthread_cond_destroy(&s->done) == 0);
    must(pthread_mutex_destroy(&s->lock) == 0);
    mem_free(s);
}

static void split_work(struct split *s)
{
    size_t i;
    while ((i = atomic_fetch_add(&s->next, 1)) < s->n) {
        s->f(s->context, i);
        if (atomic_fetch_add(&s->ended, 1) + 1 == s->n) {
            thread_lock(&s->lock);
            thread_wake(&s->done);
            thread_unlock(&s->lock);
        }
    }
}

static void split_help(void *context)
{
    split_work(context);
    split_release(context);
}

void pool_split(struct pool *p, size_t n, void (*f)(void *context, size_t i), void *context)
{
    struct split *s = mem_new(sizeof *s);
    thread_lock_init(&s->lock);
    thread_cond_init(&s->done);
    s->n = n;
    s->f = f;
    s->context = context;
    atomic_init(&s->refs, 1);
    for (size_t i = 1; i < n && i < p->threads_n; i++) {
        atomic_fetch_add(&s->refs, 1);
        if (pool_run(p, split_help, s) != 0) {
            atomic_fetch_sub(&s->refs, 1); /* the queue is full: done here then */
            break;
        }
    }
    split_work(s);
    for (int i = 0; i < SPINS && atomic_load(&s->ended) < n; i++)
        __builtin_ia32_pause();
    thread_lock(&s->lock);
    while (atomic_load(&s->ended) < n)
        thread_wait(&s->done, &s->lock);
    thread_unlock(&s->lock);
    split_release(s);
}

size_t pool_threads(const struct pool *p)
{
    return p->threads_n;
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
