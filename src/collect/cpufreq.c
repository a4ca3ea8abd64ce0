/* The clock of each core. The files are in kHz. */
#include "collect/collector.h"

#include "collect/sysdir.h"

static const char *const ATTRS[] = {
    "cpufreq/scaling_cur_freq",
    "cpufreq/scaling_min_freq",
    "cpufreq/scaling_max_freq",
    "cpufreq/cpuinfo_cur_freq",
    "cpufreq/cpuinfo_min_freq",
    "cpufreq/cpuinfo_max_freq",
    /* texts */
    "cpufreq/scaling_governor",
    "cpufreq/scaling_available_governors",
};
enum { NUMBERS_N = 6, GOVERNOR = NUMBERS_N, GOVERNORS };
static const struct family CHOSEN = {"node_cpu_scaling_governor",
                                     METRIC_GAUGE,
                                     "Is the governor the one that rules the clock? 1 or 0.",
                                     {"cpu", "governor"}};
static const struct family FAMILIES[NUMBERS_N] = {
    {"node_cpu_scaling_frequency_hertz", METRIC_GAUGE, "Clock of the core.", {"cpu"}},
    {"node_cpu_scaling_frequency_min_hertz", METRIC_GAUGE, "Lowest clock allowed.", {"cpu"}},
    {"node_cpu_scaling_frequency_max_hertz", METRIC_GAUGE, "Highest clock allowed.", {"cpu"}},
    {"node_cpu_frequency_hertz", METRIC_GAUGE, "Clock of the core, by the hardware.", {"cpu"}},
    {"node_cpu_frequency_min_hertz", METRIC_GAUGE, "Lowest clock possible.", {"cpu"}},
    {"node_cpu_frequency_max_hertz", METRIC_GAUGE, "Highest clock possible.", {"cpu"}},
};

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    (void)why;
    *ret = sysdir_new(host->sys, "/devices/system/cpu", "cpu", ATTRS, COUNTOF(ATTRS));
    return 0;
}

static void close_state(void *state)
{
    sysdir_free(state);
}

static void give_governors(struct emit *e, const struct sysdir_device *d, struct str cpu)
{
    char room[PSEUDO_SMALL], list[PSEUDO_SMALL];
    struct str chosen, all, one;
    if (!sysdir_text(d, GOVERNOR, room, &chosen) || !sysdir_text(d, GOVERNORS, list, &all))
        return;
    while (str_word(&all, &one))
        emit(e, &CHOSEN, str_eq(one, chosen), cpu, one);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    struct sysdir *d = state;
    bool any = false;
    int err = sysdir_scan(d, why);
    if (err)
        return err;
    for (size_t i = 0; i < d->n; i++) {
        const char *number = d->v[i].name + 3;
        if (number[0] < '0' || number[0] > '9')
            continue; /* cpufreq, cpuidle */
        for (size_t k = 0; k < NUMBERS_N; k++) {
            double khz;
            if (!sysdir_number(&d->v[i], k, &khz))
                continue;
            emit(e, &FAMILIES[k], khz * 1000, str_c(number));
            any = true;
        }
        give_governors(e, &d->v[i], str_c(number));
    }
    if (!any)
        return why_set(why, ERR_NOENT, "no core below %s tells its clock", host->sys);
    return 0;
}

const struct collector_ops cpufreq_collector = {
    .open = open_state, .run = run, .close = close_state};
