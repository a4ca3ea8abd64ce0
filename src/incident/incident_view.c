#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "incident/incident_inside.h"
#include "incident/incident_moved.h"
#include "incident/incident_words.h"
#include "model/labels.h"

enum {
    CONTEXT_MAX = 8 * 1024,
    CONTEXT_CAUSES = 4,
    CONTEXT_MOVED = 3,
    CONTEXT_OTHERS = 3,
    FRESH_MS = 15 * 1000,         /* a look that is older is taken again for a message */
    CHANGING_MS = 10 * 60 * 1000, /* from its beginning: later it has been looked at enough */
};

/* ---- lists */

struct listing {
    const struct incident_query *q;
    struct arena *arena;
    struct incident *v;
    size_t n;
};

static int list(void *context, struct state_tx *tx, struct why *why)
{
    struct listing *l = context;
    return incident_store_list(tx, l->q, l->arena, &l->v, &l->n, why);
}

int incident_list(struct incidents *i, const struct incident_query *q, struct arena *a,
                  struct incident **ret, size_t *ret_n, struct why *why)
{
    struct incident_query own = *q;
    if (own.to_ms == 0)
        own.to_ms = INT64_MAX;
    struct listing l = {.q = &own, .arena = a};
    thread_lock(&i->lock);
    incident_drain(i);
    thread_unlock(&i->lock);
    int err = state_read(i->config.state, list, &l, why);
    if (err)
        return err;
    *ret = l.v;
    *ret_n = l.n;
    return 0;
}

/* ---- one of them */

struct getting {
    int64_t id;
    struct arena *arena;
    struct incident row;
    struct incident_problem *problems;
    struct incident_moved *moved;
    struct incident_entry *notes;
    size_t problems_n, moved_n, notes_n;
};

static int get(void *context, struct state_tx *tx, struct why *why)
{
    struct getting *g = context;
    int err = incident_store_get(tx, g->id, g->arena, &g->row, why);
    if (!err)
        err = incident_store_problems(tx, g->id, g->arena, &g->problems, &g->problems_n, why);
    if (!err)
        err = incident_store_moved_list(tx, g->id, g->arena, &g->moved, &g->moved_n, why);
    if (!err)
        err = incident_store_notes(tx, g->id, g->arena, &g->notes, &g->notes_n, why);
    return err;
}

static int by_time(const void *a, const void *b)
{
    const struct incident_entry *x = a, *y = b;
    return (x->time_ms > y->time_ms) - (x->time_ms < y->time_ms);
}

/* Events, alerts that began and ended, and notes, by time. */
static void draw_timeline(const struct getting *g, const struct event *events, size_t events_n,
                          struct incident_full *ret)
{
    size_t n = 0;
    struct incident_entry *v =
        arena_array(g->arena, events_n + 2 * g->problems_n + g->notes_n + 1, sizeof *v);
    for (size_t i = 0; i < events_n; i++) {
        const struct event *e = &events[i];
        if (!str_eq(e->kind, STR("alert")))
            v[n++] = (struct incident_entry){e->time_ms, e->end_ms, e->kind,  e->title,
                                             e->text,    e->source, e->labels};
    }
    for (size_t i = 0; i < g->problems_n; i++) {
        const struct incident_problem *p = &g->problems[i];
        struct incident_entry entry = {.time_ms = p->starts_ms,
                                       .end_ms = p->ends_ms,
                                       .kind = STR("alert"),
                                       .title = p->title,
                                       .source = labels_get(p->labels, STR("alertname")),
                                       .labels = p->labels};
        v[n++] = entry;
        if (p->ends_ms == 0)
            continue;
        entry.time_ms = p->ends_ms;
        entry.end_ms = 0;
        entry.kind = STR("resolved");
        v[n++] = entry;
    }
    for (size_t i = 0; i < g->notes_n; i++)
        v[n++] = g->notes[i];
    qsort(v, n, sizeof *v, by_time);
    ret->timeline = v;
    ret->timeline_n = n;
}

int incident_get(struct incidents *i, int64_t id, struct arena *a, struct incident_full *ret,
                 struct why *why)
{
    struct getting g = {.id = id, .arena = a};
    struct event *events;
    size_t n;
    thread_lock(&i->lock);
    incident_drain(i);
    int64_t before_ms = i->settings->before_seconds * 1000;
    int64_t quiet_ms = i->settings->quiet_seconds * 1000;
    thread_unlock(&i->lock);
    int err = state_read(i->config.state, get, &g, why);
    if (err)
        return err;
    struct event_query q = {.from_ms = g.row.opened_ms - before_ms,
                            .to_ms = g.row.closed_ms ? g.row.closed_ms + quiet_ms : 0,
                            .limit = INCIDENT_TIMELINE_MAX};
    err = event_list(i->config.events, &q, a, &events, &n, why);
    if (err)
        return err;
    *ret = (struct incident_full){.incident = g.row,
                                  .problems = g.problems,
                                  .problems_n = g.problems_n,
                                  .moved = g.moved,
                                  .moved_n = g.moved_n,
                                  .before_ms = q.from_ms};
    draw_timeline(&g, events, n, ret);
    return 0;
}

/* ---- people */

struct writing {
    int64_t id, into;
    struct incident_entry entry;
};

static int put_note(void *context, struct state_tx *tx, struct why *why)
{
    struct writing *w = context;
    struct arena a;
    struct incident row;
    arena_init(&a);
    int err = incident_store_get(tx, w->id, &a, &row, why);
    arena_done(&a);
    return err ? err : incident_store_note(tx, w->id, &w->entry, why);
}

int incident_note(struct incidents *i, int64_t id, struct str who, struct str text, struct why *why)
{
    if (text.n == 0 || text.n > INCIDENT_NOTE_MAX || !str_utf8(text) || !str_utf8(who))
        return why_set(why, ERR_FORMAT, "text must be one to %d bytes of UTF-8", INCIDENT_NOTE_MAX);
    struct writing w = {.id = id,
                        .entry = {.time_ms = clock_wall_ms(i->config.clock),
                                  .kind = STR("note"),
                                  .source = who,
                                  .text = text}};
    return state_write(i->config.state, put_note, &w, why);
}

static struct incident_live *find(struct incidents *i, int64_t id)
{
    for (size_t k = 0; k < i->live.n; k++)
        if (i->live.v[k]->row.id == id)
            return i->live.v[k];
    return NULL;
}

int incident_end(struct incidents *i, int64_t id, struct str who, struct why *why)
{
    int err = incident_note(i, id, who, STR("closed by hand"), why);
    if (err)
        return err;
    thread_lock(&i->lock);
    incident_drain(i);
    struct incident_live *l = find(i, id);
    if (l)
        incident_shut(i, l, clock_wall_ms(i->config.clock));
    else
        err = why_set(why, ERR_STATE, "incident %lld is closed already", (long long)id);
    thread_unlock(&i->lock);
    return err;
}

static int put_merge(void *context, struct state_tx *tx, struct why *why)
{
    struct writing *w = context;
    struct arena a;
    struct incident row, into;
    arena_init(&a);
    int err = incident_store_get(tx, w->id, &a, &row, why);
    if (!err)
        err = incident_store_get(tx, w->into, &a, &into, why);
    if (!err && (row.merged_into || into.merged_into))
        err = why_set(why, ERR_STATE, "one of them was merged into another already");
    if (!err)
        err = incident_store_merge(tx, w->id, w->into, why);
    row.open = false;
    row.closed_ms = w->entry.time_ms;
    row.merged_into = w->into;
    if (!err)
        err = incident_store_put(tx, &row, &row.id, why);
    if (!err)
        err = incident_store_note(tx, w->into, &w->entry, why);
    arena_done(&a);
    return err;
}

int incident_merge(struct incidents *i, int64_t id, int64_t into, struct str who, struct why *why)
{
    char text[80];
    int n = snprintf(text, sizeof text, "incident %lld was merged into this one", (long long)id);
    struct writing w = {.id = id,
                        .into = into,
                        .entry = {.time_ms = clock_wall_ms(i->config.clock),
                                  .kind = STR("note"),
                                  .source = who,
                                  .text = str_of(text, (size_t)n)}};
    if (id == into)
        return why_set(why, ERR_STATE, "an incident cannot be merged into itself");
    thread_lock(&i->lock);
    incident_drain(i);
    struct incident_live *from = find(i, id), *to = find(i, into);
    int err = 0;
    if (from && !to)
        err = why_set(why, ERR_STATE, "incident %lld is closed: an open one cannot go there",
                      (long long)into);
    if (!err)
        err = state_write(i->config.state, put_merge, &w, why);
    if (!err && from) {
        for (size_t k = 0; k < from->problems.n; k++)
            if (!incident_live_find(to, from->problems.v[k].labels))
                incident_live_add(to, &from->problems.v[k]);
        to->row.opened_ms = MIN(to->row.opened_ms, from->row.opened_ms);
        from->problems.n = 0;
        from->row.merged_into = into;
        incident_shut(i, from, w.entry.time_ms);
    }
    thread_unlock(&i->lock);
    return err;
}

/* ---- for a message */

static bool is_told(const struct message *m, struct str labels)
{
    for (size_t k = 0; k < m->n; k++)
        if (str_eq(m->alerts[k].labels, labels))
            return true;
    return false;
}

/* Under the lock: the open incident of one of the message's alerts. */
static struct incident_live *of_message(struct incidents *i, const struct message *m)
{
    for (size_t k = 0; k < i->live.n; k++)
        for (size_t j = 0; j < m->n; j++)
            if (incident_live_find(i->live.v[k], m->alerts[j].labels))
                return i->live.v[k];
    return NULL;
}

static void put_line(struct buf *out)
{
    if (out->n)
        buf_put_c(out, '\n');
}

static void put_others(const struct message *m, const struct incident_full *f, struct buf *out)
{
    size_t n = 0;
    for (size_t k = 0; k < f->problems_n && n < CONTEXT_OTHERS; k++) {
        const struct incident_problem *p = &f->problems[k];
        if (p->ends_ms || is_told(m, p->labels))
            continue;
        put_line(out);
        buf_printf(out, "also fires: " STR_FMT, STR_ARG(str_sub(p->title, 0, 300)));
        n++;
    }
}

static void put_context(struct incidents *i, const struct message *m, const struct event *causes,
                        size_t causes_n, const struct incident_full *f, struct buf *out)
{
    for (size_t k = 0; k < causes_n && k < CONTEXT_CAUSES; k++) {
        put_line(out);
        buf_printf(out, STR_FMT ": ", STR_ARG(causes[k].kind));
        incident_words_cause(&causes[k], f->incident.opened_ms, out);
    }
    for (size_t k = 0; k < f->moved_n && k < CONTEXT_MOVED; k++) {
        put_line(out);
        incident_moved_say(&f->moved[k], out);
    }
    put_others(m, f, out);
    if (i->config.url.n) {
        put_line(out);
        buf_printf(out, STR_FMT "/?view=incidents&incident=%lld", STR_ARG(i->config.url),
                   (long long)f->incident.id);
    }
}

struct str incident_context(void *incidents, const struct message *m, struct arena *a)
{
    struct incidents *i = incidents;
    struct incident_full full;
    struct event *causes;
    struct why why;
    size_t n;
    thread_lock(&i->lock);
    incident_drain(i);
    struct incident_live *l = of_message(i, m);
    int64_t id = l ? l->row.id : 0, now_ms = clock_wall_ms(i->config.clock);
    bool look = l && now_ms - l->looked_ms > FRESH_MS && now_ms - l->row.opened_ms < CHANGING_MS;
    thread_unlock(&i->lock);
    if (look)
        incident_look(i, id);
    /* A message without its context is better than none. */
    if (id == 0 || incident_get(i, id, a, &full, &why) != 0 ||
        incident_causes(i, &full.incident, a, &causes, &n, &why) != 0)
        return STR("");
    struct buf text;
    buf_init(&text, CONTEXT_MAX);
    put_context(i, m, causes, n, &full, &text);
    struct str out = arena_str(a, buf_str(&text));
    buf_done(&text);
    return out;
}
