#include "query/promql/promql_parallel.h"

#include <math.h>
#include <string.h>

#include "base/vec.h"
#include "query/promql/promql_kernel.h"

static bool keeps_name(const struct promql_expr *x)
{
    bool trim = x->operator== TOKEN_TRIM_UPPER || x->operator== TOKEN_TRIM_LOWER;
    return (promql_token_is_comparison(x->operator) && !x->return_bool) || trim;
}

/* One value against another: KIND_NONE where nothing comes out. */
struct operand {
    uint8_t kind;
    double value;
    const struct histogram *histogram;
};

static int incompatible(struct engine *e, const struct promql_expr *x, const struct operand *l,
                        const struct operand *r)
{
    static const char *const names[] = {"", "float", "histogram"};
    const char *word = promql_token_text(x->operator);
    promql_engine_info(e, x,
                       "incompatible sample types encountered for binary operator \"%s\": "
                       "%s %s %s",
                       word, names[l->kind], word, names[r->kind]);
    return KIND_NONE;
}

static int operate_histograms(struct engine *e, const struct promql_expr *x,
                              const struct operand *l, const struct operand *r, struct operand *ret)
{
    unsigned notes = 0;
    if (x->operator== TOKEN_EQ || x->operator== TOKEN_NE) {
        bool same = promql_histogram_equal(l->histogram, r->histogram);
        bool keep = same == (x->operator== TOKEN_EQ);
        *ret = x->return_bool ? (struct operand){KIND_FLOAT, keep, NULL} : *l;
        return keep || x->return_bool ? ret->kind : KIND_NONE;
    }
    if (x->operator!= TOKEN_ADD && x->operator!= TOKEN_SUB)
        return incompatible(e, x, l, r);
    bool add = x->operator== TOKEN_ADD;
    struct histogram *h = promql_histogram_add(e, l->histogram, r->histogram, add ? 1 : -1, &notes);
    if (!h) {
        promql_engine_warn(e, x, "incompatible bucket layout encountered for binary operator %s",
                           promql_token_text(x->operator));
        return KIND_NONE;
    }
    if (notes & NOTE_RESET_CONFLICT)
        promql_engine_warn(e, x, "conflicting counter resets during histogram %s",
                           add ? "addition" : "subtraction");
    if (notes & NOTE_RECONCILED)
        promql_engine_info(e, x, "mismatched custom buckets were reconciled during %s",
                           add ? "addition" : "subtraction");
    if (!add)
        h->reset = HISTOGRAM_RESET_GAUGE;
    *ret = (struct operand){KIND_HISTOGRAM, 0, h};
    return KIND_HISTOGRAM;
}

/* By zero: no buckets remain. */
static const struct histogram *divide(struct engine *e, const struct histogram *h, double v)
{
    struct histogram *r = promql_histogram_scale(e, h, 1 / v);
    if (v == 0) {
        r->positive_n = r->negative_n = 0;
        r->positive_spans_n = r->negative_spans_n = 0;
    }
    return r;
}

static int operate_mixed(struct engine *e, const struct promql_expr *x, const struct operand *l,
                         const struct operand *r, struct operand *ret)
{
    const struct histogram *h = l->kind == KIND_HISTOGRAM ? l->histogram : r->histogram;
    double v = l->kind == KIND_HISTOGRAM ? r->value : l->value;
    enum promql_token_kind op = x->operator;
    bool left = l->kind == KIND_HISTOGRAM;
    if (op == TOKEN_MUL)
        h = promql_histogram_scale(e, h, v);
    else if (op == TOKEN_DIV && left)
        h = divide(e, h, v);
    else if ((op == TOKEN_TRIM_UPPER || op == TOKEN_TRIM_LOWER) && left)
        h = promql_histogram_trim(e, h, v, op == TOKEN_TRIM_UPPER);
    else
        return incompatible(e, x, l, r);
    *ret = (struct operand){KIND_HISTOGRAM, 0, h};
    return KIND_HISTOGRAM;
}

/* filter is the value that a comparison lets through. */
static int operate(struct engine *e, const struct promql_expr *x, const struct operand *l,
                   const struct operand *r, const struct operand *filter, struct operand *ret)
{
    if (l->kind == KIND_HISTOGRAM && r->kind == KIND_HISTOGRAM)
        return operate_histograms(e, x, l, r, ret);
    if (l->kind == KIND_HISTOGRAM || r->kind == KIND_HISTOGRAM)
        return operate_mixed(e, x, l, r, ret);
    if (x->operator== TOKEN_TRIM_UPPER || x->operator== TOKEN_TRIM_LOWER)
        return incompatible(e, x, l, r);
    double v = promql_operate(x->operator, l->value, r->value);
    if (keeps_name(x)) {
        *ret = *filter;
        return v != 0 ? KIND_FLOAT : KIND_NONE;
    }
    *ret = (struct operand){KIND_FLOAT, v, NULL};
    return KIND_FLOAT;
}

static void put_operand(struct engine *e, struct row_buffer *r, size_t n, size_t i, int kind,
                        const struct operand *v)
{
    r->kind[i] = KIND_NONE;
    if (kind == KIND_HISTOGRAM) {
        promql_row_histogram(e, r, n, i, v->histogram);
    } else if (kind == KIND_FLOAT) {
        r->kind[i] = KIND_FLOAT;
        r->value[i] = v->value;
    }
}

static struct operand operand_at(const struct row *r, size_t i)
{
    return (struct operand){r->kind[i], r->value[i],
                            r->kind[i] == KIND_HISTOGRAM ? r->histogram[i] : NULL};
}

/* --- floats at every step: in vectors ----------------------------------------------------------
 */

typedef void elements_f(const double *l, const double *r, size_t n, double *ret);

/* What does the operator for a whole row, or NULL. */
static elements_f *elements_of(enum promql_token_kind operator)
{
    const struct promql_kernel *k = promql_kernel();
    switch (operator) {
    case TOKEN_ADD:
        return k->plus;
    case TOKEN_SUB:
        return k->minus;
    case TOKEN_MUL:
        return k->times;
    case TOKEN_DIV:
        return k->over;
    default:
        return NULL;
    }
}

static bool is_all(const uint8_t *kind, size_t n, int what)
{
    uint8_t other = 0;
    for (size_t i = 0; i < n; i++)
        other |= kind[i] ^ (uint8_t)what;
    return other == 0;
}

/* --- a vector and a scalar -------------------------------------------------------------------- */

struct scalar_stream {
    struct stream stream;
    struct stream *from;
    const struct promql_expr *expr;
    const double *scalar;
    bool swapped; /* scalar op vector */
    size_t n;
    struct row_buffer row;
};

static int with_scalar_next(struct engine *e, struct stream *stream, struct row *ret)
{
    struct scalar_stream *s = (struct scalar_stream *)stream;
    struct row in;
    int more = s->from->next(e, s->from, &in);
    if (more <= 0)
        return more;
    elements_f *all = elements_of(s->expr->operator);
    bool whole = all && is_all(in.kind, s->n, KIND_FLOAT);
    if (whole) {
        memset(s->row.kind, KIND_FLOAT, s->n);
        all(s->swapped ? s->scalar : in.value, s->swapped ? in.value : s->scalar, s->n,
            s->row.value);
    }
    s->row.floats_from = 0;
    s->row.floats_to = whole ? s->n : 0;
    for (size_t i = 0; !whole && i < s->n; i++) {
        s->row.kind[i] = KIND_NONE;
        if (in.kind[i] == KIND_NONE)
            continue;
        struct operand v = operand_at(&in, i), c = {KIND_FLOAT, s->scalar[i], NULL}, out;
        int kind = operate(e, s->expr, s->swapped ? &c : &v, s->swapped ? &v : &c, &v, &out);
        put_operand(e, &s->row, s->n, i, kind, &out);
    }
    s->row.key = in.key;
    s->row.drop_name = in.drop_name;
    if (!keeps_name(s->expr))
        promql_row_drop_name(e, &s->row.key, &s->row.drop_name);
    promql_row_view(&s->row, ret);
    return 1;
}

static int with_scalar(struct engine *e, const struct promql_expr *x, const struct grid *g,
                       struct stream **ret)
{
    struct scalar_stream *s = arena_new(e->arena, sizeof *s);
    double *v;
    s->stream.next = with_scalar_next;
    s->expr = x;
    s->n = g->n;
    s->swapped = x->left->type == PROMQL_SCALAR;
    int err = promql_scalar(e, s->swapped ? x->left : x->right, g, &v);
    if (err == 0)
        err = promql_stream(e, s->swapped ? x->right : x->left, g, &s->from);
    if (err < 0)
        return err;
    s->scalar = v;
    promql_row_new(e, g->n, &s->row);
    *ret = &s->stream;
    if (promql_names_may_meet(s->swapped ? x->right : x->left))
        *ret = promql_stream_unique(e, *ret, g->n);
    return 0;
}

/* --- and, or, unless -------------------------------------------------------------------------- */

static struct str signature(const struct promql_expr *x, struct str key, struct buf *scratch)
{
    buf_clear(scratch);
    promql_key_project(key, &x->matching.labels, x->matching.on, scratch);
    return buf_str(scratch);
}

/* Per signature, at which steps there is a value. */
static void mark(struct engine *e, const struct promql_expr *x, struct map *seen,
                 const struct row_buffer *r, size_t n, struct buf *scratch)
{
    bool fresh;
    union map_value *at = map_put(seen, signature(x, r->key, scratch), &fresh);
    if (fresh)
        at->p = arena_array(e->arena, n, 1);
    uint8_t *present = at->p;
    for (size_t i = 0; i < n; i++)
        present[i] |= r->kind[i] != KIND_NONE;
}

/* Takes out of r what is (unwanted false) not in seen, or what is in it. */
static void filter(const struct promql_expr *x, const struct map *seen, struct row_buffer *r,
                   bool unwanted, size_t n, struct buf *scratch)
{
    union map_value *at = map_get(seen, signature(x, r->key, scratch));
    const uint8_t *present = at ? at->p : NULL;
    for (size_t i = 0; i < n; i++) {
        if ((present && present[i]) == unwanted)
            r->kind[i] = KIND_NONE;
    }
}

static int set_operation(struct engine *e, const struct promql_expr *x, size_t n, struct rows *l,
                         struct rows *r, struct rows *out)
{
    struct map seen;
    struct buf scratch;
    buf_init(&scratch, 1 << 22);
    map_init(&seen, 0);
    struct rows *marked = x->operator== TOKEN_OR ? l : r;
    struct rows *filtered = x->operator== TOKEN_OR ? r : l;
    for (size_t i = 0; i < marked->n; i++)
        mark(e, x, &seen, &marked->v[i], n, &scratch);
    for (size_t i = 0; i < filtered->n; i++)
        filter(x, &seen, &filtered->v[i], x->operator!= TOKEN_AND, n, &scratch);
    map_done(&seen);
    buf_done(&scratch);
    int err = 0;
    struct row view;
    for (size_t i = 0; err == 0 && i < l->n; i++) {
        promql_row_view(&l->v[i], &view);
        err = promql_rows_merge(e, out, &view, n);
    }
    for (size_t i = 0; x->operator== TOKEN_OR && err == 0 && i<r->n; i++) {
        promql_row_view(&r->v[i], &view);
        err = promql_rows_merge(e, out, &view, n);
    }
    return err;
}

/* --- two vectors ------------------------------------------------------------------------------ */

struct pairing {
    struct {
        size_t *v;
        size_t n, capacity;
    } many, one; /* rows */
    struct str key;
};

struct join {
    const struct promql_expr *expr;
    size_t n;
    struct rows *many, *one, *out;
    bool swapped;                /* the many side stands right */
    uint8_t *any_many, *any_one; /* [n] */
    struct {
        struct pairing **v;
        size_t n, capacity;
    } pairings;
};

static void print_labels(struct str key, struct buf *out)
{
    const char *at = key.p;
    struct label l;
    bool more = false;
    buf_put_c(out, '{');
    while (key.n && labels_next(key, &at, &l, NULL)) {
        if (more)
            buf_put_str(out, STR(", "));
        more = true;
        if (label_name_plain(l.name))
            buf_put_str(out, l.name);
        else
            promql_quote(l.name, out);
        buf_put_c(out, '=');
        promql_quote(l.value, out);
    }
    buf_put_c(out, '}');
}

static int duplicate(struct engine *e, const struct join *j, const struct pairing *p, size_t a,
                     size_t b)
{
    struct buf out;
    buf_init(&out, PROMQL_MESSAGE_MAX);
    buf_put_str(&out, STR("found duplicate series for the match group "));
    print_labels(p->key, &out);
    buf_printf(&out, " on the %s hand-side of the operation: [", j->swapped ? "left" : "right");
    print_labels(j->one->v[b].key, &out);
    buf_put_str(&out, STR(", "));
    print_labels(j->one->v[a].key, &out);
    buf_put_str(&out, STR("];many-to-many matching not allowed: matching labels must be unique on "
                          "one side"));
    int err = promql_engine_fail(e, PROMQL_EXECUTION, STR_FMT, STR_ARG(buf_str(&out)));
    buf_done(&out);
    return err;
}

static void pair_up(struct engine *e, struct join *j)
{
    struct map by_key;
    struct buf scratch;
    map_init(&by_key, 0);
    buf_init(&scratch, 1 << 22);
    for (int side = 0; side < 2; side++) {
        struct rows *rows = side ? j->one : j->many;
        uint8_t *any = side ? j->any_one : j->any_many;
        for (size_t i = 0; i < rows->n; i++) {
            struct str key = signature(j->expr, rows->v[i].key, &scratch);
            bool fresh;
            union map_value *at = map_put(&by_key, key, &fresh);
            if (fresh) {
                struct pairing *p = arena_new(e->arena, sizeof *p);
                p->key = arena_str(e->arena, key);
                vec_push(&j->pairings, p);
                at->p = p;
            }
            struct pairing *p = at->p;
            if (side)
                vec_push(&p->one, i);
            else
                vec_push(&p->many, i);
            for (size_t s = 0; s < j->n; s++)
                any[s] |= rows->v[i].kind[s] != KIND_NONE;
        }
    }
    buf_done(&scratch);
    map_done(&by_key);
}

/* The labels of what comes out of a pair of rows (either may be NULL where it is filled in). */
static struct str result_key(struct engine *e, const struct join *j, const struct row_buffer *many,
                             const struct row_buffer *one, const struct pairing *p, bool *drop_name)
{
    const struct promql_matching *m = &j->expr->matching;
    struct label_set set;
    const struct row_buffer *base = many ? many : one;
    bool grouped = m->card != CARD_ONE_TO_ONE;
    struct str key = base->key;
    *drop_name = base->drop_name;
    if (!many && grouped)
        key = p->key;
    if (!keeps_name(j->expr))
        promql_row_drop_name(e, &key, drop_name);
    if (!many)
        key = promql_key_nameless(e, key);
    promql_label_set_read(key, &set);
    if (!grouped) {
        struct buf out;
        buf_init(&out, 1 << 22);
        for (size_t i = 0; !m->on && i < m->labels.n; i++)
            promql_label_set_put(&set, m->labels.v[i], STR(""));
        if (m->on) {
            promql_key_project(key, &m->labels, true, &out);
            struct str projected = arena_str(e->arena, buf_str(&out));
            promql_label_set_read(projected, &set);
        }
        buf_done(&out);
    }
    for (size_t i = 0; i < m->include.n; i++)
        promql_label_set_put(&set, m->include.v[i],
                             one ? labels_get(one->key, m->include.v[i]) : STR(""));
    return promql_label_set_key(e, &set);
}

static struct operand side_at(const struct row_buffer *r, size_t i, double fill)
{
    if (!r)
        return (struct operand){KIND_FLOAT, fill, NULL};
    return (struct operand){r->kind[i], r->value[i],
                            r->kind[i] == KIND_HISTOGRAM ? r->histogram[i] : NULL};
}

/* One step of a pair; *matched counts what came out of the pairing at this step. */
static int join_pair(struct engine *e, struct join *j, const struct pairing *p,
                     const struct row_buffer *many, const struct row_buffer *one, size_t i,
                     size_t *cached, size_t *matched)
{
    const struct promql_matching *m = &j->expr->matching;
    struct operand a = side_at(many, i, j->swapped ? m->fill_right_value : m->fill_left_value);
    struct operand b = side_at(one, i, j->swapped ? m->fill_left_value : m->fill_right_value);
    const struct operand *l = j->swapped ? &b : &a, *r = j->swapped ? &a : &b;
    if (m->card == CARD_ONE_TO_ONE && ++*matched > 1)
        return promql_engine_fail(e, PROMQL_EXECUTION,
                                  "multiple matches for labels: many-to-one matching must be "
                                  "explicit (group_left/group_right)");
    struct operand out;
    int kind = operate(e, j->expr, l, r, l, &out);
    if (kind == KIND_NONE)
        return 0;
    if (*cached == SIZE_MAX) {
        bool drop_name;
        struct str key = result_key(e, j, many, one, p, &drop_name);
        struct row_buffer *row = promql_rows_of(e, j->out, key, j->n);
        row->drop_name = drop_name;
        *cached = (size_t)(row - j->out->v);
    }
    struct row_buffer *row = &j->out->v[*cached];
    if (row->kind[i] != KIND_NONE)
        return promql_engine_fail(e, PROMQL_EXECUTION,
                                  m->card == CARD_ONE_TO_ONE
                                      ? "vector cannot contain metrics with the same labelset"
                                      : "multiple matches for labels: grouping labels must ensure "
                                        "unique matches");
    put_operand(e, row, j->n, i, kind, &out);
    return 0;
}

/* One row on each side, with floats at every step: the usual pair. False where it is another. */
static bool join_whole(struct engine *e, struct join *j, const struct pairing *p)
{
    elements_f *all = elements_of(j->expr->operator);
    if (!all || p->many.n != 1 || p->one.n != 1)
        return false;
    const struct row_buffer *many = &j->many->v[p->many.v[0]], *one = &j->one->v[p->one.v[0]];
    if (!is_all(many->kind, j->n, KIND_FLOAT) || !is_all(one->kind, j->n, KIND_FLOAT))
        return false;
    bool drop_name;
    struct str key = result_key(e, j, many, one, p, &drop_name);
    struct row_buffer *row = promql_rows_of(e, j->out, key, j->n);
    row->drop_name = drop_name;
    if (!is_all(row->kind, j->n, KIND_NONE))
        return false; /* another pair has that key: step by step, to say so */
    memset(row->kind, KIND_FLOAT, j->n);
    all(j->swapped ? one->value : many->value, j->swapped ? many->value : one->value, j->n,
        row->value);
    row->floats_to = j->n;
    return true;
}

static int join_pairing(struct engine *e, struct join *j, const struct pairing *p)
{
    if (join_whole(e, j, p))
        return 0;

    const struct promql_matching *m = &j->expr->matching;
    bool fill_many = j->swapped ? m->fill_right : m->fill_left;
    bool fill_one = j->swapped ? m->fill_left : m->fill_right;
    size_t *cached = mem_array(p->many.n + 1, sizeof *cached), last = SIZE_MAX;
    int err = 0;
    memset(cached, 0xff, (p->many.n + 1) * sizeof *cached);
    for (size_t i = 0; err == 0 && i < j->n; i++) {
        size_t one = SIZE_MAX, matched = 0, present = 0;
        if ((!j->any_many[i] && !fill_many) || (!j->any_one[i] && !fill_one))
            continue;
        for (size_t k = 0; err == 0 && k < p->one.n; k++) {
            if (j->one->v[p->one.v[k]].kind[i] == KIND_NONE)
                continue;
            if (one != SIZE_MAX)
                err = duplicate(e, j, p, one, p->one.v[k]);
            one = p->one.v[k];
        }
        if (one != last) {
            memset(cached, 0xff, (p->many.n + 1) * sizeof *cached);
            last = one;
        }
        const struct row_buffer *o = one == SIZE_MAX ? NULL : &j->one->v[one];
        for (size_t k = 0; err == 0 && k < p->many.n; k++) {
            const struct row_buffer *row = &j->many->v[p->many.v[k]];
            if (row->kind[i] == KIND_NONE)
                continue;
            present++;
            if (o || fill_one)
                err = join_pair(e, j, p, row, o, i, &cached[k], &matched);
        }
        if (err == 0 && present == 0 && o && fill_many)
            err = join_pair(e, j, p, NULL, o, i, &cached[p->many.n], &matched);
    }
    mem_free(cached);
    return err;
}

static int arithmetic(struct engine *e, const struct promql_expr *x, size_t n, struct rows *l,
                      struct rows *r, struct rows *out)
{
    struct join j = {.expr = x, .n = n, .many = l, .one = r, .out = out};
    if (x->matching.card == CARD_ONE_TO_MANY) {
        j.swapped = true;
        j.many = r;
        j.one = l;
    }
    j.any_many = arena_array(e->arena, n, 1);
    j.any_one = arena_array(e->arena, n, 1);
    pair_up(e, &j);
    int err = 0;
    for (size_t i = 0; i < j.pairings.n; i++) {
        struct pairing *p = j.pairings.v[i];
        if (err == 0)
            err = join_pairing(e, &j, p);
        if (err == 0)
            err = promql_engine_poll(e);
        vec_free(&p->many);
        vec_free(&p->one);
    }
    vec_free(&j.pairings);
    return err;
}

int promql_stream_binary(struct engine *e, const struct promql_expr *x, const struct grid *g,
                         struct stream **ret)
{
    if (x->left->type == PROMQL_SCALAR || x->right->type == PROMQL_SCALAR)
        return with_scalar(e, x, g, ret);
    struct rows l = {0}, r = {0}, out = {0};
    int err = promql_parallel_rows(e, x->left, g, &l);
    if (err == 0)
        err = promql_parallel_rows(e, x->right, g, &r);
    if (err == 0)
        err = promql_token_is_set(x->operator) ? set_operation(e, x, g->n, &l, &r, &out)
                                               : arithmetic(e, x, g->n, &l, &r, &out);
    *ret = promql_rows_stream(e, &out);
    promql_rows_done(&l);
    promql_rows_done(&r);
    promql_rows_done(&out);
    return err;
}
