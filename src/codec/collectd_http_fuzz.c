/* Any bytes as what collectd's write_http sends. */
#include "base/mem.h"
#include "base/must.h"
#include "codec/collectd_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct collectd_http_reader *r = mem_new(sizeof *r);
    struct batch *b = mem_new(sizeof *b);
    struct sides *s = mem_new(sizeof *s);
    struct collectd_types types;
    struct why why = {0};
    collectd_types_init(&types);
    collectd_http_init(r);
    collectd_http_begin(r, str_of((const char *)data, size), &types, 1);
    while (collectd_http_next(r, b, s, &why) > 0)
        for (size_t i = 0; i < b->n; i++)
            must(str_starts(labels_get(b->key[i], LABEL_METRIC), STR("collectd")));
    collectd_http_done(r);
    collectd_types_done(&types);
    mem_free(r);
    mem_free(b);
    mem_free(s);
    return 0;
}
