/* discover/discover.h - service discovery: who is there to be scraped, now and as it changes.
 *
 * One file NAME.c with one `const struct discovery_ops NAME_discovery`, and one row in
 * discoveries.tbl.h, for each kind of *_sd_configs. A discovery reads its part of the configuration
 * and, once started, tells of groups of targets whenever they change. When its source fails it
 * keeps silent, so that the last groups stay, and says why by its state.
 *
 * Flow:    yaml -> config; config -> discovery -> update(groups) -> scrape
 * Source:  Prometheus, discovery/: options, __meta_* labels and their order of precedence.
 * Threads: configs are immutable; a discovery lives on its host's loop.
 */
#ifndef DISCOVER_DISCOVER_H
#define DISCOVER_DISCOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "net/fetch.h"
#include "os/loop.h"
#include "os/pool.h"
#include "text/yaml.h"

/* Targets that came from one source: a file, a service, a pod. */
struct target_group {
    struct str source;         /* its name, unique within the discovery */
    struct str labels;         /* of all its targets: a bare key (model/labels.h) */
    const struct str *targets; /* [n] bare keys, each with __address__; they win over labels */
    size_t n;                  /* 0: the source is gone */
};

/* One entry of a *_sd_configs list. */
struct discovery_config {
    const struct discovery_ops *ops;
    const void *options; /* what ops->read() has read */
    struct fetch_settings http;
};

/* Where a discovery lives. All outlives it. */
struct discovery_host {
    struct loop *loop;
    struct fetcher *fetcher;
    struct pool *pool; /* for calls that wait: DNS, files */
    const struct clock *clock;
    struct str job; /* whose targets they are */
    /* These groups replace those of the same source; all others stay as they were. Memory is the
     * discovery's and lives until update() returns. */
    void (*update)(void *context, const struct target_group *groups, size_t n);
    /* How the last refresh went: why is "" where it went well. */
    void (*state)(void *context, const char *why);
    void *context;
};

struct discovery;

struct discovery_read {
    struct str folder;       /* where relative paths begin */
    struct arena *a;         /* memory of what is read */
    struct yaml_place place; /* [out] where the fault is */
};

struct discovery_ops {
    const char *key;  /* "consul_sd_configs" */
    const char *name; /* "consul", for metrics and messages */
    bool http;        /* its entries take the keys of promfile/http, which are read before */
    /* Checks one entry and reads it. NULL start below: it is checked, but finds nothing. */
    int (*read)(const struct yaml_node *entry, struct discovery_read *r,
                struct discovery_config *ret, struct why *why);
    int (*start)(const struct discovery_config *config, const struct discovery_host *host,
                 struct discovery **ret, struct why *why);
    void (*stop)(struct discovery *d); /* no update() after it */
    /* Calls f for each file or glob that it reads (for confinement). NULL: none. */
    void (*files)(const struct discovery_config *config, void (*f)(void *context, struct str path),
                  void *context);
};

/* Every kind, in the table's order; NULL where key names none. */
const struct discovery_ops *discovery_find(struct str key);

/* Reads all entries of the list below a *_sd_configs key (or static_configs). */
MUST_USE int discovery_read(const struct discovery_ops *ops, const struct yaml_node *list,
                            struct discovery_read *r, struct discovery_config **ret, size_t *ret_n,
                            struct why *why);

/* Starts and stops one; a kind that only checks gives NULL and 0. */
MUST_USE int discovery_start(const struct discovery_config *config,
                             const struct discovery_host *host, struct discovery **ret,
                             struct why *why);
void discovery_stop(const struct discovery_config *config, struct discovery *d);

#endif
