/* client/operation/operation.h - the registry of services and operations, inside.
 *
 * Operations are never removed, so a handle is a pointer for ever and readers walk the registry
 * without a lock. What is counted of an operation lies elsewhere: in each thread's tally (tally.h),
 * with what needs all threads (slowest.h, failure.h, pace.h) here.
 *
 * Threads: operation_at(), operation_find(): any; the first line of a struct is read by every begin
 * and end, and written where an option, a reset or a slow call changes it.
 */
#ifndef CLIENT_OPERATION_OPERATION_H
#define CLIENT_OPERATION_OPERATION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/operation/failure.h"
#include "client/operation/pace.h"
#include "client/operation/slowest.h"
#include "sonde/operation.h"

enum {
    OPERATION_MAX = 10000, /* the setting operation.max may go so far */
    OPERATION_LINE = 64,   /* bytes of a cache line */
};

struct tally;

struct operation_service {
    char name[SONDE_OPERATION_NAME_MAX + 1];
    _Atomic uint64_t first_ticks; /* of its first call; 0: none yet */
};

struct sonde_operation {
    _Alignas(OPERATION_LINE) uint32_t index; /* its number in the registry */
    _Atomic uint32_t epoch;                  /* counts resets: tallies of others are stale */
    _Atomic uint64_t slow_ns;                /* calls longer than this may be among the slowest */
    _Atomic bool spans;
    struct operation_service *service;
    char name[SONDE_OPERATION_NAME_MAX + 1];

    _Alignas(OPERATION_LINE) _Atomic uint64_t first_ticks; /* of its first call; 0: none yet */
    _Atomic uint64_t since_ticks;                          /* of its first call or the last reset */
    _Atomic uint64_t unkept; /* begun and ended where no tally could be had for the end */
    struct tally *ended;     /* of threads that ended; under the mutex of slot_each() */
    struct slowest slowest;
    struct failure failure;
    struct pace pace;
};

/* How many there are, and the i-th of them (in the order in which they were made). */
size_t operation_count(void);
sonde_operation *operation_at(size_t i);
sonde_operation *operation_find(const char *service, const char *operation);
uint64_t operation_overflow(void); /* calls of get that were given "other" */

/* Those of a service (NULL: of all) in the order of names; free() the list. 0 also where there is
 * no memory. */
size_t operation_sorted(const char *service, sonde_operation ***ret);

/* The reset of one: under no lock. */
void operation_forget(sonde_operation *o);

/* Marks the time of a first call; cheap where it is there. */
void operation_called_first(sonde_operation *o, uint64_t ticks);

void operation_source_start(void);
void operation_source_stop(void);
void operation_command_start(void);

#endif
