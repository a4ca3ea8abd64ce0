/* Swap areas one by one, from /proc/swaps. */
#include "collect/collector.h"

#include "collect/pseudo.h"

static const struct {
    double unit;
    struct family family;
} COLUMNS[] = {
    {1024, {"node_swap_size_bytes", METRIC_GAUGE, "Size of the area.", {"device", "swap_type"}}},
    {1024, {"node_swap_used_bytes", METRIC_GAUGE, "Bytes in use.", {"device", "swap_type"}}},
    {1, {"node_swap_priority", METRIC_GAUGE, "Priority of the area.", {"device", "swap_type"}}},
};

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct str text, line, device, type;
    int err = pseudo_read(state, &text, why);
    if (err)
        return err;
    while (pseudo_line(&text, &line)) {
        double v;
        if (str_starts(line, STR("Filename")) || !str_word(&line, &device) ||
            !str_word(&line, &type))
            continue;
        for (size_t i = 0; i < COUNTOF(COLUMNS) && pseudo_number(&line, &v); i++)
            emit(e, &COLUMNS[i].family, v * COLUMNS[i].unit, device, type);
    }
    return 0;
}

const struct collector_ops swap_collector = {.file = "/swaps", .run = run};
