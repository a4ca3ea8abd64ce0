/* client/core/worker.h - the library's one thread: its clock, its descriptors, its jobs.
 *
 * Every signal is blocked on it. It sleeps in ppoll() until a descriptor is ready, a task is due or
 * somebody wakes it. Everything that sends, formats, symbolises or runs callbacks of the
 * application runs here, so modules need no locks among themselves for what only tasks touch.
 *
 * After fork() the child has no such thread; client/sonde starts a new one at the child's first use
 * of the library (client/core/module.h).
 *
 * Threads: worker_task_*, worker_watch_* at start or on the thread itself; worker_wake(): any, also
 * in signal handlers; worker_call(): any but the thread itself (there it runs at once).
 */
#ifndef CLIENT_CORE_WORKER_H
#define CLIENT_CORE_WORKER_H

#include <stdbool.h>
#include <stdint.h>

struct worker_task {
    const char *name;
    void (*run)(void *context); /* on the thread; should take milliseconds at most */
    void *context;
    uint64_t period_ns;  /* 0: only when it is asked for */
    uint64_t due_ns;     /* CLOCK_MONOTONIC; UINT64_MAX: never */
    uint64_t longest_ns; /* of its runs, for the library's own metrics */
    struct worker_task *next;
};

/* Adds a task that belongs to the caller; first run after one period. */
void worker_task_add(struct worker_task *task);
void worker_task_remove(struct worker_task *task);
void worker_task_at(struct worker_task *task, uint64_t due_ns); /* on the thread */
/* Runs it as soon as the thread comes to it. Any thread, also in signal handlers. */
void worker_task_now(struct worker_task *task);

uint64_t worker_longest_ns(void); /* the longest run of any task */

struct worker_watch {
    int fd;
    short events; /* POLLIN, POLLOUT: may be changed on the thread */
    void (*ready)(void *context, short events);
    void *context;
    struct worker_watch *next;
    bool gone;
};
void worker_watch_add(struct worker_watch *watch);
void worker_watch_remove(struct worker_watch *watch); /* ready() is not called after it */

int worker_start(void); /* SONDE_ERROR_SYSTEM */
/* Asks it to end after a last run of every task, waits at most until deadline (CLOCK_MONOTONIC);
 * false: it still runs (blocked in a callback of the application) and is left alone. */
bool worker_stop(uint64_t deadline_ns);
bool worker_running(void);
bool worker_is_mine(void); /* is the caller on it? */
void worker_wake(void);

/* Runs call(context) on the thread and waits for its end, at most timeout_ms: SONDE_ERROR_TIMEOUT
 * (call may still run later: context must outlive it, so give it memory of its own and let `drop`
 * free it: exactly one of the caller and the thread does), SONDE_ERROR_STATE where it does not
 * run. */
struct worker_job {
    void (*call)(struct worker_job *job);
    void (*drop)(struct worker_job *job); /* frees; called when both sides are done */
    _Atomic int state;
    struct worker_job *next;
};
int worker_call(struct worker_job *job, unsigned timeout_ms);

/* First of all: until the thread sleeps, so that no lock (of libc's loader, of modules) is held by
 * it in the child, where nobody would open it; at most 50 ms, in case a callback blocks. */
void worker_fork_wait(void);
void worker_fork_prepare(void);
void worker_fork_parent(void);
void worker_fork_child(void);

#endif
