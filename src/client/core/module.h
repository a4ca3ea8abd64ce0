/* client/core/module.h - what a part of the library is: a row of client/sonde/modules.tbl.h.
 *
 * Threads: start, stop and fork functions by the thread that calls sonde_init(), sonde_shutdown(),
 * fork().
 */
#ifndef CLIENT_CORE_MODULE_H
#define CLIENT_CORE_MODULE_H

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
    void (*stop)(void);       /* after the worker has ended; in reverse order */
    void (*fork_child)(void); /* in the child: forget what belongs to the parent */
};

/* True between sonde_init() and sonde_shutdown(): the first thing that a public function looks at. */
extern _Atomic bool module_on;

#endif
