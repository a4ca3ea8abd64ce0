#include "codec/rw_write.h"

#include "base/vec.h"
#include "codec/remote_read.h"
#include "codec/wire_put.h"

enum { REQUEST_MAX = 256 << 20 /* bytes of what is gathered for one request */ };

void rw_write_init(struct rw_writer *w)
{
    *w = (struct rw_writer){0};
    buf_init(&w->series, REQUEST_MAX);
    buf_init(&w->part, REQUEST_MAX);
    buf_init(&w->texts, REQUEST_MAX);
    buf_init(&w->body, REQUEST_MAX);
    map_init(&w->symbols, 0);
}

void rw_write_done(struct rw_writer *w)
{
    buf_done(&w->series);
    buf_done(&w->part);
    buf_done(&w->texts);
    buf_done(&w->body);
    vec_free(&w->labels);
    map_done(&w->symbols);
}

/* The labels of a key into w->labels, by name. */
static void sort_labels(struct rw_writer *w, struct str key)
{
    const char *at = key.p;
    struct label label;
    w->labels.n = 0;
    while (labels_next(key, &at, &label, NULL)) {
        vec_push(&w->labels, label);
        size_t i = w->labels.n - 1; /* nearly sorted as they come: __name__ is first in a key */
        for (; i > 0 && str_cmp(w->labels.v[i - 1].name, label.name) > 0; i--)
            w->labels.v[i] = w->labels.v[i - 1];
        w->labels.v[i] = label;
    }
}

static void put_label_messages(struct rw_writer *w, struct str key, struct buf *to)
{
    sort_labels(w, key);
    for (size_t i = 0; i < w->labels.n; i++)
        labels_put(to, w->labels.v[i].name, w->labels.v[i].value);
}

/* ---- 1.0 */
static void put_sample(struct rw_writer *w, unsigned field, const struct rw_write_row *row,
                       bool start)
{
    buf_clear(&w->part);
    wire_put_double(&w->part, 1, row->value);
    wire_put_int(&w->part, 2, (uint64_t)row->ts_ms);
    if (start && row->start_ms != 0)
        wire_put_int(&w->part, 3, (uint64_t)row->start_ms);
    wire_put_bytes(&w->series, field, buf_str(&w->part));
}

static void put_histogram(struct rw_writer *w, unsigned field, const struct rw_write_row *row,
                          bool start)
{
    enum { START = 17 };
    buf_clear(&w->part);
    remote_read_put_histogram(&w->part, row->histogram, row->ts_ms);
    if (start && row->start_ms != 0)
        wire_put_int(&w->part, START, (uint64_t)row->start_ms);
    wire_put_bytes(&w->series, field, buf_str(&w->part));
}

void rw_write_v1(struct rw_writer *w, const struct rw_write_row *rows, size_t n, struct buf *out)
{
    enum { SAMPLES = 2, EXEMPLARS, HISTOGRAMS };
    for (size_t i = 0; i < n; i++) {
        const struct rw_write_row *row = &rows[i];
        buf_clear(&w->series);
        put_label_messages(w, row->key, &w->series);
        if (row->histogram)
            put_histogram(w, HISTOGRAMS, row, false);
        else if (!row->bare)
            put_sample(w, SAMPLES, row, false);
        for (const struct rw_write_exemplar *e = row->exemplars; e; e = e->next) {
            buf_clear(&w->part);
            put_label_messages(w, e->exemplar.labels, &w->part);
            wire_put_double(&w->part, 2, e->exemplar.value);
            wire_put_int(&w->part, 3, (uint64_t)e->exemplar.ts_ms);
            wire_put_bytes(&w->series, EXEMPLARS, buf_str(&w->part));
        }
        wire_put_bytes(out, 1, buf_str(&w->series));
    }
}

void rw_write_v1_metadata(struct rw_writer *w, const struct metadata *m, size_t n, struct buf *out)
{
    enum { TYPE = 1, FAMILY, HELP = 4, UNIT };
    for (size_t i = 0; i < n; i++) {
        buf_clear(&w->part);
        wire_put_int(&w->part, TYPE, m[i].type);
        wire_put_bytes(&w->part, FAMILY, m[i].metric);
        wire_put_bytes(&w->part, HELP, m[i].help);
        wire_put_bytes(&w->part, UNIT, m[i].unit);
        wire_put_bytes(out, 3, buf_str(&w->part));
    }
}

/* ---- 2.0 */
static uint64_t symbol_of(struct rw_writer *w, struct str text)
{
    bool new;
    if (text.n == 0)
        return 0;
    union map_value *v = map_put(&w->symbols, text, &new);
    if (new) {
        v->u = w->symbols.n; /* 0 is the empty text */
        wire_put_bytes(&w->texts, 4, text);
    }
    return v->u;
}

/* Packed references to the labels of key, as a field. */
static void put_refs(struct rw_writer *w, unsigned field, struct str key, struct buf *to)
{
    struct buf refs;
    buf_init(&refs, REQUEST_MAX);
    sort_labels(w, key);
    for (size_t i = 0; i < w->labels.n; i++) {
        buf_put_varint(&refs, symbol_of(w, w->labels.v[i].name));
        buf_put_varint(&refs, symbol_of(w, w->labels.v[i].value));
    }
    wire_put_bytes(to, field, buf_str(&refs));
    buf_done(&refs);
}

static void put_metadata(struct rw_writer *w, const struct metadata *m)
{
    enum { TYPE = 1, HELP = 3, UNIT };
    buf_clear(&w->part);
    wire_put_int(&w->part, TYPE, m->type);
    wire_put_int(&w->part, HELP, symbol_of(w, m->help));
    wire_put_int(&w->part, UNIT, symbol_of(w, m->unit));
    wire_put_bytes(&w->series, 5, buf_str(&w->part));
}

void rw_write_v2(struct rw_writer *w, const struct rw_write_row *rows, size_t n, struct buf *out)
{
    enum { SAMPLES = 2, HISTOGRAMS, EXEMPLARS };
    map_done(&w->symbols);
    map_init(&w->symbols, 0);
    buf_clear(&w->texts);
    buf_clear(&w->body);
    wire_put_bytes(&w->texts, 4, STR(""));
    for (size_t i = 0; i < n; i++) {
        const struct rw_write_row *row = &rows[i];
        if (row->bare)
            continue;
        buf_clear(&w->series);
        put_refs(w, 1, row->key, &w->series);
        if (row->histogram)
            put_histogram(w, HISTOGRAMS, row, true);
        else
            put_sample(w, SAMPLES, row, true);
        for (const struct rw_write_exemplar *e = row->exemplars; e; e = e->next) {
            buf_clear(&w->part);
            put_refs(w, 1, e->exemplar.labels, &w->part);
            wire_put_double(&w->part, 2, e->exemplar.value);
            wire_put_int(&w->part, 3, (uint64_t)e->exemplar.ts_ms);
            wire_put_bytes(&w->series, EXEMPLARS, buf_str(&w->part));
        }
        if (row->metadata)
            put_metadata(w, row->metadata);
        wire_put_bytes(&w->body, 5, buf_str(&w->series));
    }
    buf_put_str(out, buf_str(&w->texts));
    buf_put_str(out, buf_str(&w->body));
}
