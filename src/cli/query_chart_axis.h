/* cli/query_chart_axis.h - round marks for the axes of a chart, and their texts.
 *
 * Threads: pure functions.
 */
#ifndef CLI_QUERY_CHART_AXIS_H
#define CLI_QUERY_CHART_AXIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { QUERY_CHART_AXIS_TEXT_MAX = 32 };

/* Values between low and high (finite, low <= high) in at most marks steps of 1, 2 or 5 times a
 * power of ten; *low and *high become marks themselves, apart from each other. */
void query_chart_axis_values(double *low, double *high, unsigned marks, double *ret_step);

/* 1.5k, 20M, 3m, 0: four digits and an SI prefix (u for micro in ASCII); returns the length. */
size_t query_chart_axis_si(double v, bool unicode, char out[QUERY_CHART_AXIS_TEXT_MAX]);

/* The least round step of time in which a span has at most marks of them. */
int64_t query_chart_axis_time_step(int64_t span_ms, unsigned marks);

/* 05:00, 05:00:30, 11-22, 11-22 05:00: as short as a step and a span of time allow (UTC). */
size_t query_chart_axis_time(int64_t ts_ms, int64_t step_ms, int64_t span_ms,
                             char out[QUERY_CHART_AXIS_TEXT_MAX]);

#endif
