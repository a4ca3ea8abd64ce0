#include <math.h>

#include "cli/query_chart.h"
#include "cli/query_chart_axis.h"

enum {
    EIGHTHS = 8,     /* of a column that a bar may end in */
    NAME_SHARE = 2,  /* names take at most this part of the width: half */
    BAR_MIN = 10,    /* columns */
    VALUE_ROOM = 12, /* columns of a value and the blanks around it */
};

struct bars {
    struct query_chart_style style;
    const struct query_series *shared;
    struct buf *out;
    unsigned name, bar; /* columns */
    double most;        /* the greatest size of a value */
};

static double value_of(const struct query_series *s)
{
    return s->n && !s->points[0].histogram && isfinite(s->points[0].value) ? s->points[0].value : 0;
}

/* text in its columns, cut where it is longer. */
static void put_name(const struct bars *b, struct str text)
{
    size_t at = 0;
    unsigned used = 0;
    for (; at < text.n && used < b->name; used++)
        do
            at++;
        while (at < text.n && ((unsigned char)text.p[at] & 0xc0) == 0x80);
    buf_put_str(b->out, str_sub(text, 0, at));
    for (; used < b->name; used++)
        buf_put_c(b->out, ' ');
}

static void put_bar(const struct bars *b, double v)
{
    static const char *const ENDS[EIGHTHS] = {"",
                                              "\xe2\x96\x8f",
                                              "\xe2\x96\x8e",
                                              "\xe2\x96\x8d",
                                              "\xe2\x96\x8c",
                                              "\xe2\x96\x8b",
                                              "\xe2\x96\x8a",
                                              "\xe2\x96\x89"};
    double part = b->most > 0 ? fabs(v) / b->most : 0;
    unsigned eighths = (unsigned)lround(part * b->bar * EIGHTHS);
    for (unsigned i = 0; i < eighths / EIGHTHS; i++)
        buf_put_str(b->out, b->style.unicode ? STR("\xe2\x96\x88") : STR("#"));
    if (b->style.unicode)
        buf_put_str(b->out, str_c(ENDS[eighths % EIGHTHS]));
}

static void put_row(const struct bars *b, const struct query_series *s)
{
    char text[QUERY_CHART_AXIS_TEXT_MAX];
    struct buf name;
    buf_init(&name, b->out->max);
    query_answer_labels_but(s, b->shared, &name);
    put_name(b, buf_str(&name));
    buf_done(&name);
    buf_put_str(b->out, b->style.unicode ? STR(" \xe2\x94\x82") : STR(" |"));
    put_bar(b, value_of(s));
    buf_put_c(b->out, ' ');
    if (s->n && s->points[0].histogram)
        buf_put_str(b->out, STR("a histogram"));
    else if (s->n)
        buf_put(b->out, text, query_chart_axis_si(s->points[0].value, b->style.unicode, text));
    buf_put_c(b->out, '\n');
}

void query_chart_bars(const struct query_answer *answer, const struct query_chart_style *style,
                      const struct query_series *shared, struct buf *out)
{
    struct bars b = {.style = *style, .shared = shared, .out = out};
    size_t n = MIN(answer->n, (size_t)QUERY_CHART_BARS_MAX);
    unsigned columns = MAX(QUERY_CHART_COLUMNS_MIN, MIN(style->columns, QUERY_CHART_COLUMNS_MAX));
    for (size_t i = 0; i < n; i++) {
        struct buf name;
        buf_init(&name, out->max);
        query_answer_labels_but(&answer->series[i], shared, &name);
        b.name = MAX(b.name, (unsigned)MIN(query_answer_width(buf_str(&name)), (size_t)columns));
        b.most = fmax(b.most, fabs(value_of(&answer->series[i])));
        buf_done(&name);
    }
    b.name = MIN(b.name, columns / NAME_SHARE);
    b.bar = MAX(columns - b.name - VALUE_ROOM, (unsigned)BAR_MIN);
    for (size_t i = 0; i < n; i++)
        put_row(&b, &answer->series[i]);
}
