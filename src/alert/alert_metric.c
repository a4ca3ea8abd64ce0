#include "alert/alert_inside.h"

#include "base/stat.h"

#define ALERTS     "Alerts that are not resolved, by state."
#define SILENCES   "Silences that are kept, by state."
#define RECEIVED   "Alerts taken from rules, the API and others."
#define DECIDED    "Messages that were decided and queued, by reason."
#define SUPPRESSED "Alerts of a group that were held back when it was looked at, by reason."

static struct stat states[] = {
    STAT_GAUGE_OF("sonde_alert_alerts", "state=\"active\"", ALERTS),
    STAT_GAUGE_OF("sonde_alert_alerts", "state=\"suppressed\"", ALERTS),
    STAT_GAUGE_OF("sonde_alert_alerts", "state=\"unprocessed\"", ALERTS),
};
static struct stat silences[] = {
    STAT_GAUGE_OF("sonde_alert_silences", "state=\"pending\"", SILENCES),
    STAT_GAUGE_OF("sonde_alert_silences", "state=\"active\"", SILENCES),
    STAT_GAUGE_OF("sonde_alert_silences", "state=\"expired\"", SILENCES),
};
static struct stat received[] = {
    STAT_COUNTER_OF("sonde_alert_received_total", "status=\"firing\"", RECEIVED),
    STAT_COUNTER_OF("sonde_alert_received_total", "status=\"resolved\"", RECEIVED),
};
static struct stat decided[] = {
    STAT_COUNTER_OF("sonde_alert_decided_total", "reason=\"first\"", DECIDED),
    STAT_COUNTER_OF("sonde_alert_decided_total", "reason=\"new_alerts\"", DECIDED),
    STAT_COUNTER_OF("sonde_alert_decided_total", "reason=\"all_resolved\"", DECIDED),
    STAT_COUNTER_OF("sonde_alert_decided_total", "reason=\"new_resolved\"", DECIDED),
    STAT_COUNTER_OF("sonde_alert_decided_total", "reason=\"repeat\"", DECIDED),
    STAT_COUNTER_OF("sonde_alert_decided_total", "reason=\"escalation\"", DECIDED),
};
static struct stat suppressed[] = {
    STAT_COUNTER_OF("sonde_alert_suppressed_total", "reason=\"inhibition\"", SUPPRESSED),
    STAT_COUNTER_OF("sonde_alert_suppressed_total", "reason=\"silence\"", SUPPRESSED),
    STAT_COUNTER_OF("sonde_alert_suppressed_total", "reason=\"mute_time_interval\"", SUPPRESSED),
    STAT_COUNTER_OF("sonde_alert_suppressed_total", "reason=\"active_time_interval\"", SUPPRESSED),
};
static struct stat acknowledged =
    STAT_GAUGE("sonde_alert_acknowledged", "Alerts that fire and that somebody has acknowledged.");
static struct stat groups = STAT_GAUGE("sonde_alert_groups", "Groups of alerts.");
static struct stat invalid =
    STAT_COUNTER("sonde_alert_invalid_total", "Alerts that were refused because they are none.");
static struct stat dropped = STAT_COUNTER(
    "sonde_alert_dropped_total", "Alerts that found no room in the queue before the engine.");
static struct stat bad_rows = STAT_COUNTER(
    "sonde_alert_bad_rows_total", "Rows of state.db that made no sense when they were read.");
static struct stat lag = STAT_HISTOGRAM("sonde_alert_dispatch_lag_seconds",
                                        "From when a group was due until it was looked at.");
static struct stat writes =
    STAT_HISTOGRAM("sonde_alert_write_seconds", "Transactions that keep decisions and messages.");
static struct stat write_failures = STAT_COUNTER(
    "sonde_alert_write_failures_total", "Such transactions that failed and were tried again.");

static void register_all(struct stat *s, size_t n)
{
    for (size_t k = 0; k < n; k++)
        stat_register(&s[k]);
}

void alert_metric_open(void)
{
    struct stat *const single[] = {&acknowledged, &groups, &invalid, &dropped,
                                   &bad_rows,     &lag,    &writes,  &write_failures};
    register_all(states, COUNTOF(states));
    register_all(silences, COUNTOF(silences));
    register_all(received, COUNTOF(received));
    register_all(decided, COUNTOF(decided));
    register_all(suppressed, COUNTOF(suppressed));
    for (size_t k = 0; k < COUNTOF(single); k++)
        stat_register(single[k]);
}

void alert_metric_received(bool resolved)
{
    stat_add(&received[resolved], 1);
}

void alert_metric_invalid(void)
{
    stat_add(&invalid, 1);
}

void alert_metric_dropped(size_t n)
{
    stat_add(&dropped, n);
}

void alert_metric_bad_rows(size_t n)
{
    stat_add(&bad_rows, n);
}

void alert_metric_decided(enum message_reason r)
{
    if ((size_t)r < COUNTOF(decided))
        stat_add(&decided[r], 1);
}

void alert_metric_suppressed(enum alert_metric_mute why, size_t n)
{
    stat_add(&suppressed[why], n);
}

void alert_metric_lag(int64_t ms)
{
    stat_observe(&lag, MAX(ms, 0) * 1000000);
}

void alert_metric_written(int64_t ns, bool well)
{
    stat_observe(&writes, ns);
    if (!well)
        stat_add(&write_failures, 1);
}

void alert_metric_count(struct alerting *a, int64_t now_ms)
{
    size_t at = 0, n[3] = {0}, quiet[3] = {0}, known = 0;
    for (struct map_slot *m; (m = map_next(&a->items, &at)) != NULL;) {
        struct alert_item *i = m->value.p;
        if (i->resolved)
            continue;
        alert_quiet_look(a, i);
        known += i->acknowledged_by != NULL;
        if (!i->stored)
            n[2]++;
        else
            n[i->silences.n || alert_inhibit_by(a, i, now_ms) ? 1 : 0]++;
    }
    for (size_t k = 0; k < a->silences.n; k++)
        quiet[alert_quiet_state(a->silences.v[k], now_ms)]++;
    for (size_t k = 0; k < 3; k++) {
        stat_set(&states[k], (double)n[k]);
        stat_set(&silences[k], (double)quiet[k]);
    }
    stat_set(&acknowledged, (double)known);
    stat_set(&groups, (double)a->groups.n);
}
