/* tool/dump.h - `sonde dump`: the samples of a range as OpenMetrics on standard output.
 *
 * Threads: one.
 */
#ifndef TOOL_DUMP_H
#define TOOL_DUMP_H

/* The exit status: 0, 1 for a failure, 2 for a command line that is not understood. */
int dump_run(int argc, char **argv);

#endif
