/* Any bytes as a remote write 2.0 request. */
#include "base/must.h"
#include "codec/rw_testbed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rw_testbed *t = rw_testbed_new();
    uint8_t *copy = rw_testbed_copy(str_of((const char *)data, size));
    size_t rows = 0;
    int begun = rw2_begin(&t->r2, str_of((const char *)copy, size), &t->why);
    while (begun == 0 && rw2_next(&t->r2, &t->b, &t->s, &t->why) > 0)
        rows += rw_testbed_walk(&t->b, &t->s);
    must(rows <= size); /* each takes two bytes at least */
    mem_free(copy);
    rw_testbed_free(t);
    return 0;
}
