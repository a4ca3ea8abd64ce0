/* The kernel's pool of randomness. */
#include "collect/collector.h"

#include <stdio.h>

#include "collect/pseudo.h"

static const struct family AVAILABLE = {
    "node_entropy_available_bits", METRIC_GAUGE, "Bits of entropy in the pool.", {NULL}};
static const struct family SIZE = {
    "node_entropy_pool_size_bits", METRIC_GAUGE, "Bits of entropy that the pool can hold.", {NULL}};

static int give(struct emit *e, const struct collector_host *host, const char *name,
                const struct family *f)
{
    char path[PSEUDO_SMALL];
    double bits;
    snprintf(path, sizeof path, "%s/sys/kernel/random/%s", host->proc, name);
    int err = pseudo_peek_number(path, &bits);
    if (!err)
        emit_plain(e, f, bits);
    return err;
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    int err = give(e, host, "entropy_avail", &AVAILABLE);
    int err_size = give(e, host, "poolsize", &SIZE);
    if (err || err_size)
        return why_set(why, (enum err) - (err ? err : err_size),
                       "%s/sys/kernel/random cannot be read", host->proc);
    return 0;
}

const struct collector_ops entropy_collector = {.open = NULL, .run = run, .close = NULL};
