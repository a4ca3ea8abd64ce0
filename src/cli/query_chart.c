#include "cli/query_chart.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cli/query_chart_axis.h"
#include "text/letter.h"

enum {
    DOTS_ACROSS = 2, /* of a braille character */
    DOTS_DOWN = 4,
    BRAILLE = 0x2800,
    LINES_A_MARK = 3,    /* least distance of marks at the left */
    COLUMNS_A_MARK = 18, /* at the bottom */
};

static const double VALUE_MAX = 1e300; /* so that no step of an axis overflows */

static const char *const COLORS[] = {"\x1b[36m", "\x1b[33m", "\x1b[32m", "\x1b[35m",
                                     "\x1b[34m", "\x1b[31m", "\x1b[96m", "\x1b[93m",
                                     "\x1b[92m", "\x1b[95m", "\x1b[94m", "\x1b[91m"};
static const char COLOR_END[] = "\x1b[0m";
static const char *const SIGNS[] = {"\xe2\x97\x8f",
                                    "\xe2\x96\xb2",
                                    "\xe2\x96\xa0",
                                    "\xe2\x97\x86",
                                    "\xe2\x97\x8b",
                                    "\xe2\x96\xb3",
                                    "\xe2\x96\xa1",
                                    "\xe2\x97\x87",
                                    "\xc3\x97",
                                    "+",
                                    "*",
                                    "#"};
static const char ASCII_SIGNS[] = "*ox#@%&=~^$!";

struct cell {
    uint8_t dots;  /* braille */
    uint8_t owner; /* the series drawn last, from 1; 0: nothing */
};

struct chart {
    const struct query_answer *answer;
    struct query_chart_style style;
    bool braille;
    size_t series;          /* that are drawn */
    int64_t from_ms, to_ms; /* of all points */
    int64_t gap_ms;         /* points that are farther apart are not joined */
    double low, high, step; /* of the left axis */
    unsigned left;          /* columns of its texts */
    unsigned columns, lines;
    struct cell *cells; /* [lines * columns] */
    struct query_series shared;
    struct buf *out;
};

static bool drawable(const struct query_point *p)
{
    return !p->histogram && fabs(p->value) < VALUE_MAX; /* NaN is not */
}

/* ---- what there is to draw */

/* False where there is nothing. */
static bool survey(struct chart *c)
{
    int64_t step = INT64_MAX;
    bool any = false;
    for (size_t i = 0; i < c->series; i++) {
        const struct query_series *s = &c->answer->series[i];
        for (size_t k = 0; k < s->n; k++) {
            const struct query_point *p = &s->points[k];
            if (k > 0 && p->ts_ms > p[-1].ts_ms)
                step = MIN(step, p->ts_ms - p[-1].ts_ms);
            if (!drawable(p))
                continue;
            c->from_ms = any ? MIN(c->from_ms, p->ts_ms) : p->ts_ms;
            c->to_ms = any ? MAX(c->to_ms, p->ts_ms) : p->ts_ms;
            c->low = any ? fmin(c->low, p->value) : p->value;
            c->high = any ? fmax(c->high, p->value) : p->value;
            any = true;
        }
    }
    if (any && c->style.to_ms > c->style.from_ms) {
        c->from_ms = MIN(c->from_ms, c->style.from_ms);
        c->to_ms = MAX(c->to_ms, c->style.to_ms);
    }
    c->gap_ms = step == INT64_MAX ? 0 : step + step / 2;
    return any;
}

static void set_axes(struct chart *c)
{
    char text[QUERY_CHART_AXIS_TEXT_MAX];
    c->lines = MAX(QUERY_CHART_LINES_MIN, MIN(c->style.lines, QUERY_CHART_LINES_MAX));
    query_chart_axis_values(&c->low, &c->high, c->lines / LINES_A_MARK + 1, &c->step);
    for (double v = c->low; v <= c->high + c->step / 2; v += c->step) {
        size_t n = query_chart_axis_si(fabs(v) < c->step / 2 ? 0 : v, c->style.unicode, text);
        c->left = MAX(c->left, (unsigned)query_answer_width(str_of(text, n)));
    }
    unsigned columns = MAX(QUERY_CHART_COLUMNS_MIN, MIN(c->style.columns, QUERY_CHART_COLUMNS_MAX));
    c->columns = columns - c->left - 2;
}

/* ---- drawing */

/* Dots (or cells) across and down, from the left and the top. */
static unsigned across(const struct chart *c)
{
    return c->columns * (c->braille ? DOTS_ACROSS : 1);
}

static unsigned down(const struct chart *c)
{
    return c->lines * (c->braille ? DOTS_DOWN : 1);
}

static void set_dot(struct chart *c, int x, int y, size_t series)
{
    static const uint8_t BITS[DOTS_DOWN][DOTS_ACROSS] = {{1, 8}, {2, 16}, {4, 32}, {64, 128}};
    unsigned column = (unsigned)x / (c->braille ? DOTS_ACROSS : 1);
    unsigned line = (unsigned)y / (c->braille ? DOTS_DOWN : 1);
    struct cell *cell = &c->cells[line * c->columns + column];
    cell->owner = (uint8_t)(series + 1);
    if (c->braille)
        cell->dots |= BITS[y % DOTS_DOWN][x % DOTS_ACROSS];
}

static int x_of(const struct chart *c, int64_t ts_ms)
{
    if (c->to_ms == c->from_ms)
        return 0;
    double part = (double)(ts_ms - c->from_ms) / (double)(c->to_ms - c->from_ms);
    return (int)lround(part * (across(c) - 1));
}

static int y_of(const struct chart *c, double v)
{
    double part = (c->high / 2 - v / 2) / (c->high / 2 - c->low / 2);
    return (int)lround(part * (down(c) - 1));
}

/* All dots between two, as Bresenham has it. */
static void join(struct chart *c, int x, int y, int to_x, int to_y, size_t series)
{
    int dx = abs(to_x - x), dy = -abs(to_y - y), error = dx + dy;
    int side_x = x < to_x ? 1 : -1, side_y = y < to_y ? 1 : -1;
    for (;;) {
        set_dot(c, x, y, series);
        if (x == to_x && y == to_y)
            return;
        int twice = 2 * error;
        if (twice >= dy) {
            error += dy;
            x += side_x;
        }
        if (twice <= dx) {
            error += dx;
            y += side_y;
        }
    }
}

static void draw(struct chart *c, size_t series)
{
    const struct query_series *s = &c->answer->series[series];
    const struct query_point *before = NULL;
    for (size_t k = 0; k < s->n; k++) {
        const struct query_point *p = &s->points[k];
        if (!drawable(p)) {
            before = NULL;
            continue;
        }
        int x = x_of(c, p->ts_ms), y = y_of(c, p->value);
        if (before && p->ts_ms - before->ts_ms <= c->gap_ms)
            join(c, x_of(c, before->ts_ms), y_of(c, before->value), x, y, series);
        else
            set_dot(c, x, y, series);
        before = p;
    }
}

/* ---- writing */

static void put_sign(const struct chart *c, size_t series)
{
    if (c->style.unicode)
        buf_put_str(c->out, str_c(SIGNS[series % COUNTOF(SIGNS)]));
    else
        buf_put_c(c->out, ASCII_SIGNS[series % (sizeof ASCII_SIGNS - 1)]);
}

static void put_color(const struct chart *c, size_t owner)
{
    if (c->style.color)
        buf_put_str(c->out, str_c(owner ? COLORS[(owner - 1) % COUNTOF(COLORS)] : COLOR_END));
}

static void put_cells(const struct chart *c, unsigned line)
{
    size_t owner = 0;
    for (unsigned i = 0; i < c->columns; i++) {
        const struct cell *cell = &c->cells[line * c->columns + i];
        if (cell->owner && cell->owner != owner)
            put_color(c, cell->owner);
        owner = cell->owner ? cell->owner : owner;
        if (!cell->owner)
            buf_put_c(c->out, ' ');
        else if (c->braille)
            letter_put(BRAILLE + cell->dots, c->out);
        else
            put_sign(c, cell->owner - 1u);
    }
    if (owner)
        put_color(c, 0);
}

static void put_blanks(const struct chart *c, size_t n)
{
    while (n-- > 0)
        buf_put_c(c->out, ' ');
}

/* The mark of the left axis that lies on a line; false where there is none. */
static bool mark_of(const struct chart *c, unsigned line, double *ret)
{
    for (double v = c->low; v <= c->high + c->step / 2; v += c->step)
        if ((unsigned)y_of(c, fmin(v, c->high)) / (c->braille ? DOTS_DOWN : 1) == line) {
            *ret = fabs(v) < c->step / 2 ? 0 : v;
            return true;
        }
    return false;
}

static void trim(struct buf *out)
{
    while (out->n && out->p[out->n - 1] == ' ')
        out->n--;
}

static void put_line(const struct chart *c, unsigned line)
{
    char text[QUERY_CHART_AXIS_TEXT_MAX];
    size_t n = 0;
    double v;
    bool mark = mark_of(c, line, &v);
    if (mark)
        n = query_chart_axis_si(v, c->style.unicode, text);
    put_blanks(c, c->left - query_answer_width(str_of(text, n)));
    buf_put(c->out, text, n);
    if (c->style.unicode)
        buf_put_str(c->out, mark ? STR(" \xe2\x94\xa4") : STR(" \xe2\x94\x82"));
    else
        buf_put_str(c->out, mark ? STR(" +") : STR(" |"));
    put_cells(c, line);
    trim(c->out);
    buf_put_c(c->out, '\n');
}

/* The first mark of the bottom axis, and how far apart they are. */
static int64_t first_time(const struct chart *c, int64_t *ret_step)
{
    int64_t step =
        query_chart_axis_time_step(c->to_ms - c->from_ms, MAX(c->columns / COLUMNS_A_MARK, 1u) + 1);
    int64_t rest = c->from_ms % step;
    *ret_step = step;
    return rest == 0 ? c->from_ms : c->from_ms + step - (rest < 0 ? rest + step : rest);
}

static unsigned column_of(const struct chart *c, int64_t ts_ms)
{
    return (unsigned)x_of(c, ts_ms) / (c->braille ? DOTS_ACROSS : 1);
}

static void put_bottom(const struct chart *c)
{
    int64_t step, at = first_time(c, &step);
    const char *corner = c->style.unicode ? "\xe2\x94\x94" : "+";
    const char *mark = c->style.unicode ? "\xe2\x94\xac" : "+", *line = "-";
    if (c->style.unicode)
        line = "\xe2\x94\x80";
    put_blanks(c, c->left + 1);
    buf_put_str(c->out, str_c(corner));
    for (unsigned i = 0; i < c->columns; i++) {
        bool here = at <= c->to_ms && column_of(c, at) == i;
        buf_put_str(c->out, str_c(here ? mark : line));
        while (at <= c->to_ms && column_of(c, at) <= i)
            at += step;
    }
    buf_put_c(c->out, '\n');
}

static void put_times(const struct chart *c)
{
    char text[QUERY_CHART_AXIS_TEXT_MAX];
    int64_t step, at = first_time(c, &step);
    size_t used = 0; /* columns */
    put_blanks(c, c->left + 2);
    for (; at <= c->to_ms; at += step) {
        size_t n = query_chart_axis_time(at, step, c->to_ms - c->from_ms, text);
        size_t column = column_of(c, at), begin = column > n / 2 ? column - n / 2 : 0;
        if (begin + n > c->columns)
            begin = c->columns - n;
        if (used && begin < used + 2)
            continue;
        put_blanks(c, begin - used);
        buf_put(c->out, text, n);
        used = begin + n;
    }
    trim(c->out);
    buf_put_c(c->out, '\n');
}

static void put_figure(const struct chart *c, const char *name, double v)
{
    char text[QUERY_CHART_AXIS_TEXT_MAX];
    size_t n = query_chart_axis_si(v, c->style.unicode, text);
    buf_printf(c->out, "  %s %.*s", name, (int)n, text);
}

static void put_legend(const struct chart *c, size_t series)
{
    const struct query_series *s = &c->answer->series[series];
    double least = INFINITY, greatest = -INFINITY, last = (double)NAN;
    for (size_t k = 0; k < s->n; k++) {
        if (!drawable(&s->points[k]))
            continue;
        last = s->points[k].value;
        least = fmin(least, last);
        greatest = fmax(greatest, last);
    }
    put_color(c, series + 1);
    if (c->braille)
        buf_put_str(c->out, STR("\xe2\x94\x81\xe2\x94\x81"));
    else
        put_sign(c, series);
    put_color(c, 0);
    buf_put_c(c->out, ' ');
    query_answer_labels_but(s, &c->shared, c->out);
    if (isnan(last)) {
        buf_put_str(c->out, STR("  nothing to draw\n"));
        return;
    }
    put_figure(c, "min", least);
    put_figure(c, "max", greatest);
    put_figure(c, "last", last);
    buf_put_c(c->out, '\n');
}

static void put_span(const struct chart *c)
{
    char from[QUERY_ANSWER_TIME_MAX], to[QUERY_ANSWER_TIME_MAX];
    size_t from_n = query_answer_time(c->from_ms, from), to_n = query_answer_time(c->to_ms, to);
    buf_printf(c->out, "%.*s .. %.*s\n", (int)from_n, from, (int)to_n, to);
}

static void put_shared(const struct query_series *shared, struct buf *out)
{
    if (shared->labels_n == 0)
        return;
    buf_put_str(out, STR("all of "));
    query_answer_labels(shared, out);
    buf_put_c(out, '\n');
}

static void put_chart(struct chart *c)
{
    set_axes(c);
    c->cells = mem_array((size_t)c->lines * c->columns, sizeof *c->cells);
    for (size_t i = c->series; i-- > 0;)
        draw(c, i); /* the first ones lie on top */
    for (unsigned i = 0; i < c->lines; i++)
        put_line(c, i);
    put_bottom(c);
    put_times(c);
    put_span(c);
    mem_free(c->cells);
}

void query_chart(const struct query_answer *answer, const struct query_chart_style *style,
                 struct buf *out)
{
    struct chart c = {.answer = answer, .style = *style, .out = out};
    struct arena a;
    size_t most = answer->range ? QUERY_CHART_SERIES_MAX : QUERY_CHART_BARS_MAX;
    arena_init(&a);
    c.series = MIN(answer->n, most);
    c.braille = style->unicode && (style->color || c.series == 1);
    c.shared = query_answer_shared(answer, c.series, &a);
    if (answer->range && survey(&c))
        put_chart(&c);
    put_shared(&c.shared, out);
    if (!answer->range)
        query_chart_bars(answer, style, &c.shared, out);
    for (size_t i = 0; answer->range && i < c.series; i++)
        put_legend(&c, i);
    if (answer->n > c.series)
        buf_printf(out, "%zu more series are not drawn\n", answer->n - c.series);
    arena_done(&a);
}
