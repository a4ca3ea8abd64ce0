/* checkin/checkin_check.h - one check-in: when it is due, and its state out of facts and time.
 *
 * Threads: one at a time.
 */
#ifndef CHECKIN_CHECKIN_CHECK_H
#define CHECKIN_CHECKIN_CHECK_H

#include "base/buf.h"
#include "checkin/checkin.h"
#include "checkin/checkin_alert.h"
#include "checkin/checkin_store.h"
#include "checkin/cron.h"

struct checkin_check {
    struct arena arena; /* of its texts */
    struct str name, title, severity, labels;
    bool configured, present; /* present: shown and missed */
    struct checkin_schedule schedule;
    struct cron cron;
    struct arena zone_arena;
    const struct zone *zone; /* in zone_arena; NULL: UTC */
    struct checkin_facts facts;
    int64_t due_ms; /* 0: never */
    bool dirty;     /* facts are to be written */
    struct checkin_alert alerts[CHECKIN_PROBLEMS_N];
};

/* A new one with that name; the schedule is taken with checkin_check_plan(). */
struct checkin_check *checkin_check_new(struct str name);
void checkin_check_free(struct checkin_check *c);

/* Takes a schedule (copied), which may be one that is refused: then it is never due. */
MUST_USE int checkin_check_plan(struct checkin_check *c, const struct checkin_schedule *s,
                                struct why *why);

/* Takes a ping's facts. */
void checkin_check_take(struct checkin_check *c, const struct checkin_ping *ping, int64_t now_ms);

/* Works out state and problem anew; true where the state changed, *ret_before is what it was. */
bool checkin_check_settle(struct checkin_check *c, int64_t now_ms, enum checkin_state *ret_before);

/* "backup is missing: it was due at 2026-..", of its state. */
void checkin_check_say(const struct checkin_check *c, struct buf *out);

void checkin_check_view(const struct checkin_check *c, struct arena *a, struct checkin_view *ret);

#endif
