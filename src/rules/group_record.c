#include <inttypes.h>

#include "base/vec.h"
#include "rules/group_inside.h"

static int relabel(const struct group_rule *r, struct group_labels *l, struct str key,
                   struct arena *a, struct str *ret, struct why *why)
{
    group_labels_read(l, key);
    group_labels_set(l, LABEL_METRIC, r->rule->record);
    for (size_t i = 0; i < r->labels_n; i++)
        group_labels_set(l, r->labels[i].name, r->labels[i].value);
    return group_labels_key(l, a, ret, why);
}

static int take(struct group_step *s, struct promql_result *result, struct map *seen)
{
    struct group_labels labels = {0};
    struct promql_series row;
    int err = 0;
    while (err == 0 && promql_result_next(result, &row)) {
        struct group_row out = {.value = row.value ? row.value[0] : 0};
        bool fresh;
        err = relabel(s->rule, &labels, row.key, s->arena, &out.key, s->why);
        if (err != 0)
            break;
        (void)map_put(seen, out.key, &fresh);
        if (!fresh)
            err = why_set(s->why, ERR_EXISTS,
                          "vector contains metrics with the same labelset after applying rule "
                          "labels");
        if (row.histogram && row.histogram[0])
            out.histogram = histogram_clone(row.histogram[0], s->arena);
        vec_push(s->rows, out);
    }
    vec_free(&labels);
    return err;
}

static int take_scalar(struct group_step *s, const struct promql_result *result)
{
    struct group_labels labels = {0};
    int64_t ms;
    struct group_row out = {.value = promql_result_scalar(result, &ms)};
    int err = relabel(s->rule, &labels, STR(""), s->arena, &out.key, s->why);
    if (err == 0)
        vec_push(s->rows, out);
    vec_free(&labels);
    return err;
}

int group_record_key(const struct group *g, size_t rule, struct str key, struct arena *a,
                     struct str *ret, struct why *why)
{
    struct group_labels labels = {0};
    int err = relabel(&g->v[rule], &labels, key, a, ret, why);
    vec_free(&labels);
    return err;
}

int group_record(struct group_step *s)
{
    struct promql_result *result;
    struct map seen;
    int err = group_query(s, s->rule->rule->tree, &result);
    if (err != 0)
        return err;
    map_init(&seen, 0);
    if (promql_result_type(result) == PROMQL_SCALAR)
        err = take_scalar(s, result);
    else
        err = take(s, result, &seen);
    map_done(&seen);
    promql_result_free(result);
    uint64_t limit = s->group->rules->limit;
    if (err == 0 && limit > 0 && s->rows->n > limit)
        err = why_set(s->why, ERR_LIMIT, "exceeded limit of %" PRIu64 " with %zu series", limit,
                      s->rows->n);
    return err;
}
