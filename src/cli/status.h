/* cli/status.h - `sonde status`: the health of the running daemon, as text.
 *
 * Threads: one.
 */
#ifndef CLI_STATUS_H
#define CLI_STATUS_H

/* Exit status 0: all is well; 1: something is not; 2: there is no answer. */
int status_run(int argc, char **argv);

#endif
