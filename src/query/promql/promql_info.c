/* info(v, {..}): series of v with the labels that info metrics (target_info, build_info, ..) have
 * for the same instance and job.
 *
 * An info series counts at the time that v's first selector looks at, with the newest sample at or
 * before it; its value is not looked at. Series of v that are info series themselves pass as they
 * are. Where the label selector asks for a label that must not be empty, what finds no info series
 * goes. */
#include "query/promql/promql_engine.h"

#include <stdlib.h>
#include <string.h>

#include "base/vec.h"

enum { ID_LABELS = 2, VALUES_MATCHED = 64 }; /* more values than that are not asked of the store */

static const char *const id_labels[ID_LABELS] = {"instance", "job"};

struct infos {
    const struct promql_expr *expr; /* the call */
    size_t n;                       /* steps */
    struct rows base, info, out;
    struct map values[ID_LABELS]; /* what base has */
    size_t values_n[ID_LABELS];
    struct {
        struct str *v; /* names of the info metrics, sorted */
        size_t n, capacity;
    } metrics;
    struct map by_signature; /* metric and identity -> struct candidates */
    struct buf scratch;
    bool must_match; /* a data matcher does not match the empty value */
};

/* Info series that are the same for a base series. */
struct candidates {
    size_t *v; /* rows of info */
    size_t n, capacity;
};

/* --- what to read ----------------------------------------------------------------------------- */

static bool matches(struct engine *e, const struct matcher *m, struct str value, bool *ret)
{
    if (m->type == MATCH_EQUAL || m->type == MATCH_NOT_EQUAL) {
        *ret = str_eq(m->value, value) == (m->type == MATCH_EQUAL);
        return true;
    }
    struct regex *re;
    struct why why = {0};
    if (regex_new(m->value, &re, &why) < 0)
        return promql_engine_fail(e, PROMQL_EXECUTION, "%s", why.text) == 0;
    *ret = regex_match(re, value) == (m->type == MATCH_REGEX);
    regex_free(re);
    return true;
}

/* Is a series of that name an info series itself? */
static int is_info(struct engine *e, const struct promql_expr *x, struct str name)
{
    for (size_t i = 0; i < x->matchers_n; i++) {
        bool yes;
        if (!str_eq(x->matchers[i].name, LABEL_METRIC))
            continue;
        if (!matches(e, &x->matchers[i], name, &yes))
            return -ERR_FORMAT;
        if (!yes)
            return 0;
    }
    return 1;
}

/* The label selector as it was written, without names of metrics. */
static bool is_asked_for(const struct promql_expr *x, struct str name)
{
    const struct promql_expr *s = x->arguments_n > 1 ? promql_bare(x->arguments[1]) : NULL;
    bool any = false;
    for (size_t i = 0; s && i < s->matchers_n; i++) {
        if (str_eq(s->matchers[i].name, LABEL_METRIC))
            continue;
        any = true;
        if (str_eq(s->matchers[i].name, name))
            return true;
    }
    return !any;
}

static int data_must_match(struct engine *e, struct infos *s)
{
    for (size_t i = 0; i < s->expr->matchers_n; i++) {
        bool yes = true;
        if (str_eq(s->expr->matchers[i].name, LABEL_METRIC))
            continue;
        if (!matches(e, &s->expr->matchers[i], STR(""), &yes))
            return -ERR_FORMAT;
        s->must_match |= !yes;
    }
    return 0;
}

/* The first selector of x, with the @ and offsets of the subqueries around it. */
static bool first_selector(const struct promql_expr *x, const struct promql_expr **ret,
                           const struct promql_expr **pinned, size_t *n)
{
    enum { PATH_MAX_OFFSETS = PROMQL_DEPTH_MAX };
    if (!x)
        return false;
    if (x->kind == EXPR_SELECTOR || x->kind == EXPR_SUBQUERY) {
        if (x->at != AT_NONE)
            *n = 0;
        if (*n < PATH_MAX_OFFSETS)
            pinned[(*n)++] = x;
    }
    if (x->kind == EXPR_SELECTOR) {
        *ret = x;
        return true;
    }
    size_t before = *n;
    for (size_t i = 0; x->kind == EXPR_CALL && i < x->arguments_n; i++) {
        if (first_selector(x->arguments[i], ret, pinned, n))
            return true;
        *n = before;
    }
    return x->kind != EXPR_CALL &&
           (first_selector(x->left, ret, pinned, n) || first_selector(x->right, ret, pinned, n));
}

/* A selector of info series that looks at the times that the first selector of v looks at. */
static int info_selector(struct engine *e, const struct promql_expr *x, struct promql_expr *ret)
{
    const struct promql_expr *path[PROMQL_DEPTH_MAX], *selector = NULL;
    size_t n = 0;
    *ret = (struct promql_expr){.kind = EXPR_SELECTOR,
                                .type = PROMQL_VECTOR,
                                .matchers = x->matchers,
                                .matchers_n = x->matchers_n,
                                .start = x->start,
                                .end = x->end};
    if (!first_selector(x->arguments[0], &selector, path, &n))
        return 0;
    struct promql_span *offset = arena_new(e->arena, sizeof *offset);
    for (size_t i = 0; i < n; i++) {
        int64_t ms = 0;
        int err = path[i]->offset_span ? promql_offset_ms(e, path[i], &ms) : 0;
        if (err < 0)
            return err;
        offset->seconds += (double)ms / 1000;
    }
    offset->kind = SPAN_NUMBER;
    ret->offset_span = offset;
    ret->at = path[0]->at;
    ret->at_ms = path[0]->at_ms;
    return 0;
}

/* Matchers on the values that the base series have, where they are few. */
static void narrow(struct engine *e, struct infos *s, struct promql_expr *selector)
{
    struct matcher *m = arena_array(e->arena, selector->matchers_n + ID_LABELS, sizeof *m);
    memcpy(m, selector->matchers, selector->matchers_n * sizeof *m);
    for (size_t k = 0; k < ID_LABELS; k++) {
        if (s->values_n[k] == 0 || s->values_n[k] > VALUES_MATCHED)
            continue;
        struct buf text;
        buf_init(&text, 1 << 22);
        size_t at = 0;
        for (struct map_slot *slot; (slot = map_next(&s->values[k], &at));) {
            if (text.n)
                buf_put_str(&text, STR("|"));
            regex_quote(slot->key, &text);
        }
        m[selector->matchers_n++] =
            (struct matcher){MATCH_REGEX, str_c(id_labels[k]), arena_str(e->arena, buf_str(&text))};
        buf_done(&text);
    }
    selector->matchers = m;
}

/* Notes what the base series are called, and which of them are info series. */
static int read_base(struct engine *e, struct infos *s, bool *ret_ignored)
{
    for (size_t i = 0; i < s->base.n; i++) {
        int known = is_info(e, s->expr, labels_get(s->base.v[i].key, LABEL_METRIC));
        if (known < 0)
            return known;
        ret_ignored[i] = known;
        for (size_t k = 0; !known && k < ID_LABELS; k++) {
            struct str value = labels_get(s->base.v[i].key, str_c(id_labels[k]));
            bool fresh = false;
            if (value.n)
                map_put(&s->values[k], value, &fresh);
            s->values_n[k] += fresh;
        }
    }
    return 0;
}

static struct str signature(struct infos *s, struct str metric, struct str key)
{
    buf_clear(&s->scratch);
    labels_put(&s->scratch, LABEL_METRIC, metric);
    for (size_t k = 0; k < ID_LABELS; k++) {
        struct str value = labels_get(key, str_c(id_labels[k]));
        if (value.n)
            labels_put(&s->scratch, str_c(id_labels[k]), value);
    }
    return buf_str(&s->scratch);
}

static int name_cmp(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Puts the info series under their signatures. Of an identifying label that base has, they must
 * have one of its values. */
static void read_infos(struct engine *e, struct infos *s)
{
    struct map names;
    map_init(&names, 0);
    for (size_t i = 0; i < s->info.n; i++) {
        struct str key = s->info.v[i].key;
        bool known = true, fresh;
        for (size_t k = 0; k < ID_LABELS; k++)
            known &=
                s->values_n[k] == 0 || map_get(&s->values[k], labels_get(key, str_c(id_labels[k])));
        if (!known)
            continue;
        struct str name = labels_get(key, LABEL_METRIC);
        map_put(&names, name, &fresh);
        if (fresh)
            vec_push(&s->metrics, name);
        union map_value *at = map_put(&s->by_signature, signature(s, name, key), &fresh);
        if (fresh)
            at->p = arena_new(e->arena, sizeof(struct candidates));
        struct candidates *c = at->p;
        vec_push(c, i);
    }
    map_done(&names);
    if (s->metrics.n)
        qsort(s->metrics.v, s->metrics.n, sizeof *s->metrics.v, name_cmp);
}

static int fetch(struct engine *e, struct infos *s, const struct grid *g)
{
    if (s->values_n[0] + s->values_n[1] == 0)
        return 0;
    struct promql_expr *selector = arena_new(e->arena, sizeof *selector);
    struct stream *from;
    int err = info_selector(e, s->expr, selector);
    if (err < 0)
        return err;
    narrow(e, s, selector);
    err = promql_stream_selector(e, selector, g, SELECTOR_INFO, &from);
    if (err == 0)
        err = promql_rows_gather(e, from, s->n, &s->info);
    if (err == 0)
        read_infos(e, s);
    return err;
}

/* --- joining ---------------------------------------------------------------------------------- */

static int duplicate(struct engine *e, const struct infos *s, size_t a, size_t b, size_t step)
{
    struct buf out;
    buf_init(&out, PROMQL_MESSAGE_MAX);
    buf_put_str(&out, STR("found duplicate series for info metric: existing "));
    labels_print(s->info.v[a].key, &out);
    long long ms = (long long)(s->info.v[a].value[step] * 1000);
    buf_printf(&out, " @ %lld, new ", ms);
    labels_print(s->info.v[b].key, &out);
    buf_printf(&out, " @ %lld", ms);
    int err = promql_engine_fail(e, PROMQL_EXECUTION, STR_FMT, STR_ARG(buf_str(&out)));
    buf_done(&out);
    return err;
}

/* Every info series at a step is a float, and of those with one signature one is the newest. */
static int check_step(struct engine *e, const struct infos *s, size_t step)
{
    size_t at = 0;
    for (size_t i = 0; i < s->info.n; i++) {
        if (s->info.v[i].kind[step] == KIND_HISTOGRAM)
            return promql_engine_fail(e, PROMQL_EXECUTION, "info sample should be float");
    }
    for (struct map_slot *slot; (slot = map_next(&s->by_signature, &at));) {
        const struct candidates *c = slot->value.p;
        size_t best = SIZE_MAX;
        for (size_t k = 0; k < c->n; k++) {
            const struct row_buffer *r = &s->info.v[c->v[k]];
            if (r->kind[step] == KIND_NONE)
                continue;
            if (best != SIZE_MAX && s->info.v[best].value[step] == r->value[step])
                return duplicate(e, s, best, c->v[k], step);
            if (best == SIZE_MAX || s->info.v[best].value[step] < r->value[step])
                best = c->v[k];
        }
    }
    return 0;
}

static const struct row_buffer *newest(const struct infos *s, const struct candidates *c,
                                       size_t step)
{
    const struct row_buffer *best = NULL;
    for (size_t k = 0; k < c->n; k++) {
        const struct row_buffer *r = &s->info.v[c->v[k]];
        if (r->kind[step] != KIND_NONE && (!best || best->value[step] < r->value[step]))
            best = r;
    }
    return best;
}

/* Takes the labels of one info series over. */
static int take_labels(struct engine *e, const struct infos *s, struct str base,
                       const struct row_buffer *info, struct label_set *set)
{
    const char *at = info->key.p;
    struct label l;
    while (labels_next(info->key, &at, &l, NULL)) {
        if (str_eq(l.name, LABEL_METRIC) || !is_asked_for(s->expr, l.name))
            continue;
        size_t i = 0;
        while (i < set->n && !str_eq(set->v[i].name, l.name))
            i++;
        if (i < set->n && !str_eq(set->v[i].value, l.value))
            return promql_engine_fail(e, PROMQL_EXECUTION, "conflicting label: " STR_FMT,
                                      STR_ARG(l.name));
        if (labels_get(base, l.name).n == 0)
            promql_label_set_put(set, l.name, l.value);
    }
    return 0;
}

/* The info series that apply to one base series: those of its signatures. */
struct own {
    const struct candidates **v; /* [n] */
    const struct row_buffer **now, **before;
    size_t n;
};

/* The labels at one step: 1 with *ret_key, 0 where the sample goes. */
static int labels_at(struct engine *e, const struct infos *s, const struct row_buffer *base,
                     const struct own *own, struct str *ret_key)
{
    struct label_set set = {.n = 0};
    bool any = false;
    for (size_t k = 0; k < own->n; k++) {
        int err = own->now[k] ? take_labels(e, s, base->key, own->now[k], &set) : 0;
        if (err < 0)
            return err;
        any |= own->now[k] != NULL;
    }
    if (!any && s->must_match)
        return 0;
    *ret_key = base->key;
    if (set.n == 0)
        return 1;
    struct label_set *all = mem_new(sizeof *all);
    promql_label_set_read(base->key, all);
    for (size_t i = 0; i < set.n; i++)
        promql_label_set_put(all, set.v[i].name, set.v[i].value);
    *ret_key = promql_label_set_key(e, all);
    mem_free(all);
    return 1;
}

static int put_step(struct engine *e, struct infos *s, const struct row_buffer *base,
                    struct str key, size_t step)
{
    struct row_buffer *to = promql_rows_of(e, &s->out, key, s->n);
    if (to->kind[step] != KIND_NONE)
        return promql_engine_fail(e, PROMQL_EXECUTION,
                                  "vector cannot contain metrics with the same labelset");
    to->drop_name = base->drop_name;
    if (base->kind[step] == KIND_HISTOGRAM) {
        promql_row_histogram(e, to, s->n, step, base->histogram[step]);
    } else {
        to->kind[step] = KIND_FLOAT;
        to->value[step] = base->value[step];
    }
    return 0;
}

static struct own own_of(struct engine *e, struct infos *s, const struct row_buffer *base)
{
    struct own own = {0};
    own.v = arena_array(e->arena, s->metrics.n + 1, sizeof(void *));
    for (size_t k = 0; k < s->metrics.n; k++) {
        union map_value *at = map_get(&s->by_signature, signature(s, s->metrics.v[k], base->key));
        if (at)
            own.v[own.n++] = at->p;
    }
    own.now = arena_array(e->arena, own.n + 1, sizeof(void *));
    own.before = arena_array(e->arena, own.n + 1, sizeof(void *));
    return own;
}

static int join_row(struct engine *e, struct infos *s, const struct row_buffer *base, bool ignored)
{
    struct own own = {0};
    struct str key = base->key;
    bool worked_out = ignored;
    int keep = 1;
    if (!ignored)
        own = own_of(e, s, base);
    for (size_t step = 0; step < s->n; step++) {
        if (base->kind[step] == KIND_NONE)
            continue;
        for (size_t k = 0; k < own.n; k++)
            own.now[k] = newest(s, own.v[k], step);
        if (!worked_out || (own.n && memcmp(own.now, own.before, own.n * sizeof(void *)) != 0)) {
            keep = labels_at(e, s, base, &own, &key);
            worked_out = true;
            if (own.n)
                memcpy(own.before, own.now, own.n * sizeof(void *));
        }
        int err = keep > 0 ? put_step(e, s, base, key, step) : keep;
        if (err < 0)
            return err;
    }
    return promql_engine_hold(e, s->n);
}

static int join(struct engine *e, struct infos *s, const bool *ignored)
{
    int err = 0;
    for (size_t step = 0; err == 0 && step < s->n; step++) {
        bool any = false;
        for (size_t i = 0; !any && i < s->base.n; i++)
            any = s->base.v[i].kind[step] != KIND_NONE;
        if (any)
            err = check_step(e, s, step);
    }
    for (size_t i = 0; err == 0 && i < s->base.n; i++) {
        err = join_row(e, s, &s->base.v[i], ignored[i]);
        if (err == 0)
            err = promql_engine_poll(e);
    }
    return err;
}

static void infos_done(struct infos *s)
{
    size_t at = 0;
    for (struct map_slot *slot; (slot = map_next(&s->by_signature, &at));) {
        struct candidates *c = slot->value.p;
        vec_free(c);
    }
    map_done(&s->by_signature);
    for (size_t k = 0; k < ID_LABELS; k++)
        map_done(&s->values[k]);
    vec_free(&s->metrics);
    buf_done(&s->scratch);
    promql_rows_done(&s->base);
    promql_rows_done(&s->info);
    promql_rows_done(&s->out);
}

int promql_stream_info(struct engine *e, const struct promql_expr *x, const struct grid *g,
                       struct stream **ret)
{
    struct infos *s = arena_new(e->arena, sizeof *s);
    struct stream *from;
    s->expr = x;
    s->n = g->n;
    map_init(&s->by_signature, 0);
    for (size_t k = 0; k < ID_LABELS; k++)
        map_init(&s->values[k], 0);
    buf_init(&s->scratch, 1 << 22);
    int err = promql_stream(e, x->arguments[0], g, &from);
    if (err == 0)
        err = promql_rows_gather(e, from, g->n, &s->base);
    bool *ignored = arena_array(e->arena, s->base.n + 1, 1);
    if (err == 0)
        err = data_must_match(e, s);
    if (err == 0)
        err = read_base(e, s, ignored);
    if (err == 0)
        err = fetch(e, s, g);
    if (err == 0)
        err = join(e, s, ignored);
    if (err == 0)
        *ret = promql_rows_stream(e, &s->out);
    infos_done(s);
    return err;
}
