/* tool/backtest_tool.h - `sonde rules backtest`: when a rule would have fired, asked of a running
 * daemon.
 *
 * Threads: one.
 */
#ifndef TOOL_BACKTEST_TOOL_H
#define TOOL_BACKTEST_TOOL_H

#include "tool/arguments.h"

/* The words behind `rules backtest`; the exit status. */
int backtest_tool_run(struct arguments *a);

#endif
