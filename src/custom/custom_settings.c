#include "custom/custom_settings.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "custom/custom_reader.h"
#include "model/labels.h"
#include "text/number.h"
#include "text/regex.h"

#define FORMATS "value|lines|nagios|prometheus|json|regex"

#define ROW_AT(member)    offsetof(struct custom_settings_row, member)
#define ANSWER_AT(member) offsetof(struct custom_settings_command, answer.member)
#define COMMAND(member)   offsetof(struct custom_settings_command, member)
#define HTTP(member)      offsetof(struct custom_settings_http, member)
#define SQL(member)       offsetof(struct custom_settings_sql, member)
#define LOG(member)       offsetof(struct custom_settings_log, member)

enum { NAME_MAX_BYTES = 150, DAY_MS = 86400000, TEXT_BYTES_MAX = 64 * 1024 };

/* clang-format off: the rows that every kind begins with */
#define ROW_OPTIONS(interval, timeout)                                                             \
    {"name",                                                                                       \
     OPTION_TEXT,                                                                                  \
     ROW_AT(name),                                                                                 \
     "",                                                                                           \
     0,                                                                                            \
     NAME_MAX_BYTES,                                                                               \
     NULL,                                                                                         \
     0,                                                                                            \
     "The name of the metric, or what the names of its metrics begin with; given once a kind."},   \
        {"job",    OPTION_TEXT, ROW_AT(job),                                                       \
         "custom", 1,           200,                                                               \
         NULL,     0,           "The label job of its series."},                                   \
        {"type",                                                                                   \
         OPTION_CHOICE,                                                                            \
         ROW_AT(type),                                                                             \
         "gauge",                                                                                  \
         0,                                                                                        \
         0,                                                                                        \
         "gauge|counter",                                                                          \
         0,                                                                                        \
         "What kind of metric the values are, where the source does not say."},                    \
        {"interval_ms",                                                                            \
         OPTION_INT,                                                                               \
         ROW_AT(interval_ms),                                                                      \
         interval,                                                                                 \
         100,                                                                                      \
         DAY_MS,                                                                                   \
         NULL,                                                                                     \
         0,                                                                                        \
         "How often it is asked. Queries look back five minutes: rarer values have gaps."},        \
        {"timeout_ms", OPTION_INT, ROW_AT(timeout_ms),     timeout, 10, 3600000,                   \
         NULL,         0,          "How long it may take."},                                       \
        {"series_max",                                                                             \
         OPTION_INT,                                                                               \
         ROW_AT(series_max),                                                                       \
         "1000",                                                                                   \
         1,                                                                                        \
         100000,                                                                                   \
         NULL,                                                                                     \
         0,                                                                                        \
         "Series that it may give; what exceeds it is left out, and the run counts as failed."},   \
    {                                                                                              \
        "labels", OPTION_LIST, ROW_AT(labels), "", 0, 0, NULL, 0,                                  \
            "Labels of all its series: \"name=value\"; with format json also \"name=$.path\", "    \
            "which is "                                                                            \
            "read from the item at hand."                                                          \
    }

#define ANSWER_OPTIONS(fallback)                                                                   \
    {"format",                                                                                     \
     OPTION_CHOICE,                                                                                \
     ANSWER_AT(format),                                                                            \
     fallback,                                                                                     \
     0,                                                                                            \
     0,                                                                                            \
     FORMATS,                                                                                      \
     0,                                                                                            \
     "How its answer is read: one number, lines of names and values, a check of Nagios with its "  \
     "performance data, the Prometheus text format, or by the expressions of metrics."},           \
    {                                                                                              \
        "metrics", OPTION_LIST, ANSWER_AT(metrics), "", 0, 0, NULL, 0,                             \
            "With format json or regex: \"name=EXPRESSION\", each gives the metric NAME_name. In " \
            "a "                                                                                   \
            "regular expression the group value (or the first) is the value, other named groups "  \
            "are "                                                                                 \
            "labels."                                                                              \
    }
/* clang-format on */

static const struct option OWN_ROWS[] = {
    {"threads", OPTION_INT, offsetof(struct custom_settings_own, threads), "8", 1, 32, NULL, 0,
     "Commands, queries and log files that are worked on at once."},
};

static const struct option COMMAND_ROWS[] = {
    ROW_OPTIONS("15000", "10000"),
    ANSWER_OPTIONS("value"),
    {"command", OPTION_LIST, COMMAND(command), "", 0, 0, NULL, 0,
     "The program and its arguments; no shell is between. It runs as the daemon's user."},
    {"folder", OPTION_TEXT, COMMAND(folder), "/", 1, 4000, NULL, 0, "Its working directory."},
    {"output_bytes_max", OPTION_INT, COMMAND(output_bytes_max), "1048576", 1, 67108864, NULL, 0,
     "It is ended when it prints more."},
};

static const struct option HTTP_ROWS[] = {
    ROW_OPTIONS("15000", "10000"),
    ANSWER_OPTIONS("json"),
    {"url", OPTION_TEXT, HTTP(url), "", 0, 4000, NULL, 0, "http:// or https://"},
    {"body", OPTION_TEXT, HTTP(body), "", 0, TEXT_BYTES_MAX, NULL, 0,
     "What is sent with POST; empty: GET."},
    {"headers", OPTION_LIST, HTTP(headers), "", 0, 0, NULL, OPTION_SECRET,
     "More headers: \"Name: value\"."},
    {"username", OPTION_TEXT, HTTP(username), "", 0, 1000, NULL, 0, "For basic authentication."},
    {"password", OPTION_TEXT, HTTP(password), "", 0, 4000, NULL, OPTION_SECRET,
     "For basic authentication."},
    {"password_file", OPTION_TEXT, HTTP(password_file), "", 0, 4000, NULL, 0,
     "A file with the password, read when it has changed."},
    {"bearer", OPTION_TEXT, HTTP(bearer), "", 0, TEXT_BYTES_MAX, NULL, OPTION_SECRET,
     "A token: Authorization: Bearer."},
    {"bearer_file", OPTION_TEXT, HTTP(bearer_file), "", 0, 4000, NULL, 0,
     "A file with the token, read when it has changed."},
    {"ca_file", OPTION_TEXT, HTTP(ca_file), "", 0, 4000, NULL, 0,
     "Certificates (PEM) that the server's is checked with; empty: those of the system."},
    {"server_name", OPTION_TEXT, HTTP(server_name), "", 0, 1000, NULL, 0,
     "The name that the server's certificate has to be for; empty: that of the address."},
    {"insecure_skip_verify", OPTION_BOOL, HTTP(insecure_skip_verify), "false", 0, 0, NULL, 0,
     "Take any certificate."},
    {"follow_redirects", OPTION_BOOL, HTTP(follow_redirects), "true", 0, 0, NULL, 0,
     "Go where the server sends one to."},
    {"body_bytes_max", OPTION_INT, HTTP(body_bytes_max), "8388608", 1, 67108864, NULL, 0,
     "Bytes of an answer, unpacked."},
};

static const struct option SQL_ROWS[] = {
    ROW_OPTIONS("60000", "10000"),
    {"driver", OPTION_CHOICE, SQL(driver), "postgresql", 0, 0, "postgresql|sqlite", 0,
     "The database."},
    {"dsn", OPTION_TEXT, SQL(dsn), "", 0, 4000, NULL, OPTION_SECRET,
     "PostgreSQL: \"host=... dbname=... user=...\" or postgresql://..., as libpq has it."},
    {"password", OPTION_TEXT, SQL(password), "", 0, 4000, NULL, OPTION_SECRET,
     "PostgreSQL: the password, where it is not in dsn."},
    {"path", OPTION_TEXT, SQL(path), "", 0, 4000, NULL, 0, "SQLite: the file, opened read-only."},
    {"query", OPTION_TEXT, SQL(query), "", 0, TEXT_BYTES_MAX, NULL, 0,
     "One statement that changes nothing."},
    {"values", OPTION_LIST, SQL(values), "", 0, 0, NULL, 0,
     "Columns that become the metrics NAME_column (NAME for a column called value); none: all "
     "that hold numbers."},
    {"label_columns", OPTION_LIST, SQL(label_columns), "", 0, 0, NULL, 0,
     "Columns that become labels; none: all that hold texts."},
    {"rows_max", OPTION_INT, SQL(rows_max), "1000", 1, 100000, NULL, 0,
     "Rows of an answer; more of them is a failure."},
};

static const struct option LOG_ROWS[] = {
    ROW_OPTIONS("5000", "10000"),
    {"path", OPTION_TEXT, LOG(path), "", 0, 4000, NULL, 0,
     "The file, or a pattern (*, ?, [..]) of files."},
    {"regex", OPTION_TEXT, LOG(regex), "", 0, TEXT_BYTES_MAX, NULL, 0,
     "Lines in which it is found count. Named groups become labels, the group value is the value."},
    {"mode", OPTION_CHOICE, LOG(mode), "count", 0, 0, "count|sum|gauge|histogram", 0,
     "What is made of the lines: their number, or the sum, the last or the distribution of value."},
    {"buckets", OPTION_LIST, LOG(buckets), "", 0, 0, NULL, 0,
     "Upper bounds of a histogram, ascending; none: 0.005 to 10 as clients of Prometheus have."},
    {"from_beginning", OPTION_BOOL, LOG(from_beginning), "false", 0, 0, NULL, 0,
     "Read what is in a file when it is seen for the first time, and not only what comes."},
    {"line_bytes_max", OPTION_INT, LOG(line_bytes_max), "65536", 64, 1048576, NULL, 0,
     "A longer line is passed over and counted."},
    {"files_max", OPTION_INT, LOG(files_max), "64", 1, 1000, NULL, 0,
     "Files of the pattern that are followed at once."},
};

#define TABLE(section, prose, repeated, type, rows)                                                \
    {                                                                                              \
        section, prose, repeated, sizeof(struct type), rows, COUNTOF(rows)                         \
    }

const struct option_table custom_settings_options =
    TABLE("custom", "Metrics of one's own: commands, HTTP, SQL and log files.", false,
          custom_settings_own, OWN_ROWS);
const struct option_table custom_settings_command_options =
    TABLE("custom.command", "A program whose output is read.", true, custom_settings_command,
          COMMAND_ROWS);
const struct option_table custom_settings_http_options =
    TABLE("custom.http", "An address whose answer is read.", true, custom_settings_http, HTTP_ROWS);
const struct option_table custom_settings_sql_options =
    TABLE("custom.sql", "A query of a database whose rows are read.", true, custom_settings_sql,
          SQL_ROWS);
const struct option_table custom_settings_log_options =
    TABLE("custom.log", "A log file whose lines are counted.", true, custom_settings_log, LOG_ROWS);

/* ---- judging */

static int check_label(const char *text, struct why *why)
{
    struct str s = str_c(text);
    size_t equals = str_find(s, '=');
    if (equals == s.n || !label_name_plain(str_sub(s, 0, equals)))
        return why_set(why, ERR_FORMAT, "labels has \"%s\": \"name=value\" is expected", text);
    return 0;
}

static int check_row(const struct custom_settings_row *row, struct why *why)
{
    if (!metric_name_plain(str_c(row->name)))
        return why_set(
            why, ERR_FORMAT,
            "name is \"%s\": letters, digits, _ and : are expected, as a metric has them",
            row->name);
    if (row->labels.n > CUSTOM_SETTINGS_LABELS_MAX)
        return why_set(why, ERR_LIMIT, "labels has more than %d", CUSTOM_SETTINGS_LABELS_MAX);
    int err = 0;
    for (size_t i = 0; i < row->labels.n && err == 0; i++)
        err = check_label(row->labels.v[i], why);
    return err;
}

static int check_answer(const struct custom_settings_row *row,
                        const struct custom_settings_answer *answer, struct why *why)
{
    struct custom_reader *r;
    int err = custom_reader_new(row, answer, &r, why);
    if (err == 0)
        custom_reader_free(r);
    return err;
}

static int check_command(const struct custom_settings_row *row, struct why *why)
{
    const struct custom_settings_command *c = (const struct custom_settings_command *)row;
    if (c->command.n == 0 || c->command.v[0][0] == '\0')
        return why_set(why, ERR_FORMAT, "command is empty: name the program and its arguments");
    return check_answer(row, &c->answer, why);
}

static int check_header(const char *text, struct why *why)
{
    struct str s = str_c(text);
    size_t colon = str_find(s, ':');
    if (colon == 0 || colon == s.n || str_find(s, '\n') < s.n || str_find(s, '\r') < s.n)
        return why_set(why, ERR_FORMAT, "headers has an item that is no \"Name: value\"");
    return 0;
}

static int check_http(const struct custom_settings_row *row, struct why *why)
{
    const struct custom_settings_http *h = (const struct custom_settings_http *)row;
    struct str url = str_c(h->url);
    int err = 0;
    if (!str_starts(url, STR("http://")) && !str_starts(url, STR("https://")))
        return why_set(why, ERR_FORMAT, "url is \"%s\": http://... or https://... is expected",
                       h->url);
    for (size_t i = 0; i < h->headers.n && err == 0; i++)
        err = check_header(h->headers.v[i], why);
    if (err != 0)
        return err;
    bool basic = h->username[0] || h->password[0] || h->password_file[0];
    bool bearer = h->bearer[0] || h->bearer_file[0];
    if ((basic && bearer) || (h->password[0] && h->password_file[0]) ||
        (h->bearer[0] && h->bearer_file[0]))
        return why_set(why, ERR_FORMAT, "give one of password, password_file, bearer, bearer_file");
    return check_answer(row, &h->answer, why);
}

static int check_sql(const struct custom_settings_row *row, struct why *why)
{
    const struct custom_settings_sql *s = (const struct custom_settings_sql *)row;
    bool sqlite = strcmp(s->driver, "sqlite") == 0;
    if (s->query[0] == '\0')
        return why_set(why, ERR_FORMAT, "query is empty");
    if (sqlite && s->path[0] != '/')
        return why_set(why, ERR_FORMAT, "path is \"%s\": the absolute path of a file is expected",
                       s->path);
    if (sqlite && (s->dsn[0] || s->password[0]))
        return why_set(why, ERR_FORMAT, "dsn and password are for driver = \"postgresql\"");
    if (!sqlite && (s->dsn[0] == '\0' || s->path[0]))
        return why_set(why, ERR_FORMAT, "driver = \"postgresql\" needs dsn, and no path");
    return 0;
}

static int check_buckets(const struct custom_settings_log *l, struct why *why)
{
    double before = -INFINITY, v;
    if (l->buckets.n > 0 && strcmp(l->mode, "histogram") != 0)
        return why_set(why, ERR_FORMAT, "buckets is for mode = \"histogram\"");
    if (l->buckets.n > CUSTOM_SETTINGS_BUCKETS_MAX)
        return why_set(why, ERR_LIMIT, "buckets has more than %d", CUSTOM_SETTINGS_BUCKETS_MAX);
    for (size_t i = 0; i < l->buckets.n; i++) {
        if (number_parse(str_c(l->buckets.v[i]), &v) != 0 || !(v > before) || isinf(v))
            return why_set(why, ERR_FORMAT, "buckets has \"%s\": ascending numbers are expected",
                           l->buckets.v[i]);
        before = v;
    }
    return 0;
}

static int check_log(const struct custom_settings_row *row, struct why *why)
{
    const struct custom_settings_log *l = (const struct custom_settings_log *)row;
    struct why fault = {0};
    struct regex *re;
    if (l->path[0] != '/')
        return why_set(why, ERR_FORMAT, "path is \"%s\": an absolute path is expected", l->path);
    if (l->regex[0] == '\0')
        return why_set(why, ERR_FORMAT, "regex is empty");
    int err = regex_new_search(str_c(l->regex), &re, &fault);
    if (err != 0)
        return why_set(why, (enum err) - err, "regex: %s", fault.text);
    bool valued = regex_group_of(re, STR("value")) > 0;
    size_t groups = regex_groups_n(re);
    regex_free(re);
    if (groups >= REGEX_GROUPS_MAX)
        return why_set(why, ERR_LIMIT, "regex has more than %d groups", REGEX_GROUPS_MAX - 1);
    if (strcmp(l->mode, "count") != 0 && !valued)
        return why_set(why, ERR_FORMAT, "mode = \"%s\" needs a group (?P<value>...) in regex",
                       l->mode);
    return check_buckets(l, why);
}

static const struct custom_settings_row *row_at(const struct option_rows *rows, size_t size,
                                                size_t i)
{
    return (const void *)((const char *)rows->v + i * size);
}

static int check_rows(const char *section, const struct option_rows *rows, size_t size,
                      int (*check)(const struct custom_settings_row *row, struct why *why),
                      struct why *why)
{
    if (rows->n > CUSTOM_SETTINGS_ROWS_MAX)
        return why_set(why, ERR_LIMIT, "there are more than %d of [[%s]]", CUSTOM_SETTINGS_ROWS_MAX,
                       section);
    for (size_t i = 0; i < rows->n; i++) {
        const struct custom_settings_row *row = row_at(rows, size, i);
        int err = check_row(row, why);
        if (err == 0)
            err = check(row, why);
        for (size_t k = 0; k < i && err == 0; k++)
            if (strcmp(row_at(rows, size, k)->name, row->name) == 0)
                err = why_set(why, ERR_EXISTS, "there is another one before it of that name");
        if (err != 0) {
            why_prefix(why, "[[%s]] %zu (name \"%s\")", section, i + 1, row->name);
            return err;
        }
    }
    return 0;
}

int custom_settings_check(const struct custom_settings *s, struct why *why)
{
    int err = check_rows("custom.command", &s->commands, sizeof(struct custom_settings_command),
                         check_command, why);
    if (err == 0)
        err = check_rows("custom.http", &s->https, sizeof(struct custom_settings_http), check_http,
                         why);
    if (err == 0)
        err =
            check_rows("custom.sql", &s->sqls, sizeof(struct custom_settings_sql), check_sql, why);
    if (err == 0)
        err =
            check_rows("custom.log", &s->logs, sizeof(struct custom_settings_log), check_log, why);
    return err;
}

void custom_settings_files(const struct custom_settings *s,
                           void (*f)(void *context, const char *pattern), void *context)
{
    const struct custom_settings_log *logs = s->logs.v;
    const struct custom_settings_http *https = s->https.v;
    for (size_t i = 0; i < s->logs.n; i++)
        f(context, logs[i].path);
    for (size_t i = 0; i < s->https.n; i++) {
        const char *files[] = {https[i].password_file, https[i].bearer_file, https[i].ca_file};
        for (size_t k = 0; k < COUNTOF(files); k++)
            if (files[k][0] != '\0')
                f(context, files[k]);
    }
}

void custom_settings_program(const struct custom_settings_row *row,
                             char ret[CUSTOM_SETTINGS_PROGRAM_MAX])
{
    snprintf(ret, CUSTOM_SETTINGS_PROGRAM_MAX, "command:%s", row->name);
}
