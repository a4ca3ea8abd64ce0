#include "serve/system_report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/map.h"
#include "base/stat.h"
#include "health/checkup.h"
#include "serve/member.h"
#include "serve/system_row.h"
#include "watch/feed/watch_view.h"

enum { ASK_MS = 1000, CHECKS_MAX = HEALTH_CHECKS_MAX };

/* ---- the host */

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : NAN;
}

static void put_cpu(const struct system_rows *r, struct json_writer *w)
{
    static const char *const MODES[] = {"user", "system",  "iowait", "steal",
                                        "irq",  "softirq", "nice"};
    double idle = system_row_value(r, "sonde_host_cpu_ratio", "mode=\"idle\"");
    json_key(w, STR("cpu"));
    json_begin_object(w);
    member_number(w, "used_ratio", 1 - idle);
    member_number(w, "idle_ratio", idle);
    for (size_t i = 0; i < COUNTOF(MODES); i++) {
        char label[40], key[40];
        snprintf(label, sizeof label, "mode=\"%s\"", MODES[i]);
        snprintf(key, sizeof key, "%s_ratio", MODES[i]);
        member_number(w, key, system_row_value(r, "sonde_host_cpu_ratio", label));
    }
    member_whole(w, "cores", (int64_t)sysconf(_SC_NPROCESSORS_ONLN));
    json_end_object(w);
}

static void put_memory(const struct system_rows *r, struct json_writer *w)
{
    double total = system_row_value(r, "node_memory_MemTotal_bytes", "");
    double available = system_row_value(r, "node_memory_MemAvailable_bytes", "");
    double swap = system_row_value(r, "node_memory_SwapTotal_bytes", "");
    double swap_free = system_row_value(r, "node_memory_SwapFree_bytes", "");
    json_key(w, STR("memory"));
    json_begin_object(w);
    member_number(w, "total_bytes", total);
    member_number(w, "available_bytes", available);
    member_number(w, "used_ratio", share(total - available, total));
    member_number(w, "swap_total_bytes", swap);
    member_number(w, "swap_used_bytes", swap - swap_free);
    json_end_object(w);
}

static void put_disks(const struct system_rows *r, struct json_writer *w)
{
    struct str label, device;
    double size;
    json_key(w, STR("disk"));
    json_begin_array(w);
    for (size_t at = 0;
         system_row_next(r, "node_filesystem_size_bytes", "mountpoint", &at, &label, &size);) {
        char match[512];
        snprintf(match, sizeof match, "mountpoint=\"" STR_FMT "\"", STR_ARG(label));
        double available = system_row_value(r, "node_filesystem_avail_bytes", match);
        device = system_row_label(r, at - 1, "device");
        json_begin_object(w);
        member_text(w, "mountpoint", label);
        member_text(w, "device", device);
        member_number(w, "size_bytes", size);
        member_number(w, "available_bytes", available);
        member_number(w, "used_ratio", share(size - available, size));
        json_end_object(w);
    }
    json_end_array(w);
}

static void put_network(const struct system_rows *r, struct json_writer *w)
{
    struct str label;
    double received;
    json_key(w, STR("network"));
    json_begin_array(w);
    for (size_t at = 0; system_row_next(r, "node_network_receive_bytes_total", "device", &at,
                                        &label, &received);) {
        char match[512];
        snprintf(match, sizeof match, "device=\"" STR_FMT "\"", STR_ARG(label));
        json_begin_object(w);
        member_text(w, "device", label);
        member_number(w, "received_bytes_total", received);
        member_number(w, "sent_bytes_total",
                      system_row_value(r, "node_network_transmit_bytes_total", match));
        json_end_object(w);
    }
    json_end_array(w);
}

static void put_rest(struct serve *s, const struct system_rows *r, struct json_writer *w)
{
    double boot = system_row_value(r, "node_boot_time_seconds", "");
    int64_t now_ms = clock_wall_ms(s->config.clock);
    json_key(w, STR("load"));
    json_begin_object(w);
    member_number(w, "1m", system_row_value(r, "node_load1", ""));
    member_number(w, "5m", system_row_value(r, "node_load5", ""));
    member_number(w, "15m", system_row_value(r, "node_load15", ""));
    json_end_object(w);
    member_number(w, "uptime_seconds", (double)now_ms / 1000 - boot);
    member_number(w, "processes_running", system_row_value(r, "node_procs_running", ""));
    member_number(w, "processes_blocked", system_row_value(r, "node_procs_blocked", ""));
}

void system_report_host(struct serve *s, struct json_writer *w)
{
    struct system_rows rows;
    system_row_read(&s->config.source, &rows);
    json_begin_object(w);
    member_text(w, "instance", str_c(s->config.instance ? s->config.instance : ""));
    member_whole(w, "time_ms", clock_wall_ms(s->config.clock));
    put_cpu(&rows, w);
    put_memory(&rows, w);
    put_disks(&rows, w);
    put_network(&rows, w);
    put_rest(s, &rows, w);
    json_end_object(w);
    system_row_done(&rows);
}

/* ---- databases and response times */

static bool is_database(const char *kind)
{
    return strcmp(kind, "postgresql") == 0 || strcmp(kind, "mysql") == 0 ||
           strcmp(kind, "redis") == 0;
}

static void put_check(struct json_writer *w, const struct checkup_view *v)
{
    json_begin_object(w);
    member_text(w, "name", str_c(v->settings.name));
    member_text(w, "kind", str_c(v->settings.kind));
    member_text(w, "state", str_c(checkup_word(v->state)));
    member_text(w, "message", v->message);
    json_key(w, STR("response_time_seconds"));
    if (v->ever)
        json_number(w, v->duration_s);
    else
        json_null(w);
    json_end_object(w);
}

static void put_checks(struct serve *s, bool databases, struct arena *a, struct json_writer *w)
{
    struct checkup_view *v;
    size_t n;
    checkup_list(s->config.checkup, a, &v, &n);
    for (size_t i = 0; i < n; i++)
        if (!databases || is_database(v[i].settings.kind))
            put_check(w, &v[i]);
}

/* The store's own checks: it is this daemon's database. */
static void put_store(struct serve *s, struct json_writer *w)
{
    struct health_row rows[CHECKS_MAX];
    size_t n = health_list(s->config.health, rows, CHECKS_MAX);
    enum health_state worst = HEALTH_OK;
    double latency = NAN;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(rows[i].check->component, "storage") != 0)
            continue;
        if (rows[i].reading.state != HEALTH_UNKNOWN)
            worst = MAX(worst, rows[i].reading.state);
        if (strcmp(rows[i].check->measurement, "commit_latency") == 0 && rows[i].time_ms)
            latency = rows[i].reading.value;
    }
    json_begin_object(w);
    member_text(w, "name", STR("store"));
    member_text(w, "kind", STR("store"));
    member_text(w, "state", str_c(checkup_word(worst)));
    member_text(w, "message", STR(""));
    member_number(w, "response_time_seconds", latency);
    json_end_object(w);
}

/* ---- programs */

static void put_unit(struct json_writer *w, const struct watch_view_unit *u)
{
    json_begin_object(w);
    member_text(w, "name", u->name);
    member_text(w, "group", u->group);
    member_text(w, "state", u->state);
    member_text(w, "reason", u->reason);
    member_whole(w, "pid", u->pid);
    member_number(w, "uptime_seconds", (double)u->uptime_ms / 1000);
    member_whole(w, "starts", u->starts);
    member_whole(w, "restarts", u->restarts);
    member_whole(w, "deaths", u->deaths);
    member_whole(w, "memory_bytes", u->memory_bytes);
    member_number(w, "cpu_percent", u->cpu_percent);
    member_whole(w, "processes", u->processes);
    member_text(w, "last_death", u->last_death.any ? u->last_death.sentence : STR(""));
    json_end_object(w);
}

static void put_programs(struct serve *s, struct arena *a, struct json_writer *w)
{
    const char *socket = s->config.watch_socket;
    struct watch_view view = {0};
    bool there = socket && socket[0] && watch_view_ask(socket, "", ASK_MS, a, &view, NULL) == 0;
    json_key(w, STR("watch"));
    json_begin_object(w);
    json_key(w, STR("running"));
    json_bool(w, there);
    member_whole(w, "starts", view.starts);
    member_whole(w, "restarts", view.restarts);
    member_whole(w, "deaths", view.deaths);
    member_whole(w, "critical", view.units_critical);
    json_end_object(w);
    json_key(w, STR("programs"));
    json_begin_array(w);
    for (size_t i = 0; i < view.n; i++)
        put_unit(w, &view.v[i]);
    json_end_array(w);
}

void system_report_status(struct serve *s, struct json_writer *w)
{
    struct arena a;
    int64_t now_ms = clock_wall_ms(s->config.clock);
    enum health_state worst = MAX(health_worst(s->config.health), checkup_worst(s->config.checkup));
    arena_init(&a);
    member_text(w, "status", str_c(checkup_word(worst)));
    member_whole(w, "time_ms", now_ms);
    member_text(w, "version", STR(SONDE_VERSION));
    member_number(w, "uptime_seconds", (double)(now_ms - s->config.start_ms) / 1000);
    json_key(w, STR("system"));
    system_report_host(s, w);
    json_key(w, STR("database"));
    json_begin_array(w);
    put_store(s, w);
    put_checks(s, true, &a, w);
    json_end_array(w);
    json_key(w, STR("response_times"));
    json_begin_array(w);
    put_checks(s, false, &a, w);
    json_end_array(w);
    put_programs(s, &a, w);
    arena_done(&a);
}

/* ---- the daemon's own figures */

static void begin_family(struct json_writer *w, const struct stat_sample *v, const char **family)
{
    static const char *const TYPES[] = {"counter", "gauge", "histogram"};
    if (*family && strcmp(*family, v->family) == 0)
        return;
    if (*family) {
        json_end_array(w);
        json_end_object(w);
    }
    *family = v->family;
    json_key(w, str_c(v->family));
    json_begin_object(w);
    member_text(w, "type", str_c(TYPES[v->type]));
    member_text(w, "help", str_c(v->help));
    json_key(w, STR("values"));
    json_begin_array(w);
}

struct own {
    struct json_writer *w;
    const char *family;
};

/* Of a histogram its sum and count. */
static void put_own(void *context, const struct stat_sample *v)
{
    struct own *o = context;
    if (strcmp(v->suffix, "_bucket") == 0)
        return;
    begin_family(o->w, v, &o->family);
    json_begin_object(o->w);
    member_text(o->w, "labels", str_c(v->labels));
    if (v->suffix[0])
        member_text(o->w, "part", str_c(v->suffix + 1));
    member_number(o->w, "value", v->value);
    json_end_object(o->w);
}

void system_report_own(struct serve *s, struct json_writer *w)
{
    struct system_rows rows;
    struct own o = {.w = w};
    int64_t now_ms = clock_wall_ms(s->config.clock);
    system_row_read(&s->config.source, &rows);
    json_begin_object(w);
    member_whole(w, "time_ms", now_ms);
    member_text(w, "version", STR(SONDE_VERSION));
    member_number(w, "uptime_seconds", (double)(now_ms - s->config.start_ms) / 1000);
    member_number(w, "memory_bytes", system_row_value(&rows, "process_resident_memory_bytes", ""));
    member_number(w, "cpu_seconds_total", system_row_value(&rows, "process_cpu_seconds_total", ""));
    member_number(w, "open_files", system_row_value(&rows, "process_open_fds", ""));
    json_key(w, STR("metrics"));
    json_begin_object(w);
    stat_each(put_own, &o);
    if (o.family) {
        json_end_array(w);
        json_end_object(w);
    }
    json_end_object(w);
    json_end_object(w);
    system_row_done(&rows);
}
