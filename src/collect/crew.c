#include "collect/crew.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/mem.h"
#include "os/thread.h"

struct worker {
    struct crew *crew;
    struct thread thread;
    struct crew_job *job; /* what it runs; NULL: it waits */
    int64_t since_ns;
    bool left; /* left behind: ends after this run */
};

struct crew {
    const char *name;
    int64_t deadline_ns;
    void (*release)(void *);
    void *context;

    pthread_mutex_t lock;
    pthread_cond_t work, done;
    struct worker *worker;  /* the one that takes part */
    size_t threads;         /* alive, those left behind too */
    struct crew_job **jobs; /* [n], from next on not yet begun */
    size_t n, next;
    bool closing;
};

static void destroy(struct crew *c)
{
    void (*release)(void *) = c->release;
    void *context = c->context;
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->work);
    pthread_cond_destroy(&c->done);
    mem_free(c);
    release(context);
}

static void work(void *p)
{
    struct worker *w = p;
    struct crew *c = w->crew;
    thread_lock(&c->lock);
    while (!w->left && !c->closing) {
        if (c->next == c->n) {
            thread_wait(&c->work, &c->lock);
            continue;
        }
        struct crew_job *job = c->jobs[c->next++];
        if (job->busy) {
            thread_wake_all(&c->done);
            continue;
        }
        job->busy = true;
        w->job = job;
        w->since_ns = clock_monotonic_ns(&clock_real);
        thread_unlock(&c->lock);
        job->run(job);
        thread_lock(&c->lock);
        job->busy = false;
        w->job = NULL;
        if (c->next == c->n || w->left)
            thread_wake_all(&c->done);
    }
    bool last = --c->threads == 0 && c->closing;
    thread_wake_all(&c->done);
    thread_unlock(&c->lock);
    mem_free(w);
    if (last)
        destroy(c);
}

/* With the lock held. */
static void start_worker(struct crew *c)
{
    struct worker *w = mem_new(sizeof *w);
    w->crew = c;
    c->worker = w;
    c->threads++;
    thread_start(&w->thread, c->name, work, w);
    pthread_detach(w->thread.id);
}

struct crew *crew_new(const char *name, int64_t deadline_ms, void (*release)(void *context),
                      void *context)
{
    struct crew *c = mem_new(sizeof *c);
    *c = (struct crew){
        .name = name, .deadline_ns = deadline_ms * 1000000, .release = release, .context = context};
    thread_lock_init(&c->lock);
    thread_cond_init(&c->work);
    thread_cond_init(&c->done);
    thread_lock(&c->lock);
    start_worker(c);
    thread_unlock(&c->lock);
    return c;
}

/* With the lock held: until the worker waits; true where it had to be left behind instead. */
static bool wait_or_leave(struct crew *c)
{
    struct worker *w = c->worker;
    int64_t left = c->deadline_ns;
    if (w->job)
        left = w->since_ns + c->deadline_ns - clock_monotonic_ns(&clock_real);
    if (left > 0) {
        (void)thread_wait_for(&c->done, &c->lock, left); /* the caller looks for itself */
        return false;
    }
    w->left = true;
    return true;
}

void crew_run(struct crew *c, struct crew_job **jobs, size_t n)
{
    thread_lock(&c->lock);
    c->jobs = jobs;
    c->n = n;
    c->next = 0;
    thread_wake_all(&c->work);
    while (c->next < c->n || c->worker->job)
        if (wait_or_leave(c))
            start_worker(c);
    c->n = c->next = 0;
    thread_unlock(&c->lock);
}

bool crew_busy(struct crew *c, const struct crew_job *job)
{
    thread_lock(&c->lock);
    bool busy = job->busy;
    thread_unlock(&c->lock);
    return busy;
}

void crew_free(struct crew *c)
{
    thread_lock(&c->lock);
    /* One more holder, so that the last worker does not pull the lock away. */
    c->threads++;
    c->closing = true;
    thread_wake_all(&c->work);
    int64_t until = clock_monotonic_ns(&clock_real) + c->deadline_ns;
    while (c->threads > 1) {
        int64_t left = until - clock_monotonic_ns(&clock_real);
        if (left <= 0 || !thread_wait_for(&c->done, &c->lock, left))
            break;
    }
    bool last = --c->threads == 0;
    thread_unlock(&c->lock);
    if (last)
        destroy(c);
}
