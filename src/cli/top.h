/* cli/top.h - `sonde top`: the host, the programs, the checks and the alerts, each second, in the
 * terminal; once where the output is none.
 *
 * Threads: one.
 */
#ifndef CLI_TOP_H
#define CLI_TOP_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"

struct top_config {
    const char *server; /* the daemon: http://127.0.0.1:7663 */
    const char *socket; /* of sonde-watch, where the daemon does not answer; NULL: none */
    bool colour;
    unsigned lines; /* of the terminal; 0: any */
};

/* Appends one picture: what neither the daemon nor sonde-watch answers is left out, and said. */
void top_draw(const struct top_config *c, struct buf *out);

/* `sonde top`; the exit status. q, Esc or Ctrl-C end it. */
int top_run(int argc, char **argv);

/* The programs of the daemon's /api/watch as a table, for `sonde status` too; false where there
 * are none. */
bool top_programs(const char *server, bool colour, struct buf *out);

#endif
