/* What a part of the recorded trace takes on disk (bytes a sample, index bytes a series) and how
 * fast it is written, selected from and decoded. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/must.h"
#include "model/labels.h"
#include "os/thread.h"
#include "store/series/chunk.h"
#include "store/series/part.h"
#include "store/series/trace_bench.h"

enum { START_MS = 1700000000, CACHE_BYTES = 512 << 20 };

struct row {
    struct str key;
    uint32_t host, series;
};

struct shape {
    const char *name;
    size_t hosts, steps, stride;
    int64_t interval_ms, jitter_ms;
};

struct bench {
    const struct trace *trace;
    struct disk *disk;
    struct part_place at;
    struct row *rows;
    size_t rows_n;
    size_t *offset; /* [hosts] */
    int64_t **ts;   /* [hosts][steps] */
    uint32_t *ref;  /* [hosts] */
};

static double since(int64_t begin)
{
    return (double)(thread_cpu_ns() - begin) / 1e6;
}

/* name{a="b",c="d"} with instance and job added, as a canonical key. */
static struct str key_of(const char *text, size_t host)
{
    struct label labels[TRACE_LABELS_MAX + 3];
    char copy[4096], instance[64];
    size_t n = 0;
    snprintf(copy, sizeof copy, "%s", text);
    snprintf(instance, sizeof instance, "host-%05zu:9100", host);
    char *at = strchr(copy, '{');
    if (at)
        *at++ = 0;
    labels[n++] = (struct label){LABEL_METRIC, str_c(copy)};
    labels[n++] = (struct label){STR("instance"), str_c(instance)};
    labels[n++] = (struct label){STR("job"), STR("node_exporter")};
    while (at && *at && *at != '}' && n < COUNTOF(labels)) {
        char *equals = strchr(at, '=');
        char *end = strchr(equals + 2, '"');
        *equals = *end = 0;
        labels[n++] = (struct label){str_c(at), str_c(equals + 2)};
        at = end + 1 + (end[1] == ',');
    }
    struct buf key;
    buf_init(&key, LABELS_KEY_MAX);
    must(labels_encode(labels, n, &key, NULL) == 0);
    return buf_str(&key);
}

static int compare(const void *a, const void *b)
{
    return str_cmp(((const struct row *)a)->key, ((const struct row *)b)->key);
}

static void prepare(struct bench *b, const struct shape *s)
{
    struct rand r;
    rand_init(&r, 88172645463325252ULL);
    b->rows_n = s->hosts * b->trace->n;
    b->rows = mem_array(b->rows_n, sizeof *b->rows);
    b->offset = mem_array(s->hosts, sizeof *b->offset);
    b->ts = mem_array(s->hosts, sizeof *b->ts);
    b->ref = mem_array(s->hosts, sizeof *b->ref);
    for (size_t h = 0; h < s->hosts; h++) {
        b->offset[h] = rand_below(&r, TRACE_T);
        int64_t phase = (int64_t)rand_below(&r, (uint64_t)s->interval_ms);
        b->ts[h] = mem_array(s->steps, sizeof **b->ts);
        for (size_t k = 0; k < s->steps; k++) {
            int64_t jitter =
                s->jitter_ms
                    ? (int64_t)rand_below(&r, 2 * (uint64_t)s->jitter_ms + 1) - s->jitter_ms
                    : 0;
            b->ts[h][k] = START_MS * 1000LL + (int64_t)k * s->interval_ms + phase + jitter;
        }
        for (size_t i = 0; i < b->trace->n; i++)
            b->rows[h * b->trace->n + i] =
                (struct row){key_of(b->trace->series[i].text, h), (uint32_t)h, (uint32_t)i};
    }
    qsort(b->rows, b->rows_n, sizeof *b->rows, compare);
}

static void release(struct bench *b, const struct shape *s)
{
    for (size_t i = 0; i < b->rows_n; i++)
        mem_free((char *)(uintptr_t)b->rows[i].key.p);
    for (size_t h = 0; h < s->hosts; h++)
        mem_free(b->ts[h]);
    mem_free(b->rows);
    mem_free(b->offset);
    mem_free(b->ts);
    mem_free(b->ref);
}

static void write_part(struct bench *b, const struct shape *s)
{
    struct part_info info = {.tenant = "bench", .sequence = 1};
    struct part_writer *w;
    struct why why;
    int64_t begin = thread_cpu_ns();
    must(part_writer_new(&b->at, "part", &info, &w, &why) == 0);
    for (size_t h = 0; h < s->hosts; h++)
        must(part_writer_ts(w, b->ts[h], s->steps, &b->ref[h]) == 0);
    double *v = mem_array(s->steps, sizeof *v);
    for (size_t i = 0; i < b->rows_n; i++) {
        const struct row *row = &b->rows[i];
        for (size_t k = 0; k < s->steps; k++)
            v[k] = trace_at(&b->trace->series[row->series], b->offset[row->host], k, s->stride);
        must(part_writer_series(w, row->key) == 0);
        must(part_writer_floats(w, b->ref[row->host], 0, b->ts[row->host], v, s->steps, NULL) == 0);
    }
    must(part_writer_finish(w, &info, &why) == 0);
    part_writer_free(w);
    mem_free(v);
    double samples = (double)info.samples, ms = since(begin);
    printf("%-24s %zu series x %zu: data %.3f + ts %.4f = %.3f B/sample; index %.1f B/series "
           "(%.3f B/sample); on disk %.3f B/sample; written at %.1f ns/sample\n",
           s->name, b->rows_n, s->steps, (double)info.data_bytes / samples,
           (double)info.ts_bytes / samples, (double)(info.data_bytes + info.ts_bytes) / samples,
           (double)info.idx_bytes / (double)info.series, (double)info.idx_bytes / samples,
           (double)info.disk_bytes / samples, ms * 1e6 / samples);
}

static void select_some(struct part *p, const char *what, const struct matcher *m, size_t n,
                        bool decode)
{
    double best = 1e9;
    size_t series = 0, samples = 0;
    for (int round = 0; round < 5; round++) {
        struct index_matchers *how;
        struct part_cursor *c;
        struct part_series s;
        struct why why;
        series = samples = 0;
        int64_t begin = thread_cpu_ns();
        must(index_matchers_new(m, n, &how, &why) == 0);
        must(part_select(p, how, INT64_MIN, INT64_MAX, NULL, NULL, &c, &why) == 0);
        while (part_cursor_next(c, &s) == 1) {
            series++;
            for (size_t i = 0; decode && i < s.chunks_n; i++) {
                struct column col;
                must(part_cursor_read(c, i, &col) == 0);
                samples += col.n;
            }
        }
        part_cursor_free(c);
        index_matchers_free(how);
        best = MIN(best, since(begin));
    }
    printf("  %-52s %6zu series %8.3f ms", what, series, best);
    if (decode)
        printf(", %.2f ns/sample", best * 1e6 / (double)samples);
    printf("\n");
}

static void read_part(struct bench *b)
{
    struct part *p;
    struct why why;
    int64_t begin = thread_cpu_ns();
    must(part_open(&b->at, "part", &p, &why) == 0);
    printf("  open %.3f ms\n", since(begin));
    struct matcher all[] = {{MATCH_EQUAL, STR("job"), STR("node_exporter")}};
    struct matcher cpu[] = {{MATCH_EQUAL, LABEL_METRIC, STR("node_cpu_seconds_total")},
                            {MATCH_NOT_EQUAL, STR("mode"), STR("idle")}};
    struct matcher one[] = {{MATCH_EQUAL, LABEL_METRIC, STR("node_load1")},
                            {MATCH_EQUAL, STR("instance"), STR("host-00042:9100")}};
    struct matcher host[] = {{MATCH_EQUAL, STR("instance"), STR("host-00042:9100")}};
    struct matcher hosts[] = {{MATCH_REGEX, STR("instance"), STR("host-000.*")}};
    select_some(p, "node_load1{instance=\"host-00042:9100\"}", one, 2, true);
    select_some(p, "node_cpu_seconds_total{mode!=\"idle\"}", cpu, 2, false);
    select_some(p, "the same, decoded", cpu, 2, true);
    select_some(p, "{instance=\"host-00042:9100\"}", host, 1, false);
    select_some(p, "{instance=~\"host-000.*\"}", hosts, 1, false);
    select_some(p, "{job=\"node_exporter\"}", all, 1, false);
    select_some(p, "the same, decoded", all, 1, true);
    part_free(p);
}

static void run(struct bench *b, const struct shape *s)
{
    prepare(b, s);
    write_part(b, s);
    read_part(b);
    must(disk_remove_tree(b->disk, "part") == 0);
    release(b, s);
}

int main(void)
{
    static const struct shape shapes[] = {
        {"W1 15 s", 200, 480, 15, 15000, 0},
        {"W2 15 s, 3 ms jitter", 200, 480, 15, 15000, 3},
        {"W3 1 s", 50, 880, 1, 1000, 0},
    };
    char dir[] = "/tmp/part_bench.XXXXXX";
    struct trace *t = trace_new();
    struct bench b = {.trace = t};
    struct why why;
    must(mkdtemp(dir) && disk_real_open(dir, &b.disk, &why) == 0);
    b.at = (struct part_place){b.disk, page_cache_new(CACHE_BYTES), NULL};
    printf("%s trace, %zu series a host\n", t->real ? "recorded" : "made-up", t->n);
    for (size_t i = 0; i < COUNTOF(shapes); i++)
        run(&b, &shapes[i]);
    page_cache_free(b.at.cache);
    disk_free(b.disk);
    rmdir(dir);
    trace_free(t);
    return 0;
}
