/* Batteries and mains. */
#include "collect/collector.h"

#include "collect/sysdir.h"

/* A file of /sys/class/power_supply/NAME, the metric's name and its unit. */
static const struct {
    const char *attr;
    struct str metric;
    double unit;
} ROWS[] = {
#define PLAIN(name)                                                                                \
    {                                                                                              \
#name, STR(#name), 1                                                                       \
    }
#define MICRO(name)                                                                                \
    {                                                                                              \
#name, STR(#name), 1e-6                                                                    \
    }
#define MICRO_AS(name, as)                                                                         \
    {                                                                                              \
#name, STR(#as), 1e-6                                                                      \
    }
#define TENTH(name)                                                                                \
    {                                                                                              \
#name, STR(#name "_celsius"), 0.1                                                          \
    }
    PLAIN(authentic),
    PLAIN(calibrate),
    PLAIN(capacity),
    PLAIN(capacity_alert_max),
    PLAIN(capacity_alert_min),
    {"cycle_count", STR("cyclecount"), 1},
    PLAIN(online),
    PLAIN(present),
    {"time_to_empty_now", STR("time_to_empty_seconds"), 1},
    {"time_to_full_now", STR("time_to_full_seconds"), 1},
    MICRO(current_boot),
    MICRO(current_max),
    MICRO_AS(current_now, current_ampere),
    MICRO(energy_empty),
    MICRO(energy_empty_design),
    MICRO(energy_full),
    MICRO(energy_full_design),
    MICRO_AS(energy_now, energy_watthour),
    MICRO(voltage_boot),
    MICRO(voltage_max),
    MICRO(voltage_max_design),
    MICRO(voltage_min),
    MICRO(voltage_min_design),
    MICRO_AS(voltage_now, voltage_volt),
    MICRO(voltage_ocv),
    MICRO(charge_control_limit),
    MICRO(charge_control_limit_max),
    MICRO(charge_counter),
    MICRO(charge_empty),
    MICRO(charge_empty_design),
    MICRO(charge_full),
    MICRO(charge_full_design),
    MICRO_AS(charge_now, charge_ampere),
    MICRO(charge_term_current),
    MICRO(constant_charge_current),
    MICRO(constant_charge_current_max),
    MICRO(constant_charge_voltage),
    MICRO(constant_charge_voltage_max),
    MICRO(precharge_current),
    MICRO(input_current_limit),
    MICRO_AS(power_now, power_watt),
    TENTH(temp),
    TENTH(temp_alert_max),
    TENTH(temp_alert_min),
    TENTH(temp_ambient),
    TENTH(temp_ambient_max),
    TENTH(temp_ambient_min),
    TENTH(temp_max),
    TENTH(temp_min),
};
static const char *const TEXTS[] = {"capacity_level", "charge_type",   "health", "manufacturer",
                                    "model_name",     "serial_number", "status", "technology",
                                    "type",           "usb_type",      "scope"};
enum { ROWS_N = COUNTOF(ROWS), TEXTS_N = COUNTOF(TEXTS) };

static const struct family VALUE = {
    "node_power_supply_*", METRIC_GAUGE, "Value * of /sys/class/power_supply.", {"power_supply"}};
static const struct family INFO = {"node_power_supply_info",
                                   METRIC_GAUGE,
                                   "What the kernel knows of the supply; always 1.",
                                   {"power_supply", "capacity_level", "charge_type", "health",
                                    "manufacturer", "model_name", "serial_number", "status",
                                    "technology", "type", "usb_type", "scope"}};

static const char *attrs[ROWS_N + TEXTS_N]; /* the same for all */

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    (void)why;
    for (size_t i = 0; i < ROWS_N; i++)
        attrs[i] = ROWS[i].attr;
    for (size_t i = 0; i < TEXTS_N; i++)
        attrs[ROWS_N + i] = TEXTS[i];
    *ret = sysdir_new(host->sys, "/class/power_supply", "", attrs, COUNTOF(attrs));
    return 0;
}

static void close_state(void *state)
{
    sysdir_free(state);
}

static void give(struct emit *e, const struct sysdir_device *d)
{
    struct str name = str_c(d->name), values[TEXTS_N + 1] = {name};
    char bytes[TEXTS_N * EMIT_VALUE_MAX];
    struct buf room = {bytes, 0, sizeof bytes, sizeof bytes, false};
    for (size_t i = 0; i < ROWS_N; i++) {
        double v;
        if (sysdir_number(d, i, &v))
            emit(e, &VALUE, v * ROWS[i].unit, ROWS[i].metric, name);
    }
    for (size_t i = 0; i < TEXTS_N; i++) {
        char small[PSEUDO_SMALL];
        struct str text;
        size_t from = room.n;
        if (sysdir_text(d, ROWS_N + i, small, &text))
            buf_put_str(&room, text);
        values[i + 1] = str_of(room.p + from, room.n - from);
    }
    emit_value(e, &INFO, 1, values, COUNTOF(values));
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct sysdir *d = state;
    int err = sysdir_scan(d, why);
    if (err)
        return err;
    for (size_t i = 0; i < d->n; i++)
        give(e, &d->v[i]);
    return 0;
}

const struct collector_ops powersupply_collector = {
    .open = open_state, .run = run, .close = close_state};
