/* health/checkup_inside.h - what the files of the engine of checks share.
 *
 * Threads: the loop's, but what stands "under the lock".
 */
#ifndef HEALTH_CHECKUP_INSIDE_H
#define HEALTH_CHECKUP_INSIDE_H

#include "base/map.h"
#include "collect/emit_writer.h"
#include "health/checkup.h"
#include "health/maintenance.h"
#include "os/loop.h"
#include "os/pool.h"
#include "os/thread.h"

/* What the alert of a check is: none, warning, critical. */
enum checkup_level { CHECKUP_QUIET, CHECKUP_DEGRADED, CHECKUP_UNHEALTHY };

struct checkup_check {
    struct checkup *checkup;
    struct arena arena; /* of its settings */
    struct checkup_settings settings;
    enum checkup_origin origin;
    const struct checkup_kind *kind; /* NULL: passive */
    void *state;
    struct timer *timer;
    struct checkup_check **parents, **children; /* [parents_n], [children_n] owned */
    size_t parents_n, children_n;

    /* A run. */
    bool busy, leaving, hangs;
    int64_t begun_ns, phase_ms;
    struct checkup_result run; /* what it fills */

    /* Under the lock, written by the loop. */
    struct standing standing;
    struct standing_history history;
    struct checkup_result result; /* the last one */
    enum health_state shown;
    const struct checkup_check *because;
    bool maintenance, ever;
    int64_t since_ms, last_ms, reported_ns, expires_ms;
    uint64_t runs, failures;

    /* Carried over a restart. */
    bool carried;
    enum health_state carried_state;
    int64_t carried_since_ms;

    enum checkup_level level, told; /* told: of an alert that is over */
    int64_t fired_ms, over_ms;
};

struct checkup_window {
    struct arena arena;
    int64_t id;
    struct checkup_settings_maintenance settings;
    struct maintenance_window window;
    bool holds;
};

struct checkup_record; /* checkup_record.c */

struct checkup {
    struct checkup_plan plan;
    struct checkup_settings_page page; /* under the lock */
    struct loop *loop;
    struct prober *prober;
    struct fetcher *fetcher;
    struct checkup_host host;
    struct pool *pool;
    struct thread thread;
    struct timer *tick;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* an errand or a run is over */
    struct {
        struct checkup_check **v; /* [n] by name */
        size_t n, capacity;
    } checks;
    struct map names;
    struct {
        struct checkup_window **v;
        size_t n, capacity;
    } windows;
    bool windows_changed, stopping, stopped;
    size_t made_n; /* checks that programs made */
    int64_t next_publish_ms, next_resend_ms;
    struct emit emit;
    struct emit_writer writer;
    struct tenant *tenant;
    struct checkup_record *record;
};

/* checkup.c */
MUST_USE int checkup_inside_add(struct checkup *c, struct checkup_check *check, struct why *why);
void checkup_inside_remove(struct checkup *c, struct checkup_check *check);
void checkup_inside_free_check(struct checkup_check *check);
struct checkup_check *checkup_inside_find(struct checkup *c, struct str name);
void checkup_inside_link(struct checkup *c);
/* Which windows hold, and so what is under maintenance. */
void checkup_inside_windows(struct checkup *c);
void checkup_inside_run_soon(struct checkup_check *check);

/* checkup_state.c: takes r's content over. */
void checkup_inside_take(struct checkup_check *check, struct checkup_result *r);
void checkup_inside_reconsider(struct checkup_check *check);
void checkup_inside_resend(struct checkup *c);
void checkup_inside_quiet(struct checkup_check *check);

/* checkup_publish.c */
void checkup_inside_publish(struct checkup *c);
void checkup_inside_publish_open(struct checkup *c); /* the tenant is known */
void checkup_inside_publish_done(struct checkup *c);

/* checkup_record.c: what is kept. */
MUST_USE int checkup_record_open(struct checkup *c, struct why *why);
void checkup_record_close(struct checkup *c); /* writes what waits */
void checkup_record_change(struct checkup_check *check);
void checkup_record_tick(struct checkup *c);
void checkup_record_carry(struct checkup *c, struct checkup_check *check);
MUST_USE int checkup_record_load(struct checkup *c, struct why *why); /* made checks, windows */
MUST_USE int checkup_record_put(struct checkup *c, const struct checkup_check *check,
                                struct why *why);
MUST_USE int checkup_record_drop(struct checkup *c, struct str name, struct why *why);
MUST_USE int checkup_record_put_window(struct checkup *c, const struct checkup_window *w,
                                       int64_t *ret_id, struct why *why);
MUST_USE int checkup_record_drop_window(struct checkup *c, int64_t id, struct why *why);

/* Makes a check of a JSON object; not added yet. */
MUST_USE int checkup_inside_make(struct checkup *c, struct str name, struct str json,
                                 enum checkup_origin origin, struct checkup_check **ret,
                                 struct why *why);
MUST_USE int checkup_inside_make_window(struct str json, struct checkup_window **ret,
                                        struct why *why);

#endif
