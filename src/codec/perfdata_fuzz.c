#include "codec/perfdata.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(struct str data)
{
    struct perfdata p;
    struct perfdata_value v;
    size_t n = 0;
    perfdata_init(&p, data, 100);
    while (perfdata_next(&p, &v)) {
        if (v.label.n == 0 || v.label.n > 100 || ++n > data.n)
            __builtin_trap();
    }
    perfdata_done(&p);
}

/* Any output: labels within their cap, and an end. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str s = {(const char *)data, size};
    read_all(s);
    read_all(perfdata_first(s));
    read_all(perfdata_more(s));
    return 0;
}
