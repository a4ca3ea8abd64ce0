/* client/metric/process.h - metrics of the process itself, and of the library: a source.
 *
 * process_* with the names that Prometheus's client libraries give them; sonde_client_*.
 *
 * Threads: as of source.h.
 */
#ifndef CLIENT_METRIC_PROCESS_H
#define CLIENT_METRIC_PROCESS_H

void process_start(void);
void process_stop(void);

#endif
