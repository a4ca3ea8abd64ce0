/* client/core/intern.h - texts that live for ever.
 *
 * Settings and the name of the process may change when the library is started again, while threads
 * of the host still read the texts of before. So a text is never freed: the same text again is the
 * same pointer, and there is a bound to how many different ones a process may have.
 *
 * Threads: one at a time (the lock of sonde_init() and fork()); what is returned: any.
 */
#ifndef CLIENT_CORE_INTERN_H
#define CLIENT_CORE_INTERN_H

enum { INTERN_MAX = 4096 }; /* different texts */

/* NULL: no memory, or the bound. Nobody writes to it. */
char *intern_text(const char *s);

#endif
