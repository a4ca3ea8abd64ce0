/* tool/notify_tool.h - `sonde notify test`: sends a test to a receiver of a configuration, from
 * here and at once, and says what became of it. No daemon is needed.
 *
 * Threads: one (and the queue's own).
 */
#ifndef TOOL_NOTIFY_TOOL_H
#define TOOL_NOTIFY_TOOL_H

/* The words behind `sonde notify`; the exit status. */
int notify_tool_run(int argc, char **argv);

#endif
