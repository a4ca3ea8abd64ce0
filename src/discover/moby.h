/* discover/moby.h - what the discoveries of Docker and of Docker Swarm share: the configuration,
 * the way to the daemon, labels of networks.
 *
 * Flow:    yaml -> struct moby_options; moby_begin() -> /_ping -> version -> moby_get() ...
 * Source:  Docker's Engine API 1.24 and later; Prometheus, discovery/moby.
 * Threads: the loop's.
 */
#ifndef DISCOVER_MOBY_H
#define DISCOVER_MOBY_H

#include "discover/inquiry.h"
#include "text/json_tree.h"
#include "text/yaml_struct.h"

struct moby_options {
    struct str host;
    int64_t port, refresh_ms;
    struct str filters; /* for the query: "filters=%7B..", "" where none are set */
    struct str role;    /* of Swarm */
    struct str host_networking_host;
    bool match_first_network;
    const char *unix_path; /* NULL: TCP */
    struct str base;       /* of URLs, without a slash at its end */
};

/* Reads and checks an entry whose other fields are extra [extra_n] of struct moby_options, which
 * has the defaults. */
MUST_USE int moby_read(const struct yaml_node *entry, struct discovery_read *r,
                       const struct yaml_struct_field *extra, size_t extra_n,
                       struct moby_options *ret, struct why *why);

/* One that asks the daemon: embedded in a discovery. */
struct moby {
    const struct moby_options *options;
    struct inquiry *inquiry;
    struct str version; /* "/v1.40", of the round */
};

enum { MOBY_PING = 100 }; /* the tag of the question for the version */

MUST_USE int moby_open(struct moby *m, const struct discovery_config *config,
                       const struct discovery_host *host, const struct inquiry_ops *ops,
                       void *context, struct why *why);

/* Begins a round: moby_pong() takes the answer with the tag MOBY_PING. */
void moby_begin(struct moby *m);
void moby_pong(struct moby *m, const struct fetch_answer *a);

/* Asks for path ("/networks"), filtered as configured or not. */
void moby_get(struct moby *m, const char *path, bool filtered, int tag, void *about);

/* Puts the labels of the network of that id, of an answer to /networks, on the target. */
void moby_network(struct groups *g, const struct json_tree *networks, struct str id,
                  const char *prefix);

/* Puts each member of an object of texts, with its name cleaned, on the target. */
void moby_pairs(struct groups *g, const struct json_tree *object, const char *prefix);

#endif
