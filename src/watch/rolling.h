/* watch/rolling.h - several instances of a program: who of them gets requests, and restarts one
 * after the other.
 *
 * It hears from the engine which units are fit and passes that on (rotation.h); when one is to be
 * stopped it says when its connections are over. A restart of a program with `rolling` becomes a
 * queue: a unit is restarted, and the next one only when it is fit again; one that is given up
 * meanwhile ends the queue, and the others run on as they are.
 *
 * Flow:    control socket, plan -> rolling_restart() -> engine -> fit -> next
 * Threads: the loop's.
 */
#ifndef WATCH_ROLLING_H
#define WATCH_ROLLING_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "watch/engine.h"

struct rolling;

/* Hears of e from here on; adopted: rolling_keep() of the image before, or "". */
MUST_USE int rolling_new(struct loop *l, struct engine *e, struct str adopted,
                         struct rolling **ret);
void rolling_free(struct rolling *r); /* before the engine; NULL is fine */

/* Restarts u, at once or when its turn comes. */
void rolling_restart(struct rolling *r, struct engine_unit *u);

/* Does u wait for its turn, or is it not back yet? */
bool rolling_pending(const struct rolling *r, const struct engine_unit *u);

/* Lets the proxies bring back the answers that are due, at most ROLLING_QUIET_MS, taking no new
 * connections; then calls done. At once where there is none. rolling_resume() goes on instead. */
enum { ROLLING_QUIET_MS = 5000 };
void rolling_quiet(struct rolling *r, void (*done)(void *context), void *context);
void rolling_resume(struct rolling *r);

/* Before an exec: listening sockets survive it; the text is for rolling_new(). */
void rolling_keep(struct rolling *r, struct buf *out);

#endif
