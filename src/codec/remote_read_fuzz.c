/* Any bytes as a remote read request. */
#include "base/must.h"
#include "codec/remote_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct remote_read_request request;
    struct arena a;
    struct why why;
    size_t bytes = 0;
    arena_init(&a);
    if (remote_read_decode(str_of((const char *)data, size), &a, &request, &why) == 0) {
        for (size_t i = 0; i < request.queries_n; i++) {
            const struct remote_read_query *q = &request.queries[i];
            for (size_t k = 0; k < q->matchers_n; k++)
                bytes += q->matchers[k].name.n + q->matchers[k].value.n;
        }
        must(bytes <= size); /* texts are borrowed from the request */
    }
    arena_done(&a);
    return 0;
}
