#include "client/debug/profile.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "client/core/id.h"
#include "client/core/setting.h"
#include "client/core/ticks.h"
#include "client/core/worker.h"
#include "client/stack/unwind.h"
#include "sonde/core.h"

enum { GATHER_MS = 50, SLOTS_N = 2 * PROFILE_STACKS_MAX, SUM_FRAMES_MAX = 1 << 20 };

struct sample {
    _Atomic uint32_t ready; /* frames + 1; 0: free, or being written */
    uintptr_t frames[PROFILE_FRAMES_MAX];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sample *ring;              /* mapped at the first start, kept */
static _Atomic uint64_t written, missed; /* by the handler */
static uint64_t gathered;                /* under the lock */
static _Atomic bool active;
static timer_t timer;
static struct profile_sum sum; /* under the lock */
static uint64_t ends_ns;

static void on_signal(int number, siginfo_t *info, void *context)
{
    if (!atomic_load_explicit(&active, memory_order_acquire)) {
        return;
    }
    int kept = errno;
    uint64_t at = atomic_fetch_add_explicit(&written, 1, memory_order_relaxed);
    struct sample *s = &ring[at & (PROFILE_RING - 1)];
    if (atomic_load_explicit(&s->ready, memory_order_acquire) == 0) {
        size_t n = unwind_context(context, s->frames, PROFILE_FRAMES_MAX);
        atomic_store_explicit(&s->ready, (uint32_t)n + 1, memory_order_release);
    } else {
        atomic_fetch_add_explicit(&missed, 1, memory_order_relaxed);
    }
    errno = kept;
}

static bool grow(void **p, size_t *cap, size_t need, size_t size, size_t most)
{
    if (need <= *cap) {
        return true;
    }
    size_t next = *cap ? *cap * 2 : 1024;
    void *moved = need <= most ? realloc(*p, next * size) : NULL;
    if (!moved) {
        return false;
    }
    *p = moved;
    *cap = next;
    return true;
}

static struct profile_stack *find(struct profile_sum *s, const uintptr_t *frames, uint32_t n,
                                  uint64_t hash, uint32_t **ret_slot)
{
    for (size_t at = hash & (s->slots_n - 1);; at = (at + 1) & (s->slots_n - 1)) {
        *ret_slot = &s->slots[at];
        if (!s->slots[at]) {
            return NULL;
        }
        struct profile_stack *k = &s->stacks[s->slots[at] - 1];
        if (k->hash == hash && k->frames_n == n &&
            memcmp(s->frames + k->frames_at, frames, n * sizeof *frames) == 0) {
            return k;
        }
    }
}

static void add(struct profile_sum *s, const uintptr_t *frames, uint32_t n)
{
    uint64_t hash = id_hash(frames, n * sizeof *frames, n);
    uint32_t *slot;
    struct profile_stack *k = find(s, frames, n, hash, &slot);
    s->samples++;
    if (k) {
        k->count++;
        return;
    }
    if (s->stacks_n == PROFILE_STACKS_MAX ||
        !grow((void **)&s->stacks, &s->stacks_cap, s->stacks_n + 1, sizeof *s->stacks,
              PROFILE_STACKS_MAX) ||
        !grow((void **)&s->frames, &s->frames_cap, s->frames_n + n, sizeof *s->frames,
              SUM_FRAMES_MAX)) {
        s->lost++;
        return;
    }
    s->stacks[s->stacks_n++] = (struct profile_stack){
        .count = 1, .hash = hash, .frames_n = n, .frames_at = (uint32_t)s->frames_n};
    memcpy(s->frames + s->frames_n, frames, n * sizeof *frames);
    s->frames_n += n;
    *slot = (uint32_t)s->stacks_n;
}

/* Under the lock. */
static void gather(void)
{
    for (;;) {
        struct sample *s = &ring[gathered & (PROFILE_RING - 1)];
        uint32_t ready = atomic_load_explicit(&s->ready, memory_order_acquire);
        if (!ready) {
            break;
        }
        add(&sum, s->frames, ready - 1);
        atomic_store_explicit(&s->ready, 0, memory_order_release);
        gathered++;
    }
    sum.lost += atomic_exchange(&missed, 0);
}

static void stop_timer(void)
{
    if (atomic_exchange(&active, false)) {
        timer_delete(timer);
        sum.duration_ns = (uint64_t)(ticks_unix_now_ns() - sum.started_unix_ns);
    }
}

static void gather_task(void *unused)
{
    pthread_mutex_lock(&lock);
    if (ring && sum.slots) {
        if (ends_ns && ticks_monotonic_ns() >= ends_ns) {
            stop_timer();
        }
        gather();
    }
    pthread_mutex_unlock(&lock);
}

static struct worker_task task = {
    .name = "profile", .run = gather_task, .period_ns = (uint64_t)GATHER_MS * 1000000};
static bool task_added;

/* Ours stays once it is there; one of the application's is left alone. */
static int install(char *problem)
{
    struct sigaction before;
    sigaction(SIGPROF, NULL, &before);
    bool ours = (before.sa_flags & SA_SIGINFO) && before.sa_sigaction == on_signal;
    bool none = !(before.sa_flags & SA_SIGINFO) &&
                (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN);
    if (!ours && !none) {
        snprintf(problem, SETTING_PROBLEM_MAX, "the application uses SIGPROF itself");
        return SONDE_ERROR_STATE;
    }
    struct sigaction a = {.sa_sigaction = on_signal,
                          .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    sigfillset(&a.sa_mask);
    return sigaction(SIGPROF, &a, NULL) == 0 ? 0 : SONDE_ERROR_SYSTEM;
}

static int make_memory(void)
{
    if (!ring) {
        void *p = mmap(NULL, PROFILE_RING * sizeof *ring, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ring = p == MAP_FAILED ? NULL : p;
    }
    profile_sum_done(&sum);
    sum.slots = calloc(SLOTS_N, sizeof *sum.slots);
    sum.slots_n = SLOTS_N;
    return ring && sum.slots ? 0 : SONDE_ERROR_MEMORY;
}

static int start_timer(unsigned hz)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGPROF};
    sum.period_ns = 1000000000u / hz;
    struct timespec period = {.tv_nsec = (long)(sum.period_ns % 1000000000),
                              .tv_sec = (time_t)(sum.period_ns / 1000000000)};
    struct itimerspec each = {period, period};
    if (timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer) != 0) {
        return SONDE_ERROR_SYSTEM;
    }
    atomic_store(&active, true);
    if (timer_settime(timer, 0, &each, NULL) != 0) {
        atomic_store(&active, false);
        timer_delete(timer);
        return SONDE_ERROR_SYSTEM;
    }
    return 0;
}

int profile_start(unsigned hz, unsigned seconds, char *problem)
{
    if (hz < 1 || hz > PROFILE_HZ_MAX) {
        snprintf(problem, SETTING_PROBLEM_MAX, "from 1 to 1000 samples a second are possible");
        return SONDE_ERROR_ARGUMENT;
    }
    pthread_mutex_lock(&lock);
    int err = 0;
    if (sum.slots) {
        snprintf(problem, SETTING_PROBLEM_MAX, "a profile is being taken; stop it first");
        err = SONDE_ERROR_STATE;
    }
    err = err ? err : install(problem);
    if (!err) {
        unwind_start();
        err = make_memory();
        sum.started_unix_ns = ticks_unix_now_ns();
        ends_ns = seconds ? ticks_monotonic_ns() + (uint64_t)seconds * 1000000000 : 0;
        err = err ? err : start_timer(hz);
        if (err) {
            profile_sum_done(&sum);
        }
    }
    if (!err && !task_added) {
        task_added = true;
        worker_task_add(&task);
    }
    pthread_mutex_unlock(&lock);
    return err;
}

int profile_stop(struct profile_sum *ret)
{
    pthread_mutex_lock(&lock);
    int err = sum.slots ? 0 : SONDE_ERROR_STATE;
    if (!err) {
        stop_timer();
        gather();
        *ret = sum;
        sum = (struct profile_sum){0};
    }
    bool remove = task_added;
    task_added = false;
    pthread_mutex_unlock(&lock);
    if (remove) {
        worker_task_remove(&task);
    }
    return err;
}

bool profile_running(uint64_t *ret_samples, uint64_t *ret_lost)
{
    pthread_mutex_lock(&lock);
    bool yes = sum.slots != NULL;
    *ret_samples = sum.samples;
    *ret_lost = sum.lost;
    pthread_mutex_unlock(&lock);
    return yes;
}

void profile_sum_done(struct profile_sum *s)
{
    free(s->stacks);
    free(s->frames);
    free(s->slots);
    *s = (struct profile_sum){0};
}

void profile_end(void)
{
    struct profile_sum s;
    if (profile_stop(&s) == 0) {
        profile_sum_done(&s);
    }
}

void profile_fork_child(void)
{
    atomic_store(&active, false);
    profile_end();
}
