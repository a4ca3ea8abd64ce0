/* client/send/otlp.h - where OTLP/HTTP goes: settings, the environment of OpenTelemetry, answers.
 *
 * The setting otlp.endpoint, else OTEL_EXPORTER_OTLP_ENDPOINT: a base that v1/traces and v1/logs
 * are added to; OTEL_EXPORTER_OTLP_TRACES_ENDPOINT and .._LOGS_ENDPOINT are taken as they are.
 * Headers by the setting otlp.headers or OTEL_EXPORTER_OTLP_HEADERS: "key=value,key=value", values
 * percent-escaped.
 *
 * Source:  OpenTelemetry, protocol/exporter.md; opentelemetry-proto, collector services
 * Threads: one at a time.
 */
#ifndef CLIENT_SEND_OTLP_H
#define CLIENT_SEND_OTLP_H

#include <stddef.h>
#include <stdint.h>

enum { OTLP_URL_MAX = 1100, OTLP_HEADERS_MAX = 16, OTLP_HEADER_MAX = 1100 };

enum otlp_signal { OTLP_TRACES, OTLP_LOGS };

struct otlp_headers {
    char line[OTLP_HEADERS_MAX][OTLP_HEADER_MAX]; /* "Name: value" */
    size_t n;
};

/* "" where there is none. A bad setting: SONDE_ERROR_ARGUMENT; a bad variable is left out, with 0;
 * in both cases with a sentence in problem [SETTING_PROBLEM_MAX], which stays as it is otherwise.
 */
int otlp_url(enum otlp_signal signal, char ret[OTLP_URL_MAX], char *problem);
int otlp_headers_read(struct otlp_headers *ret, char *problem);
/* The same from a text; how many are bad is given. */
size_t otlp_headers_parse(const char *text, struct otlp_headers *ret);

/* How many spans or records of a request an Export..ServiceResponse rejects; 0 where it says none
 * or is none. */
uint64_t otlp_rejected(const char *bytes, size_t n);

#endif
