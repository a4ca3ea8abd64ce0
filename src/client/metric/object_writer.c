#include "client/metric/object_writer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct object_writer *mine(struct source_writer *w)
{
    return (struct object_writer *)w; /* its first member */
}

bool object_writer_match(const char *pattern, const char *name)
{
    const char *star = NULL, *from = name;
    while (*name) {
        if (*pattern == '*') {
            star = ++pattern;
            from = name;
        } else if (*pattern == '?' || *pattern == *name) {
            pattern++;
            name++;
        } else if (star) { /* the last star takes one more */
            pattern = star;
            name = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return *pattern == 0;
}

static void close_family(struct object_writer *w)
{
    if (w->open) {
        jot_end(w->jot);
        jot_end(w->jot);
        w->open = false;
    }
}

static void family(struct source_writer *base)
{
    static const char *const types[] = {"counter", "gauge", "histogram", "summary"};
    struct object_writer *w = mine(base);
    const struct writer_family *f = &base->now;
    char name[320];
    close_family(w);
    snprintf(name, sizeof name, "%.*s%s", (int)f->name_n, f->name,
             f->type == SOURCE_COUNTER ? "_total" : "");
    w->skip = w->pattern && !object_writer_match(w->pattern, name);
    if (w->skip) {
        return;
    }
    w->open = true;
    jot_object(w->jot, NULL);
    jot_string(w->jot, "name", name);
    jot_string(w->jot, "type", types[f->type]);
    jot_string(w->jot, "help", f->help);
    if (*f->unit) {
        jot_string(w->jot, "unit", f->unit);
    }
    jot_array(w->jot, "series");
}

static void labels(struct jot *j, const sonde_label *l)
{
    jot_object(j, "labels");
    for (; l && l->name; l++) {
        jot_string(j, l->name, l->value ? l->value : "");
    }
    jot_end(j);
}

static void sample(struct source_writer *base, const struct writer_sample *s)
{
    struct object_writer *w = mine(base);
    if (w->skip) {
        return;
    }
    jot_object(w->jot, NULL);
    if (*s->suffix && strcmp(s->suffix, "_total") != 0) {
        jot_string(w->jot, "suffix", s->suffix);
    }
    labels(w->jot, s->labels);
    jot_number(w->jot, "value", s->value);
    jot_end(w->jot);
}

/* The value below which the share q lies; negative ones count as zero here. */
static double quantile(const struct source_histogram *h, double q)
{
    double rank = q * (double)h->count, before = (double)h->zero_count;
    for (size_t i = 0; i < h->negative_n; i++) {
        before += (double)h->negative[i];
    }
    if (h->count == 0) {
        return (double)NAN;
    }
    if (rank <= before && before > 0) {
        return 0;
    }
    double bound = 0;
    for (size_t i = 0; i < h->positive_n; i++) {
        double n = (double)h->positive[i];
        if (n > 0) {
            double width = ldexp(1, -h->schema);
            double upper = ldexp((double)(h->positive_offset + (int)i), -h->schema);
            bound = exp2(upper);
            if (before + n >= rank) {
                return exp2(upper - width * (1 - (rank - before) / n));
            }
            before += n;
        }
    }
    return bound;
}

static void native(struct source_writer *base, const struct writer_native *n)
{
    struct object_writer *w = mine(base);
    const struct source_histogram *h = n->histogram;
    struct jot *j = w->jot;
    if (w->skip) {
        return;
    }
    jot_object(j, NULL);
    labels(j, n->labels);
    jot_u64(j, "count", h->count);
    jot_number(j, "sum", h->sum);
    jot_u64(j, "zero", h->zero_count);
    jot_number(j, "p50", quantile(h, 0.5));
    jot_number(j, "p90", quantile(h, 0.9));
    jot_number(j, "p99", quantile(h, 0.99));
    jot_array(j, "buckets");
    for (size_t i = 0; i < h->positive_n; i++) {
        if (h->positive[i]) {
            jot_array(j, NULL);
            jot_number(j, NULL, exp2(ldexp((double)(h->positive_offset + (int)i), -h->schema)));
            jot_u64(j, NULL, h->positive[i]);
            jot_end(j);
        }
    }
    jot_end(j);
    jot_end(j);
}

void object_writer_init(struct object_writer *w, struct jot *j, const char *pattern)
{
    *w = (struct object_writer){
        .writer = {.family = family, .sample = sample, .native = native},
        .jot = j,
        .pattern = pattern,
    };
}

void object_writer_end(struct object_writer *w)
{
    close_family(w);
}
