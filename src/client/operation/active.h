/* client/operation/active.h - operations that have begun and not ended, for frames, crash records
 * and the debug interface.
 *
 * Threads: any reader; active_raw(): signal handlers.
 */
#ifndef CLIENT_OPERATION_ACTIVE_H
#define CLIENT_OPERATION_ACTIVE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct active_operation {
    const char *service, *operation; /* names of the registry: live for ever */
    uint64_t start_ticks;
    pid_t tid; /* of the thread that began it */
};
/* As current_each(). */
size_t active_each(struct active_operation *ret, size_t cap, pid_t tid);
size_t active_raw(struct active_operation *ret, size_t cap);

#endif
