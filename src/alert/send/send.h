/* alert/send/send.h - alerts to other Alertmanagers, in place of telling people from here.
 *
 * Each Alertmanager gets every alert, in batches, over one request at a time; one that is slow or
 * gone holds up no other. What does not fit its queue pushes out the oldest, and what was not taken
 * is not tried again: rules tell of a firing alert each resend delay and of a resolved one for a
 * quarter of an hour, so the next time does.
 *
 * Flow:    alert_sink -> external labels, alert_relabel_configs -> queues -> POST /api/v2/alerts
 * Source:  Prometheus, notifier: labels, queue, batches, discovery of Alertmanagers.
 * Threads: the sink: any; the rest: one; requests are on the module's own thread.
 */
#ifndef ALERT_SEND_SEND_H
#define ALERT_SEND_SEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/option.h"
#include "base/str.h"
#include "model/alert.h"
#include "promfile/promfile.h"

enum {
    SEND_QUEUE_MAX = 10000, /* alerts that wait for one Alertmanager */
    SEND_BATCH_MAX = 256,   /* alerts of one request */
};

struct send;

/* All of it outlives the sender, or the next send_reload(). */
struct send_plan {
    struct option_list urls;         /* of Alertmanagers, "http://127.0.0.1:9093/prefix" */
    const struct promfile *promfile; /* its alerting section; may be NULL */
    struct str external_labels;      /* a bare key */
};

/* Nothing is sent before send_reload(). */
struct send *send_new(const struct clock *clock);
void send_free(struct send *s); /* NULL is fine */

/* Ends what is in progress and goes on with another plan. -ERR_FORMAT: a URL that is none, settings
 * that contradict each other. */
MUST_USE int send_reload(struct send *s, const struct send_plan *plan, struct why *why);

struct alert_sink *send_sink(struct send *s);

/* Does the plan name any Alertmanager, or a way to find some? */
bool send_active(struct send *s);

/* One that is known: sent to, or dropped by relabelling. */
struct send_view {
    struct str url; /* of its /api/v2/alerts */
    bool dropped;
    uint64_t waiting, sent, failed, lost; /* alerts */
    struct str last_error;                /* "" where the last request went well */
};
void send_view(struct send *s, struct arena *a, struct send_view **ret, size_t *ret_n);

#endif
