/* Sockets in use by protocol. */
#include "collect/collector.h"

#include <stdio.h>
#include <unistd.h>

#include "collect/pseudo.h"

static const struct family FIELD = {
    "node_sockstat_*_*", METRIC_GAUGE, "Sockets of *: * in /proc/net/sockstat.", {NULL}};

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    (void)why;
    *ret = pseudo_pair_new(host->proc, "/net/sockstat", "/net/sockstat6");
    return 0;
}

static void close_state(void *state)
{
    pseudo_pair_free(state);
}

/* "TCP: inuse 4 orphan 0 ... mem 280", mem in pages. */
static void give(struct emit *e, struct str text)
{
    struct str line, name;
    while (pseudo_line(&text, &line)) {
        size_t colon = str_find(line, ':');
        struct str protocol = str_sub(line, 0, colon), rest = str_sub(line, colon + 1, line.n);
        uint64_t v;
        while (str_word(&rest, &name) && pseudo_u64(&rest, &v)) {
            emit(e, &FIELD, (double)v, protocol, name);
            if (str_eq(name, STR("mem")))
                emit(e, &FIELD, (double)v * (double)sysconf(_SC_PAGESIZE), protocol,
                     STR("mem_bytes"));
        }
    }
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct pseudo_pair *s = state;
    struct str text;
    int err = pseudo_read(&s->v4, &text, why);
    if (err)
        return err;
    give(e, text);
    /* A host without IPv6 has no such file. */
    if (pseudo_read(&s->v6, &text, NULL) == 0)
        give(e, text);
    return 0;
}

const struct collector_ops sockstat_collector = {
    .open = open_state, .run = run, .close = close_state};
