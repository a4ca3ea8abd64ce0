/* client/core/problem.h - the sentence behind sonde_last_problem(): why this thread's last call
 * failed.
 *
 * Threads: each has its own.
 */
#ifndef CLIENT_CORE_PROBLEM_H
#define CLIENT_CORE_PROBLEM_H

void problem_set(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *problem_get(void); /* "" for none; never NULL */

#endif
