/* sonde-helper-chart - a picture of an alert's series, for mail.
 *
 * Reads one JSON document on standard input and writes a PNG on standard output:
 *
 *   {"title": "..", "unit": "%", "from_ms": 0, "to_ms": 0,
 *    "series": [{"name": "db1", "points": [[ms, value], ..]}, ..],
 *    "threshold": 90, "marks": [[from_ms, to_ms], ..]}
 *
 * Everything but series may be missing. A value that is no number is a gap. The picture has a
 * background of its own, so that it can be read in mail programs that are light or dark, and twice
 * the pixels that it is shown with. It ends with 1 where the document is wrong, and says why.
 *
 * Source:  cairo, its documentation.
 */
#include <cairo.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "text/json_tree.h"

enum {
    INPUT_MAX = 4 << 20, /* bytes */
    WIDTH = 1280,        /* pixels, as are those below */
    HEIGHT = 440,
    LEFT = 116,
    RIGHT = 36,
    TOP = 74,
    BOTTOM = 92,
    SERIES_MAX = 20,
    LEGEND_MAX = 5,
    TICKS = 5,
    MINUTE_MS = 60000,
};

struct colour {
    double r, g, b;
};

static const struct colour COLOURS[] = {
    {0.145, 0.388, 0.659}, {0.902, 0.451, 0.0},   {0.102, 0.498, 0.294}, {0.557, 0.267, 0.678},
    {0.0, 0.537, 0.557},   {0.788, 0.302, 0.467}, {0.478, 0.396, 0.129}, {0.345, 0.376, 0.427},
};
static const struct colour INK = {0.114, 0.141, 0.188}, FAINT = {0.4, 0.44, 0.52},
                           GRID = {0.9, 0.915, 0.935}, ALARM = {0.776, 0.157, 0.157};

struct chart {
    const struct json_tree *root, *series;
    double from, to;  /* ms */
    double low, high; /* values */
    double threshold;
    bool has_threshold, any;
    cairo_t *c;
};

static void ink(cairo_t *c, struct colour k, double alpha)
{
    cairo_set_source_rgba(c, k.r, k.g, k.b, alpha);
}

/* ---- what is to be seen */

static bool point(const struct json_tree *p, double *ret_ms, double *ret_value)
{
    if (json_tree_n(p) != 2 || p->children[0].type != JSON_NUMBER)
        return false;
    *ret_ms = p->children[0].number;
    *ret_value = p->children[1].type == JSON_NUMBER ? p->children[1].number : NAN;
    return true;
}

static void widen(struct chart *h, double value)
{
    h->low = h->any ? fmin(h->low, value) : value;
    h->high = h->any ? fmax(h->high, value) : value;
    h->any = true;
}

static void measure(struct chart *h)
{
    double ms, value, first = INFINITY, last = -INFINITY;
    for (size_t i = 0; i < MIN(json_tree_n(h->series), (size_t)SERIES_MAX); i++) {
        const struct json_tree *points = json_tree_get(&h->series->children[i], "points");
        for (size_t k = 0; k < json_tree_n(points); k++) {
            if (!point(&points->children[k], &ms, &value))
                continue;
            first = fmin(first, ms);
            last = fmax(last, ms);
            if (isfinite(value))
                widen(h, value);
        }
    }
    const struct json_tree *threshold = json_tree_get(h->root, "threshold");
    h->has_threshold = h->any && threshold && threshold->type == JSON_NUMBER;
    if (h->has_threshold)
        widen(h, h->threshold = threshold->number);
    h->from = (double)json_tree_whole(h->root, "from_ms");
    h->to = (double)json_tree_whole(h->root, "to_ms");
    if (h->to <= h->from) {
        h->from = first;
        h->to = last > first ? last : first + MINUTE_MS;
    }
}

/* A step of 1, 2 or 5 times a power of ten, so that there are about TICKS of them. */
static double step_of(double range)
{
    double rough = range / TICKS, power = pow(10, floor(log10(rough))), part = rough / power;
    return power * (part < 1.5 ? 1 : part < 3.5 ? 2 : part < 7.5 ? 5 : 10);
}

static double round_out(struct chart *h)
{
    if (h->low >= 0 && h->low < h->high / 2)
        h->low = 0;
    if (h->high <= h->low) {
        h->high += fmax(fabs(h->high) * 0.1, 1);
        h->low -= h->low == 0 ? 0 : fmax(fabs(h->low) * 0.1, 1);
    }
    double step = step_of(h->high - h->low);
    h->low = floor(h->low / step) * step;
    h->high = ceil(h->high / step) * step;
    return step;
}

static double x_of(const struct chart *h, double ms)
{
    return LEFT + (ms - h->from) / (h->to - h->from) * (WIDTH - LEFT - RIGHT);
}

static double y_of(const struct chart *h, double value)
{
    return HEIGHT - BOTTOM - (value - h->low) / (h->high - h->low) * (HEIGHT - TOP - BOTTOM);
}

/* ---- texts */

static void say(struct chart *h, double x, double y, double size, double align, const char *text)
{
    cairo_text_extents_t e;
    cairo_set_font_size(h->c, size);
    cairo_text_extents(h->c, text, &e);
    cairo_move_to(h->c, x - align * e.x_advance, y);
    cairo_show_text(h->c, text);
}

/* 1500000 as 1.5M. */
static void number_text(double v, double step, const char *unit, char *to, size_t n)
{
    static const char *const PREFIXES[] = {"", "k", "M", "G", "T", "P"};
    size_t i = 0;
    while (fabs(v) >= 10000 && i + 1 < COUNTOF(PREFIXES)) {
        v /= 1000;
        step /= 1000;
        i++;
    }
    int digits = step >= 1 || step <= 0 ? 0 : (int)ceil(-log10(step) - 1e-9);
    snprintf(to, n, "%.*f%s%s%.12s", MIN(digits, 9), v == 0 ? 0.0 : v, PREFIXES[i],
             unit[0] && unit[0] != '%' ? " " : "", unit);
}

static void time_text(double ms, double range_ms, char *to, size_t n)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm t;
    gmtime_r(&seconds, &t);
    strftime(to, n, range_ms > 36.0 * 60 * MINUTE_MS ? "%m-%d %H:%M" : "%H:%M", &t);
}

/* ---- drawing */

static void draw_frame(struct chart *h, double step)
{
    const char *unit = json_tree_text(h->root, "unit").p;
    char text[64];
    ink(h->c, (struct colour){1, 1, 1}, 1);
    cairo_paint(h->c);
    ink(h->c, INK, 1);
    cairo_select_font_face(h->c, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_BOLD);
    snprintf(text, sizeof text, "%.60s", json_tree_text(h->root, "title").p);
    say(h, 28, 44, 26, 0, json_tree_text(h->root, "title").n ? text : "");
    cairo_select_font_face(h->c, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_line_width(h->c, 2);
    for (double v = h->low; v <= h->high + step / 2; v += step) {
        double y = floor(y_of(h, v));
        ink(h->c, GRID, 1);
        cairo_move_to(h->c, LEFT, y);
        cairo_line_to(h->c, WIDTH - RIGHT, y);
        cairo_stroke(h->c);
        number_text(v, step, unit ? unit : "", text, sizeof text);
        ink(h->c, FAINT, 1);
        say(h, LEFT - 14, y + 8, 21, 1, text);
    }
    for (int i = 0; i <= TICKS; i++) {
        double ms = h->from + (h->to - h->from) * i / TICKS;
        time_text(ms, h->to - h->from, text, sizeof text);
        say(h, x_of(h, ms), HEIGHT - BOTTOM + 32, 21, i == 0 ? 0 : i == TICKS ? 1 : 0.5, text);
    }
}

static void draw_marks(struct chart *h)
{
    const struct json_tree *marks = json_tree_get(h->root, "marks");
    double from, to;
    for (size_t i = 0; i < MIN(json_tree_n(marks), (size_t)100); i++) {
        if (!point(&marks->children[i], &from, &to) || !(to > from))
            continue;
        from = fmax(from, h->from);
        to = fmin(to, h->to);
        if (to <= from)
            continue;
        ink(h->c, ALARM, 0.12);
        cairo_rectangle(h->c, x_of(h, from), TOP, fmax(x_of(h, to) - x_of(h, from), 2),
                        HEIGHT - TOP - BOTTOM);
        cairo_fill(h->c);
    }
}

static void draw_threshold(struct chart *h)
{
    static const double DASHES[] = {12, 8};
    if (!h->has_threshold)
        return;
    ink(h->c, ALARM, 0.9);
    cairo_set_line_width(h->c, 3);
    cairo_set_dash(h->c, DASHES, 2, 0);
    cairo_move_to(h->c, LEFT, y_of(h, h->threshold));
    cairo_line_to(h->c, WIDTH - RIGHT, y_of(h, h->threshold));
    cairo_stroke(h->c);
    cairo_set_dash(h->c, NULL, 0, 0);
}

static void draw_line(struct chart *h, const struct json_tree *points)
{
    bool drawing = false;
    double ms, value;
    for (size_t k = 0; k < json_tree_n(points); k++) {
        if (!point(&points->children[k], &ms, &value) || !isfinite(value) || ms < h->from ||
            ms > h->to) {
            drawing = false;
            continue;
        }
        if (drawing)
            cairo_line_to(h->c, x_of(h, ms), y_of(h, value));
        else
            cairo_move_to(h->c, x_of(h, ms), y_of(h, value));
        drawing = true;
    }
    cairo_stroke(h->c);
}

static void draw_series(struct chart *h)
{
    size_t n = MIN(json_tree_n(h->series), (size_t)SERIES_MAX);
    double x = LEFT;
    cairo_set_line_join(h->c, CAIRO_LINE_JOIN_ROUND);
    cairo_set_line_cap(h->c, CAIRO_LINE_CAP_ROUND);
    cairo_rectangle(h->c, LEFT - 4, TOP - 4, WIDTH - LEFT - RIGHT + 8, HEIGHT - TOP - BOTTOM + 8);
    cairo_save(h->c);
    cairo_clip(h->c);
    for (size_t i = n; i-- > 0;) {
        ink(h->c, COLOURS[i % COUNTOF(COLOURS)], 1);
        cairo_set_line_width(h->c, n > LEGEND_MAX ? 3 : 4);
        draw_line(h, json_tree_get(&h->series->children[i], "points"));
    }
    cairo_restore(h->c);
    for (size_t i = 0; i < MIN(n, (size_t)LEGEND_MAX); i++) {
        char name[40];
        cairo_text_extents_t e;
        struct str s = json_tree_text(&h->series->children[i], "name");
        snprintf(name, sizeof name, "%.36s", s.n ? s.p : "");
        ink(h->c, COLOURS[i % COUNTOF(COLOURS)], 1);
        cairo_rectangle(h->c, x, HEIGHT - 32, 24, 8);
        cairo_fill(h->c);
        ink(h->c, INK, 1);
        say(h, x + 34, HEIGHT - 22, 20, 0, str_utf8(str_c(name)) ? name : "");
        cairo_text_extents(h->c, name, &e);
        x += e.x_advance + 70;
    }
}

static cairo_status_t write_out(void *unused, const unsigned char *p, unsigned n)
{
    return fwrite(p, 1, n, stdout) == n ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

static int draw(struct chart *h)
{
    cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_RGB24, WIDTH, HEIGHT);
    h->c = cairo_create(s);
    double step = round_out(h);
    draw_frame(h, step);
    draw_marks(h);
    draw_threshold(h);
    draw_series(h);
    cairo_destroy(h->c);
    cairo_status_t status = cairo_surface_write_to_png_stream(s, write_out, NULL);
    cairo_surface_destroy(s);
    return status == CAIRO_STATUS_SUCCESS && fflush(stdout) == 0 ? 0 : 1;
}

int main(void)
{
    struct arena a;
    struct buf input;
    struct why why = {0};
    struct chart h = {0};
    char *to;
    ssize_t got = 1;
    arena_init(&a);
    buf_init(&input, INPUT_MAX);
    while (got > 0 && (to = buf_reserve(&input, 65536)) != NULL) {
        got = read(STDIN_FILENO, to, 65536);
        buf_commit(&input, got > 0 ? (size_t)got : 0);
    }
    if (got != 0)
        why_set(&why, ERR_LIMIT, "the document is longer than %d bytes", INPUT_MAX);
    else if (json_tree_parse(buf_str(&input), &a, &h.root, &why) == 0)
        h.series = json_tree_get(h.root, "series");
    if (why.err == 0)
        measure(&h);
    if (why.err == 0 && !h.any)
        why_set(&why, ERR_FORMAT, "the document has no value to draw");
    int status = 1;
    if (why.err)
        fprintf(stderr, "sonde-helper-chart: %s\n", why.text);
    else
        status = draw(&h);
    buf_done(&input);
    arena_done(&a);
    return status;
}
