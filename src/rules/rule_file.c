#include "rules/rule_file.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "model/labels.h"
#include "query/promql/promql_tree.h"
#include "rules/rule_template.h"
#include "text/yaml.h"

/* A file while it is being read. Faults are written down as they are found. */
struct reader {
    struct rule_file *file;
    const struct promql_options *options;
    bool lenient; /* unknown fields are passed over */
    struct buf *problems;
    size_t problems_n;

    /* Where it is. */
    struct str group;
    size_t rule; /* from 1; 0: not in one */
    struct str rule_name;
};

static const char *const FILE_FIELDS[] = {"groups"};
static const char *const GROUP_FIELDS[] = {"name",  "interval", "query_offset",
                                           "limit", "rules",    "labels"};
static const char *const RULE_FIELDS[] = {"record",          "alert",  "expr",       "for",
                                          "keep_firing_for", "labels", "annotations"};

/* Begins the line of a fault; false where there are too many already. */
static bool begin_problem(struct reader *r, struct yaml_place place)
{
    r->problems_n++;
    if (r->problems_n > RULE_FILE_PROBLEMS_MAX)
        return false;
    buf_printf(r->problems, STR_FMT ":%u:%u: ", STR_ARG(r->file->name), place.line, place.column);
    return true;
}

static void put_quoted(struct buf *out, struct str s)
{
    buf_put_c(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\')
            buf_put_c(out, '\\');
        if (s.p[i] == '\n')
            buf_put_str(out, STR("\\n"));
        else
            buf_put_c(out, s.p[i]);
    }
    buf_put_c(out, '"');
}

static void put_rule(struct reader *r)
{
    buf_put_str(r->problems, STR("group "));
    put_quoted(r->problems, r->group);
    buf_printf(r->problems, ", rule %zu, ", r->rule);
    put_quoted(r->problems, r->rule_name);
    buf_put_str(r->problems, STR(": "));
}

/* file:3:10: group "g", rule 1, "name": text */
#define PROBLEM(r, place, ...)                                                                     \
    do {                                                                                           \
        if (begin_problem(r, place)) {                                                             \
            if ((r)->rule)                                                                         \
                put_rule(r);                                                                       \
            buf_printf((r)->problems, __VA_ARGS__);                                                \
            buf_put_c((r)->problems, '\n');                                                        \
        }                                                                                          \
    } while (0)

static void check_fields(struct reader *r, const struct yaml_node *node, const char *const *known,
                         size_t n, const char *type)
{
    size_t at = 0;
    const struct yaml_member *m;
    while (!r->lenient && (m = yaml_unknown(node, known, n, &at)) != NULL)
        PROBLEM(r, m->key->place, "field " STR_FMT " not found in type %s", STR_ARG(m->key->text),
                type);
}

static bool expect(struct reader *r, const struct yaml_node *node, enum yaml_type type,
                   const char *what)
{
    struct why why;
    if (yaml_expect(node, type, what, &why) == 0)
        return true;
    PROBLEM(r, node->place, "%s", why.text);
    return false;
}

static struct str read_text(struct reader *r, const struct yaml_node *node)
{
    struct str s = STR("");
    struct why why;
    if (yaml_text(node, &s, &why) != 0)
        PROBLEM(r, node->place, "%s", why.text);
    return arena_str(&r->file->arena, s);
}

/* False where there is none. */
static bool read_duration(struct reader *r, const struct yaml_node *node, int64_t *ret_ms)
{
    struct str s = {0};
    struct why why;
    if (yaml_is_null(node))
        return false;
    int err = yaml_text(node, &s, &why);
    if (!err)
        err = promql_duration_read(s, ret_ms, &why);
    if (err)
        PROBLEM(r, node->place, "%s", why.text);
    return !err;
}

static int compare_pairs(const void *a, const void *b)
{
    const struct rule_pair *x = a, *y = b;
    return str_cmp(x->name, y->name);
}

static void read_pairs(struct reader *r, const struct yaml_node *node, struct rule_pair **ret,
                       size_t *ret_n)
{
    if (!expect(r, node, YAML_MAP, "map[string]string") || yaml_is_null(node) || node->n == 0)
        return;
    struct rule_pair *pairs = arena_array(&r->file->arena, node->n, sizeof *pairs);
    for (size_t i = 0; i < node->n; i++) {
        pairs[i].name = arena_str(&r->file->arena, node->members[i].key->text);
        pairs[i].value = read_text(r, node->members[i].value);
    }
    qsort(pairs, node->n, sizeof *pairs, compare_pairs);
    *ret = pairs;
    *ret_n = node->n;
}

static void check_labels(struct reader *r, const struct yaml_node *node)
{
    for (size_t i = 0; node && node->type == YAML_MAP && i < node->n; i++) {
        const struct yaml_member *m = &node->members[i];
        struct str name = m->key->text;
        if (name.n == 0 || !str_utf8(name) || str_eq(name, LABEL_METRIC))
            PROBLEM(r, m->key->place, "invalid label name: " STR_FMT, STR_ARG(name));
        if (!str_utf8(m->value->text))
            PROBLEM(r, m->value->place, "invalid label value: " STR_FMT, STR_ARG(m->value->text));
    }
}

static void check_annotations(struct reader *r, const struct yaml_node *node)
{
    for (size_t i = 0; node && node->type == YAML_MAP && i < node->n; i++) {
        struct str name = node->members[i].key->text;
        if (name.n == 0 || !str_utf8(name))
            PROBLEM(r, node->members[i].key->place, "invalid annotation name: " STR_FMT,
                    STR_ARG(name));
    }
}

static void check_record(struct reader *r, const struct rule *rule, const struct yaml_node *node)
{
    struct yaml_place place = yaml_get(node, "record")->place;
    if (rule->annotations_n > 0)
        PROBLEM(r, place, "invalid field 'annotations' in recording rule");
    if (rule->for_ms != 0)
        PROBLEM(r, place, "invalid field 'for' in recording rule");
    if (rule->keep_firing_for_ms != 0)
        PROBLEM(r, place, "invalid field 'keep_firing_for' in recording rule");
    if (!str_utf8(rule->record))
        PROBLEM(r, place, "invalid recording rule name: " STR_FMT, STR_ARG(rule->record));
    if (str_find(rule->record, '{') < rule->record.n ||
        str_find(rule->record, '}') < rule->record.n)
        PROBLEM(r, place,
                "braces present in the recording rule name; should it be in expr?: " STR_FMT,
                STR_ARG(rule->record));
}

static void check_expr(struct reader *r, struct rule *rule, const struct yaml_node *node)
{
    const struct yaml_node *expr = yaml_get(node, "expr");
    if (rule->expr.n == 0) {
        PROBLEM(r, (expr ? expr : node)->place, "field 'expr' must be set in rule");
        return;
    }
    struct promql_failure failure;
    if (promql_parse(rule->expr, r->options, &r->file->arena, &rule->tree, &failure) != 0)
        PROBLEM(r, expr->place, "could not parse expression: %s", failure.text);
}

/* what: "label" or "annotation". */
static void check_templates(struct reader *r, const struct rule *rule, const struct yaml_node *node,
                            const char *what)
{
    struct str name = arena_printf(&r->file->arena, "__alert_" STR_FMT, STR_ARG(rule->alert));
    for (size_t i = 0; node && node->type == YAML_MAP && i < node->n; i++) {
        const struct yaml_member *m = &node->members[i];
        struct why why;
        if (m->value->type == YAML_SCALAR && rule_template_check(m->value->text, name, &why) != 0)
            PROBLEM(r, m->value->place, "%s \"" STR_FMT "\": %s", what, STR_ARG(m->key->text),
                    why.text);
    }
}

static void check_rule(struct reader *r, struct rule *rule, const struct yaml_node *node)
{
    const struct yaml_node *record = yaml_get(node, "record"), *alert = yaml_get(node, "alert");
    if (rule->record.n && rule->alert.n)
        PROBLEM(r, record->place, "only one of 'record' and 'alert' must be set (alert: %u:%u)",
                alert->place.line, alert->place.column);
    if (rule->record.n == 0 && rule->alert.n == 0)
        PROBLEM(r, node->place, "one of 'record' or 'alert' must be set");
    check_expr(r, rule, node);
    if (rule->record.n)
        check_record(r, rule, node);
    check_labels(r, yaml_get(node, "labels"));
    check_annotations(r, yaml_get(node, "annotations"));
    if (rule->alert.n) {
        check_templates(r, rule, yaml_get(node, "labels"), "label");
        check_templates(r, rule, yaml_get(node, "annotations"), "annotation");
    }
}

static void read_rule(struct reader *r, struct rule *rule, const struct yaml_node *node)
{
    if (!expect(r, node, YAML_MAP, "rulefmt.Rule"))
        return;
    check_fields(r, node, RULE_FIELDS, COUNTOF(RULE_FIELDS), "rulefmt.Rule");
    rule->line = node->place.line;
    rule->record = read_text(r, yaml_get(node, "record"));
    rule->alert = read_text(r, yaml_get(node, "alert"));
    r->rule_name = rule->alert.n ? rule->alert : rule->record;
    rule->expr = read_text(r, yaml_get(node, "expr"));
    (void)read_duration(r, yaml_get(node, "for"), &rule->for_ms); /* none: 0 */
    (void)read_duration(r, yaml_get(node, "keep_firing_for"), &rule->keep_firing_for_ms);
    read_pairs(r, yaml_get(node, "labels"), &rule->labels, &rule->labels_n);
    read_pairs(r, yaml_get(node, "annotations"), &rule->annotations, &rule->annotations_n);
    check_rule(r, rule, node);
}

static void read_limit(struct reader *r, const struct yaml_node *node, struct rule_group *group)
{
    int64_t limit = 0;
    struct why why;
    if (yaml_whole(node, &limit, &why) != 0)
        PROBLEM(r, node->place, "%s", why.text);
    group->limit = limit > 0 ? (uint64_t)limit : 0;
}

static void read_rules(struct reader *r, struct rule_group *group, const struct yaml_node *node)
{
    if (!expect(r, node, YAML_SEQUENCE, "[]rulefmt.Rule") || yaml_is_null(node))
        return;
    group->rules_n = node->n;
    group->rules = arena_array(&r->file->arena, node->n, sizeof *group->rules);
    for (size_t i = 0; i < node->n; i++) {
        r->rule = i + 1;
        r->rule_name = STR("");
        read_rule(r, &group->rules[i], node->members[i].value);
    }
    r->rule = 0;
}

static void read_group(struct reader *r, struct rule_group *group, const struct yaml_node *node,
                       struct map *names)
{
    if (!expect(r, node, YAML_MAP, "rulefmt.RuleGroup"))
        return;
    check_fields(r, node, GROUP_FIELDS, COUNTOF(GROUP_FIELDS), "rulefmt.RuleGroup");
    group->name = read_text(r, yaml_get(node, "name"));
    r->group = group->name;
    bool fresh;
    if (group->name.n == 0)
        PROBLEM(r, node->place, "Groupname must not be empty");
    map_put(names, group->name, &fresh);
    if (!fresh)
        PROBLEM(r, node->place, "groupname: \"" STR_FMT "\" is repeated in the same file",
                STR_ARG(group->name));
    (void)read_duration(r, yaml_get(node, "interval"), &group->interval_ms); /* none: 0 */
    group->has_query_offset =
        read_duration(r, yaml_get(node, "query_offset"), &group->query_offset_ms);
    read_limit(r, yaml_get(node, "limit"), group);
    read_pairs(r, yaml_get(node, "labels"), &group->labels, &group->labels_n);
    check_labels(r, yaml_get(node, "labels"));
    read_rules(r, group, yaml_get(node, "rules"));
}

static void read_groups(struct reader *r, const struct yaml_node *root)
{
    const struct yaml_node *node = yaml_get(root, "groups");
    if (!expect(r, root, YAML_MAP, "rulefmt.RuleGroups"))
        return;
    check_fields(r, root, FILE_FIELDS, COUNTOF(FILE_FIELDS), "rulefmt.RuleGroups");
    if (!expect(r, node, YAML_SEQUENCE, "[]rulefmt.RuleGroup") || yaml_is_null(node))
        return;
    struct rule_file *f = r->file;
    struct map names;
    map_init(&names, 0);
    f->groups_n = node->n;
    f->groups = arena_array(&f->arena, node->n, sizeof *f->groups);
    for (size_t i = 0; i < node->n; i++)
        read_group(r, &f->groups[i], node->members[i].value, &names);
    map_done(&names);
}

static void read_file(struct reader *r, struct str text)
{
    struct arena a;
    struct yaml_place place;
    struct why why;
    const struct yaml_node *root = NULL;
    arena_init(&a);
    if (yaml_parse(text, &a, &root, &place, &why) != 0)
        PROBLEM(r, place, "%s", why.text);
    else
        read_groups(r, root);
    arena_done(&a);
}

static int read_any(struct str text, struct str name, const struct promql_options *options,
                    bool lenient, struct rule_file **ret, struct buf *problems)
{
    struct rule_file *f = mem_new(sizeof *f);
    struct reader r = {.file = f, .options = options, .lenient = lenient, .problems = problems};
    arena_init(&f->arena);
    f->name = arena_str(&f->arena, name);
    read_file(&r, text);
    if (r.problems_n > RULE_FILE_PROBLEMS_MAX)
        buf_printf(problems, STR_FMT ": and %zu more\n", STR_ARG(f->name),
                   r.problems_n - RULE_FILE_PROBLEMS_MAX);
    if (r.problems_n > 0) {
        rule_file_free(f);
        return -ERR_FORMAT;
    }
    *ret = f;
    return 0;
}

int rule_file_read(struct str text, struct str name, const struct promql_options *options,
                   struct rule_file **ret, struct buf *problems)
{
    return read_any(text, name, options, false, ret, problems);
}

int rule_file_read_lenient(struct str text, struct str name, const struct promql_options *options,
                           struct rule_file **ret, struct buf *problems)
{
    return read_any(text, name, options, true, ret, problems);
}

void rule_file_free(struct rule_file *f)
{
    if (!f)
        return;
    arena_done(&f->arena);
    mem_free(f);
}
