/* os/thread.h - threads, locks and conditions that cannot fail.
 *
 * Every error of the calls beneath is a bug in this program, and aborts.
 *
 * Threads: that is what it is for.
 */
#ifndef OS_THREAD_H
#define OS_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct thread {
    pthread_t id;
    bool running;
};

/* Starts f(context) under name (at most 15 bytes, shown by top). All signals are blocked in it. */
void thread_start(struct thread *t, const char *name, void (*f)(void *context), void *context);

/* Waits for its end; a thread that was never started is fine. */
void thread_join(struct thread *t);

/* Gives the calling thread the least claim on processor and disk (nice 19, idle I/O class). */
void thread_background(void);

/* Lets other threads go first, more so the greater the level (nice, 1 to 19). There is no way back.
 */
void thread_stand_back(int level);

/* CPU time used by the calling thread, nanoseconds. */
int64_t thread_cpu_ns(void);

void thread_lock_init(pthread_mutex_t *m);
void thread_lock(pthread_mutex_t *m);
void thread_unlock(pthread_mutex_t *m);
void thread_wait(pthread_cond_t *c, pthread_mutex_t *m);

/* Waits for at most timeout_ns; false where the time ran out. The condition must have been made
 * by thread_cond_init() (monotonic clock). */
bool thread_wait_for(pthread_cond_t *c, pthread_mutex_t *m, int64_t timeout_ns);
void thread_cond_init(pthread_cond_t *c);
void thread_wake(pthread_cond_t *c);
void thread_wake_all(pthread_cond_t *c);

#endif
