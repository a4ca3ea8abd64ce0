#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "query/promql/promql_tree.h"
#include "text/number.h"
#include "text/yaml.h"
#include "tool/test_rules.h"

enum { ITEMS_MAX = 1000000 /* of one list */ };

/* Reads on after the first fault without doing anything more. */
struct reader {
    struct arena *a;
    struct why *why;
    bool bad;
};

static void fault(struct reader *r, const struct yaml_node *node, const char *text)
{
    if (r->bad)
        return;
    r->bad = true;
    (void)why_set(r->why, ERR_FORMAT, "line %u, column %u: %s", node->place.line,
                  node->place.column, text);
}

static void check_fields(struct reader *r, const struct yaml_node *node, const char *type,
                         const char *const *known, size_t n)
{
    size_t at = 0;
    struct why why;
    char text[WHY_MAX];
    if (yaml_expect(node, YAML_MAP, type, &why) != 0) {
        fault(r, node, why.text);
        return;
    }
    const struct yaml_member *m = node ? yaml_unknown(node, known, n, &at) : NULL;
    if (m == NULL)
        return;
    snprintf(text, sizeof text, "field %.200s not found in type %s", m->key->text.p, type);
    fault(r, m->key, text);
}

static struct str text_of(struct reader *r, const struct yaml_node *map, const char *name)
{
    struct str out = STR("");
    struct why why;
    const struct yaml_node *node = yaml_get(map, name);
    if (yaml_text(node, &out, &why) != 0)
        fault(r, node, why.text);
    return arena_str(r->a, out);
}

static int64_t duration_of(struct reader *r, const struct yaml_node *map, const char *name)
{
    int64_t ms = 0;
    struct why why;
    const struct yaml_node *node = yaml_get(map, name);
    struct str text = text_of(r, map, name);
    if (text.n > 0 && promql_duration_read(text, &ms, &why) != 0)
        fault(r, node, why.text);
    return ms;
}

/* The members of a list; 0 where it is missing. */
static size_t list_of(struct reader *r, const struct yaml_node *map, const char *name,
                      const struct yaml_node **ret)
{
    struct why why;
    const struct yaml_node *node = yaml_get(map, name);
    *ret = node;
    if (yaml_is_null(node))
        return 0;
    if (yaml_expect(node, YAML_SEQUENCE, name, &why) != 0)
        fault(r, node, why.text);
    return r->bad ? 0 : node->n;
}

static struct str *texts_of(struct reader *r, const struct yaml_node *map, const char *name,
                            size_t *ret_n)
{
    const struct yaml_node *list;
    struct why why;
    size_t n = list_of(r, map, name, &list);
    struct str *v = arena_array(r->a, n + 1, sizeof *v);
    for (size_t i = 0; i < n; i++) {
        if (yaml_text(list->members[i].value, &v[i], &why) != 0)
            fault(r, list->members[i].value, why.text);
        v[i] = arena_str(r->a, v[i]);
    }
    *ret_n = n;
    return v;
}

static int pair_cmp(const void *a, const void *b)
{
    return str_cmp(((const struct rule_pair *)a)->name, ((const struct rule_pair *)b)->name);
}

static struct rule_pair *pairs_of(struct reader *r, const struct yaml_node *map, const char *name,
                                  size_t *ret_n)
{
    const struct yaml_node *node = yaml_get(map, name);
    struct why why;
    if (!yaml_is_null(node) && yaml_expect(node, YAML_MAP, name, &why) != 0)
        fault(r, node, why.text);
    size_t n = yaml_is_null(node) || r->bad ? 0 : node->n;
    struct rule_pair *v = arena_array(r->a, n + 1, sizeof *v);
    for (size_t i = 0; i < n; i++) {
        struct str value = STR("");
        if (yaml_text(node->members[i].value, &value, &why) != 0)
            fault(r, node->members[i].value, why.text);
        v[i].name = arena_str(r->a, node->members[i].key->text);
        v[i].value = arena_str(r->a, value);
    }
    if (n > 1)
        qsort(v, n, sizeof *v, pair_cmp);
    *ret_n = n;
    return v;
}

/* ---- the parts of a test */

static void read_series(struct reader *r, const struct yaml_node *node, struct test_rules_series *s)
{
    static const char *const KNOWN[] = {"series", "values"};
    check_fields(r, node, "series", KNOWN, COUNTOF(KNOWN));
    s->series = text_of(r, node, "series");
    s->values = text_of(r, node, "values");
}

static void read_alert(struct reader *r, const struct yaml_node *node, struct test_rules_alert *a)
{
    static const char *const KNOWN[] = {"exp_labels", "exp_annotations"};
    check_fields(r, node, "alert", KNOWN, COUNTOF(KNOWN));
    a->labels = pairs_of(r, node, "exp_labels", &a->labels_n);
    a->annotations = pairs_of(r, node, "exp_annotations", &a->annotations_n);
}

static void read_alert_case(struct reader *r, const struct yaml_node *node,
                            struct test_rules_alert_case *c)
{
    static const char *const KNOWN[] = {"eval_time", "alertname", "exp_alerts"};
    const struct yaml_node *list;
    check_fields(r, node, "alertTestCase", KNOWN, COUNTOF(KNOWN));
    c->at_ms = duration_of(r, node, "eval_time");
    c->name = text_of(r, node, "alertname");
    c->expected_n = list_of(r, node, "exp_alerts", &list);
    c->expected = arena_array(r->a, c->expected_n + 1, sizeof *c->expected);
    for (size_t i = 0; i < c->expected_n; i++)
        read_alert(r, list->members[i].value, &c->expected[i]);
}

static void read_sample(struct reader *r, const struct yaml_node *node, struct test_rules_sample *s)
{
    static const char *const KNOWN[] = {"labels", "value", "histogram"};
    struct why why;
    check_fields(r, node, "sample", KNOWN, COUNTOF(KNOWN));
    s->labels = text_of(r, node, "labels");
    s->histogram = text_of(r, node, "histogram");
    const struct yaml_node *value = yaml_get(node, "value");
    if (yaml_real(value, &s->value, &why) != 0)
        fault(r, value, why.text);
}

static void read_expr_case(struct reader *r, const struct yaml_node *node,
                           struct test_rules_expr_case *c)
{
    static const char *const KNOWN[] = {"expr", "eval_time", "exp_samples"};
    const struct yaml_node *list;
    check_fields(r, node, "promqlTestCase", KNOWN, COUNTOF(KNOWN));
    c->expr = text_of(r, node, "expr");
    c->at_ms = duration_of(r, node, "eval_time");
    c->expected_n = list_of(r, node, "exp_samples", &list);
    c->expected = arena_array(r->a, c->expected_n + 1, sizeof *c->expected);
    for (size_t i = 0; i < c->expected_n; i++)
        read_sample(r, list->members[i].value, &c->expected[i]);
}

/* Unix seconds, or 2021-01-01T00:00:00Z. */
static int64_t time_of(struct reader *r, const struct yaml_node *map, const char *name)
{
    struct str text = text_of(r, map, name);
    const struct yaml_node *node = yaml_get(map, name);
    double seconds = 0;
    struct tm tm = {0};
    char zone[8] = "";
    int used = 0;
    if (text.n == 0)
        return 0;
    if (number_parse(text, &seconds) == 0 && fabs(seconds) < 1e12)
        return (int64_t)llround(seconds * 1000);
    double second = 0;
    int got = sscanf(text.p, "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%lf%n", &tm.tm_year, &tm.tm_mon,
                     &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &second, &used);
    int hours = 0, minutes = 0;
    bool good = got == 6 && (size_t)used < text.n;
    if (good)
        snprintf(zone, sizeof zone, "%s", text.p + used);
    bool utc = zone[0] == 'Z' || zone[0] == 'z';
    good = good && (utc ? zone[1] == '\0'
                        : (zone[0] == '+' || zone[0] == '-') && strlen(zone) == 6 &&
                              sscanf(zone + 1, "%2d:%2d", &hours, &minutes) == 2);
    if (!good) {
        fault(r, node,
              "start_timestamp is neither a Unix time nor of the form "
              "2021-01-01T00:00:00Z");
        return 0;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    int64_t shift = (int64_t)(hours * 60 + minutes) * 60000 * (zone[0] == '-' ? -1 : 1);
    return (int64_t)timegm(&tm) * 1000 + (int64_t)llround(second * 1000) - shift;
}

static void read_test(struct reader *r, const struct yaml_node *node, int64_t interval_ms,
                      struct test_rules_test *t)
{
    static const char *const KNOWN[] = {"interval",        "input_series",     "name",
                                        "alert_rule_test", "promql_expr_test", "external_labels",
                                        "external_url",    "start_timestamp"};
    const struct yaml_node *list;
    check_fields(r, node, "testGroup", KNOWN, COUNTOF(KNOWN));
    t->name = text_of(r, node, "name");
    t->interval_ms = duration_of(r, node, "interval");
    t->interval_ms = t->interval_ms > 0 ? t->interval_ms : interval_ms;
    t->start_ms = time_of(r, node, "start_timestamp");
    t->external_labels = pairs_of(r, node, "external_labels", &t->external_labels_n);
    t->external_url = text_of(r, node, "external_url");
    t->series_n = list_of(r, node, "input_series", &list);
    t->series = arena_array(r->a, t->series_n + 1, sizeof *t->series);
    for (size_t i = 0; i < t->series_n; i++)
        read_series(r, list->members[i].value, &t->series[i]);
    t->alerts_n = list_of(r, node, "alert_rule_test", &list);
    t->alerts = arena_array(r->a, t->alerts_n + 1, sizeof *t->alerts);
    for (size_t i = 0; i < t->alerts_n; i++)
        read_alert_case(r, list->members[i].value, &t->alerts[i]);
    t->exprs_n = list_of(r, node, "promql_expr_test", &list);
    t->exprs = arena_array(r->a, t->exprs_n + 1, sizeof *t->exprs);
    for (size_t i = 0; i < t->exprs_n; i++)
        read_expr_case(r, list->members[i].value, &t->exprs[i]);
}

static int check_order(const struct test_rules_file *f, struct why *why)
{
    for (size_t i = 0; i < f->group_order_n; i++)
        for (size_t k = 0; k < i; k++)
            if (str_eq(f->group_order[i], f->group_order[k]))
                return why_set(why, ERR_FORMAT, "group name repeated in evaluation order: " STR_FMT,
                               STR_ARG(f->group_order[i]));
    return 0;
}

int test_rules_file_read(struct str text, struct arena *a, struct test_rules_file *ret,
                         struct why *why)
{
    static const char *const KNOWN[] = {"rule_files", "evaluation_interval", "group_eval_order",
                                        "tests", "fuzzy_compare"};
    const struct yaml_node *root, *list;
    struct reader r = {a, why, false};
    struct why own;
    int err = yaml_parse(text, a, &root, NULL, why);
    if (err != 0)
        return err;
    *ret = (struct test_rules_file){0};
    check_fields(&r, root, "unitTestFile", KNOWN, COUNTOF(KNOWN));
    ret->rule_files = texts_of(&r, root, "rule_files", &ret->rule_files_n);
    ret->group_order = texts_of(&r, root, "group_eval_order", &ret->group_order_n);
    ret->interval_ms = duration_of(&r, root, "evaluation_interval");
    ret->interval_ms = ret->interval_ms > 0 ? ret->interval_ms : 60000;
    if (yaml_bool(yaml_get(root, "fuzzy_compare"), &ret->fuzzy, &own) != 0)
        fault(&r, yaml_get(root, "fuzzy_compare"), own.text);
    ret->tests_n = list_of(&r, root, "tests", &list);
    ret->tests = arena_array(a, ret->tests_n + 1, sizeof *ret->tests);
    for (size_t i = 0; i < ret->tests_n; i++)
        read_test(&r, list->members[i].value, ret->interval_ms, &ret->tests[i]);
    return r.bad ? -ERR_FORMAT : check_order(ret, why);
}
