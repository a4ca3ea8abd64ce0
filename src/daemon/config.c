#include "daemon/config.h"

#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "daemon/listening.h"
#include "os/file.h"
#include "promfile/promfile_options.h"

/* ---- rules */

/* What stands in [rules] goes first; rule files are those of both. */
static void merge_rules(struct config *c)
{
    const struct promfile *p = c->promfile;
    struct rules_settings usual = {0}, *r = &c->rules;
    *r = *(const struct rules_settings *)conf_get(c->conf, &rules_options);
    if (p == NULL)
        return;
    option_defaults(&rules_options, &usual);
    size_t n = r->files.n;
    const char **files = arena_array(&c->arena, n + p->rule_files_n + 1, sizeof *files);
    for (size_t i = 0; i < n; i++)
        files[i] = r->files.v[i];
    for (size_t i = 0; i < p->rule_files_n; i++)
        files[n + i] = p->rule_files[i].p;
    r->files = (struct option_list){files, n + p->rule_files_n};
    r->external_key = p->external_labels;
    if (r->evaluation_interval_ms == usual.evaluation_interval_ms)
        r->evaluation_interval_ms = p->evaluation_interval_ms;
    if (r->query_offset_ms == usual.query_offset_ms)
        r->query_offset_ms = p->query_offset_ms;
}

/* ---- reading */

static const char *file_of(const struct conf *conf)
{
    const struct promfile_settings *s = conf_get(conf, &promfile_options);
    return s->config_file;
}

static const char *alert_file_of(const struct conf *conf)
{
    const struct plan_settings *s = conf_get(conf, &plan_options);
    return s->config_file;
}

/* Who is told of alerts; text is the Alertmanager file's. */
static int make_plan(struct config *c, struct str text, bool again, struct buf *problems)
{
    char url[LISTENING_URL_MAX];
    const char *file = alert_file_of(c->conf);
    struct why why = {0};
    listening_url(options_server(c->conf), url, sizeof url);
    struct plan_source source = {.yaml = text,
                                 .file = file[0] == '\0' ? NULL : file,
                                 .external_url = url,
                                 .settings = conf_get(c->conf, &plan_options),
                                 .notify = conf_rows(c->conf, &notify_row_options),
                                 .escalations = conf_rows(c->conf, &plan_escalation_options),
                                 .again = again};
    int err = plan_read(&source, &c->plan, &why);
    if (err != 0)
        buf_printf(problems, "%s\n", why.text);
    return err;
}

/* The texts of the files that a configuration names. */
struct texts {
    struct str promfile, alertmanager;
};

/* Takes over conf. */
static int make(struct conf *conf, const struct texts *texts, bool again, struct config **ret,
                struct buf *problems)
{
    struct config *c = mem_new(sizeof *c);
    const char *path = file_of(conf);
    int err = 0;
    arena_init(&c->arena);
    c->conf = conf;
    if (path[0] != '\0')
        err = (again ? promfile_read_lenient : promfile_read)(texts->promfile, str_c(path),
                                                              &c->promfile, problems);
    if (err == 0)
        err = make_plan(c, texts->alertmanager, again, problems);
    if (err != 0) {
        config_free(c);
        return err;
    }
    merge_rules(c);
    *ret = c;
    return 0;
}

/* Reads the file that a setting names, where it names one. */
static int read_named(const char *path, const char *setting, struct buf *out, struct buf *problems)
{
    struct why why = {0};
    buf_init(out, YAML_SIZE_MAX);
    int err = path[0] == '\0' ? 0 : file_read(path, out, &why);
    if (err == 0 && path[0] != '\0' && str_find(buf_str(out), '\0') < out->n)
        err = why_set(&why, ERR_FORMAT, "%s: it holds NUL characters", path);
    if (err == 0 && path[0] != '\0' && out->n == 0)
        buf_put_c(out, '\n'); /* an empty file is one too */
    if (err != 0)
        buf_printf(problems, "%s: %s\n", setting, why.text);
    return err;
}

/* Takes over conf, or frees it. */
static int read_files(struct conf *conf, struct buf *text, struct config **ret,
                      struct buf *problems)
{
    struct buf promfile, alertmanager;
    int err = read_named(file_of(conf), "prometheus.config_file", &promfile, problems);
    int other = read_named(alert_file_of(conf), "alert.config_file", &alertmanager, problems);
    struct texts texts = {buf_str(&promfile), buf_str(&alertmanager)};
    if (err == 0 && other == 0) {
        err = make(conf, &texts, false, ret, problems);
    } else {
        conf_free(conf);
        err = err != 0 ? err : other;
    }
    if (err == 0) {
        buf_put_c(text, '\0');
        buf_put_str(text, texts.promfile);
        buf_put_c(text, '\0');
        buf_put_str(text, texts.alertmanager);
    }
    buf_done(&promfile);
    buf_done(&alertmanager);
    return err;
}

int config_read(const char *file, const struct arguments_settings *set, struct buf *text,
                struct config **ret, struct buf *problems)
{
    struct conf *conf;
    struct why why = {0};
    int err = file == NULL ? 0 : file_read(file, text, &why);
    if (err == 0 && text->n > OPTIONS_FILE_MAX)
        err =
            why_set(&why, ERR_LIMIT, "the configuration is larger than %d bytes", OPTIONS_FILE_MAX);
    if (err != 0) {
        buf_printf(problems, "%s\n", why.text);
        return err;
    }
    err = options_read(buf_str(text), file == NULL ? "command line" : file, set->v, set->n, &conf,
                       problems);
    return err != 0 ? err : read_files(conf, text, ret, problems);
}

int config_parse(struct str text, const char *file, const struct arguments_settings *set,
                 bool again, struct config **ret, struct buf *problems)
{
    struct conf *conf;
    size_t end = str_find(text, '\0');
    struct str rest = str_sub(text, end + 1, text.n);
    size_t middle = str_find(rest, '\0');
    struct texts texts = {str_sub(rest, 0, middle), str_sub(rest, middle + 1, rest.n)};
    int err = options_read(str_sub(text, 0, end), file, set->v, set->n, &conf, problems);
    return err != 0 ? err : make(conf, &texts, again, ret, problems);
}

void config_forget(struct config *c)
{
    promfile_free(c->promfile);
    c->promfile = NULL;
    c->rules = *(const struct rules_settings *)conf_get(c->conf, &rules_options);
}

void config_forget_plan(struct config *c)
{
    plan_free(c->plan);
    c->plan = NULL;
}

void config_free(struct config *c)
{
    if (c == NULL)
        return;
    plan_free(c->plan);
    promfile_free(c->promfile);
    conf_free(c->conf);
    arena_done(&c->arena);
    mem_free(c);
}

/* ---- folders */

struct folders {
    struct map seen;
    void (*f)(void *context, struct str folder);
    void *context;
};

struct str config_folder(struct str pattern)
{
    size_t end = 0;
    while (end < pattern.n && strchr("*?[", pattern.p[end]) == NULL)
        end++;
    while (end > 0 && pattern.p[end - 1] != '/')
        end--;
    return end == 0 ? STR(".") : str_sub(pattern, 0, end > 1 ? end - 1 : (size_t)1);
}

/* A folder and not the file alone, so that one that takes its place can be read too. */
static void take_folder(void *context, struct str pattern)
{
    struct folders *all = context;
    struct str folder = config_folder(pattern);
    bool fresh;
    if (pattern.n == 0)
        return;
    map_put(&all->seen, folder, &fresh);
    if (fresh)
        all->f(all->context, folder);
}

void config_folders(const struct config *c, void (*f)(void *context, struct str folder),
                    void *context)
{
    struct folders all = {.f = f, .context = context};
    map_init(&all.seen, 0);
    for (size_t i = 0; i < c->rules.files.n; i++)
        take_folder(&all, str_c(c->rules.files.v[i]));
    if (c->promfile != NULL)
        promfile_files(c->promfile, take_folder, &all);
    plan_files(c->plan, take_folder, &all);
    forward_options_files(conf_rows(c->conf, &forward_options_write_table), take_folder, &all);
    map_done(&all.seen);
}

static void note_folder(void *context, struct str folder)
{
    map_put(context, folder, NULL);
}

struct wanted {
    const struct map *have;
    bool missing;
};

static void look_for(void *context, struct str folder)
{
    struct wanted *w = context;
    w->missing = w->missing || map_get(w->have, folder) == NULL;
}

bool config_within(const struct config *before, const struct config *next)
{
    struct map have;
    struct wanted w = {.have = &have};
    map_init(&have, 0);
    config_folders(before, note_folder, &have);
    config_folders(next, look_for, &w);
    map_done(&have);
    return !w.missing;
}
