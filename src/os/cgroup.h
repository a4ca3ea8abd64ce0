/* os/cgroup.h - groups of processes that no process can leave, and the kernel's limits for them.
 *
 * Version 2 where a directory can be made below this process's own (as root, or delegated by a
 * service manager), also where it has no controllers because version 1 has them; then limits are
 * set there. Without either, everything here says -ERR_UNSUPPORTED and why.
 *
 * Source:  Linux: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/.
 * Threads: one.
 */
#ifndef OS_CGROUP_H
#define OS_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "os/process.h"

enum { CGROUP_PATH_MAX = 512, CGROUP_LIMITS = 3, CGROUP_NAME_MAX = 160 };

/* Where groups can be made; plain data. */
struct cgroup_root {
    char tree[CGROUP_PATH_MAX];               /* "" nowhere */
    bool second;                              /* tree is of version 2 */
    bool controls[CGROUP_LIMITS];             /* memory, pids, cpu: in tree */
    char old[CGROUP_LIMITS][CGROUP_PATH_MAX]; /* those of version 1; "" none */
};

/* Makes a directory of that name for all groups of this process. Where there is none, why says
 * why. */
void cgroup_root_open(const char *name, struct cgroup_root *ret, struct why *why);

/* Removes the directories that are empty. */
void cgroup_root_close(const struct cgroup_root *r);

struct cgroup_limits {
    int64_t memory_max, pids_max, cpu_percent; /* 0: none */
};

struct cgroup {
    char path[CGROUP_PATH_MAX + CGROUP_NAME_MAX + 2];               /* "" none */
    char old[CGROUP_LIMITS][CGROUP_PATH_MAX + CGROUP_NAME_MAX + 2]; /* "" none */
    bool second;
    bool stale;     /* it was there before, or all in it was killed: remove it, make it anew */
    int64_t killed; /* by the kernel for want of memory, as of the last look */
};

/* Makes the group name or takes the one that is there. What could not be had is said in why
 * (-ERR_UNSUPPORTED where a limit is not set; the group itself may be there all the same). */
int cgroup_make(const struct cgroup_root *r, const char *name, const struct cgroup_limits *limits,
                struct cgroup *ret, struct why *why);
void cgroup_remove(const struct cgroup *g);

/* To begin a program inside: the directory (version 2, else -1) and cgroup.procs of the others, at
 * most CGROUP_LIMITS + 1; where not at its birth, cgroup.procs of all. Closed by cgroup_entered().
 * A stale group is not one to be born in: Linux (6.14 to 6.18 at least) kills who is cloned into a
 * group in which all has been killed before. */
void cgroup_enter(const struct cgroup *g, bool at_birth, int *ret_fd,
                  int ret_procs[CGROUP_LIMITS + 1], size_t *ret_n);
void cgroup_entered(int fd, const int *procs, size_t n);

/* Appends the processes of the group and of groups that were made within; false: none is there. */
bool cgroup_processes(const struct cgroup *g, struct process_list *ret);

/* Kills all that is inside. */
void cgroup_kill(struct cgroup *g);

/* Bytes of memory of all inside, without what the kernel keeps of files; -1 where nobody counts. */
int64_t cgroup_memory(const struct cgroup *g);

/* How many processes the kernel has killed since the last call, for want of memory. */
int64_t cgroup_oom_kills(struct cgroup *g);

#endif
