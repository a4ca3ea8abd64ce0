/* relabel/relabel.h - relabelling: a list of rules that rewrites label sets or drops them.
 *
 * All actions of Prometheus with its defaults and its checks. Rules are checked and compiled once
 * and never change.
 *
 * Flow:    struct relabel_rule (from a configuration) -> struct relabel; key -> key
 * Source:  Prometheus 3, relabel_config.
 * Threads: any number may apply the same rules.
 */
#ifndef RELABEL_RELABEL_H
#define RELABEL_RELABEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "text/yaml.h"

enum { RELABEL_RULES_MAX = 10000, RELABEL_SOURCES_MAX = 128 };

/* One rule as it is written; relabel_rule_default() has what is not. */
struct relabel_rule {
    struct str action; /* "replace", "keep", "drop", "keepequal", "dropequal", "hashmod",
                          "labelmap", "labeldrop", "labelkeep", "lowercase", "uppercase" */
    const struct str *source_labels; /* [source_labels_n] */
    size_t source_labels_n;
    struct str separator;    /* between the values of the source labels */
    struct str regex;        /* RE2, anchored */
    uint64_t modulus;        /* of hashmod */
    struct str target_label; /* replace: with $1, ${name} */
    struct str replacement;  /* replace, labelmap: with $1, ${name} */
    bool legacy_names;       /* names of labels are [a-zA-Z_][a-zA-Z0-9_]*, not any UTF-8 */
};

/* replace, no source labels, ";", "(.*)", no modulus, no target, "$1". */
extern const struct relabel_rule relabel_rule_default;

/* Checks what can be known of a rule without compiling it, in the words of Prometheus.
 * -ERR_FORMAT. */
MUST_USE int relabel_rule_check(const struct relabel_rule *rule, struct why *why);

struct relabel;

/* Checks and compiles rules; the first that is wrong is named by its number in why ("rule 2: ..."),
 * and *ret_at (may be NULL) is its index. */
MUST_USE int relabel_new(const struct relabel_rule *rules, size_t n, struct relabel **ret,
                         size_t *ret_at, struct why *why);
void relabel_free(struct relabel *r); /* NULL is fine */

/* The same from the list below a relabel_configs key (missing or null: no rules). What is wrong is
 * at *ret_place; where ret_place is NULL, why begins with the place. */
MUST_USE int relabel_read(const struct yaml_node *list, struct relabel **ret,
                          struct yaml_place *ret_place, struct why *why);

/* The same where names of labels may have to be plain (metric_name_validation_scheme: legacy). */
MUST_USE int relabel_read_names(const struct yaml_node *list, bool legacy_names,
                                struct relabel **ret, struct yaml_place *ret_place,
                                struct why *why);

/* Applies all rules in order to the labels of key (model/labels.h, any order). 1: kept, *ret is the
 * canonical key (from a; __name__ may be missing, and nothing at all may be left); 0: dropped;
 * -ERR_FORMAT, -ERR_LIMIT: key is malformed, or what came out is past the limits of label sets. */
MUST_USE int relabel_apply(const struct relabel *r, struct str key, struct arena *a,
                           struct str *ret, struct why *why);

/* The rules, for who shows them; and what the first n of them make of key. */
size_t relabel_count(const struct relabel *r);
const struct relabel_rule *relabel_at(const struct relabel *r, size_t i);
MUST_USE int relabel_apply_first(const struct relabel *r, size_t n, struct str key, struct arena *a,
                                 struct str *ret, struct why *why);

#endif
