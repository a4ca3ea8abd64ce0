/* CPU time by core and mode, and the share of each mode over all cores. */
#include "collect/collector.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/vec.h"
#include "collect/sysdir.h"

static const struct family SECONDS = {"node_cpu_seconds_total",
                                      METRIC_COUNTER,
                                      "Time that the core spent in each mode.",
                                      {"cpu", "mode"}};
static const struct family GUEST = {"node_cpu_guest_seconds_total",
                                    METRIC_COUNTER,
                                    "Time that the core spent in guests (part of user and nice).",
                                    {"cpu", "mode"}};
static const struct family RATIO = {"sonde_host_cpu_ratio",
                                    METRIC_GAUGE,
                                    "Share of the time of all cores since the run before.",
                                    {"mode"}};
static const struct family CORE = {"node_cpu_core_throttles_total",
                                   METRIC_COUNTER,
                                   "Times that the core was throttled.",
                                   {"package", "core"}};
static const struct family PACKAGE = {"node_cpu_package_throttles_total",
                                      METRIC_COUNTER,
                                      "Times that the package was throttled.",
                                      {"package"}};

/* The columns of /proc/stat. */
enum {
    USER,
    NICE,
    SYSTEM,
    IDLE,
    IOWAIT,
    IRQ,
    SOFTIRQ,
    STEAL,
    MODES_N,
    GUEST_USER = 8,
    GUEST_NICE,
    COLUMNS_N
};
static const struct str MODES[MODES_N] = {STR("user"),   STR("nice"), STR("system"),  STR("idle"),
                                          STR("iowait"), STR("irq"),  STR("softirq"), STR("steal")};
static const char *const ATTRS[] = {"topology/physical_package_id", "topology/core_id",
                                    "thermal_throttle/core_throttle_count",
                                    "thermal_throttle/package_throttle_count"};
enum { ATTR_PACKAGE, ATTR_CORE, ATTR_CORE_COUNT, ATTR_PACKAGE_COUNT };
enum { BACK_S = 3 }; /* seconds that a counter may go back before it counts as begun anew */

struct core {
    uint64_t ticks[COLUMNS_N];
};

struct state {
    struct pseudo file;
    struct sysdir cores;
    struct core *v; /* [n] as last given, in the file's order; v[0] is the sum of all */
    size_t n, capacity;
    bool throttles; /* the machine counts them */
    bool looked;
};

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    (void)why;
    struct state *s = mem_new(sizeof *s);
    pseudo_init(&s->file, host->proc, "/stat");
    sysdir_init(&s->cores, host->sys, "/devices/system/cpu", "cpu", ATTRS, COUNTOF(ATTRS));
    *ret = s;
    return 0;
}

static void close_state(void *state)
{
    struct state *s = state;
    pseudo_done(&s->file);
    sysdir_done(&s->cores);
    vec_free(s);
    mem_free(s);
}

/* Takes "cpu3 1 2 ..." apart; false where it is no such line. Columns of older kernels are 0. */
static bool parse(struct str line, struct str *ret_cpu, struct core *ret)
{
    struct str cpu;
    if (!str_starts(line, STR("cpu")) || !str_word(&line, &cpu))
        return false;
    for (int i = 0; i < COLUMNS_N; i++)
        if (!pseudo_u64(&line, &ret->ticks[i]) && i <= IDLE)
            return false;
    *ret_cpu = str_sub(cpu, 3, cpu.n);
    return true;
}

/* The kernel lets idle and iowait go back a little: what was given stays until they pass it. */
static void keep_rising(struct core *now, const struct core *before, double ticks_per_s)
{
    uint64_t far = (uint64_t)(BACK_S * ticks_per_s);
    for (int i = 0; i < COLUMNS_N; i++)
        if (now->ticks[i] < before->ticks[i] && before->ticks[i] - now->ticks[i] < far)
            now->ticks[i] = before->ticks[i];
}

static void give_ratio(struct emit *e, const struct core *now, const struct core *before)
{
    uint64_t total = 0;
    for (int i = 0; i < MODES_N; i++) {
        if (now->ticks[i] < before->ticks[i])
            return; /* begun anew */
        total += now->ticks[i] - before->ticks[i];
    }
    for (int i = 0; i < MODES_N && total > 0; i++)
        emit(e, &RATIO, (double)(now->ticks[i] - before->ticks[i]) / (double)total, MODES[i]);
}

static void give_core(struct emit *e, struct str cpu, const struct core *c, double ticks_per_s)
{
    for (int i = 0; i < MODES_N; i++)
        emit(e, &SECONDS, (double)c->ticks[i] / ticks_per_s, cpu, MODES[i]);
    emit(e, &GUEST, (double)c->ticks[GUEST_USER] / ticks_per_s, cpu, MODES[USER]);
    emit(e, &GUEST, (double)c->ticks[GUEST_NICE] / ticks_per_s, cpu, MODES[NICE]);
}

/* A core of two threads counts once: the emitter takes the first value of a series. */
static void give_throttles(struct state *s, struct emit *e)
{
    if ((s->looked && !s->throttles) || sysdir_scan(&s->cores, NULL))
        return;
    s->looked = true;
    for (size_t i = 0; i < s->cores.n; i++) {
        const struct sysdir_device *d = &s->cores.v[i];
        char package_room[PSEUDO_SMALL], core_room[PSEUDO_SMALL];
        struct str package, core;
        double v;
        if (d->name[3] < '0' || d->name[3] > '9' ||
            !sysdir_text(d, ATTR_PACKAGE, package_room, &package) ||
            !sysdir_text(d, ATTR_CORE, core_room, &core))
            continue;
        if (sysdir_number(d, ATTR_CORE_COUNT, &v)) {
            s->throttles = true;
            emit(e, &CORE, v, package, core);
        }
        if (sysdir_number(d, ATTR_PACKAGE_COUNT, &v))
            emit(e, &PACKAGE, v, package);
    }
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct state *s = state;
    double ticks_per_s = (double)sysconf(_SC_CLK_TCK);
    struct str text, line, cpu;
    int err = pseudo_read(&s->file, &text, why);
    if (err)
        return err;
    struct core now;
    size_t n = 0;
    for (; pseudo_line(&text, &line) && parse(line, &cpu, &now); n++) {
        bool known = n < s->n;
        if (!known)
            vec_push(s, now);
        keep_rising(&now, &s->v[n], ticks_per_s);
        if (cpu.n)
            give_core(e, cpu, &now, ticks_per_s);
        else if (known)
            give_ratio(e, &now, &s->v[n]);
        s->v[n] = now;
    }
    s->n = n;
    if (n == 0)
        return why_set(why, ERR_FORMAT, "%s does not begin with the cores", s->file.path);
    give_throttles(s, e);
    return 0;
}

const struct collector_ops cpu_collector = {.open = open_state, .run = run, .close = close_state};
