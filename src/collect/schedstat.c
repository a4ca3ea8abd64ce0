/* Time that tasks ran on and waited for each core. */
#include "collect/collector.h"

#include "collect/pseudo.h"

static const struct family RUNNING = {"node_schedstat_running_seconds_total",
                                      METRIC_COUNTER,
                                      "Time that the core spent running tasks.",
                                      {"cpu"}};
static const struct family WAITING = {"node_schedstat_waiting_seconds_total",
                                      METRIC_COUNTER,
                                      "Time that tasks waited for the core.",
                                      {"cpu"}};
static const struct family SLICES = {"node_schedstat_timeslices_total",
                                     METRIC_COUNTER,
                                     "Time slices that the core executed.",
                                     {"cpu"}};

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct str text, line;
    int err = pseudo_read(state, &text, why);
    if (err)
        return err;
    while (pseudo_line(&text, &line)) {
        uint64_t v[9];
        struct str cpu;
        if (!str_starts(line, STR("cpu")) || !str_word(&line, &cpu))
            continue;
        cpu = str_sub(cpu, 3, cpu.n);
        size_t n = 0;
        while (n < COUNTOF(v) && pseudo_u64(&line, &v[n]))
            n++;
        if (n < COUNTOF(v))
            continue;
        emit(e, &RUNNING, (double)v[6] / 1e9, cpu);
        emit(e, &WAITING, (double)v[7] / 1e9, cpu);
        emit(e, &SLICES, (double)v[8], cpu);
    }
    return 0;
}

const struct collector_ops schedstat_collector = {.file = "/schedstat", .run = run};
