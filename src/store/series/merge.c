#include "store/series/merge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/vec.h"
#include "model/labels.h"
#include "store/series/merge_series.h"
#include "store/series/part_write.h"

enum { BUDGET_BYTES = 256 << 10, BUDGET_SERIES = 64, EXEMPLAR_BYTES_MAX = 64 << 20 };

/* One part on its way in. */
struct input {
    struct part_cursor *cursor;
    struct part_series series;
    bool there; /* series is the next one */
};

struct output {
    struct part_writer *writer; /* NULL until its class has a series */
    struct map columns;
};

struct exemplars {
    struct exemplar *v;
    size_t n, capacity, at;
    struct arena texts;
};

struct merging {
    const struct merge *m;
    struct input inputs[MERGE_PARTS_MAX];
    struct output outputs[MERGE_CLASSES_MAX];
    size_t outputs_n;
    struct merge_series series;
    struct exemplars exemplars;
    struct {
        struct merge_source *v;
        size_t n, capacity;
    } sources;
    struct buf key;
    uint64_t bytes;       /* already told to budget */
    unsigned series_left; /* until budget is asked again */
    struct why *why;
};

/* ---- exemplars ---- */

static void take_exemplar(void *context, const struct exemplar *e)
{
    struct exemplars *x = context;
    if (x->texts.total > EXEMPLAR_BYTES_MAX)
        return;
    struct exemplar copy = *e;
    copy.key = arena_str(&x->texts, e->key);
    copy.labels = arena_str(&x->texts, e->labels);
    vec_push(x, copy);
}

static int compare_exemplars(const void *a, const void *b)
{
    const struct exemplar *x = a, *y = b;
    int c = str_cmp(x->key, y->key);
    if (c)
        return c;
    return (x->ts_ms > y->ts_ms) - (x->ts_ms < y->ts_ms);
}

static int load_exemplars(struct merging *g)
{
    const struct merge *m = g->m;
    for (size_t i = 0; i < m->parts_n; i++) {
        int err =
            part_exemplars(m->parts[i], NULL, m->from_ms, m->to_ms, take_exemplar, &g->exemplars);
        if (err && part_is_damage(err) && m->warn)
            m->warn(m->context, "the exemplars of a part are damaged and are left out");
        else if (err)
            return err;
    }
    if (g->exemplars.n)
        qsort(g->exemplars.v, g->exemplars.n, sizeof *g->exemplars.v, compare_exemplars);
    return 0;
}

/* Writes the exemplars of the present series, of those with equal times one. */
static int write_exemplars(struct merging *g, struct part_writer *w, struct str key, bool keep)
{
    struct exemplars *x = &g->exemplars;
    int err = 0;
    while (x->at < x->n && str_cmp(x->v[x->at].key, key) < 0)
        x->at++;
    for (; x->at < x->n && str_eq(x->v[x->at].key, key) && !err; x->at++) {
        const struct exemplar *e = &x->v[x->at];
        bool again = x->at + 1 < x->n && x->v[x->at + 1].ts_ms == e->ts_ms &&
                     str_eq(x->v[x->at + 1].key, key) && str_eq(x->v[x->at + 1].labels, e->labels);
        if (keep && !again && !merge_series_gone(&g->series, e->ts_ms, 0))
            err = part_writer_exemplar(w, e);
        /* A series none of whose samples is left has no place for exemplars. */
        if (err == -ERR_STATE)
            err = 0;
    }
    return err;
}

/* ---- outputs ---- */

static int output_of(struct merging *g, struct str key, struct output **ret)
{
    const struct merge *m = g->m;
    size_t class_at = m->class_of ? m->class_of(m->context, key) : 0;
    *ret = NULL;
    if (class_at == SIZE_MAX || class_at >= g->outputs_n)
        return 0;
    struct output *o = &g->outputs[class_at];
    if (!o->writer) {
        struct part_info info = {.tier = m->tier, .level = m->level, .sequence = m->sequence};
        snprintf(info.tenant, sizeof info.tenant, "%s", m->tenant ? m->tenant : "");
        snprintf(info.retention_class, sizeof info.retention_class, "%s",
                 m->classes ? m->classes[class_at] : "");
        int err = part_writer_new(m->at, m->dirs[class_at], &info, &o->writer, g->why);
        if (err)
            return err;
    }
    *ret = o;
    return 0;
}

static int finish(struct merging *g, struct merge_output *ret, size_t *ret_n)
{
    size_t n = 0;
    for (size_t i = 0; i < g->outputs_n; i++) {
        if (!g->outputs[i].writer)
            continue;
        int err = part_writer_finish(g->outputs[i].writer, &ret[n].info, g->why);
        if (err && err != -ERR_SPARSE)
            return err;
        if (err) {
            err = disk_remove_tree(g->m->at->disk, g->m->dirs[i]);
            if (err && err != -ERR_NOENT)
                return err;
            continue;
        }
        ret[n++].class_at = i;
    }
    *ret_n = n;
    return 0;
}

/* ---- series by series ---- */

static int advance(struct input *in)
{
    int got = part_cursor_next(in->cursor, &in->series);
    if (got < 0)
        return got;
    in->there = got == 1;
    return 0;
}

/* The least key among the inputs; false at the end. */
static bool least_key(struct merging *g)
{
    const struct input *least = NULL;
    for (size_t i = 0; i < g->m->parts_n; i++) {
        const struct input *in = &g->inputs[i];
        if (in->there && (!least || str_cmp(in->series.key, least->series.key) < 0))
            least = in;
    }
    if (!least)
        return false;
    buf_clear(&g->key);
    buf_put_str(&g->key, least->series.key);
    return true;
}

static int compare_sources(const void *a, const void *b)
{
    const struct merge_source *x = a, *y = b;
    if (x->entry->first_ms != y->entry->first_ms)
        return x->entry->first_ms < y->entry->first_ms ? -1 : 1;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

/* The chunks of the present series in all parts, by time. */
static void gather(struct merging *g)
{
    g->sources.n = 0;
    for (size_t i = 0; i < g->m->parts_n; i++) {
        struct input *in = &g->inputs[i];
        if (!in->there || !str_eq(in->series.key, buf_str(&g->key)))
            continue;
        for (size_t k = 0; k < in->series.chunks_n; k++) {
            struct merge_source s = {in->cursor, k, part_cursor_entry(in->cursor, k), (uint32_t)i};
            vec_push(&g->sources, s);
        }
    }
    if (g->sources.n)
        qsort(g->sources.v, g->sources.n, sizeof *g->sources.v, compare_sources);
}

static int write_series(struct merging *g)
{
    struct output *o;
    struct str key = buf_str(&g->key);
    int err = output_of(g, key, &o);
    if (err || !o)
        return err ? err : write_exemplars(g, NULL, key, false);
    gather(g);
    err = merge_series_begin(&g->series, o->writer, &o->columns, key);
    for (size_t i = 0; i < g->sources.n && !err; i++) {
        bool last = i + 1 == g->sources.n;
        err = merge_series_add(&g->series, &g->sources.v[i],
                               last ? INT64_MAX : g->sources.v[i + 1].entry->first_ms);
    }
    if (!err)
        err = merge_series_end(&g->series);
    return err ? err : write_exemplars(g, o->writer, key, true);
}

static int ask_budget(struct merging *g)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < g->outputs_n; i++)
        bytes += g->outputs[i].writer ? part_writer_bytes(g->outputs[i].writer) : 0;
    if (!g->m->budget || (g->series_left-- && bytes - g->bytes < BUDGET_BYTES))
        return 0;
    g->series_left = BUDGET_SERIES;
    int stop = g->m->budget(g->m->context, bytes - g->bytes);
    g->bytes = bytes;
    return stop ? -ERR_CANCELED : 0;
}

static int run(struct merging *g)
{
    int err = 0;
    while (!err && least_key(g)) {
        err = write_series(g);
        for (size_t i = 0; i < g->m->parts_n && !err; i++)
            if (g->inputs[i].there && str_eq(g->inputs[i].series.key, buf_str(&g->key)))
                err = advance(&g->inputs[i]);
        if (!err)
            err = ask_budget(g);
    }
    return err;
}

static int open_inputs(struct merging *g)
{
    const struct merge *m = g->m;
    for (size_t i = 0; i < m->parts_n; i++) {
        int err = part_select(m->parts[i], NULL, m->from_ms, m->to_ms, m->warn, m->context,
                              &g->inputs[i].cursor, g->why);
        if (!err)
            err = advance(&g->inputs[i]);
        if (err)
            return err;
    }
    return load_exemplars(g);
}

/* Frees all; after a failure the directories that were begun go too. */
static void end(struct merging *g, bool failed)
{
    for (size_t i = 0; i < g->m->parts_n; i++)
        part_cursor_free(g->inputs[i].cursor);
    for (size_t i = 0; i < g->outputs_n; i++) {
        bool begun = g->outputs[i].writer != NULL;
        part_writer_free(g->outputs[i].writer);
        map_done(&g->outputs[i].columns);
        /* What cannot be removed now has no meta, or is in no manifest: start-up removes it. */
        if (failed && begun && disk_remove_tree(g->m->at->disk, g->m->dirs[i]))
            continue;
    }
    merge_series_done(&g->series);
    vec_free(&g->exemplars);
    arena_done(&g->exemplars.texts);
    vec_free(&g->sources);
    buf_done(&g->key);
    mem_free(g);
}

int merge_run(const struct merge *m, struct merge_output *ret, size_t *ret_n, struct why *why)
{
    if (m->parts_n > MERGE_PARTS_MAX || m->classes_n > MERGE_CLASSES_MAX)
        return why_set(why, ERR_LIMIT, "a merge takes at most %d parts and %d classes",
                       MERGE_PARTS_MAX, MERGE_CLASSES_MAX);
    struct merging *g = mem_new(sizeof *g);
    struct why own = {0};
    g->m = m;
    g->why = why ? why : &own;
    g->outputs_n = m->class_of ? m->classes_n : 1;
    arena_init(&g->exemplars.texts);
    buf_init(&g->key, LABELS_KEY_MAX);
    merge_series_init(&g->series, m);
    for (size_t i = 0; i < g->outputs_n; i++)
        map_init(&g->outputs[i].columns, 0);
    g->why->text[0] = 0;
    int err = open_inputs(g);
    if (!err)
        err = run(g);
    if (!err)
        err = finish(g, ret, ret_n);
    if (err && !g->why->text[0])
        why_set(g->why, (enum err) - err, "the merge into %s stopped: %s", m->dirs[0],
                err_text(err));
    end(g, err != 0);
    return err;
}
