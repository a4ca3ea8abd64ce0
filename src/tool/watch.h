/* tool/watch.h - `sonde watch`: keeps programs running, and asks the one that does.
 *
 * sonde-watch is a program of its own, small and without libraries; this reads the configuration or
 * the command line, writes the table that sonde-watch understands into a file in memory and becomes
 * it.
 *
 * Flow:    sonde.toml, words -> watch/conf -> memfd -> exec sonde-watch; ctl -> its socket
 * Threads: one.
 */
#ifndef TOOL_WATCH_H
#define TOOL_WATCH_H

#include "conf/conf.h"

/* Exit status: enum watch_ctl_exit of cli/watch_ctl.h. */
int watch_run(int argc, char **argv);

/* Says on standard error what of [[watch.program]] will hardly work. */
void watch_doubts(const struct conf *c);

#endif
