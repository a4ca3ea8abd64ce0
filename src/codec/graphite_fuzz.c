/* Any bytes as plaintext lines, with templates and without. */
#include "base/mem.h"
#include "base/must.h"
#include "codec/graphite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct graphite_template templates[3];
    struct graphite_reader *r = mem_new(sizeof *r);
    struct batch *b = mem_new(sizeof *b);
    struct sides *s = mem_new(sizeof *s);
    struct str text = str_of((const char *)data, size);
    graphite_init(r);
    must(graphite_template_read(STR("a.* .host.measurement*"), &templates[0], NULL) == 0);
    must(graphite_template_read(STR("*b*c*.d h.h.measurement.field x=y"), &templates[1], NULL) ==
         0);
    /* The first line as a template, where it is one. */
    bool own =
        graphite_template_read(str_sub(text, 0, str_find(text, '\n')), &templates[2], NULL) == 0;
    for (unsigned i = 0; i < 4; i++) {
        struct graphite_plan plan = {.underscores = i & 1,
                                     .templates = templates,
                                     .templates_n = i & 2 ? 2 + (size_t)own : 0};
        graphite_begin(r, text, &plan);
        while (graphite_next(r, b, s) > 0)
            for (size_t k = 0; k < b->n; k++)
                must(labels_get(b->key[k], LABEL_METRIC).n > 0);
    }
    graphite_done(r);
    mem_free(r);
    mem_free(b);
    mem_free(s);
    return 0;
}
