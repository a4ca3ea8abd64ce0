#include "tool/check.h"

#include <stdio.h>
#include <string.h>

#include "alert/config/plan.h"
#include "promfile/promfile_options.h"
#include "tool/arguments.h"
#include "tool/check_alertmanager.h"
#include "tool/check_prometheus.h"
#include "tool/options.h"
#include "tool/watch.h"

enum { PRINTED_MAX = 16 << 20 /* bytes */ };

/* The files of Prometheus and Alertmanager that c names, and what it says of receivers itself; the
 * exit status. */
static int check_named(const struct conf *c)
{
    const struct promfile_settings *s = conf_get(c, &promfile_options);
    const struct plan_settings *alert = conf_get(c, &plan_options);
    const struct check_rules_options usual = {.lint = true};
    bool rows =
        conf_rows(c, &notify_row_options)->n > 0 || conf_rows(c, &plan_escalation_options)->n > 0;
    int status = s->config_file[0] == '\0'
                     ? 0
                     : check_prometheus_file(s->config_file, &usual, stdout, stderr);
    if (alert->config_file[0] == '\0' && !rows)
        return status;
    int other = check_alertmanager_file(alert->config_file, c, stdout, stderr);
    return status != 0 ? status : other;
}

static int check_config(int argc, char **argv)
{
    struct arguments a;
    struct arguments_settings settings;
    if (!arguments_init(&a, argc, argv) || !arguments_settings(&a, &settings))
        return 2;
    bool print = arguments_flag(&a, "print");
    const char *file = arguments_word(&a);
    if (!arguments_end(&a, "check"))
        return 2;
    if (file == NULL && !print) {
        fprintf(stderr, "sonde check: name the configuration: sonde check sonde.toml\n");
        return 2;
    }
    struct conf *c;
    struct buf text;
    buf_init(&text, PRINTED_MAX);
    int err = options_read_file(file, settings.v, settings.n, &c, &text);
    if (err != 0) {
        fprintf(stderr, STR_FMT, STR_ARG(buf_str(&text)));
    } else if (print) {
        conf_print(c, &text);
        printf(STR_FMT, STR_ARG(buf_str(&text)));
    } else {
        printf("%s is well-formed\n", file);
    }
    int status = err != 0;
    if (err == 0) {
        status = print ? 0 : check_named(c);
        watch_doubts(c);
        conf_free(c);
    }
    buf_done(&text);
    return status;
}

int check_run(int argc, char **argv)
{
    if (argc > 0 && strcmp(argv[0], "rules") == 0)
        return check_rules_run(argc - 1, argv + 1);
    if (argc > 0 && strcmp(argv[0], "prometheus") == 0)
        return check_prometheus_run(argc - 1, argv + 1);
    if (argc > 0 && strcmp(argv[0], "alertmanager") == 0)
        return check_alertmanager_run(argc - 1, argv + 1);
    if (argc > 0 && check_alertmanager_named(argv[0]))
        return check_alertmanager_run(argc, argv);
    for (int i = 0; i < argc; i++)
        if (check_prometheus_named(argv[i]))
            return check_prometheus_run(argc, argv);
    return check_config(argc, argv);
}
