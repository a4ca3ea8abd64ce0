/* Bytes that wait in UDP sockets. */
#include "collect/collector.h"

#include "collect/pseudo.h"

static const struct family QUEUES = {
    "node_udp_queues", METRIC_GAUGE, "Bytes that wait in UDP sockets.", {"queue", "ip"}};

enum { COLUMN_QUEUES = 4 };

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    (void)why;
    *ret = pseudo_pair_new(host->proc, "/net/udp", "/net/udp6");
    return 0;
}

static void close_state(void *state)
{
    pseudo_pair_free(state);
}

static void give(struct emit *e, struct str text, struct str version)
{
    struct str line, word = {0};
    double tx = 0, rx = 0;
    (void)pseudo_line(&text, &line); /* titles */
    while (pseudo_line(&text, &line)) {
        size_t columns = 0;
        while (columns <= COLUMN_QUEUES && str_word(&line, &word))
            columns++;
        size_t colon = str_find(word, ':');
        uint64_t sent, received;
        if (columns <= COLUMN_QUEUES || !pseudo_hex(str_sub(word, 0, colon), &sent) ||
            !pseudo_hex(str_sub(word, colon + 1, word.n), &received))
            continue;
        tx += (double)sent;
        rx += (double)received;
    }
    emit(e, &QUEUES, tx, STR("tx"), version);
    emit(e, &QUEUES, rx, STR("rx"), version);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct pseudo_pair *s = state;
    struct str text;
    int err = pseudo_read(&s->v4, &text, why);
    if (err)
        return err;
    give(e, text, STR("v4"));
    if (pseudo_read(&s->v6, &text, NULL) == 0)
        give(e, text, STR("v6"));
    return 0;
}

const struct collector_ops udpqueue_collector = {
    .open = open_state, .run = run, .close = close_state};
