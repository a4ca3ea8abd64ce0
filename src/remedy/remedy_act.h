/* remedy/remedy_act.h - carries out what a runbook says: asks sonde-watch for a restart, or has the
 * launcher start a command.
 *
 * Threads: any; waits for the action.
 */
#ifndef REMEDY_REMEDY_ACT_H
#define REMEDY_REMEDY_ACT_H

#include "launch/launch.h"
#include "remedy/remedy.h"

struct remedy_act {
    const char *watch_socket;
    struct launcher *launcher; /* NULL: no commands are configured */
};

/* remedy_config.act, with a struct remedy_act as its context. */
MUST_USE int remedy_act(void *context, const struct remedy_row *row, struct str alert,
                        struct buf *output, struct why *why);

#endif
