/* Thermal zones and cooling devices. */
#include "collect/collector.h"

#include "base/mem.h"
#include "collect/sysdir.h"

static const struct family TEMPERATURE = {"node_thermal_zone_temp",
                                          METRIC_GAUGE,
                                          "Temperature of the zone, degrees Celsius.",
                                          {"zone", "type"}};
static const struct family STATE = {"node_cooling_device_cur_state",
                                    METRIC_GAUGE,
                                    "How much the device throttles.",
                                    {"name", "type"}};
static const struct family STATE_MAX = {"node_cooling_device_max_state",
                                        METRIC_GAUGE,
                                        "How much the device can throttle.",
                                        {"name", "type"}};

static const char ZONE[] = "thermal_zone", COOLING[] = "cooling_device";
enum { TYPE, TEMP, CUR_STATE = 1, MAX_STATE = 2 };
static const char *const ZONE_ATTRS[] = {"type", "temp"};
static const char *const COOLING_ATTRS[] = {"type", "cur_state", "max_state"};

struct state {
    struct sysdir zones, coolers;
};

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    (void)why;
    struct state *s = mem_new(sizeof *s);
    sysdir_init(&s->zones, host->sys, "/class/thermal", ZONE, ZONE_ATTRS, COUNTOF(ZONE_ATTRS));
    sysdir_init(&s->coolers, host->sys, "/class/thermal", COOLING, COOLING_ATTRS,
                COUNTOF(COOLING_ATTRS));
    *ret = s;
    return 0;
}

static void close_state(void *state)
{
    struct state *s = state;
    sysdir_done(&s->zones);
    sysdir_done(&s->coolers);
    mem_free(s);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct state *s = state;
    char room[PSEUDO_SMALL];
    struct str type;
    double v;
    int err = sysdir_scan(&s->zones, why);
    if (!err)
        err = sysdir_scan(&s->coolers, why);
    if (err)
        return err;
    for (size_t i = 0; i < s->zones.n; i++) {
        const struct sysdir_device *d = &s->zones.v[i];
        if (sysdir_number(d, TEMP, &v) && sysdir_text(d, TYPE, room, &type))
            emit(e, &TEMPERATURE, v / 1000, str_c(d->name + sizeof ZONE - 1), type);
    }
    for (size_t i = 0; i < s->coolers.n; i++) {
        const struct sysdir_device *d = &s->coolers.v[i];
        struct str name = str_c(d->name + sizeof COOLING - 1);
        if (!sysdir_text(d, TYPE, room, &type))
            continue;
        if (sysdir_number(d, CUR_STATE, &v))
            emit(e, &STATE, v, name, type);
        if (sysdir_number(d, MAX_STATE, &v))
            emit(e, &STATE_MAX, v, name, type);
    }
    return 0;
}

const struct collector_ops thermal_collector = {
    .open = open_state, .run = run, .close = close_state};
