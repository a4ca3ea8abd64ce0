#include <string.h>

#include "text/template_tree.h"

const struct template_tree *template_tree_find(const struct template_set *set, struct str name)
{
    for (size_t i = 0; i < set->trees.n; i++)
        if (str_eq(set->trees.v[i].name, name))
            return &set->trees.v[i];
    return NULL;
}

bool template_defined(const struct template_set *set, struct str name)
{
    return template_tree_find(set, name) != NULL;
}

struct template_set *template_set_new(struct arena *a, const struct template_functions *functions)
{
    struct template_set *set = arena_new(a, sizeof *set);
    set->arena = a;
    set->functions = functions;
    return set;
}

struct template_set *template_set_over(struct arena *a, const struct template_set *base)
{
    struct template_set *set = arena_new(a, sizeof *set);
    struct template_tree *v = arena_array(a, base->trees.n, sizeof *v);
    if (base->trees.n)
        memcpy(v, base->trees.v, base->trees.n * sizeof *v);
    *set = *base;
    set->arena = a;
    set->trees.v = v;
    return set;
}
