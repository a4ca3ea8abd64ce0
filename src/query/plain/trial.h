/* query/plain/trial.h - random queries about a made-up world, put to both evaluators.
 *
 * Threads: one.
 */
#ifndef QUERY_PLAIN_TRIAL_H
#define QUERY_PLAIN_TRIAL_H

#include "query/plain/expression.h"
#include "query/plain/versus.h"

/* A query: at once or over steps, on and off the beat. Its text goes to text. */
void trial_query(struct dice *d, const struct expression_shape *shape, struct buf *text,
                 struct versus_query *ret);

/* Asks that many and prints one line, and what differs. SONDE_PLAIN_QUERIES asks another number,
 * SONDE_PLAIN_SEED other ones, SONDE_PLAIN_ONLY that one alone; SONDE_SEEDS (under a sanitizer) at
 * most six times as many as it says. False where anything differs, where
 * most answers are empty or where many are unstable. */
bool trial_ask(struct versus *v, const struct expression_shape *shape, size_t queries);

#endif
