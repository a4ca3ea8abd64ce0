/* cli/debug_shell.h - the interactive part of `sonde debug`: a prompt with history and completion
 * of commands (libedit); on a pipe, lines are read and answered one by one.
 *
 * Threads: one.
 */
#ifndef CLI_DEBUG_SHELL_H
#define CLI_DEBUG_SHELL_H

#include <stdbool.h>

#include "cli/debug_client.h"

/* Called for each line; false: the connection is gone. *status becomes 1 where it failed. */
typedef bool debug_shell_line_f(struct debug_client *c, struct str line, bool json, int *status);

/* Until the end of the input, or "quit"; the exit status. */
int debug_shell(struct debug_client *c, bool json, debug_shell_line_f *line);

#endif
