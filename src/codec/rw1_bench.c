/* Reads made-up remote write requests again and again: nanoseconds a sample. */
#include <stdio.h>

#include "codec/rw_testbed.h"

enum { SERIES = 10000, ROUNDS = 200 };

static void put_series(struct buf *out, unsigned i)
{
    struct buf inner;
    char instance[32], device[32];
    buf_init(&inner, 4096);
    snprintf(instance, sizeof instance, "host-%03u:9100", i / 100);
    snprintf(device, sizeof device, "dev%02u", i % 100);
    labels_put(&inner, STR("__name__"), STR("node_disk_read_bytes_total"));
    labels_put(&inner, STR("device"), str_c(device));
    labels_put(&inner, STR("instance"), str_c(instance));
    labels_put(&inner, STR("job"), STR("node"));
    labels_put(&inner, STR("zone"), STR("eu-central-1a"));
    uint8_t sample[32] = {0x12, 16, 0x09};
    store64(sample + 3, double_bits(i * 1.5));
    sample[11] = 0x10;
    uint8_t *end = varint_put(sample + 12, 1700000000000ULL + i);
    buf_put(&inner, sample, (size_t)(end - sample));
    uint8_t head[VARINT_MAX + 1] = {0x0a};
    end = varint_put(head + 1, inner.n);
    buf_put(out, head, (size_t)(end - head));
    buf_put_str(out, buf_str(&inner));
    buf_done(&inner);
}

int main(void)
{
    struct rw_testbed *t = rw_testbed_new();
    size_t samples = 0;
    for (unsigned i = 0; i < SERIES; i++)
        put_series(&t->request, i);
    size_t n = t->request.n;
    buf_put(&t->request, (char[CODEC_SLACK]){0}, CODEC_SLACK);

    int64_t from = rw_testbed_cpu_ns();
    for (int i = 0; i < ROUNDS; i++) {
        rw1_begin(&t->r1, str_of(t->request.p, n));
        while (rw1_next(&t->r1, &t->b, &t->s, NULL) > 0)
            samples += t->b.n;
    }
    double ns = (double)(rw_testbed_cpu_ns() - from);
    printf("rw1: %.2f ns a sample, %zu bytes a series, %.2f GB/s\n", ns / (double)samples,
           n / SERIES, (double)n * ROUNDS / ns);
    rw_testbed_free(t);
    return samples == (size_t)SERIES * ROUNDS ? 0 : 1;
}
