/* Unpacks remote-write bodies, made here, with our decoder and with libsnappy: GB/s of output. */
#include <snappy-c.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/rand.h"
#include "pack/snappy.h"

enum { SERIES = 2000, ROUNDS = 400 };

static void put_field(struct buf *b, uint8_t tag, struct str s)
{
    uint8_t head[1 + VARINT_MAX] = {tag};
    buf_put(b, head, (size_t)(varint_put(head + 1, s.n) - head));
    buf_put_str(b, s);
}

static void put_label(struct buf *series, const char *name, const char *value)
{
    struct buf b;
    buf_init(&b, 4096);
    put_field(&b, 0x0a, str_c(name));
    put_field(&b, 0x12, str_c(value));
    put_field(series, 0x0a, buf_str(&b));
    buf_done(&b);
}

/* A WriteRequest as node_exporter's series make it: many labels, one sample each. */
static void make_body(struct buf *out, struct rand *rand)
{
    for (int i = 0; i < SERIES; i++) {
        struct buf series, sample;
        buf_init(&series, 65536);
        buf_init(&sample, 64);
        char text[80];
        snprintf(text, sizeof text, "node_metric_%d_seconds_total", i / 16);
        put_label(&series, "__name__", text);
        snprintf(text, sizeof text, "%d", i % 16);
        put_label(&series, "cpu", text);
        snprintf(text, sizeof text, "host-%02d.example.net:9100", i / 500);
        put_label(&series, "instance", text);
        put_label(&series, "job", "node");
        put_label(&series, "mode", i % 2 ? "idle" : "system");
        uint8_t bytes[9 + 1 + VARINT_MAX] = {0x09};
        store64(bytes + 1, double_bits((double)rand_below(rand, 1000000) / 100));
        bytes[9] = 0x10;
        uint8_t *end = varint_put(bytes + 10, 1760000000000ull + 15000);
        buf_put(&sample, bytes, (size_t)(end - bytes));
        put_field(&series, 0x12, buf_str(&sample));
        put_field(out, 0x0a, buf_str(&series));
        buf_done(&series);
        buf_done(&sample);
    }
}

int main(void)
{
    struct rand rand;
    rand_init(&rand, 1);
    struct buf body;
    buf_init(&body, 16 * 1024 * 1024);
    make_body(&body, &rand);
    size_t packed_n = snappy_max_compressed_length(body.n);
    char *packed = mem_raw(packed_n), *out = mem_raw(body.n + SNAPPY_SLACK);
    must(snappy_compress(body.p, body.n, packed, &packed_n) == SNAPPY_OK);
    struct str in = str_of(packed, packed_n);
    printf("remote write body: %zu bytes, packed %zu\n", body.n, packed_n);

    double best[2] = {0, 0};
    for (int round = 0; round < 6; round++) {
        int64_t from = clock_monotonic_ns(&clock_real);
        for (int i = 0; i < ROUNDS; i++) {
            if (round % 2 == 0) {
                must(snappy_decode(in, (uint8_t *)out, body.n) == 0);
            } else {
                size_t n = body.n;
                must(snappy_uncompress(in.p, in.n, out, &n) == SNAPPY_OK);
            }
        }
        double ns = (double)(clock_monotonic_ns(&clock_real) - from);
        must(memcmp(out, body.p, body.n) == 0);
        best[round % 2] = MAX(best[round % 2], (double)body.n * ROUNDS / ns);
    }
    printf("ours       %.2f GB/s\nlibsnappy  %.2f GB/s\n", best[0], best[1]);
    mem_free(packed);
    mem_free(out);
    buf_done(&body);
    return 0;
}
