#include "promfile/promfile.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "os/file.h"
#include "promfile/http/http_client.h"
#include "promfile/promfile_reader.h"

enum { FILES_MAX = 10000 };

static struct str folder_of(struct arena *a, struct str path)
{
    size_t end = path.n;
    while (end > 0 && path.p[end - 1] != '/')
        end--;
    return end == 0 ? STR(".") : arena_str(a, str_sub(path, 0, MAX(end - 1, (size_t)1)));
}

/* A * stands in the last part of a path alone. */
static bool is_pattern(struct str path)
{
    size_t star = str_find(path, '*');
    return star == path.n || str_find(str_sub(path, star, path.n), '/') == path.n - star;
}

static void read_paths(struct promfile_reader *r, const struct yaml_node *root, const char *key,
                       const char *what, const struct str **ret, size_t *ret_n)
{
    const struct yaml_node *list = yaml_get(root, key);
    struct why why;
    if (yaml_expect(list, YAML_SEQUENCE, "[]string", &why) != 0) {
        promfile_reader_fault(r, list->place, "%s", why.text);
        return;
    }
    size_t n = yaml_is_null(list) ? 0 : list->n;
    struct str *paths = arena_array(r->a, n + 1, sizeof *paths);
    for (size_t i = 0; i < n; i++) {
        const struct yaml_node *node = list->members[i].value;
        struct str path = STR("");
        if (yaml_text(node, &path, &why) != 0)
            promfile_reader_fault(r, node->place, "%s", why.text);
        else if (!is_pattern(path))
            promfile_reader_fault(r, node->place, "invalid %s file path \"" STR_FMT "\"", what,
                                  STR_ARG(path));
        paths[i] = promfile_reader_path(r, path);
    }
    *ret = paths;
    *ret_n = n;
}

static void check_keys(struct promfile_reader *r, const struct yaml_node *root,
                       const char *const *known, size_t n)
{
    const struct yaml_member *m;
    struct why why;
    size_t at = 0;
    if (yaml_expect(root, YAML_MAP, "config.plain", &why) != 0)
        promfile_reader_fault(r, root->place, "%s", why.text);
    while ((m = yaml_unknown(root, known, n, &at)) != NULL)
        promfile_reader_fault(r, m->key->place, "field " STR_FMT " not found in type config.plain",
                              STR_ARG(m->key->text));
}

/* NULL after a fault. */
static const struct yaml_node *parse(struct promfile_reader *r, struct str text)
{
    const struct yaml_node *root = NULL;
    struct yaml_place place = {1, 1};
    struct why why = {0};
    if (yaml_parse(text, r->a, &root, &place, &why) != 0)
        promfile_reader_fault(r, place, "%s", why.text);
    return root;
}

/* ---- scrape_config_files */

static void read_included(struct promfile_reader *r, struct str path)
{
    static const char *const KEYS[] = {"scrape_configs"};
    struct str main_path = r->path, main_folder = r->folder;
    struct buf text;
    struct why why = {0};
    buf_init(&text, YAML_SIZE_MAX);
    r->path = path;
    r->folder = folder_of(r->a, path);
    if (file_read(path.p, &text, &why) != 0) {
        promfile_reader_fault(r, (struct yaml_place){1, 1}, "%s", why.text);
    } else {
        const struct yaml_node *root = parse(r, arena_str(r->a, buf_str(&text)));
        check_keys(r, root, KEYS, COUNTOF(KEYS));
        promfile_scrape_read(r, yaml_get(root, "scrape_configs"));
    }
    r->path = main_path;
    r->folder = main_folder;
    buf_done(&text);
}

static void read_all_included(struct promfile_reader *r, const struct yaml_node *root)
{
    const struct yaml_node *list = yaml_get(root, "scrape_config_files");
    const struct promfile *p = &r->whole->p;
    size_t left = FILES_MAX;
    r->included = true;
    for (size_t i = 0; i < p->scrape_config_files_n; i++) {
        struct str *paths;
        size_t n;
        struct why why = {0};
        if (file_glob(p->scrape_config_files[i].p, r->a, &paths, &n, &why) != 0) {
            promfile_reader_fault(r, list->members[i].value->place, "%s", why.text);
            continue;
        }
        for (size_t k = 0; k < n && left > 0; k++, left--) {
            size_t faults = r->problems_n, scrapes = r->scrapes.n;
            read_included(r, paths[k]);
            if (!r->lenient || r->problems_n == faults)
                continue;
            r->problems_n = faults;
            r->scrapes.n = scrapes;
        }
    }
    if (left == 0)
        promfile_reader_fault(r, list->place, "more than %d scrape config files", FILES_MAX);
}

/* ---- all of it */

static void read_root(struct promfile_reader *r, struct str text)
{
    static const char *const KEYS[] = {"global",
                                       "runtime",
                                       "alerting",
                                       "rule_files",
                                       "scrape_config_files",
                                       "scrape_configs",
                                       "storage",
                                       "tracing",
                                       "remote_write",
                                       "remote_read",
                                       "otlp"};
    struct promfile *p = &r->whole->p;
    const struct yaml_node *root = parse(r, arena_str(r->a, text));
    if (root && root->type != YAML_MAP && !yaml_is_null(root)) {
        check_keys(r, root, KEYS, COUNTOF(KEYS));
        return;
    }
    check_keys(r, root, KEYS, COUNTOF(KEYS));
    promfile_global_read(r, yaml_get(root, "global"));
    read_paths(r, root, "rule_files", "rule", &p->rule_files, &p->rule_files_n);
    read_paths(r, root, "scrape_config_files", "scrape config", &p->scrape_config_files,
               &p->scrape_config_files_n);
    promfile_scrape_read(r, yaml_get(root, "scrape_configs"));
    promfile_remote_read(r, root);
    promfile_rest_read(r, root);
    if (r->problems_n == 0)
        p->yaml = promfile_yaml(r, root);
    read_all_included(r, root);
}

#define TAKE(r, member, vec)                                                                       \
    do {                                                                                           \
        void *v_ = arena_array((r)->a, (vec)->n + 1, sizeof *(vec)->v);                            \
        if ((vec)->n > 0)                                                                          \
            memcpy(v_, (vec)->v, (vec)->n * sizeof *(vec)->v);                                     \
        (r)->whole->p.member = v_;                                                                 \
        (r)->whole->p.member##_n = (vec)->n;                                                       \
        vec_free(vec);                                                                             \
    } while (0)

static int read_any(struct str text, struct str path, bool lenient, struct promfile **ret,
                    struct buf *problems)
{
    struct promfile_whole *whole = mem_new(sizeof *whole);
    struct promfile_reader r = {
        .whole = whole, .a = &whole->arena, .lenient = lenient, .problems = problems};
    arena_init(&whole->arena);
    map_init(&r.jobs, 0);
    r.path = arena_str(r.a, path);
    r.folder = folder_of(r.a, path);
    read_root(&r, text);
    if (r.problems_n > PROMFILE_PROBLEMS_MAX)
        buf_printf(problems, STR_FMT ": and %zu more\n", STR_ARG(r.path),
                   r.problems_n - PROMFILE_PROBLEMS_MAX);
    TAKE(&r, scrapes, &r.scrapes);
    TAKE(&r, remote_writes, &r.remote_writes);
    TAKE(&r, alertmanagers, &r.alertmanagers);
    TAKE(&r, ignored, &r.ignored);
    map_done(&r.jobs);
    if (r.problems_n > 0) {
        promfile_free(&whole->p);
        return -ERR_FORMAT;
    }
    *ret = &whole->p;
    return 0;
}

int promfile_read(struct str text, struct str path, struct promfile **ret, struct buf *problems)
{
    return read_any(text, path, false, ret, problems);
}

int promfile_read_lenient(struct str text, struct str path, struct promfile **ret,
                          struct buf *problems)
{
    return read_any(text, path, true, ret, problems);
}

int promfile_read_file(const char *path, struct promfile **ret, struct buf *problems)
{
    struct buf text;
    struct why why = {0};
    buf_init(&text, YAML_SIZE_MAX);
    int err = file_read(path, &text, &why);
    if (err != 0)
        buf_printf(problems, "%s\n", why.text);
    else
        err = promfile_read(buf_str(&text), str_c(path), ret, problems);
    buf_done(&text);
    return err;
}

void promfile_free(struct promfile *p)
{
    if (!p)
        return;
    struct promfile_whole *whole = (struct promfile_whole *)p;
    for (size_t i = 0; i < whole->relabels.n; i++)
        relabel_free(whole->relabels.v[i]);
    vec_free(&whole->relabels);
    arena_done(&whole->arena);
    mem_free(whole);
}

static void discovery_files(const struct discovery_config *v, size_t n,
                            void (*f)(void *context, struct str path), void *context)
{
    for (size_t i = 0; i < n; i++) {
        if (!v[i].ops->start)
            continue;
        http_client_files(&v[i].http, f, context);
        if (v[i].ops->files)
            v[i].ops->files(&v[i], f, context);
    }
}

void promfile_files(const struct promfile *p, void (*f)(void *context, struct str path),
                    void *context)
{
    for (size_t i = 0; i < p->rule_files_n; i++)
        f(context, p->rule_files[i]);
    for (size_t i = 0; i < p->scrape_config_files_n; i++)
        f(context, p->scrape_config_files[i]);
    for (size_t i = 0; i < p->scrapes_n; i++) {
        const struct promfile_scrape *s = &p->scrapes[i];
        http_client_files(&s->http, f, context);
        discovery_files(s->discoveries, s->discoveries_n, f, context);
    }
    for (size_t i = 0; i < p->alertmanagers_n; i++) {
        const struct promfile_alertmanager *m = &p->alertmanagers[i];
        http_client_files(&m->http, f, context);
        discovery_files(m->discoveries, m->discoveries_n, f, context);
    }
    for (size_t i = 0; i < p->remote_writes_n; i++)
        http_client_files(&p->remote_writes[i].http, f, context);
}
