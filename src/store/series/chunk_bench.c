/* Bytes a value, and nanoseconds a value for encoding and for decoding with each set of loops, on
 * the recorded trace and on made-up columns that take one form each. */
#include <stdio.h>

#include "base/must.h"
#include "os/thread.h"
#include "store/series/chunk.h"
#include "store/series/chunk_kernel.h"
#include "store/series/trace_bench.h"

enum { HOSTS = 8, COLUMNS_MAX = 20000, ROUNDS = 5 };

struct columns {
    double *v; /* [n][size] */
    size_t n, size;
    struct buf bytes;
    size_t *at; /* [n + 1] */
};

static void columns_add(struct columns *c, const double *v)
{
    memcpy(c->v + c->n * c->size, v, c->size * sizeof *v);
    c->n++;
}

static void measure(const char *name, struct columns *c, double samples)
{
    buf_init(&c->bytes, (size_t)1 << 30);
    c->at = mem_array(c->n + 1, sizeof *c->at);
    int64_t begin, fastest = INT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        begin = thread_cpu_ns();
        buf_clear(&c->bytes);
        for (size_t i = 0; i < c->n; i++) {
            must(chunk_encode(c->v + i * c->size, c->size, &c->bytes) == 0);
            c->at[i + 1] = c->bytes.n;
        }
        fastest = MIN(fastest, thread_cpu_ns() - begin);
    }
    double values = (double)(c->n * c->size);
    double encode_ns = (double)fastest / values;
    printf("%-22s %6zu columns %7.3f B/sample, %7.3f B/encoded value, encode %5.1f ns/value", name,
           c->n, (double)c->bytes.n / samples, (double)c->bytes.n / values, encode_ns);
    static double back[CHUNK_MAX];
    for (size_t k = 0; chunk_kernel_at(k); k++) {
        chunk_kernel_use(chunk_kernel_at(k));
        int64_t best = INT64_MAX;
        for (int round = 0; round < ROUNDS; round++) {
            begin = thread_cpu_ns();
            for (size_t i = 0; i < c->n; i++)
                must(chunk_decode(c->bytes.p + c->at[i], c->at[i + 1] - c->at[i], c->size, back,
                                  NULL) == 0);
            best = MIN(best, thread_cpu_ns() - begin);
        }
        printf(", %s %.2f", chunk_kernel_at(k)->name, (double)best / values);
    }
    chunk_kernel_use(NULL);
    printf(" ns/value\n");
    buf_done(&c->bytes);
    mem_free(c->at);
    mem_free(c->v);
}

static void workload(const struct trace *t, const char *name, size_t steps, size_t stride)
{
    struct columns c = {.size = steps > CHUNK_MAX ? steps / 2 : steps};
    c.v = mem_array((size_t)HOSTS * t->n * 2 * c.size, sizeof(double));
    struct rand r;
    rand_init(&r, 1);
    double samples = 0;
    for (size_t h = 0; h < HOSTS; h++) {
        size_t offset = rand_below(&r, TRACE_T);
        for (size_t i = 0; i < t->n; i++)
            for (size_t from = 0; from + c.size <= steps; from += c.size) {
                double v[CHUNK_MAX];
                for (size_t k = 0; k < c.size; k++)
                    v[k] = trace_at(&t->series[i], offset, from + k, stride);
                samples += (double)c.size;
                if (!chunk_is_const(v, c.size))
                    columns_add(&c, v);
            }
    }
    measure(name, &c, samples);
}

static void family(const char *name, double (*f)(struct rand *r, size_t i, double before))
{
    struct columns c = {.size = CHUNK_MAX};
    struct rand r;
    rand_init(&r, 3);
    c.v = mem_array((size_t)200 * c.size, sizeof(double));
    for (size_t n = 0; n < 200; n++) {
        double v[CHUNK_MAX], before = 0;
        for (size_t i = 0; i < c.size; i++)
            v[i] = before = f(&r, i, before);
        columns_add(&c, v);
    }
    measure(name, &c, (double)(c.n * c.size));
}

static double gauge(struct rand *r, size_t i, double before)
{
    return (double)rand_below(r, 4000) + 100;
}

static double percent(struct rand *r, size_t i, double before)
{
    return (double)rand_below(r, 10000) / 100;
}

static double counter(struct rand *r, size_t i, double before)
{
    return before + 1000 + (double)rand_below(r, 60);
}

static double steps(struct rand *r, size_t i, double before)
{
    return rand_below(r, 20) ? before : (double)rand_below(r, 1000000);
}

static double states(struct rand *r, size_t i, double before)
{
    return (double)(rand_below(r, 5) * 1000003);
}

static double sums(struct rand *r, size_t i, double before)
{
    return before + (double)rand_below(r, 100) / 100;
}

static double noise(struct rand *r, size_t i, double before)
{
    return rand_unit(r);
}

int main(void)
{
    struct trace *t = trace_new();
    printf("%s trace, %zu series, %d hosts\n", t->real ? "recorded" : "made-up", t->n, HOSTS);
    workload(t, "W1 15 s x 480", 480, 15);
    workload(t, "W3 1 s x 880", 880, 1);
    family("frame of reference", gauge);
    family("two decimals", percent);
    family("deltas", counter);
    family("sparse changes", steps);
    family("dictionary", states);
    family("noisy sums", sums);
    family("random doubles", noise);
    trace_free(t);
    return 0;
}
