#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/rand.h"
#include "model/batch.h"
#include "model/sample.h"

static void put(struct buf *key, const char *name, const char *value)
{
    labels_put(key, str_c(name), str_c(value));
}

static void keys_become_canonical_in_any_order(void **state)
{
    (void)state;
    struct buf a, b, one, two;
    buf_init(&a, 1000);
    buf_init(&b, 1000);
    buf_init(&one, 1000);
    buf_init(&two, 1000);
    put(&a, "job", "x");
    put(&a, "__name__", "up");
    put(&a, "Zone", "1");
    put(&a, "empty", "");
    put(&b, "Zone", "1");
    put(&b, "job", "x");
    put(&b, "__name__", "up");
    assert_int_equal(labels_canonical(buf_str(&a), &one, NULL), 0);
    assert_int_equal(labels_canonical(buf_str(&b), &two, NULL), 0);
    assert_true(str_eq(buf_str(&one), buf_str(&two)));
    struct label l;
    const char *at = one.p;
    assert_true(labels_next(buf_str(&one), &at, &l, NULL));
    assert_true(str_eq(l.name, LABEL_METRIC));
    buf_clear(&two);
    labels_print(buf_str(&one), &two);
    assert_true(str_eq(buf_str(&two), STR("up{Zone=\"1\", job=\"x\"}")));
    buf_done(&a);
    buf_done(&b);
    buf_done(&one);
    buf_done(&two);
}

static void bad_labels_are_refused_with_a_reason(void **state)
{
    (void)state;
    struct {
        const char *name, *value, *reason;
    } cases[] = {
        {"job", "x", "the label __name__ is missing"},
        {"__name__", "y", "the label \"__name__\" is there twice"},
        {"", "y", "a label has an empty name"},
        {"a", "\xff", "the value of label \"a\" is not valid UTF-8"},
        {"\xff", "a", "a label name is not valid UTF-8"},
    };
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        struct buf key, out;
        struct why why;
        buf_init(&key, 1000);
        buf_init(&out, 1000);
        put(&key, cases[i].name, cases[i].value);
        if (i > 0)
            put(&key, "__name__", "x");
        assert_int_equal(labels_canonical(buf_str(&key), &out, &why), -ERR_FORMAT);
        assert_string_equal(why.text, cases[i].reason);
        assert_int_equal(out.n, 0);
        buf_done(&key);
        buf_done(&out);
    }
    struct why why;
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(labels_canonical(STR("\x0a\x05\x0a\x09z"), &out, &why), -ERR_FORMAT);
    struct label many[LABELS_MAX + 1];
    char names[LABELS_MAX + 1][8];
    many[0] = (struct label){LABEL_METRIC, STR("x")};
    for (size_t i = 1; i <= LABELS_MAX; i++)
        many[i] = (struct label){
            str_of(names[i], (size_t)snprintf(names[i], sizeof names[i], "l%zu", i)), STR("v")};
    assert_int_equal(labels_encode(many, LABELS_MAX + 1, &out, &why), -ERR_LIMIT);
    assert_int_equal(labels_encode(many, LABELS_MAX, &out, &why), 0);
    buf_done(&out);
}

static void label_sets_are_ordered_as_in_prometheus(void **state)
{
    (void)state;
    /* Each is less than the next. "Zone" stands before "__name__" among the names. */
    const char *const sets[][3] = {
        {"up", "Zone", "1"}, {"up", "Zone", "2"}, {"down", NULL, NULL}, {"down", "a", "1"},
        {"down", "b", "0"},  {"up", NULL, NULL},  {"up", "a", "1"},
    };
    struct buf keys[COUNTOF(sets)];
    for (size_t i = 0; i < COUNTOF(sets); i++) {
        buf_init(&keys[i], 1000);
        put(&keys[i], "__name__", sets[i][0]);
        if (sets[i][1])
            put(&keys[i], sets[i][1], sets[i][2]);
    }
    for (size_t i = 0; i < COUNTOF(sets); i++)
        for (size_t k = 0; k < COUNTOF(sets); k++) {
            int order = labels_cmp(buf_str(&keys[i]), buf_str(&keys[k]));
            assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
        }
    for (size_t i = 0; i < COUNTOF(sets); i++)
        buf_done(&keys[i]);
}

enum { NAMES = 7 };

/* Some of a few names in their plain order, each with a value or without. */
static void random_set(struct rand *r, struct label *set, size_t *n)
{
    static const char *const names[NAMES] = {"A", "Zone", "__name__", "__type__", "a", "b", "le"};
    static const char *const values[] = {"1", "2", "10", "12345678", "123456789", "1234567"};
    *n = 0;
    for (size_t i = 0; i < NAMES; i++)
        if (rand_below(r, 2))
            set[(*n)++] =
                (struct label){str_c(names[i]), str_c(values[rand_below(r, COUNTOF(values))])};
}

static int plain_order(const struct label *a, size_t a_n, const struct label *b, size_t b_n)
{
    for (size_t i = 0; i < a_n && i < b_n; i++) {
        int order = str_cmp(a[i].name, b[i].name);
        if (order == 0)
            order = str_cmp(a[i].value, b[i].value);
        if (order)
            return order;
    }
    return (a_n > b_n) - (a_n < b_n);
}

static void random_label_sets_are_ordered_label_by_label(void **state)
{
    (void)state;
    struct rand r;
    rand_init(&r, 1);
    for (size_t round = 0; round < 50000; round++) {
        struct label set[2][NAMES], sorted[NAMES];
        size_t n[2];
        struct buf key[2];
        for (size_t i = 0; i < 2; i++) {
            random_set(&r, set[i], &n[i]);
            memcpy(sorted, set[i], sizeof sorted);
            labels_sort(sorted, n[i]);
            buf_init(&key[i], 4096);
            for (size_t k = 0; k < n[i]; k++)
                labels_put(&key[i], sorted[k].name, sorted[k].value);
        }
        int order = labels_cmp(buf_str(&key[0]), buf_str(&key[1]));
        int wanted = plain_order(set[0], n[0], set[1], n[1]);
        assert_int_equal((order > 0) - (order < 0), (wanted > 0) - (wanted < 0));
        buf_done(&key[0]);
        buf_done(&key[1]);
    }
}

static void all_metric_types_have_names(void **state)
{
    (void)state;
    enum metric_type type;
    for (int i = METRIC_UNKNOWN; i <= METRIC_STATESET; i++) {
        assert_true(metric_type_of(str_c(metric_type_text((enum metric_type)i)), &type));
        assert_int_equal(type, i);
    }
    assert_true(metric_type_of(STR("untyped"), &type) && type == METRIC_UNKNOWN);
    assert_false(metric_type_of(STR("meter"), &type));
}

/* A histogram that passes its check, from random numbers. */
static struct histogram *random_histogram(struct rand *r, struct arena *a)
{
    struct histogram *h = arena_new(a, sizeof *h);
    bool custom = rand_below(r, 4) == 0;
    h->is_float = rand_below(r, 2);
    h->schema = custom ? HISTOGRAM_SCHEMA_CUSTOM : (int32_t)rand_below(r, 13) - 4;
    h->reset = (uint8_t)rand_below(r, 4);
    h->sum = rand_below(r, 9) ? rand_unit(r) * 1000 : NAN;
    h->zero_threshold = custom ? 0 : rand_below(r, 2) ? 0x1p-128 : 0.01;
    h->zero_count = custom ? 0 : (double)rand_below(r, 100);
    h->count = h->zero_count;
    for (int side = 0; side < (custom ? 1 : 2); side++) {
        uint32_t spans_n = (uint32_t)rand_below(r, 4), n = 0;
        struct histogram_span *spans = arena_array(a, spans_n, sizeof *spans);
        for (uint32_t i = 0; i < spans_n; i++) {
            spans[i].length = (uint32_t)rand_below(r, 5);
            spans[i].offset = custom ? 0 : (int32_t)rand_below(r, 9) - (i ? 0 : 4);
            n += spans[i].length;
        }
        double *counts = arena_array(a, n, sizeof *counts);
        for (uint32_t i = 0; i < n; i++) {
            counts[i] = (double)rand_below(r, 1 << 20) + (h->is_float ? rand_unit(r) : 0);
            h->count += counts[i];
        }
        *(side ? &h->negative_spans : &h->positive_spans) = spans;
        *(side ? &h->negative_spans_n : &h->positive_spans_n) = spans_n;
        *(side ? &h->negative : &h->positive) = counts;
        *(side ? &h->negative_n : &h->positive_n) = n;
    }
    if (custom) {
        double *bounds = arena_array(a, 20, sizeof *bounds);
        for (int i = 0; i < 20; i++)
            bounds[i] = i % 3 ? i * 0.005 : i * 0.005 + 1e-9;
        h->custom_bounds = bounds;
        h->custom_n = 20;
    }
    return h;
}

static void histograms_survive_being_encoded(void **state)
{
    (void)state;
    struct rand r;
    struct arena a;
    struct buf b;
    rand_init(&r, 9);
    arena_init(&a);
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 3000; i++) {
        struct histogram *h = random_histogram(&r, &a), *back;
        struct why why;
        size_t used;
        if (histogram_check(h, &why))
            fail_msg("%s", why.text);
        buf_clear(&b);
        histogram_encode(h, &b);
        for (size_t n = 0; n < b.n; n += 1 + b.n / 8)
            assert_int_equal(histogram_decode((uint8_t *)b.p, n, &a, &back, &used), -ERR_FORMAT);
        assert_int_equal(histogram_decode((uint8_t *)b.p, b.n, &a, &back, &used), 0);
        assert_int_equal(used, b.n);
        assert_true(histogram_same(h, back));
        struct histogram *copy = histogram_copy(h);
        assert_true(histogram_same(h, copy));
        mem_free(copy);
        for (int k = 0; k < 3; k++) {
            b.p[rand_below(&r, b.n)] = (char)rand_u64(&r);
            if (histogram_decode((uint8_t *)b.p, b.n, &a, &back, &used) == 0)
                (void)!histogram_check(back, NULL); /* any answer: it must not run wild */
        }
        arena_reset(&a);
    }
    arena_done(&a);
    buf_done(&b);
}

static void histograms_that_contradict_themselves_are_refused(void **state)
{
    (void)state;
    const struct histogram_span spans[] = {{0, 2}, {-1, 1}};
    const double counts[] = {1, 2, 3}, negative[] = {-1, 2};
    struct histogram h = {.schema = 3,
                          .count = 3,
                          .positive_spans = spans,
                          .positive_spans_n = 1,
                          .positive = counts,
                          .positive_n = 2};
    assert_int_equal(histogram_check(&h, NULL), 0);
    h.count = 4;
    assert_int_equal(histogram_check(&h, NULL), -ERR_FORMAT);
    h.sum = NAN; /* observations of NaN are in no bucket */
    assert_int_equal(histogram_check(&h, NULL), 0);
    h.positive_n = 3;
    assert_int_equal(histogram_check(&h, NULL), -ERR_FORMAT);
    h.positive_spans_n = 2;
    assert_int_equal(histogram_check(&h, NULL), -ERR_FORMAT);
    h.positive_spans_n = 1;
    h.positive_n = 2;
    h.positive = negative;
    assert_int_equal(histogram_check(&h, NULL), -ERR_FORMAT);
    h.positive = counts;
    h.schema = 9;
    assert_int_equal(histogram_check(&h, NULL), -ERR_FORMAT);
    h.sum = sample_stale();
    assert_int_equal(histogram_check(&h, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_become_canonical_in_any_order),
        cmocka_unit_test(bad_labels_are_refused_with_a_reason),
        cmocka_unit_test(label_sets_are_ordered_as_in_prometheus),
        cmocka_unit_test(random_label_sets_are_ordered_label_by_label),
        cmocka_unit_test(all_metric_types_have_names),
        cmocka_unit_test(histograms_survive_being_encoded),
        cmocka_unit_test(histograms_that_contradict_themselves_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
