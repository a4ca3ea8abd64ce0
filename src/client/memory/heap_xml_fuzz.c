#include <stdint.h>
#include <stdlib.h>

#include "client/core/text.h"
#include "client/memory/heap.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Whatever the document is, what was opened is closed again. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct text t;
    struct jot j;
    text_init(&t, 1 << 20);
    jot_init(&j, &t);
    jot_object(&j, NULL);
    heap_xml_json((const char *)bytes, n, &j);
    jot_end(&j);
    if (j.depth != 0 || (t.len && !t.cut && t.bytes[t.len - 1] != '}')) {
        abort();
    }
    text_done(&t);
    return 0;
}
