/* The units of systemd, over D-Bus: its own socket (root only) or the system bus. */
#include "collect/collector.h"

#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
#include "collect/dbus.h"
#include "collect/filter.h"
#include "collect/folder.h"

#define UNIT(name, type, help)                                                                     \
    {                                                                                              \
        "node_systemd_" name, type, help,                                                          \
        {                                                                                          \
            "name"                                                                                 \
        }                                                                                          \
    }

static const struct family VERSION = {
    "node_systemd_version", METRIC_GAUGE, "Version of systemd.", {"version"}};
static const struct family VIRTUAL = {"node_systemd_virtualization_info",
                                      METRIC_GAUGE,
                                      "Kind of virtual machine; always 1.",
                                      {"virtualization_type"}};
static const struct family RUNNING = {
    "node_systemd_system_running", METRIC_GAUGE, "Is the system up and well? 1 or 0.", {NULL}};
static const struct family UNITS = {
    "node_systemd_units", METRIC_GAUGE, "Units in the state, those left out too.", {"state"}};
static const struct family STATE = {"node_systemd_unit_state",
                                    METRIC_GAUGE,
                                    "Is the unit in the state? 1 or 0.",
                                    {"name", "state", "type"}};

/* What is asked of units of a kind. detail: only where systemd_details is set. */
static const struct {
    const char *suffix, *interface, *property;
    double unit;
    bool detail;
    struct family family;
} PROPERTIES[] = {
    {".timer", "Timer", "LastTriggerUSec", 1e-6, false,
     UNIT("timer_last_trigger_seconds", METRIC_GAUGE, "When the timer last went off.")},
    {".socket", "Socket", "NAccepted", 1, false,
     UNIT("socket_accepted_connections_total", METRIC_COUNTER, "Connections taken.")},
    {".socket", "Socket", "NConnections", 1, false,
     UNIT("socket_current_connections", METRIC_GAUGE, "Connections now.")},
    {".socket", "Socket", "NRefused", 1, false,
     UNIT("socket_refused_connections_total", METRIC_GAUGE, "Connections refused.")},
    {".service", "Service", "NRestarts", 1, true,
     UNIT("service_restart_total", METRIC_COUNTER, "Times that it was started again.")},
    {".service", "Service", "TasksCurrent", 1, true,
     UNIT("unit_tasks_current", METRIC_GAUGE, "Tasks of the unit.")},
    {".service", "Service", "TasksMax", 1, true,
     UNIT("unit_tasks_max", METRIC_GAUGE, "Tasks that it may have.")},
    {"", "Unit", "ActiveEnterTimestamp", 1e-6, true,
     UNIT("unit_start_time_seconds", METRIC_GAUGE, "When it was started; 0: it is not.")},
};
static const struct str STATES[] = {STR("active"), STR("activating"), STR("deactivating"),
                                    STR("inactive"), STR("failed")};
static const char SYSTEMD[] = "org.freedesktop.systemd1";
static const char MANAGER[] = "org.freedesktop.systemd1.Manager";
static const char PATH[] = "/org/freedesktop/systemd1";
enum { UNITS_MAX = 10000 };
/* What systemd answers for "none" and "no limit". */
static const double UNLIMITED = 18446744073709551615.0;

struct unit {
    char *name, *path; /* owned */
    size_t state;      /* of STATES; COUNTOF(STATES) for another */
};

struct state {
    struct filter wanted, ignored;
    bool details;
    struct map
        types;      /* path of a service -> its Type, owned; it does not change while it is there */
    struct unit *v; /* [n] of this run, those that are given */
    size_t n, capacity;
    double counts[COUNTOF(STATES)];
};

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    struct state *s = mem_new(sizeof *s);
    int err = filter_init(&s->wanted, host->settings->systemd_units, why);
    if (!err) {
        err = filter_init(&s->ignored, host->settings->systemd_units_ignored, why);
        if (err)
            filter_done(&s->wanted);
    }
    if (err) {
        mem_free(s);
        return err;
    }
    s->details = host->settings->systemd_details;
    map_init(&s->types, 1);
    *ret = s;
    return 0;
}

static void forget_units(struct state *s)
{
    for (size_t i = 0; i < s->n; i++) {
        mem_free(s->v[i].name);
        mem_free(s->v[i].path);
    }
    s->n = 0;
}

static void forget_types(struct state *s)
{
    size_t at = 0;
    for (struct map_slot *slot; (slot = map_next(&s->types, &at));)
        mem_free(slot->value.p);
    map_done(&s->types);
    map_init(&s->types, 1);
}

static void close_state(void *state)
{
    struct state *s = state;
    forget_units(s);
    vec_free(s);
    forget_types(s);
    map_done(&s->types);
    filter_done(&s->wanted);
    filter_done(&s->ignored);
    mem_free(s);
}

/* ---- the manager */

/* "252.39-1~deb12u1" is 252.39: the first three digits and more, with what follows a point. */
static double version_of(struct str s)
{
    double v = 0;
    for (size_t i = 0; i < s.n; i++) {
        size_t n = i;
        while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
            n++;
        if (n - i < 3)
            continue;
        if (n + 1 < s.n && s.p[n] == '.' && s.p[n + 1] >= '0' && s.p[n + 1] <= '9')
            for (n++; n < s.n && s.p[n] >= '0' && s.p[n] <= '9';)
                n++;
        return pseudo_parse(str_sub(s, i, n), &v) ? v : 0;
    }
    return v;
}

static int give_manager(struct dbus *d, struct emit *e, struct why *why)
{
    struct dbus_reader r;
    struct str text;
    int err = dbus_property(d, SYSTEMD, PATH, MANAGER, "Version", &r, why);
    if (err)
        return err;
    if (dbus_text(&r, &text))
        emit(e, &VERSION, version_of(text), text);
    if (dbus_property(d, SYSTEMD, PATH, MANAGER, "Virtualization", &r, NULL) == 0 &&
        dbus_text(&r, &text))
        emit(e, &VIRTUAL, 1, text.n ? text : STR("none"));
    if (dbus_property(d, SYSTEMD, PATH, MANAGER, "SystemState", &r, NULL) == 0 &&
        dbus_text(&r, &text))
        emit_plain(e, &RUNNING, str_eq(text, STR("running")));
    return 0;
}

/* ---- units */

/* (name, description, load, active, sub, followed, path, job, job type, job path) */
static bool take_unit(struct state *s, struct dbus_reader *r)
{
    struct str name, load, active, path, other;
    if (!dbus_enter_struct(r) || !dbus_text(r, &name) || !dbus_text(r, &other) ||
        !dbus_text(r, &load) || !dbus_text(r, &active) || !dbus_text(r, &other) ||
        !dbus_text(r, &other) || !dbus_text(r, &path))
        return false;
    size_t state = 0;
    while (state < COUNTOF(STATES) && !str_eq(active, STATES[state]))
        state++;
    if (state < COUNTOF(STATES))
        s->counts[state]++;
    if (s->n < UNITS_MAX && str_eq(load, STR("loaded")) && filter_match(&s->wanted, name) &&
        !filter_match(&s->ignored, name)) {
        struct unit one = {mem_text(name.p, name.n), mem_text(path.p, path.n), state};
        vec_push(s, one);
    }
    return true;
}

static int list_units(struct state *s, struct dbus *d, struct why *why)
{
    struct dbus_reader r, all;
    forget_units(s);
    memset(s->counts, 0, sizeof s->counts);
    int err = dbus_call(
        d,
        &(struct dbus_call){
            .destination = SYSTEMD, .path = PATH, .interface = MANAGER, .member = "ListUnits"},
        &r, why);
    if (err)
        return err;
    bool good = dbus_array(&r, &all);
    while (good && dbus_more(&all)) {
        struct dbus_reader one = all;
        good = take_unit(s, &one) && dbus_skip(&all);
    }
    return good ? 0 : why_set(why, ERR_FORMAT, "systemd: the list of units is cut off");
}

/* A service's and a mount's Type, asked for once. */
static struct str type_of(struct state *s, struct dbus *d, const struct unit *u)
{
    struct dbus_reader r;
    struct str text;
    const char *interface =
        str_ends(str_c(u->name), STR(".service")) ? "org.freedesktop.systemd1.Service"
        : str_ends(str_c(u->name), STR(".mount")) ? "org.freedesktop.systemd1.Mount"
                                                  : NULL;
    if (!interface)
        return STR("");
    union map_value *known = map_get(&s->types, str_c(u->path));
    if (known)
        return str_c(known->p);
    if (dbus_property(d, SYSTEMD, u->path, interface, "Type", &r, NULL) || !dbus_text(&r, &text))
        return STR("");
    char *kept = mem_text(text.p, text.n);
    map_put(&s->types, str_c(u->path), NULL)->p = kept;
    return str_c(kept);
}

static void give_properties(struct state *s, struct dbus *d, struct emit *e, const struct unit *u)
{
    for (size_t i = 0; i < COUNTOF(PROPERTIES); i++) {
        char interface[128];
        struct dbus_reader r;
        double v = 0;
        if ((PROPERTIES[i].detail && !s->details) ||
            !str_ends(str_c(u->name), str_c(PROPERTIES[i].suffix)))
            continue;
        snprintf(interface, sizeof interface, "%s.%s", SYSTEMD, PROPERTIES[i].interface);
        bool unit = PROPERTIES[i].suffix[0] == 0;
        if (unit && u->state != 0) {
            emit(e, &PROPERTIES[i].family, 0, str_c(u->name)); /* not started */
            continue;
        }
        if (dbus_property(d, SYSTEMD, u->path, interface, PROPERTIES[i].property, &r, NULL) ||
            !dbus_number(&r, &v))
            continue;
        if (v != UNLIMITED)
            emit(e, &PROPERTIES[i].family, v * PROPERTIES[i].unit, str_c(u->name));
    }
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    struct state *s = state;
    struct dbus d;
    int err = dbus_open_host(&d, host->root, true, why);
    if (err)
        return err;
    err = give_manager(&d, e, why);
    if (!err)
        err = list_units(s, &d, why);
    if (s->types.n > UNITS_MAX)
        forget_types(s);
    for (size_t i = 0; !err && i < COUNTOF(STATES); i++)
        emit(e, &UNITS, s->counts[i], STATES[i]);
    for (size_t i = 0; !err && i < s->n; i++) {
        const struct unit *u = &s->v[i];
        struct str type = type_of(s, &d, u);
        for (size_t k = 0; k < COUNTOF(STATES); k++)
            emit(e, &STATE, u->state == k, str_c(u->name), STATES[k], type);
        give_properties(s, &d, e, u);
    }
    dbus_close(&d);
    return err;
}

const struct collector_ops systemd_collector = {
    .open = open_state, .run = run, .close = close_state};
