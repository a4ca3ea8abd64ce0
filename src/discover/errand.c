#include "discover/errand.h"

#include "base/err.h"
#include "base/mem.h"
#include "os/thread.h"

struct errand {
    struct errand_plan plan;
    pthread_mutex_t lock;
    bool canceled;
};

static void end(struct errand *e)
{
    e->plan.release(e->plan.context);
    pthread_mutex_destroy(&e->lock);
    mem_free(e);
}

static void on_loop(void *context)
{
    struct errand *e = context;
    thread_lock(&e->lock); /* the pool's thread may not have let go of it yet */
    bool canceled = e->canceled;
    thread_unlock(&e->lock);
    if (!canceled)
        e->plan.done(e->plan.owner, e->plan.context);
    end(e);
}

static void on_pool(void *context)
{
    struct errand *e = context;
    e->plan.work(e->plan.context);
    thread_lock(&e->lock);
    bool canceled = e->canceled; /* the loop may be gone then */
    if (!canceled)
        loop_post(e->plan.loop, on_loop, e);
    thread_unlock(&e->lock);
    if (canceled)
        end(e);
}

int errand_start(const struct errand_plan *plan, struct errand **ret)
{
    struct errand *e = mem_new(sizeof *e);
    e->plan = *plan;
    thread_lock_init(&e->lock);
    int err = pool_run(plan->pool, on_pool, e);
    if (err != 0)
        end(e);
    else
        *ret = e;
    return err;
}

void errand_cancel(struct errand *e)
{
    if (!e)
        return;
    thread_lock(&e->lock);
    e->canceled = true;
    thread_unlock(&e->lock);
}
