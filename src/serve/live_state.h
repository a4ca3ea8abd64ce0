/* serve/live_state.h - what live.c, live_key.c and live_frame.c share.
 *
 * Threads: see live.h; members say which lock or loop they belong to.
 */
#ifndef SERVE_LIVE_STATE_H
#define SERVE_LIVE_STATE_H

#include <pthread.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "net/ws.h"
#include "os/loop.h"
#include "query/promql/promql.h"
#include "serve/live.h"
#include "serve/serve_state.h"

enum {
    LIVE_LANES_MAX = 16,
    LIVE_CLIENTS_MAX = 10000,
    LIVE_SUBS_MAX = 50, /* of one client */
    LIVE_KEYS_MAX = 4096,
    LIVE_POINTS_MAX = 1000, /* of one subscription */
    LIVE_SERIES_MAX = 1000, /* of one key; more are cut off and said so */
    LIVE_MESSAGE_MAX = 64 * 1024,
    LIVE_ACK_EVERY = 8,           /* frames */
    LIVE_UNACKED_MAX = 2048,      /* frames on their way to one client before it counts as slow */
    LIVE_QUEUE_SLOW = 256 * 1024, /* bytes queued: fewer, larger deltas */
    LIVE_QUEUE_MAX = 2 * 1024 * 1024, /* bytes queued: closed */
    LIVE_TICK_MS = 100,
    LIVE_LAG_MS = 300,       /* a bucket is evaluated this long after its time */
    LIVE_LINGER_MS = 30000,  /* a key without subscribers is kept this long */
    LIVE_TIMEOUT_MS = 10000, /* of one evaluation */
};

static const uint64_t LIVE_BYTES_MAX = 256ULL * 1024 * 1024; /* of all rings */

/* Kinds of binary frames. */
enum live_kind { LIVE_SNAPSHOT = 1, LIVE_DELTA = 2, LIVE_GAP = 3 };

struct live_series {
    char *key; /* owned, canonical */
    size_t key_n;
    double *values; /* [capacity of the key], at bucket % capacity */
    int64_t seen;   /* the last bucket with a value */
};

/* A query at a step for a tenant. All under live.lock, except subs. */
struct live_key {
    struct live *live;
    struct live_key *next; /* list of all */
    char *id;              /* owned: step, tenant, canonical query */
    size_t id_n;
    uint32_t number;    /* its name on the wire */
    struct arena arena; /* of tenant, text and expression */
    struct str tenant;
    const struct promql_expr *expr;
    int64_t step_ms;
    uint32_t users;        /* subscriptions */
    uint32_t holds;        /* evaluations and deliveries under way */
    int64_t idle_since_ms; /* loop time when users became 0 */
    bool evaluating, filled;
    size_t wanted;              /* points that the ring should hold */
    size_t capacity, points;    /* of the ring */
    int64_t last;               /* bucket of the newest point */
    uint32_t generation;        /* of the list of series */
    struct live_series *series; /* [series_n] */
    size_t series_n, series_capacity;
    struct map index; /* key -> place in series */
    bool failing;
    struct live_sub *subs[LIVE_LANES_MAX]; /* each list belongs to its loop */
};

struct live_sub {
    struct live_client *client;
    struct live_key *key;
    uint32_t id; /* the client's name for it */
    size_t points;
    bool waiting;                              /* for its snapshot */
    int64_t last;                              /* bucket sent last */
    uint32_t generation;                       /* of the labels sent last */
    struct live_sub *next, **at;               /* list of the key on this loop */
    struct live_sub *client_next, **client_at; /* list of the client */
};

struct live_client {
    struct live *live;
    struct ws *ws;
    size_t lane;
    struct str tenant; /* owned */
    struct live_sub *subs;
    size_t subs_n;
    uint64_t sent, acked; /* binary frames */
    unsigned every;       /* 1, 5, 15: buckets joined into one delta */
    unsigned calm;        /* deliveries in a row without a queue */
    bool closing;
};

/* One loop's share; belongs to it. */
struct live_lane {
    struct live *live;
    struct loop *loop;
    struct timer *timer;
    size_t clients;
};

struct live {
    struct serve *serve;
    pthread_mutex_t lock;
    struct live_key *keys;
    struct map by_id;
    size_t keys_n;
    uint64_t bytes; /* of all rings */
    uint32_t next_number;
    bool running[LIVE_LANES_MAX]; /* under lock: the lane has clients */
    struct live_lane lanes[LIVE_LANES_MAX];
};

/* News of a key for one loop. */
struct live_news {
    struct live_key *key;
    struct live_blob *labels, *delta; /* labels: NULL where the list of series is the same */
    int64_t from, to;                 /* buckets of the delta */
    uint32_t generation;
    bool replaced; /* snapshots are due */
    char *error;   /* owned: the evaluation failed; NULL where it did not */
    size_t lane;
};

/* Bytes with a count of users, shared by loops. */
struct live_blob {
    _Atomic uint32_t users;
    struct buf bytes;
};

struct live_blob *live_blob_new(void);
void live_blob_hold(struct live_blob *b);
void live_blob_drop(struct live_blob *b); /* NULL is fine */

/* ---- live_frame.c; all need live.lock */

/* A frame with the points [from, to] of all series. */
void live_frame_points(const struct live_key *k, enum live_kind kind, int64_t from, int64_t to,
                       struct buf *out);
/* {"op":"series",..} */
void live_frame_labels(const struct live_key *k, bool append, struct buf *out);

/* ---- live_key.c */

/* The key of a query, made where it is new; users is one more. Failure says why in words for the
 * client. Takes live.lock. */
MUST_USE int live_key_open(struct live *l, struct str tenant, struct str query, int64_t step_ms,
                           size_t points, struct live_key **ret, struct why *why);
/* One user less. Takes live.lock. */
void live_key_close(struct live_key *k, int64_t now_ms);
/* Starts what is due and frees what nobody wants any more. Takes live.lock. */
void live_key_tick(struct live *l, int64_t now_ms);
/* Gives back the hold of a delivery. Takes live.lock. */
void live_key_release(struct live_key *k);
void live_key_free_all(struct live *l);
void live_key_open_stats(void);

/* ---- live.c: news for the subscribers on one loop; frees them. Runs on that loop. */
void live_deliver(void *news);

#endif
