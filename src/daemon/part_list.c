#include "daemon/part_list.h"

#include <string.h>

#include "base/vec.h"

struct parts {
    struct arena *a;
    struct serve_block *v; /* [n] */
    size_t n, capacity;
};

static void note_part(void *context, const struct store_part *part)
{
    struct parts *parts = context;
    struct serve_block block = {.name = arena_str(parts->a, str_c(part->dir)),
                                .first_ms = part->first_ms,
                                .last_ms = part->last_ms,
                                .samples = part->samples,
                                .series = part->series,
                                .chunks = part->chunks,
                                .level = part->level};
    vec_push(parts, block);
}

void part_list(struct store *store, struct str tenant, struct arena *a, struct serve_block **ret,
               size_t *ret_n)
{
    struct parts parts = {.a = a};
    store_each_part(store, tenant, note_part, &parts);
    *ret = arena_array(a, parts.n, sizeof **ret);
    if (parts.n)
        memcpy(*ret, parts.v, parts.n * sizeof **ret);
    *ret_n = parts.n;
    vec_free(&parts);
}
