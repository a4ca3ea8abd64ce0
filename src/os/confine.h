/* os/confine.h - gives up what this process will never need: landlock for paths, seccomp for calls.
 *
 * Afterwards only the named paths can be opened, no program can be started, no memory made
 * executable, no port bound, and no kernel call made beyond what a daemon of threads, sockets and
 * files needs: starting programs, tracing and mounting kill the process, everything else unknown
 * answers ENOSYS. It works for an ordinary user. What the kernel lacks is left out and told.
 *
 * Source:  Linux's documentation of landlock (ABI 1 to 6) and seccomp.
 * Threads: before any other thread is started; those inherit it.
 */
#ifndef OS_CONFINE_H
#define OS_CONFINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"

struct confine_path {
    const char *path;
    bool write; /* else files are read and directories listed only */
};

/* Confines paths to these [n]; those that are not there are skipped. -ERR_UNSUPPORTED where the
 * kernel has no landlock (or one too old to allow renames), and nothing is confined. */
MUST_USE int confine_paths(const struct confine_path *paths, size_t n, struct why *why);

/* Confines kernel calls. -ERR_UNSUPPORTED where the kernel has no seccomp. */
MUST_USE int confine_calls(struct why *why);

#endif
