/* client/send/direct.h - without a daemon (or beside it, setting send.also): envelopes to a Sentry
 * DSN, spans and logs to an OTLP/HTTP endpoint.
 *
 * One request at a time to each of them. What they did not take stays in the queue: 5xx, 408 and no
 * answer are tried again after a growing wait or after Retry-After. As Sentry asks of its clients,
 * what falls under a rate limit of the DSN is dropped and counted; so is what is refused for good.
 *
 * Source:  develop.sentry.dev (envelopes, rate limiting); OTLP 1, "OTLP/HTTP"
 * Threads: the worker, or whoever stands for it; direct_sent(), direct_info(): any.
 */
#ifndef CLIENT_SEND_DIRECT_H
#define CLIENT_SEND_DIRECT_H

#include <stdbool.h>
#include <stdint.h>

#include "client/core/jot.h"
#include "client/send/queue.h"

/* Reads the settings dsn, otlp.endpoint, otlp.headers, send.also and what the environment says in
 * their place; a bad setting: SONDE_ERROR_ARGUMENT with a sentence in problem
 * [SETTING_PROBLEM_MAX]. A bad SENTRY_DSN or OTEL_.. is left out, and direct_info() says so. */
int direct_start(char *problem, void (*changed)(void));
void direct_stop(void);
void direct_fork_child(void);

/* Is there somebody for this kind, and is it to go there beside the daemon? */
bool direct_takes(enum spool_kind kind);
bool direct_also(enum spool_kind kind);

/* Begins requests for kinds of which there is something; allowed: without send.also too. */
void direct_pump(bool allowed);
/* Is a request under way, or could one begin for what was put up to this order? */
bool direct_busy(bool allowed, uint64_t order);

uint64_t direct_sent(enum spool_kind kind);
void direct_info(struct jot *j); /* a member of the open object */

#endif
