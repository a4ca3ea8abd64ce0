/* client/debug/external.h - profilers that others wrote, where they are there: perf, gperftools,
 * Tracy, and the heap profilers of jemalloc and tcmalloc.
 *
 * Libraries are found in the process by dlsym(); perf is a program that is started, with the
 * library's signals unblocked, and ended by SIGINT.
 *
 * Threads: commands, on any; one lock.
 */
#ifndef CLIENT_DEBUG_EXTERNAL_H
#define CLIENT_DEBUG_EXTERNAL_H

void external_commands(void); /* adds `external` and `heap` */
void external_end(void);      /* ends what was started */

#endif
