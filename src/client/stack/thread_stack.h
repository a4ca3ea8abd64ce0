/* client/stack/thread_stack.h - the stacks of all threads of the process, without stopping it.
 *
 * Each thread in turn is sent the signal of the setting stack.signal; its handler unwinds into
 * memory set aside, and whoever asked waits for it a bounded time. A thread that blocks the signal,
 * or does not come to it in time, has no frames. The handler is installed at the first question,
 * where the program has none of its own for that signal, and stays (a late answer must not end the
 * program). System calls that are never restarted (sleeps, poll) end with EINTR in threads that
 * answer.
 *
 * Threads: any but signal handlers; one question at a time.
 */
#ifndef CLIENT_STACK_THREAD_STACK_H
#define CLIENT_STACK_THREAD_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/stack/unwind.h"

enum { THREAD_STACK_NAME_MAX = 16, THREAD_STACK_THREADS_MAX = 4096 };

struct thread_stack {
    pid_t tid;
    char name[THREAD_STACK_NAME_MAX];
    char state;                         /* of /proc: R running, S sleeping, D.. ; '?' not known */
    size_t n;                           /* 0: it did not answer */
    uintptr_t frame[UNWIND_FRAMES_MAX]; /* the first is where it was, the others return addresses */
};

/* Calls visit for each thread, the caller's own too; waits at most timeout_ms altogether. 0,
 * SONDE_ERROR_STATE (the program has a handler for that signal, or somebody else asks at the
 * moment), SONDE_ERROR_SYSTEM. */
int thread_stack_each(unsigned timeout_ms,
                      void (*visit)(const struct thread_stack *t, void *context), void *context);

void thread_stack_fork_child(void);

#endif
