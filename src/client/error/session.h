/* client/error/session.h - release health: a session from start to end, and how it ended.
 *
 * In the mode "program" one session is open at a time; each change (start, first error, user, end)
 * is queued as an item and handed to client/core/outgoing.h by session_flush(). In the mode
 * "request" only sums by minute are kept.
 *
 * Who must know the open session although this process dies without a word (client/crash) gives
 * memory in a mapped file by session_mirror(): it holds the state at any time.
 *
 * Threads: any; session_raw(): signal handlers; session_flush(): as of outgoing_put().
 */
#ifndef CLIENT_ERROR_SESSION_H
#define CLIENT_ERROR_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "client/core/text.h"

enum { SESSION_TEXT_MAX = 128 };

struct session_state {
    uint8_t id[16];
    int64_t started_unix_ns;
    uint32_t errors; /* that were captured in it */
    uint32_t sequence;
    char user[64]; /* distinct id; "" for none */
    uint8_t open;  /* 0: none */
    uint8_t pad[7];
    char release[SESSION_TEXT_MAX], environment[SESSION_TEXT_MAX];
};

/* A copy of the open session for a crash record. */
void session_raw(struct session_state *ret);
/* The JSON of the session item for one that ended as `status` ("crashed", "abnormal", "exited"). */
void session_json(const struct session_state *s, const char *status, int64_t ended_unix_ns,
                  struct text *ret);
/* An envelope with nothing but that item, ready for outgoing_put() (category "session"). */
void session_envelope(const struct session_state *s, const char *status, int64_t ended_unix_ns,
                      struct text *ret);

/* Keeps a copy of the state in *place from now on (NULL: no longer). */
void session_mirror(struct session_state *place);

/* Counts an error into what is open; a few nanoseconds but for a session's first one. */
void session_error(void);
void session_user(const char *id); /* of events and sessions from now on; "" for none */

void session_begin(void);            /* module start: setting session.auto */
void session_flush(bool everything); /* also the sums of this minute */
void session_finish(void);           /* shutdown: ends what is open as exited */
void session_fork_child(void);

#endif
