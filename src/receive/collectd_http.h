/* receive/collectd_http.h - POST /api/collectd: what collectd's write_http plugin sends.
 *
 * JSON or commands, as codec/collectd_http.h has them. Answers: 204 all written, 400 some were
 * refused (the others are kept), 413, 415, 503, 507 as for remote write. The types of
 * [collectd] types_db name the values of commands.
 *
 * Threads: handlers run on their loops; one scratch space per lane.
 */
#ifndef RECEIVE_COLLECTD_HTTP_H
#define RECEIVE_COLLECTD_HTTP_H

#include "receive/receiver.h"

enum {
    COLLECTD_HTTP_BODY_MAX = 16 << 20,
    COLLECTD_HTTP_UNPACKED_MAX = 32 << 20,
    COLLECTD_HTTP_NAMED_MAX = 10, /* refusals that an answer names */
};

extern const struct receiver_ops collectd_http_receiver;

#endif
