/* discover/fuzzbed_test.h - a host for discoveries whose answers are any bytes: no loop runs, so
 * that nothing is sent, and what is told has to be well formed. Included by fuzz targets only.
 *
 * Threads: one.
 */
#ifndef DISCOVER_FUZZBED_TEST_H
#define DISCOVER_FUZZBED_TEST_H

#include <stdio.h>

#include "base/must.h"
#include "discover/discover.h"
#include "model/labels.h"

struct fuzzbed {
    struct arena arena;
    struct discovery_config *configs;
    struct discovery_host host;
    struct discovery *discovery;
    unsigned inputs; /* that it has had */
};

enum { FUZZBED_INPUTS = 200 /* until it is started anew */ };

static inline void fuzzbed_key(struct str key, bool target)
{
    const char *at = key.p;
    struct label label, last = {0};
    bool bad = false, any = false, address = false;
    while (labels_next(key, &at, &label, &bad)) {
        must(!any || !str_eq(label.name, last.name));
        address = address || str_eq(label.name, STR("__address__"));
        last = label;
        any = true;
    }
    must(!bad && address == target);
}

static inline void fuzzbed_update(void *context, const struct target_group *groups, size_t n)
{
    (void)context;
    for (size_t i = 0; i < n; i++) {
        if (groups[i].n)
            fuzzbed_key(groups[i].labels, false);
        for (size_t j = 0; j < groups[i].n; j++)
            fuzzbed_key(groups[i].targets[j], true);
    }
}

static inline void fuzzbed_state(void *context, const char *why)
{
    (void)context;
    must(strlen(why) < WHY_MAX);
}

/* The first entry of text, started; it stays for some inputs, the host for all. */
static inline void fuzzbed_open(struct fuzzbed *b, const struct discovery_ops *ops,
                                const char *text)
{
    const struct yaml_node *root;
    struct why why = {0};
    size_t n;
    if (b->discovery)
        return;
    arena_init(&b->arena);
    struct discovery_read r = {.folder = STR("."), .a = &b->arena};
    must(yaml_parse(str_c(text), &b->arena, &root, NULL, NULL) == 0);
    must(discovery_read(ops, root, &r, &b->configs, &n, &why) == 0 && n > 0);
    if (!b->host.loop) {
        struct fetcher *fetcher;
        must(loop_new(&b->host.loop) == 0);
        must(fetcher_new(b->host.loop, NULL, &fetcher) == 0);
        b->host.fetcher = fetcher;
        b->host.clock = &clock_real;
        b->host.update = fuzzbed_update;
        b->host.state = fuzzbed_state;
    }
    must(discovery_start(b->configs, &b->host, &b->discovery, &why) == 0);
}

static inline void fuzzbed_close(struct fuzzbed *b)
{
    if (++b->inputs % FUZZBED_INPUTS != 0)
        return;
    discovery_stop(b->configs, b->discovery);
    b->discovery = NULL;
    arena_done(&b->arena);
}

/* The bytes up to the next line that is "~", taken off *rest: several answers in one input. */
static inline struct str fuzzbed_part(struct str *rest)
{
    size_t end = str_search(*rest, STR("\n~\n"));
    struct str part = str_sub(*rest, 0, end);
    *rest = str_sub(*rest, end + 3, rest->n);
    return part;
}

#endif
