/* store/series/trace_bench.h - the recorded node_exporter trace, spread over many hosts, for the
 * benchmarks beside it.
 *
 * Every host plays the recording from an offset of its own; counters go on where it wraps round.
 * Where $SONDE_CASES has no trace, made-up series of the same mix take its place.
 *
 * Threads: one.
 */
#ifndef STORE_SERIES_TRACE_BENCH_H
#define STORE_SERIES_TRACE_BENCH_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/mem.h"
#include "base/rand.h"
#include "base/str.h"

enum { TRACE_T = 887, TRACE_SERIES_MAX = 5000, TRACE_LABELS_MAX = 16 };

struct trace_series {
    char *text; /* name{a="b",c="d"} */
    double *v;  /* [TRACE_T] */
    bool counter;
};

struct trace {
    struct trace_series series[TRACE_SERIES_MAX];
    size_t n;
    bool real;
};

static inline void trace_made_up(struct trace *t)
{
    struct rand r;
    rand_init(&r, 7);
    for (t->n = 0; t->n < 463; t->n++) {
        struct trace_series *s = &t->series[t->n];
        char text[64];
        snprintf(text, sizeof text, "made_up_%zu_total{device=\"d%zu\"}", t->n / 8, t->n % 8);
        s->text = mem_text(text, strlen(text));
        s->v = mem_array(TRACE_T, sizeof *s->v);
        int shape = t->n % 10 < 6 ? 0 : (int)(t->n % 10) - 5;
        double at = 1000;
        for (size_t k = 0; k < TRACE_T; k++) {
            double noise = (double)rand_below(&r, 100);
            at += shape == 1 ? noise / 100 : shape == 2 ? noise : 0;
            s->v[k] = shape == 0 ? (double)t->n : shape >= 3 ? 4096 * (9000 + noise * shape) : at;
        }
        s->counter = shape == 1 || shape == 2;
    }
}

static inline bool trace_read(struct trace *t, const char *path)
{
    gzFile f = gzopen(path, "r");
    static char line[65536];
    size_t snapshot = 0, at = 0;
    bool begun = false;
    if (!f)
        return false;
    while (gzgets(f, line, sizeof line)) {
        if (line[0] == '@') {
            snapshot += begun;
            begun = true;
            at = 0;
            if (snapshot >= TRACE_T)
                break;
            continue;
        }
        char *space = strrchr(line, ' ');
        if (!space)
            continue;
        *space = 0;
        size_t i = at++;
        if (snapshot == 0 && t->n < TRACE_SERIES_MAX) {
            i = t->n++;
            t->series[i].text = mem_text(line, strlen(line));
            t->series[i].v = mem_array(TRACE_T, sizeof(double));
        } else if (i >= t->n || strcmp(t->series[i].text, line) != 0) {
            for (i = 0; i < t->n && strcmp(t->series[i].text, line) != 0; i++)
                ;
        }
        if (i < t->n)
            t->series[i].v[snapshot] = strtod(space + 1, NULL);
    }
    gzclose(f);
    for (size_t i = 0; i < t->n; i++) {
        bool rises = true, moves = false;
        const double *v = t->series[i].v;
        for (size_t k = 1; k < TRACE_T; k++) {
            rises &= !(v[k] < v[k - 1]);
            moves |= v[k] != v[k - 1];
        }
        t->series[i].counter = rises && moves && strstr(t->series[i].text, "_total");
    }
    return t->n > 0;
}

static inline struct trace *trace_new(void)
{
    struct trace *t = mem_new(sizeof *t);
    const char *cases = getenv("SONDE_CASES");
    char path[1024];
    snprintf(path, sizeof path, "%s/bench/trace.txt.gz", cases ? cases : "../shared");
    t->real = trace_read(t, path);
    if (!t->real)
        trace_made_up(t);
    return t;
}

static inline void trace_free(struct trace *t)
{
    for (size_t i = 0; i < t->n; i++) {
        mem_free(t->series[i].text);
        mem_free(t->series[i].v);
    }
    mem_free(t);
}

/* The value of a series at a step of a host that begins at offset. */
static inline double trace_at(const struct trace_series *s, size_t offset, size_t step,
                              size_t stride)
{
    size_t at = step * stride + offset, round = at / TRACE_T;
    double v = s->v[at % TRACE_T];
    return s->counter ? v + (double)round * (s->v[TRACE_T - 1] - s->v[0]) : v;
}

#endif
