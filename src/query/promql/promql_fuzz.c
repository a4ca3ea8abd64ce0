/* Any bytes: parsing never crashes, and what is printed or laid out reads back as the same tree. */
#include <stdlib.h>

#include "base/must.h"
#include "query/promql/promql.h"

enum { TEXT_MAX = 1 << 22 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* text must parse; what it prints must be wanted. */
static void expect_same(struct str text, const struct promql_options *options, struct arena *a,
                        struct str wanted)
{
    struct promql_failure failure;
    struct promql_expr *x;
    struct buf out;
    buf_init(&out, TEXT_MAX);
    must(promql_parse(text, options, a, &x, &failure) == 0);
    promql_print(x, &out);
    must(str_eq(buf_str(&out), wanted));
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const struct promql_options options = promql_options_all();
    struct promql_failure failure;
    struct promql_expr *x;
    struct arena a;
    arena_init(&a);
    if (promql_parse(str_of((const char *)data, n), &options, &a, &x, &failure) == 0) {
        struct buf printed, laid_out;
        buf_init(&printed, TEXT_MAX);
        buf_init(&laid_out, TEXT_MAX);
        promql_print(x, &printed);
        expect_same(buf_str(&printed), &options, &a, buf_str(&printed));
        promql_format(x, &laid_out);
        if (laid_out.n <= PROMQL_TEXT_MAX)
            expect_same(buf_str(&laid_out), &options, &a, buf_str(&printed));
        buf_clear(&laid_out);
        promql_json(x, &laid_out);
        buf_done(&printed);
        buf_done(&laid_out);
    } else {
        must(failure.kind == PROMQL_BAD_DATA && failure.text[0]);
    }
    arena_done(&a);
    return 0;
}
