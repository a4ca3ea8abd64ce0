/* Any bytes as line protocol, with every way to call series. */
#include "base/mem.h"
#include "base/must.h"
#include "codec/influx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t walk(struct influx_reader *r, struct batch *b, struct sides *s)
{
    size_t rows = 0;
    while (influx_next(r, b, s) > 0) {
        for (size_t i = 0; i < b->n; i++)
            must(labels_get(b->key[i], LABEL_METRIC).n > 0 && r->lines[i] > 0);
        rows += b->n + s->bad_n;
    }
    return rows;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct influx_reader *r = mem_new(sizeof *r);
    struct batch *b = mem_new(sizeof *b);
    struct sides *s = mem_new(sizeof *s);
    char *copy = mem_new(size + CODEC_SLACK);
    struct influx_plan plan = {.separator = STR("_"), .db_label = STR("db"), .db = STR("x")};
    if (size)
        memcpy(copy, data, size);
    influx_init(r);
    for (unsigned i = 0; i < 8; i++) {
        plan.skip_measurement = i & 1;
        plan.skip_single = i & 2;
        plan.underscores = i & 4;
        plan.unit = (enum influx_unit)(i % 6);
        influx_begin(r, str_of(copy, size), &plan);
        must(walk(r, b, s) <= size);
    }
    influx_done(r);
    mem_free(copy);
    mem_free(r);
    mem_free(b);
    mem_free(s);
    return 0;
}
