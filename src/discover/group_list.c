#include "discover/group_list.h"

#include "text/json_tree.h"

static const struct yaml_struct_field FIELDS[] = {
    {"targets", YAML_STRUCT_TEXTS, offsetof(struct group_list_item, targets)},
    {"labels", YAML_STRUCT_PAIRS, offsetof(struct group_list_item, labels)},
};

static const struct yaml_struct SHAPE = {"struct { Targets []string \"yaml:\\\"targets\\\"\"; "
                                         "Labels model.LabelSet \"yaml:\\\"labels\\\"\" }",
                                         FIELDS, COUNTOF(FIELDS), NULL};

static int check_labels(const struct group_list_item *item, struct why *why)
{
    for (size_t i = 0; i < item->labels.n; i++) {
        struct str name = item->labels.v[i].name;
        if (name.n == 0 || !str_utf8(name))
            return why_set(why, ERR_FORMAT, "\"" STR_FMT "\" is not a valid label name",
                           STR_ARG(name));
    }
    return 0;
}

int group_list_read(const struct yaml_node *node, struct arena *a, struct group_list_item *ret,
                    struct yaml_place *ret_place, struct why *why)
{
    struct group_list_item item = {0};
    int err = yaml_struct_read(node, &SHAPE, a, &item, ret_place, why);
    if (err)
        return err;
    err = check_labels(&item, why);
    if (err)
        *ret_place = yaml_get(node, "labels")->place;
    else
        *ret = item;
    return err;
}

void group_list_put(struct groups *g, struct str source, const struct group_list_item *item,
                    struct str meta, struct str value)
{
    groups_begin(g, source);
    for (size_t i = 0; i < item->labels.n; i++) {
        if (!str_eq(item->labels.v[i].name, meta))
            groups_label(g, item->labels.v[i].name, item->labels.v[i].value);
    }
    if (meta.n)
        groups_label(g, meta, value);
    for (size_t i = 0; i < item->targets.n; i++)
        groups_target(g, item->targets.v[i]);
}

static void put_numbered(struct groups *g, size_t i, const struct group_list_item *item,
                         struct str meta, struct str name, struct arena *a)
{
    group_list_put(g, arena_printf(a, STR_FMT ":%zu", STR_ARG(name), i), item, meta, name);
}

static int read_yaml(const struct yaml_node *list, struct arena *a, struct groups *g,
                     struct str meta, struct str name, struct yaml_place *place, struct why *why)
{
    int err = yaml_expect(list, YAML_SEQUENCE, "[]*targetgroup.Group", why);
    if (err)
        *place = list->place;
    for (size_t i = 0; !err && list && i < list->n; i++) {
        const struct yaml_node *node = list->members[i].value;
        struct group_list_item item;
        *place = node->place;
        if (yaml_is_null(node))
            return why_set(why, ERR_FORMAT, "nil target group item found (index %zu)", i);
        err = group_list_read(node, a, &item, place, why);
        if (!err)
            put_numbered(g, i, &item, meta, name, a);
    }
    return err;
}

int group_list_yaml(struct str text, struct groups *g, struct str meta, struct str name,
                    struct why *why)
{
    struct arena a;
    struct yaml_place place = {0};
    const struct yaml_node *root = NULL;
    arena_init(&a);
    int err = yaml_parse(text, &a, &root, NULL, why);
    if (!err) {
        err = read_yaml(root, &a, g, meta, name, &place, why);
        if (err)
            why_prefix(why, "line %u, column %u", place.line, place.column);
    }
    groups_finish(g);
    arena_done(&a);
    return err;
}

/* ---- JSON */
static int json_targets(const struct json_tree *node, struct arena *a,
                        struct yaml_struct_texts *ret, struct why *why)
{
    if (json_tree_is_null(node))
        return 0;
    if (node->type != JSON_ARRAY)
        return why_set(why, ERR_FORMAT, "targets must be a list of texts");
    struct str *texts = arena_array(a, node->n + 1, sizeof *texts);
    for (size_t i = 0; i < node->n; i++) {
        if (node->children[i].type != JSON_TEXT)
            return why_set(why, ERR_FORMAT, "targets must be a list of texts");
        texts[i] = node->children[i].text;
    }
    *ret = (struct yaml_struct_texts){texts, node->n};
    return 0;
}

static int json_labels(const struct json_tree *node, struct arena *a, struct yaml_struct_pairs *ret,
                       struct why *why)
{
    if (json_tree_is_null(node))
        return 0;
    if (node->type != JSON_OBJECT)
        return why_set(why, ERR_FORMAT, "labels must be an object of texts");
    struct yaml_struct_pair *pairs = arena_array(a, node->n + 1, sizeof *pairs);
    for (size_t i = 0; i < node->n; i++) {
        if (node->children[i].type != JSON_TEXT)
            return why_set(why, ERR_FORMAT, "the label \"" STR_FMT "\" must be a text",
                           STR_ARG(node->children[i].key));
        pairs[i] = (struct yaml_struct_pair){node->children[i].key, node->children[i].text};
    }
    *ret = (struct yaml_struct_pairs){pairs, node->n};
    return 0;
}

static int json_item(const struct json_tree *node, struct arena *a, struct group_list_item *ret,
                     struct why *why)
{
    if (node->type != JSON_OBJECT)
        return why_set(why, ERR_FORMAT, "a target group must be an object");
    for (size_t i = 0; i < node->n; i++) {
        struct str key = node->children[i].key;
        if (!str_eq(key, STR("targets")) && !str_eq(key, STR("labels")))
            return why_set(why, ERR_FORMAT, "json: unknown field \"" STR_FMT "\"", STR_ARG(key));
    }
    *ret = (struct group_list_item){0};
    int err = json_targets(json_tree_get(node, "targets"), a, &ret->targets, why);
    if (!err)
        err = json_labels(json_tree_get(node, "labels"), a, &ret->labels, why);
    return err ? err : check_labels(ret, why);
}

static int read_json(const struct json_tree *list, struct arena *a, struct groups *g,
                     struct str meta, struct str name, struct why *why)
{
    if (json_tree_is_null(list))
        return 0;
    if (list->type != JSON_ARRAY)
        return why_set(why, ERR_FORMAT, "a list of target groups is wanted");
    for (size_t i = 0; i < list->n; i++) {
        struct group_list_item item;
        if (json_tree_is_null(&list->children[i]))
            return why_set(why, ERR_FORMAT, "nil target group item found (index %zu)", i);
        int err = json_item(&list->children[i], a, &item, why);
        if (err)
            return err;
        put_numbered(g, i, &item, meta, name, a);
    }
    return 0;
}

int group_list_json(struct str text, struct groups *g, struct str meta, struct str name,
                    struct why *why)
{
    struct arena a;
    const struct json_tree *root = NULL;
    arena_init(&a);
    int err = json_tree_parse(text, &a, &root, why);
    if (!err)
        err = read_json(root, &a, g, meta, name, why);
    groups_finish(g);
    arena_done(&a);
    return err;
}
