/* sonde/crash.h - crashes: recorded as they happen, sent at once or at the next start.
 *
 * Nothing needs to be called: sonde_init() installs handlers for SIGSEGV, SIGABRT, SIGFPE, SIGBUS,
 * SIGILL, SIGSYS and SIGTRAP (settings crash.enabled, crash.signals). A crash becomes one event
 * with its stack; then the program's own handler is called, or the signal's default action happens:
 * exit status and core dump are as without the library. A program that ended without a word
 * (killed, out of memory, power) is told at the next start as an abnormal session.
 *
 * A program that ends on purpose by _exit() or exec() calls sonde_shutdown() before, otherwise its
 * end looks like one without a word.
 *
 * Threads: any. Not for signal handlers.
 */
#ifndef SONDE_CRASH_H
#define SONDE_CRASH_H

#include <sonde/core.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Gives the calling thread an alternative stack, so that an overflow of its own stack can be
 * recorded. Threads that count, measure, trace or log anything have one by their first call; so has
 * the thread that called sonde_init(). 0, SONDE_ERROR_STATE, SONDE_ERROR_MEMORY. */
SONDE_API int sonde_crash_thread(void);

/* A record of this moment, as after a crash: the caller's stack, threads, breadcrumbs, open spans
 * and operations, modules. It is sent as an event of the level info with reason as its message; the
 * program goes on. Takes a few milliseconds. 0, SONDE_ERROR_STATE, SONDE_ERROR_MEMORY,
 * SONDE_ERROR_TIMEOUT (it is being sent). */
SONDE_API int sonde_crash_record_now(const char *reason);

/* A core file of this moment: a forked child aborts with the limit of core files raised as far as
 * it goes; where the file goes is the system's matter (/proc/sys/kernel/core_pattern). Waits for
 * its end, at most timeout_ms. 0, SONDE_ERROR_TIMEOUT, SONDE_ERROR_SYSTEM, SONDE_ERROR_UNSUPPORTED:
 * the system writes none. */
SONDE_API int sonde_crash_core(unsigned timeout_ms);

/* How an earlier run of this service that nobody had asked about before ended, as sonde_init() has
 * found it. */
enum sonde_crash_last {
    SONDE_CRASH_LAST_CLEAN = 0, /* on purpose; or nothing is known */
    SONDE_CRASH_LAST_CRASHED = 1,
    SONDE_CRASH_LAST_ABNORMAL = 2, /* without a word */
};
SONDE_API int sonde_crash_last_run(void);

#ifdef __cplusplus
}
#endif
#endif
