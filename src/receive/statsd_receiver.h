/* receive/statsd_receiver.h - StatsD's sockets and the thread that reads them.
 *
 * Flow:    sockets of the parent -> datagram_thread -> statsd_aggregator -> sink
 * Threads: made, started and freed by one.
 */
#ifndef RECEIVE_STATSD_RECEIVER_H
#define RECEIVE_STATSD_RECEIVER_H

#include <stddef.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "receive/statsd_aggregator.h"

struct statsd_receiver;

MUST_USE int statsd_receiver_new(const struct statsd_plan *plan, const struct clock *clock,
                                 struct statsd_receiver **ret, struct why *why);

/* Reads these datagram sockets from now on; none are fine. */
MUST_USE int statsd_receiver_start(struct statsd_receiver *r, const int *fds, size_t n,
                                   struct why *why);

/* Writes what has come and ends; the sink lives on until then. NULL is fine. */
void statsd_receiver_free(struct statsd_receiver *r);

#endif
