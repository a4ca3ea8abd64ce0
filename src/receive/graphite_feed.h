/* receive/graphite_feed.h - Graphite's lines and pickles into the sink, on one lane.
 *
 * Nobody is answered in these protocols: what is bad or cannot be stored is counted, and shown in
 * the log now and then.
 *
 * Flow:    codec/graphite.h, codec/pickle.h -> batch -> sink
 * Threads: the lane's.
 */
#ifndef RECEIVE_GRAPHITE_FEED_H
#define RECEIVE_GRAPHITE_FEED_H

#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/graphite.h"
#include "model/sink.h"

/* What all feeds share. */
struct graphite_shared {
    struct sink *sink;
    const struct clock *clock;
    struct tenant *tenant;
    struct graphite_plan plan; /* but for the time */
};

struct graphite_feed {
    const struct graphite_shared *shared;
    size_t lane;
    uint64_t fresh; /* samples taken since the owner set it to 0 */
    struct graphite_plan plan;
    struct graphite_reader reader;
    struct batch batch;
    struct sides sides;
    struct arena arena; /* of a pickle */
};

/* Registers what feeds count; once. */
void graphite_feed_register(void);

void graphite_feed_init(struct graphite_feed *f, const struct graphite_shared *shared, size_t lane);
void graphite_feed_done(struct graphite_feed *f);

/* Whole lines of peer (and perhaps a last one without a line end). */
void graphite_feed_lines(struct graphite_feed *f, struct str text, const char *peer);

/* One pickle: [(path, (time, value)), ...]. Not 0 where it is damaged as a whole. */
MUST_USE int graphite_feed_pickle(struct graphite_feed *f, struct str bytes, const char *peer,
                                  struct why *why);

/* The commit of a lane has failed: samples of it are not durable. */
void graphite_feed_failed(int err, uint64_t samples);

#endif
