#include "threshold/threshold.h"

#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/must.h"
#include "model/labels.h"
#include "text/duration.h"
#include "text/json.h"

#define AT(member) offsetof(struct threshold_row, member)

static const struct option ROWS[] = {
    {"name", OPTION_TEXT, AT(name), "", 0, THRESHOLD_NAME_MAX, NULL, OPTION_RELOAD,
     "What the alert is called: its label alertname. No two custom alerts have the same name."},
    {"kind", OPTION_CHOICE, AT(kind), "threshold", 0, 0,
     "threshold|absence|change|rate|forecast|expression", OPTION_RELOAD,
     "What is watched: the value itself; that there are samples at all; how much the value changed "
     "over window; how fast a counter grows (a second, over window); what the value will be within "
     "a time, by a straight line through window; or an expression of PromQL."},
    {"metric", OPTION_TEXT, AT(metric), "", 0, 4000, NULL, OPTION_RELOAD,
     "The series: a metric's name, or a selector as node_cpu_seconds_total{mode=\"idle\"}."},
    {"aggregation", OPTION_CHOICE, AT(aggregation), "none", 0, 0, "none|avg|sum|min|max|count",
     OPTION_RELOAD, "How several series become one; none: each has an alert of its own."},
    {"by", OPTION_LIST, AT(by), "", 0, 0, NULL, OPTION_RELOAD,
     "Labels that stay apart in an aggregation."},
    {"above", OPTION_REAL, AT(above), "1e300", -1e300, 1e300, NULL, OPTION_RELOAD,
     "It fires while the value is greater; 1e300: no upper limit."},
    {"below", OPTION_REAL, AT(below), "1e300", -1e300, 1e300, NULL, OPTION_RELOAD,
     "It fires while the value is less; 1e300: no lower limit."},
    {"clear", OPTION_REAL, AT(clear), "1e300", -1e300, 1e300, NULL, OPTION_RELOAD,
     "Hysteresis: once it fires it fires on until the value is at or beyond this on the good side; "
     "1e300: the limit itself."},
    {"percent", OPTION_BOOL, AT(percent), "false", 0, 0, NULL, OPTION_RELOAD,
     "Kind change: above and below are percent of the earlier value."},
    {"window", OPTION_TEXT, AT(window), "", 0, 20, NULL, OPTION_RELOAD,
     "A duration as 5m, of absence (5m where it is empty), change and rate (5m), forecast (1h)."},
    {"within", OPTION_TEXT, AT(within), "", 0, 20, NULL, OPTION_RELOAD,
     "Kind forecast: a duration as 4h; the limit is reached within this time."},
    {"expr", OPTION_TEXT, AT(expr), "", 0, THRESHOLD_TEXT_MAX, NULL, OPTION_RELOAD,
     "Kind expression: PromQL; each series that it gives is an alert."},
    {"clear_expr", OPTION_TEXT, AT(clear_expr), "", 0, THRESHOLD_TEXT_MAX, NULL, OPTION_RELOAD,
     "Kind expression: an alert that fires fires on while this gives its series."},
    {"for", OPTION_TEXT, AT(pend), "", 0, 20, NULL, OPTION_RELOAD,
     "How long it has to be so before it fires; empty: at once."},
    {"keep_firing_for", OPTION_TEXT, AT(keep_firing_for), "", 0, 20, NULL, OPTION_RELOAD,
     "How long it fires on after it was last so."},
    {"interval", OPTION_TEXT, AT(interval), "", 0, 20, NULL, OPTION_RELOAD,
     "How often it is looked at; empty: rules.evaluation_interval_ms."},
    {"severity", OPTION_CHOICE, AT(severity), "warning", 0, 0, "info|warning|critical",
     OPTION_RELOAD, "The label severity."},
    {"labels", OPTION_LIST, AT(labels), "", 0, 0, NULL, OPTION_RELOAD,
     "Further labels, as name=value; values may be templates."},
    {"annotations", OPTION_LIST, AT(annotations), "", 0, 0, NULL, OPTION_RELOAD,
     "Texts for people, as name=value; values may be templates with $labels and $value. Without "
     "any, a summary is made."},
    {"owner", OPTION_TEXT, AT(owner), "", 0, 200, NULL, OPTION_RELOAD,
     "Who answers for it: the label owner, by which routes can choose."},
    {"enabled", OPTION_BOOL, AT(enabled), "true", 0, 0, NULL, OPTION_RELOAD,
     "false: it is kept, but not looked at."},
};

const struct option_table threshold_options = {
    "alert.rule",  "A custom alert, said without PromQL.", true, sizeof(struct threshold_row), ROWS,
    COUNTOF(ROWS),
};

/* ---- as a rule file, which may be JSON as that is YAML */

static void put_pair(struct json_writer *w, const char *name, struct str value)
{
    json_key(w, str_c(name));
    json_text(w, value);
}

static int put_pairs(struct json_writer *w, const struct option_list *list, const char *what,
                     struct why *why)
{
    for (size_t i = 0; i < list->n; i++) {
        struct str text = str_c(list->v[i]);
        size_t equal = str_find(text, '=');
        if (equal == 0 || equal == text.n)
            return why_set(why, ERR_FORMAT, "%s: \"%.100s\" is not of the form name=value", what,
                           list->v[i]);
        json_key(w, str_trim(str_sub(text, 0, equal)));
        json_text(w, str_sub(text, equal + 1, text.n));
    }
    return 0;
}

static void put_summary(struct json_writer *w, const struct threshold_row *t)
{
    struct buf b;
    buf_init(&b, THRESHOLD_TEXT_MAX);
    buf_printf(&b, "%s: {{ $value | humanize }}", t->name);
    put_pair(w, "summary", buf_str(&b));
    buf_done(&b);
}

static void put_duration(struct json_writer *w, const char *key, const char *text)
{
    if (text[0] != '\0')
        put_pair(w, key, str_c(text));
}

static int put_rule(struct json_writer *w, const struct threshold_row *t, struct str expr,
                    struct why *why)
{
    json_begin_object(w);
    put_pair(w, "alert", str_c(t->name));
    put_pair(w, "expr", expr);
    put_duration(w, "for", t->pend);
    put_duration(w, "keep_firing_for", t->keep_firing_for);
    json_key(w, STR("labels"));
    json_begin_object(w);
    put_pair(w, "severity", str_c(t->severity));
    if (t->owner[0] != '\0')
        put_pair(w, "owner", str_c(t->owner));
    int err = put_pairs(w, &t->labels, "labels", why);
    json_end_object(w);
    json_key(w, STR("annotations"));
    json_begin_object(w);
    if (t->annotations.n == 0)
        put_summary(w, t);
    else if (err == 0)
        err = put_pairs(w, &t->annotations, "annotations", why);
    json_end_object(w);
    json_end_object(w);
    return err;
}

static int put_group(struct buf *out, const struct threshold_row *t, struct str expr,
                     struct why *why)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    put_pair(&w, "name", str_c(t->name));
    put_duration(&w, "interval", t->interval);
    json_key(&w, STR("rules"));
    json_begin_array(&w);
    int err = put_rule(&w, t, expr, why);
    json_end_array(&w);
    json_end_object(&w);
    return err;
}

/* ---- one row */

/* `custom alerts:1:20: group "x", rule 1, "x": text`: the text is what is wanted. */
static int tell(struct buf *problems, struct why *why)
{
    struct str line = str_trim(buf_str(problems)), first;
    if (!str_split(&line, '\n', &first))
        first = STR("it makes no rule");
    for (size_t at; (at = str_search(first, STR("\": "))) < first.n;)
        first = str_sub(first, at + 3, first.n);
    return why_set(why, ERR_FORMAT, STR_FMT, STR_ARG(first));
}

static int check_names(const struct threshold_row *t, struct why *why)
{
    if (t->name[0] == '\0')
        return why_set(why, ERR_FORMAT, "name is missing");
    if (strchr(t->name, '/') != NULL || !str_utf8(str_c(t->name)))
        return why_set(why, ERR_FORMAT, "name: a name is UTF-8 without a slash");
    for (size_t i = 0; i < t->labels.n; i++) {
        struct str text = str_c(t->labels.v[i]);
        struct str name = str_trim(str_sub(text, 0, str_find(text, '=')));
        if (str_eq(name, STR("severity")) || str_eq(name, STR("alertname")) ||
            (t->owner[0] != '\0' && str_eq(name, STR("owner"))))
            return why_set(why, ERR_FORMAT, "labels: " STR_FMT " has a member of its own",
                           STR_ARG(name));
    }
    return 0;
}

/* A file of one row, whole. */
static int make_one(const struct threshold_row *t, const struct promql_options *options,
                    struct buf *group, struct str *ret_hold, struct arena *a, struct why *why)
{
    struct str expr;
    struct buf text, problems;
    struct rule_file *f = NULL;
    struct promql_failure failure = {0};
    struct promql_expr *tree;
    int err = check_names(t, why);
    if (err == 0)
        err = threshold_compile(t, a, &expr, ret_hold, why);
    if (err == 0)
        err = put_group(group, t, expr, why);
    if (err != 0)
        return err;
    if (ret_hold->n > 0 && promql_parse(*ret_hold, options, a, &tree, &failure) != 0)
        return why_set(why, ERR_FORMAT, "clear_expr: %s", failure.text);
    buf_init(&text, RULE_FILE_BYTES_MAX);
    buf_init(&problems, THRESHOLD_JSON_MAX);
    buf_printf(&text, "{\"groups\":[" STR_FMT "]}", STR_ARG(buf_str(group)));
    err = rule_file_read(buf_str(&text), STR(THRESHOLD_FILE), options, &f, &problems);
    if (err != 0)
        err = tell(&problems, why);
    else
        rule_file_free(f);
    buf_done(&problems);
    buf_done(&text);
    return err;
}

int threshold_check(const struct threshold_row *t, const struct promql_options *options,
                    struct why *why)
{
    struct arena a;
    struct buf group;
    struct str hold;
    arena_init(&a);
    buf_init(&group, THRESHOLD_JSON_MAX);
    int err = make_one(t, options, &group, &hold, &a, why);
    buf_done(&group);
    arena_done(&a);
    return err;
}

int threshold_check_rows(const struct option_rows *rows, const struct promql_options *options,
                         struct why *why)
{
    const struct threshold_row *v = rows->v;
    struct map names;
    int err = 0;
    map_init(&names, 0);
    for (size_t i = 0; err == 0 && i < rows->n; i++) {
        struct why cause = {0};
        bool fresh;
        err = threshold_check(&v[i], options, &cause);
        (void)map_put(&names, str_c(v[i].name), &fresh);
        if (err == 0 && !fresh)
            err = why_set(&cause, ERR_EXISTS, "there are two of that name");
        if (err != 0)
            (void)why_set(why, ERR_FORMAT, "alert.rule \"%.200s\": %s", v[i].name, cause.text);
    }
    map_done(&names);
    return err;
}

/* ---- all of them */

static void attach(struct rule_file *f, const struct str *holds, const struct promql_options *o)
{
    struct promql_failure failure;
    for (size_t i = 0; i < f->groups_n; i++) {
        struct rule *rule = &f->groups[i].rules[0];
        rule->hold = arena_str(&f->arena, holds[i]);
        /* It was parsed once when the row was checked. */
        if (rule->hold.n > 0)
            must(promql_parse(rule->hold, o, &f->arena, &rule->hold_tree, &failure) == 0);
    }
}

struct rule_file *threshold_file(const struct threshold_row *const *rows, size_t n,
                                 const struct promql_options *options, struct buf *problems)
{
    struct arena a;
    struct buf text, group;
    struct rule_file *f = NULL;
    size_t made = 0;
    arena_init(&a);
    struct str *holds = arena_array(&a, n + 1, sizeof *holds);
    buf_init(&text, (size_t)4 * RULE_FILE_BYTES_MAX);
    buf_init(&group, THRESHOLD_JSON_MAX);
    buf_put_str(&text, STR("{\"groups\":["));
    for (size_t i = 0; i < n; i++) {
        struct why why = {0};
        buf_clear(&group);
        if (!rows[i]->enabled)
            continue;
        if (make_one(rows[i], options, &group, &holds[made], &a, &why) != 0) {
            buf_printf(problems, "alert.rule \"%s\": %s\n", rows[i]->name, why.text);
            continue;
        }
        buf_put_str(&text, made++ > 0 ? STR(",\n") : STR("\n"));
        buf_put_str(&text, buf_str(&group));
    }
    buf_put_str(&text, STR("]}"));
    if (made > 0 && rule_file_read(buf_str(&text), STR(THRESHOLD_FILE), options, &f, problems) == 0)
        attach(f, holds, options);
    buf_done(&group);
    buf_done(&text);
    arena_done(&a);
    return f;
}
