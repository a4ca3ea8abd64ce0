/* client/error/report.h - Sentry's client reports: what was left out or lost, by reason.
 *
 * Threads: report_start(): at the start; report_flush(): as of outgoing_put().
 */
#ifndef CLIENT_ERROR_REPORT_H
#define CLIENT_ERROR_REPORT_H

#include <stdbool.h>

void report_start(void); /* what was lost before is not told */
/* Tells what is new, each report.interval_ms, or now. */
void report_flush(bool now);

#endif
