/* rules/rule_file.h - a rule file of Prometheus (YAML), read and checked.
 *
 * Reading checks everything that `promtool check rules` does and tells all that is wrong at once,
 * each with file, line and column; a file that could be read is whole and never changes.
 *
 * Flow:    YAML text -> rule_file_read -> struct rule_file (groups of rules, expressions parsed)
 * Source:  Prometheus, docs/configuration/recording_rules.md and alerting_rules.md.
 * Threads: reading is a pure function; the result may be read by any.
 */
#ifndef RULES_RULE_FILE_H
#define RULES_RULE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "query/promql/promql.h"

enum { RULE_FILE_BYTES_MAX = 16 * 1024 * 1024, RULE_FILE_PROBLEMS_MAX = 100 };

/* A label or an annotation: values are templates. */
struct rule_pair {
    struct str name, value;
};

struct rule {
    struct str record, alert; /* exactly one is not empty */
    struct str expr;          /* as written */
    struct promql_expr *tree; /* parsed with the options given to rule_file_read */
    struct str hold;          /* what a firing alert fires on with, beside expr; "": expr alone.
                               * Not in files: custom alerts with hysteresis have it */
    struct promql_expr *hold_tree;
    int64_t for_ms, keep_firing_for_ms;
    struct rule_pair *labels, *annotations; /* sorted by name */
    size_t labels_n, annotations_n;
    unsigned line; /* of the rule in the file */
};

struct rule_group {
    struct str name;
    int64_t interval_ms; /* 0: the global one */
    int64_t query_offset_ms;
    bool has_query_offset;    /* else the global one */
    uint64_t limit;           /* 0: none */
    struct rule_pair *labels; /* of all rules; a rule's own go first */
    size_t labels_n;
    struct rule *rules; /* [rules_n] */
    size_t rules_n;
};

struct rule_file {
    struct str name;           /* its path */
    struct rule_group *groups; /* [groups_n] */
    size_t groups_n;
    struct arena arena; /* owns all of it */
};

/* Checks text (name is the file's, for messages). On -ERR_FORMAT problems has a line for each
 * fault: `alerts.yml:3:10: group "a", rule 1, "up": ...`. */
MUST_USE int rule_file_read(struct str text, struct str name, const struct promql_options *options,
                            struct rule_file **ret, struct buf *problems);

/* The same, with fields that are not known passed over (`--ignore-unknown-fields`). */
MUST_USE int rule_file_read_lenient(struct str text, struct str name,
                                    const struct promql_options *options, struct rule_file **ret,
                                    struct buf *problems);

void rule_file_free(struct rule_file *f); /* NULL is fine */

#endif
