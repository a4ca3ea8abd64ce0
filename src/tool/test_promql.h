/* tool/test_promql.h - `sonde test promql FILE..`: cases in the language of Prometheus's promqltest
 * ("load" puts series into a store in memory, "eval" says what a query must answer).
 *
 * Threads: one.
 */
#ifndef TOOL_TEST_PROMQL_H
#define TOOL_TEST_PROMQL_H

#include "base/buf.h"
#include "query/promql/promqltest.h"

/* argv: files. Prints a line for each failure and `N passed, N failed` at the end; 0, 1 where a
 * case failed or a file cannot be read, 2 for a bad command line. */
int test_promql_run(int argc, char **argv);

/* Runs the cases of text, which is called name: "NAME:LINE: what was wrong" lines into out. */
void test_promql_file(const char *name, struct str text, struct promqltest_result *ret,
                      struct buf *out);

#endif
