/* receive/pushgateway.h - Prometheus Pushgateway's API: jobs that end push what they have to say.
 *
 *   PUT    /metrics/job/NAME{/LABEL/VALUE}  in place of all that the group had
 *   POST   /metrics/job/NAME{/LABEL/VALUE}  in place of the metrics that have the same names
 *   DELETE /metrics/job/NAME{/LABEL/VALUE}  ends the group
 *   GET    /api/v1/metrics, /api/v1/status  as Pushgateway answers; /api/pushgateway is shorter
 *
 * LABEL@base64 says that its value is base64 (RFC 4648, section 5). What is pushed is written at
 * each interval with the time of the write, as if it were scraped. X-Sonde-Lifetime: 2h makes a
 * group end by itself.
 *
 * Source:  Prometheus Pushgateway 1.5, README.
 * Threads: handlers run on their loops; a thread writes.
 */
#ifndef RECEIVE_PUSHGATEWAY_H
#define RECEIVE_PUSHGATEWAY_H

#include "base/option.h"
#include "receive/pushgateway_groups.h"
#include "receive/receiver.h"

enum {
    PUSHGATEWAY_BODY_MAX = 16 << 20,
    PUSHGATEWAY_UNPACKED_MAX = 32 << 20,
};

/* [pushgateway] of the configuration. */
struct pushgateway_settings {
    int64_t interval_ms, lifetime_ms, groups_max, bytes_max;
};

extern const struct option_table pushgateway_options;

extern const struct receiver_ops pushgateway_receiver;

/* The grouping that the path of a push names (without its tenant); memory from a. -ERR_FORMAT with
 * the sentence for the sender. */
MUST_USE int pushgateway_grouping_of(struct str path, struct arena *a,
                                     struct pushgateway_grouping *ret, struct why *why);

/* The groups as Pushgateway lists them. */
void pushgateway_list(struct pushgateway_groups *groups, struct buf *out);

/* One line for each group: labels, times, families. */
void pushgateway_list_short(struct pushgateway_groups *groups, struct buf *out);

#endif
