#include "cli/query_table.h"

#include "text/json.h"

enum { COLUMNS_MAX = 8 /* of labels; more are put together */, PATH_MAX_BYTES = 1024 };

static const struct str METRIC = {"__name__", 8};

struct cells {
    struct str *v; /* [rows * columns] */
    size_t *width; /* [columns] */
    size_t rows, columns;
    struct arena arena;
};

static void cells_init(struct cells *c, size_t rows, size_t columns)
{
    *c = (struct cells){.rows = rows, .columns = columns};
    arena_init(&c->arena);
    c->v = arena_array(&c->arena, rows * columns + 1, sizeof *c->v);
    c->width = arena_array(&c->arena, columns + 1, sizeof *c->width);
}

static void cells_set(struct cells *c, size_t row, size_t column, struct str text)
{
    struct buf b;
    buf_init(&b, text.n * 4 + 4);
    query_answer_visible(text, &b);
    struct str kept = arena_str(&c->arena, buf_str(&b));
    c->v[row * c->columns + column] = kept;
    c->width[column] = MAX(c->width[column], query_answer_width(kept));
    buf_done(&b);
}

static void put_blanks(size_t n, struct buf *out)
{
    while (n-- > 0)
        buf_put_c(out, ' ');
}

/* The last column is of numbers, at its right end. */
static void cells_put(const struct cells *c, struct buf *out)
{
    for (size_t i = 0; i < c->rows; i++) {
        for (size_t k = 0; k < c->columns; k++) {
            struct str text = c->v[i * c->columns + k];
            size_t blanks = c->width[k] - query_answer_width(text);
            bool last = k + 1 == c->columns;
            if (last)
                put_blanks(blanks, out);
            buf_put_str(out, text);
            if (!last)
                put_blanks(blanks + 2, out);
        }
        buf_put_c(out, '\n');
    }
}

/* "count 3, sum 1.5, 2 buckets" of a histogram's JSON. */
static void put_histogram(struct str json, struct arena *a, struct buf *out)
{
    struct json_reader r;
    struct json_event e;
    struct str key = STR("");
    size_t depth = 0, buckets = 0;
    json_reader_init(&r, json, a);
    while (json_next(&r, &e, NULL) > 0) {
        depth += e.type == JSON_ARRAY;
        depth -= e.type == JSON_ARRAY_END;
        buckets += e.type == JSON_ARRAY && depth == 2;
        if (e.type == JSON_KEY)
            key = e.text;
        else if (e.type == JSON_TEXT && depth == 0)
            buf_printf(out, STR_FMT " " STR_FMT ", ", STR_ARG(key), STR_ARG(e.text));
    }
    buf_printf(out, "%zu buckets", buckets);
}

static void set_value(struct cells *c, size_t row, size_t column, const struct query_point *p)
{
    struct buf b;
    if (!p->histogram) {
        cells_set(c, row, column, p->text);
        return;
    }
    buf_init(&b, p->text.n + 64);
    put_histogram(p->text, &c->arena, &b);
    cells_set(c, row, column, buf_str(&b));
    buf_done(&b);
}

static void put_series_column(const struct query_answer *answer, struct cells *c)
{
    struct buf b;
    cells_set(c, 0, 0, STR("series"));
    for (size_t i = 0; i < answer->n; i++) {
        buf_init(&b, 1 << 20);
        query_answer_labels(&answer->series[i], &b);
        cells_set(c, i + 1, 0, buf_str(&b));
        buf_done(&b);
    }
}

static void put_vector(const struct query_answer *answer, struct buf *out)
{
    struct arena a;
    struct str *names;
    size_t n;
    struct cells c;
    arena_init(&a);
    query_answer_names(answer, &a, &names, &n);
    bool whole = n == 0 || n > COLUMNS_MAX;
    size_t columns = whole ? 2 : n + 1;
    cells_init(&c, answer->n + 1, columns);
    if (whole)
        put_series_column(answer, &c);
    for (size_t k = 0; k + 1 < columns && !whole; k++) {
        cells_set(&c, 0, k, str_eq(names[k], METRIC) ? STR("metric") : names[k]);
        for (size_t i = 0; i < answer->n; i++)
            cells_set(&c, i + 1, k, query_answer_value(&answer->series[i], names[k]));
    }
    cells_set(&c, 0, columns - 1, STR("value"));
    for (size_t i = 0; i < answer->n; i++)
        if (answer->series[i].n)
            set_value(&c, i + 1, columns - 1, &answer->series[i].points[0]);
    cells_put(&c, out);
    arena_done(&c.arena);
    arena_done(&a);
}

static void put_block(const struct query_series *s, struct buf *out)
{
    struct cells c;
    cells_init(&c, s->n, 2);
    for (size_t i = 0; i < s->n; i++) {
        char time[QUERY_ANSWER_TIME_MAX];
        cells_set(&c, i, 0, str_of(time, query_answer_time(s->points[i].ts_ms, time)));
        set_value(&c, i, 1, &s->points[i]);
    }
    query_answer_labels(s, out);
    buf_put_c(out, '\n');
    cells_put(&c, out);
    arena_done(&c.arena);
}

void query_table(const struct query_answer *answer, struct buf *out)
{
    if (answer->single && answer->n && answer->series[0].n) {
        query_answer_visible(answer->series[0].points[0].text, out);
        buf_put_c(out, '\n');
        return;
    }
    if (!answer->range) {
        if (answer->n)
            put_vector(answer, out);
        return;
    }
    for (size_t i = 0; i < answer->n; i++) {
        if (i)
            buf_put_c(out, '\n');
        put_block(&answer->series[i], out);
    }
}

/* ---- figures */

struct path {
    struct str keys[JSON_DEPTH_MAX + 1];
    /* In an array: 1, and 1 more for each element that began; 0: an object. */
    size_t index[JSON_DEPTH_MAX + 1];
    size_t depth;
};

static void put_path(const struct path *p, struct buf *out)
{
    for (size_t i = 1; i <= p->depth; i++) {
        if (p->index[i]) {
            buf_printf(out, "[%zu]", p->index[i] - 2);
            continue;
        }
        if (i > 1)
            buf_put_c(out, '.');
        query_answer_visible(p->keys[i], out);
    }
}

int query_table_figures(struct str json, const char *title, struct buf *out, struct why *why)
{
    struct json_reader r;
    struct json_event e;
    struct arena a;
    struct path p = {.depth = 0};
    int more;
    arena_init(&a);
    json_reader_init(&r, json, &a);
    buf_printf(out, "%s\n", title);
    while ((more = json_next(&r, &e, why)) > 0) {
        bool opens = e.type == JSON_OBJECT || e.type == JSON_ARRAY;
        if (e.type == JSON_OBJECT_END || e.type == JSON_ARRAY_END) {
            p.depth--;
            continue;
        }
        if (e.type == JSON_KEY) {
            p.keys[p.depth] = e.text;
            continue;
        }
        if (p.index[p.depth])
            p.index[p.depth]++;
        if (opens) {
            p.depth++;
            p.index[p.depth] = e.type == JSON_ARRAY;
            p.keys[p.depth] = STR("");
            continue;
        }
        buf_put_str(out, STR("  "));
        put_path(&p, out);
        buf_put_c(out, ' ');
        query_answer_visible(e.type == JSON_TRUE    ? STR("true")
                             : e.type == JSON_FALSE ? STR("false")
                             : e.type == JSON_NULL  ? STR("null")
                                                    : e.text,
                             out);
        buf_put_c(out, '\n');
    }
    arena_done(&a);
    return more;
}
