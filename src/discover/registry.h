/* discover/registry.h - targets that programs have registered themselves, for a time.
 *
 * One registry of the daemon: the HTTP API adds and drops, a discovery (of the scraper's own pool,
 * not of any *_sd_configs) tells of what is there. A target is known by its job and address; to
 * register it again prolongs its life. All are kept in DATA/registered (docs/format/registered.md).
 *
 * Flow:    JSON -> registry_read() -> registry_add() -> file, registry_discovery -> scrape
 * Threads: any; the discovery on its host's loop.
 */
#ifndef DISCOVER_REGISTRY_H
#define DISCOVER_REGISTRY_H

#include "base/option.h"
#include "discover/discover.h"
#include "text/json.h"
#include "os/disk.h"

enum {
    REGISTRY_BODY_MAX = 256 * 1024,  /* bytes of a registration */
    REGISTRY_TARGETS_AT_ONCE = 1000, /* in one of them */
    REGISTRY_ID_SIZE = 16,           /* hexadecimal digits */
    REGISTRY_LABELS_MAX = 30,
    REGISTRY_TTL_S_DEFAULT = 300,
    REGISTRY_TTL_S_MAX = 30 * 24 * 3600,
};

/* [discover] of the configuration. */
struct registry_settings {
    struct option_list register_tokens;
    int64_t register_targets_max;
    bool register_link_local;
};

extern const struct option_table registry_options;

struct registry_target {
    char id[REGISTRY_ID_SIZE + 1];
    struct str job, address, scheme, metrics_path;
    struct str labels;                 /* a bare key, without job */
    int64_t interval_ms;               /* 0: the scraper's default */
    int64_t ttl_s;                     /* 0: for ever */
    int64_t registered_ms, expires_ms; /* wall time; expires 0: never */
};

struct registry_request {
    struct registry_target *targets; /* [n] */
    size_t n;
};

struct registry;

struct registry_plan {
    const struct registry_settings *settings; /* copied */
    struct disk *disk;                        /* NULL: nothing is kept */
    const struct clock *clock;
    void (*warn)(const char *text); /* NULL: nobody is told of damage */
};

/* Reads what is kept; where that is damaged it is put aside, with a warning. */
struct registry *registry_new(const struct registry_plan *plan);
void registry_free(struct registry *r); /* NULL is fine */

/* May who comes with this Authorization header register? local: from this machine itself. */
bool registry_allows(const struct registry *r, struct str authorization, bool local);

/* Reads a registration {"targets":["HOST:PORT"],"job":"..","labels":{..},"scheme":"http",
 * "metrics_path":"/metrics","interval":"15s","ttl_seconds":300} and checks it. -ERR_FORMAT,
 * -ERR_LIMIT, -ERR_DENIED (an address that may not be scraped). Memory from a. */
MUST_USE int registry_read(const struct registry *r, struct str json, struct arena *a,
                           struct registry_request *ret, struct why *why);

/* Adds or prolongs; the ids and times of request's targets are filled in. -ERR_LIMIT: too many
 * targets, -ERR_BUSY: too often. What is new is on disk when it returns. */
MUST_USE int registry_add(struct registry *r, struct registry_request *request, struct why *why);

/* -ERR_NOENT where there is none of that id. */
MUST_USE int registry_drop(struct registry *r, struct str id);

/* All that live, by id; memory from a. */
void registry_list(struct registry *r, struct arena *a, struct registry_target **ret,
                   size_t *ret_n);

/* The entry of a scrape_config that finds them: r outlives it. */
struct discovery_config registry_config(struct registry *r);

/* Members of an open object: where t is scraped, with job and interval; and its labels. */
void registry_put_place(struct json_writer *w, const struct registry_target *t);
void registry_put_labels(struct json_writer *w, const struct registry_target *t);

#endif
