/* alert/send/send_inside.h - what the send*.c files share.
 *
 * Threads: struct send's lock is held for sets, their targets' queues and figures; requests and
 * discovery belong to the loop's thread.
 */
#ifndef ALERT_SEND_SEND_INSIDE_H
#define ALERT_SEND_SEND_INSIDE_H

#include "alert/send/send.h"
#include "base/buf.h"
#include "base/map.h"
#include "discover/discover.h"
#include "net/fetch.h"
#include "os/loop.h"
#include "os/pool.h"
#include "os/thread.h"

/* An alert as JSON, shared by the queues that it waits in. */
struct send_note {
    size_t refs, n;
    char json[];
};

struct send_set;

/* One Alertmanager. */
struct send_target {
    struct send_set *set;
    char *url; /* owned */
    bool dropped, seen;
    struct send_note **ring; /* [SEND_QUEUE_MAX] */
    size_t from, n;
    struct fetch *fetch; /* in progress */
    struct buf body;     /* of it */
    size_t batch;        /* alerts in it */
    uint64_t sent, failed, lost;
    char error[256];
};

/* A discovery of a set, and what it has found. */
struct send_slot {
    struct send_set *set;
    const struct discovery_config *config;
    struct discovery *discovery;
    struct map sources; /* name -> struct send_source * */
};

/* Alertmanagers that are talked to in one way. */
struct send_set {
    struct send *send;
    struct promfile_alertmanager manager;
    struct fetch_client *client;
    struct send_slot *slots; /* [manager.discoveries_n] */
    struct {
        struct send_target **v;
        size_t n, capacity;
    } targets;
    struct {
        struct send_note **v; /* until there is a target */
        size_t n, capacity;
    } early;
};

struct send {
    struct alert_sink sink;
    const struct clock *clock;
    pthread_mutex_t lock;
    struct arena arena; /* of the plan */
    struct str external_labels;
    struct relabel *relabel; /* of all alerts; the plan's */
    struct {
        struct send_set **v;
        size_t n, capacity;
    } sets;
    struct pool *pool; /* of discovery */
    struct loop *loop;
    struct fetcher *fetcher;
    struct thread thread;
    bool running, woken;
};

/* ---- send_queue.c; under the lock */

void send_queue_put(struct send_target *t, struct send_note *note);
void send_queue_clear(struct send_target *t);
void send_queue_drop(struct send_note *note);

/* Sends a batch where one waits and none is in progress; on the loop. */
void send_queue_go(struct send_target *t);

void send_queue_open(void);

/* ---- send_find.c; on the loop, or while it does not run */

/* A target at url, with what has waited for one. */
struct send_target *send_find_add(struct send_set *set, struct str url, bool dropped);
void send_find_start(struct send_set *set);
void send_find_stop(struct send_set *set);

#endif
