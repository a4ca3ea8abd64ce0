/* receive/receiver.h - what a way in over HTTP is.
 *
 * One file NAME.c (or a few) with one `const struct receiver_ops NAME_receiver`, and one row in
 * receivers.tbl.h, for each protocol that programs push with. Its routes are served on every HTTP
 * listener; its handlers append on the lane of the loop that read the request (receive/push.h).
 *
 * Flow:    receivers.tbl.h -> receivers_open() -> routes -> http_server
 * Threads: open and close by one; handlers on their loops.
 */
#ifndef RECEIVE_RECEIVER_H
#define RECEIVE_RECEIVER_H

#include <stddef.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/option.h"
#include "model/sink.h"
#include "net/http.h"
#include "os/disk.h"

/* What receivers are made from. All outlives them. */
struct receiver_host {
    struct sink *sink;
    const struct clock *clock;
    /* The settings struct of an option table, as in force now: of the configuration that the
     * receivers were opened with. */
    const void *(*settings)(void *context, const struct option_table *table);
    void *context;
    const char *data;   /* folder of the daemon's data, for what outlives a restart */
    struct disk *disk;  /* the same folder; NULL: nothing is to outlive it */
    size_t writer_lane; /* of the sink, for the one receiver that writes on a thread of its own */
};

struct receiver_route {
    unsigned methods; /* as of struct http_route */
    const char *path;
    size_t body_max;
    http_handler_f *handler; /* its context is the receiver's state */
};

struct receiver_ops {
    const char *name;
    int (*open)(const struct receiver_host *host, void **ret, struct why *why);
    void (*close)(void *state);          /* after all loops have ended */
    const struct receiver_route *routes; /* [routes_n] */
    size_t routes_n;
};

struct receivers;

/* Opens all rows of the table. */
MUST_USE int receivers_open(const struct receiver_host *host, struct receivers **ret,
                            struct why *why);
void receivers_close(struct receivers *r); /* NULL is fine */

/* The state of one of them: for who reaches it by another way than its routes. */
void *receivers_state(const struct receivers *r, const struct receiver_ops *ops);

/* How many routes there are; and writes them to ret. */
size_t receivers_routes_n(void);
void receivers_routes(const struct receivers *r, struct http_route *ret);

#endif
