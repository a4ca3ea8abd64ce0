/* codec/otlp_testbed.h - what the tests and fuzz targets of OpenTelemetry's metrics do alike: a
 * request in, its rows as lines of text out. Included by them only.
 *
 * Threads: one.
 */
#ifndef CODEC_OTLP_TESTBED_H
#define CODEC_OTLP_TESTBED_H

#include <stdio.h>

#include "base/mem.h"
#include "codec/otlp_metrics_json.h"
#include "codec/otlp_translate.h"
#include "codec/wire_put.h"

struct otlp_testbed {
    struct otlp_settings settings;
    struct otlp_delta *delta;
    struct otlp_translate t;
    struct arena texts;
    struct buf request, lines;
    struct why why;
    int64_t now_ms;
    size_t rows;
    bool times; /* lines have them */
};

static inline struct otlp_testbed *otlp_testbed_new(void)
{
    struct otlp_testbed *b = mem_new(sizeof *b);
    option_defaults(&otlp_settings_options, &b->settings);
    arena_init(&b->texts);
    buf_init(&b->request, 1 << 26);
    buf_init(&b->lines, 1 << 26);
    b->now_ms = 1700000000000;
    b->times = true;
    return b;
}

/* The settings are as the case wants them. */
static inline void otlp_testbed_begin(struct otlp_testbed *b)
{
    if (b->settings.delta_to_cumulative)
        b->delta =
            otlp_delta_new((size_t)b->settings.delta_series_max, b->settings.delta_max_stale_ms);
    otlp_translate_init(&b->t, &b->settings, b->delta);
}

static inline void otlp_testbed_free(struct otlp_testbed *b)
{
    otlp_translate_done(&b->t);
    otlp_delta_free(b->delta);
    arena_done(&b->texts);
    buf_done(&b->request);
    buf_done(&b->lines);
    mem_free(b);
}

static inline void otlp_testbed_side(struct buf *out, const char *name,
                                     const struct histogram_span *spans, uint32_t n,
                                     const double *counts)
{
    buf_printf(out, " %s", name);
    int64_t index = 0;
    for (uint32_t i = 0; i < n; i++) {
        index += spans[i].offset;
        for (uint32_t k = 0; k < spans[i].length; k++, index++)
            buf_printf(out, " %lld:%g", (long long)index, *counts++);
    }
}

static inline void otlp_testbed_row(struct otlp_testbed *b, const struct batch *v, size_t i)
{
    const struct histogram *h = v->histogram[i];
    struct buf *out = &b->lines;
    labels_print(v->key[i], out);
    if (h == NULL) {
        buf_printf(out, " %.17g", v->value[i]);
    } else if (histogram_is_stale(h)) {
        buf_printf(out, " stale");
    } else {
        buf_printf(out, " {%d count %g sum %g zero %g/%g", (int)h->schema, h->count, h->sum,
                   h->zero_count, h->zero_threshold);
        otlp_testbed_side(out, "+", h->positive_spans, h->positive_spans_n, h->positive);
        otlp_testbed_side(out, "-", h->negative_spans, h->negative_spans_n, h->negative);
        for (uint32_t k = 0; k < h->custom_n; k++)
            buf_printf(out, "%s%g", k ? " " : " bounds ", h->custom_bounds[k]);
        buf_put_c(out, '}');
    }
    if (b->times)
        buf_printf(out, " @%lld from %lld", (long long)v->ts_ms[i], (long long)v->start_ms[i]);
    buf_put_c(out, '\n');
}

static inline int otlp_testbed_take(void *context, struct otlp_translate *t)
{
    struct otlp_testbed *b = context;
    for (size_t i = 0; i < t->batch.n; i++)
        otlp_testbed_row(b, &t->batch, i);
    b->rows += t->batch.n;
    for (size_t i = 0; i < t->sides.exemplars_n; i++) {
        const struct exemplar *e = &t->sides.exemplars[i];
        buf_printf(&b->lines, "exemplar ");
        labels_print(e->key, &b->lines);
        buf_put_c(&b->lines, ' ');
        labels_print(e->labels, &b->lines);
        buf_printf(&b->lines, " %g @%lld\n", e->value, (long long)e->ts_ms);
    }
    for (size_t i = 0; i < t->sides.metadata_n; i++) {
        const struct metadata *m = &t->sides.metadata[i];
        buf_printf(&b->lines, "metadata " STR_FMT " %s \"" STR_FMT "\" \"" STR_FMT "\"\n",
                   STR_ARG(m->metric), metric_type_text(m->type), STR_ARG(m->unit),
                   STR_ARG(m->help));
    }
    for (size_t i = 0; i < t->sides.bad_n; i++)
        buf_printf(&b->lines, "refused %zu " STR_FMT ": " STR_FMT "\n", t->sides.bad[i].at,
                   STR_ARG(t->sides.bad[i].series), STR_ARG(t->sides.bad[i].reason));
    return 0;
}

/* Reads protobuf from memory that ends right behind its slack; the lines are its rows. */
static inline int otlp_testbed_read(struct otlp_testbed *b, struct str request)
{
    char *copy = mem_new(request.n + CODEC_SLACK);
    if (request.n)
        memcpy(copy, request.p, request.n);
    b->why.text[0] = '\0';
    b->rows = 0;
    buf_clear(&b->lines);
    int err = otlp_translate_read(&b->t, str_of(copy, request.n), 8, b->now_ms, otlp_testbed_take,
                                  b, &b->why);
    mem_free(copy);
    return err;
}

/* The same for JSON. */
static inline int otlp_testbed_json(struct otlp_testbed *b, struct str json)
{
    buf_clear(&b->request);
    int err = otlp_metrics_json(json, &b->texts, &b->request, &b->why);
    if (err == 0)
        err = otlp_testbed_read(b, buf_str(&b->request));
    arena_reset(&b->texts);
    return err;
}

#endif
