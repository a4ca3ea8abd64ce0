/* daemon/respond_alert.h - the engine of alerts and the queue of messages, wired: the plan of the
 * configuration in force, the queue that the engine writes into, whoever asks for the plan.
 *
 * Flow:    respond_alert_open() -> respond_alert_start() .. respond_alert_stop() ->
 *          respond_alert_close()
 * Threads: the worker's main thread; respond_alert_plan() any.
 */
#ifndef DAEMON_RESPOND_ALERT_H
#define DAEMON_RESPOND_ALERT_H

#include "alert/alert.h"
#include "launch/launch.h"
#include "notify/outbox.h"
#include "store/face/series.h"
#include "os/thread.h"
#include "store/state/state.h"

struct incidents;

/* What of the worker it works with. */
struct respond_alert_host {
    struct state *state;
    const struct clock *clock;
    const struct plan *plan;     /* the next reload may free the one before the last */
    struct launcher *launcher;   /* NULL: no programs are configured */
    struct series_store *store;  /* for pictures in mail */
    struct incidents *incidents; /* what changed around a failure; may be NULL */
    void (*changed)(void *context, const struct alert *a);
    void *changed_context;
};

struct respond_alert {
    struct alerting *engine;
    struct outbox *outbox;
    const struct plan *plan;
    pthread_mutex_t lock; /* plan, while somebody reads it */
    bool open;
};

MUST_USE int respond_alert_open(struct respond_alert *r, const struct respond_alert_host *host,
                                struct why *why);
void respond_alert_start(struct respond_alert *r);
/* Nothing is decided or sent any more; what comes in still is kept. */
void respond_alert_stop(struct respond_alert *r);
void respond_alert_close(struct respond_alert *r); /* one that was never opened is fine */
void respond_alert_reload(struct respond_alert *r, const struct plan *plan);

/* Calls f with the plan in force, which stays as long as f runs: serve_alerts.plan; the context is
 * a struct respond_alert. */
void respond_alert_plan(void *context, void (*f)(void *f_context, const struct plan *plan),
                        void *f_context);

#endif
