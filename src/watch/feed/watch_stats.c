#include "watch/feed/watch_stats.h"

#include <inttypes.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/stat.h"
#include "base/vec.h"

enum { LABELS_MAX = 1024 /* bytes */ };

/* Figures of a unit with no further label. */
enum figure {
    FIGURE_UP,
    FIGURE_READY,
    FIGURE_STARTS,
    FIGURE_DEATHS,
    FIGURE_UPTIME,
    FIGURE_MEMORY,
    FIGURE_CPU,
    FIGURE_FILES,
    FIGURE_PROCESSES,
    FIGURE_OUTPUT,
    FIGURE_DROPPED,
    FIGURE_WINDOW,
    FIGURES
};

static const struct {
    const char *name, *help;
    enum stat_type type;
} FIGURE[FIGURES] = {
    {"sonde_watch_program_up", "Does the program run?", STAT_TYPE_GAUGE},
    {"sonde_watch_program_ready", "Is it ready?", STAT_TYPE_GAUGE},
    {"sonde_watch_program_starts_total", "Starts of the program.", STAT_TYPE_COUNTER},
    {"sonde_watch_program_deaths_total", "Ends that nobody asked for.", STAT_TYPE_COUNTER},
    {"sonde_watch_program_uptime_seconds", "Since its last start.", STAT_TYPE_GAUGE},
    {"sonde_watch_program_memory_bytes", "Memory of all its processes.", STAT_TYPE_GAUGE},
    {"sonde_watch_program_cpu_ratio", "Processor time of all its processes; 1 is one core.",
     STAT_TYPE_GAUGE},
    {"sonde_watch_program_open_files", "Open file descriptors of all its processes.",
     STAT_TYPE_GAUGE},
    {"sonde_watch_program_processes", "Processes of the program.", STAT_TYPE_GAUGE},
    {"sonde_watch_program_output_bytes_total", "What it printed.", STAT_TYPE_COUNTER},
    {"sonde_watch_program_output_dropped_bytes_total",
     "What it printed and could not be written to its file.", STAT_TYPE_COUNTER},
    {"sonde_watch_program_restarts_in_window", "Restarts that count towards its limit.",
     STAT_TYPE_GAUGE},
};

/* A statistic with a label of its own: a state, a reason, a check. */
struct extra {
    struct stat stat;
    uint64_t last;
};

struct unit {
    struct stat stats[FIGURES];
    uint64_t last[FIGURES]; /* counters: what sonde-watch said last */
    struct map extras;      /* metric and label -> struct extra */
    char *labels;
    bool seen, hidden;
};

struct watch_stats {
    struct map units; /* name -> struct unit; never freed, as statistics live on */
};

static struct stat up = STAT_GAUGE("sonde_watch_up", "Does sonde-watch answer?");
static struct stat left_out =
    STAT_GAUGE("sonde_watch_programs_without_metrics", "Units that exceed the limit.");

static char *labels_of(const struct watch_view_unit *u, const char *more, struct str value)
{
    struct buf b;
    buf_init(&b, LABELS_MAX);
    buf_printf(&b, "program=\"" STR_FMT "\",instance=\"%" PRId64 "\",group=\"" STR_FMT "\"",
               STR_ARG(u->program), u->instance, STR_ARG(u->group));
    if (more != NULL)
        buf_printf(&b, ",%s=\"" STR_FMT "\"", more, STR_ARG(value));
    char *ret = mem_text(b.p, b.n);
    buf_done(&b);
    return ret;
}

static void stat_begin(struct stat *s, const char *name, const char *help, enum stat_type type,
                       const char *labels)
{
    *s = (struct stat){.name = name, .help = help, .labels = labels, .type = type};
    stat_register(s);
}

/* A counter goes on where sonde-watch began anew. */
static void count_to(struct stat *s, uint64_t *last, int64_t now)
{
    uint64_t value = (uint64_t)MAX(now, 0);
    stat_add(s, value >= *last ? value - *last : value);
    *last = value;
}

static struct unit *unit_of(struct watch_stats *s, const struct watch_view_unit *u)
{
    bool is_new;
    if (map_get(&s->units, u->name) == NULL && s->units.n >= WATCH_STATS_UNITS_MAX)
        return NULL;
    union map_value *slot = map_put(&s->units, u->name, &is_new);
    if (!is_new)
        return slot->p;
    struct unit *unit = mem_new(sizeof *unit);
    slot->p = unit;
    map_init(&unit->extras, 0);
    unit->labels = labels_of(u, NULL, STR(""));
    for (int i = 0; i < FIGURES; i++)
        stat_begin(&unit->stats[i], FIGURE[i].name, FIGURE[i].help, FIGURE[i].type, unit->labels);
    return unit;
}

static struct extra *extra_of(struct unit *unit, const struct watch_view_unit *u,
                              const struct stat *like, const char *label, struct str value)
{
    char key[LABELS_MAX];
    bool is_new;
    size_t n = MIN(strlen(like->name), sizeof key / 2);
    size_t m = MIN(value.n, sizeof key / 2);
    memcpy(key, like->name, n);
    memcpy(key + n, value.n > 0 ? value.p : "", m);
    union map_value *slot = map_put(&unit->extras, str_of(key, n + m), &is_new);
    if (is_new) {
        struct extra *e = mem_new(sizeof *e);
        stat_begin(&e->stat, like->name, like->help, like->type, labels_of(u, label, value));
        slot->p = e;
    }
    return slot->p;
}

static void set_state(struct unit *unit, const struct watch_view_unit *u)
{
    static const struct stat LIKE =
        STAT_GAUGE("sonde_watch_program_state", "1 for the state that the program is in.");
    (void)extra_of(unit, u, &LIKE, "state", u->state); /* so that it is there */
    size_t at = 0;
    struct map_slot *slot;
    while ((slot = map_next(&unit->extras, &at)) != NULL) {
        struct extra *e = slot->value.p;
        if (strcmp(e->stat.name, LIKE.name) == 0)
            stat_set(&e->stat, str_ends(slot->key, u->state) &&
                                   slot->key.n == strlen(LIKE.name) + u->state.n);
    }
}

static void set_check(struct unit *unit, const struct watch_view_unit *u, const char *which,
                      const struct watch_view_check *c)
{
    static const struct stat WELL =
        STAT_GAUGE("sonde_watch_program_check_up", "Did the last check succeed?");
    static const struct stat TIME =
        STAT_GAUGE("sonde_watch_program_check_duration_seconds", "How long the last check took.");
    static const struct stat FAILED =
        STAT_COUNTER("sonde_watch_program_check_failures_total", "Checks that failed.");
    if (!c->configured || !c->ran)
        return;
    struct extra *failed = extra_of(unit, u, &FAILED, "check", str_c(which));
    stat_set(&extra_of(unit, u, &WELL, "check", str_c(which))->stat, c->ok);
    stat_set(&extra_of(unit, u, &TIME, "check", str_c(which))->stat, (double)c->duration_ms / 1e3);
    count_to(&failed->stat, &failed->last, c->failures);
}

static void set_restarts(struct unit *unit, const struct watch_view_unit *u)
{
    static const struct stat LIKE =
        STAT_COUNTER("sonde_watch_program_restarts_total", "Restarts by what made them needed.");
    for (size_t i = 0; i < json_tree_n(u->restarts_by); i++) {
        const struct json_tree *reason = &u->restarts_by->children[i];
        struct extra *e = extra_of(unit, u, &LIKE, "reason", reason->key);
        count_to(&e->stat, &e->last, json_tree_whole(reason, ""));
    }
}

static void set_connections(struct unit *unit, const struct watch_view_unit *u)
{
    static const struct stat NOW = STAT_GAUGE("sonde_watch_program_connections",
                                              "Connections of the own proxy to the instance.");
    static const struct stat ALL = STAT_COUNTER("sonde_watch_program_connections_total",
                                                "Connections of the own proxy so far.");
    if (!u->proxied)
        return;
    struct extra *all = extra_of(unit, u, &ALL, "way", STR("proxy"));
    stat_set(&extra_of(unit, u, &NOW, "way", STR("proxy"))->stat, (double)u->connections);
    count_to(&all->stat, &all->last, u->connections_all);
}

static void set_unit(struct unit *unit, const struct watch_view_unit *u)
{
    const double gauges[FIGURES] = {
        [FIGURE_UP] = u->pid > 0,
        [FIGURE_READY] = u->ready,
        [FIGURE_UPTIME] = (double)u->uptime_ms / 1e3,
        [FIGURE_MEMORY] = (double)u->memory_bytes,
        [FIGURE_CPU] = u->cpu_percent / 100,
        [FIGURE_FILES] = (double)u->files,
        [FIGURE_PROCESSES] = (double)u->processes,
        [FIGURE_WINDOW] = (double)u->restarts_in_window,
    };
    const int64_t counters[FIGURES] = {
        [FIGURE_STARTS] = u->starts,
        [FIGURE_DEATHS] = u->deaths,
        [FIGURE_OUTPUT] = u->output_bytes,
        [FIGURE_DROPPED] = u->output_dropped_bytes,
    };
    for (int i = 0; i < FIGURES; i++)
        if (FIGURE[i].type == STAT_TYPE_GAUGE)
            stat_set(&unit->stats[i], gauges[i]);
        else
            count_to(&unit->stats[i], &unit->last[i], counters[i]);
    set_state(unit, u);
    set_restarts(unit, u);
    set_connections(unit, u);
    set_check(unit, u, "liveness", &u->liveness);
    set_check(unit, u, "readiness", &u->readiness);
}

static void hide(struct unit *unit, bool hidden)
{
    if (unit->hidden == hidden)
        return;
    unit->hidden = hidden;
    for (int i = 0; i < FIGURES; i++)
        stat_hide(&unit->stats[i], hidden);
    size_t at = 0;
    struct map_slot *slot;
    while ((slot = map_next(&unit->extras, &at)) != NULL)
        stat_hide(&((struct extra *)slot->value.p)->stat, hidden);
}

struct watch_stats *watch_stats_new(void)
{
    struct watch_stats *s = mem_new(sizeof *s);
    map_init(&s->units, 0);
    stat_register(&up);
    stat_register(&left_out);
    return s;
}

static void hide_unseen(struct watch_stats *s)
{
    size_t at = 0;
    struct map_slot *slot;
    while ((slot = map_next(&s->units, &at)) != NULL) {
        struct unit *unit = slot->value.p;
        hide(unit, !unit->seen);
        unit->seen = false;
    }
}

void watch_stats_set(struct watch_stats *s, const struct watch_view *v)
{
    size_t beyond = 0;
    stat_set(&up, v != NULL);
    for (size_t i = 0; v != NULL && i < v->n; i++) {
        struct unit *unit = unit_of(s, &v->v[i]);
        if (unit == NULL) {
            beyond++;
            continue;
        }
        unit->seen = true;
        set_unit(unit, &v->v[i]);
    }
    stat_set(&left_out, (double)beyond);
    hide_unseen(s);
}

void watch_stats_free(struct watch_stats *s)
{
    if (s == NULL)
        return;
    hide_unseen(s); /* the statistics themselves stay registered for the life of the process */
    map_done(&s->units);
    mem_free(s);
}
