#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
#include "rules/rules_inside.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct map by_group; /* labels -> struct rules_stats, for good */

static struct stat all_durations =
    STAT_HISTOGRAM("sonde_rule_group_duration_seconds", "How long runs of rule groups took.");

static void open_one(struct stat *s, const char *name, const char *help, const char *labels,
                     enum stat_type type)
{
    s->name = name;
    s->help = help;
    s->labels = labels;
    s->type = type;
    stat_register(s);
}

static struct rules_stats *stats_new(const char *labels)
{
    struct rules_stats *s = mem_new(sizeof *s);
    open_one(&s->iterations, "sonde_rule_group_iterations_total",
             "Runs that were due, missed ones included.", labels, STAT_TYPE_COUNTER);
    open_one(&s->missed, "sonde_rule_group_iterations_missed_total",
             "Runs that were skipped because the one before took too long or the clock jumped.",
             labels, STAT_TYPE_COUNTER);
    open_one(&s->evaluations, "sonde_rule_evaluations_total", "Rules evaluated.", labels,
             STAT_TYPE_COUNTER);
    open_one(&s->failures, "sonde_rule_evaluation_failures_total", "Rules that failed.", labels,
             STAT_TYPE_COUNTER);
    open_one(&s->interval, "sonde_rule_group_interval_seconds", "How often the group runs.", labels,
             STAT_TYPE_GAUGE);
    open_one(&s->duration, "sonde_rule_group_last_duration_seconds", "How long the last run took.",
             labels, STAT_TYPE_GAUGE);
    open_one(&s->at, "sonde_rule_group_last_evaluation_timestamp_seconds",
             "The time that the last run was for.", labels, STAT_TYPE_GAUGE);
    open_one(&s->samples, "sonde_rule_group_last_evaluation_samples",
             "Samples that the last run gave.", labels, STAT_TYPE_GAUGE);
    open_one(&s->rules, "sonde_rule_group_rules", "Rules of the group.", labels, STAT_TYPE_GAUGE);
    return s;
}

static void show(struct rules_stats *s, bool shown)
{
    struct stat *const all[] = {&s->iterations, &s->missed,   &s->evaluations,
                                &s->failures,   &s->interval, &s->duration,
                                &s->at,         &s->samples,  &s->rules};
    for (size_t i = 0; i < COUNTOF(all); i++)
        stat_hide(all[i], !shown);
}

static void put_value(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\n') {
            buf_put_str(out, STR("\\n"));
            continue;
        }
        if (s.p[i] == '"' || s.p[i] == '\\')
            buf_put_c(out, '\\');
        buf_put_c(out, s.p[i]);
    }
}

struct rules_stats *rules_stats_of(const struct group *g)
{
    struct buf labels;
    struct rules_stats *s = NULL;
    bool fresh = false;
    stat_register(&all_durations);
    buf_init(&labels, 1 << 16);
    buf_put_str(&labels, STR("rule_group=\""));
    put_value(&labels, group_file(g));
    buf_put_c(&labels, ';');
    put_value(&labels, group_rules(g)->name);
    buf_put_c(&labels, '"');
    thread_lock(&lock);
    union map_value *known = map_get(&by_group, buf_str(&labels));
    if (known != NULL) {
        s = known->p;
    } else if (by_group.n < RULES_STATS_MAX && !buf_failed(&labels)) {
        known = map_put(&by_group, buf_str(&labels), &fresh);
        known->p = s = stats_new(mem_text(labels.p, labels.n));
    }
    thread_unlock(&lock);
    buf_done(&labels);
    if (s == NULL)
        return NULL;
    show(s, true);
    stat_set(&s->interval, (double)group_interval_ms(g) / 1e3);
    stat_set(&s->rules, (double)group_rules(g)->rules_n);
    return s;
}

void rules_stats_hide(struct rules_stats *s)
{
    if (s != NULL)
        show(s, false);
}

void rules_stats_missed(struct rules_stats *s, uint64_t n)
{
    if (s == NULL)
        return;
    stat_add(&s->missed, n);
    stat_add(&s->iterations, n);
}

void rules_stats_ran(struct rules_stats *s, const struct group_outcome *outcome, int64_t t_ms,
                     int64_t took_ns)
{
    stat_observe(&all_durations, took_ns);
    if (s == NULL)
        return;
    stat_add(&s->iterations, 1);
    stat_add(&s->evaluations, outcome->evaluated);
    stat_add(&s->failures, outcome->failed);
    stat_set(&s->duration, (double)took_ns / 1e9);
    stat_set(&s->at, (double)t_ms / 1e3);
    stat_set(&s->samples, (double)outcome->samples);
}
