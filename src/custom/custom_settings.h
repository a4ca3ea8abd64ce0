/* custom/custom_settings.h - what a configuration says of metrics of one's own.
 *
 * [custom] and four repeated tables, [[custom.command]], [[custom.http]], [[custom.sql]] and
 * [[custom.log]]. Every row begins with the same settings (struct custom_settings_row).
 *
 * Threads: plain data; borrowed by struct custom until it is freed.
 */
#ifndef CUSTOM_CUSTOM_SETTINGS_H
#define CUSTOM_CUSTOM_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/option.h"

enum {
    CUSTOM_SETTINGS_ROWS_MAX = 1000, /* of one kind */
    CUSTOM_SETTINGS_METRICS_MAX = 200,
    CUSTOM_SETTINGS_BUCKETS_MAX = 100,
    CUSTOM_SETTINGS_LABELS_MAX = 20, /* of one row; a source adds its own */
};

/* What all kinds have. */
struct custom_settings_row {
    const char *name; /* of the row, and of its metrics or before them */
    const char *job;  /* label of all its series */
    const char *type; /* gauge or counter */
    int64_t interval_ms, timeout_ms, series_max;
    struct option_list labels; /* "name=value" */
};

/* What commands and HTTP have: how an answer is read. */
struct custom_settings_answer {
    const char *format;
    struct option_list metrics; /* "name=EXPRESSION" */
};

struct custom_settings_command {
    struct custom_settings_row row; /* first, here and below */
    struct custom_settings_answer answer;
    struct option_list command;
    const char *folder;
    int64_t output_bytes_max;
};

struct custom_settings_http {
    struct custom_settings_row row;
    struct custom_settings_answer answer;
    const char *url, *body;
    struct option_list headers; /* "Name: value" */
    const char *username, *password, *password_file;
    const char *bearer, *bearer_file;
    const char *ca_file, *server_name;
    bool insecure_skip_verify, follow_redirects;
    int64_t body_bytes_max;
};

struct custom_settings_sql {
    struct custom_settings_row row;
    const char *driver, *dsn, *password, *path, *query;
    struct option_list values, label_columns;
    int64_t rows_max;
};

struct custom_settings_log {
    struct custom_settings_row row;
    const char *path, *regex, *mode;
    struct option_list buckets;
    bool from_beginning;
    int64_t line_bytes_max, files_max;
};

struct custom_settings_own {
    int64_t threads;
};

struct custom_settings {
    struct custom_settings_own own;
    struct option_rows commands, https, sqls, logs;
};

extern const struct option_table custom_settings_options;
extern const struct option_table custom_settings_command_options;
extern const struct option_table custom_settings_http_options;
extern const struct option_table custom_settings_sql_options;
extern const struct option_table custom_settings_log_options;

/* Names given once, commands and addresses there, expressions well-formed? why says in which row.
 */
MUST_USE int custom_settings_check(const struct custom_settings *s, struct why *why);

/* Calls f for each file or pattern of files that the worker itself will open. */
void custom_settings_files(const struct custom_settings *s,
                           void (*f)(void *context, const char *pattern), void *context);

/* The names of rows in the table of programs: the helper for SQL, and each command. */
#define CUSTOM_SETTINGS_SQL_PROGRAM "helper:sql"
enum { CUSTOM_SETTINGS_PROGRAM_MAX = 200 };
void custom_settings_program(const struct custom_settings_row *row,
                             char ret[CUSTOM_SETTINGS_PROGRAM_MAX]);

#endif
