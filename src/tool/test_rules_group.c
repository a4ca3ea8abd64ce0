#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/vec.h"
#include "model/labels.h"
#include "os/file.h"
#include "query/promql/promql_tree.h"
#include "rules/group.h"
#include "rules/memory_sink.h"
#include "text/number.h"
#include "tool/test_rules.h"

enum { TEXT_MAX = 64 << 20, EVALUATIONS_MAX = 10000000 };

/* A test while it runs. */
struct stage {
    const struct test_rules_file *file;
    const struct test_rules_test *test;
    const struct test_rules_options *options;
    struct buf *faults;
    struct arena arena;
    struct promqltest_store *store;
    struct memory_sink sink;
    struct group_world world;
    struct {
        struct promqltest_series *v;
        size_t n, capacity;
    } series;
    size_t *loaded; /* [series.n] */
    struct {
        struct rule_file **v;
        size_t n, capacity;
    } files;
    struct {
        struct group **v;
        size_t n, capacity;
    } groups;
};

static void end_fault(struct stage *s)
{
    buf_put_c(s->faults, '\0');
}

/* ---- what is read before */

static void load_rules(struct stage *s, struct str path, struct buf *problems)
{
    struct buf text;
    struct why why = {0};
    struct rule_file *f;
    const struct promql_options *promql = &s->options->promql;
    buf_init(&text, RULE_FILE_BYTES_MAX);
    int err = file_read(path.p, &text, &why);
    if (err != 0)
        buf_printf(problems, "%s\n", why.text);
    else
        err = s->options->lenient
                  ? rule_file_read_lenient(buf_str(&text), path, promql, &f, problems)
                  : rule_file_read(buf_str(&text), path, promql, &f, problems);
    if (err == 0)
        vec_push(&s->files, f);
    buf_done(&text);
}

static size_t order_of(const struct test_rules_file *f, const struct group *g)
{
    for (size_t i = 0; i < f->group_order_n; i++)
        if (str_eq(f->group_order[i], group_rules(g)->name))
            return i;
    return 0;
}

/* As the file orders them; else as they stand in the rule files. */
static void sort_groups(struct stage *s)
{
    for (size_t i = 1; i < s->groups.n; i++) {
        struct group *g = s->groups.v[i];
        size_t k = i, order = order_of(s->file, g);
        for (; k > 0 && order_of(s->file, s->groups.v[k - 1]) > order; k--)
            s->groups.v[k] = s->groups.v[k - 1];
        s->groups.v[k] = g;
    }
}

static bool open_rules(struct stage *s, const struct str *paths, size_t n)
{
    struct buf problems;
    buf_init(&problems, TEXT_MAX);
    for (size_t i = 0; i < n; i++)
        load_rules(s, paths[i], &problems);
    bool good = problems.n == 0;
    if (!good) {
        buf_put_str(s->faults, str_trim(buf_str(&problems)));
        end_fault(s);
    }
    buf_done(&problems);
    for (size_t i = 0; i < s->files.n && good; i++) {
        const struct rule_file *f = s->files.v[i];
        for (size_t k = 0; k < f->groups_n; k++)
            vec_push(&s->groups, group_new(&f->groups[k], f->name, s->test->interval_ms, false));
    }
    sort_groups(s);
    return good;
}

static bool open_series(struct stage *s)
{
    struct why why = {0};
    for (size_t i = 0; i < s->test->series_n; i++) {
        const struct test_rules_series *from = &s->test->series[i];
        struct promqltest_series one = {0};
        struct str line = arena_printf(&s->arena, "%s %s", from->series.p, from->values.p);
        if (promqltest_series_read(line, &s->arena, &one, &why) != 0) {
            mem_free(one.v);
            buf_printf(s->faults, "input_series \"%s\": %s", from->series.p, why.text);
            end_fault(s);
            return false;
        }
        vec_push(&s->series, one);
    }
    s->loaded = arena_array(&s->arena, s->series.n + 1, sizeof *s->loaded);
    return true;
}

/* The key of pairs (sorted by name), in the form of labels. */
static struct str key_of(struct stage *s, const struct rule_pair *v, size_t n, struct str alertname)
{
    struct buf key;
    bool put = alertname.n == 0;
    buf_init(&key, TEXT_MAX);
    for (size_t i = 0; i < n; i++) {
        int order = put ? 1 : str_cmp(v[i].name, STR("alertname"));
        if (!put && order >= 0) {
            labels_put(&key, STR("alertname"), alertname);
            put = true;
        }
        if (order != 0)
            labels_put(&key, v[i].name, v[i].value);
    }
    if (!put)
        labels_put(&key, STR("alertname"), alertname);
    struct str out = arena_str(&s->arena, buf_str(&key));
    buf_done(&key);
    return out;
}

static void open_world(struct stage *s)
{
    const struct test_rules_test *t = s->test;
    s->store = promqltest_store_new();
    memory_sink_init(&s->sink, s->store);
    s->world = (struct group_world){
        .store = promqltest_store_face(s->store),
        .sink = &s->sink.sink,
        .tenant = promqltest_store_tenant(s->store),
        .clock = &clock_real,
        .options = &s->options->promql,
        .external_labels = key_of(s, t->external_labels, t->external_labels_n, STR("")),
        .external_url = t->external_url,
        .interval_ms = s->file->interval_ms};
}

static void close_stage(struct stage *s)
{
    for (size_t i = 0; i < s->groups.n; i++)
        group_free(s->groups.v[i]);
    for (size_t i = 0; i < s->files.n; i++)
        rule_file_free(s->files.v[i]);
    for (size_t i = 0; i < s->series.n; i++)
        mem_free(s->series.v[i].v);
    vec_free(&s->groups);
    vec_free(&s->files);
    vec_free(&s->series);
    promqltest_store_free(s->store);
    arena_done(&s->arena);
}

/* ---- alerts */

struct shown {
    struct str labels, annotations;
};

struct all_shown {
    struct shown *v;
    size_t n, capacity;
};

static int shown_cmp(const void *a, const void *b)
{
    const struct shown *x = a, *y = b;
    int order = labels_cmp(x->labels, y->labels);
    return order != 0 ? order : labels_cmp(x->annotations, y->annotations);
}

static void sort_shown(struct all_shown *all)
{
    if (all->n > 1)
        qsort(all->v, all->n, sizeof *all->v, shown_cmp);
}

static void find_firing(struct stage *s, struct str name, struct all_shown *ret)
{
    for (size_t i = 0; i < s->groups.n; i++) {
        struct group_view view;
        group_view(s->groups.v[i], &s->arena, &view);
        for (size_t k = 0; k < view.rules_n; k++) {
            const struct rule_view *r = &view.rules[k];
            if (!r->alerting || !str_eq(r->name, name))
                continue;
            for (size_t j = 0; j < r->alerts_n; j++) {
                struct shown one = {r->alerts[j].labels, r->alerts[j].annotations};
                if (r->alerts[j].state == ALERT_FIRING)
                    vec_push(ret, one);
            }
        }
    }
    sort_shown(ret);
}

static void find_expected(struct stage *s, const struct test_rules_alert_case *c,
                          struct all_shown *ret)
{
    for (size_t i = 0; i < c->expected_n; i++) {
        const struct test_rules_alert *a = &c->expected[i];
        struct shown one = {key_of(s, a->labels, a->labels_n, c->name),
                            key_of(s, a->annotations, a->annotations_n, STR(""))};
        vec_push(ret, one);
    }
    sort_shown(ret);
}

static bool same_shown(const struct all_shown *a, const struct all_shown *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; i < a->n && same; i++)
        same = str_eq(a->v[i].labels, b->v[i].labels) &&
               str_eq(a->v[i].annotations, b->v[i].annotations);
    return same;
}

static void put_shown(const struct all_shown *all, const char *indent, struct buf *out)
{
    if (all->n == 0) {
        buf_put_str(out, STR("[]"));
        return;
    }
    buf_put_c(out, '[');
    for (size_t i = 0; i < all->n; i++) {
        buf_printf(out, "%s\n%s%zu:\n%s  Labels:", i ? "," : "", indent, i, indent);
        test_rules_text_labels(all->v[i].labels, out);
        buf_printf(out, "\n%s  Annotations:", indent);
        test_rules_text_labels(all->v[i].annotations, out);
    }
    buf_printf(out, "\n%s]", indent);
}

static void put_diff(const struct all_shown *expected, const struct all_shown *got, struct buf *out)
{
    struct buf a, b, diff;
    struct str rest, line;
    buf_init(&a, TEXT_MAX);
    buf_init(&b, TEXT_MAX);
    buf_init(&diff, TEXT_MAX);
    put_shown(expected, "", &a);
    put_shown(got, "", &b);
    test_rules_text_diff(buf_str(&a), buf_str(&b), &diff);
    rest = buf_str(&diff);
    buf_put_str(out, STR("\n        diff:"));
    while (str_split(&rest, '\n', &line))
        if (line.n > 0)
            buf_printf(out, "\n            " STR_FMT, STR_ARG(line));
    buf_done(&diff);
    buf_done(&b);
    buf_done(&a);
}

static void check_alerts(struct stage *s, const struct test_rules_alert_case *c)
{
    struct all_shown got = {0}, expected = {0};
    find_firing(s, c->name, &got);
    find_expected(s, c, &expected);
    if (!same_shown(&expected, &got)) {
        if (s->test->name.n > 0)
            buf_printf(s->faults, "    name: %s,\n", s->test->name.p);
        buf_printf(s->faults, "    alertname: %s, time: ", c->name.p);
        promql_duration_print(c->at_ms, s->faults);
        buf_put_str(s->faults, STR(", "));
        if (s->options->diff) {
            put_diff(&expected, &got, s->faults);
        } else {
            buf_put_str(s->faults, STR("\n        exp:"));
            put_shown(&expected, "            ", s->faults);
            buf_put_str(s->faults, STR(", \n        got:"));
            put_shown(&got, "            ", s->faults);
        }
        end_fault(s);
    }
    vec_free(&got);
    vec_free(&expected);
}

/* ---- expressions */

struct answer {
    struct str key, histogram; /* "" for a float */
    double value;
};

struct answers {
    struct answer *v;
    size_t n, capacity;
};

static int answer_cmp(const void *a, const void *b)
{
    return labels_cmp(((const struct answer *)a)->key, ((const struct answer *)b)->key);
}

static struct str histogram_text(struct stage *s, const struct histogram *h)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    test_rules_text_histogram(h, &text);
    struct str out = arena_str(&s->arena, buf_str(&text));
    buf_done(&text);
    return out;
}

static int run_query(struct stage *s, const struct test_rules_expr_case *c, struct answers *ret,
                     struct promql_failure *failure)
{
    struct promql_expr *tree;
    struct promql_result *result;
    int err = promql_parse(c->expr, &s->options->promql, &s->arena, &tree, failure);
    if (err != 0)
        return err;
    struct promql_query q = {.expr = tree,
                             .options = &s->options->promql,
                             .store = s->world.store,
                             .tenant = s->world.tenant,
                             .start_ms = s->test->start_ms + c->at_ms,
                             .end_ms = s->test->start_ms + c->at_ms,
                             .instant = true,
                             .subquery_step_ms = s->world.interval_ms};
    err = promql_run(&q, &result, failure);
    if (err != 0)
        return err;
    struct promql_series row;
    int64_t ms;
    enum promql_type type = promql_result_type(result);
    if (type == PROMQL_SCALAR) {
        struct answer one = {STR(""), STR(""), promql_result_scalar(result, &ms)};
        vec_push(ret, one);
    } else if (type == PROMQL_VECTOR) {
        while (promql_result_next(result, &row)) {
            struct answer one = {arena_str(&s->arena, row.key), STR(""),
                                 row.value ? row.value[0] : 0};
            if (row.histogram && row.histogram[0])
                one.histogram = histogram_text(s, row.histogram[0]);
            vec_push(ret, one);
        }
    } else {
        snprintf(failure->text, sizeof failure->text, "rule result is not a vector or scalar");
        err = -ERR_FORMAT;
    }
    promql_result_free(result);
    return err;
}

static int expect_sample(struct stage *s, const struct test_rules_sample *from, struct answer *ret,
                         struct why *why)
{
    struct promqltest_series one = {0};
    *ret = (struct answer){STR(""), STR(""), from->value};
    int err = from->labels.n > 0 ? promqltest_series_read(from->labels, &s->arena, &one, why) : 0;
    ret->key = one.key;
    if (err == 0 && one.n > 0)
        err = why_set(why, ERR_FORMAT, "a value stands behind the labels");
    mem_free(one.v);
    if (err != 0 || from->histogram.n == 0)
        return err;
    one = (struct promqltest_series){0};
    struct str line = arena_printf(&s->arena, "{} %s", from->histogram.p);
    err = promqltest_series_read(line, &s->arena, &one, why);
    if (err == 0 && (one.n != 1 || one.v[0].histogram == NULL))
        err = why_set(why, ERR_FORMAT, "expected one histogram");
    if (err == 0)
        ret->histogram = histogram_text(s, one.v[0].histogram);
    mem_free(one.v);
    return err;
}

static bool same_value(const struct answer *a, const struct answer *b, bool fuzzy)
{
    if (a->histogram.n > 0 || b->histogram.n > 0)
        return str_eq(a->histogram, b->histogram);
    if (a->value == b->value || (isnan(a->value) && isnan(b->value)))
        return true;
    return fuzzy && (nextafter(a->value, -INFINITY) == b->value ||
                     nextafter(a->value, INFINITY) == b->value);
}

static void put_answers(const struct answers *all, struct buf *out)
{
    char number[NUMBER_MAX];
    if (all->n == 0)
        buf_put_str(out, STR("nil"));
    for (size_t i = 0; i < all->n; i++) {
        buf_put_str(out, i ? STR(", ") : STR(""));
        test_rules_text_labels(all->v[i].key, out);
        buf_put_c(out, ' ');
        if (all->v[i].histogram.n > 0) {
            buf_put_str(out, all->v[i].histogram);
            continue;
        }
        (void)number_format_e(all->v[i].value, number);
        for (char *p = number; *p; p++)
            buf_put_c(out, *p == 'e' ? 'E' : *p);
    }
}

static void begin_expr_fault(struct stage *s, const struct test_rules_expr_case *c)
{
    buf_put_str(s->faults, STR("    expr: "));
    promql_quote(c->expr, s->faults);
    buf_put_str(s->faults, STR(", time: "));
    promql_duration_print(c->at_ms, s->faults);
}

static void compare(struct stage *s, const struct test_rules_expr_case *c, struct answers *expected,
                    struct answers *got)
{
    if (expected->n > 1)
        qsort(expected->v, expected->n, sizeof *expected->v, answer_cmp);
    if (got->n > 1)
        qsort(got->v, got->n, sizeof *got->v, answer_cmp);
    bool same = expected->n == got->n;
    for (size_t i = 0; i < expected->n && same; i++)
        same = str_eq(expected->v[i].key, got->v[i].key) &&
               same_value(&expected->v[i], &got->v[i], s->file->fuzzy);
    if (same)
        return;
    begin_expr_fault(s, c);
    buf_put_str(s->faults, STR(",\n        exp: "));
    put_answers(expected, s->faults);
    buf_put_str(s->faults, STR("\n        got: "));
    put_answers(got, s->faults);
    end_fault(s);
}

static void check_expr(struct stage *s, const struct test_rules_expr_case *c)
{
    struct answers got = {0}, expected = {0};
    struct promql_failure failure = {0};
    struct why why = {0};
    int err = run_query(s, c, &got, &failure);
    if (err != 0) {
        begin_expr_fault(s, c);
        buf_printf(s->faults, ", err: %s", failure.text);
        end_fault(s);
    }
    for (size_t i = 0; i < c->expected_n && err == 0; i++) {
        struct answer one;
        err = expect_sample(s, &c->expected[i], &one, &why);
        if (err == 0) {
            vec_push(&expected, one);
            continue;
        }
        begin_expr_fault(s, c);
        buf_printf(s->faults, ", err: labels \"%s\": %s", c->expected[i].labels.p, why.text);
        end_fault(s);
    }
    if (err == 0)
        compare(s, c, &expected, &got);
    vec_free(&got);
    vec_free(&expected);
}

/* ---- time */

/* Puts the samples up to at_ms (from the start) into the store. */
static void load_until(struct stage *s, int64_t at_ms)
{
    for (size_t i = 0; i < s->series.n; i++) {
        const struct promqltest_series *from = &s->series.v[i];
        for (; s->loaded[i] < from->n; s->loaded[i]++) {
            const struct promqltest_value *v = &from->v[s->loaded[i]];
            int64_t ms = (int64_t)s->loaded[i] * s->test->interval_ms;
            if (ms > at_ms)
                break;
            if (v->present)
                promqltest_store_put(s->store, from->key, s->test->start_ms + ms, v->value,
                                     v->histogram);
        }
    }
}

static void tell_failed(struct stage *s, struct group *g, int64_t at_ms)
{
    struct group_view view;
    group_view(g, &s->arena, &view);
    for (size_t i = 0; i < view.rules_n; i++) {
        if (view.rules[i].health != RULE_ERR)
            continue;
        buf_printf(s->faults, "    rule: %s, time: ", view.rules[i].name.p);
        test_rules_text_duration(at_ms, s->faults);
        buf_printf(s->faults, ", err: %s", view.rules[i].last_error.p);
        end_fault(s);
    }
}

/* False where a rule failed. */
static bool evaluate(struct stage *s, int64_t at_ms)
{
    uint64_t failed = 0;
    for (size_t i = 0; i < s->groups.n; i++) {
        struct group_outcome outcome;
        group_evaluate(s->groups.v[i], &s->world, s->test->start_ms + at_ms, &outcome);
        if (outcome.failed > 0)
            tell_failed(s, s->groups.v[i], at_ms);
        failed += outcome.failed;
    }
    return failed == 0;
}

static int64_t last_time(const struct test_rules_test *t)
{
    int64_t last = 0;
    for (size_t i = 0; i < t->alerts_n; i++)
        last = MAX(last, t->alerts[i].at_ms);
    for (size_t i = 0; i < t->exprs_n; i++)
        last = MAX(last, t->exprs[i].at_ms);
    return last;
}

static bool check_names(struct stage *s)
{
    for (size_t i = 0; i < s->test->alerts_n; i++) {
        if (s->test->alerts[i].name.n > 0)
            continue;
        buf_put_str(s->faults, STR("an item under alert_rule_test misses required attribute "
                                   "alertname at eval_time "));
        promql_duration_print(s->test->alerts[i].at_ms, s->faults);
        if (s->test->name.n > 0)
            buf_printf(s->faults, " (in TestGroup %s)", s->test->name.p);
        end_fault(s);
        return false;
    }
    return true;
}

static void run_all(struct stage *s)
{
    const struct test_rules_test *t = s->test;
    int64_t step = s->file->interval_ms, last = last_time(t);
    for (int64_t at = 0; at <= last && at / step < EVALUATIONS_MAX; at += step) {
        load_until(s, at);
        if (!evaluate(s, at))
            return;
        for (size_t i = 0; i < t->alerts_n; i++)
            if (t->alerts[i].at_ms >= at && t->alerts[i].at_ms < at + step)
                check_alerts(s, &t->alerts[i]);
    }
    for (size_t i = 0; i < t->exprs_n; i++)
        check_expr(s, &t->exprs[i]);
}

void test_rules_group(const struct test_rules_file *f, size_t i, const struct str *paths, size_t n,
                      const struct test_rules_options *options, struct buf *faults)
{
    struct stage s = {.file = f, .test = &f->tests[i], .options = options, .faults = faults};
    arena_init(&s.arena);
    open_world(&s);
    if (open_series(&s) && open_rules(&s, paths, n) && check_names(&s))
        run_all(&s);
    close_stage(&s);
}
