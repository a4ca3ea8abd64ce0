#include "receive/statsd_aggregator.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/rand.h"
#include "base/stat.h"
#include "codec/plain_name.h"
#include "model/sample.h"
#include "receive/statsd_labels.h"
#include "receive/statsd_table.h"
#include "text/number.h"

enum {
    SET_FIRST = 16,       /* places of a set */
    TAGS_MAX = 8 * 1024,  /* bytes of one line's tags */
    TIMES_MAX = 10000000, /* that one sampled value stands for */
};

static const char *const MODULE = "statsd";
static const struct str CHECK_NAME = {"statsd_service_check_status", 27};

#define EVENTS_HELP "DogStatsD's events, by what they are about."
static struct stat stat_metrics =
    STAT_COUNTER("sonde_statsd_metrics_total", "Values of StatsD's lines that were added up.");
static struct stat stat_checks =
    STAT_COUNTER("sonde_statsd_service_checks_total", "DogStatsD's service checks.");
static struct stat stat_events[STATSD_ALERTS_N] = {
    STAT_COUNTER_OF("sonde_statsd_events_total", "alert_type=\"info\"", EVENTS_HELP),
    STAT_COUNTER_OF("sonde_statsd_events_total", "alert_type=\"warning\"", EVENTS_HELP),
    STAT_COUNTER_OF("sonde_statsd_events_total", "alert_type=\"error\"", EVENTS_HELP),
    STAT_COUNTER_OF("sonde_statsd_events_total", "alert_type=\"success\"", EVENTS_HELP),
};
static struct stat stat_bad[STATSD_BAD_N] = {
    {0},
#define BAD(name, label, text)                                                                     \
    STAT_COUNTER_OF("sonde_statsd_bad_lines_total", "reason=\"" label "\"",                        \
                    "Lines, or values of one, that were left out."),
#include "codec/statsd_bad.tbl.h"
#undef BAD
};
static struct stat stat_set_values =
    STAT_COUNTER("sonde_statsd_set_values_refused_total", "Values of sets beyond set_values_max.");
static struct stat stat_series = STAT_GAUGE("sonde_statsd_series", "Series that are added up.");
static struct stat stat_samples =
    STAT_COUNTER("sonde_statsd_samples_total", "Samples written to the store.");
static struct stat stat_refused =
    STAT_COUNTER("sonde_statsd_samples_refused_total", "Samples that the store did not take.");
static struct stat stat_lost =
    STAT_COUNTER("sonde_statsd_commits_failed_total", "Intervals that could not be made durable.");

struct statsd_aggregator {
    struct statsd_plan plan;
    struct statsd_table table;
    struct tenant *tenant;
    uint32_t interval, expiry; /* number of the present one; intervals until a series ends */
    size_t set_values;         /* of all sets in this interval */
    uint64_t set_seed;
    double bounds[STATSD_BUCKETS_MAX];
    size_t bounds_n; /* 0: native histograms */
    bool container;
    size_t room; /* samples that one series writes at most in a flush: twice where it begins */

    /* writing */
    bool flushing, sink_failed;
    int64_t ts_ms;
    size_t at;                   /* series to write next */
    struct statsd_series *ended; /* freed when their last samples have been taken */
    struct batch *batch;
    struct arena arena; /* of the batch's histograms */

    /* new series */
    struct arena names;
    struct buf name, key;
    struct statsd_labels labels;
    struct map families; /* whose metadata has been written */

    /* since the last statsd_aggregator_tell() */
    uint64_t metrics, checks, set_values_refused, bad[STATSD_BAD_N], events[STATSD_ALERTS_N];
};

/* ---- writing */

static void append(struct statsd_aggregator *a)
{
    struct batch *b = a->batch;
    struct sink *s = a->plan.sink;
    struct why why = {0};
    int taken = b->n == 0 ? 0 : s->ops->append(s, a->plan.lane, a->tenant, b, &why);
    size_t good = taken > 0 ? (size_t)taken : 0;
    bool failed = good < b->n;
    stat_add(&stat_samples, good);
    stat_add(&stat_refused, b->n - good);
    if (failed && !a->sink_failed)
        log_warn(MODULE, "the store does not take all samples: %s",
                 why.text[0] ? why.text : err_text(taken < 0 ? taken : ERR_LIMIT));
    a->sink_failed = failed;
    b->n = 0;
    arena_reset(&a->arena);
    while (a->ended != NULL) {
        struct statsd_series *ended = a->ended;
        a->ended = ended->next;
        statsd_series_free(ended);
    }
}

static void put(struct statsd_aggregator *a, struct str key, int64_t ts_ms, double value,
                const struct histogram *h)
{
    struct batch *b = a->batch;
    if (b->n == BATCH_MAX)
        append(a);
    b->key[b->n] = key;
    b->ts_ms[b->n] = ts_ms;
    b->value[b->n] = value;
    b->histogram[b->n] = h;
    b->start_ms[b->n] = 0;
    b->err[b->n] = 0;
    b->n++;
}

enum moment { MOMENT_ZERO, MOMENT_NOW, MOMENT_END };

static void put_native(struct statsd_aggregator *a, const struct statsd_series *s, int64_t ts_ms,
                       enum moment moment)
{
    struct histogram *h = arena_new(&a->arena, sizeof *h);
    struct histogram_builder none;
    histogram_builder_init(&none);
    histogram_builder_view(moment == MOMENT_NOW ? &s->histogram : &none, &a->arena, h);
    if (moment == MOMENT_END)
        h->sum = sample_stale();
    put(a, s->key, ts_ms, 0, h);
}

static void put_classic(struct statsd_aggregator *a, const struct statsd_series *s, int64_t ts_ms,
                        enum moment moment)
{
    const struct statsd_classic *c = s->classic;
    double count = 0;
    for (size_t i = 0; i < a->bounds_n + 3; i++) {
        double v = i == a->bounds_n + 1 ? c->sum : count;
        if (i <= a->bounds_n)
            v = count += c->counts[i];
        put(a, c->keys[i], ts_ms,
            moment == MOMENT_NOW   ? v
            : moment == MOMENT_END ? sample_stale()
                                   : 0,
            NULL);
    }
}

static void put_series(struct statsd_aggregator *a, struct statsd_series *s, int64_t ts_ms,
                       enum moment moment)
{
    bool histogram = s->kind == STATSD_KIND_HISTOGRAM;
    if (histogram && s->classic != NULL)
        put_classic(a, s, ts_ms, moment);
    else if (histogram)
        put_native(a, s, ts_ms, moment);
    else
        put(a, s->key, ts_ms,
            moment == MOMENT_ZERO        ? 0
            : moment == MOMENT_END       ? sample_stale()
            : s->kind == STATSD_KIND_SET ? (double)s->set.n
                                         : s->value,
            NULL);
}

static void empty_set(struct statsd_aggregator *a, struct statsd_set *set)
{
    if (set->n == 0)
        return;
    a->set_values -= set->n;
    memset(set->v, 0, set->capacity * sizeof *set->v);
    set->n = 0;
}

/* Writes the next series; it may be the last time. */
static void write_next(struct statsd_aggregator *a)
{
    struct statsd_series *s = a->table.series.v[a->at];
    if (a->interval - s->seen > a->expiry) {
        empty_set(a, &s->set);
        if (s->begun)
            put_series(a, s, a->ts_ms, MOMENT_END);
        s = statsd_table_take(&a->table, a->at);
        s->next = a->ended;
        a->ended = s;
        return;
    }
    bool total = s->kind == STATSD_KIND_COUNTER || s->kind == STATSD_KIND_HISTOGRAM;
    if (!s->begun && total)
        put_series(a, s, MAX(a->ts_ms - a->plan.settings->interval_ms, a->plan.start_ms),
                   MOMENT_ZERO);
    s->begun = true;
    put_series(a, s, a->ts_ms, MOMENT_NOW);
    empty_set(a, &s->set);
    a->at++;
}

static void committed(void *context, int err)
{
    (void)context;
    if (err)
        stat_add(&stat_lost, 1);
}

void statsd_aggregator_flush(struct statsd_aggregator *a, int64_t ts_ms)
{
    while (a->flushing) /* the last one took longer than an interval */
        a->flushing = statsd_aggregator_step(a);
    a->flushing = true;
    a->ts_ms = ts_ms;
    a->at = 0;
    a->interval++;
}

bool statsd_aggregator_step(struct statsd_aggregator *a)
{
    if (!a->flushing)
        return false;
    if (a->batch->n > BATCH_MAX - a->room)
        append(a);
    while (a->at < a->table.series.n && a->batch->n <= BATCH_MAX - a->room)
        write_next(a);
    append(a);
    a->flushing = a->at < a->table.series.n;
    if (!a->flushing)
        a->plan.sink->ops->commit(a->plan.sink, a->plan.lane, committed, NULL);
    return a->flushing;
}

/* ---- new series */

static void put_metadata(struct statsd_aggregator *a, struct str name, enum statsd_kind kind)
{
    static const enum metric_type TYPES[] = {METRIC_COUNTER, METRIC_GAUGE, METRIC_GAUGE,
                                             METRIC_HISTOGRAM};
    if (a->families.n > a->table.series_max) { /* of series that have ended, most likely */
        map_done(&a->families);
        map_init(&a->families, rand_seed());
    }
    bool is_new;
    map_put(&a->families, name, &is_new); /* a set */
    if (!is_new)
        return;
    struct metadata m = {.metric = name, .type = TYPES[kind]};
    /* Metadata is a convenience: without it the samples are still right. */
    (void)a->plan.sink->ops->metadata(a->plan.sink, a->plan.lane, a->tenant, &m);
}

/* The bounds' text, as a label's value. */
static struct str bound(struct arena *arena, double v)
{
    char text[NUMBER_MAX];
    return arena_str(arena, str_of(text, number_format_exposition(v, text)));
}

/* Gives a new series the keys of its parts, from a->labels; false where one is too long. */
static bool make_classic(struct statsd_aggregator *a, struct statsd_series *s, struct str name)
{
    size_t n = a->bounds_n + 3;
    struct statsd_classic *c = s->classic = mem_new(sizeof *c);
    c->counts = mem_array(a->bounds_n + 1, sizeof *c->counts);
    c->keys = mem_array(n, sizeof *c->keys);
    size_t ends[STATSD_BUCKETS_MAX + 3];
    struct buf keys;
    buf_init(&keys, (size_t)n * LABELS_KEY_MAX);
    bool fine = true;
    for (size_t i = 0; i < n && fine; i++) {
        const char *suffix = i <= a->bounds_n       ? "_bucket"
                             : i == a->bounds_n + 1 ? "_sum"
                                                    : "_count";
        a->labels.v[0].value = arena_printf(&a->names, STR_FMT "%s", STR_ARG(name), suffix);
        double le = i < a->bounds_n ? a->bounds[i] : INFINITY;
        statsd_labels_set(&a->labels, STR("le"), i <= a->bounds_n ? bound(&a->names, le) : STR(""));
        fine = statsd_labels_key(&a->labels, &keys) == 0;
        ends[i] = keys.n;
    }
    c->keys_bytes = keys.p;
    for (size_t i = 0, begin = 0; i < n && fine; begin = ends[i++])
        c->keys[i] = str_of(keys.p + begin, ends[i] - begin);
    return fine;
}

/* Makes a->labels of what a line says. */
static void make_labels(struct statsd_aggregator *a, const struct statsd_id *id)
{
    struct str bare = id->name, more = {0};
    bool check = id->type == '!';
    buf_clear(&a->name);
    arena_reset(&a->names);
    if (check)
        buf_put_str(&a->name, CHECK_NAME);
    else {
        statsd_split_name(id->name, &bare, &more);
        plain_name_metric(str_c(a->plan.settings->prefix), bare, &a->name);
    }
    statsd_labels_begin(&a->labels, &a->names, buf_str(&a->name));
    statsd_labels_tags(&a->labels, more, '=');
    statsd_labels_tags(&a->labels, id->tags, ':');
    if (check)
        statsd_labels_set(&a->labels, STR("name"), id->name);
    if (id->container.n > 0)
        statsd_labels_set(&a->labels,
                          check ? STR("host") : str_c(a->plan.settings->container_label),
                          id->container);
    a->labels.failed |= a->name.n == 0 || id->tags.n > TAGS_MAX;
}

static COLD struct statsd_alias *new_alias(struct statsd_aggregator *a, const struct statsd_id *id,
                                           uint64_t hash, enum statsd_kind kind)
{
    struct statsd_alias *ret = NULL;
    bool is_new = false;
    buf_clear(&a->key);
    make_labels(a, id);
    enum statsd_bad bad = STATSD_BAD_TAGS;
    if (statsd_labels_key(&a->labels, &a->key) == 0)
        bad = statsd_table_add(&a->table, id, hash, buf_str(&a->key), kind, &ret, &is_new);
    if (bad == STATSD_FINE && is_new && kind == STATSD_KIND_HISTOGRAM && a->bounds_n > 0 &&
        !make_classic(a, ret->series, buf_str(&a->name))) {
        statsd_series_free(statsd_table_take(&a->table, a->table.series.n - 1));
        bad = STATSD_BAD_TAGS;
    }
    if (bad != STATSD_FINE) {
        a->bad[bad]++;
        return NULL;
    }
    if (is_new)
        put_metadata(a, buf_str(&a->name), kind);
    return ret;
}

static HOT struct statsd_alias *alias_of(struct statsd_aggregator *a, const struct statsd_id *id,
                                         enum statsd_kind kind)
{
    uint64_t hash = statsd_table_hash(&a->table, id);
    struct statsd_alias *found = statsd_table_find(&a->table, id, hash);
    if (UNLIKELY(found == NULL))
        found = new_alias(a, id, hash, kind);
    if (found != NULL)
        found->series->seen = a->interval;
    return found;
}

/* ---- lines */

/* Puts hash (not 0) where it belongs; false where it is there already. */
static bool set_place(struct statsd_set *set, uint64_t hash)
{
    size_t mask = set->capacity - 1, i = hash & mask;
    for (; set->v[i] != 0; i = (i + 1) & mask)
        if (set->v[i] == hash)
            return false;
    set->v[i] = hash;
    return true;
}

static void set_add(struct statsd_aggregator *a, struct statsd_set *set, struct str value)
{
    uint64_t hash = hash_xxh3(value.p, value.n, a->set_seed);
    if ((set->n + 1) * 2 > set->capacity) {
        struct statsd_set old = *set;
        set->capacity = old.capacity ? 2 * old.capacity : SET_FIRST;
        set->v = mem_array(set->capacity, sizeof *set->v);
        for (size_t i = 0; i < old.capacity; i++)
            if (old.v[i] != 0)
                set_place(set, old.v[i]);
        mem_free(old.v);
    }
    if (a->set_values >= (size_t)a->plan.settings->set_values_max) {
        a->set_values_refused++;
    } else if (set_place(set, hash ? hash : 1)) {
        set->n++;
        a->set_values++;
    }
}

static void observe(struct statsd_aggregator *a, const struct statsd_alias *alias, double value,
                    double rate)
{
    struct statsd_series *s = alias->series;
    double times = rate == 1 ? 1 : fmin(round(1 / rate), TIMES_MAX);
    value *= alias->scale;
    if (s->classic == NULL) {
        histogram_builder_add(&s->histogram, value, times);
        return;
    }
    size_t i = 0;
    while (i < a->bounds_n && value > a->bounds[i])
        i++;
    s->classic->counts[i] += times;
    s->classic->sum += value * times;
}

static void gauge(struct statsd_aggregator *a, struct statsd_series *s, double value, bool relative,
                  int64_t ts_ms)
{
    if (ts_ms != 0) {
        put(a, s->key, ts_ms, value, NULL);
        s->begun = true;
    }
    s->value = relative && a->plan.settings->relative_gauges ? s->value + value : value;
}

static HOT void add_values(struct statsd_aggregator *a, const struct statsd_alias *alias,
                           const struct statsd_metric *m)
{
    struct statsd_series *s = alias->series;
    struct str values = m->values;
    double v;
    bool is_signed;
    int err;
    while (statsd_value(&values, &v, &is_signed, &err)) {
        if (UNLIKELY(err != 0 || (v < 0 && s->kind == STATSD_KIND_COUNTER))) {
            a->bad[STATSD_BAD_VALUE]++;
            continue;
        }
        a->metrics++;
        if (s->kind == STATSD_KIND_COUNTER)
            s->value += m->rate == 1 ? v : v / m->rate;
        else if (s->kind == STATSD_KIND_GAUGE)
            gauge(a, s, v, is_signed, m->ts_ms);
        else
            observe(a, alias, v, m->rate);
    }
}

/* What a line of that type is. 'm' stands for "ms". */
static const struct {
    char type;
    enum statsd_kind kind;
} TYPES[] = {
    [STATSD_COUNTER] = {'c', STATSD_KIND_COUNTER},
    [STATSD_GAUGE] = {'g', STATSD_KIND_GAUGE},
    [STATSD_TIMER] = {'m', STATSD_KIND_HISTOGRAM},
    [STATSD_HISTOGRAM] = {'h', STATSD_KIND_HISTOGRAM},
    [STATSD_DISTRIBUTION] = {'d', STATSD_KIND_HISTOGRAM},
    [STATSD_SET] = {'s', STATSD_KIND_SET},
};

static HOT void take_metric(struct statsd_aggregator *a, const struct statsd_metric *m)
{
    const struct statsd_id id = {.type = TYPES[m->type].type,
                                 .name = m->name,
                                 .tags = m->tags,
                                 .container = a->container ? m->container : (struct str){0}};
    const struct statsd_alias *alias = alias_of(a, &id, TYPES[m->type].kind);
    if (alias == NULL)
        return;
    if (m->type != STATSD_SET) {
        add_values(a, alias, m);
        return;
    }
    set_add(a, &alias->series->set, m->values);
    a->metrics++;
}

static void take_check(struct statsd_aggregator *a, const struct statsd_check *c)
{
    const struct statsd_id id = {
        .type = '!', .name = c->name, .tags = c->tags, .container = c->host};
    const struct statsd_alias *alias = alias_of(a, &id, STATSD_KIND_GAUGE);
    if (alias == NULL)
        return;
    gauge(a, alias->series, c->status, false, c->ts_ms);
    a->checks++;
}

static void take_event(struct statsd_aggregator *a, const struct statsd_event *e)
{
    a->events[e->alert]++;
    if (a->plan.event != NULL)
        a->plan.event(a->plan.context, e);
}

void statsd_aggregator_take(struct statsd_aggregator *a, struct str datagram)
{
    struct statsd_reader r;
    struct statsd_item item;
    enum statsd_what what;
    statsd_begin(&r, datagram);
    while ((what = statsd_next(&r, &item)) != STATSD_END) {
        if (LIKELY(what == STATSD_METRIC))
            take_metric(a, &item.metric);
        else if (what == STATSD_CHECK)
            take_check(a, &item.check);
        else if (what == STATSD_EVENT)
            take_event(a, &item.event);
        else
            a->bad[item.bad]++;
    }
}

/* ---- life */

static void tell(struct stat *s, uint64_t *n)
{
    if (*n > 0)
        stat_add(s, *n);
    *n = 0;
}

void statsd_aggregator_tell(struct statsd_aggregator *a)
{
    tell(&stat_metrics, &a->metrics);
    tell(&stat_checks, &a->checks);
    tell(&stat_set_values, &a->set_values_refused);
    for (int i = 1; i < STATSD_BAD_N; i++)
        tell(&stat_bad[i], &a->bad[i]);
    for (int i = 0; i < STATSD_ALERTS_N; i++)
        tell(&stat_events[i], &a->events[i]);
    stat_set(&stat_series, (double)a->table.series.n);
}

static void register_stats(void)
{
    struct stat *const all[] = {&stat_metrics, &stat_checks,  &stat_set_values, &stat_series,
                                &stat_samples, &stat_refused, &stat_lost};
    for (size_t i = 0; i < COUNTOF(all); i++)
        stat_register(all[i]);
    for (int i = 1; i < STATSD_BAD_N; i++)
        stat_register(&stat_bad[i]);
    for (int i = 0; i < STATSD_ALERTS_N; i++)
        stat_register(&stat_events[i]);
}

int statsd_aggregator_new(const struct statsd_plan *plan, struct statsd_aggregator **ret,
                          struct why *why)
{
    const struct statsd_settings *s = plan->settings;
    struct tenant *tenant;
    int err = statsd_settings_check(s, why);
    if (err == 0)
        err = plan->sink->ops->tenant(plan->sink, str_c(s->tenant), &tenant, why);
    if (err != 0)
        return err;
    register_stats();
    struct statsd_aggregator *a = mem_new(sizeof *a);
    a->plan = *plan;
    a->tenant = tenant;
    a->container = s->container_label[0] != '\0';
    a->expiry = (uint32_t)MAX(s->expiry_ms / s->interval_ms, 1);
    a->set_seed = rand_seed();
    a->batch = mem_new(sizeof *a->batch);
    arena_init(&a->arena);
    arena_init(&a->names);
    buf_init(&a->name, LABEL_VALUE_MAX);
    buf_init(&a->key, LABELS_KEY_MAX);
    map_init(&a->families, rand_seed());
    statsd_table_init(&a->table, (size_t)s->series_max);
    for (size_t i = 0; i < s->buckets.n && strcmp(s->histograms, "classic") == 0; i++)
        must(number_parse(str_c(s->buckets.v[i]), &a->bounds[a->bounds_n++]) == 0); /* checked */
    a->room = a->bounds_n == 0 ? 2 : 2 * (a->bounds_n + 3);
    *ret = a;
    return 0;
}

void statsd_aggregator_free(struct statsd_aggregator *a)
{
    if (a == NULL)
        return;
    statsd_table_done(&a->table);
    map_done(&a->families);
    buf_done(&a->name);
    buf_done(&a->key);
    arena_done(&a->names);
    arena_done(&a->arena);
    mem_free(a->batch);
    mem_free(a);
}
