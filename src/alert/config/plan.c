#include "alert/config/plan_reader.h"

#include <stdlib.h>
#include <stdarg.h>
#include <stdio.h>

#include "model/labels.h"
#include "notify/wording.h"
#include "os/file.h"
#include "promfile/http/http_client.h"

enum { TEMPLATE_FILES_MAX = 10000, FAULT_MAX = 400 };

/* ---- what is wrong */

int plan_reader_fault(struct plan_reader *r, const struct yaml_node *node, const char *format, ...)
{
    char text[FAULT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    why_set(r->why, ERR_FORMAT, "%s", text);
    return plan_reader_at(r, node, -ERR_FORMAT);
}

int plan_reader_at(struct plan_reader *r, const struct yaml_node *node, int err)
{
    if (err != 0)
        r->place = node == NULL ? (struct yaml_place){0} : node->place;
    return err;
}

void plan_reader_ignored(struct plan_reader *r, struct str text)
{
    for (size_t i = 0; i < r->ignored.n; i++)
        if (str_eq(r->ignored.v[i], text))
            return;
    struct str copy = arena_str(r->a, text);
    vec_push(&r->ignored, copy);
}

struct str plan_reader_path(struct plan_reader *r, struct str path)
{
    if (path.n == 0 || path.p[0] == '/' || str_eq(r->folder, STR(".")))
        return path;
    return arena_printf(r->a, STR_FMT "%s" STR_FMT, STR_ARG(r->folder),
                        str_eq(r->folder, STR("/")) ? "" : "/", STR_ARG(path));
}

/* ---- matchers */

static int add_pairs(struct plan_reader *r, const struct yaml_node *map, enum matcher_op op,
                     struct matcher_list *list)
{
    int err = yaml_expect(map, YAML_MAP, "map[string]string", r->why);
    if (err != 0)
        return plan_reader_at(r, map, err);
    for (size_t i = 0; !yaml_is_null(map) && i < map->n; i++) {
        const struct yaml_member *m = &map->members[i];
        struct str value = STR("");
        if (!label_name_plain(m->key->text))
            return plan_reader_fault(r, m->key, "invalid label name \"" STR_FMT "\"",
                                     STR_ARG(m->key->text));
        err = yaml_text(m->value, &value, r->why);
        if (err == 0)
            err = matcher_add(m->key->text, op, value, r->a, list, r->why);
        if (err != 0)
            return plan_reader_at(r, m->value, err);
    }
    return 0;
}

static int add_texts(struct plan_reader *r, const struct yaml_node *seq, struct matcher_list *list)
{
    int err = yaml_expect(seq, YAML_SEQUENCE, "[]string", r->why);
    if (err != 0)
        return plan_reader_at(r, seq, err);
    for (size_t i = 0; !yaml_is_null(seq) && i < seq->n; i++) {
        const struct yaml_node *node = seq->members[i].value;
        struct str text = STR("");
        err = yaml_text(node, &text, r->why);
        if (err == 0)
            err = matcher_parse(text, r->a, list, r->why);
        if (err != 0)
            return plan_reader_at(r, node, err);
    }
    return 0;
}

int plan_reader_matchers(struct plan_reader *r, const struct yaml_node *map, const char *matchers,
                         const char *match, const char *match_re, struct matcher_list *ret)
{
    struct matcher_list list = {0};
    int err = add_texts(r, yaml_get(map, matchers), &list);
    if (err == 0)
        err = add_pairs(r, yaml_get(map, match), MATCHER_EQUAL, &list);
    if (err == 0)
        err = add_pairs(r, yaml_get(map, match_re), MATCHER_REGEX, &list);
    vec_push(&r->whole->matchers, list);
    *ret = list;
    return err;
}

int plan_reader_list(struct plan_reader *r, const struct option_list *texts,
                     struct matcher_list *ret)
{
    struct matcher_list list = {0};
    int err = 0;
    for (size_t i = 0; i < texts->n && err == 0; i++)
        err = matcher_parse(str_c(texts->v[i]), r->a, &list, r->why);
    vec_push(&r->whole->matchers, list);
    *ret = list;
    return err;
}

/* ---- time intervals */

static int read_interval(struct plan_reader *r, const struct yaml_node *node, const char *what,
                         struct interval *ret, size_t place)
{
    static const char *const KEYS[] = {"name", "time_intervals"};
    bool fresh;
    size_t at = 0;
    int err = yaml_expect(node, YAML_MAP, "config.plain", r->why);
    if (err != 0 || yaml_is_null(node))
        return err != 0 ? plan_reader_at(r, node, err)
                        : plan_reader_fault(r, node, "missing name in %s", what);
    const struct yaml_member *unknown = yaml_unknown(node, KEYS, COUNTOF(KEYS), &at);
    if (unknown != NULL)
        return plan_reader_fault(r, unknown->key,
                                 "field " STR_FMT " not found in type config.plain",
                                 STR_ARG(unknown->key->text));
    ret->name = STR("");
    err = yaml_text(yaml_get(node, "name"), &ret->name, r->why);
    if (err != 0)
        return plan_reader_at(r, yaml_get(node, "name"), err);
    err = interval_read(yaml_get(node, "time_intervals"), r->a, ret, &r->place, r->why);
    if (err != 0)
        return err;
    if (ret->name.n == 0)
        return plan_reader_fault(r, node, "missing name in %s", what);
    map_put(&r->intervals, ret->name, &fresh)->u = place;
    return fresh ? 0
                 : plan_reader_fault(r, node, "%s \"" STR_FMT "\" is not unique", what,
                                     STR_ARG(ret->name));
}

static int read_intervals(struct plan_reader *r, const struct yaml_node *root)
{
    static const struct {
        const char *key, *what;
    } BOTH[] = {{"mute_time_intervals", "mute time interval"}, {"time_intervals", "time interval"}};
    struct interval *all = NULL;
    size_t n = 0, at = 0;
    for (size_t i = 0; i < COUNTOF(BOTH); i++) {
        const struct yaml_node *list = yaml_get(root, BOTH[i].key);
        int err = yaml_expect(list, YAML_SEQUENCE, "[]config.TimeInterval", r->why);
        if (err != 0)
            return plan_reader_at(r, list, err);
        n += yaml_is_null(list) ? 0 : list->n;
    }
    r->whole->p.intervals = all = arena_array(r->a, n + 1, sizeof *all);
    for (size_t i = 0; i < COUNTOF(BOTH); i++) {
        const struct yaml_node *list = yaml_get(root, BOTH[i].key);
        for (size_t k = 0; !yaml_is_null(list) && k < list->n; k++, at++) {
            int err = read_interval(r, list->members[k].value, BOTH[i].what, &all[at], at);
            if (err != 0)
                return err;
        }
    }
    r->whole->p.intervals_n = n;
    return 0;
}

/* ---- inhibition */

struct inhibit_said {
    struct str name;
    struct yaml_struct_texts equal;
};

static const struct yaml_struct_field INHIBIT_FIELDS[] = {
    {"name", YAML_STRUCT_TEXT, offsetof(struct inhibit_said, name)},
    {"equal", YAML_STRUCT_TEXTS, offsetof(struct inhibit_said, equal)},
    {"source_match", YAML_STRUCT_ELSE, 0},
    {"source_match_re", YAML_STRUCT_ELSE, 0},
    {"source_matchers", YAML_STRUCT_ELSE, 0},
    {"target_match", YAML_STRUCT_ELSE, 0},
    {"target_match_re", YAML_STRUCT_ELSE, 0},
    {"target_matchers", YAML_STRUCT_ELSE, 0},
};
static const struct yaml_struct INHIBIT_SHAPE = {"config.plain", INHIBIT_FIELDS,
                                                 COUNTOF(INHIBIT_FIELDS), NULL};

static int read_inhibit(struct plan_reader *r, const struct yaml_node *node,
                        struct plan_inhibit *ret)
{
    struct inhibit_said said = {.name = STR("")};
    int err = yaml_struct_read(node, &INHIBIT_SHAPE, r->a, &said, &r->place, r->why);
    if (err == 0)
        err = plan_reader_matchers(r, node, "source_matchers", "source_match", "source_match_re",
                                   &ret->source);
    if (err == 0)
        err = plan_reader_matchers(r, node, "target_matchers", "target_match", "target_match_re",
                                   &ret->target);
    for (size_t i = 0; i < said.equal.n && err == 0; i++)
        if (said.equal.v[i].n == 0 || !str_utf8(said.equal.v[i]))
            err = plan_reader_fault(r, yaml_get(node, "equal"),
                                    "\"" STR_FMT "\" is not a valid label name",
                                    STR_ARG(said.equal.v[i]));
    ret->name = said.name;
    ret->equal = said.equal.v;
    ret->equal_n = said.equal.n;
    return err;
}

static int read_inhibits(struct plan_reader *r, const struct yaml_node *list)
{
    int err = yaml_expect(list, YAML_SEQUENCE, "[]config.InhibitRule", r->why);
    size_t n = err != 0 || yaml_is_null(list) ? 0 : list->n;
    struct plan_inhibit *all = arena_array(r->a, n + 1, sizeof *all);
    err = plan_reader_at(r, list, err);
    for (size_t i = 0; i < n && err == 0; i++)
        err = read_inhibit(r, list->members[i].value, &all[i]);
    r->whole->p.inhibits = all;
    r->whole->p.inhibits_n = n;
    return err;
}

/* ---- templates */

static int add_template(struct plan_reader *r, struct template_set *set, struct str path)
{
    struct buf text;
    size_t slash = path.n;
    while (slash > 0 && path.p[slash - 1] != '/')
        slash--;
    buf_init(&text, TEMPLATE_SOURCE_MAX);
    int err = file_read(path.p, &text, r->why);
    if (err == 0)
        err = wording_add(set, buf_str(&text), str_sub(path, slash, path.n), r->why);
    buf_done(&text);
    return err;
}

static int read_templates(struct plan_reader *r, const struct yaml_node *list)
{
    struct yaml_struct_texts *t = &r->whole->templates;
    struct template_set *set = wording_set_new(r->a);
    int err = yaml_expect(list, YAML_SEQUENCE, "[]string", r->why);
    size_t n = err != 0 || yaml_is_null(list) ? 0 : list->n, files = 0;
    struct str *patterns = arena_array(r->a, n + 1, sizeof *patterns);
    for (size_t i = 0; i < n && err == 0; i++) {
        const struct yaml_node *node = list->members[i].value;
        struct str *paths;
        size_t paths_n = 0;
        patterns[i] = STR("");
        err = yaml_text(node, &patterns[i], r->why);
        patterns[i] = plan_reader_path(r, patterns[i]);
        if (err == 0 && patterns[i].n > 0)
            err = file_glob(patterns[i].p, r->a, &paths, &paths_n, r->why);
        for (size_t k = 0; k < paths_n && err == 0; k++) {
            err = ++files > TEMPLATE_FILES_MAX
                      ? why_set(r->why, ERR_LIMIT, "more than %d files", TEMPLATE_FILES_MAX)
                      : add_template(r, set, paths[k]);
            if (err != 0 && r->source->again) {
                plan_reader_ignored(r, str_c(r->why->text));
                err = 0;
            }
        }
        err = plan_reader_at(r, node, err);
    }
    *t = (struct yaml_struct_texts){patterns, n};
    r->whole->p.templates = set;
    return err == 0 || n > 0 ? err : plan_reader_at(r, list, err);
}

/* ---- all of it */

static int check_keys(struct plan_reader *r, const struct yaml_node *root)
{
    static const char *const KEYS[] = {"global",         "templates", "route",
                                       "inhibit_rules",  "receivers", "mute_time_intervals",
                                       "time_intervals", "tracing"};
    size_t at = 0;
    int err = yaml_expect(root, YAML_MAP, "config.plain", r->why);
    if (err != 0)
        return plan_reader_at(r, root, err);
    const struct yaml_member *m = yaml_unknown(root, KEYS, COUNTOF(KEYS), &at);
    if (m != NULL)
        return plan_reader_fault(r, m->key, "field " STR_FMT " not found in type config.plain",
                                 STR_ARG(m->key->text));
    if (!yaml_is_null(yaml_get(root, "tracing")))
        plan_reader_ignored(r, STR("tracing has no effect here"));
    return 0;
}

static int compare_receivers(const void *a, const void *b)
{
    return str_cmp(((const struct plan_receiver *)a)->name,
                   ((const struct plan_receiver *)b)->name);
}

static int read_root(struct plan_reader *r, const struct yaml_node *root)
{
    int err = check_keys(r, root);
    if (err == 0)
        err = plan_global_read(r, yaml_get(root, "global"));
    if (err == 0)
        err = plan_receiver_read(r, yaml_get(root, "receivers"));
    if (err == 0)
        err = plan_receiver_rows(r);
    if (err == 0)
        err = read_intervals(r, root);
    if (err == 0)
        err = plan_route_read(r, yaml_get(root, "route"));
    if (err == 0)
        err = read_inhibits(r, yaml_get(root, "inhibit_rules"));
    if (err == 0)
        err = read_templates(r, yaml_get(root, "templates"));
    return err == 0 ? plan_escalation_read(r) : err;
}

/* Into the plan, sorted by name. */
static void take_lists(struct plan_reader *r)
{
    struct plan *p = &r->whole->p;
    struct plan_receiver *receivers = arena_array(r->a, r->list.n + 1, sizeof *receivers);
    struct str *ignored = arena_array(r->a, r->ignored.n + 1, sizeof *ignored);
    if (r->list.n > 0)
        memcpy(receivers, r->list.v, r->list.n * sizeof *receivers);
    if (r->ignored.n > 0)
        memcpy(ignored, r->ignored.v, r->ignored.n * sizeof *ignored);
    qsort(receivers, r->list.n, sizeof *receivers, compare_receivers);
    p->receivers = receivers;
    p->receivers_n = r->list.n;
    p->ignored = ignored;
    p->ignored_n = r->ignored.n;
}

static struct str folder_of(struct arena *a, const char *path)
{
    struct str s = str_c(path);
    size_t end = s.n;
    while (end > 0 && s.p[end - 1] != '/')
        end--;
    return arena_str(a, end == 0 ? STR(".") : str_sub(s, 0, MAX(end - 1, (size_t)1)));
}

static int read_any(struct plan_reader *r)
{
    const struct yaml_node *root = NULL;
    struct plan *p = &r->whole->p;
    struct str text = arena_str(r->a, r->source->yaml);
    int err = text.n == 0 ? 0 : yaml_parse(text, r->a, &root, &r->place, r->why);
    if (err == 0 && text.n > 0 && yaml_is_null(root))
        err = plan_reader_fault(r, NULL, "no route provided in config");
    if (err == 0)
        err = read_root(r, root);
    if (err != 0)
        return err;
    const char *url = r->source->settings->external_url;
    if (url[0] == '\0')
        url = r->source->external_url == NULL ? "" : r->source->external_url;
    p->external_url = arena_str(r->a, str_c(url));
    p->text = plan_text(r, root);
    p->settings = r->source->settings;
    take_lists(r);
    return 0;
}

int plan_read(const struct plan_source *source, struct plan **ret, struct why *why)
{
    struct plan_whole *whole = mem_new(sizeof *whole);
    struct why own = {0};
    struct plan_reader r = {.whole = whole, .a = &whole->p.arena, .source = source, .why = &own};
    arena_init(&whole->p.arena);
    map_init(&r.receivers, 0);
    map_init(&r.intervals, 0);
    r.folder = folder_of(r.a, source->file == NULL ? "" : source->file);
    int err = read_any(&r);
    map_done(&r.receivers);
    map_done(&r.intervals);
    vec_free(&r.list);
    vec_free(&r.ignored);
    if (err != 0) {
        plan_free(&whole->p);
        const char *file = source->file == NULL ? "" : source->file;
        if (source->yaml.n > 0 && r.place.line > 0)
            return why_set(why, (enum err) - err, "%s:%u:%u: %s", file, r.place.line,
                           r.place.column, own.text);
        if (source->yaml.n > 0 && own.text[0] != '[')
            return why_set(why, (enum err) - err, "%s: %s", file, own.text);
        return why_set(why, (enum err) - err, "%s", own.text);
    }
    *ret = &whole->p;
    return 0;
}

void plan_free(struct plan *p)
{
    if (p == NULL)
        return;
    struct plan_whole *whole = (struct plan_whole *)p;
    for (size_t i = 0; i < whole->matchers.n; i++)
        matcher_list_done(&whole->matchers.v[i]);
    vec_free(&whole->matchers);
    arena_done(&p->arena);
    mem_free(whole);
}

/* ---- asking */

struct found {
    const struct plan_route **v; /* [n], NULL where they are only counted */
    size_t n;
};

static void add(struct found *f, const struct plan_route *route)
{
    if (f->v != NULL)
        f->v[f->n] = route;
    f->n++;
}

/* Adds what fits at and below a route; false where it does not fit itself. */
static bool walk(const struct plan_route *route, struct str labels, struct found *f)
{
    if (!matcher_list_holds(&route->matchers, labels))
        return false;
    bool any = false, over = false;
    for (size_t i = 0; i < route->routes_n && !over; i++) {
        const struct plan_route *child = &route->routes[i];
        if (child->beside || !walk(child, labels, f))
            continue;
        any = true;
        over = !child->go_on;
    }
    if (!any)
        add(f, route);
    for (size_t i = 0; i < route->routes_n; i++)
        if (route->routes[i].beside)
            walk(&route->routes[i], labels, f);
    return true;
}

void plan_routes(const struct plan *p, struct str labels, struct arena *a,
                 const struct plan_route *const **ret, size_t *ret_n)
{
    struct found f = {0};
    walk(p->root, labels, &f);
    f.v = arena_array(a, f.n, sizeof(const struct plan_route *));
    f.n = 0;
    walk(p->root, labels, &f);
    *ret = f.v;
    *ret_n = f.n;
}

const struct plan_receiver *plan_receiver(const struct plan *p, struct str name)
{
    const struct plan_receiver wanted = {.name = name};
    return bsearch(&wanted, p->receivers, p->receivers_n, sizeof wanted, compare_receivers);
}

void plan_files(const struct plan *p, void (*f)(void *context, struct str path), void *context)
{
    const struct plan_whole *whole = (const struct plan_whole *)p;
    for (size_t i = 0; i < whole->templates.n; i++)
        f(context, whole->templates.v[i]);
    for (size_t i = 0; i < p->receivers_n; i++)
        for (size_t k = 0; k < p->receivers[i].n; k++)
            notifier_files(&p->receivers[i].integrations[k], f, context);
}

void plan_programs(const struct plan *p,
                   void (*f)(void *context, struct str name, const char *const *argv),
                   void *context)
{
    for (size_t i = 0; i < p->receivers_n; i++)
        for (size_t k = 0; k < p->receivers[i].n; k++) {
            const struct notify_integration *n = &p->receivers[i].integrations[k];
            if (n->program.n > 0)
                f(context, n->program, n->argv);
        }
}
