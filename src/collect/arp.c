/* Entries of the ARP table for each interface. */
#include "collect/collector.h"

#include "collect/pseudo.h"

static const struct family ENTRIES = {
    "node_arp_entries", METRIC_GAUGE, "Entries of the ARP table.", {"device"}};

enum { DEVICES_MAX = 1024, COLUMN_DEVICE = 5 };

struct counts {
    struct str device[DEVICES_MAX];
    double n[DEVICES_MAX];
    size_t used;
};

static void count(struct counts *c, struct str device)
{
    size_t i = 0;
    while (i < c->used && !str_eq(c->device[i], device))
        i++;
    if (i == DEVICES_MAX)
        return;
    if (i == c->used) {
        c->used++;
        c->device[i] = device;
        c->n[i] = 0;
    }
    c->n[i]++;
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct str text, line;
    int err = pseudo_read(state, &text, why);
    if (err)
        return err;
    struct counts counts;
    counts.used = 0;
    (void)pseudo_line(&text, &line); /* titles */
    while (pseudo_line(&text, &line)) {
        struct str word = {0};
        size_t columns = 0;
        while (columns <= COLUMN_DEVICE && str_word(&line, &word))
            columns++;
        if (columns > COLUMN_DEVICE)
            count(&counts, word);
    }
    for (size_t i = 0; i < counts.used; i++)
        emit(e, &ENTRIES, counts.n[i], counts.device[i]);
    return 0;
}

const struct collector_ops arp_collector = {.file = "/net/arp", .run = run};
