/* tool/query.h - `sonde query 'EXPR'`: asks a running daemon, or a data directory (--data), and
 * prints a table, CSV, the answer's JSON or a chart.
 *
 * Threads: one.
 */
#ifndef TOOL_QUERY_H
#define TOOL_QUERY_H

/* 0: printed; 1: the query failed or nobody answered; 2: bad usage. */
int query_run(int argc, char **argv);

#endif
