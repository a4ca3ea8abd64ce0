/* client/error/session.h - release health: a session from start to end, and how it ended.
 *
 * Threads: any; session_raw(): signal handlers.
 */
#ifndef CLIENT_ERROR_SESSION_H
#define CLIENT_ERROR_SESSION_H

#include <stdint.h>

#include "client/core/text.h"

struct session_state {
    uint8_t id[16];
    int64_t started_unix_ns;
    uint32_t errors; /* that were captured in it */
    uint32_t sequence;
    char user[64]; /* distinct id; "" for none */
    uint8_t open;  /* 0: none */
    uint8_t pad[7];
};

/* A copy of the open session for a crash record. */
void session_raw(struct session_state *ret);
/* The JSON of the session item for one that ended as `status` ("crashed", "abnormal", "exited"). */
void session_json(const struct session_state *s, const char *status, int64_t ended_unix_ns,
                  struct text *ret);

#endif
