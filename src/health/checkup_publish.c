/* The checks as series, written to the sink on a lane of its own. */
#include <math.h>
#include <stdio.h>

#include "base/stat.h"
#include "health/checkup_inside.h"

static const int64_t DAY_MS = 86400000;

static struct stat refused = STAT_COUNTER("sonde_check_samples_refused_total",
                                          "Samples of checks that the store did not take.");

static const struct {
    const char *name;
    enum metric_type type;
    const char *help;
} METRICS[] = {
    {"sonde_check_status", METRIC_GAUGE,
     "State of a check: 0 healthy, 1 degraded, 2 unhealthy, 3 unknown."},
    {"sonde_check_duration_seconds", METRIC_GAUGE, "How long the last answer took."},
    {"sonde_check_maintenance", METRIC_GAUGE, "Is it under maintenance? 1 or 0."},
    {"sonde_check_runs_total", METRIC_COUNTER, "How often it was made."},
    {"sonde_check_failures_total", METRIC_COUNTER, "How often it was unhealthy."},
    {"sonde_check_uptime_ratio", METRIC_GAUGE,
     "Share of the known time outside of maintenance in which it was up."},
    {"sonde_check_certificate_expiry_timestamp_seconds", METRIC_GAUGE,
     "When the server's certificate ends."},
    {"sonde_check_value", METRIC_GAUGE, "A figure that the check gives."},
};
enum { STATUS, DURATION, MAINTENANCE, RUNS, FAILURES, UPTIME, CERTIFICATE, VALUE };

/* A check's series, with its labels and up to two more. */
static void put(struct checkup_check *k, int metric, double value, const struct label *more,
                size_t more_n)
{
    const struct checkup_settings *s = &k->settings;
    struct label v[CHECKUP_SETTINGS_LABELS_MAX + 5];
    size_t n = 0;
    v[n++] = (struct label){STR("check"), str_c(s->name)};
    v[n++] = (struct label){STR("kind"), str_c(s->kind)};
    if (s->group[0] != '\0')
        v[n++] = (struct label){STR("group"), str_c(s->group)};
    for (size_t i = 0; i < more_n; i++)
        v[n++] = more[i];
    size_t own = n;
    for (size_t i = 0; i < s->labels.n; i++) {
        struct str text = str_c(s->labels.v[i]);
        size_t equals = str_find(text, '=');
        struct str name = str_sub(text, 0, equals);
        bool taken = false;
        for (size_t l = 0; l < own; l++)
            taken = taken || str_eq(v[l].name, name);
        if (!taken)
            v[n++] = (struct label){name, str_sub(text, equals + 1, text.n)};
    }
    const struct emit_foreign e = {.name = str_c(METRICS[metric].name),
                                   .base = str_c(METRICS[metric].name),
                                   .help = str_c(METRICS[metric].help),
                                   .type = METRICS[metric].type,
                                   .labels = v,
                                   .labels_n = n};
    (void)emit_foreign(&k->checkup->emit, &e, value); /* few labels: it fits */
}

static void put_figures(struct checkup_check *k)
{
    for (size_t i = 0; i < k->result.figures_n; i++) {
        const struct checkup_figure *f = &k->result.figures[i];
        if (str_eq(str_c(f->label), STR("certificate_ends"))) {
            put(k, CERTIFICATE, f->value, NULL, 0);
            continue;
        }
        struct label more[2] = {{STR("label"), str_c(f->label)}, {STR("unit"), str_c(f->unit)}};
        put(k, VALUE, f->value, more, f->unit[0] != '\0' ? 2 : 1);
    }
}

static void put_check(struct checkup_check *k, int64_t now)
{
    static const struct {
        const char *name;
        int days;
    } WINDOWS[] = {{"1d", 1}, {"7d", 7}, {"30d", 30}};
    put(k, STATUS, k->ever ? k->shown : HEALTH_UNKNOWN, NULL, 0);
    put(k, MAINTENANCE, k->maintenance, NULL, 0);
    put(k, RUNS, (double)k->runs, NULL, 0);
    put(k, FAILURES, (double)k->failures, NULL, 0);
    if (!k->ever)
        return;
    put(k, DURATION, k->result.duration_s, NULL, 0);
    for (size_t i = 0; i < COUNTOF(WINDOWS); i++) {
        double up = standing_uptime(&k->history, now - WINDOWS[i].days * DAY_MS, now);
        struct label window = {STR("window"), str_c(WINDOWS[i].name)};
        if (!isnan(up))
            put(k, UPTIME, up, &window, 1);
    }
    put_figures(k);
}

/* ---- to the sink */

static void committed(void *context, int err)
{
    (void)context;
    (void)err; /* the store tells of it itself */
}

void checkup_inside_publish(struct checkup *c)
{
    if (c->plan.sink == NULL)
        return;
    int64_t now = clock_wall_ms(c->plan.clock);
    struct emit *e = &c->emit;
    stat_register(&refused);
    emit_begin(e);
    for (size_t i = 0; i < c->checks.n; i++)
        put_check(c->checks.v[i], now);
    emit_end(e);
    emit_writer_run(&c->writer, e, now);
    c->plan.sink->ops->commit(c->plan.sink, c->plan.lane, committed, NULL);
}

void checkup_inside_publish_open(struct checkup *c)
{
    const struct emit_writer_plan plan = {.sink = c->plan.sink,
                                          .lane = c->plan.lane,
                                          .tenant = c->tenant,
                                          .subject = "health",
                                          .what = "series of checks",
                                          .refused = &refused};
    emit_init(&c->emit, STR("sonde"), c->plan.instance);
    emit_writer_init(&c->writer, &plan);
}

void checkup_inside_publish_done(struct checkup *c)
{
    emit_done(&c->emit);
    emit_writer_done(&c->writer);
}
