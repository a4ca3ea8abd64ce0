#include "tool/check_prometheus.h"

#include <string.h>
#include <unistd.h>

#include "base/vec.h"
#include "discover/group_list.h"
#include "os/file.h"
#include "promfile/http/http_client.h"
#include "promfile/promfile.h"
#include "tool/arguments.h"

enum { PROBLEMS_MAX = 4 << 20 /* bytes */ };

/* One check of one file. */
struct check {
    const struct check_rules_options *options;
    FILE *out, *faults;
    struct arena arena;
    const char *where; /* whose files they are */
    bool failed, lint;
};

bool check_prometheus_named(const char *path)
{
    struct str s = str_c(path);
    return str_ends(s, STR(".yml")) || str_ends(s, STR(".yaml"));
}

static void fail(struct check *c, const char *where, const char *text)
{
    if (!c->failed)
        fprintf(c->faults, "  FAILED:\n");
    fprintf(c->faults, "%s%s%s\n", where, where[0] ? ": " : "", text);
    c->failed = true;
}

/* The files that a pattern names now; a path without wildcards has to be there. */
static size_t paths_of(struct check *c, struct str pattern, struct str **ret)
{
    struct why why = {0};
    size_t n = 0;
    if (file_glob(pattern.p, &c->arena, ret, &n, &why) != 0)
        fail(c, "", why.text);
    else if (n == 0 && strpbrk(pattern.p, "*?[") == NULL)
        fail(c, pattern.p, "there is no such file");
    return n;
}

/* ---- files that requests and discoveries need */

static void look_for(void *context, struct str path)
{
    struct check *c = context;
    struct str text = arena_str(&c->arena, path);
    if (access(text.p, R_OK) != 0)
        fail(c, c->where,
             arena_printf(&c->arena, "%s: there is no such file that can be read", text.p).p);
}

static void check_targets(struct check *c, struct str path)
{
    struct buf text;
    struct groups groups;
    struct why why = {0};
    buf_init(&text, YAML_SIZE_MAX);
    groups_init(&groups);
    int err = file_read(path.p, &text, &why);
    if (err == 0)
        err = (str_ends(path, STR(".json")) ? group_list_json : group_list_yaml)(
            buf_str(&text), &groups, STR("__meta_filepath"), path, &why);
    if (err != 0)
        fail(c, path.p, why.text);
    groups_done(&groups);
    buf_done(&text);
}

static void look_at_targets(void *context, struct str pattern)
{
    struct check *c = context;
    struct str *paths, text = arena_str(&c->arena, pattern);
    size_t n = 0;
    struct why why = {0};
    if (file_glob(text.p, &c->arena, &paths, &n, &why) == 0 && n == 0)
        fprintf(c->out, "  WARNING: %s: %s names no file now\n", c->where, text.p);
    for (size_t i = 0; i < n; i++)
        check_targets(c, paths[i]);
}

static void check_files(struct check *c, const struct promfile *p)
{
    for (size_t i = 0; i < p->scrapes_n; i++) {
        const struct promfile_scrape *s = &p->scrapes[i];
        c->where = arena_printf(&c->arena, "scrape config \"" STR_FMT "\"", STR_ARG(s->job)).p;
        http_client_files(&s->http, look_for, c);
        for (size_t k = 0; k < s->discoveries_n; k++) {
            const struct discovery_config *d = &s->discoveries[k];
            bool file = strcmp(d->ops->name, "file") == 0;
            http_client_files(&d->http, look_for, c);
            if (d->ops->files != NULL)
                d->ops->files(d, file ? look_at_targets : look_for, c);
        }
    }
    for (size_t i = 0; i < p->remote_writes_n; i++) {
        const struct promfile_remote_write *w = &p->remote_writes[i];
        c->where = arena_printf(&c->arena, "remote write to " STR_FMT, STR_ARG(w->url)).p;
        http_client_files(&w->http, look_for, c);
    }
}

/* ---- all of it */

struct rule_paths {
    struct str *v;
    size_t n, capacity;
};

static void find_rules(struct check *c, const struct promfile *p, struct rule_paths *ret)
{
    for (size_t i = 0; i < p->rule_files_n; i++) {
        struct str *paths;
        size_t n = paths_of(c, p->rule_files[i], &paths);
        for (size_t k = 0; k < n; k++)
            vec_push(ret, paths[k]);
    }
}

static void check_whole(struct check *c, const char *path, const struct promfile *p)
{
    struct rule_paths rules = {0};
    find_rules(c, p, &rules);
    check_files(c, p);
    for (size_t i = 0; i < p->ignored_n; i++)
        fprintf(c->out, "  NOTE: " STR_FMT "\n", STR_ARG(p->ignored[i]));
    if (!c->failed)
        fprintf(c->out,
                "  SUCCESS: %s is well-formed: %zu scrape configs, %zu remote writes, %zu rule "
                "files\n",
                path, p->scrapes_n, p->remote_writes_n, rules.n);
    fprintf(c->out, "\n");
    for (size_t i = 0; i < rules.n; i++) {
        int status = check_rules_file(rules.v[i].p, c->options, c->out, c->faults);
        c->failed = c->failed || status == 1;
        c->lint = c->lint || status == CHECK_RULES_LINT;
    }
    vec_free(&rules);
}

int check_prometheus_file(const char *path, const struct check_rules_options *options, FILE *out,
                          FILE *faults)
{
    struct check c = {.options = options, .out = out, .faults = faults};
    struct promfile *p;
    struct buf problems;
    buf_init(&problems, PROBLEMS_MAX);
    arena_init(&c.arena);
    fprintf(out, "Checking %s\n", path);
    fflush(out);
    if (promfile_read_file(path, &p, &problems) == 0) {
        check_whole(&c, path, p);
        promfile_free(p);
    } else {
        fprintf(faults, "  FAILED:\n" STR_FMT "\n", STR_ARG(buf_str(&problems)));
        c.failed = true;
    }
    arena_done(&c.arena);
    buf_done(&problems);
    return c.failed ? 1 : c.lint && options->lint_fatal ? CHECK_RULES_LINT : 0;
}

int check_prometheus_run(int argc, char **argv)
{
    return check_rules_each("prometheus", check_prometheus_file, argc, argv);
}
