/* Any bytes at all decoders of a chunk: they answer or refuse; what they take for a chunk of
 * doubles encodes and comes back. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/must.h"
#include "store/series/chunk.h"
#include "store/series/chunk_int.h"
#include "store/series/part_directory.h"
#include "store/series/part_tier.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

static void doubles(const uint8_t *p, size_t len, size_t n)
{
    double v[CHUNK_MAX], back[CHUNK_MAX];
    if (chunk_decode(p, len, n, v, NULL))
        return;
    struct buf out;
    buf_init(&out, 1 << 20);
    must(chunk_encode(v, n, &out) == 0);
    must(chunk_decode(out.p, out.n, n, back, NULL) == 0);
    must(memcmp(v, back, n * sizeof *v) == 0);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    static int64_t x[65536 + CHUNK_INT_BLOCK];
    static struct block blocks[CHUNK_MAX];
    const struct histogram *h[CHUNK_MAX];
    if (len < 3)
        return 0;
    size_t n = load16(p + 1) % CHUNK_MAX + 1;
    uint8_t what = p[0];
    p += 3;
    len -= 3;
    struct block b = {.n = 5};
    struct arena a;
    struct part_directory d = {0};
    switch (what % 6) {
    case 0:
        doubles(p, len, n);
        break;
    case 1: /* refused or not, nothing is to happen */
        (void)!chunk_int_decode_copy(p, len, n * 100, x, NULL);
        break;
    case 2:
        (void)!chunk_ts_decode(p, len, n * 100, x, NULL);
        break;
    case 3:
        (void)!chunk_block_decode(p, len, &b, NULL);
        (void)!part_tier_decode(p, len, n, blocks, NULL);
        break;
    case 4:
        (void)!part_directory_decode(p, len, (uint32_t)n % INDEX_BLOCK + 1, &d);
        part_directory_done(&d);
        break;
    default:
        arena_init(&a);
        (void)!chunk_histogram_decode(p, len, n, &a, h, NULL);
        arena_done(&a);
        break;
    }
    return 0;
}
