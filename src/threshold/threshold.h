/* threshold/threshold.h - custom alerts: what is to be watched, said without PromQL.
 *
 * A row says what kind of alert it is (a threshold with hysteresis, absence, change, rate,
 * forecast, or an expression), of which series, and how grave it is. It is compiled into an
 * alerting rule, whose expression can be seen. Rows come from [[alert.rule]] of sonde.toml and,
 * with the same members, as JSON from the API.
 *
 * Flow:    TOML or JSON -> struct threshold_row -> threshold_check() -> threshold_file() -> rules
 * Threads: pure functions.
 */
#ifndef THRESHOLD_THRESHOLD_H
#define THRESHOLD_THRESHOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/option.h"
#include "base/str.h"
#include "query/promql/promql.h"
#include "rules/rule_file.h"
#include "text/json_tree.h"

/* Stands for a limit that is not given. */
#define THRESHOLD_NONE 1e300

/* The name under which the groups of custom alerts are listed in place of a rule file. */
#define THRESHOLD_FILE "custom alerts"

enum {
    THRESHOLD_ROWS_MAX = 10000,
    THRESHOLD_NAME_MAX = 200,        /* bytes */
    THRESHOLD_TEXT_MAX = 64 * 1024,  /* bytes of an expression */
    THRESHOLD_JSON_MAX = 256 * 1024, /* bytes of a row */
};

struct threshold_row {
    const char *name, *kind, *metric, *aggregation;
    struct option_list by;
    double above, below, clear; /* THRESHOLD_NONE: not given */
    bool percent;
    const char *window, *within;   /* durations; "": the kind's own */
    const char *expr, *clear_expr; /* of kind "expression" */
    const char *pend, *keep_firing_for, *interval;
    const char *severity;
    struct option_list labels, annotations; /* "name=value" */
    const char *owner;
    bool enabled;
};

extern const struct option_table threshold_options; /* [[alert.rule]] */

/* The rule of a row: expr makes it fire, hold ("": none) keeps it firing. Memory from a.
 * -ERR_FORMAT: why says which member is wrong. */
MUST_USE int threshold_compile(const struct threshold_row *t, struct arena *a, struct str *ret_expr,
                               struct str *ret_hold, struct why *why);

/* Can a row be worked with, all of it: names, durations, templates, expression? */
MUST_USE int threshold_check(const struct threshold_row *t, const struct promql_options *options,
                             struct why *why);

/* All rows of a configuration: each by itself, and their names. */
MUST_USE int threshold_check_rows(const struct option_rows *rows,
                                  const struct promql_options *options, struct why *why);

/* The groups of those rows that are enabled, one each. Rows that are wrong are left out and told in
 * problems, a line each. */
struct rule_file *threshold_file(const struct threshold_row *const *rows, size_t n,
                                 const struct promql_options *options, struct buf *problems);

/* ---- as JSON: threshold_json.c */

/* Memory from a. Labels and annotations may be objects, too. -ERR_FORMAT: a member is unknown or of
 * another type. */
MUST_USE int threshold_json_read(const struct json_tree *node, struct arena *a,
                                 struct threshold_row *ret, struct why *why);

/* All members of it, without braces. */
struct json_writer;
void threshold_json_put(struct json_writer *w, const struct threshold_row *t);

#endif
