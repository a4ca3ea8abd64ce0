#include "client/metric/text_writer.h"

#include <math.h>
#include <string.h>

static struct text_writer *mine(struct source_writer *w)
{
    return (struct text_writer *)w; /* its first member */
}

static void escaped(struct text *t, const char *s, bool quotes)
{
    for (;;) {
        size_t n = strcspn(s, quotes ? "\\\n\"" : "\\\n");
        text_add(t, s, n);
        if (!s[n]) {
            return;
        }
        text_add_char(t, '\\');
        text_add_char(t, s[n] == '\n' ? 'n' : s[n]);
        s += n + 1;
    }
}

static void family_line(struct text_writer *w, const char *what)
{
    const struct writer_family *f = &w->writer.now;
    text_add_string(w->text, what);
    text_add(w->text, f->name, f->name_n);
    if (f->type == SOURCE_COUNTER && !w->openmetrics) {
        text_add_string(w->text, "_total");
    }
    text_add_char(w->text, ' ');
}

static void family(struct source_writer *base)
{
    static const char *const types[] = {"counter", "gauge", "histogram", "summary"};
    struct text_writer *w = mine(base);
    const struct writer_family *f = &base->now;
    if (*f->help) {
        family_line(w, "# HELP ");
        escaped(w->text, f->help, w->openmetrics);
        text_add_char(w->text, '\n');
    }
    family_line(w, "# TYPE ");
    text_add_string(w->text, types[f->type]);
    text_add_char(w->text, '\n');
    size_t u = strlen(f->unit);
    if (w->openmetrics && u && f->name_n > u && f->name[f->name_n - u - 1] == '_' &&
        memcmp(f->name + f->name_n - u, f->unit, u) == 0) {
        family_line(w, "# UNIT ");
        text_add_string(w->text, f->unit);
        text_add_char(w->text, '\n');
    }
}

static void labels(struct text *t, const sonde_label *l, const char *le)
{
    bool any = false;
    for (; l && l->name; l++) {
        text_add_char(t, any ? ',' : '{');
        text_add_string(t, l->name);
        text_add_string(t, "=\"");
        escaped(t, l->value ? l->value : "", true);
        text_add_char(t, '"');
        any = true;
    }
    if (le) {
        text_add_string(t, any ? ",le=\"" : "{le=\"");
        text_add_string(t, le);
        text_add_char(t, '"');
        any = true;
    }
    if (any) {
        text_add_char(t, '}');
    }
}

static void begin_line(struct text_writer *w, const char *suffix, const sonde_label *l,
                       const char *le)
{
    text_add(w->text, w->writer.now.name, w->writer.now.name_n);
    text_add_string(w->text, suffix);
    labels(w->text, l, le);
    text_add_char(w->text, ' ');
}

static void exemplar(struct text *t, const struct exemplar_copy *e)
{
    text_add_string(t, " # {trace_id=\"");
    text_add_hex(t, e->trace_id, sizeof e->trace_id);
    text_add_string(t, "\",span_id=\"");
    text_add_hex(t, e->span_id, sizeof e->span_id);
    text_add_string(t, "\"} ");
    text_add_number(t, e->value);
    text_printf(t, " %lld.%03d", (long long)(e->unix_ms / 1000), (int)(e->unix_ms % 1000));
}

static void sample(struct source_writer *base, const struct writer_sample *s)
{
    struct text_writer *w = mine(base);
    begin_line(w, s->suffix, s->labels, NULL);
    text_add_number(w->text, s->value);
    if (w->openmetrics && s->exemplar &&
        (strcmp(s->suffix, "_total") == 0 || strcmp(s->suffix, "_bucket") == 0)) {
        exemplar(w->text, s->exemplar);
    }
    text_add_char(w->text, '\n');
}

/* How many indexes lie between two bounds that are shown, and the bound of such an index. */
static int step_of(int schema)
{
    return schema > 0 ? 1 << schema : 1;
}

static double bound_of(int schema, int index)
{
    return exp2(ldexp((double)index, -schema));
}

static int floor_to(int i, int step)
{
    return i >= 0 ? i / step * step : -((-i + step - 1) / step * step);
}

/* Buckets of negative values, from the one that is the furthest from zero: bucket i holds
 * [-base^i, -base^(i-1)), so that all of those above i lie below the bound -base^i. */
static uint64_t negatives(const struct source_histogram *h,
                          void (*each)(double bound, uint64_t below, void *context), void *context)
{
    int step = step_of(h->schema);
    uint64_t below = 0;
    for (size_t i = h->negative_n; i-- > 0;) {
        int index = h->negative_offset + (int)i;
        below += h->negative[i];
        if (floor_to(index - 1, step) == index - 1) { /* its upper end, towards zero, is a bound */
            each(-bound_of(h->schema, index - 1), below, context);
        }
    }
    return below;
}

void text_writer_classic(const struct source_histogram *h,
                         void (*each)(double bound, uint64_t below, void *context), void *context)
{
    int step = step_of(h->schema);
    uint64_t below = negatives(h, each, context) + h->zero_count;
    if (h->positive_n) {
        int first = floor_to(h->positive_offset - 1, step);
        int end = h->positive_offset + (int)h->positive_n; /* first index without one */
        if (first == h->positive_offset - 1 || h->zero_count || h->negative_n) {
            each(bound_of(h->schema, first), below, context);
        }
        for (int index = h->positive_offset; index < end; index++) {
            below += h->positive[index - h->positive_offset];
            if (floor_to(index, step) == index) {
                each(bound_of(h->schema, index), below, context);
            }
        }
        if (floor_to(end - 1, step) != end - 1) {
            each(bound_of(h->schema, floor_to(end - 1, step) + step), below, context);
        }
    }
    each((double)INFINITY, h->count, context);
}

struct classic {
    struct text_writer *w;
    const sonde_label *labels;
};

static void classic_bucket(double bound, uint64_t below, void *context)
{
    struct classic *c = context;
    char room[40];
    struct text le;
    text_over(&le, room, sizeof room - 4);
    text_add_number(&le, bound);
    room[le.len] = 0;
    if (!strpbrk(room, ".eI")) {
        memcpy(room + le.len, ".0", 3);
    }
    begin_line(c->w, "_bucket", c->labels, room);
    text_add_u64(c->w->text, below);
    text_add_char(c->w->text, '\n');
}

static void native(struct source_writer *base, const struct writer_native *n)
{
    struct text_writer *w = mine(base);
    struct classic c = {.w = w, .labels = n->labels};
    text_writer_classic(n->histogram, classic_bucket, &c);
    begin_line(w, "_sum", n->labels, NULL);
    text_add_number(w->text, n->histogram->sum);
    text_add_char(w->text, '\n');
    begin_line(w, "_count", n->labels, NULL);
    text_add_u64(w->text, n->histogram->count);
    text_add_char(w->text, '\n');
}

void text_writer_init(struct text_writer *w, struct text *text, bool openmetrics)
{
    *w = (struct text_writer){
        .writer = {.family = family, .sample = sample, .native = native},
        .text = text,
        .openmetrics = openmetrics,
    };
}

void text_writer_end(struct text_writer *w)
{
    if (w->openmetrics) {
        text_add_string(w->text, "# EOF\n");
    }
}
