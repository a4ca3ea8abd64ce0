#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cases_test.h"
#include "rules/rule_file.h"

enum { PROBLEMS = 1 << 20, TEXT_MAX = 16 << 20 };

static struct rule_file *read_whole(const char *text)
{
    struct rule_file *f = NULL;
    struct buf problems;
    buf_init(&problems, PROBLEMS);
    if (rule_file_read(str_c(text), STR("r.yml"), NULL, &f, &problems) != 0)
        fail_msg(STR_FMT, STR_ARG(buf_str(&problems)));
    buf_done(&problems);
    return f;
}

static void refused(const char *text, const char *expected)
{
    struct rule_file *f = NULL;
    struct buf problems;
    buf_init(&problems, PROBLEMS);
    assert_int_equal(rule_file_read(str_c(text), STR("r.yml"), NULL, &f, &problems), -ERR_FORMAT);
    buf_put_c(&problems, 0);
    assert_string_equal(problems.p, expected);
    assert_null(f);
    buf_done(&problems);
}

static void a_file_becomes_groups_of_checked_rules(void **state)
{
    (void)state;
    struct rule_file *f = read_whole("groups:\n"
                                     "- name: a\n"
                                     "  interval: 1m30s\n"
                                     "  query_offset: 0s\n"
                                     "  limit: 7\n"
                                     "  labels: {team: x}\n"
                                     "  rules:\n"
                                     "  - record: job:up:sum\n"
                                     "    expr: sum by (job) (up)\n"
                                     "  - alert: Down\n"
                                     "    expr: up == 0\n"
                                     "    for: 5m\n"
                                     "    keep_firing_for: 1h\n"
                                     "    labels: {severity: page, also: 1}\n"
                                     "    annotations:\n"
                                     "      text: '{{ $labels.job }} is down'\n"
                                     "- name: b\n");
    assert_string_equal(f->name.p, "r.yml");
    assert_int_equal(f->groups_n, 2);
    const struct rule_group *g = &f->groups[0];
    assert_string_equal(g->name.p, "a");
    assert_int_equal(g->interval_ms, 90000);
    assert_true(g->has_query_offset);
    assert_int_equal(g->query_offset_ms, 0);
    assert_int_equal(g->limit, 7);
    assert_int_equal(g->labels_n, 1);
    assert_string_equal(g->labels[0].value.p, "x");
    assert_int_equal(g->rules_n, 2);
    assert_string_equal(g->rules[0].record.p, "job:up:sum");
    assert_int_equal(promql_type(g->rules[0].tree), PROMQL_VECTOR);
    const struct rule *alert = &g->rules[1];
    assert_int_equal(alert->line, 10);
    assert_int_equal(alert->for_ms, 300000);
    assert_int_equal(alert->keep_firing_for_ms, 3600000);
    assert_string_equal(alert->labels[0].name.p, "also");
    assert_string_equal(alert->labels[0].value.p, "1");
    assert_string_equal(alert->annotations[0].value.p, "{{ $labels.job }} is down");
    assert_false(f->groups[1].has_query_offset);
    assert_int_equal(f->groups[1].rules_n, 0);
    rule_file_free(f);
}

static void an_empty_file_has_no_groups(void **state)
{
    (void)state;
    struct rule_file *f = read_whole("");
    assert_int_equal(f->groups_n, 0);
    rule_file_free(f);
    f = read_whole("groups:\n");
    assert_int_equal(f->groups_n, 0);
    rule_file_free(f);
}

static void every_fault_is_told_with_its_place(void **state)
{
    (void)state;
    refused(
        "groups:\n"
        "- name: a\n"
        "  every: 1m\n"
        "  interval: 5x\n"
        "  limit: lots\n"
        "  rules:\n"
        "  - record: up{a=\"b\"}\n"
        "    expr: rate(up)\n"
        "    for: 1m\n"
        "    labels: {__name__: x, ok: [1]}\n"
        "    annotations: {a: b}\n"
        "  - expr: up\n"
        "  - {record: a, alert: b, expr: ''}\n"
        "- name: a\n"
        "- rules: 5\n",
        "r.yml:3:3: field every not found in type rulefmt.RuleGroup\n"
        "r.yml:4:13: not a valid duration string: \"5x\"\n"
        "r.yml:5:10: cannot unmarshal !!str `lots` into int\n"
        "r.yml:10:31: group \"a\", rule 1, \"up{a=\\\"b\\\"}\": "
        "cannot unmarshal !!seq into string\n"
        "r.yml:8:11: group \"a\", rule 1, \"up{a=\\\"b\\\"}\": could not parse expression: "
        "1:6: parse error: expected type range vector in call to function \"rate\", got "
        "instant vector\n"
        "r.yml:7:13: group \"a\", rule 1, \"up{a=\\\"b\\\"}\": invalid field 'annotations' in "
        "recording rule\n"
        "r.yml:7:13: group \"a\", rule 1, \"up{a=\\\"b\\\"}\": invalid field 'for' in recording "
        "rule\n"
        "r.yml:7:13: group \"a\", rule 1, \"up{a=\\\"b\\\"}\": braces present in the recording "
        "rule name; should it be in expr?: up{a=\"b\"}\n"
        "r.yml:10:14: group \"a\", rule 1, \"up{a=\\\"b\\\"}\": invalid label name: __name__\n"
        "r.yml:12:5: group \"a\", rule 2, \"\": one of 'record' or 'alert' must be set\n"
        "r.yml:13:14: group \"a\", rule 3, \"b\": only one of 'record' and 'alert' must be set "
        "(alert: 13:24)\n"
        "r.yml:13:33: group \"a\", rule 3, \"b\": field 'expr' must be set in rule\n"
        "r.yml:14:3: groupname: \"a\" is repeated in the same file\n"
        "r.yml:15:3: Groupname must not be empty\n"
        "r.yml:15:10: cannot unmarshal !!int `5` into []rulefmt.Rule\n");
    refused("groups: [\n", "r.yml:2:1: did not find expected node content\n");
    refused("[]\n", "r.yml:1:1: cannot unmarshal !!seq into rulefmt.RuleGroups\n");
}

static void templates_of_alerts_must_parse(void **state)
{
    (void)state;
    refused("groups:\n"
            "- name: a\n"
            "  rules:\n"
            "  - alert: b\n"
            "    expr: up\n"
            "    labels: {l: '{{ $value'}\n"
            "    annotations: {a: '{{ $none }}', ok: '{{ $labels.job | toUpper }}'}\n"
            "  - record: r\n"
            "    expr: up\n"
            "    labels: {l: '{{'}\n",
            "r.yml:6:17: group \"a\", rule 1, \"b\": label \"l\": template: __alert_b:1: unclosed "
            "action\n"
            "r.yml:7:22: group \"a\", rule 1, \"b\": annotation \"a\": template: __alert_b:1: "
            "undefined variable \"$none\"\n");
}

static void unknown_fields_can_be_passed_over(void **state)
{
    (void)state;
    struct rule_file *f = NULL;
    struct buf problems;
    buf_init(&problems, PROBLEMS);
    assert_int_equal(rule_file_read_lenient(STR("owner: me\ngroups:\n- name: a\n  who: us\n"),
                                            STR("r.yml"), NULL, &f, &problems),
                     0);
    assert_int_equal(problems.n, 0);
    assert_int_equal(f->groups_n, 1);
    rule_file_free(f);
    buf_done(&problems);
}

static void no_more_than_a_hundred_faults_are_told(void **state)
{
    (void)state;
    struct buf text, problems;
    struct rule_file *f;
    buf_init(&text, PROBLEMS);
    buf_init(&problems, PROBLEMS);
    buf_printf(&text, "groups:\n- name: a\n  rules:\n");
    for (int i = 0; i < 150; i++)
        buf_printf(&text, "  - {record: a}\n");
    assert_int_equal(rule_file_read(buf_str(&text), STR("r"), NULL, &f, &problems), -ERR_FORMAT);
    size_t lines = 0;
    for (size_t i = 0; i < problems.n; i++)
        lines += problems.p[i] == '\n';
    assert_int_equal(lines, RULE_FILE_PROBLEMS_MAX + 1);
    assert_true(str_ends(buf_str(&problems), STR("r: and 50 more\n")));
    buf_done(&text);
    buf_done(&problems);
}

/* ---- files of others, read in place */

static const struct {
    const char *path, *why;
    bool lenient;
} REFUSED[] = {
#define REFUSED(path, why, lenient) {path, why, lenient},
#include "rules/rule_file_refused.tbl.h"
#undef REFUSED
};

struct tally {
    const char *folder;
    size_t files, groups, rules, refused, wrong;
};

/* What stands under `spec:`, as a document of its own. */
static void out_of_spec(struct buf *text)
{
    struct str rest = buf_str(text), line;
    struct buf inner;
    bool in = false;
    buf_init(&inner, TEXT_MAX);
    while (str_split(&rest, '\n', &line)) {
        if (line.n && line.p[0] != ' ')
            in = str_eq(line, STR("spec:"));
        else if (in)
            buf_put_str(&inner, str_sub(line, 2, line.n));
        buf_put_c(&inner, '\n');
    }
    buf_clear(text);
    buf_put_str(text, buf_str(&inner));
    buf_done(&inner);
}

/* Is err what the table says of that file? */
static bool as_expected(struct str text, const char *shown, int err, const struct buf *problems)
{
    for (size_t i = 0; i < COUNTOF(REFUSED); i++) {
        if (strcmp(REFUSED[i].path, shown) != 0)
            continue;
        struct rule_file *f = NULL;
        struct buf rest;
        buf_init(&rest, PROBLEMS);
        int loose = rule_file_read_lenient(text, str_c(shown), NULL, &f, &rest);
        if (!loose)
            rule_file_free(f);
        buf_done(&rest);
        return err && str_search(buf_str(problems), str_c(REFUSED[i].why)) < problems->n &&
               REFUSED[i].lenient == !loose;
    }
    return !err;
}

static void read_one(const char *path, const char *name, void *context)
{
    struct tally *t = context;
    struct buf text, problems;
    struct rule_file *f = NULL;
    char shown[CASES_PATH_MAX];
    if (!strstr(name, ".y") && !strstr(name, ".rules"))
        return;
    cases_join(t->folder, name, shown);
    assert_true(cases_read(path, &text));
    buf_init(&problems, PROBLEMS);
    if (str_search(buf_str(&text), STR("kind: PrometheusRule")) < text.n)
        out_of_spec(&text);
    int err = rule_file_read(buf_str(&text), str_c(shown), NULL, &f, &problems);
    bool holds = as_expected(buf_str(&text), shown, err, &problems);
    if (!holds)
        print_message("%s: %.*s\n", shown, (int)MIN(problems.n, 400U),
                      problems.n ? problems.p : "loads");
    t->files++;
    t->refused += err != 0;
    t->wrong += !holds;
    for (size_t i = 0; !err && i < f->groups_n; i++)
        t->rules += f->groups[i].rules_n;
    t->groups += err ? 0 : f->groups_n;
    if (!err)
        rule_file_free(f);
    buf_done(&text);
    buf_done(&problems);
}

static void rule_files_of_others_load_or_are_refused_for_a_known_reason(void **state)
{
    (void)state;
    static const char *const FOLDERS[] = {"rules", "promtool/rulefmt", "promtool/rules_fixtures"};
    struct tally t = {0};
    for (size_t i = 0; i < COUNTOF(FOLDERS); i++) {
        char path[CASES_PATH_MAX];
        cases_path(FOLDERS[i], path);
        t.folder = FOLDERS[i];
        (void)cases_each_file(path, read_one, &t);
    }
    if (t.files == 0)
        cases_skip("rules");
    print_message("%zu files: %zu groups, %zu rules; %zu refused as expected\n", t.files, t.groups,
                  t.rules, t.refused);
    assert_int_equal(t.wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_becomes_groups_of_checked_rules),
        cmocka_unit_test(an_empty_file_has_no_groups),
        cmocka_unit_test(every_fault_is_told_with_its_place),
        cmocka_unit_test(templates_of_alerts_must_parse),
        cmocka_unit_test(unknown_fields_can_be_passed_over),
        cmocka_unit_test(no_more_than_a_hundred_faults_are_told),
        cmocka_unit_test(rule_files_of_others_load_or_are_refused_for_a_known_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
