#include "incident/incident_live.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/vec.h"
#include "model/labels.h"

/* Labels that many things share, which say little alone. */
static const char *const BROAD[] = {"job", "cluster", "namespace"};

struct incident_live *incident_live_new(const struct incident *row)
{
    struct incident_live *l = mem_new(sizeof *l);
    arena_init(&l->arena);
    l->row = *row;
    l->row.title = arena_str(&l->arena, row->title);
    l->row.summary = arena_str(&l->arena, row->summary);
    l->row.labels = arena_str(&l->arena, row->labels);
    l->row.severity = arena_str(&l->arena, row->severity);
    l->row.problems = l->row.firing = 0;
    l->active_ms = row->opened_ms;
    return l;
}

void incident_live_free(struct incident_live *l)
{
    if (!l)
        return;
    vec_free(&l->problems);
    arena_done(&l->arena);
    mem_free(l);
}

static int severity_rank(struct str s)
{
    static const char *const ORDER[] = {"none", "info", "warning", "error", "critical", "page"};
    for (size_t i = 0; i < COUNTOF(ORDER); i++)
        if (str_eq(s, str_c(ORDER[i])))
            return (int)i;
    return 0;
}

/* What both have; alertname and severity are no part of it. */
static struct str common(struct arena *a, struct str x, struct str y)
{
    struct label l;
    struct buf key;
    buf_init(&key, LABELS_KEY_MAX);
    for (const char *at = x.p; labels_next(x, &at, &l, NULL);)
        if (str_eq(labels_get(y, l.name), l.value))
            labels_put(&key, l.name, l.value);
    struct str out = arena_str(a, buf_str(&key));
    buf_done(&key);
    return out;
}

struct incident_problem *incident_live_find(struct incident_live *l, struct str labels)
{
    for (size_t i = 0; i < l->problems.n; i++)
        if (str_eq(l->problems.v[i].labels, labels))
            return &l->problems.v[i];
    return NULL;
}

void incident_live_add(struct incident_live *l, const struct incident_problem *p)
{
    if (l->problems.n >= INCIDENT_PROBLEMS_MAX)
        return;
    struct incident_problem own = *p;
    own.title = arena_str(&l->arena, p->title);
    own.severity = arena_str(&l->arena, p->severity);
    own.labels = arena_str(&l->arena, p->labels);
    l->row.labels = l->problems.n == 0 ? own.labels : common(&l->arena, l->row.labels, own.labels);
    if (l->problems.n == 0 || severity_rank(own.severity) > severity_rank(l->row.severity))
        l->row.severity = own.severity;
    vec_push(&l->problems, own);
    l->row.problems = l->problems.n;
    l->active_ms = MAX(l->active_ms, own.starts_ms);
}

static bool is_broad(struct str name)
{
    for (size_t i = 0; i < COUNTOF(BROAD); i++)
        if (str_eq(name, str_c(BROAD[i])))
            return true;
    return false;
}

/* Is there a label that says that both are about the same thing? */
static bool relates(struct str a, struct str b, const struct option_list *names)
{
    bool same_name = str_eq(labels_get(a, STR("alertname")), labels_get(b, STR("alertname")));
    bool about_a = false, about_b = false;
    for (size_t i = 0; i < names->n; i++) {
        struct str name = str_c(names->v[i]);
        struct str x = labels_get(a, name), y = labels_get(b, name);
        about_a = about_a || x.n;
        about_b = about_b || y.n;
        if (x.n && str_eq(x, y) && (same_name || !is_broad(name)))
            return true;
    }
    return same_name && !about_a && !about_b;
}

bool incident_live_joins(const struct incident_live *l, struct str labels, int64_t starts_ms,
                         const struct incident_settings *s)
{
    if (starts_ms - l->active_ms > s->join_seconds * 1000)
        return false;
    for (size_t i = 0; i < l->problems.n; i++)
        if (relates(l->problems.v[i].labels, labels, &s->join_labels))
            return true;
    return false;
}

size_t incident_live_firing(const struct incident_live *l, int64_t *ret_ended_ms)
{
    size_t n = 0;
    int64_t ended_ms = l->row.opened_ms;
    for (size_t i = 0; i < l->problems.n; i++) {
        n += l->problems.v[i].ends_ms == 0;
        ended_ms = MAX(ended_ms, l->problems.v[i].ends_ms);
    }
    *ret_ended_ms = ended_ms;
    return n;
}
