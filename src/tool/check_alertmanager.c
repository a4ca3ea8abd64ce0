#include "tool/check_alertmanager.h"

#include <string.h>
#include <unistd.h>

#include "alert/config/plan.h"
#include "os/file.h"
#include "tool/arguments.h"
#include "tool/options.h"

struct check {
    FILE *out, *faults;
    bool failed;
};

bool check_alertmanager_named(const char *path)
{
    struct str s = str_c(path);
    return strstr(path, "alertmanager") != NULL &&
           (str_ends(s, STR(".yml")) || str_ends(s, STR(".yaml")));
}

static void look_for(void *context, struct str path)
{
    struct check *c = context;
    struct arena a;
    struct str *paths;
    size_t n = 0;
    struct why why = {0};
    arena_init(&a);
    const char *text = arena_str(&a, path).p;
    bool pattern = strpbrk(text, "*?[") != NULL;
    if (pattern && file_glob(text, &a, &paths, &n, &why) == 0 && n == 0)
        fprintf(c->out, "  WARNING: %s names no file now\n", text);
    else if (!pattern && access(text, R_OK) != 0) {
        fprintf(c->faults, "  FAILED: %s: there is no such file that can be read\n", text);
        c->failed = true;
    }
    arena_done(&a);
}

static void say_all(struct check *c, const char *path, const struct plan *p)
{
    size_t sent = 0;
    plan_files(p, look_for, c);
    for (size_t i = 0; i < p->ignored_n; i++)
        fprintf(c->out, "  NOTE: " STR_FMT "\n", STR_ARG(p->ignored[i]));
    for (size_t i = 0; i < p->receivers_n; i++)
        sent += p->receivers[i].n;
    if (!c->failed)
        fprintf(c->out,
                "  SUCCESS: %s is well-formed: %zu receivers with %zu integrations, %zu inhibit "
                "rules, %zu time intervals, %zu escalations\n",
                path[0] == '\0' ? "what [[notify]] says" : path, p->receivers_n, sent,
                p->inhibits_n, p->intervals_n, p->escalations_n);
}

int check_alertmanager_file(const char *path, const struct conf *conf, FILE *out, FILE *faults)
{
    struct check c = {.out = out, .faults = faults};
    struct plan_settings usual;
    struct buf text;
    struct why why = {0};
    struct plan *p = NULL;
    option_defaults(&plan_options, &usual);
    struct plan_source source = {.file = path[0] == '\0' ? NULL : path, .settings = &usual};
    if (conf != NULL) {
        source.settings = conf_get(conf, &plan_options);
        source.notify = conf_rows(conf, &notify_row_options);
        source.escalations = conf_rows(conf, &plan_escalation_options);
    }
    fprintf(out, "Checking %s\n", path[0] == '\0' ? "receivers of alerts" : path);
    fflush(out);
    buf_init(&text, YAML_SIZE_MAX);
    int err = path[0] == '\0' ? 0 : file_read(path, &text, &why);
    if (err == 0 && path[0] != '\0' && text.n == 0)
        buf_put_c(&text, '\n'); /* an empty file is one too */
    source.yaml = buf_str(&text);
    if (err == 0)
        err = plan_read(&source, &p, &why);
    if (err == 0) {
        say_all(&c, path, p);
    } else {
        fprintf(faults, "  FAILED: %s\n", why.text);
        c.failed = true;
    }
    plan_free(p);
    buf_done(&text);
    return c.failed ? 1 : 0;
}

int check_alertmanager_run(int argc, char **argv)
{
    struct arguments a;
    int status = 0, n = 0;
    if (!arguments_init(&a, argc, argv))
        return 2;
    for (const char *path; (path = arguments_word(&a)) != NULL; n++)
        status = check_alertmanager_file(path, NULL, stdout, stderr) != 0 ? 1 : status;
    if (!arguments_end(&a, "check alertmanager"))
        return 2;
    if (n == 0) {
        fprintf(stderr, "sonde check alertmanager: name files: sonde check alertmanager "
                        "alertmanager.yml\n");
        return 2;
    }
    return status;
}
