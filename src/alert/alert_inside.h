/* alert/alert_inside.h - what the files of the engine share: its alerts, groups, silences, what was
 * told, and the batch of what is not on disk yet.
 *
 * Two locks. Whoever changes anything holds `turn` from the first change to the commit, so that
 * memory and disk change in the same order. Whoever changes what alert_list() and its like read
 * holds `lock` besides, for the change alone: looking never waits for the disk.
 *
 * What is changed is noted in the batch. One transaction writes the batch, the messages that were
 * decided among it; where that fails the batch stays as it is and is written with what comes next.
 * Nothing is undone, and nobody is told before it is on disk.
 *
 * Flow:    alert_take (arrivals) -> alert_item, alert_route (into groups) -> alert_dispatch,
 *          alert_escalation -> alert_batch -> alert_state (SQL)
 * Threads: as above.
 */
#ifndef ALERT_ALERT_INSIDE_H
#define ALERT_ALERT_INSIDE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alert/alert.h"
#include "alert/alert_timer.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "os/thread.h"

enum {
    ALERT_GROUPS_A_RUN = 2000,             /* decided in one transaction */
    ALERT_ARRIVALS_A_RUN = 20000,          /* taken in one transaction */
    ALERT_INBOX_BYTES_MAX = 256 << 20,     /* that wait for the engine; more is refused */
    ALERT_HISTORY_WAITING_MAX = 1 << 20,   /* rows that wait for the disk */
    ALERT_SILENCED_ROWS_MAX = 10000,       /* of history for one silence */
    ALERT_SILENCE_KEEP_MS = 120 * 3600000, /* after its end */
    ALERT_DONE_KEEP_MS = 30 * 60000,       /* resolved and told */
    ALERT_RETRY_MS = 1000,                 /* after a failed write */
    ALERT_COUNT_MS = 5000,                 /* between counts for metrics */
    ALERT_TIDY_MS = 5 * 60000,             /* between removals of what is old */
    ALERT_IDLE_MS = 3600000,               /* where nothing is due */
    ALERT_ID_MAX = 48,                     /* bytes of the ids of messages and silences */
};

struct alert_item;
struct alert_group;

struct alert_set { /* fingerprints, sorted, each once */
    uint64_t *v;   /* [n] */
    size_t n, capacity;
};

/* ---- inhibition (alert_inhibit.c) */

struct alert_place { /* of an alert within a bucket */
    struct alert_bucket *bucket;
    bool both; /* it is a target as well */
    size_t at;
};

struct alert_bucket_list {
    struct alert_bucket_slot {
        struct alert_item *item;
        size_t place; /* which of item->places this is */
    } * v;
    size_t n, capacity;
};

struct alert_bucket { /* sources with the same values of `equal` */
    struct alert_bucket_list single, both;
};

struct alert_rule {
    const struct plan_inhibit *rule;
    struct map buckets; /* values of equal -> struct alert_bucket * */
};

/* ---- alerts */

struct alert_item {
    uint64_t fingerprint;
    struct str labels, annotations, url; /* parts of text */
    char *text;                          /* owned */
    double value;
    int64_t starts_ms, ends_ms, updated_ms;
    int64_t since_ms; /* when it began to fire here */
    int64_t over_ms;  /* when it was resolved last; 0: never */
    int64_t done_ms;  /* when it left its last group; 0: it is in one */
    bool timeout;     /* ends_ms is a guess of ours */
    bool resolved;    /* as far as was acted upon */
    bool stored;      /* there is a row of it */
    bool dirty;       /* it is in the batch */
    struct alert_timer expiry, ladder;
    struct {
        struct alert_group **v;
        size_t n, capacity;
    } groups;
    struct alert_set gone; /* hashes of groups that it has left since it was resolved */
    struct {
        struct alert_place *v;
        size_t n, capacity;
    } places;
    char *acknowledged_by, *assigned_to; /* owned; NULL: nobody */
    int64_t acknowledged_ms;
    /* Escalation. */
    const struct plan_escalation *escalation; /* NULL: on none */
    char *escalation_name;                    /* owned: of the row, before the plan is known */
    int64_t escalation_base_ms, escalation_step, escalation_round;
    /* Silences that held it when the set had this version. */
    uint64_t silences_version;
    struct {
        struct alert_quiet **v;
        size_t n, capacity;
    } silences;
};

/* ---- groups */

struct alert_group {
    const struct plan_route *route;
    char *id; /* owned: the route's id, NUL, labels */
    size_t id_n;
    uint64_t hash;
    struct str labels; /* part of id */
    char *key;         /* owned, NUL-terminated: Alertmanager's */
    struct alert_timer timer;
    bool flushed, stored, dirty;
    bool kept; /* while routes are laid anew */
    struct {
        struct alert_item **v;
        size_t n, capacity;
    } items;
};

/* ---- what was told: of a group to one integration */

struct alert_told {
    char *key; /* owned: group's key, NUL, receiver, NUL, kind, NUL, index */
    size_t key_n;
    struct alert_set firing, resolved;
    int64_t time_ms, expires_ms;
    bool over; /* all resolved, and the receiver does not want to hear that */
    bool dirty, gone;
};

/* ---- silences */

struct alert_quiet {
    struct arena arena; /* of texts and matchers */
    struct str id, created_by, comment;
    struct matcher_list matchers;
    int64_t starts_ms, ends_ms, updated_ms;
    bool until_resolved;
    bool check; /* an alert that it held was resolved: is there another? */
    int seen;   /* enum alert_quiet_state that was acted upon */
};

enum alert_quiet_state { ALERT_QUIET_PENDING, ALERT_QUIET_ACTIVE, ALERT_QUIET_EXPIRED };

struct alert_quiet_list {
    struct alert_quiet **v;
    size_t n, capacity;
};

/* ---- the batch */

struct alert_batch {
    struct arena arena;
    struct {
        struct alert_item **v;
        size_t n, capacity;
    } items;
    struct {
        struct alert_group **v;
        size_t n, capacity;
    } groups;
    struct {
        struct alert_told **v;
        size_t n, capacity;
    } told;
    struct {
        struct str *v; /* ids */
        size_t n, capacity;
    } groups_gone, silences_gone;
    struct {
        uint64_t *v;
        size_t n, capacity;
    } items_gone;
    struct {
        struct alert_quiet **v;
        size_t n, capacity;
    } silences;
    struct {
        struct alert_history_row *v;
        size_t n, capacity;
    } history;
    struct {
        struct message *v;
        size_t n, capacity;
    } messages;
    struct {
        struct alert *v;
        size_t n, capacity;
    } changed;
    bool ran;                  /* groups were looked at: the time of the run is kept */
    int64_t history_before_ms; /* older rows go; 0: none */
};

struct alert_arrival {
    struct str labels; /* canonical, no __name__ */
    struct str annotations, url;
    uint64_t fingerprint;
    int64_t starts_ms, ends_ms;
    bool timeout;
    double value;
};

struct alerting {
    struct alert_sink sink; /* first */
    struct alert_config config;
    const struct plan *plan;
    pthread_mutex_t turn, lock;
    struct map items;  /* fingerprint, 8 bytes -> struct alert_item * */
    struct map groups; /* id -> struct alert_group * */
    struct map told;   /* key -> struct alert_told * */
    struct alert_timers due, expiry, ladder;
    struct alert_rule *rules; /* [rules_n] */
    size_t rules_n;
    struct alert_quiet_list silences;
    uint64_t silences_version; /* from 1 */
    struct map silences_by;    /* name, NUL, value -> struct alert_quiet_list * of active ones */
    struct alert_quiet_list silences_rest; /* active ones without an equality */
    int64_t silences_next_ms;              /* when the state of one changes */
    bool until_resolved; /* an alert was resolved that such a silence held: look */
    struct {
        struct str *v; /* [n] receivers of ladders, each once; the plan's */
        size_t n, capacity;
    } ladder_receivers;
    struct alert_batch batch;
    uint64_t run;
    int64_t ran_until_ms; /* what was due until then has been done */
    int64_t retry_ms;     /* after a failed write; 0: the last one went well */
    int64_t count_ms, tidy_ms, history_tidy_ms;
    /* What waits for the engine. */
    pthread_mutex_t inbox_lock;
    pthread_cond_t inbox_wake;
    struct buf inbox, taken;
    size_t taken_at;
    struct thread thread;
    bool stopping, woken;
};

/* ---- alert_item.c */
struct alert_item *alert_item_find(const struct alerting *a, uint64_t fingerprint);
struct alert_item *alert_item_add(struct alerting *a, uint64_t fingerprint);
/* Copies the texts; false where they are as they were. */
bool alert_item_say(struct alert_item *i, struct str labels, struct str annotations,
                    struct str url);
void alert_item_free(struct alert_item *i);
void alert_item_touch(struct alerting *a, struct alert_item *i); /* into the batch */
void alert_item_history(struct alerting *a, const struct alert_item *i, int64_t now_ms,
                        const char *what, struct str who, struct str text);
bool alert_item_set_has(const struct alert_set *s, uint64_t v);
void alert_item_set_add(struct alert_set *s, uint64_t v);
void alert_item_set_sort(struct alert_set *s); /* and each once */
bool alert_item_set_within(const struct alert_set *inner, const struct alert_set *outer);
/* Alertmanager's order of alerts in messages and lists. */
int alert_item_order(struct str a, struct str b);

/* ---- alert_take.c */
void alert_take(struct alerting *a, const struct alert_arrival *v, int64_t now_ms);
/* Resolves what has not been renewed. */
void alert_take_expired(struct alerting *a, int64_t now_ms);

/* ---- alert_route.c */
/* Into its groups; arrived: it has come in now, and may hurry one that has not been told. */
void alert_route_item(struct alerting *a, struct alert_item *i, int64_t now_ms, bool arrived);
void alert_route_all(struct alerting *a, int64_t now_ms); /* after another plan */
/* A group as its row has it; what it was due for until the last run has been done. */
void alert_route_load(struct alerting *a, struct str id, int64_t next_ms, bool flushed,
                      uint64_t run);
struct alert_group *alert_route_group(struct alerting *a, const struct plan_route *r,
                                      struct str labels, bool *ret_new);
void alert_route_drop(struct alerting *a, struct alert_group *g);
void alert_route_free(struct alert_group *g);

/* ---- alert_inhibit.c */
void alert_inhibit_open(struct alerting *a, const struct plan *p); /* and every firing alert */
void alert_inhibit_close(struct alerting *a);
void alert_inhibit_add(struct alerting *a, struct alert_item *i);
void alert_inhibit_drop(struct alert_item *i);
/* The alert that inhibits i, or NULL. */
const struct alert_item *alert_inhibit_by(const struct alerting *a, const struct alert_item *i,
                                          int64_t now_ms);

/* ---- alert_silence.c, alert_quiet.c */
enum alert_quiet_state alert_quiet_state(const struct alert_quiet *s, int64_t now_ms);
void alert_quiet_free(struct alert_quiet *s);
void alert_quiet_index(struct alerting *a, int64_t now_ms); /* after any change */
void alert_quiet_pass(struct alerting *a, int64_t now_ms);  /* begins and ends what is due */
void alert_quiet_resolved(struct alerting *a, const struct alert_item *i, int64_t now_ms);
void alert_quiet_tidy(struct alerting *a, int64_t now_ms);
/* Active silences that hold i, kept with it. Needs turn. */
void alert_quiet_look(struct alerting *a, struct alert_item *i);
/* The same into *ret without keeping. */
void alert_quiet_find(const struct alerting *a, struct str labels, struct alert_quiet_list *ret);

/* ---- alert_dispatch.c */
void alert_dispatch(struct alerting *a, struct alert_group *g, int64_t now_ms);
bool alert_dispatch_muted(const struct plan_route *r, int64_t now_ms, struct str *ret_name);

/* ---- alert_told.c */
struct alert_told *alert_told_find(struct alerting *a, struct str group_key, struct str receiver,
                                   struct str kind, uint32_t index, int64_t now_ms);
struct alert_told *alert_told_make(struct alerting *a, struct str group_key, struct str receiver,
                                   struct str kind, uint32_t index);
struct alert_told *alert_told_load(struct alerting *a, struct str key);
void alert_told_touch(struct alerting *a, struct alert_told *t);
void alert_told_drop(struct alerting *a, struct alert_told *t);
void alert_told_free(struct alert_told *t);
void alert_told_tidy(struct alerting *a, int64_t now_ms);

/* ---- alert_message.c */
struct alert_telling {
    const struct alert_group *group;
    const struct plan_receiver *receiver;
    enum message_reason reason;
    const struct message_alert *alerts; /* [n]; the batch's */
    size_t n;
    int64_t tick_ms, now_ms;
};
struct message_alert alert_message_alert(struct alerting *a, const struct alert_item *i,
                                         int64_t now_ms);
void alert_message_add(struct alerting *a, const struct alert_telling *t,
                       const struct notify_integration *integration, uint32_t index);
/* The number of integration i among those of its kind. */
uint32_t alert_message_index(const struct plan_receiver *r, size_t i);

/* ---- alert_escalation.c */
void alert_escalation_open(struct alerting *a, const struct plan *p);
void alert_escalation_begin(struct alerting *a, struct alert_item *i, int64_t now_ms);
void alert_escalation_stop(struct alerting *a, struct alert_item *i);
void alert_escalation_resume(struct alerting *a, struct alert_item *i, int64_t now_ms); /* loaded */
void alert_escalation_run(struct alerting *a, int64_t now_ms);
/* Tells who was escalated to of what is over, as far as it may be told. */
void alert_escalation_over(struct alerting *a, struct alert_group *g,
                           struct alert_item *const *resolved, size_t n,
                           const struct alert_set *tell, int64_t tick_ms, int64_t now_ms);

/* ---- alert_batch.c */
void alert_batch_init(struct alert_batch *b);
void alert_batch_done(struct alerting *a);
/* Writes it and tells; on failure it stays. Needs turn. */
MUST_USE int alert_batch_commit(struct alerting *a, int64_t now_ms, struct why *why);
bool alert_batch_empty(const struct alert_batch *b);
void alert_batch_changed(struct alerting *a, const struct alert_item *i);
void alert_batch_history(struct alerting *a, const struct alert_history_row *row);

/* ---- alert_state.c */
MUST_USE int alert_state_open(struct alerting *a, struct why *why); /* tables, and what is there */
MUST_USE int alert_state_write(struct alerting *a, struct state_tx *tx, struct why *why);
MUST_USE int alert_state_put_silence(struct state_tx *tx, const struct alert_quiet *s,
                                     struct why *why);
MUST_USE int alert_state_put_item(struct state_tx *tx, const struct alert_item *i, struct why *why);
MUST_USE int alert_state_put_history(struct state_tx *tx, const struct alert_history_row *row,
                                     struct why *why);

/* ---- alert_metric.c */
enum alert_metric_mute {
    ALERT_METRIC_INHIBITED,
    ALERT_METRIC_SILENCED,
    ALERT_METRIC_MUTE_TIME,
    ALERT_METRIC_ACTIVE_TIME,
};
void alert_metric_open(void);
void alert_metric_received(bool resolved);
void alert_metric_invalid(void);
void alert_metric_dropped(size_t n);
void alert_metric_bad_rows(size_t n);
void alert_metric_decided(enum message_reason r);
void alert_metric_suppressed(enum alert_metric_mute why, size_t n);
void alert_metric_lag(int64_t ms);
void alert_metric_written(int64_t ns, bool well);
void alert_metric_count(struct alerting *a, int64_t now_ms);

/* ---- alert.c */
void alert_wake(struct alerting *a);

#endif
