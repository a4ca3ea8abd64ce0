#include "query/plain/plain_inside.h"

#include <string.h>

double plain_operate(const struct plain *p, enum promql_token_kind operator, double l, double r)
{
    switch (operator) {
    case TOKEN_ADD:
        return l + r;
    case TOKEN_SUB:
        return l - r;
    case TOKEN_MUL:
        return l * r;
    case TOKEN_DIV:
        return l / r;
    case TOKEN_MOD:
        return fmod(l, r);
    case TOKEN_POW:
        return plain_rounded(p, '^', pow(l, r));
    case TOKEN_ATAN2:
        return plain_rounded(p, 'a', atan2(l, r));
    case TOKEN_EQ:
        return l == r;
    case TOKEN_NE:
        return l != r;
    case TOKEN_LT:
        return l < r;
    case TOKEN_LE:
        return l <= r;
    case TOKEN_GT:
        return l > r;
    default:
        return l >= r;
    }
}

static bool drops_name(const struct promql_expr *x)
{
    return !promql_token_is_comparison(x->operator) || x->return_bool;
}

static bool incompatible(struct plain *p)
{
    plain_info(p, "incompatible sample types encountered for binary operator");
    return false;
}

/* l op r as the value (or histogram) of *e; kept is what a comparison lets through. */
static bool operated(struct plain *p, const struct promql_expr *x, struct plain_element l,
                     struct plain_element r, struct plain_element kept, struct plain_element *e)
{
    bool add = x->operator== TOKEN_ADD, equal = x->operator== TOKEN_EQ;
    e->histogram = NULL;
    if (l.histogram && r.histogram) {
        if (add || x->operator== TOKEN_SUB) {
            e->histogram = plain_native_add(p, l.histogram, r.histogram, add ? 1 : -1);
            return true;
        }
        if (!equal && x->operator!= TOKEN_NE)
            return incompatible(p);
        bool holds = plain_native_equal(l.histogram, r.histogram) == equal;
        e->value = x->return_bool ? holds : kept.value;
        e->histogram = x->return_bool ? NULL : kept.histogram;
        return holds || x->return_bool;
    }
    if (l.histogram && x->operator== TOKEN_MUL) {
        e->histogram = plain_native_scale(p, l.histogram, r.value);
        return true;
    }
    if (l.histogram && x->operator== TOKEN_DIV) {
        struct histogram *h = arena_new(p->arena, sizeof *h);
        *h = *plain_native_scale(p, l.histogram, 1 / r.value);
        if (r.value == 0)
            h->positive_spans_n = h->positive_n = h->negative_spans_n = h->negative_n = 0;
        e->histogram = h;
        return true;
    }
    if (r.histogram && x->operator== TOKEN_MUL) {
        e->histogram = plain_native_scale(p, r.histogram, l.value);
        return true;
    }
    if (l.histogram || r.histogram)
        return incompatible(p);
    double v = plain_operate(p, x->operator, l.value, r.value);
    e->value = drops_name(x) ? v : kept.value;
    return drops_name(x) || v != 0;
}

static struct plain_vector with_scalar(struct plain *p, const struct promql_expr *x, int64_t t,
                                       const struct plain_grid *g)
{
    bool swapped = x->left->type == PROMQL_SCALAR;
    struct plain_element s = {.value = plain_scalar(p, swapped ? x->left : x->right, t, g)};
    struct plain_vector in = plain_vector(p, swapped ? x->right : x->left, t, g), out = {0};
    for (size_t i = 0; i < in.n; i++) {
        struct plain_element e = in.v[i], v = e;
        if (!operated(p, x, swapped ? s : v, swapped ? v : s, v, &e))
            continue;
        if (drops_name(x))
            plain_drop_name(p, &e);
        plain_push(p, &out, e);
    }
    plain_unique(p, &out);
    return out;
}

static struct plain_labels signature(struct plain *p, const struct promql_expr *x,
                                     const struct plain_element *e)
{
    return plain_labels_some(p, e->labels, &x->matching.labels, x->matching.on);
}

static bool has_match(struct plain *p, const struct promql_expr *x, const struct plain_element *e,
                      const struct plain_vector *in)
{
    for (size_t i = 0; i < in->n; i++) {
        if (plain_labels_equal(signature(p, x, e), signature(p, x, &in->v[i])))
            return true;
    }
    return false;
}

static struct plain_vector set_operation(struct plain *p, const struct promql_expr *x,
                                         const struct plain_vector *l, const struct plain_vector *r)
{
    struct plain_vector out = {0};
    for (size_t i = 0; i < l->n; i++) {
        bool match = x->operator!= TOKEN_OR && has_match(p, x, &l->v[i], r);
        if (x->operator== TOKEN_OR || match ==(x->operator== TOKEN_AND))
            plain_push(p, &out, l->v[i]);
    }
    for (size_t i = 0; i < r->n && x->operator== TOKEN_OR; i++) {
        if (!has_match(p, x, &r->v[i], l))
            plain_push(p, &out, r->v[i]);
    }
    return out;
}

/* --- two vectors, by labels ----------------------------------------------------------------------
 */

/* One side of each pair is the many side: left unless the card says one to many. */
struct pairing {
    const struct promql_expr *expr;
    bool swapped;
    struct plain_vector many, one;
    bool fill_many, fill_one; /* what is missing there has the value below */
    double fill_many_value, fill_one_value;
    struct plain_vector out;
    struct plain_labels *matched; /* signatures that have met, one to one only */
    size_t matched_n;
};

static struct plain_labels labels_of(struct plain *p, const struct pairing *q,
                                     const struct plain_element *many,
                                     const struct plain_element *one, bool *drop_name)
{
    const struct promql_matching *m = &q->expr->matching;
    const struct plain_element *base = many ? many : one;
    struct plain_element e = *base;
    if (!many && m->card != CARD_ONE_TO_ONE)
        e.labels = signature(p, q->expr, one);
    if (drops_name(q->expr))
        plain_drop_name(p, &e);
    if (!many)
        e.labels = plain_labels_set(p, e.labels, LABEL_METRIC, STR(""));
    *drop_name = e.drop_name;
    if (m->card == CARD_ONE_TO_ONE && m->on)
        return plain_labels_some(p, e.labels, &m->labels, true);
    for (size_t i = 0; m->card == CARD_ONE_TO_ONE && i < m->labels.n; i++)
        e.labels = plain_labels_set(p, e.labels, m->labels.v[i], STR(""));
    for (size_t i = 0; i < m->include.n; i++)
        e.labels = plain_labels_set(p, e.labels, m->include.v[i],
                                    one ? plain_labels_get(one->labels, m->include.v[i]) : STR(""));
    return e.labels;
}

static void pair(struct plain *p, struct pairing *q, const struct plain_element *many,
                 const struct plain_element *one)
{
    struct plain_element a = {.value = q->fill_many_value}, b = {.value = q->fill_one_value}, e;
    if (many)
        a = *many;
    if (one)
        b = *one;
    struct plain_element l = q->swapped ? b : a, r = q->swapped ? a : b;
    struct plain_labels sign = signature(p, q->expr, many ? many : one);
    if (q->expr->matching.card == CARD_ONE_TO_ONE) {
        for (size_t i = 0; i < q->matched_n; i++) {
            if (plain_labels_equal(q->matched[i], sign))
                plain_fail(p, "multiple matches for labels: many-to-one matching must be explicit");
        }
        q->matched[q->matched_n++] = sign;
    }
    if (!operated(p, q->expr, l, r, l, &e))
        return;
    e.labels = labels_of(p, q, many, one, &e.drop_name);
    for (size_t i = 0; i < q->out.n; i++) {
        if (plain_labels_equal(q->out.v[i].labels, e.labels))
            plain_fail(p, "multiple matches for labels");
    }
    plain_push(p, &q->out, e);
}

static void check_one_side(struct plain *p, const struct pairing *q)
{
    for (size_t i = 0; i < q->one.n; i++) {
        for (size_t k = 0; k < i; k++) {
            if (plain_labels_equal(signature(p, q->expr, &q->one.v[i]),
                                   signature(p, q->expr, &q->one.v[k])))
                plain_fail(p, "found duplicate series for the match group");
        }
    }
}

static struct plain_vector joined(struct plain *p, const struct promql_expr *x,
                                  const struct plain_vector *l, const struct plain_vector *r)
{
    const struct promql_matching *m = &x->matching;
    struct pairing q = {.expr = x, .swapped = m->card == CARD_ONE_TO_MANY};
    q.many = q.swapped ? *r : *l;
    q.one = q.swapped ? *l : *r;
    q.fill_many = q.swapped ? m->fill_right : m->fill_left;
    q.fill_one = q.swapped ? m->fill_left : m->fill_right;
    q.fill_many_value = q.swapped ? m->fill_right_value : m->fill_left_value;
    q.fill_one_value = q.swapped ? m->fill_left_value : m->fill_right_value;
    q.matched = arena_array(p->arena, l->n + r->n + 1, sizeof *q.matched);
    if ((q.many.n == 0 && !q.fill_many) || (q.one.n == 0 && !q.fill_one))
        return q.out;
    check_one_side(p, &q);
    for (size_t i = 0; i < q.many.n; i++) {
        const struct plain_element *match = NULL;
        struct plain_labels sign = signature(p, x, &q.many.v[i]);
        for (size_t k = 0; k < q.one.n; k++) {
            if (plain_labels_equal(sign, signature(p, x, &q.one.v[k])))
                match = &q.one.v[k];
        }
        if (match || q.fill_one)
            pair(p, &q, &q.many.v[i], match);
    }
    for (size_t k = 0; k < q.one.n && q.fill_many; k++) {
        if (!has_match(p, x, &q.one.v[k], &q.many))
            pair(p, &q, NULL, &q.one.v[k]);
    }
    return q.out;
}

struct plain_vector plain_binary(struct plain *p, const struct promql_expr *x, int64_t t,
                                 const struct plain_grid *g)
{
    if (x->left->type == PROMQL_SCALAR || x->right->type == PROMQL_SCALAR)
        return with_scalar(p, x, t, g);
    struct plain_vector l = plain_vector(p, x->left, t, g);
    struct plain_vector r = plain_vector(p, x->right, t, g);
    return promql_token_is_set(x->operator) ? set_operation(p, x, &l, &r) : joined(p, x, &l, &r);
}
