#include "os/thread.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/must.h"

enum { NAME_BYTES = 16 /* of the kernel's names, with the NUL */ };

struct start {
    void (*f)(void *);
    void *context;
    char name[NAME_BYTES];
};

static void *run(void *p)
{
    struct start start = *(struct start *)p;
    mem_free(p);
    /* Its own name, as a confined process may not write to another thread's. */
    prctl(PR_SET_NAME, start.name);
    start.f(start.context);
    return NULL;
}

void thread_start(struct thread *t, const char *name, void (*f)(void *context), void *context)
{
    struct start *start = mem_new(sizeof *start);
    *start = (struct start){f, context, ""};
    snprintf(start->name, sizeof start->name, "%s", name);

    sigset_t all, before;
    sigfillset(&all);
    must(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    must(pthread_create(&t->id, NULL, run, start) == 0);
    must(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    t->running = true;
}

void thread_join(struct thread *t)
{
    if (!t->running)
        return;
    must(pthread_join(t->id, NULL) == 0);
    t->running = false;
}

void thread_background(void)
{
    enum { WHO_PROCESS = 1, CLASS_IDLE = 3, CLASS_SHIFT = 13 };
    long tid = syscall(SYS_gettid);
    /* Both are wishes; the kernel or a sandbox may refuse them. */
    (void)setpriority(PRIO_PROCESS, (id_t)tid, 19);
    (void)syscall(SYS_ioprio_set, WHO_PROCESS, 0, CLASS_IDLE << CLASS_SHIFT);
}

void thread_stand_back(int level)
{
    id_t tid = (id_t)syscall(SYS_gettid);
    /* A wish, as above. */
    (void)setpriority(PRIO_PROCESS, tid, MIN(getpriority(PRIO_PROCESS, tid) + level, 19));
}

int64_t thread_cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void thread_lock_init(pthread_mutex_t *m)
{
    must(pthread_mutex_init(m, NULL) == 0);
}

void thread_lock(pthread_mutex_t *m)
{
    must(pthread_mutex_lock(m) == 0);
}

void thread_unlock(pthread_mutex_t *m)
{
    must(pthread_mutex_unlock(m) == 0);
}

void thread_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
    must(pthread_cond_wait(c, m) == 0);
}

bool thread_wait_for(pthread_cond_t *c, pthread_mutex_t *m, int64_t timeout_ns)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + timeout_ns % 1000000000;
    until.tv_sec += (time_t)(timeout_ns / 1000000000 + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    int result = pthread_cond_timedwait(c, m, &until);
    must(result == 0 || result == ETIMEDOUT);
    return result == 0;
}

void thread_cond_init(pthread_cond_t *c)
{
    pthread_condattr_t attributes;
    must(pthread_condattr_init(&attributes) == 0);
    must(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    must(pthread_cond_init(c, &attributes) == 0);
    must(pthread_condattr_destroy(&attributes) == 0);
}

void thread_wake(pthread_cond_t *c)
{
    must(pthread_cond_signal(c) == 0);
}

void thread_wake_all(pthread_cond_t *c)
{
    must(pthread_cond_broadcast(c) == 0);
}
