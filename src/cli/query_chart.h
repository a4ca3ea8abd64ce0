/* cli/query_chart.h - an answer of the query API drawn with characters: lines of braille dots or,
 * in ASCII or without colours where there are several series, a sign for each series.
 *
 * Of an instant answer: a bar for each series. Axes have round values with SI prefixes and round
 * times (UTC); below stands a legend with each series' least, greatest and last value;
 * labels that all of them share are told once.
 *
 * Threads: pure functions.
 */
#ifndef CLI_QUERY_CHART_H
#define CLI_QUERY_CHART_H

#include "cli/query_answer.h"

enum {
    QUERY_CHART_COLUMNS_MIN = 40,
    QUERY_CHART_COLUMNS_MAX = 500,
    QUERY_CHART_LINES_MIN = 5, /* of the drawing itself */
    QUERY_CHART_LINES_MAX = 100,
    QUERY_CHART_SERIES_MAX = 12, /* drawn as lines; the rest is counted */
    QUERY_CHART_BARS_MAX = 50,   /* likewise */
};

struct query_chart_style {
    unsigned columns, lines; /* of the whole width, of the drawing's height; clamped */
    bool unicode, color;
    int64_t from_ms, to_ms; /* of the bottom axis; both 0: from the first to the last point */
};

/* Of query_chart_bars.c: the bars alone; shared is what is told of all. */
void query_chart_bars(const struct query_answer *answer, const struct query_chart_style *style,
                      const struct query_series *shared, struct buf *out);

void query_chart(const struct query_answer *answer, const struct query_chart_style *style,
                 struct buf *out);

#endif
