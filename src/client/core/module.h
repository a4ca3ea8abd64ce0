/* client/core/module.h - what a part of the library is: a row of client/sonde/modules.tbl.h.
 *
 * Threads: start, stop and fork functions by the thread that calls sonde_init(), sonde_shutdown(),
 * fork().
 */
#ifndef CLIENT_CORE_MODULE_H
#define CLIENT_CORE_MODULE_H

#include <stdatomic.h>
#include <stdbool.h>

struct module {
    const char *name;
    /* 0, or a negative enum sonde_error with a sentence in problem [SETTING_PROBLEM_MAX]: then
     * sonde_init() undoes all and fails. NULL: nothing to do. Runs before the worker starts; may be
     * called again after stop(). */
    int (*start)(char *problem);
    /* On the worker (or the caller, where it does not run), before `stop` of any: hands what it has
     * to client/core/outgoing.h. Also for sonde_flush(). NULL is fine. */
    void (*flush)(void);
    void (*stop)(void); /* after the worker has ended; in reverse order */
    /* In a forked child that uses the library again, before its worker starts: forget what belongs
     * to the parent (descriptors without a goodbye, queues, sums). NULL is fine. */
    void (*fork_child)(void);
};

/* A forked child has no worker, and most children only call exec(): the library sleeps there until
 * it is used. slot_join() and the functions of client/sonde call this; modules whose public
 * functions take no slot do so too. Cheap: a relaxed load. */
extern _Atomic bool module_asleep;
void module_wake_slowly(void);
void module_on_wake(void (*wake)(void)); /* by client/sonde */
static inline void module_wake(void)
{
    if (__builtin_expect(atomic_load_explicit(&module_asleep, memory_order_relaxed), 0)) {
        module_wake_slowly();
    }
}

/* True between sonde_init() and sonde_shutdown(): the first thing that a public function looks at.
 */
extern _Atomic bool module_on;

/* True while sonde_shutdown() flushes for the last time: what is open ends now. */
extern _Atomic bool module_ending;

#endif
