/* client/operation/operation_total.h - what is known of some operations, added up: of one, or of
 * all of a service. What the C interface, the commands and the metrics say comes from here.
 *
 * Threads: any; takes pace_lock() and the mutex of slot_each() for microseconds.
 */
#ifndef CLIENT_OPERATION_OPERATION_TOTAL_H
#define CLIENT_OPERATION_OPERATION_TOTAL_H

#include "client/operation/operation.h"
#include "client/operation/tally.h"

struct operation_total {
    struct tally_sum sum;
    struct buckets_sum buckets;
    struct {
        double count, failed; /* a second */
    } rate_1s, rate_10s, rate_60s;
    uint64_t operations, first_ticks, last_error_ticks;
    char last_error[SONDE_OPERATION_ERROR_MAX];
    uint64_t now_ticks;
};

void operation_total_begin(struct operation_total *t);
void operation_total_add(struct operation_total *t, sonde_operation *o);

/* As the application sees it; operation is NULL for a service. */
void operation_total_info(const struct operation_total *t, const char *service,
                          const char *operation, sonde_operation_info *ret);

/* One operation, from begin to info. */
void operation_total_of(sonde_operation *o, sonde_operation_info *ret);

#endif
