/* receive/pushgateway_body.h - a pushed body as families of a group.
 *
 * Text, OpenMetrics and protobuf (delimited). The grouping's labels take the place of those that
 * the metrics have. A body that is wrong anywhere is refused as a whole, as Pushgateway does it.
 *
 * Threads: one per call.
 */
#ifndef RECEIVE_PUSHGATEWAY_BODY_H
#define RECEIVE_PUSHGATEWAY_BODY_H

#include "receive/pushgateway_groups.h"

enum pushgateway_format {
    PUSHGATEWAY_TEXT,
    PUSHGATEWAY_OPENMETRICS,
    PUSHGATEWAY_PROTOBUF,
};

/* *ret [n] is an array of memory that mem_free() frees; the families are the caller's. -ERR_FORMAT
 * with the sentence for the sender. */
MUST_USE int pushgateway_body_read(struct str body, enum pushgateway_format format,
                                   const struct pushgateway_grouping *grouping,
                                   struct pushgateway_family ***ret, size_t *ret_n,
                                   struct why *why);

#endif
