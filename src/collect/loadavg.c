/* Load averages. */
#include "collect/collector.h"

#include "collect/pseudo.h"

static const struct family LOAD[] = {
    {"node_load1", METRIC_GAUGE, "Load average of 1 minute.", {NULL}},
    {"node_load5", METRIC_GAUGE, "Load average of 5 minutes.", {NULL}},
    {"node_load15", METRIC_GAUGE, "Load average of 15 minutes.", {NULL}},
};

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct str text;
    int err = pseudo_read(state, &text, why);
    if (err)
        return err;
    for (size_t i = 0; i < COUNTOF(LOAD); i++) {
        double load;
        if (!pseudo_number(&text, &load))
            return why_set(why, ERR_FORMAT, "/proc/loadavg holds fewer than three numbers");
        emit_plain(e, &LOAD[i], load);
    }
    return 0;
}

const struct collector_ops loadavg_collector = {.file = "/loadavg", .run = run};
