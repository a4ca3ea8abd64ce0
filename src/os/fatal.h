/* os/fatal.h - last words: a stack trace on standard error when the process dies of a signal.
 *
 * The handler uses nothing that needs a lock or memory, and the signal then does what it would
 * have done. Where a sanitizer has its own handlers they are left alone.
 *
 * Threads: installed once by the main thread; works on all.
 */
#ifndef OS_FATAL_H
#define OS_FATAL_H

/* SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS. */
void fatal_install(void);

/* "SIGSEGV", or "signal" where it has no name. */
const char *fatal_name(int signum);

#endif
