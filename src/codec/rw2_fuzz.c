/* Any bytes as a remote write 2.0 request. */
#include "base/mem.h"
#include "base/must.h"
#include "codec/rw2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rw2_reader r;
    struct batch *b = mem_new(sizeof *b);
    struct sides *s = mem_new(sizeof *s);
    uint8_t *copy = mem_new(size + CODEC_SLACK);
    struct why why;
    size_t rows = 0;
    if (size)
        memcpy(copy, data, size);
    rw2_init(&r);
    int begun = rw2_begin(&r, str_of((const char *)copy, size), &why);
    while (begun == 0 && rw2_next(&r, b, s, &why) > 0) {
        rows += b->n + s->exemplars_n + s->metadata_n + s->bad_n;
        for (size_t i = 0; i < b->n; i++) {
            struct buf key;
            buf_init(&key, LABELS_KEY_MAX);
            (void)!labels_canonical(b->key[i], &key, &why); /* good or bad: it must not run wild */
            if (b->histogram[i] && histogram_check(b->histogram[i], &why) == 0)
                mem_free(histogram_copy(b->histogram[i]));
            buf_done(&key);
        }
    }
    must(rows <= size); /* each takes two bytes at least */
    rw2_done(&r);
    mem_free(copy);
    mem_free(b);
    mem_free(s);
    return 0;
}
