/* How many control groups each controller has, from /proc/cgroups. */
#include "collect/collector.h"

#include "collect/pseudo.h"

static const struct family GROUPS = {
    "node_cgroups_cgroups", METRIC_GAUGE, "Control groups of the controller.", {"subsys_name"}};
static const struct family ENABLED = {
    "node_cgroups_enabled", METRIC_GAUGE, "Is the controller on? 1 or 0.", {"subsys_name"}};

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct str text, line, name;
    int err = pseudo_read(state, &text, why);
    if (err)
        return err;
    while (pseudo_line(&text, &line)) {
        uint64_t hierarchy, n, enabled;
        if (str_starts(line, STR("#")) || !str_word(&line, &name) ||
            !pseudo_u64(&line, &hierarchy) || !pseudo_u64(&line, &n) ||
            !pseudo_u64(&line, &enabled))
            continue;
        emit(e, &GROUPS, (double)n, name);
        emit(e, &ENABLED, (double)enabled, name);
    }
    return 0;
}

const struct collector_ops cgroups_collector = {.file = "/cgroups", .run = run};
