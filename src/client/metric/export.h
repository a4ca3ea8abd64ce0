/* client/metric/export.h - the exporter's lock: one export at a time, and what it reads stays.
 *
 * Threads: any. Order of locks: the exporter's, then those of modules (in their sources), then the
 * registry's, then that of slot_each().
 */
#ifndef CLIENT_METRIC_EXPORT_H
#define CLIENT_METRIC_EXPORT_H

#include <stdbool.h>

/* False where the calling thread is within an export already (a callback that asks for one). */
bool export_lock(void);
void export_unlock(void);
bool export_is_mine(void);
void export_fork_child(void); /* a thread that held it is not in the child */

#endif
