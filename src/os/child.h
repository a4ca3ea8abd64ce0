/* os/child.h - one process that this one starts, watches and ends.
 *
 * The child gets a channel as descriptor 3, the given descriptors behind it in their order, and
 * nothing else that is open here. Its standard error comes back through child_output(). It is
 * killed when this process dies.
 *
 * Threads: one.
 */
#ifndef OS_CHILD_H
#define OS_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

enum {
    CHILD_CHANNEL_FD = 3, /* in the child */
    CHILD_FIRST_FD = 4,   /* the first of child_config.fds, in the child */
    CHILD_FDS_MAX = 256,
};

struct child_config {
    const char *path;        /* the program; "/proc/self/exe" is this one */
    const char *const *argv; /* ends with NULL */
    const int *fds;          /* [fds_n], borrowed for the call */
    size_t fds_n;
};

/* How a child ended. */
struct child_end {
    bool signaled;
    int code; /* exit status, or the signal */
};

struct child;

MUST_USE int child_start(const struct child_config *config, struct child **ret, struct why *why);

int child_pid(const struct child *c);

/* Becomes readable when the child has ended, has said and has printed something. */
int child_end_fd(const struct child *c);
int child_channel_fd(const struct child *c);
int child_output_fd(const struct child *c); /* -1 after its end */

/* Reads what it printed, at most n bytes; 0 where there is nothing now or any more. */
size_t child_output(struct child *c, char *p, size_t n);

/* Sends it a signal; nothing happens where it has ended. */
void child_signal(struct child *c, int signum);

/* True once it has ended, and how. Does not wait. */
bool child_ended(struct child *c, struct child_end *ret);

/* Kills it where it still runs, waits for its end and frees c. NULL is fine. */
void child_free(struct child *c);

#endif
