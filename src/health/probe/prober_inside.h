/* health/probe/prober_inside.h - what the files of the prober share: places, connections, asks.
 *
 * Threads: the loop's.
 */
#ifndef HEALTH_PROBE_PROBER_INSIDE_H
#define HEALTH_PROBE_PROBER_INSIDE_H

#include "base/map.h"
#include "health/probe/prober.h"
#include "health/probe/prober_reply.h"
#include "os/dial.h"

struct prober_place_state;

struct prober {
    struct loop *loop;
    struct map places; /* "host:port" or "unix:path" -> struct prober_place_state */
    size_t idle_n;     /* connections that wait for the next ask */
    char *room;        /* [ROOM] what is received goes through here */
};

/* One that waits is in its place's list; one in use is its probe's. */
struct prober_connection {
    struct prober_place_state *place;
    struct prober_probe *probe; /* NULL: it waits */
    struct prober_connection *next;
    struct watch *watch;
    int fd;
    bool connected;
};

struct prober_place_state {
    struct prober *prober;
    char *key;  /* owned; of the map */
    char *host; /* owned; NULL: a Unix socket */
    char *path; /* owned; of the Unix socket */
    uint16_t port;
    size_t users; /* probes */
    struct dial_addresses addresses;
    bool literal, no_link_local;
    int64_t looked_ns; /* 0: never */
    struct dial_lookup *lookup;
    struct prober_probe *waiting; /* for the lookup */
    struct prober_connection *idle;
};

/* What makes an ask of one kind. */
struct prober_kind {
    bool shares; /* connections that wait may be used */
    /* Connected: what is to be sent first (into p->out). PROBER_MORE, PROBER_DONE, -ERR_x. */
    int (*begin)(struct prober_probe *p, struct why *why);
    /* Bytes came: the same. */
    int (*take)(struct prober_probe *p, struct str bytes, struct why *why);
    /* The other end has closed: 0 where that is an answer. */
    int (*closed)(struct prober_probe *p, struct why *why);
    void (*free)(struct prober_probe *p);
};

struct prober_probe {
    const struct prober_kind *kind;
    struct prober_place_state *place;
    int64_t timeout_ms;
    void (*done)(void *context, const struct prober_answer *answer); /* NULL: not asked */
    void *context;
    struct timer *timer;
    struct prober_connection *connection;
    struct prober_probe *next; /* of those that wait for the lookup */
    int64_t begun_ns;
    size_t attempt; /* address that is tried */
    bool reused, fresh, asking, answering;
    int failed; /* -ERR_x that the timer tells */
    struct buf out;
    size_t sent;
    struct why why;
    /* HTTP */
    struct str request; /* owned */
    struct prober_reply reply;
    /* TCP */
    struct str first, expect; /* owned */
    struct prober_talk talk;
    struct buf in;
};

/* A probe of that place with users counted; -ERR_FORMAT where it is none. */
MUST_USE int prober_inside_new(struct prober *p, const struct prober_place *place,
                               const struct prober_kind *kind, int64_t timeout_ms,
                               struct prober_probe **ret, struct why *why);

/* An owned copy. */
struct str prober_inside_copy(struct str s);

#endif
