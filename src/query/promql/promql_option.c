/* The features of the query language by the names that Prometheus gives them. */
#include "query/promql/promql_tree.h"

static const struct {
    const char *name;
    size_t at; /* of its flag in struct promql_options */
} features[] = {
    {"promql-experimental-functions", offsetof(struct promql_options, experimental_functions)},
    {"promql-extended-range-selectors", offsetof(struct promql_options, extended_selectors)},
    {"promql-binop-fill-modifiers", offsetof(struct promql_options, fill_modifiers)},
    {"promql-delayed-name-removal", offsetof(struct promql_options, delayed_names)},
    {"use-start-timestamps", offsetof(struct promql_options, start_timestamps)},
    {"type-and-unit-labels", offsetof(struct promql_options, type_and_unit)},
};

/* Once behind a switch, now always on. */
static const char *const settled[] = {"promql-at-modifier", "promql-negative-offset",
                                      "promql-duration-expr"};

static bool *flag_of(struct promql_options *o, struct str feature)
{
    for (size_t i = 0; i < COUNTOF(features); i++) {
        if (str_eq(feature, str_c(features[i].name)))
            return (bool *)((char *)o + features[i].at);
    }
    return NULL;
}

bool promql_option_set(struct promql_options *o, struct str feature)
{
    bool *flag = flag_of(o, feature);
    if (flag) {
        *flag = true;
        return true;
    }
    for (size_t i = 0; i < COUNTOF(settled); i++) {
        if (str_eq(feature, str_c(settled[i])))
            return true;
    }
    return false;
}

bool promql_option_get(const struct promql_options *o, struct str feature)
{
    struct promql_options copy = *o;
    const bool *flag = flag_of(&copy, feature);
    return flag && *flag;
}

const char *promql_option_name(size_t i)
{
    return i < COUNTOF(features) ? features[i].name : NULL;
}

struct promql_options promql_options_all(void)
{
    struct promql_options o = {0};
    for (size_t i = 0; i < COUNTOF(features); i++)
        *(bool *)((char *)&o + features[i].at) = true;
    return o;
}

const char *promql_function_name(size_t i, bool *ret_experimental)
{
    if (i >= PROMQL_FN_COUNT)
        return NULL;
    const struct promql_function_row *row = promql_function_row((enum promql_function)i);
    *ret_experimental = row->flags & FUNCTION_EXPERIMENTAL;
    return row->name;
}
