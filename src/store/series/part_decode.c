#include "store/series/chunk_int.h"
#include "store/series/part_read.h"

int part_decode_block(const struct part_directory_entry *e, const uint8_t *p, size_t len,
                      struct block *ret)
{
    struct block b = {.first_ms = e->first_ms, .last_ms = e->last_ms, .n = e->slots - e->absent};
    if (e->kind == PART_CONST) {
        b.summarised = e->summarised;
        b.min = b.max = b.first = b.last = e->value;
        b.sum = e->value * b.n;
    } else if (e->kind == PART_FLOATS && e->summarised) {
        if (chunk_block_decode(p, len, &b, NULL))
            return -ERR_CORRUPT;
    }
    *ret = b;
    return 0;
}

static int decode_values(const struct part_directory_entry *e, const uint8_t *p, size_t len,
                         struct arena *a, struct part_decoded *ret, size_t *ret_used)
{
    size_t used = 0, block = 0;
    if (e->kind == PART_CONST) {
        for (size_t i = 0; i < e->slots; i++)
            ret->value[i] = e->value;
        *ret_used = 0;
        return 0;
    }
    if (e->kind == PART_HISTOGRAMS)
        return chunk_histogram_decode(p, len, e->slots, a, ret->histogram, ret_used);
    if (e->kind != PART_FLOATS)
        return -ERR_CORRUPT;
    if (e->summarised) {
        struct block b = {.n = e->slots - e->absent};
        if (chunk_block_decode(p, len, &b, &block))
            return -ERR_CORRUPT;
    }
    if (chunk_decode_roomy(p + block, len - block, e->slots, ret->value, &used))
        return -ERR_CORRUPT;
    *ret_used = block + used;
    return 0;
}

int part_decode(const struct part_directory_entry *e, const uint8_t *p, size_t len, struct arena *a,
                struct part_decoded *ret)
{
    size_t used;
    if (decode_values(e, p, len, a, ret, &used))
        return -ERR_CORRUPT;
    if (e->has_start && chunk_int_decode_copy(p + used, len - used, e->slots, ret->start_ms, NULL))
        return -ERR_CORRUPT;
    return 0;
}
