#include "base/mem.h"
#include "relabel/relabel.h"

struct reading {
    struct arena arena;
    bool legacy_names;
    struct yaml_place place; /* of what is wrong */
};

static int at(struct reading *r, const struct yaml_node *node, int err)
{
    if (err)
        r->place = node->place;
    return err;
}

static int read_sources(struct reading *r, const struct yaml_node *list, struct relabel_rule *rule,
                        struct why *why)
{
    if (yaml_is_null(list))
        return 0;
    int err = yaml_expect(list, YAML_SEQUENCE, "model.LabelNames", why);
    if (err)
        return at(r, list, err);
    struct str *names = arena_array(&r->arena, list->n + 1, sizeof *names);
    for (size_t i = 0; i < list->n && !err; i++) {
        const struct yaml_node *name = list->members[i].value;
        names[i] = STR("");
        err = at(r, name, yaml_text(name, &names[i], why));
    }
    rule->source_labels = names;
    rule->source_labels_n = list->n;
    return err;
}

static int read_texts(struct reading *r, const struct yaml_node *map, struct relabel_rule *rule,
                      struct why *why)
{
    const struct {
        const char *key;
        struct str *text;
    } texts[] = {
        {"action", &rule->action},
        {"separator", &rule->separator},
        {"regex", &rule->regex},
        {"target_label", &rule->target_label},
        {"replacement", &rule->replacement},
    };
    for (size_t i = 0; i < COUNTOF(texts); i++) {
        const struct yaml_node *node = yaml_get(map, texts[i].key);
        if (node && yaml_is_null(node) && i == 0)
            *texts[i].text = STR(""); /* an action that is named and missing is a mistake */
        int err = yaml_text(node, texts[i].text, why);
        if (err)
            return at(r, node, err);
    }
    return 0;
}

static int read_rule(struct reading *r, const struct yaml_node *map, struct relabel_rule *rule,
                     struct why *why)
{
    static const char *const KNOWN[] = {"action",        "separator",   "regex",  "target_label",
                                        "source_labels", "replacement", "modulus"};
    size_t from = 0;
    int64_t modulus = 0;
    *rule = relabel_rule_default;
    rule->legacy_names = r->legacy_names;
    if (yaml_is_null(map)) {
        r->place = map->place;
        return why_set(why, ERR_FORMAT, "empty or null relabeling rule");
    }
    int err = yaml_expect(map, YAML_MAP, "relabel.Config", why);
    if (err)
        return at(r, map, err);
    const struct yaml_member *unknown = yaml_unknown(map, KNOWN, COUNTOF(KNOWN), &from);
    if (unknown)
        return at(r, unknown->key,
                  why_set(why, ERR_FORMAT, "field " STR_FMT " not found in type relabel.Config",
                          STR_ARG(unknown->key->text)));
    err = read_sources(r, yaml_get(map, "source_labels"), rule, why);
    if (!err)
        err = read_texts(r, map, rule, why);
    if (err)
        return err;
    const struct yaml_node *node = yaml_get(map, "modulus");
    err = yaml_whole(node, &modulus, why);
    if (!err && modulus < 0)
        err = why_set(why, ERR_RANGE, "modulus must not be negative");
    rule->modulus = (uint64_t)modulus;
    return at(r, node, err);
}

static int read_list(struct reading *r, const struct yaml_node *list, struct relabel **ret,
                     struct why *why)
{
    size_t n = list ? list->n : 0, wrong;
    int err = yaml_expect(list, YAML_SEQUENCE, "[]*relabel.Config", why);
    if (err)
        return at(r, list, err);
    struct relabel_rule *rules = arena_array(&r->arena, n + 1, sizeof *rules);
    for (size_t i = 0; i < n; i++) {
        err = read_rule(r, list->members[i].value, &rules[i], why);
        if (err)
            return err;
    }
    err = relabel_new(rules, n, ret, &wrong, why);
    return err && n <= RELABEL_RULES_MAX ? at(r, list->members[wrong].value, err) : err;
}

int relabel_read(const struct yaml_node *list, struct relabel **ret, struct yaml_place *ret_place,
                 struct why *why)
{
    return relabel_read_names(list, false, ret, ret_place, why);
}

int relabel_read_names(const struct yaml_node *list, bool legacy_names, struct relabel **ret,
                       struct yaml_place *ret_place, struct why *why)
{
    struct reading r = {.legacy_names = legacy_names};
    struct why inner = {0};
    arena_init(&r.arena);
    int err = read_list(&r, list, ret, &inner);
    if (err && ret_place)
        *ret_place = r.place;
    if (err && why)
        *why = inner;
    if (err && !ret_place)
        why_prefix(why, "line %u, column %u", r.place.line, r.place.column);
    arena_done(&r.arena);
    return err;
}
