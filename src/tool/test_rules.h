/* tool/test_rules.h - `sonde test rules FILE..`: unit tests of rules, in promtool's files.
 *
 * A file names rule files and holds tests: series, and what alerts and expressions must give at
 * some times. Time is simulated; everything lies in memory.
 *
 * Flow:    YAML -> struct test_rules_file -> groups over a store in memory -> faults, a report
 * Source:  Prometheus, docs/configuration/unit_testing_rules.md.
 * Threads: one.
 */
#ifndef TOOL_TEST_RULES_H
#define TOOL_TEST_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "rules/rule_file.h"

/* The words behind `test rules`; 0: all passed, 1: some failed, 2: the command line is wrong. */
int test_rules_run(int argc, char **argv);

/* ---- the file: test_rules_file.c */

struct test_rules_series {
    struct str series, values;
};

struct test_rules_alert {
    struct rule_pair *labels, *annotations; /* [labels_n], [annotations_n] */
    size_t labels_n, annotations_n;
};

struct test_rules_alert_case {
    int64_t at_ms;
    struct str name;
    struct test_rules_alert *expected; /* [expected_n] */
    size_t expected_n;
};

struct test_rules_sample {
    struct str labels, histogram; /* as written */
    double value;
};

struct test_rules_expr_case {
    struct str expr;
    int64_t at_ms;
    struct test_rules_sample *expected; /* [expected_n] */
    size_t expected_n;
};

struct test_rules_test {
    struct str name; /* "" where it has none */
    int64_t interval_ms, start_ms;
    struct test_rules_series *series;
    struct test_rules_alert_case *alerts;
    struct test_rules_expr_case *exprs;
    struct rule_pair *external_labels;
    size_t series_n, alerts_n, exprs_n, external_labels_n;
    struct str external_url;
};

struct test_rules_file {
    struct str *rule_files, *group_order; /* [rule_files_n], [group_order_n] */
    size_t rule_files_n, group_order_n;
    int64_t interval_ms;
    bool fuzzy;
    struct test_rules_test *tests;
    size_t tests_n;
};

/* Memory from a. -ERR_FORMAT with place and reason. */
MUST_USE int test_rules_file_read(struct str text, struct arena *a, struct test_rules_file *ret,
                                  struct why *why);

/* ---- one test: test_rules_group.c */

struct test_rules_options {
    struct promql_options promql;
    bool diff, lenient;
};

/* Runs test i of f and appends what is wrong to faults, each followed by a NUL byte; nothing: it
 * passed. paths [n] are the rule files. */
void test_rules_group(const struct test_rules_file *f, size_t i, const struct str *paths, size_t n,
                      const struct test_rules_options *options, struct buf *faults);

/* ---- texts of what was expected and what there is: test_rules_text.c */

/* {a="b", c="d"} in the order of names. */
void test_rules_text_labels(struct str key, struct buf *out);

/* {{schema:1 count:2 ..}}, the notation of series in tests. */
void test_rules_text_histogram(const struct histogram *h, struct buf *out);

/* 1m0s, as Go prints durations. */
void test_rules_text_duration(int64_t ms, struct buf *out);

/* got against exp, line by line: those that one lacks with "-" (expected) or "+" (there). */
void test_rules_text_diff(struct str exp, struct str got, struct buf *out);

#endif
