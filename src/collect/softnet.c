/* Packets that each core took from the network. */
#include "collect/collector.h"

#include "collect/pseudo.h"

/* The columns of /proc/net/softnet_stat that are counted; hexadecimal. */
static const struct {
    struct family family;
    unsigned column;
} COLUMNS[] = {
    {{"node_softnet_processed_total", METRIC_COUNTER, "Packets processed.", {"cpu"}}, 0},
    {{"node_softnet_dropped_total", METRIC_COUNTER, "Packets dropped.", {"cpu"}}, 1},
    {{"node_softnet_times_squeezed_total",
      METRIC_COUNTER,
      "Times that processing ran out of budget.",
      {"cpu"}},
     2},
    {{"node_softnet_cpu_collision_total",
      METRIC_COUNTER,
      "Collisions on the lock of a device.",
      {"cpu"}},
     8},
    {{"node_softnet_received_rps_total",
      METRIC_COUNTER,
      "Wake-ups to process packets of another core.",
      {"cpu"}},
     9},
    {{"node_softnet_flow_limit_count_total",
      METRIC_COUNTER,
      "Times that the flow limit was reached.",
      {"cpu"}},
     10},
    {{"node_softnet_backlog_len", METRIC_GAUGE, "Packets in the backlog.", {"cpu"}}, 11},
};
enum { COLUMN_CPU = 12, COLUMNS_MAX = 16 };

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct str text, line;
    int err = pseudo_read(state, &text, why);
    if (err)
        return err;
    for (unsigned row = 0; pseudo_line(&text, &line); row++) {
        uint64_t v[COLUMNS_MAX];
        unsigned n = 0;
        struct str word;
        while (n < COLUMNS_MAX && str_word(&line, &word) && pseudo_hex(word, &v[n]))
            n++;
        char digits[24];
        struct buf cpu = {digits, 0, sizeof digits, sizeof digits, false};
        buf_put_u64(&cpu, n > COLUMN_CPU ? v[COLUMN_CPU] : row);
        for (size_t i = 0; i < COUNTOF(COLUMNS); i++)
            if (COLUMNS[i].column < n)
                emit(e, &COLUMNS[i].family, (double)v[COLUMNS[i].column], buf_str(&cpu));
    }
    return 0;
}

const struct collector_ops softnet_collector = {.file = "/net/softnet_stat", .run = run};
