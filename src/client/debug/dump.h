/* client/debug/dump.h - `state` and `dump`: what the application shows of itself.
 *
 * Threads: any; one lock, held while a callback runs.
 */
#ifndef CLIENT_DEBUG_DUMP_H
#define CLIENT_DEBUG_DUMP_H

#include <stdbool.h>

void dump_start(void); /* adds the commands */

/* Letters, digits, '-', '_', '.', from 1 to 63 of them? */
bool dump_name_good(const char *name);

#endif
