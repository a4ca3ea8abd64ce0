/* bench/node.h - what one machine's exporter says over time: the values that are sent to servers
 * when they are compared.
 *
 * Either a recording in the text exposition format ("@TIME" opens a snapshot, "name{..} value"
 * lines follow), plain or gzipped, or, where there is none, a made-up machine with families of the
 * same names and a like mix of constants, gauges and counters.
 *
 * Threads: one.
 */
#ifndef BENCH_NODE_H
#define BENCH_NODE_H

#include <stdbool.h>
#include <stddef.h>

enum {
    NODE_LABELS_MAX = 16,
    NODE_SERIES_MAX = 5000,
    NODE_SNAPSHOTS = 887,
    NODE_ROUTES_MAX = 1000,
};

struct node_series {
    char *name; /* owned, with the label texts behind it */
    const char *label[NODE_LABELS_MAX], *value[NODE_LABELS_MAX];
    size_t labels_n;
    double v[NODE_SNAPSHOTS];
    bool counter; /* it goes on rising where the snapshots begin anew */
};

struct node {
    struct node_series *series; /* [n] */
    size_t n, snapshots;
};

/* Reads a recording; false (with a line on stderr) where it cannot. */
bool node_read(const char *path, struct node *ret);

/* A made-up machine; the same one every time. */
void node_make_up(struct node *ret);

/* A made-up HTTP service with a histogram of classic buckets for each route. */
void node_make_up_service(size_t routes, struct node *ret);

/* The value of a series at a place in time, counted in snapshots. */
double node_at(const struct node *node, size_t series, size_t place);

void node_done(struct node *node);

#endif
