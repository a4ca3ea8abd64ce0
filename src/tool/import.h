/* tool/import.h - `sonde import`: samples of Prometheus's data directories, of text files and of
 * running servers, into a data directory or a running daemon.
 *
 * Threads: one.
 */
#ifndef TOOL_IMPORT_H
#define TOOL_IMPORT_H

/* The exit status: 0, 1 for a failure, 2 for a command line that is not understood. */
int import_run(int argc, char **argv);

#endif
