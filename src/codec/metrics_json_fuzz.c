/* Any bytes as samples in JSON. */
#include "base/mem.h"
#include "base/must.h"
#include "codec/metrics_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct metrics_json_reader *r = mem_new(sizeof *r);
    struct batch *b = mem_new(sizeof *b);
    struct sides *s = mem_new(sizeof *s);
    struct why why;
    metrics_json_init(r);
    metrics_json_begin(r, str_of((const char *)data, size), 1);
    while (metrics_json_next(r, b, s, &why) > 0)
        for (size_t i = 0; i < b->n; i++)
            must(labels_get(b->key[i], LABEL_METRIC).n > 0);
    metrics_json_done(r);
    mem_free(r);
    mem_free(b);
    mem_free(s);
    return 0;
}
