/* tool/store_tool.h - `sonde store`: verify, repair, rotate-key, info, delete.
 *
 * Threads: one.
 */
#ifndef TOOL_STORE_TOOL_H
#define TOOL_STORE_TOOL_H

int store_tool_run(int argc, char **argv);

#endif
