/* Files of a Prometheus block: the index with its series, and a file of chunks. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "codec/prom_chunk_read.h"
#include "codec/tsdb_index.h"
#include "model/labels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int64_t times[PROM_CHUNK_READ_MAX];
static double values[PROM_CHUNK_READ_MAX];
static const struct histogram *histograms[PROM_CHUNK_READ_MAX];

static void read_chunk(struct str bytes)
{
    struct prom_chunk_read to = {times, values, histograms};
    struct arena a;
    arena_init(&a);
    int ignored UNUSED = prom_chunk_read(bytes.n > 9 ? (unsigned char)bytes.p[9] % 4 : 1,
                                         str_sub(bytes, 2, bytes.n), &a, &to, NULL);
    arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = {(const char *)data, size}, chunk;
    struct tsdb_index x;
    struct tsdb_tombstone *tombstones;
    size_t n;
    unsigned type;
    if (tsdb_index_open(bytes, &x, NULL) == 0) {
        struct tsdb_series series = {0};
        struct buf key;
        buf_init(&key, LABELS_KEY_MAX);
        for (size_t at = x.series_from; tsdb_index_series(&x, &at, &key, &series, NULL) > 0;)
            buf_clear(&key);
        buf_done(&key);
        mem_free(series.chunks);
        tsdb_index_done(&x);
    }
    int ignored UNUSED = tsdb_index_chunk(bytes, 8, &type, &chunk, NULL);
    if (tsdb_index_tombstones(bytes, &tombstones, &n, NULL) == 0)
        mem_free(tombstones);
    read_chunk(bytes);
    return 0;
}
