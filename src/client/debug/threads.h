/* client/debug/threads.h - the command `threads`: where each thread is now.
 *
 * Threads: as of client/core/command.h.
 */
#ifndef CLIENT_DEBUG_THREADS_H
#define CLIENT_DEBUG_THREADS_H

void threads_commands(void);

#endif
