#include "aggregate/aggregate.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "aggregate/rule.h"
#include "aggregate/window.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/rand.h"
#include "base/stat.h"
#include "model/labels.h"
#include "model/sample.h"
#include "os/thread.h"

enum {
    RULES_MAX = 64, /* bits of a mask */
    NAMES_MAX = 100000,
    LOOK_MS = 200, /* how often the thread looks for windows that are over */
};

#define AT(member) offsetof(struct aggregate_row, member)

static const struct option ROWS[] = {
    {"metrics", OPTION_LIST, AT(metrics), "", 0, 0, NULL, OPTION_RELOAD,
     "Regular expressions for the names of metrics, any of which has to match all of a name; "
     "empty: "
     "every name."},
    {"labels", OPTION_LIST, AT(labels), "", 0, 0, NULL, OPTION_RELOAD,
     "What must hold of the labels, all of it: NAME=VALUE, NAME!=VALUE, NAME=~REGEX, NAME!~REGEX."},
    {"interval_ms", OPTION_INT, AT(interval_ms), "60000", 1000, 86400000, NULL, OPTION_RELOAD,
     "How long a window is. Windows begin at multiples of it; results carry the time of the end."},
    {"delay_ms", OPTION_INT, AT(delay_ms), "5000", 0, 3600000, NULL, OPTION_RELOAD,
     "How long after its end a window still takes samples; at most interval_ms. What comes later "
     "is dropped and counted in sonde_aggregate_late_total."},
    {"by", OPTION_LIST, AT(by), "", 0, 0, NULL, OPTION_RELOAD,
     "The labels that are kept; all others go."},
    {"without", OPTION_LIST, AT(without), "", 0, 0, NULL, OPTION_RELOAD,
     "The labels that go; all others are kept. Neither by nor without: all labels go."},
    {"outputs", OPTION_LIST, AT(outputs), "", 0, 0, NULL, OPTION_RELOAD,
     "What is written for each group, as METRIC:INTERVAL_by_LABELS_OUTPUT: avg, count (samples), "
     "increase, last, max, min, rate, series, sum (of the last sample of each series), total (a "
     "counter of all increases). increase, rate and total take their input for counters."},
    {"keep_input", OPTION_BOOL, AT(keep_input), "false", 0, 0, NULL, OPTION_RELOAD,
     "Store what is matched as well."},
};

const struct option_table aggregate_options = {
    "aggregate",
    "Streaming aggregation: series that are joined before they are stored, to fewer labels or "
    "fewer samples. Windows that are not written yet live in memory: a crash loses them.",
    true,
    sizeof(struct aggregate_row),
    ROWS,
    COUNTOF(ROWS),
};

static struct stat taken =
    STAT_COUNTER("sonde_aggregate_input_total", "Samples that rules of aggregation took in.");
static struct stat written =
    STAT_COUNTER("sonde_aggregate_output_total", "Samples that rules of aggregation gave.");
static struct stat refused =
    STAT_COUNTER("sonde_aggregate_refused_total", "Results of aggregation that the store refused.");
static struct stat late =
    STAT_COUNTER("sonde_aggregate_late_total", "Samples whose window had been written before.");
static struct stat full = STAT_COUNTER("sonde_aggregate_full_total",
                                       "Samples past the series that a rule keeps in mind: stored "
                                       "as they are.");
static struct stat histograms =
    STAT_COUNTER("sonde_aggregate_histograms_total",
                 "Native histograms that a rule matched: stored as they are.");

struct plan {
    struct windows **v; /* [n], owned */
    size_t n;
};

struct lane {
    struct map names; /* metric name -> mask of rules that take it */
    uint64_t plan;    /* the number of the plan that names are of */
    struct batch batch;
    uint8_t place[BATCH_MAX];
};

struct aggregate {
    struct sink sink;
    struct sink *next;
    const struct clock *clock;
    size_t lane;
    _Atomic bool any;
    pthread_rwlock_t lock; /* written while the plan changes */
    struct plan plan;
    uint64_t plan_n;
    struct lane *lanes[SINK_LANES_MAX]; /* a lane's own thread makes it */
    pthread_mutex_t flush_lock;         /* the results' lane is one thread's at a time */
    struct batch out;
    struct tenant *out_tenant;
    struct buf out_keys;
    struct thread thread;
    pthread_mutex_t thread_lock;
    pthread_cond_t wake;
    bool ending;
};

static struct aggregate *of(struct sink *s)
{
    return (struct aggregate *)((char *)s - offsetof(struct aggregate, sink));
}

int aggregate_check(const struct option_rows *rows, struct why *why)
{
    const struct aggregate_row *row = rows->v;
    if (rows->n > RULES_MAX)
        return why_set(why, ERR_LIMIT, "[[aggregate]]: %zu rules, at most %d", rows->n, RULES_MAX);
    for (size_t i = 0; i < rows->n; i++) {
        struct rule *rule;
        int err = rule_new(&row[i], &rule, why);
        if (err != 0) {
            why_prefix(why, "[[aggregate]]");
            return err;
        }
        rule_free(rule);
    }
    return 0;
}

static void make_plan(struct aggregate *a, const struct option_rows *rows)
{
    const struct aggregate_row *row = rows->v;
    a->plan.v = mem_array(rows->n + 1, sizeof(struct windows *));
    a->plan.n = rows->n;
    for (size_t i = 0; i < rows->n; i++) {
        struct rule *rule;
        int err = rule_new(&row[i], &rule, NULL);
        must(err == 0); /* aggregate_check() has taken them */
        a->plan.v[i] = windows_new(rule);
    }
    a->plan_n++;
    a->any = rows->n > 0;
}

static void free_plan(struct aggregate *a)
{
    for (size_t i = 0; i < a->plan.n; i++)
        windows_free(a->plan.v[i]);
    mem_free(a->plan.v);
}

/* ---- input */

static struct lane *lane_of(struct aggregate *a, size_t lane)
{
    must(lane < SINK_LANES_MAX);
    struct lane *l = a->lanes[lane];
    if (!l) {
        l = a->lanes[lane] = mem_new(sizeof *l);
        map_init(&l->names, rand_seed());
    }
    if (l->plan != a->plan_n || l->names.n > NAMES_MAX) {
        map_done(&l->names);
        map_init(&l->names, rand_seed());
        l->plan = a->plan_n;
    }
    return l;
}

static uint64_t rules_for(struct aggregate *a, struct lane *l, struct str name)
{
    bool fresh;
    union map_value *v = map_put(&l->names, name, &fresh);
    for (size_t i = 0; fresh && i < a->plan.n; i++)
        if (rule_takes_name(windows_rule(a->plan.v[i]), name))
            v->u |= 1ULL << i;
    return v->u;
}

/* Gives a sample to the rules that take it; true where it is to be stored itself. */
static bool offer(struct aggregate *a, struct tenant *t, uint64_t rules, const struct batch *b,
                  size_t row, int64_t now_ms)
{
    bool matched = false, keep = false;
    for (size_t i = 0; i < a->plan.n; i++) {
        const struct rule *r = windows_rule(a->plan.v[i]);
        if (!(rules >> i & 1) || !rule_takes_labels(r, b->key[row]))
            continue;
        matched = true;
        keep = keep || r->keep_input;
        if (b->histogram[row] != NULL) {
            stat_add(&histograms, 1);
            keep = true;
        } else if (!sample_is_stale(b->value[row])) {
            enum windows_took took =
                windows_take(a->plan.v[i], t, b->key[row], b->ts_ms[row], b->value[row], now_ms);
            stat_add(took == WINDOWS_TAKEN ? &taken : took == WINDOWS_LATE ? &late : &full, 1);
            keep = keep || took == WINDOWS_FULL;
        }
    }
    return keep || !matched;
}

static int append_rest(struct aggregate *a, size_t lane, struct tenant *t, struct batch *b,
                       struct why *why)
{
    int64_t now_ms = clock_wall_ms(a->clock);
    struct lane *l = lane_of(a, lane);
    struct batch *rest = &l->batch;
    rest->n = 0;
    for (size_t i = 0; i < b->n; i++) {
        uint64_t rules = rules_for(a, l, labels_get(b->key[i], LABEL_METRIC));
        b->err[i] = 0;
        if (rules && !offer(a, t, rules, b, i, now_ms))
            continue;
        size_t k = rest->n++;
        l->place[k] = (uint8_t)i;
        rest->key[k] = b->key[i];
        rest->ts_ms[k] = b->ts_ms[i];
        rest->value[k] = b->value[i];
        rest->histogram[k] = b->histogram[i];
        rest->start_ms[k] = b->start_ms[i];
    }
    int took_in = (int)(b->n - rest->n), stored = 0;
    if (rest->n)
        stored = a->next->ops->append(a->next, lane, t, rest, why);
    if (stored < 0)
        return stored;
    for (size_t k = 0; k < rest->n; k++)
        b->err[l->place[k]] = rest->err[k];
    return stored + took_in;
}

static int sink_append(struct sink *s, size_t lane, struct tenant *t, struct batch *b,
                       struct why *why)
{
    struct aggregate *a = of(s);
    if (LIKELY(!atomic_load_explicit(&a->any, memory_order_relaxed)))
        return a->next->ops->append(a->next, lane, t, b, why);
    pthread_rwlock_rdlock(&a->lock);
    int took = append_rest(a, lane, t, b, why);
    pthread_rwlock_unlock(&a->lock);
    return took;
}

static int sink_tenant(struct sink *s, struct str name, struct tenant **ret, struct why *why)
{
    struct sink *next = of(s)->next;
    return next->ops->tenant(next, name, ret, why);
}

static int sink_exemplar(struct sink *s, size_t lane, struct tenant *t, const struct exemplar *e,
                         struct why *why)
{
    struct sink *next = of(s)->next;
    return next->ops->exemplar(next, lane, t, e, why);
}

static int sink_metadata(struct sink *s, size_t lane, struct tenant *t, const struct metadata *m)
{
    struct sink *next = of(s)->next;
    return next->ops->metadata(next, lane, t, m);
}

static void sink_commit(struct sink *s, size_t lane, void (*done)(void *context, int err),
                        void *context)
{
    struct sink *next = of(s)->next;
    next->ops->commit(next, lane, done, context);
}

static const struct sink_ops OPS = {sink_tenant, sink_append, sink_exemplar, sink_metadata,
                                    sink_commit};

/* ---- output */

static void committed(void *context, int err)
{
    (void)context;
    (void)err; /* what was not durable is told by the store's own statistics */
}

static void send(struct aggregate *a)
{
    struct batch *b = &a->out;
    if (b->n == 0)
        return;
    int stored = a->next->ops->append(a->next, a->lane, a->out_tenant, b, NULL);
    stat_add(&written, (uint64_t)MAX(stored, 0));
    stat_add(&refused, b->n - (uint64_t)MAX(stored, 0));
    b->n = 0;
    buf_clear(&a->out_keys);
}

static void put_result(void *context, const struct windows_result *r)
{
    struct aggregate *a = context;
    if (a->out.n == BATCH_MAX || a->out_tenant != r->tenant ||
        a->out_keys.n + r->key.n > a->out_keys.max)
        send(a);
    char *p = buf_reserve(&a->out_keys, a->out_keys.max - a->out_keys.n);
    must(p != NULL && r->key.n <= a->out_keys.max - a->out_keys.n);
    memcpy(p, r->key.p, r->key.n);
    buf_commit(&a->out_keys, r->key.n);
    size_t k = a->out.n++;
    a->out_tenant = r->tenant;
    a->out.key[k] = str_of(p, r->key.n);
    a->out.ts_ms[k] = r->ts_ms;
    a->out.value[k] = r->value;
    a->out.histogram[k] = NULL;
    a->out.start_ms[k] = 0;
}

/* Under the read or write lock of the plan. */
static void flush(struct aggregate *a, bool all)
{
    thread_lock(&a->flush_lock);
    for (size_t i = 0; i < a->plan.n; i++)
        windows_flush(a->plan.v[i], clock_wall_ms(a->clock), all, put_result, a);
    send(a);
    a->next->ops->commit(a->next, a->lane, committed, NULL);
    thread_unlock(&a->flush_lock);
}

void aggregate_flush(struct aggregate *a)
{
    if (!atomic_load_explicit(&a->any, memory_order_relaxed))
        return;
    pthread_rwlock_rdlock(&a->lock);
    flush(a, false);
    pthread_rwlock_unlock(&a->lock);
}

static void run(void *context)
{
    struct aggregate *a = context;
    for (;;) {
        thread_lock(&a->thread_lock);
        if (!a->ending)
            thread_wait_for(&a->wake, &a->thread_lock, LOOK_MS * 1000000LL);
        bool ending = a->ending;
        thread_unlock(&a->thread_lock);
        if (ending)
            return;
        aggregate_flush(a);
    }
}

void aggregate_start(struct aggregate *a)
{
    thread_start(&a->thread, "aggregate", run, a);
}

void aggregate_stop(struct aggregate *a)
{
    thread_lock(&a->thread_lock);
    a->ending = true;
    thread_wake(&a->wake);
    thread_unlock(&a->thread_lock);
    thread_join(&a->thread);
    pthread_rwlock_rdlock(&a->lock);
    if (a->plan.n)
        flush(a, true);
    pthread_rwlock_unlock(&a->lock);
}

void aggregate_reload(struct aggregate *a, const struct option_rows *rows)
{
    pthread_rwlock_wrlock(&a->lock);
    if (a->plan.n)
        flush(a, true);
    free_plan(a);
    make_plan(a, rows);
    pthread_rwlock_unlock(&a->lock);
}

struct sink *aggregate_sink(struct aggregate *a)
{
    return &a->sink;
}

struct aggregate *aggregate_new(const struct option_rows *rows, struct sink *next, size_t lane,
                                const struct clock *clock)
{
    static struct stat *const all[] = {&taken, &written, &refused, &late, &full, &histograms};
    struct aggregate *a = mem_new(sizeof *a);
    a->sink.ops = &OPS;
    a->next = next;
    a->lane = lane;
    a->clock = clock;
    must(pthread_rwlock_init(&a->lock, NULL) == 0);
    thread_lock_init(&a->flush_lock);
    thread_lock_init(&a->thread_lock);
    thread_cond_init(&a->wake);
    /* Room for many keys, given once, as batches point into it. */
    buf_init(&a->out_keys, 4 * LABELS_KEY_MAX);
    make_plan(a, rows);
    for (size_t i = 0; i < COUNTOF(all); i++)
        stat_register(all[i]);
    return a;
}

void aggregate_free(struct aggregate *a)
{
    if (a == NULL)
        return;
    aggregate_stop(a);
    free_plan(a);
    for (size_t i = 0; i < SINK_LANES_MAX; i++) {
        if (a->lanes[i])
            map_done(&a->lanes[i]->names);
        mem_free(a->lanes[i]);
    }
    buf_done(&a->out_keys);
    pthread_rwlock_destroy(&a->lock);
    pthread_mutex_destroy(&a->flush_lock);
    pthread_mutex_destroy(&a->thread_lock);
    pthread_cond_destroy(&a->wake);
    mem_free(a);
}
