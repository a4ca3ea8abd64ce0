#include "text/yaml_struct.h"

#include "text/byte_size.h"
#include "text/duration.h"

struct reading {
    struct arena *arena;
    struct yaml_place place; /* of what is wrong */
};

static int at(struct reading *r, const struct yaml_node *node, int err)
{
    if (err)
        r->place = node->place;
    return err;
}

static int read_duration(const struct yaml_node *node, int64_t *ret_ms, struct why *why)
{
    struct str text = {0};
    int err = yaml_text(node, &text, why);
    return err || yaml_is_null(node) ? err : duration_read(text, ret_ms, why);
}

static int read_size(const struct yaml_node *node, int64_t *ret, struct why *why)
{
    struct str text = {0};
    int err = yaml_text(node, &text, why);
    return err || yaml_is_null(node) ? err : byte_size_read(text, ret, why);
}

static int read_uint(const struct yaml_node *node, uint64_t *ret, struct why *why)
{
    int64_t v = (int64_t)MIN(*ret, (uint64_t)INT64_MAX);
    if (yaml_whole(node, &v, NULL) != 0 || v < 0)
        return yaml_mismatch(node, "uint", why);
    *ret = (uint64_t)v;
    return 0;
}

static int read_texts(struct reading *r, const struct yaml_node *list,
                      struct yaml_struct_texts *ret, struct why *why)
{
    if (yaml_is_null(list))
        return 0;
    int err = yaml_expect(list, YAML_SEQUENCE, "[]string", why);
    if (err)
        return at(r, list, err);
    struct str *texts = arena_array(r->arena, list->n + 1, sizeof *texts);
    for (size_t i = 0; i < list->n; i++) {
        const struct yaml_node *node = list->members[i].value;
        texts[i] = STR("");
        err = yaml_text(node, &texts[i], why);
        if (err)
            return at(r, node, err);
    }
    *ret = (struct yaml_struct_texts){texts, list->n};
    return 0;
}

static int read_pairs(struct reading *r, const struct yaml_node *map, struct yaml_struct_pairs *ret,
                      struct why *why)
{
    if (yaml_is_null(map))
        return 0;
    int err = yaml_expect(map, YAML_MAP, "map[string]string", why);
    if (err)
        return at(r, map, err);
    struct yaml_struct_pair *pairs = arena_array(r->arena, map->n + 1, sizeof *pairs);
    for (size_t i = 0; i < map->n; i++) {
        const struct yaml_node *node = map->members[i].value;
        pairs[i] = (struct yaml_struct_pair){map->members[i].key->text, STR("")};
        err = yaml_text(node, &pairs[i].value, why);
        if (err)
            return at(r, node, err);
    }
    *ret = (struct yaml_struct_pairs){pairs, map->n};
    return 0;
}

static int read_field(struct reading *r, const struct yaml_node *node,
                      const struct yaml_struct_field *field, void *to, struct why *why)
{
    switch (field->type) {
    case YAML_STRUCT_ELSE:
        return 0;
    case YAML_STRUCT_TEXT:
        return at(r, node, yaml_text(node, to, why));
    case YAML_STRUCT_BOOL:
        return at(r, node, yaml_bool(node, to, why));
    case YAML_STRUCT_WHOLE:
        return at(r, node, yaml_whole(node, to, why));
    case YAML_STRUCT_UINT:
        return at(r, node, read_uint(node, to, why));
    case YAML_STRUCT_SIZE:
        return at(r, node, read_size(node, to, why));
    case YAML_STRUCT_REAL:
        return at(r, node, yaml_real(node, to, why));
    case YAML_STRUCT_DURATION:
        return at(r, node, read_duration(node, to, why));
    case YAML_STRUCT_TEXTS:
        return read_texts(r, node, to, why);
    case YAML_STRUCT_PAIRS:
        return read_pairs(r, node, to, why);
    }
    return 0;
}

static const struct yaml_struct_field *field_of(const struct yaml_struct *shape, struct str key)
{
    for (size_t i = 0; i < shape->n; i++) {
        if (str_eq(key, str_c(shape->fields[i].key)))
            return &shape->fields[i];
    }
    return NULL;
}

static int read_member(struct reading *r, const struct yaml_member *m,
                       const struct yaml_struct *shape, char *to, struct why *why)
{
    const struct yaml_struct_field *field = field_of(shape, m->key->text);
    if (field)
        return read_field(r, m->value, field, to + field->offset, why);
    if (shape->also && shape->also(m->key->text))
        return 0;
    return at(r, m->key,
              why_set(why, ERR_FORMAT, "field " STR_FMT " not found in type %s",
                      STR_ARG(m->key->text), shape->name));
}

static int read_map(struct reading *r, const struct yaml_node *map, const struct yaml_struct *shape,
                    char *to, struct why *why)
{
    int err = yaml_expect(map, YAML_MAP, shape->name, why);
    if (err)
        return at(r, map, err);
    for (size_t i = 0; !yaml_is_null(map) && i < map->n && !err; i++)
        err = read_member(r, &map->members[i], shape, to, why);
    return err;
}

int yaml_struct_read(const struct yaml_node *map, const struct yaml_struct *shape, struct arena *a,
                     void *ret, struct yaml_place *ret_place, struct why *why)
{
    struct reading r = {.arena = a};
    int err = read_map(&r, map, shape, ret, why);
    if (err)
        *ret_place = r.place;
    return err;
}

size_t yaml_struct_read_all(const struct yaml_node *map, const struct yaml_struct *shape,
                            struct arena *a, void *ret, const struct yaml_struct_faults *faults)
{
    struct reading r = {.arena = a};
    struct why why;
    size_t wrong = 0;
    if (yaml_expect(map, YAML_MAP, shape->name, &why) != 0) {
        faults->f(faults->context, map->place, why.text);
        return 1;
    }
    for (size_t i = 0; !yaml_is_null(map) && i < map->n; i++) {
        if (read_member(&r, &map->members[i], shape, ret, &why) == 0)
            continue;
        faults->f(faults->context, r.place, why.text);
        wrong++;
    }
    return wrong;
}
