/* Any bytes: parsing never crashes, and what is printed reads back as the same text. */
#include <stdlib.h>

#include "base/must.h"
#include "query/promql/promql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const struct promql_options options = promql_options_all();
    struct promql_failure failure;
    struct promql_expr *x, *y;
    struct arena a;
    arena_init(&a);
    if (promql_parse(str_of((const char *)data, n), &options, &a, &x, &failure) == 0) {
        struct buf first, second;
        buf_init(&first, 1 << 22);
        buf_init(&second, 1 << 22);
        promql_print(x, &first);
        must(promql_parse(buf_str(&first), &options, &a, &y, &failure) == 0);
        promql_print(y, &second);
        must(str_eq(buf_str(&first), buf_str(&second)));
        buf_done(&first);
        buf_done(&second);
    } else {
        must(failure.kind == PROMQL_BAD_DATA && failure.text[0]);
    }
    arena_done(&a);
    return 0;
}
