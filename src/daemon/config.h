/* daemon/config.h - what the daemon works with: sonde.toml and the files of Prometheus and
 * Alertmanager that it names.
 *
 * The parent reads them and hands their texts to the worker as one: that of sonde.toml, a NUL, that
 * of the Prometheus file, a NUL, that of the Alertmanager file; empty where none is named.
 *
 * Flow:    files -> config_read() -> text -> config_parse() -> struct config
 * Threads: read by one; afterwards any.
 */
#ifndef DAEMON_CONFIG_H
#define DAEMON_CONFIG_H

#include <stdbool.h>

#include "alert/config/plan.h"
#include "promfile/promfile.h"
#include "rules/rules.h"
#include "text/yaml.h"
#include "tool/arguments.h"
#include "tool/options.h"

enum {
    CONFIG_TEXT_MAX = OPTIONS_FILE_MAX + 2 * (1 + YAML_SIZE_MAX), /* bytes */
    CONFIG_PROBLEMS_MAX = OPTIONS_PROBLEMS_MAX,
};

struct config {
    struct conf *conf;
    struct promfile *promfile;   /* NULL: none is named */
    struct plan *plan;           /* who is told of alerts */
    struct rules_settings rules; /* [rules] and what the Prometheus file adds to it */
    struct arena arena;          /* of rules */
};

/* Reads the files; file is NULL where the command line says everything. *text, which is empty,
 * becomes what config_parse() takes. What is wrong is in problems, a line each. */
MUST_USE int config_read(const char *file, const struct arguments_settings *set, struct buf *text,
                         struct config **ret, struct buf *problems);

/* The same from text; file is the name of sonde.toml in messages. again: what the Prometheus file
 * includes and the templates of notifications may have become wrong since config_read(); they are
 * left out then, and problems or the plan says why. */
MUST_USE int config_parse(struct str text, const char *file, const struct arguments_settings *set,
                          bool again, struct config **ret, struct buf *problems);

void config_free(struct config *c); /* NULL is fine */

/* Frees the Prometheus file, which nobody uses any more. */
void config_forget(struct config *c);

/* Frees the plan, likewise. */
void config_forget_plan(struct config *c);

/* The folder that all files lie below that pattern names: what stands before its first wildcard, up
 * to the last slash. */
struct str config_folder(struct str pattern);

/* Calls f for each folder that files lie in which c names: rules, credentials, targets; each once.
 */
void config_folders(const struct config *c, void (*f)(void *context, struct str folder),
                    void *context);

/* Are all folders of next among those of before? Else a worker that was confined with before cannot
 * read them. */
bool config_within(const struct config *before, const struct config *next);

#endif
