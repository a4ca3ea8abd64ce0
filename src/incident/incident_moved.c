#include "incident/incident_moved.h"

#include <math.h>
#include <stdlib.h>

#include "base/buf.h"
#include "model/labels.h"
#include "model/sample.h"

enum {
    STEPS_MAX = 512,    /* of one series, before and after */
    STEPS_BEFORE = 360, /* that are aimed at */
    STEP_MIN_MS = 1000,
    BEFORE_MIN = 8, /* steps with a value */
    MATCHERS_MAX = 8,
    KEEP_FACTOR = 4, /* scored rows that are kept before the last sort */
    LOOK_EVERY = 32, /* series between two looks at the clock */
};

static const int64_t PATIENCE_NS = 2000000000; /* for all series of one incident */
static const double SCORE_MAX = 100, SHARE_MIN = 0.01, SCORE_MIN = 3, MAD_SCALE = 1.4826;

/* What tells least of all: clocks, numbers of versions, our own bookkeeping. */
static const char *const SKIP_ENDS[] = {"_bucket",
                                        "_created",
                                        "_info",
                                        "_seconds_timestamp",
                                        "_timestamp_seconds",
                                        "_time_seconds",
                                        "_timestamp",
                                        "_start_time_seconds"};
static const char *const SKIP_BEGINS[] = {"ALERTS", "scrape_", "sonde_log_", "sonde_store_"};

/* Of the host, where the alert's labels lead nowhere. */
static const char HOST_NAMES[] =
    "sonde_host_cpu_ratio|node_load1|node_memory_MemAvailable_bytes|node_memory_SwapFree_bytes|"
    "node_filesystem_avail_bytes|node_disk_io_time_seconds_total|node_disk_written_bytes_total|"
    "node_disk_read_bytes_total|node_network_receive_bytes_total|"
    "node_network_transmit_bytes_total|node_network_receive_drop_total|"
    "node_pressure_.+_total|node_procs_running|node_procs_blocked|node_context_switches_total|"
    "node_vmstat_oom_kill|node_netstat_Tcp_RetransSegs|node_filefd_allocated";

/* Labels that say what an alert is about, the narrowest first. */
static const char *const ABOUT[] = {"instance", "pod",     "program", "service",
                                    "host",     "checkin", "job"};

struct finder {
    const struct incident_moved_query *q;
    struct arena *arena;
    struct incident_moved *v; /* [n] */
    size_t n, capacity, looked;
    int64_t begun_ns, step_ms;
    double before[STEPS_MAX], after[STEPS_MAX];
};

/* ---- scores */

static int order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, order);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

bool incident_moved_score(double *before, size_t n, double *after, size_t m,
                          struct incident_moved *ret)
{
    if (n < BEFORE_MIN || m == 0)
        return false;
    double base = median(before, n), now = median(after, m);
    for (size_t i = 0; i < n; i++)
        before[i] = fabs(before[i] - base);
    double mad = median(before, n) * MAD_SCALE;
    double spread = fmax(mad, SHARE_MIN * fmax(fabs(base), fabs(now)));
    if (!(spread > 0) || !isfinite(base) || !isfinite(now))
        return false;
    ret->before = base;
    ret->after = now;
    ret->score = fmin(fabs(now - base) / spread, SCORE_MAX);
    return ret->score >= SCORE_MIN;
}

/* ---- one series */

static bool is_counter(struct str name)
{
    return str_ends(name, STR("_total")) || str_ends(name, STR("_count")) ||
           str_ends(name, STR("_sum"));
}

static bool is_told(struct str name)
{
    for (size_t i = 0; i < COUNTOF(SKIP_ENDS); i++)
        if (str_ends(name, str_c(SKIP_ENDS[i])))
            return false;
    for (size_t i = 0; i < COUNTOF(SKIP_BEGINS); i++)
        if (str_starts(name, str_c(SKIP_BEGINS[i])))
            return false;
    return true;
}

/* One step that is over. */
struct step {
    int64_t index; /* from q->from_ms on */
    double sum;
    int64_t n; /* samples, or the milliseconds in which a counter grew */
};

static void end_step(struct finder *f, const struct step *s, bool rate, size_t *before_n,
                     size_t *after_n)
{
    if (s->n == 0)
        return;
    double v = s->sum * (rate ? 1000 : 1) / (double)s->n;
    int64_t begin_ms = f->q->from_ms + s->index * f->step_ms;
    if (begin_ms + f->step_ms <= f->q->change_ms && *before_n < STEPS_MAX)
        f->before[(*before_n)++] = v;
    else if (begin_ms + f->step_ms > f->q->change_ms && *after_n < STEPS_MAX)
        f->after[(*after_n)++] = v;
}

/* Puts samples into steps: means of a gauge, what a counter grew. */
static bool score_series(struct finder *f, const struct column *c, bool rate,
                         struct incident_moved *ret)
{
    size_t before_n = 0, after_n = 0;
    struct step s = {.index = -1};
    double last = NAN;
    int64_t last_ms = 0;
    for (size_t i = 0; i < c->n; i++) {
        double v = c->value[i];
        if ((c->histogram && c->histogram[i]) || !isfinite(v))
            continue;
        int64_t index = (c->ts_ms[i] - f->q->from_ms) / f->step_ms;
        if (index != s.index) {
            end_step(f, &s, rate, &before_n, &after_n);
            s = (struct step){.index = index};
        }
        if (!rate) {
            s.sum += v;
            s.n++;
        } else if (isfinite(last)) {
            s.sum += v >= last ? v - last : v;
            s.n += c->ts_ms[i] - last_ms;
        }
        last = v;
        last_ms = c->ts_ms[i];
    }
    end_step(f, &s, rate, &before_n, &after_n);
    ret->rate = rate;
    return incident_moved_score(f->before, before_n, f->after, after_n, ret);
}

/* ---- many of them */

static int by_score(const void *a, const void *b)
{
    const struct incident_moved *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    double dx = fabs(x->after - x->before) / (fabs(x->before) + 1e-9);
    double dy = fabs(y->after - y->before) / (fabs(y->before) + 1e-9);
    if (dx != dy)
        return dx < dy ? 1 : -1;
    return labels_cmp(x->key, y->key);
}

static bool is_known(const struct finder *f, struct str key)
{
    for (size_t i = 0; i < f->n; i++)
        if (str_eq(f->v[i].key, key))
            return true;
    return false;
}

static void keep(struct finder *f, const struct incident_moved *m, struct str key)
{
    if (is_known(f, key))
        return;
    if (f->n == f->capacity) {
        qsort(f->v, f->n, sizeof *f->v, by_score);
        f->n = MIN(f->n, f->q->moved_max);
        if (by_score(m, &f->v[f->n - 1]) > 0)
            return;
    }
    f->v[f->n] = *m;
    f->v[f->n++].key = arena_str(f->arena, key);
}

/* 1 and a half for each label that the series shares with the alerts. */
static double weight(const struct finder *f, struct str key)
{
    struct label l;
    double w = 1;
    for (const char *at = f->q->labels.p; labels_next(f->q->labels, &at, &l, NULL);)
        if (!str_eq(l.name, STR("alertname")) && !str_eq(l.name, STR("severity")) &&
            str_eq(labels_get(key, l.name), l.value))
            w += 0.5;
    return w;
}

static bool has_time(const struct finder *f)
{
    return f->looked % LOOK_EVERY != 0 ||
           clock_monotonic_ns(f->q->clock) - f->begun_ns < PATIENCE_NS;
}

static int look(struct finder *f, const struct matcher *matchers, size_t n, size_t most,
                struct why *why)
{
    const struct series_store_ops *ops = f->q->store->ops;
    struct select how = {.matchers = matchers,
                         .matchers_n = n,
                         .from_ms = f->q->from_ms,
                         .to_ms = f->q->to_ms,
                         .want = SELECT_SAMPLES};
    struct series_cursor *c;
    struct series_view view;
    size_t seen = 0;
    int more = ops->select(f->q->store, f->q->tenant, &how, &c, why);
    if (more)
        return more;
    uint64_t all = ops->estimate ? ops->estimate(c) : 0;
    if (all > most) { /* a sample of them instead of the first by name */
        ops->close(c);
        how.shards = (uint32_t)MIN((all + most - 1) / most, (uint64_t)UINT32_MAX);
        more = ops->select(f->q->store, f->q->tenant, &how, &c, why);
        if (more)
            return more;
    }
    while (seen < most && has_time(f) && (more = ops->next(c, &view, why)) > 0) {
        struct str name = labels_get(view.key, LABEL_METRIC);
        struct incident_moved m;
        seen++;
        f->looked++;
        if (!is_told(name) || !score_series(f, &view.column, is_counter(name), &m))
            continue;
        m.score *= weight(f, view.key);
        keep(f, &m, view.key);
    }
    ops->close(c);
    return MIN(more, 0);
}

/* The labels of the alerts that say what they are about, as matchers. */
static size_t about(const struct finder *f, struct matcher *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < COUNTOF(ABOUT) && n < MATCHERS_MAX; i++) {
        struct str value = labels_get(f->q->labels, str_c(ABOUT[i]));
        if (value.n)
            ret[n++] = (struct matcher){MATCH_EQUAL, str_c(ABOUT[i]), value};
    }
    return n;
}

static int look_at_host(struct finder *f, size_t most, struct why *why)
{
    struct matcher m[3];
    size_t n = 0;
    m[n++] = (struct matcher){MATCH_REGEX, LABEL_METRIC, str_c(HOST_NAMES)};
    if (f->q->host_job.n)
        m[n++] = (struct matcher){MATCH_EQUAL, STR("job"), f->q->host_job};
    if (f->q->host_instance.n)
        m[n++] = (struct matcher){MATCH_EQUAL, STR("instance"), f->q->host_instance};
    return look(f, m, n, most, why);
}

int incident_moved_find(const struct incident_moved_query *q, struct arena *a,
                        struct incident_moved **ret, size_t *ret_n, struct why *why)
{
    struct finder *f = arena_new(a, sizeof *f);
    struct matcher own[MATCHERS_MAX];
    f->q = q;
    f->arena = a;
    f->begun_ns = clock_monotonic_ns(q->clock);
    f->step_ms = MAX((q->change_ms - q->from_ms) / STEPS_BEFORE, (int64_t)STEP_MIN_MS);
    f->capacity = q->moved_max * KEEP_FACTOR;
    f->v = arena_array(a, f->capacity, sizeof *f->v);
    size_t n = about(f, own), half = MAX(q->series_max / 2, (size_t)1);
    /* All the labels at once, then each alone: the nearest series come first. */
    int err = n > 1 ? look(f, own, n, half, why) : 0;
    for (size_t i = 0; i < n && !err && f->looked < q->series_max; i++)
        err = look(f, &own[i], 1, MIN(half, q->series_max - f->looked), why);
    if (!err && f->looked < q->series_max)
        err = look_at_host(f, q->series_max - f->looked, why);
    if (err)
        return err;
    qsort(f->v, f->n, sizeof *f->v, by_score);
    *ret = f->v;
    *ret_n = MIN(f->n, q->moved_max);
    return 0;
}

/* ---- words */

static void put_number(double v, struct buf *out)
{
    static const struct {
        double at;
        const char *unit;
    } UNITS[] = {{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e4, "k"}};
    for (size_t i = 0; i < COUNTOF(UNITS); i++)
        if (fabs(v) >= UNITS[i].at) {
            buf_printf(out, "%.3g %s", v / (UNITS[i].at == 1e4 ? 1e3 : UNITS[i].at), UNITS[i].unit);
            return;
        }
    buf_printf(out, "%.3g", v);
}

void incident_moved_say(const struct incident_moved *m, struct buf *out)
{
    labels_print(m->key, out);
    buf_put_c(out, ' ');
    put_number(m->before, out);
    buf_put_str(out, STR(" -> "));
    put_number(m->after, out);
    if (m->rate)
        buf_put_str(out, STR(" per second"));
}
