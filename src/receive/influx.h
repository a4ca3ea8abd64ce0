/* receive/influx.h - InfluxDB's line protocol over HTTP, as its clients speak to versions 1 and 2.
 *
 *   POST /write?db=&precision=           version 1; rp, u, p and consistency are taken and not used
 *   POST /api/v2/write?bucket=&precision=  version 2; org likewise
 *   GET  /ping, POST and GET /query      what clients ask first: CREATE DATABASE, SHOW DATABASES
 *
 * All of them are also there below /influx, as VictoriaMetrics has them. Answers: 204 all written;
 * 400 lines were refused, the good ones are kept ("partial write: ..."); 413, 415, 503, 507 as for
 * remote write.
 *
 * Source:  InfluxDB 1.8 and 2.7, their HTTP APIs.
 * Threads: handlers run on their loops; one scratch space per lane.
 */
#ifndef RECEIVE_INFLUX_H
#define RECEIVE_INFLUX_H

#include "base/option.h"
#include "receive/receiver.h"

enum {
    INFLUX_BODY_MAX = 32 << 20,     /* bytes as sent, packed */
    INFLUX_UNPACKED_MAX = 64 << 20, /* bytes unpacked */
    INFLUX_NAMED_MAX = 10,          /* refusals that an answer names */
};

/* [influx] of the configuration. */
struct influx_settings {
    const char *separator, *names, *db_label;
    bool skip_measurement, skip_single_field;
};

extern const struct option_table influx_options;

extern const struct receiver_ops influx_receiver;

#endif
