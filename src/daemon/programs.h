/* daemon/programs.h - the programs that a configuration lets the worker have started.
 *
 * Flow:    configuration -> programs_draw() -> launch_fork() -> the worker's launcher
 * Threads: one.
 */
#ifndef DAEMON_PROGRAMS_H
#define DAEMON_PROGRAMS_H

#include <stddef.h>

#include "base/arena.h"
#include "daemon/config.h"
#include "launch/launch.h"

struct programs {
    struct arena arena;
    struct launch_program *v; /* [n] */
    size_t n, capacity;
};

/* The table for c, which it borrows from. */
void programs_draw(struct programs *p, const struct config *c);
void programs_done(struct programs *p);

/* Do both want the same commands of receivers? Else who works with before cannot start them. */
bool programs_same(const struct config *before, const struct config *next);

/* Adds a row; name and argv (ends with NULL) live as long as p. */
void programs_add(struct programs *p, struct launch_program row);

/* Where the helper program of that name is: beside this one, or where it is installed. Memory from
 * p. */
const char *programs_helper(struct programs *p, const char *name);

#endif
