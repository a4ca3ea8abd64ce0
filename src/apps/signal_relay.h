/* apps/signal_relay.h - the spool's signals, sent on: errors to a Sentry DSN, spans and logs to
 * OTLP/HTTP.
 *
 * A stream reads one queue of the spool in order and has one request on its way. How far it has
 * come is kept on disk; after a crash of the daemon the last ones may be sent again, and are known
 * to the server by their event_id. A server that is away, fails (5xx) or wants no more (429,
 * X-Sentry-Rate-Limits) is waited for: the spool holds what comes meanwhile. What it refuses (4xx)
 * is dropped and counted. Errors and what else comes in envelopes (sessions, ..) are streams of
 * their own, so that a limit for one holds up no other.
 *
 * Flow:    spool -> relay -> net/fetch
 * Source:  https://develop.sentry.dev/sdk/overview/ (envelopes, authentication), OTLP/HTTP
 * Threads: signal_relay_new, start, stop, free: one; the rest: any.
 */
#ifndef APPS_SIGNAL_RELAY_H
#define APPS_SIGNAL_RELAY_H

#include <stdint.h>

#include "apps/apps_settings.h"
#include "apps/signal_spool.h"
#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"

enum { SIGNAL_RELAY_STREAMS_MAX = 4, SIGNAL_RELAY_WHY_MAX = 200 };

struct signal_relay;

struct signal_relay_config {
    const struct apps_settings *settings;
    const struct apps_settings_sentry *sentry;
    struct signal_spool *spool;
    struct disk *disk;
    const struct clock *clock;
};

/* *ret is NULL where nothing is to be sent on. */
MUST_USE int signal_relay_new(const struct signal_relay_config *config, struct signal_relay **ret,
                              struct why *why);
void signal_relay_start(struct signal_relay *r); /* NULL is fine, here and below */
void signal_relay_stop(struct signal_relay *r);
void signal_relay_free(struct signal_relay *r);

/* Something is new in a queue. */
void signal_relay_wake(struct signal_relay *r);

struct signal_relay_facts {
    const char *name, *to; /* "errors", where to (without its key) */
    enum signal_spool_queue from;
    uint64_t behind; /* records that it has not come to */
    uint64_t sent, dropped, failures;
    uint64_t lost;                  /* that were gone from the spool before they were sent */
    int64_t waits_until;            /* wall time; 0: it does not wait */
    int64_t last_ms;                /* of the last success; 0: none */
    char why[SIGNAL_RELAY_WHY_MAX]; /* of the last failure; "" since a success */
};

/* The i-th stream; false where there is none. */
bool signal_relay_look(struct signal_relay *r, size_t i, struct signal_relay_facts *ret);

#endif
