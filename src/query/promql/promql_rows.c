#include "query/promql/promql_engine.h"

#include <stdlib.h>
#include <string.h>

#include "base/vec.h"

enum { KEY_TEXT_MAX = 1 << 20 }; /* bytes of a key that is being built */

void promql_row_new(struct engine *e, size_t n, struct row_buffer *ret)
{
    *ret = (struct row_buffer){0};
    ret->kind = arena_array(e->arena, n, 1);
    ret->value = arena_array(e->arena, n, sizeof *ret->value);
}

void promql_row_clear(struct row_buffer *r, size_t n)
{
    memset(r->kind, KIND_NONE, n);
}

void promql_row_view(const struct row_buffer *b, struct row *ret)
{
    *ret = (struct row){b->key,  b->drop_name, b->floats_from, b->floats_to,
                        b->kind, b->value,     b->histogram};
}

void promql_row_histogram(struct engine *e, struct row_buffer *r, size_t n, size_t i,
                          const struct histogram *h)
{
    if (!r->histogram)
        r->histogram = arena_array(e->arena, n, sizeof(struct histogram *));
    r->histogram[i] = h;
    r->kind[i] = KIND_HISTOGRAM;
}

static struct row_buffer *row_append(struct engine *e, struct rows *t, struct str key, size_t n)
{
    struct row_buffer r;
    promql_row_new(e, n, &r);
    r.key = arena_str(e->arena, key);
    vec_push(t, r);
    return &t->v[t->n - 1];
}

struct row_buffer *promql_rows_of(struct engine *e, struct rows *t, struct str key, size_t n)
{
    if (!t->mapped) {
        map_init(&t->by_key, 0);
        t->mapped = true;
    }
    bool fresh;
    union map_value *at = map_put(&t->by_key, key, &fresh);
    if (!fresh)
        return &t->v[at->u];
    at->u = t->n;
    return row_append(e, t, key, n);
}

/* Histograms may be the cursor's, which forgets them when it moves: copied once each. */
static size_t row_copy(struct engine *e, struct row_buffer *to, const struct row *r, size_t n)
{
    size_t present = 0;
    const struct histogram *last = NULL, *copy = NULL;
    if (r->floats_from == 0 && r->floats_to == n) {
        memset(to->kind, KIND_FLOAT, n);
        memcpy(to->value, r->value, n * sizeof *to->value);
        to->drop_name = r->drop_name;
        return n;
    }
    for (size_t i = 0; i < n; i++) {
        if (r->kind[i] == KIND_FLOAT) {
            to->kind[i] = KIND_FLOAT;
            to->value[i] = r->value[i];
            present++;
        } else if (r->kind[i] == KIND_HISTOGRAM) {
            if (r->histogram[i] != last) {
                last = r->histogram[i];
                copy = histogram_clone(last, e->arena);
            }
            promql_row_histogram(e, to, n, i, copy);
            present++;
        }
    }
    if (present)
        to->drop_name = r->drop_name;
    return present;
}

static bool collide(const struct row_buffer *to, const struct row *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (r->kind[i] != KIND_NONE && to->kind[i] != KIND_NONE)
            return true;
    }
    return false;
}

/* The row that r goes into: where names go at the end, one that keeps its name and one that does
 * not are two, even if they have the same name now and take turns. */
static struct row_buffer *row_like(struct engine *e, struct rows *t, const struct row *r, size_t n)
{
    struct row_buffer *to = promql_rows_of(e, t, r->key, n);
    bool fresh = !memchr(to->kind, KIND_FLOAT, n) && !memchr(to->kind, KIND_HISTOGRAM, n);
    if (fresh || to->drop_name == r->drop_name)
        return to;
    struct buf key;
    buf_init(&key, KEY_TEXT_MAX);
    buf_put_str(&key, r->key);
    buf_put_c(&key, 0); /* no label begins so: the key of the table alone */
    to = promql_rows_of(e, t, buf_str(&key), n);
    to->key = arena_str(e->arena, r->key);
    buf_done(&key);
    return to;
}

int promql_rows_merge(struct engine *e, struct rows *t, const struct row *r, size_t n)
{
    size_t present = 0;
    for (size_t i = 0; i < n; i++)
        present += r->kind[i] != KIND_NONE;
    if (present == 0)
        return 0;
    struct row_buffer *to = row_like(e, t, r, n);
    if (collide(to, r, n) || collide(promql_rows_of(e, t, r->key, n), r, n))
        return promql_engine_fail(e, PROMQL_EXECUTION,
                                  "vector cannot contain metrics with the same labelset");
    return promql_engine_hold(e, row_copy(e, to, r, n));
}

int promql_rows_push(struct engine *e, struct rows *t, const struct row *r, size_t n)
{
    return promql_engine_hold(e, row_copy(e, row_append(e, t, r->key, n), r, n));
}

int promql_rows_gather(struct engine *e, struct stream *s, size_t n, struct rows *ret)
{
    struct row r;
    int more;
    while ((more = s->next(e, s, &r)) > 0) {
        int err = promql_rows_push(e, ret, &r, n);
        if (err == 0)
            err = promql_engine_poll(e);
        if (err < 0)
            return err;
    }
    return more;
}

void promql_rows_done(struct rows *t)
{
    if (t->mapped)
        map_done(&t->by_key);
    vec_free(t);
}

struct rows_stream {
    struct stream stream;
    const struct row_buffer *v;
    size_t n, at;
};

static int rows_next(struct engine *e, struct stream *s, struct row *ret)
{
    struct rows_stream *r = (struct rows_stream *)s;
    (void)e;
    if (r->at == r->n)
        return 0;
    promql_row_view(&r->v[r->at++], ret);
    return 1;
}

struct stream *promql_rows_stream(struct engine *e, const struct rows *t)
{
    struct rows_stream *s = arena_new(e->arena, sizeof *s);
    s->stream.next = rows_next;
    struct row_buffer *copy = arena_array(e->arena, t->n + 1, sizeof *copy);
    if (t->n)
        memcpy(copy, t->v, t->n * sizeof *copy);
    s->v = copy;
    s->n = t->n;
    return &s->stream;
}

struct unique_stream {
    struct stream stream;
    struct stream *from, *merged;
    size_t n;
};

static int unique_next(struct engine *e, struct stream *s, struct row *ret)
{
    struct unique_stream *u = (struct unique_stream *)s;
    if (!u->merged) {
        struct rows t = {0};
        struct row r;
        int more;
        while ((more = u->from->next(e, u->from, &r)) > 0) {
            more = promql_rows_merge(e, &t, &r, u->n);
            if (more < 0)
                break;
        }
        if (more == 0)
            u->merged = promql_rows_stream(e, &t);
        promql_rows_done(&t);
        if (more < 0)
            return more;
    }
    return u->merged->next(e, u->merged, ret);
}

struct stream *promql_stream_unique(struct engine *e, struct stream *s, size_t n)
{
    struct unique_stream *u = arena_new(e->arena, sizeof *u);
    u->stream.next = unique_next;
    u->from = s;
    u->n = n;
    return &u->stream;
}

/* --- labels ---------------------------------------------------------------------------------- */

static bool is_identity(struct str name)
{
    return str_eq(name, LABEL_METRIC) || str_eq(name, STR("__type__")) ||
           str_eq(name, STR("__unit__"));
}

/* Has a key behind its __name__ one of the others? Labels are sorted. */
static bool has_identity(struct str rest)
{
    const char *at = rest.p;
    struct label l;
    while (rest.n && labels_next(rest, &at, &l, NULL)) {
        if (is_identity(l.name))
            return true;
        if (str_cmp(l.name, STR("__unit__")) > 0)
            return false;
    }
    return false;
}

struct str promql_key_nameless(struct engine *e, struct str key)
{
    const char *at = key.p;
    struct label l;
    if (key.n == 0 || !labels_next(key, &at, &l, NULL))
        return key;
    struct str rest = key;
    if (str_eq(l.name, LABEL_METRIC))
        rest = str_sub(key, (size_t)(at - key.p), key.n);
    if (!has_identity(rest))
        return rest;
    struct buf out;
    buf_init(&out, KEY_TEXT_MAX);
    for (at = key.p; labels_next(key, &at, &l, NULL);) {
        if (!is_identity(l.name))
            labels_put(&out, l.name, l.value);
    }
    rest = arena_str(e->arena, buf_str(&out));
    buf_done(&out);
    return rest;
}

void promql_row_drop_name(struct engine *e, struct str *key, bool *drop_name)
{
    if (e->delayed_names)
        *drop_name = true;
    else
        *key = promql_key_nameless(e, *key);
}

void promql_label_set_read(struct str key, struct label_set *ret)
{
    ret->n = 0;
    const char *at = key.p;
    while (ret->n < LABEL_SET_MAX - 8 && key.n && labels_next(key, &at, &ret->v[ret->n], NULL))
        ret->n++;
}

void promql_label_set_put(struct label_set *s, struct str name, struct str value)
{
    size_t i = 0;
    while (i < s->n && !str_eq(s->v[i].name, name))
        i++;
    if (value.n == 0) {
        if (i < s->n)
            memmove(&s->v[i], &s->v[i + 1], (--s->n - i) * sizeof s->v[0]);
        return;
    }
    if (i == s->n) {
        if (s->n == LABEL_SET_MAX)
            return;
        s->v[s->n++].name = name;
    }
    s->v[i].value = value;
}

struct str promql_label_set_key(struct engine *e, struct label_set *s)
{
    labels_sort(s->v, s->n);
    struct buf out;
    buf_init(&out, (size_t)KEY_TEXT_MAX * 16);
    for (size_t i = 0; i < s->n; i++)
        labels_put(&out, s->v[i].name, s->v[i].value);
    struct str key = arena_str(e->arena, buf_str(&out));
    buf_done(&out);
    return key;
}

static bool listed(const struct promql_labels *names, struct str name)
{
    for (size_t i = 0; i < names->n; i++) {
        if (str_eq(names->v[i], name))
            return true;
    }
    return false;
}

void promql_key_project(struct str key, const struct promql_labels *names, bool keep,
                        struct buf *out)
{
    const char *at = key.p, *before = at;
    struct label l;
    while (key.n && labels_next(key, &at, &l, NULL)) {
        bool in = listed(names, l.name);
        if (keep ? in : !in && !str_eq(l.name, LABEL_METRIC))
            buf_put(out, before, (size_t)(at - before));
        before = at;
    }
}

/* --- quantiles ------------------------------------------------------------------------------- */

static int value_cmp(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    if (x != x || y != y)
        return (y != y) - (x != x);
    return x < y ? -1 : x > y;
}

void promql_sort_values(double *v, size_t n)
{
    qsort(v, n, sizeof *v, value_cmp);
}

double promql_quantile_sorted(double q, const double *v, size_t n)
{
    if (n == 0 || q != q)
        return __builtin_nan("");
    if (q < 0)
        return -__builtin_inf();
    if (q > 1)
        return __builtin_inf();
    double rank = q * (double)(n - 1);
    size_t lower = (size_t)__builtin_floor(rank);
    size_t upper = lower + 1 < n ? lower + 1 : n - 1;
    double weight = rank - __builtin_floor(rank);
    return v[lower] * (1 - weight) + v[upper] * weight;
}

/* Moves what has place k among v[n], none NaN, to v[k]: what is less lies before it. */
static void put_in_place(double *v, size_t n, size_t k)
{
    enum { SHORT = 16, ROUNDS_MAX = 64 };
    size_t low = 0, high = n - 1;
    for (int round = 0; high > low + SHORT && round < ROUNDS_MAX; round++) {
        double pivot = v[low + (high - low) / 2];
        size_t i = low, j = high;
        for (;; i++, j--) {
            while (v[i] < pivot)
                i++;
            while (v[j] > pivot)
                j--;
            if (i >= j)
                break;
            double t = v[i];
            v[i] = v[j];
            v[j] = t;
        }
        if (k <= j)
            high = j;
        else
            low = j + 1;
    }
    promql_sort_values(v + low, high - low + 1);
}

double promql_quantile_of(double q, double *v, size_t n)
{
    size_t nans = 0;
    if (n == 0 || q != q || q < 0 || q > 1)
        return promql_quantile_sorted(q, v, n);
    for (size_t i = 0; i < n; i++) { /* NaN go first */
        double t = v[i];
        if (t == t)
            continue;
        v[i] = v[nans];
        v[nans++] = t;
    }
    size_t lower = (size_t)(q * (double)(n - 1));
    if (nans == n || lower + 1 < nans) /* all of them are NaN */
        return promql_quantile_sorted(q, v, n);
    size_t k = lower < nans ? nans : lower;
    put_in_place(v + nans, n - nans, k - nans);
    if (k == lower && lower + 1 < n) { /* the least of what is behind it comes next */
        size_t next = lower + 1;
        for (size_t i = next + 1; i < n; i++)
            next = v[i] < v[next] ? i : next;
        double t = v[lower + 1];
        v[lower + 1] = v[next];
        v[next] = t;
    }
    return promql_quantile_sorted(q, v, n);
}
