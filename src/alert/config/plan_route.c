#include "alert/config/plan_reader.h"

#include <stdlib.h>

#include "model/labels.h"

/* What a route says of itself; times -1 and empty texts: nothing. */
struct said {
    struct str receiver;
    struct yaml_struct_texts group_by, mute, active;
    bool go_on;
    int64_t group_wait_ms, group_interval_ms, repeat_interval_ms;
};

static const struct yaml_struct_field FIELDS[] = {
    {"receiver", YAML_STRUCT_TEXT, offsetof(struct said, receiver)},
    {"group_by", YAML_STRUCT_TEXTS, offsetof(struct said, group_by)},
    {"continue", YAML_STRUCT_BOOL, offsetof(struct said, go_on)},
    {"group_wait", YAML_STRUCT_DURATION, offsetof(struct said, group_wait_ms)},
    {"group_interval", YAML_STRUCT_DURATION, offsetof(struct said, group_interval_ms)},
    {"repeat_interval", YAML_STRUCT_DURATION, offsetof(struct said, repeat_interval_ms)},
    {"mute_time_intervals", YAML_STRUCT_TEXTS, offsetof(struct said, mute)},
    {"active_time_intervals", YAML_STRUCT_TEXTS, offsetof(struct said, active)},
    {"match", YAML_STRUCT_ELSE, 0},
    {"match_re", YAML_STRUCT_ELSE, 0},
    {"matchers", YAML_STRUCT_ELSE, 0},
    {"routes", YAML_STRUCT_ELSE, 0},
};
static const struct yaml_struct SHAPE = {"config.plain", FIELDS, COUNTOF(FIELDS), NULL};

/* What holds where the root says nothing. */
static const struct plan_route DEFAULTS = {.group_wait_ms = 30 * 1000,
                                           .group_interval_ms = 5 * 60 * 1000,
                                           .repeat_interval_ms = 4 * 60 * 60 * 1000LL};

/* ---- keys */

static struct str printed(struct plan_reader *r, const struct matcher_list *list)
{
    struct buf out;
    buf_init(&out, PLAN_TEXT_MAX);
    matcher_list_print(list, &out);
    struct str text = arena_str(r->a, buf_str(&out));
    buf_done(&out);
    return text;
}

/* Its key, and its id: the same with a number where siblings before it have the same key. */
static void name_route(struct plan_reader *r, const struct plan_route *parent,
                       const struct plan_route *siblings, size_t place, struct plan_route *ret)
{
    struct str own = printed(r, &ret->matchers);
    size_t same = 0;
    if (parent == NULL) {
        ret->key = ret->id = own;
        return;
    }
    ret->key = arena_printf(r->a, STR_FMT "/" STR_FMT, STR_ARG(parent->key), STR_ARG(own));
    for (size_t i = 0; i < place; i++)
        same += !siblings[i].beside && str_eq(siblings[i].key, ret->key);
    ret->id = arena_printf(r->a, STR_FMT "/" STR_FMT, STR_ARG(parent->id), STR_ARG(own));
    if (same > 0)
        ret->id = arena_printf(r->a, STR_FMT "#%zu", STR_ARG(ret->id), same);
}

/* ---- group_by */

static int compare(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static int read_group_by(struct plan_reader *r, const struct yaml_node *node,
                         const struct yaml_struct_texts *texts, struct plan_route *ret)
{
    struct str *labels = arena_array(r->a, texts->n + 1, sizeof *labels);
    size_t n = 0;
    bool all = false;
    for (size_t i = 0; i < texts->n; i++) {
        struct str label = texts->v[i];
        if (str_eq(label, STR("..."))) {
            all = true;
            continue;
        }
        if (label.n == 0 || !str_utf8(label))
            return plan_reader_fault(r, node, "invalid label name \"" STR_FMT "\" in group_by list",
                                     STR_ARG(label));
        labels[n++] = label;
    }
    if (all && n > 0)
        return plan_reader_fault(r, node,
                                 "cannot have wildcard group_by (`...`) and other other "
                                 "labels at the same time");
    qsort(labels, n, sizeof *labels, compare);
    for (size_t i = 1; i < n; i++)
        if (str_eq(labels[i - 1], labels[i]))
            return plan_reader_fault(r, node, "duplicated label \"" STR_FMT "\" in group_by",
                                     STR_ARG(labels[i]));
    if (n > 0) {
        ret->group_by = labels;
        ret->group_by_n = n;
        ret->group_by_all = false;
    }
    ret->group_by_all = ret->group_by_all || all;
    return 0;
}

/* ---- one route */

static int read_intervals(struct plan_reader *r, const struct yaml_node *node,
                          const struct yaml_struct_texts *names, const struct interval *const **ret,
                          size_t *ret_n)
{
    const struct interval **v = arena_array(r->a, names->n + 1, sizeof *v);
    for (size_t i = 0; i < names->n; i++) {
        const union map_value *found = map_get(&r->intervals, names->v[i]);
        if (found == NULL)
            return plan_reader_fault(r, node,
                                     "undefined time interval \"" STR_FMT "\" used in route",
                                     STR_ARG(names->v[i]));
        v[i] = &r->whole->p.intervals[found->u];
    }
    *ret = v;
    *ret_n = names->n;
    return 0;
}

static int check_root(struct plan_reader *r, const struct yaml_node *node, const struct said *said,
                      const struct plan_route *route)
{
    if (said->receiver.n == 0)
        return plan_reader_fault(r, node, "root route must specify a default receiver");
    if (route->matchers.n > 0)
        return plan_reader_fault(r, node, "root route must not have any matchers");
    if (said->mute.n > 0)
        return plan_reader_fault(r, node, "root route must not have any mute time intervals");
    if (said->active.n > 0)
        return plan_reader_fault(r, node, "root route must not have any active time intervals");
    if (said->go_on)
        return plan_reader_fault(r, node, "cannot have continue in root route");
    return 0;
}

static int check(struct plan_reader *r, const struct yaml_node *node, const struct said *said)
{
    const struct yaml_node *receiver = yaml_get(node, "receiver");
    if (said->group_interval_ms == 0)
        return plan_reader_fault(r, yaml_get(node, "group_interval"),
                                 "group_interval cannot be zero");
    if (said->repeat_interval_ms == 0)
        return plan_reader_fault(r, yaml_get(node, "repeat_interval"),
                                 "repeat_interval cannot be zero");
    if (said->receiver.n > 0 && map_get(&r->receivers, said->receiver) == NULL)
        return plan_reader_fault(r, receiver, "undefined receiver \"" STR_FMT "\" used in route",
                                 STR_ARG(said->receiver));
    return 0;
}

static void take(const struct said *said, struct plan_route *ret)
{
    if (said->receiver.n > 0)
        ret->receiver = said->receiver;
    if (said->group_wait_ms >= 0)
        ret->group_wait_ms = said->group_wait_ms;
    if (said->group_interval_ms >= 0)
        ret->group_interval_ms = said->group_interval_ms;
    if (said->repeat_interval_ms >= 0)
        ret->repeat_interval_ms = said->repeat_interval_ms;
    ret->go_on = said->go_on;
}

static int read_fields(struct plan_reader *r, const struct yaml_node *node,
                       const struct plan_route *parent, struct plan_route *ret)
{
    struct said said = {.group_wait_ms = -1, .group_interval_ms = -1, .repeat_interval_ms = -1};
    int err = yaml_struct_read(node, &SHAPE, r->a, &said, &r->place, r->why);
    if (err == 0)
        err = plan_reader_matchers(r, node, "matchers", "match", "match_re", &ret->matchers);
    if (err == 0)
        err = read_group_by(r, yaml_get(node, "group_by"), &said.group_by, ret);
    if (err == 0 && parent == NULL)
        err = check_root(r, node, &said, ret);
    if (err == 0)
        err = check(r, node, &said);
    if (err == 0)
        err = read_intervals(r, yaml_get(node, "mute_time_intervals"), &said.mute, &ret->mute,
                             &ret->mute_n);
    if (err == 0)
        err = read_intervals(r, yaml_get(node, "active_time_intervals"), &said.active, &ret->active,
                             &ret->active_n);
    if (err == 0)
        take(&said, ret);
    return err;
}

/* Depth is that of the YAML, which is bounded. place: among siblings. */
static int read_route(struct plan_reader *r, const struct yaml_node *node,
                      const struct plan_route *parent, const struct plan_route *siblings,
                      size_t place, struct plan_route *ret)
{
    struct plan_route own = parent == NULL ? DEFAULTS : *parent;
    own.matchers = (struct matcher_list){0};
    own.mute = own.active = NULL;
    own.mute_n = own.active_n = own.routes_n = 0;
    own.routes = NULL;
    if (++r->routes > PLAN_ROUTES_MAX)
        return plan_reader_fault(r, node, "more than %d routes", PLAN_ROUTES_MAX);
    if (yaml_is_null(node))
        return plan_reader_fault(r, node, "a route is empty");
    int err = read_fields(r, node, parent, &own);
    if (err != 0)
        return err;
    name_route(r, parent, siblings, place, &own);
    const struct yaml_node *list = yaml_get(node, "routes");
    err = plan_reader_at(r, list, yaml_expect(list, YAML_SEQUENCE, "[]*config.Route", r->why));
    size_t n = err != 0 || yaml_is_null(list) ? 0 : list->n;
    struct plan_route *children = arena_array(r->a, n + 1, sizeof *children);
    for (size_t i = 0; i < n && err == 0; i++)
        err = read_route(r, list->members[i].value, &own, children, i, &children[i]);
    own.routes = children;
    own.routes_n = n;
    *ret = own;
    return err;
}

/* ---- rows [[notify]] */

static const struct str ALERTNAME[] = {{"alertname", 9}};

/* One route for each row; beside a file only for those that say what fits. */
int plan_route_rows(struct plan_reader *r, struct plan_route **ret, size_t *ret_n)
{
    const struct option_rows *rows = r->source->notify;
    size_t all = rows == NULL ? 0 : rows->n, n = 0;
    bool beside = r->source->yaml.n > 0;
    struct plan_route *v = arena_array(r->a, all + 1, sizeof *v);
    for (size_t i = 0; i < all; i++) {
        const struct notify_row *row = &((const struct notify_row *)rows->v)[i];
        struct plan_route route = DEFAULTS;
        if (beside && row->match.n == 0)
            continue;
        route.receiver = str_c(row->name[0] != '\0' ? row->name : row->kind);
        int err = plan_reader_list(r, &row->match, &route.matchers);
        if (err != 0) {
            why_prefix(r->why, "[[notify]] " STR_FMT ": match", STR_ARG(route.receiver));
            return err;
        }
        route.group_by = ALERTNAME;
        route.group_by_n = COUNTOF(ALERTNAME);
        route.go_on = true;
        route.beside = beside;
        route.key = arena_printf(r->a, "{}/" STR_FMT, STR_ARG(printed(r, &route.matchers)));
        route.id = arena_printf(r->a, "{}/notify:" STR_FMT, STR_ARG(route.receiver));
        v[n++] = route;
    }
    *ret = v;
    *ret_n = n;
    return 0;
}

/* ---- all of it */

/* Without a file: what no row fits is told to nobody. */
static int root_of_rows(struct plan_reader *r, struct plan_route *ret)
{
    struct plan_receiver nobody = {STR("none"), NULL, 0};
    *ret = DEFAULTS;
    bool fresh;
    map_put(&r->receivers, nobody.name, &fresh);
    if (!fresh)
        return why_set(r->why, ERR_FORMAT, "[[notify]]: the name \"none\" is taken");
    vec_push(&r->list, nobody);
    ret->receiver = nobody.name;
    ret->group_by = ALERTNAME;
    ret->group_by_n = COUNTOF(ALERTNAME);
    ret->key = ret->id = STR("{}");
    return 0;
}

int plan_route_read(struct plan_reader *r, const struct yaml_node *node)
{
    struct plan_route *root = arena_new(r->a, sizeof *root), *rows;
    size_t rows_n;
    int err = 0;
    if (r->source->yaml.n == 0)
        err = root_of_rows(r, root);
    else if (yaml_is_null(node))
        err = plan_reader_fault(r, NULL, "no routes provided");
    else
        err = read_route(r, node, NULL, NULL, 0, root);
    if (err == 0)
        err = plan_route_rows(r, &rows, &rows_n);
    if (err != 0)
        return err;
    struct plan_route *children = arena_array(r->a, root->routes_n + rows_n + 1, sizeof *children);
    if (root->routes_n > 0)
        memcpy(children, root->routes, root->routes_n * sizeof *children);
    if (rows_n > 0)
        memcpy(children + root->routes_n, rows, rows_n * sizeof *children);
    root->routes = children;
    root->routes_n += rows_n;
    r->whole->p.root = root;
    return 0;
}
