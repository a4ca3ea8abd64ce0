/* daemon/runner_rows.h - the last values of the collectors, as /metrics shows them.
 *
 * Threads: any, one call at a time for each.
 */
#ifndef DAEMON_RUNNER_ROWS_H
#define DAEMON_RUNNER_ROWS_H

#include "collect/runner.h"
#include "serve/serve.h"

/* serve_source.each, with a struct runner as its context. */
void runner_rows_each(void *runner, void (*f)(void *f_context, const struct serve_row *row),
                      void *f_context);

#endif
