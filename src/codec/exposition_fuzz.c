/* Any bytes as an exposition, in both formats, leniently and strictly. */
#include "base/mem.h"
#include "base/must.h"
#include "codec/exposition.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct exposition_reader *r = mem_new(sizeof *r);
    struct batch *b = mem_new(sizeof *b);
    struct sides *s = mem_new(sizeof *s);
    struct str text = str_of((const char *)data, size);
    exposition_init(r);
    for (int format = EXPOSITION_TEXT; format <= EXPOSITION_OPENMETRICS; format++) {
        size_t bad = 0;
        exposition_begin(r, text, (enum exposition_format)format, 1);
        while (exposition_next(r, b, s) > 0) {
            bad += s->bad_n;
            for (size_t i = 0; i < b->n; i++)
                must(labels_get(b->key[i], LABEL_METRIC).n > 0);
        }
        /* What the strict one takes, the lenient one takes. */
        if (exposition_check(text, (enum exposition_format)format, NULL) == 0)
            must(bad == 0);
    }
    exposition_done(r);
    mem_free(r);
    mem_free(b);
    mem_free(s);
    return 0;
}
