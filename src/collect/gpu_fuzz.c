/* Lines of the helper for graphics cards: whatever comes, nothing is read beyond it. */
#include <stddef.h>
#include <stdint.h>

#include "collect/gpu_helper.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct emit e;
    emit_init(&e, STR("node"), STR("host"));
    emit_begin(&e);
    gpu_helper_emit(str_of((const char *)data, size), "/nowhere", &e);
    emit_end(&e);
    emit_done(&e);
    return 0;
}
