/* base/must.h - bugs end the process.
 *
 * must() states what only a bug in this program can break; it is on in release builds too, prints
 * where and what to standard error and aborts, and the parent process restarts the worker. What
 * the network, a file or the operating system can cause is never a must.
 *
 * Threads: any.
 */
#ifndef BASE_MUST_H
#define BASE_MUST_H

#include "base/attr.h"

/* Prints "file:line: function: must hold: text" and aborts. */
NORETURN COLD void must_fail(const char *file, int line, const char *function, const char *text);

#define must(condition)                                                                            \
    (LIKELY(condition) ? (void)0 : must_fail(__FILE__, __LINE__, __func__, #condition))
#define must_not_reach() must_fail(__FILE__, __LINE__, __func__, "this line is not reached")

#endif
