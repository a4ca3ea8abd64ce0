/* Any bytes as the answer of a name server; the first says what was asked for. */
#include "base/must.h"
#include "os/dns.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct dns_record *records = NULL;
    size_t n = 0;
    if (size == 0 || size > ANSWER_MAX)
        return 0;
    arena_init(&a);
    if (read_answer(data + 1, (int)size - 1, (enum dns_type)(data[0] % 5), &a, &records, &n) == 0)
        for (size_t i = 0; i < n; i++)
            must(records[i].text.p && records[i].text.n < NS_MAXDNAME);
    arena_done(&a);
    return 0;
}
