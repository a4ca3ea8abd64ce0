/* daemon/command.h - `sonde SUBCOMMAND`: which one, and the help of all.
 *
 * Threads: one.
 */
#ifndef DAEMON_COMMAND_H
#define DAEMON_COMMAND_H

/* Runs what argv[1] names; the exit status. */
int command_main(int argc, char **argv);

int command_help(int argc, char **argv);

#endif
