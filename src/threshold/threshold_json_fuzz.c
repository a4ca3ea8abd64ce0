#include "base/must.h"
#include "text/json.h"
#include "threshold/threshold.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(const struct threshold_row *t, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    threshold_json_put(&w, t);
    json_end_object(&w);
    must(!buf_failed(out));
}

/* A row that is read is written as one that is read as the same; what can be worked with compiles,
 * too. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct json_tree *tree;
    struct threshold_row row, again;
    struct str expr, hold;
    struct buf first, second;
    struct arena a;
    arena_init(&a);
    buf_init(&first, 64 << 20);
    buf_init(&second, 64 << 20);
    if (json_tree_parse(str_of((const char *)data, size), &a, &tree, NULL) == 0 &&
        threshold_json_read(tree, &a, &row, NULL) == 0) {
        put(&row, &first);
        must(json_tree_parse(buf_str(&first), &a, &tree, NULL) == 0);
        must(threshold_json_read(tree, &a, &again, NULL) == 0);
        put(&again, &second);
        must(str_eq(buf_str(&first), buf_str(&second)));
        static const struct promql_options OPTIONS = {0};
        if (threshold_check(&row, &OPTIONS, NULL) == 0)
            must(threshold_compile(&row, &a, &expr, &hold, NULL) == 0 && expr.n > 0);
    }
    buf_done(&first);
    buf_done(&second);
    arena_done(&a);
    return 0;
}
