/* Any bytes as YAML: a tree that was accepted keeps its limits and can be walked. */
#include "base/must.h"
#include "text/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t walk(const struct yaml_node *node, unsigned depth)
{
    uint64_t nodes = 1;
    int64_t whole = 0;
    double real = 0;
    bool flag = false;
    struct str text = {0};
    struct why why;
    must(depth <= YAML_DEPTH_MAX);
    must(node->place.line > 0 && node->place.column > 0);
    if (node->type == YAML_SCALAR) {
        must(yaml_text(node, &text, &why) == 0);
        int err = yaml_whole(node, &whole, &why);
        must(err || node->kind == YAML_INT || node->kind == YAML_FLOAT || node->kind == YAML_NULL);
        err = yaml_real(node, &real, &why);
        must(!err ==
             (node->kind == YAML_INT || node->kind == YAML_FLOAT || node->kind == YAML_NULL));
        err = yaml_bool(node, &flag, &why);
        must(err == 0 || err == -ERR_FORMAT);
    }
    for (size_t i = 0; i < node->n; i++) {
        if (node->members[i].key)
            nodes += walk(node->members[i].key, depth + 1);
        nodes += walk(node->members[i].value, depth + 1);
    }
    must(nodes == node->nodes);
    return nodes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct yaml_place place = {0};
    struct why why = {0};
    const struct yaml_node *root = NULL;
    arena_init(&a);
    if (yaml_parse(str_of((const char *)data, size), &a, &root, &place, &why) != 0)
        must(why.text[0] && place.line > 0 && place.column > 0);
    else if (root)
        must(walk(root, 0) <= YAML_NODES_MAX);
    arena_done(&a);
    return 0;
}
