/* os/program.h - starts a program that outlives its starter if need be, and hears of its end.
 *
 * Unlike os/spawn.h and os/child.h it is not killed with this process, has a session of its own,
 * may run as another user and begin its life inside a cgroup, and is known by a descriptor (pidfd)
 * that becomes readable when it has ended, also where it is no child of this process.
 *
 * Source:  Linux: clone3(2), pidfd_open(2), pidfd_send_signal(2), waitid(2), prctl(2).
 * Threads: one.
 */
#ifndef OS_PROGRAM_H
#define OS_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

enum { PROGRAM_GROUPS_MAX = 256 };

/* Who to be. */
struct program_user {
    bool other; /* false: as this process */
    unsigned uid, gid;
    unsigned groups[PROGRAM_GROUPS_MAX];
    size_t groups_n;
    char home[256], shell[256], name[64];
};

/* "name" or "name:group"; "" is this process's own. */
MUST_USE int program_user_find(const char *name, struct program_user *ret, struct why *why);

struct program_config {
    const char *const *argv; /* ends with NULL; argv[0] is a path or is looked up in PATH */
    const char *const *environment;
    char *pid_slot;     /* in one of its texts: the program's number is written there; NULL */
    const char *folder; /* working directory; "" this one's */
    const struct program_user *user;
    int output, error;    /* its standard output and error */
    int cgroup_fd;        /* directory of a cgroup v2 to begin in; -1 none */
    const int *procs_fds; /* [procs_n] cgroup.procs of cgroups to enter */
    size_t procs_n;
    int64_t files_max; /* limit of open descriptors; 0 as it is */
};

/* How a program ended. */
struct program_end {
    bool known;    /* false: it was no child of this process */
    bool signaled; /* code is a signal */
    bool core;     /* the kernel wrote its memory */
    int code;
};

/* Returns when it runs or could not be executed: then *ret_errnum says why, and which step it was
 * stands in why. *ret_cgroup: it began inside cgroup_fd. */
MUST_USE int program_start(const struct program_config *config, int *ret_pid, int *ret_pidfd,
                           bool *ret_cgroup, int *ret_errnum, struct why *why);

/* -ERR_NOENT where there is no such process. */
MUST_USE int program_pidfd(int pid, int *ret_pidfd);

/* Signals to a process by descriptor, to a process group, to a process. */
void program_signal(int pidfd, int signum);
void program_signal_group(int pgid, int signum);
void program_signal_pid(int pid, int signum);

/* The next child of this process that has ended, without reaping it: 0 where none has. */
int program_ended(void);

/* Reaps that child; false where it has not ended or is no child. */
bool program_reap(int pid, struct program_end *ret);

/* Has the process behind pidfd ended? */
bool program_gone(int pidfd);

/* Orphans of this process's descendants become its children. */
void program_adopt_orphans(void);

/* Descriptors that this process inherited are closed on exec; it may have as many as the hard limit
 * allows. Returns the limit as it was. */
int64_t program_own_descriptors(void);

/* For an exec that hands descriptors over. */
void program_keep_on_exec(int fd, bool keep);

/* A pipe for a program's output: the program's end is open for reading too, so that a supervisor
 * that has died breaks no pipe; this side's end does not block. */
MUST_USE int program_pipe(int *ret_read, int *ret_write);

/* The reading end of the pipe that is descriptor `of` (1 or 2) of another process, which
 * program_pipe() made: its inode says so (0: any pipe). -ERR_NOENT where it is another one. */
MUST_USE int program_pipe_again(int pid, int of, uint64_t inode, int *ret_read);
uint64_t program_inode(int fd);

/* Turns this process into argv[0]; returns only where that fails: -ERR_x. */
MUST_USE int program_become(const char *const *argv, struct why *why);

#endif
