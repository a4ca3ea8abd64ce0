#include "text/zone.h"

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Any file is refused, or a zone that knows its offset at any time of a sample. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t AT[] = {
        0,  1,           951782400,        1700000000,      4102444800, 253402300799,
        -1, -2208988800, INT64_MAX / 1000, INT64_MIN / 1000};
    const struct zone *z;
    struct arena a;
    struct why why;
    arena_init(&a);
    if (zone_parse(str_of((const char *)data, size), &a, &z, &why) == 0)
        for (size_t i = 0; i < COUNTOF(AT); i++) {
            int32_t offset_s;
            struct str name;
            zone_at(z, AT[i], &offset_s, &name);
            must(offset_s >= -200 * 3600 && offset_s <= 200 * 3600 && name.n <= size);
        }
    arena_done(&a);
    return 0;
}
