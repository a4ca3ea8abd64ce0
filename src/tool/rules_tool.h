/* tool/rules_tool.h - `sonde rules backfill`: recording rules evaluated over the past, in a running
 * daemon's store or in a data directory that no daemon uses.
 *
 * Threads: one.
 */
#ifndef TOOL_RULES_TOOL_H
#define TOOL_RULES_TOOL_H

/* The words behind `rules`; the exit status. */
int rules_tool_run(int argc, char **argv);

#endif
