/* notify/outbox.h - the durable queue of messages, and who sends them.
 *
 * outbox_add() is called inside the transaction in which alert/ writes down that it has decided to
 * tell: either both are on disk or neither. A message leaves the queue when its receiver has taken
 * it, when it can never be taken (a 4xx), or when it has expired; a crash between the receiver's
 * answer and the removal sends it once more, with the same id. Each integration has a line of its
 * own: one that is down, slow or rate-limited delays no other, and messages of one group to one
 * integration keep their order. Later messages of a group replace earlier ones that still wait
 * unless they are about different alerts.
 *
 * Flow:    outbox_add() (any thread) -> state.db -> outbox's loop -> notifier -> removed, or again
 *          after 1, 2, 4 .. s (at most 5 min, with jitter; Retry-After goes before)
 * Threads: any; sending is on the module's own thread.
 */
#ifndef NOTIFY_OUTBOX_H
#define NOTIFY_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "launch/launch.h"
#include "notify/message.h"
#include "notify/notifier.h"
#include "store/state/state.h"

struct outbox;

/* Where the outbox finds the integrations that are in force: alert/config's receivers. Asked for
 * each attempt; NULL: the receiver is gone (the message is dropped, counted and logged). What it
 * returns stays until outbox_reload(). Threads: the outbox's. */
struct outbox_receivers {
    const struct notify_integration *(*find)(void *context, struct str receiver, struct str kind,
                                             uint32_t index);
    const struct template_set *templates;
    void *context;
};

struct outbox_config {
    struct state *state;
    const struct clock *clock;
    struct launcher *launcher; /* may be NULL */
    struct outbox_receivers receivers;
    int64_t expire_ms;       /* messages older than this are dropped: 0 is 24 h */
    int64_t rate_per_minute; /* of one integration; 0: 60 */
    /* Adds what changed around a failure to a message that is about to be sent for the first time:
     * incident/. May be NULL. */
    struct str (*context_of)(void *context, const struct message *m, struct arena *a);
    void *context_context;
    /* The series that an alert is about, for a picture in mail; may be NULL. */
    notify_chart *chart_of;
    void *chart_context;
};

MUST_USE int outbox_new(const struct outbox_config *config, struct outbox **ret, struct why *why);
void outbox_start(struct outbox *o); /* begins with what a run before has left */
void outbox_free(struct outbox *o);  /* NULL is fine; what waits stays on disk */

/* Other receivers: what is in progress is ended first (and tried again). */
void outbox_reload(struct outbox *o, const struct outbox_receivers *receivers);

/* Adds a message inside a transaction; outbox_wake() after the commit. */
MUST_USE int outbox_add(struct state_tx *tx, const struct message *m, struct why *why);
void outbox_wake(struct outbox *o);

/* Sends a message at once, past the queue, and waits for what becomes of it (at most timeout_ms):
 * "send a test". */
MUST_USE int outbox_test(struct outbox *o, const struct message *m, int64_t timeout_ms,
                         struct why *why);

/* How the integrations are, for the API and the page. */
struct outbox_row {
    struct str receiver, kind;
    uint32_t index;
    uint64_t waiting, sent, failed, dropped;                /* since the start but waiting */
    int64_t last_attempt_ms, last_sent_ms, next_attempt_ms; /* wall; 0: never, none */
    int64_t last_duration_ns;
    struct str last_error; /* "" where the last attempt went well */
};
void outbox_view(struct outbox *o, struct arena *a, struct outbox_row **ret, size_t *ret_n);

#endif
