/* client/error/session_sums.h - sessions of a server's requests: how many ended how, by the minute
 * in which they began.
 *
 * Threads: session_sums_add(): any, without locks; session_sums_flush(): as of outgoing_put().
 */
#ifndef CLIENT_ERROR_SESSION_SUMS_H
#define CLIENT_ERROR_SESSION_SUMS_H

#include <stdbool.h>
#include <stdint.h>

enum { SESSION_SUMS_MINUTES = 64 }; /* a request that took longer counts for the earliest minute */

void session_sums_add(int64_t started_unix_ns, int status, bool errored);
/* Hands over the sums of all minutes as one "sessions" item; at most once a minute but where
 * everything must go. */
void session_sums_flush(bool everything);
void session_sums_clear(void);

#endif
