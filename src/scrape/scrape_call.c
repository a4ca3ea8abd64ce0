#include "scrape/scrape_inside.h"

struct call {
    void (*f)(void *context);
    void *context;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool done;
};

static void run(void *context)
{
    struct call *c = context;
    c->f(c->context);
    thread_lock(&c->lock);
    c->done = true;
    thread_wake(&c->ended);
    thread_unlock(&c->lock);
}

void scrape_call(struct loop *l, void (*f)(void *context), void *context)
{
    struct call c = {.f = f, .context = context};
    thread_lock_init(&c.lock);
    thread_cond_init(&c.ended);
    loop_post(l, run, &c);
    thread_lock(&c.lock);
    while (!c.done)
        thread_wait(&c.ended, &c.lock);
    thread_unlock(&c.lock);
    pthread_cond_destroy(&c.ended);
    pthread_mutex_destroy(&c.lock);
}
