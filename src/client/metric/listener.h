/* client/metric/listener.h - an own /metrics listener of HTTP/1.1, off by default (metric.listen).
 *
 * GET and HEAD of /metrics; everything else is 404 or 405, everything strange 400 and the end of
 * the connection. It runs on the library's thread and never waits: connections are few
 * (metric.connections), requests short, and who reads slowly is closed after half a minute. Where
 * the port is taken it is tried again every few seconds.
 *
 * Threads: listener_start() before the worker, listener_stop() after it; all else on it.
 */
#ifndef CLIENT_METRIC_LISTENER_H
#define CLIENT_METRIC_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

int listener_start(char *problem); /* SONDE_ERROR_ARGUMENT: no address */
void listener_stop(void);
void listener_fork_child(void); /* the parent's port and connections are the parent's */
uint16_t listener_port(void);   /* 0: not listening; any thread */

#endif
