/* client/core/lost.h - how much was dropped, of what, and why: never silent.
 *
 * Exported as the metric sonde_client_lost_total{category,reason}, by the command `info`, and as
 * Sentry's client reports.
 *
 * Threads: any; a relaxed atomic addition.
 */
#ifndef CLIENT_CORE_LOST_H
#define CLIENT_CORE_LOST_H

#include <stdint.h>

enum lost_category {
    LOST_ERROR,
    LOST_SPAN,
    LOST_LOG,
    LOST_BREADCRUMB,
    LOST_SESSION,
    LOST_METRIC,
    LOST_OPERATION,
    LOST_FRAME,
    LOST_CATEGORIES
};
enum lost_reason {
    LOST_RING_FULL,    /* the thread's ring had no room */
    LOST_QUEUE_FULL,   /* the queue or the spool had no room */
    LOST_RATE_LIMIT,   /* of the client */
    LOST_SERVER_LIMIT, /* 429 or rate limits of a server */
    LOST_DEDUPLICATED,
    LOST_SAMPLED,
    LOST_BEFORE_SEND, /* the application's hook said no */
    LOST_REFUSED,     /* the receiver called it bad */
    LOST_TOO_BIG,
    LOST_MEMORY,
    LOST_REASONS
};

void lost_add(enum lost_category category, enum lost_reason reason, uint64_t n);
uint64_t lost_count(enum lost_category category, enum lost_reason reason);
const char *lost_category_name(enum lost_category category); /* "error", "span", .. */
const char *lost_reason_name(enum lost_reason reason); /* Sentry's words: "ratelimit_backoff".. */

#endif
