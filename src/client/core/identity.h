/* client/core/identity.h - who this process is, in everything that leaves it.
 *
 * Threads: written by sonde_init() and in a forked child, before the worker runs; then only read.
 */
#ifndef CLIENT_CORE_IDENTITY_H
#define CLIENT_CORE_IDENTITY_H

#include <stdint.h>
#include <sys/types.h>

enum { IDENTITY_MAX = 256 };

struct identity {
    char service[IDENTITY_MAX];  /* the setting, or the name of the executable */
    char instance[IDENTITY_MAX]; /* the setting, or "HOST:PID" */
    char host[IDENTITY_MAX];
    char executable[IDENTITY_MAX]; /* path */
    pid_t pid;
    int64_t started_unix_ns; /* when sonde_init() was called, or the fork */
};

extern struct identity identity;
void identity_load(void);

#endif
