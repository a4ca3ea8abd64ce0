#include "aggregate/window.h"

#include <math.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/rand.h"
#include "base/vec.h"
#include "model/labels.h"
#include "model/sample.h"
#include "os/thread.h"

enum { OPEN = 2 /* windows of a group that take samples */ };

/* What a group has in one window. */
struct pane {
    int64_t id; /* of the window: its end is (id + 1) * interval */
    uint64_t samples, series;
    double sum, min, max, last, increase, sum_of_last;
    int64_t last_ms;
};

struct group {
    struct tenant *tenant;
    struct str name, labels; /* owned: metric's name, bare canonical labels */
    struct pane panes[OPEN];
    double total;
    int64_t last_id; /* the last window with a sample */
    bool total_known;
    bool shown; /* it has been written: to be ended with staleness markers */
};

/* One series that is taken in. */
struct input {
    struct group *group;
    int64_t last_ms;
    double last;
    bool any;
    struct {
        int64_t id;
        double last;
        int64_t last_ms;
    } panes[OPEN];
};

struct windows {
    struct rule *rule;
    pthread_mutex_t lock;
    struct map inputs; /* tenant and key -> struct input */
    struct map groups; /* tenant, name and labels -> struct group */
    struct buf key;    /* scratch */
    int64_t written;   /* the last window that has been written */
    bool any_written;
};

struct windows *windows_new(struct rule *rule)
{
    struct windows *w = mem_new(sizeof *w);
    w->rule = rule;
    map_init(&w->inputs, rand_seed());
    map_init(&w->groups, rand_seed());
    buf_init(&w->key, 2 * LABELS_KEY_MAX);
    thread_lock_init(&w->lock);
    return w;
}

static void free_group(struct group *g)
{
    mem_free((char *)(uintptr_t)g->name.p);
    mem_free((char *)(uintptr_t)g->labels.p);
    mem_free(g);
}

void windows_free(struct windows *w)
{
    if (w == NULL)
        return;
    struct map_slot *slot;
    for (size_t at = 0; (slot = map_next(&w->inputs, &at));)
        mem_free(slot->value.p);
    for (size_t at = 0; (slot = map_next(&w->groups, &at));)
        free_group(slot->value.p);
    map_done(&w->inputs);
    map_done(&w->groups);
    buf_done(&w->key);
    pthread_mutex_destroy(&w->lock);
    rule_free(w->rule);
    mem_free(w);
}

const struct rule *windows_rule(const struct windows *w)
{
    return w->rule;
}

static struct str own(struct str s)
{
    char *p = mem_raw(s.n + 1);
    if (s.n)
        memcpy(p, s.p, s.n);
    return str_of(p, s.n);
}

/* The group of a series, made where it is new. */
static struct group *group_of(struct windows *w, struct tenant *t, struct str key)
{
    struct str name = labels_get(key, LABEL_METRIC);
    bool fresh;
    buf_clear(&w->key);
    buf_put(&w->key, &t, sizeof t);
    buf_put_str(&w->key, name);
    buf_put_c(&w->key, '\0');
    size_t before = w->key.n;
    rule_group(w->rule, key, &w->key);
    union map_value *v = map_put(&w->groups, buf_str(&w->key), &fresh);
    if (!fresh)
        return v->p;
    struct group *g = v->p = mem_new(sizeof *g);
    g->tenant = t;
    g->name = own(name);
    g->labels = own(str_sub(buf_str(&w->key), before, w->key.n));
    for (size_t i = 0; i < OPEN; i++)
        g->panes[i].id = INT64_MIN;
    return g;
}

static struct input *input_of(struct windows *w, struct tenant *t, struct str key)
{
    bool fresh;
    buf_clear(&w->key);
    buf_put(&w->key, &t, sizeof t);
    buf_put_str(&w->key, key);
    union map_value *v = map_get(&w->inputs, buf_str(&w->key));
    if (v)
        return v->p;
    if (w->inputs.n >= WINDOW_INPUTS_MAX)
        return NULL;
    v = map_put(&w->inputs, buf_str(&w->key), &fresh);
    struct input *in = v->p = mem_new(sizeof *in);
    in->group = group_of(w, t, key);
    for (size_t i = 0; i < OPEN; i++)
        in->panes[i].id = INT64_MIN;
    return in;
}

/* The window that has ts: (start, end], as ranges of queries have it. */
static int64_t window_of(const struct rule *r, int64_t ts_ms)
{
    int64_t before = ts_ms - 1;
    return before >= 0 ? before / r->interval_ms : -((-before - 1) / r->interval_ms) - 1;
}

static void count(struct group *g, struct input *in, int64_t id, int64_t ts_ms, double value)
{
    struct pane *p = &g->panes[(uint64_t)id % OPEN];
    if (p->id != id)
        *p = (struct pane){.id = id, .min = INFINITY, .max = -INFINITY, .last_ms = INT64_MIN};
    p->samples++;
    p->sum += value;
    p->min = fmin(p->min, value);
    p->max = fmax(p->max, value);
    if (ts_ms >= p->last_ms) {
        p->last = value;
        p->last_ms = ts_ms;
    }
    if (in->any && ts_ms > in->last_ms)
        p->increase += value >= in->last ? value - in->last : value;
    if (!in->any || ts_ms > in->last_ms) {
        in->last = value;
        in->last_ms = ts_ms;
    }
    in->any = true;
    size_t k = (uint64_t)id % OPEN;
    if (in->panes[k].id != id || ts_ms >= in->panes[k].last_ms) {
        in->panes[k].id = id;
        in->panes[k].last = value;
        in->panes[k].last_ms = ts_ms;
    }
    g->last_id = MAX(g->last_id, id);
}

enum windows_took windows_take(struct windows *w, struct tenant *t, struct str key, int64_t ts_ms,
                               double value, int64_t now_ms)
{
    const struct rule *r = w->rule;
    int64_t id = window_of(r, ts_ms), now = window_of(r, now_ms);
    enum windows_took took = WINDOWS_LATE;
    thread_lock(&w->lock);
    if ((id == now || id == now - 1) && (!w->any_written || id > w->written)) {
        struct input *in = input_of(w, t, key);
        took = in ? WINDOWS_TAKEN : WINDOWS_FULL;
        if (in)
            count(in->group, in, id, ts_ms, value);
    }
    thread_unlock(&w->lock);
    return took;
}

/* ---- writing */

struct flush {
    struct windows *w;
    int64_t id, end_ms;
    struct buf key;
    void (*f)(void *context, const struct windows_result *r);
    void *context;
};

static double value_of(const struct rule *r, const struct group *g, const struct pane *p,
                       enum rule_output output)
{
    switch (output) {
    case RULE_AVG:
        return p->sum / (double)p->samples;
    case RULE_COUNT:
        return (double)p->samples;
    case RULE_INCREASE:
        return p->increase;
    case RULE_LAST:
        return p->last;
    case RULE_MAX:
        return p->max;
    case RULE_MIN:
        return p->min;
    case RULE_RATE:
        return p->increase * 1000 / (double)r->interval_ms;
    case RULE_SERIES:
        return (double)p->series;
    case RULE_SUM:
        return p->sum_of_last;
    default:
        return g->total;
    }
}

/* One sample of each output, or the staleness markers that end them. */
static void write_group(struct flush *f, struct group *g, const struct pane *p)
{
    const struct rule *r = f->w->rule;
    struct buf name;
    buf_init(&name, LABEL_VALUE_MAX);
    for (enum rule_output i = 0; i < RULE_OUTPUTS_N; i++) {
        if (!r->outputs[i])
            continue;
        buf_clear(&name);
        buf_put_str(&name, g->name);
        buf_put_str(&name, str_c(r->suffix));
        buf_put_str(&name, str_c(rule_output_names[i]));
        buf_clear(&f->key);
        labels_put(&f->key, LABEL_METRIC, buf_str(&name));
        buf_put_str(&f->key, g->labels);
        struct windows_result result = {.tenant = g->tenant,
                                        .key = buf_str(&f->key),
                                        .ts_ms = f->end_ms,
                                        .value = p ? value_of(r, g, p, i) : sample_stale()};
        if (!buf_failed(&f->key) && !buf_failed(&name))
            f->f(f->context, &result);
    }
    buf_done(&name);
}

/* What every series adds to its group in this window; series that are silent for long go. */
static void add_inputs(struct flush *f)
{
    struct windows *w = f->w;
    struct map_slot *slot;
    struct {
        struct str *v;
        size_t n, capacity;
    } silent = {0};
    for (size_t at = 0; (slot = map_next(&w->inputs, &at));) {
        struct input *in = slot->value.p;
        size_t k = (uint64_t)f->id % OPEN;
        struct pane *p = &in->group->panes[k];
        if (in->panes[k].id == f->id && p->id == f->id) {
            p->series++;
            p->sum_of_last += in->panes[k].last;
        } else if (in->last_ms < f->end_ms - (WINDOW_KEPT + 1) * w->rule->interval_ms) {
            struct str key = own(slot->key);
            vec_push(&silent, key);
        }
    }
    for (size_t i = 0; i < silent.n; i++) {
        mem_free(map_get(&w->inputs, silent.v[i])->p);
        map_drop(&w->inputs, silent.v[i]);
        mem_free((char *)(uintptr_t)silent.v[i].p);
    }
    vec_free(&silent);
}

static void end_groups(struct flush *f)
{
    struct windows *w = f->w;
    struct map_slot *slot;
    struct {
        struct str *v;
        size_t n, capacity;
    } over = {0};
    for (size_t at = 0; (slot = map_next(&w->groups, &at));) {
        struct group *g = slot->value.p;
        if (g->last_id >= f->id - WINDOW_KEPT - 1)
            continue;
        if (g->shown)
            write_group(f, g, NULL);
        struct str key = own(slot->key);
        vec_push(&over, key);
    }
    for (size_t i = 0; i < over.n; i++) {
        free_group(map_get(&w->groups, over.v[i])->p);
        map_drop(&w->groups, over.v[i]);
        mem_free((char *)(uintptr_t)over.v[i].p);
    }
    vec_free(&over);
}

static void write_window(struct flush *f)
{
    struct windows *w = f->w;
    struct map_slot *slot;
    add_inputs(f);
    for (size_t at = 0; (slot = map_next(&w->groups, &at));) {
        struct group *g = slot->value.p;
        struct pane *p = &g->panes[(uint64_t)f->id % OPEN];
        if (p->id != f->id)
            continue;
        g->total += p->increase;
        g->shown = true;
        write_group(f, g, p);
    }
    end_groups(f);
    w->written = f->id;
    w->any_written = true;
}

void windows_flush(struct windows *w, int64_t now_ms, bool all,
                   void (*f)(void *context, const struct windows_result *r), void *context)
{
    const struct rule *r = w->rule;
    struct flush flush = {.w = w, .f = f, .context = context};
    buf_init(&flush.key, 2 * LABELS_KEY_MAX);
    thread_lock(&w->lock);
    int64_t now = window_of(r, now_ms);
    int64_t last = all ? now : window_of(r, now_ms - r->delay_ms) - 1;
    int64_t first = MAX(now - OPEN, w->any_written ? w->written + 1 : INT64_MIN);
    for (int64_t id = first; id <= last; id++) {
        flush.id = id;
        flush.end_ms = (id + 1) * r->interval_ms;
        write_window(&flush);
    }
    thread_unlock(&w->lock);
    buf_done(&flush.key);
}
