/* Reads a made-up remote write 2.0 request again and again: nanoseconds a sample. */
#include <stdio.h>

#include "codec/rw_testbed.h"

enum { SERIES = 10000, ROUNDS = 100, FIXED = 10 };

static void put_series(struct buf *out, unsigned i)
{
    struct buf series, inner;
    const uint64_t refs[] = {1, 2, 3, FIXED + 100 + i % 100, 4, FIXED + i / 100, 5, 6, 7, 8};
    buf_init(&series, 1000);
    buf_init(&inner, 1000);
    for (size_t k = 0; k < COUNTOF(refs); k++)
        buf_put_varint(&inner, refs[k]);
    wire_put_bytes(&series, 1, buf_str(&inner));
    buf_clear(&inner);
    wire_put_double(&inner, 1, i * 1.5);
    wire_put_int(&inner, 2, 1700000000000ULL + i);
    wire_put_bytes(&series, 2, buf_str(&inner));
    wire_put_bytes(out, 5, buf_str(&series));
    buf_done(&series);
    buf_done(&inner);
}

int main(void)
{
    static const char *const TEXTS[FIXED] = {"",       "__name__", "node_disk_read_bytes_total",
                                             "device", "instance", "job",
                                             "node",   "zone",     "eu-central-1a",
                                             "unused"};
    struct rw_testbed *t = rw_testbed_new();
    size_t samples = 0;
    char text[32];
    for (size_t i = 0; i < FIXED; i++)
        wire_put_bytes(&t->request, 4, str_c(TEXTS[i]));
    for (unsigned i = 0; i < 200; i++) {
        int n = snprintf(text, sizeof text, i < 100 ? "host-%03u:9100" : "dev%02u", i % 100);
        wire_put_bytes(&t->request, 4, str_of(text, (size_t)n));
    }
    for (unsigned i = 0; i < SERIES; i++)
        put_series(&t->request, i);
    size_t n = t->request.n;
    buf_put(&t->request, (char[CODEC_SLACK]){0}, CODEC_SLACK);

    int64_t from = rw_testbed_cpu_ns();
    for (int i = 0; i < ROUNDS; i++) {
        if (rw2_begin(&t->r2, str_of(t->request.p, n), NULL))
            return 1;
        while (rw2_next(&t->r2, &t->b, &t->s, NULL) > 0)
            samples += t->b.n;
    }
    double ns = (double)(rw_testbed_cpu_ns() - from);
    printf("rw2: %.2f ns a sample, %zu bytes a series\n", ns / (double)samples, n / SERIES);
    rw_testbed_free(t);
    return samples == (size_t)SERIES * ROUNDS ? 0 : 1;
}
