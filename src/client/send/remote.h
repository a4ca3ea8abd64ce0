/* client/send/remote.h - what the daemon may ask of this program.
 *
 * The level that the daemon gives to its caller, but at most the setting remote.level; for commands
 * of the setting remote.allow up to operator.
 *
 * Threads: any.
 */
#ifndef CLIENT_SEND_REMOTE_H
#define CLIENT_SEND_REMOTE_H

#include <stdbool.h>
#include <stddef.h>

#include "client/core/command.h"

/* The level with which a line [n] that came with level `asked` is run. */
enum command_level remote_level(const char *line, size_t n, unsigned asked);

/* Are the settings remote.level and remote.allow well formed? Otherwise a sentence in problem
 * [SETTING_PROBLEM_MAX]. */
bool remote_check(char *problem);

#endif
