/* serve/system_report.h - this machine, the daemon and the programs that are watched, on one page
 * of JSON.
 *
 * Threads: any; waits for sonde-watch (a second at most).
 */
#ifndef SERVE_SYSTEM_REPORT_H
#define SERVE_SYSTEM_REPORT_H

#include "serve/serve_state.h"
#include "text/json.h"

enum { SYSTEM_REPORT_MAX = 16 << 20 /* bytes */ };

/* {"cpu":{..},"memory":{..},"disk":[..],"network":[..],"load":{..}}: the collectors' last values,
 * with their units. What is not collected is null or missing. */
void system_report_host(struct serve *s, struct json_writer *w);

/* The members of an object that is begun: the host, the database connections, response times,
 * processes, restarts and the uptime of each program. */
void system_report_status(struct serve *s, struct json_writer *w);

/* The daemon's own figures: a summary of them, and all of its metrics. */
void system_report_own(struct serve *s, struct json_writer *w);

#endif
