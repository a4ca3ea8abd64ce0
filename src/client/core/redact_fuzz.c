/* client/core/redact_fuzz.c - any bytes: no crash, no bytes invented beyond the labels; a document
 * that was cleaned is a document that cleans to itself. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct text once, twice;
    text_init(&once, 1 << 22);
    text_init(&twice, 1 << 22);
    bool any = redact_text(&once, (const char *)data, n);
    if (!any && (once.len != n || (n && memcmp(once.bytes, data, n) != 0))) {
        abort(); /* nothing was found, and yet it differs */
    }
    text_clear(&once);
    if (redact_json(&once, (const char *)data, n)) {
        if (!redact_json(&twice, once.bytes, once.len)) {
            abort(); /* what was written is no JSON */
        }
    } else if (once.len) {
        abort(); /* refused, and yet something was written */
    }
    text_done(&once);
    text_done(&twice);
    return 0;
}
