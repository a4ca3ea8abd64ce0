/* tool/check_rules.h - `sonde check rules FILE..`: are rule files well-formed, and are there rules
 * that stand in a file twice?
 *
 * Threads: one.
 */
#ifndef TOOL_CHECK_RULES_H
#define TOOL_CHECK_RULES_H

#include <stdbool.h>
#include <stdio.h>

#include "query/promql/promql.h"

struct check_rules_options {
    struct promql_options promql;
    bool lenient;    /* unknown fields are passed over */
    bool lint;       /* look for rules that stand there twice */
    bool lint_fatal; /* and fail because of them */
};

enum { CHECK_RULES_LINT = 3 /* exit status: nothing but duplicates, and they are fatal */ };

/* Reads the file and says on out that it is good, with how many rules, or on faults all that is
 * wrong. 0: good; 1: faults; CHECK_RULES_LINT: duplicates alone. */
int check_rules_file(const char *path, const struct check_rules_options *options, FILE *out,
                     FILE *faults);

/* What is done with each file that `sonde check COMMAND FILE..` names; as check_rules_file(). */
typedef int check_rules_one(const char *path, const struct check_rules_options *options, FILE *out,
                            FILE *faults);

/* Reads the words behind `sonde check COMMAND`: the options of rules and files; the exit status. */
int check_rules_each(const char *command, check_rules_one *one, int argc, char **argv);

/* The words behind `sonde check rules`; the exit status: 0 all good, 1 faults, 2 the command line
 * is wrong, 3 duplicates where they are fatal. */
int check_rules_run(int argc, char **argv);

#endif
