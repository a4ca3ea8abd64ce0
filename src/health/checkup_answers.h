/* health/checkup_answers.h - what servers answer to the first words of their protocols, read: the
 * parts of checks that get bytes from strangers.
 *
 * Source:  PostgreSQL's protocol 3.0, MySQL's client/server protocol (HandshakeV10), RESP,
 *          grpc.health.v1.
 * Threads: pure functions.
 */
#ifndef HEALTH_CHECKUP_ANSWERS_H
#define HEALTH_CHECKUP_ANSWERS_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "health/checkup_kind.h"

/* All of them: 1: judged (r is filled), 0: more is to come, -ERR_FORMAT with why. */

/* A frame of HealthCheckResponse. */
void checkup_answers_grpc(struct str body, struct checkup_result *r);

/* PostgreSQL, to a start-up message. named: a user was given, so that a refusal is a failure. */
MUST_USE int checkup_answers_postgresql(struct str received, bool named, struct checkup_result *r,
                                        struct why *why);

/* MySQL and MariaDB. Begins with the greeting (*at is 0), to which send gets an answer without a
 * password, and goes on to the login's result. */
MUST_USE int checkup_answers_mysql(struct str received, const char *user, size_t *at,
                                   struct buf *send, struct checkup_result *r, struct why *why);

/* Redis: lines to AUTH (where one was sent) and PING. */
MUST_USE int checkup_answers_redis(struct str received, bool authenticates,
                                   struct checkup_result *r, struct why *why);

#endif
