/* client/core/identity.h - who this process is, in everything that leaves it.
 *
 * Threads: written by sonde_init() and in a forked child; read by any, also meanwhile: texts live
 * for ever.
 */
#ifndef CLIENT_CORE_IDENTITY_H
#define CLIENT_CORE_IDENTITY_H

#include <stdint.h>
#include <sys/types.h>

enum { IDENTITY_MAX = 256 }; /* bytes of a text, with its NUL */

struct identity {
    char *_Atomic service;  /* the setting, or the name of the executable */
    char *_Atomic instance; /* the setting, or "HOST:PID" */
    char *_Atomic host;
    char *_Atomic executable; /* path */
    _Atomic pid_t pid;
    _Atomic int64_t started_unix_ns; /* when sonde_init() was called, or the fork */
};

extern struct identity identity;
void identity_load(void);

#endif
