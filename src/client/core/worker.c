#include "client/core/worker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "client/core/ticks.h"
#include "sonde/core.h"

enum { FORK_WAIT_MS = 50 };
enum { WATCHES_MAX = 128, STACK_BYTES = 256 * 1024, SLEEP_MAX_MS = 60000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* tasks, watches, jobs: their lists */
static pthread_cond_t changed; /* a job or the thread has ended; of CLOCK_MONOTONIC */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct worker_task *tasks;
static struct worker_watch *watches;
static struct worker_job *jobs; /* newest first */
static pthread_t thread;
static bool started, ended; /* under the lock */
static _Atomic bool stopping;
static _Atomic int wake_fd = -1;
static pthread_mutex_t busy = PTHREAD_MUTEX_INITIALIZER; /* held by the thread while it is awake */
static _Thread_local bool forking __attribute__((tls_model("initial-exec"))); /* holds busy */
static _Thread_local bool mine __attribute__((tls_model("initial-exec")));

enum { JOB_WAITED_FOR = 1, JOB_TO_RUN = 2 }; /* bits of worker_job.state: who still holds it */

static void make_condition(void)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&changed, &attr);
    pthread_condattr_destroy(&attr);
}

void worker_task_add(struct worker_task *task)
{
    worker_task_remove(task); /* twice in the list would be a circle */
    pthread_mutex_lock(&lock);
    uint64_t due = task->period_ns ? ticks_monotonic_ns() + task->period_ns : UINT64_MAX;
    __atomic_store_n(&task->due_ns, due, __ATOMIC_RELAXED);
    task->next = tasks;
    tasks = task;
    pthread_mutex_unlock(&lock);
    worker_wake();
}

void worker_task_remove(struct worker_task *task)
{
    pthread_mutex_lock(&lock);
    struct worker_task **at = &tasks;
    while (*at && *at != task) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = task->next;
    }
    pthread_mutex_unlock(&lock);
}

void worker_task_at(struct worker_task *task, uint64_t due_ns)
{
    __atomic_store_n(&task->due_ns, due_ns, __ATOMIC_RELAXED);
}

void worker_task_now(struct worker_task *task)
{
    if (__atomic_exchange_n(&task->due_ns, 0, __ATOMIC_RELAXED) != 0) {
        worker_wake();
    }
}

uint64_t worker_longest_ns(void)
{
    uint64_t longest = 0;
    pthread_mutex_lock(&lock);
    for (const struct worker_task *t = tasks; t; t = t->next) {
        uint64_t ns = __atomic_load_n(&t->longest_ns, __ATOMIC_RELAXED);
        longest = ns > longest ? ns : longest;
    }
    pthread_mutex_unlock(&lock);
    return longest;
}

void worker_watch_add(struct worker_watch *watch)
{
    pthread_mutex_lock(&lock);
    watch->gone = false;
    watch->next = watches;
    watches = watch;
    pthread_mutex_unlock(&lock);
    worker_wake();
}

void worker_watch_remove(struct worker_watch *watch)
{
    pthread_mutex_lock(&lock);
    watch->gone = true;
    struct worker_watch **at = &watches;
    while (*at && *at != watch) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = watch->next;
    }
    pthread_mutex_unlock(&lock);
}

void worker_wake(void)
{
    int fd = atomic_load_explicit(&wake_fd, memory_order_relaxed);
    if (fd >= 0) {
        int kept = errno;
        uint64_t one = 1;
        ssize_t n = write(fd, &one, sizeof one);
        (void)n; /* a full counter wakes as well */
        errno = kept;
    }
}

bool worker_running(void)
{
    pthread_mutex_lock(&lock);
    bool yes = started && !ended;
    pthread_mutex_unlock(&lock);
    return yes;
}

bool worker_is_mine(void)
{
    return mine;
}

/* Lets go of a job for one of its holders; the last one frees it. */
static void let_go(struct worker_job *job, int holder)
{
    if (atomic_fetch_and(&job->state, ~holder) == holder && job->drop) {
        job->drop(job);
    }
}

static void run_jobs(void)
{
    pthread_mutex_lock(&lock);
    struct worker_job *list = jobs, *ordered = NULL;
    jobs = NULL;
    pthread_mutex_unlock(&lock);
    while (list) {
        struct worker_job *next = list->next;
        list->next = ordered;
        ordered = list;
        list = next;
    }
    while (ordered) {
        struct worker_job *next = ordered->next;
        ordered->call(ordered);
        pthread_mutex_lock(&lock);
        pthread_cond_broadcast(&changed);
        int held = atomic_fetch_and(&ordered->state, ~JOB_TO_RUN);
        pthread_mutex_unlock(&lock);
        if (held == JOB_TO_RUN && ordered->drop) {
            ordered->drop(ordered);
        }
        ordered = next;
    }
}

int worker_call(struct worker_job *job, unsigned timeout_ms)
{
    if (mine) {
        job->call(job);
        if (job->drop) {
            job->drop(job);
        }
        return 0;
    }
    uint64_t until = ticks_monotonic_ns() + (uint64_t)timeout_ms * 1000000;
    struct timespec ts = {.tv_sec = (time_t)(until / 1000000000),
                          .tv_nsec = (long)(until % 1000000000)};
    pthread_mutex_lock(&lock);
    if (!started || ended) {
        pthread_mutex_unlock(&lock);
        if (job->drop) {
            job->drop(job);
        }
        return SONDE_ERROR_STATE;
    }
    atomic_store(&job->state, JOB_WAITED_FOR | JOB_TO_RUN);
    job->next = jobs;
    jobs = job;
    worker_wake();
    int err = 0;
    while (atomic_load(&job->state) & JOB_TO_RUN && err == 0) {
        err = pthread_cond_timedwait(&changed, &lock, &ts);
    }
    bool done = !(atomic_load(&job->state) & JOB_TO_RUN);
    pthread_mutex_unlock(&lock);
    let_go(job, JOB_WAITED_FOR);
    return done ? 0 : SONDE_ERROR_TIMEOUT;
}

/* The next task that is due, its next time set; NULL: none. Under the lock. */
static struct worker_task *due_task(uint64_t now, uint64_t *ret_next)
{
    *ret_next = UINT64_MAX;
    for (struct worker_task *t = tasks; t; t = t->next) {
        uint64_t due = __atomic_load_n(&t->due_ns, __ATOMIC_RELAXED);
        if (due <= now) {
            uint64_t next = t->period_ns ? now + t->period_ns : UINT64_MAX;
            if (t->period_ns && due && due + t->period_ns > now) {
                next = due + t->period_ns; /* keeps its beat */
            }
            __atomic_store_n(&t->due_ns, next, __ATOMIC_RELAXED);
            return t;
        }
        *ret_next = due < *ret_next ? due : *ret_next;
    }
    return NULL;
}

static void run_task(struct worker_task *t)
{
    uint64_t from = ticks_monotonic_ns();
    t->run(t->context);
    uint64_t took = ticks_monotonic_ns() - from;
    if (took > __atomic_load_n(&t->longest_ns, __ATOMIC_RELAXED)) {
        __atomic_store_n(&t->longest_ns, took, __ATOMIC_RELAXED);
    }
}

/* Runs what is due; returns when the next one is. */
static uint64_t run_tasks(void)
{
    for (int runs = 0;; runs++) {
        uint64_t next;
        pthread_mutex_lock(&lock);
        struct worker_task *t = due_task(ticks_monotonic_ns(), &next);
        pthread_mutex_unlock(&lock);
        if (!t) {
            return next;
        }
        run_task(t);
        if (runs == 1000) { /* a task that asks for itself for ever must not starve descriptors */
            return 0;
        }
    }
}

static size_t gather(struct pollfd *fds, struct worker_watch **of)
{
    size_t n = 0;
    fds[n] = (struct pollfd){.fd = atomic_load(&wake_fd), .events = POLLIN};
    of[n++] = NULL;
    pthread_mutex_lock(&lock);
    for (struct worker_watch *w = watches; w && n < WATCHES_MAX; w = w->next) {
        if (w->events) {
            fds[n] = (struct pollfd){.fd = w->fd, .events = w->events};
            of[n++] = w;
        }
    }
    pthread_mutex_unlock(&lock);
    return n;
}

/* Is w still watched with that descriptor? A callback before may have removed it. */
static bool still_there(const struct worker_watch *w, int fd)
{
    pthread_mutex_lock(&lock);
    const struct worker_watch *at = watches;
    while (at && at != w) {
        at = at->next;
    }
    bool yes = at && at->fd == fd;
    pthread_mutex_unlock(&lock);
    return yes;
}

static void wait_and_dispatch(uint64_t next_ns)
{
    struct pollfd fds[WATCHES_MAX];
    struct worker_watch *of[WATCHES_MAX];
    size_t n = gather(fds, of);
    uint64_t now = ticks_monotonic_ns(), most = now + (uint64_t)SLEEP_MAX_MS * 1000000;
    next_ns = next_ns < most ? next_ns : most;
    uint64_t wait = next_ns > now ? next_ns - now : 0;
    struct timespec ts = {.tv_sec = (time_t)(wait / 1000000000),
                          .tv_nsec = (long)(wait % 1000000000)};
    pthread_mutex_unlock(&busy);
    int ready = ppoll(fds, n, &ts, NULL);
    pthread_mutex_lock(&busy);
    if (ready <= 0) {
        return;
    }
    if (fds[0].revents) {
        uint64_t count;
        ssize_t got = read(fds[0].fd, &count, sizeof count);
        (void)got;
    }
    for (size_t i = 1; i < n; i++) {
        if (fds[i].revents && still_there(of[i], fds[i].fd)) {
            of[i]->ready(of[i]->context, fds[i].revents);
        }
    }
}

static void last_runs(void)
{
    run_jobs();
    pthread_mutex_lock(&lock);
    struct worker_task *t = tasks;
    pthread_mutex_unlock(&lock);
    for (; t; t = t->next) {
        run_task(t);
    }
}

static void *live(void *unused)
{
    mine = true;
    pthread_setname_np(pthread_self(), "sonde");
    pthread_mutex_lock(&busy);
    while (!atomic_load(&stopping)) {
        run_jobs();
        wait_and_dispatch(run_tasks());
    }
    last_runs();
    pthread_mutex_unlock(&busy);
    pthread_mutex_lock(&lock);
    ended = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return unused;
}

static int start_thread(void)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = pthread_create(&thread, &attr, live, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return err ? SONDE_ERROR_SYSTEM : 0;
}

int worker_start(void)
{
    pthread_once(&once, make_condition);
    pthread_mutex_lock(&lock);
    if (started && !ended) {
        pthread_mutex_unlock(&lock);
        return SONDE_ERROR_STATE; /* one that did not end in time is still there */
    }
    if (started) { /* one that ended after worker_stop() had given up on it */
        pthread_detach(thread);
    }
    int fd = atomic_load(&wake_fd);
    fd = fd >= 0 ? fd : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    atomic_store(&wake_fd, fd);
    atomic_store(&stopping, false);
    ended = false;
    started = true;
    int err = fd < 0 ? SONDE_ERROR_SYSTEM : start_thread();
    started = err == 0;
    pthread_mutex_unlock(&lock);
    return err;
}

bool worker_stop(uint64_t deadline_ns)
{
    struct timespec ts = {.tv_sec = (time_t)(deadline_ns / 1000000000),
                          .tv_nsec = (long)(deadline_ns % 1000000000)};
    pthread_mutex_lock(&lock);
    if (!started || mine) {
        pthread_mutex_unlock(&lock);
        return !started;
    }
    atomic_store(&stopping, true);
    worker_wake();
    int err = 0;
    while (!ended && err == 0) {
        err = pthread_cond_timedwait(&changed, &lock, &ts);
    }
    bool over = ended;
    if (over) {
        started = false;
    }
    pthread_mutex_unlock(&lock);
    if (over) {
        pthread_join(thread, NULL);
    }
    return over;
}

void worker_fork_wait(void)
{
    struct timespec until;
    if (mine) {
        return;
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)FORK_WAIT_MS * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    forking = pthread_mutex_timedlock(&busy, &until) == 0;
}

void worker_fork_prepare(void)
{
    pthread_mutex_lock(&lock);
}

void worker_fork_parent(void)
{
    pthread_mutex_unlock(&lock);
    if (forking) {
        forking = false;
        pthread_mutex_unlock(&busy);
    }
}

void worker_fork_child(void)
{
    /* The thread is not in the child. Its eventfd is shared with the parent: a new one. Jobs of
     * threads that are no more here are nobody's; a waiting caller of ours cannot be forking. */
    int fd = atomic_exchange(&wake_fd, -1);
    if (fd >= 0) {
        close(fd);
    }
    pthread_mutex_init(&busy, NULL);
    forking = false;
    jobs = NULL;
    started = false;
    ended = false;
    mine = false;
    make_condition();
    pthread_mutex_unlock(&lock);
}
