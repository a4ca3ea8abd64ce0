/* checkin/checkin_alert.h - alerts that are kept up: sent when they begin, again each minute, when
 * they are over, and for a quarter of an hour from then on, as model/alert.h wants it.
 *
 * Threads: one at a time.
 */
#ifndef CHECKIN_CHECKIN_ALERT_H
#define CHECKIN_CHECKIN_ALERT_H

#include <stdbool.h>
#include <stdint.h>

#include "model/alert.h"

/* One alert; all zero: it never fired. */
struct checkin_alert {
    bool firing;
    int64_t starts_ms, resolved_ms, sent_ms; /* resolved_ms 0: it is not over, or nobody needs to
                                              * hear of it any more */
};

/* What does not change while it fires. */
struct checkin_alert_words {
    struct str name, severity; /* labels alertname and severity */
    struct str subject, value; /* another label */
    struct str labels;         /* more: a canonical key */
    struct str summary, description, url;
};

/* Fires or not from now on; starts_ms: since when. */
void checkin_alert_set(struct checkin_alert *a, bool firing, int64_t starts_ms, int64_t now_ms);

/* Is anything to be sent now? */
bool checkin_alert_due(const struct checkin_alert *a, int64_t now_ms);

/* Sends it; sink may be NULL. */
void checkin_alert_send(struct checkin_alert *a, const struct checkin_alert_words *words,
                        struct alert_sink *sink, int64_t now_ms);

#endif
