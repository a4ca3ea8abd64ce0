#include "client/core/lost.h"

#include <stdatomic.h>

static _Atomic uint64_t count[LOST_CATEGORIES][LOST_REASONS];

void lost_add(enum lost_category category, enum lost_reason reason, uint64_t n)
{
    if (n) {
        atomic_fetch_add_explicit(&count[category][reason], n, memory_order_relaxed);
    }
}

uint64_t lost_count(enum lost_category category, enum lost_reason reason)
{
    return atomic_load_explicit(&count[category][reason], memory_order_relaxed);
}

const char *lost_category_name(enum lost_category category)
{
    static const char *const names[LOST_CATEGORIES] = {
        [LOST_ERROR] = "error",           [LOST_SPAN] = "span",       [LOST_LOG] = "log_item",
        [LOST_BREADCRUMB] = "breadcrumb", [LOST_SESSION] = "session", [LOST_METRIC] = "metric",
        [LOST_OPERATION] = "operation",   [LOST_FRAME] = "frame",
    };
    return names[category];
}

const char *lost_reason_name(enum lost_reason reason)
{
    static const char *const names[LOST_REASONS] = {
        [LOST_RING_FULL] = "buffer_overflow",
        [LOST_QUEUE_FULL] = "queue_overflow",
        [LOST_RATE_LIMIT] = "client_rate_limit",
        [LOST_SERVER_LIMIT] = "ratelimit_backoff",
        [LOST_DEDUPLICATED] = "deduplicated",
        [LOST_SAMPLED] = "sample_rate",
        [LOST_BEFORE_SEND] = "before_send",
        [LOST_REFUSED] = "send_error",
        [LOST_TOO_BIG] = "too_big",
        [LOST_MEMORY] = "no_memory",
    };
    return names[reason];
}
