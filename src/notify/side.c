#include "notify/side.h"

#include "base/mem.h"
#include "os/thread.h"

struct side {
    struct side_plan plan;
    struct thread thread;
    _Atomic bool canceled;
    struct side *next;
};

static struct {
    pthread_mutex_t lock;
    struct side *first;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void forget(struct side *s)
{
    thread_lock(&all.lock);
    for (struct side **at = &all.first; *at; at = &(*at)->next)
        if (*at == s) {
            *at = s->next;
            break;
        }
    thread_unlock(&all.lock);
}

static void finish(void *side)
{
    struct side *s = side;
    thread_join(&s->thread);
    forget(s);
    if (!atomic_load(&s->canceled))
        s->plan.done(s->plan.owner, s->plan.context);
    s->plan.release(s->plan.context);
    mem_free(s);
}

static void run(void *side)
{
    struct side *s = side;
    s->plan.work(s->plan.context, &s->canceled);
    loop_post(s->plan.loop, finish, s);
}

struct side *side_start(const struct side_plan *plan)
{
    struct side *s = mem_new(sizeof *s);
    s->plan = *plan;
    thread_lock(&all.lock);
    s->next = all.first;
    all.first = s;
    thread_unlock(&all.lock);
    thread_start(&s->thread, "notify-side", run, s);
    return s;
}

void side_cancel(struct side *s)
{
    if (s)
        atomic_store(&s->canceled, true);
}

size_t side_count(const struct loop *l)
{
    size_t n = 0;
    thread_lock(&all.lock);
    for (const struct side *s = all.first; s; s = s->next)
        n += s->plan.loop == l;
    thread_unlock(&all.lock);
    return n;
}
