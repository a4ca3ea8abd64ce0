/* Any bytes as delimited MetricFamily messages, natively and classically. */
#include "base/mem.h"
#include "base/must.h"
#include "codec/metric_family_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct metric_family_reader *r = mem_new(sizeof *r);
    struct batch *b = mem_new(sizeof *b);
    struct sides *s = mem_new(sizeof *s);
    metric_family_read_init(r);
    for (int way = 0; way < 4; way++) {
        metric_family_read_begin(r, str_of((const char *)data, size), 1000);
        r->native = way & 1;
        r->classic = way & 2;
        struct why why = {0};
        int got;
        while ((got = metric_family_read(r, b, s, &why)) > 0) {
            must(b->n || !sides_empty(s));
            for (size_t i = 0; i < b->n; i++) {
                must(labels_get(b->key[i], LABEL_METRIC).n > 0);
                must(r->native || !b->histogram[i]);
                /* What it says of itself may be wrong; looking at it must be safe. */
                if (b->histogram[i])
                    (void)!histogram_check(b->histogram[i], &why);
            }
        }
        must(got == 0 || why.text[0]);
    }
    metric_family_read_done(r);
    mem_free(r);
    mem_free(b);
    mem_free(s);
    return 0;
}
