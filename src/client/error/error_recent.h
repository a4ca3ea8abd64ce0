/* client/error/error_recent.h - the last errors that were captured, for who asks.
 *
 * Threads: any; one lock.
 */
#ifndef CLIENT_ERROR_ERROR_RECENT_H
#define CLIENT_ERROR_ERROR_RECENT_H

#include <stdint.h>

#include "client/error/error_open.h"
#include "client/error/error_record.h"

enum { ERROR_RECENT_MAX = 64 };

/* An error was kept; type and message are masked already. */
void error_recent_add(const struct error_record *r, const char *type, const char *message);
/* How it ended. */
void error_recent_end(sonde_error_ref ref, int outcome, unsigned retries, double seconds);
void error_recent_start(void); /* the command `captured` */
void error_recent_reset(void);

#endif
