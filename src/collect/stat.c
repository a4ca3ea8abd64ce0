/* What /proc/stat says besides CPU time. */
#include "collect/collector.h"

#include "collect/pseudo.h"

static const struct {
    struct str row;
    struct family family;
} ROWS[] = {
    {STR("btime"), {"node_boot_time_seconds", METRIC_GAUGE, "When the machine started.", {NULL}}},
    {STR("ctxt"), {"node_context_switches_total", METRIC_COUNTER, "Context switches.", {NULL}}},
    {STR("processes"), {"node_forks_total", METRIC_COUNTER, "Processes and threads made.", {NULL}}},
    {STR("intr"), {"node_intr_total", METRIC_COUNTER, "Interrupts served.", {NULL}}},
    {STR("procs_running"),
     {"node_procs_running", METRIC_GAUGE, "Tasks that run or could run.", {NULL}}},
    {STR("procs_blocked"),
     {"node_procs_blocked", METRIC_GAUGE, "Tasks that wait for a disk.", {NULL}}},
};

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct str text, line;
    int err = pseudo_read(state, &text, why);
    if (err)
        return err;
    size_t found = 0;
    while (pseudo_line(&text, &line)) {
        struct str word;
        uint64_t v;
        if (str_starts(line, STR("cpu")) || !str_word(&line, &word))
            continue;
        for (size_t i = 0; i < COUNTOF(ROWS); i++) {
            if (!str_eq(word, ROWS[i].row) || !pseudo_u64(&line, &v))
                continue;
            emit_plain(e, &ROWS[i].family, (double)v);
            found++;
        }
    }
    if (found == 0)
        return why_set(why, ERR_FORMAT, "/proc/stat holds none of the rows that are looked for");
    return 0;
}

const struct collector_ops stat_collector = {.file = "/stat", .run = run};
