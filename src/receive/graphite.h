/* receive/graphite.h - Graphite's ways in: lines over TCP and UDP, pickles over TCP.
 *
 * Connections are read on the worker's loops, datagrams on a thread of their own. What has come is
 * committed in the background, one commit of a lane at a time; while much waits for it, the lane's
 * connections are not read, so that senders wait too.
 *
 * Flow:    os/listener, os/stream -> graphite_feed -> sink
 * Source:  Graphite, "Feeding in your data"; carbon's MetricPickleReceiver.
 * Threads: made, started, stopped and freed by one; the rest on the loops.
 */
#ifndef RECEIVE_GRAPHITE_H
#define RECEIVE_GRAPHITE_H

#include <stddef.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/option.h"
#include "model/sink.h"

struct loop;

/* [graphite] of the configuration. */
struct graphite_settings {
    struct option_list listen, listen_udp, listen_pickle, templates;
    const char *names;
    int64_t connections_max;
};

extern const struct option_table graphite_options;

/* Are the templates well formed? */
MUST_USE int graphite_settings_check(const struct graphite_settings *s, struct why *why);

struct graphite_config {
    struct sink *sink;
    const struct clock *clock;
    const struct graphite_settings *settings; /* outlives it */
    size_t loops;                             /* whose lanes are 0 .. loops - 1 */
    size_t lane;                              /* of datagrams */
};

struct graphite;

MUST_USE int graphite_new(const struct graphite_config *config, struct graphite **ret,
                          struct why *why);

/* Takes over a listening socket for lines, or for pickles, on a loop that does not run yet or on
 * its thread. lane is the number of the loop. */
MUST_USE int graphite_listen(struct graphite *g, struct loop *l, size_t lane, int fd, bool pickles,
                             struct why *why);

/* Reads datagrams of these sockets (none is fine), which it borrows, from now on. */
MUST_USE int graphite_receive(struct graphite *g, const int *fds, size_t n, struct why *why);

/* Closes everything on the loops, which still run; what has come is committed. */
void graphite_stop(struct graphite *g);

/* After the loops have ended and before the sink is closed. NULL is fine. */
void graphite_free(struct graphite *g);

#endif
