#include "cli/watch_table.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    SECOND = 1,
    MINUTE = 60,
    HOUR = 60 * MINUTE,
    DAY = 24 * HOUR,
    CELL_MAX = 80, /* bytes */
    NAME_WIDTH_MAX = 40,
};

void watch_table_age(struct buf *out, int64_t ms)
{
    int64_t s = ms / 1000;
    if (s >= DAY)
        buf_printf(out, "%" PRId64 "d%" PRId64 "h", s / DAY, s % DAY / HOUR);
    else if (s >= HOUR)
        buf_printf(out, "%" PRId64 "h%" PRId64 "m", s / HOUR, s % HOUR / MINUTE);
    else if (s >= MINUTE)
        buf_printf(out, "%" PRId64 "m%" PRId64 "s", s / MINUTE, s % MINUTE);
    else
        buf_printf(out, "%" PRId64 "s", s);
}

void watch_table_bytes(struct buf *out, int64_t bytes)
{
    static const char UNITS[] = "BKMGTP";
    double v = (double)bytes;
    size_t unit = 0;
    for (; v >= 1024 && unit + 2 < sizeof UNITS; unit++)
        v /= 1024;
    buf_printf(out, v < 10 && unit > 0 ? "%.1f%c" : "%.0f%c", v, UNITS[unit]);
}

static void put_cell(struct buf *out, struct str text, int width, bool right)
{
    buf_printf(out, right ? "%*.*s " : "%-*.*s ", width, STR_ARG(text));
}

static const char *colour_of(const struct watch_view_unit *u)
{
    switch (watch_view_of(u)) {
    case WATCH_VIEW_WELL:
        return str_eq(u->state, STR("running")) ? "\x1b[32m" : "\x1b[2m";
    case WATCH_VIEW_UNSETTLED:
        return "\x1b[33m";
    case WATCH_VIEW_CRITICAL:
        return "\x1b[31m";
    }
    return "";
}

static void put_check(struct buf *out, const char *name, const struct watch_view_check *c)
{
    if (!c->configured)
        return;
    buf_printf(out, "%s %s ", name, !c->ran ? "-" : c->ok ? "ok" : "FAILS");
}

static void put_numbers(const struct watch_view_unit *u, struct buf *out)
{
    char text[CELL_MAX];
    struct buf cell;
    buf_init(&cell, CELL_MAX);
    if (u->pid > 0)
        watch_table_age(&cell, u->uptime_ms);
    put_cell(out, buf_str(&cell), 8, true);
    int n = snprintf(text, sizeof text, "%" PRId64, u->restarts);
    put_cell(out, str_of(text, (size_t)n), 8, true);
    buf_clear(&cell);
    if (u->pid > 0)
        watch_table_bytes(&cell, u->memory_bytes);
    put_cell(out, buf_str(&cell), 7, true);
    n = u->pid > 0 ? snprintf(text, sizeof text, "%.1f%%", u->cpu_percent) : 0;
    put_cell(out, str_of(text, (size_t)n), 6, true);
    buf_done(&cell);
}

static void put_unit(const struct watch_view_unit *u, int width, bool colour, struct buf *out)
{
    char pid[CELL_MAX];
    int n = u->pid > 0 ? snprintf(pid, sizeof pid, "%" PRId64, u->pid) : 0;
    put_cell(out, u->name, width, false);
    if (colour)
        buf_put_str(out, str_c(colour_of(u)));
    put_cell(out, u->state, 10, false);
    if (colour)
        buf_put_str(out, STR("\x1b[0m"));
    put_cell(out, str_of(pid, (size_t)n), 7, true);
    put_numbers(u, out);
    if (u->pid > 0)
        buf_put_str(out, u->ready ? STR("ready ") : STR("not ready "));
    put_check(out, "alive", &u->liveness);
    put_check(out, "serves", &u->readiness);
    while (out->n > 0 && out->p[out->n - 1] == ' ')
        out->n--;
    buf_put_c(out, '\n');
}

void watch_table(const struct watch_view *v, bool colour, struct buf *out)
{
    size_t width = sizeof "program";
    for (size_t i = 0; i < v->n; i++)
        width = MAX(width, MIN(v->v[i].name.n, (size_t)NAME_WIDTH_MAX));
    buf_printf(out, "%-*s %-10s %7s %8s %8s %7s %6s %s\n", (int)width, "program", "state", "pid",
               "uptime", "restarts", "memory", "cpu", "checks");
    for (size_t i = 0; i < v->n; i++)
        put_unit(&v->v[i], (int)width, colour, out);
    for (size_t i = 0; i < v->n; i++) {
        const struct watch_view_unit *u = &v->v[i];
        if (watch_view_of(u) != WATCH_VIEW_WELL && u->reason.n > 0)
            buf_printf(out, STR_FMT ": " STR_FMT "\n", STR_ARG(u->name), STR_ARG(u->reason));
    }
}
