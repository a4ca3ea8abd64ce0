/* os/spawn.h - starts a foreign program in a process group of its own.
 *
 * Unlike os/child.h there is no channel to it: who starts it reaps it (spawn_reap) and ends it by
 * its group. It is killed when this process dies.
 *
 * Threads: one, the only one of its process.
 */
#ifndef OS_SPAWN_H
#define OS_SPAWN_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/err.h"

struct spawn_config {
    const char *const *argv; /* ends with NULL; argv[0] is a path or is looked up in PATH */
    const char *folder;      /* working directory; NULL: / */
    bool input;              /* a pipe to its standard input; else that is /dev/null */
};

struct spawn {
    int pid;
    int input, output, error; /* this side's ends of the pipes: closed on exec, input -1 for none;
                               * output and error do not block */
};

/* -ERR_NOENT where there is no such program, -ERR_DENIED where it may not be run. Waits until the
 * program has begun or could not. */
MUST_USE int spawn_start(const struct spawn_config *config, struct spawn *ret, struct why *why);

/* Sends a signal to the group of a process that was started here. */
void spawn_signal(int pid, int signum);

/* A process of this one that has ended, and how: exit status, or *ret_signal. False where none has.
 */
bool spawn_reap(int *ret_pid, int *ret_status, int *ret_signal);

/* A copy of this process, for a part that goes its own way: 0 in the copy, its number here. */
MUST_USE int spawn_copy(int *ret_pid);

/* In a copy: takes a name (at most 15 bytes, shown by top), lets go of every descriptor but keep
 * and the standard ones, and of the signal handling that came along. */
void spawn_alone(const char *name, int keep);

/* A descriptor that becomes readable when a process of this one ends, until spawn_watched(). */
MUST_USE int spawn_watch(int *ret_fd);
void spawn_watched(int fd);

#endif
