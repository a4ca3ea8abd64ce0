#include "client/error/pseudonym.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/core/id.h"
#include "client/core/redact.h"
#include "client/core/setting.h"

enum { CLEAN_MAX = 512, SEED = 0x50 };

void pseudonym_of(const char *id, char *ret, size_t size)
{
    char memory[CLEAN_MAX];
    struct text t;
    text_over(&t, memory, sizeof memory);
    size_t n = strnlen(id, CLEAN_MAX / 4);
    bool personal = !setting.send_pii && (redact_text(&t, id, n) || t.cut);
    if (personal) {
        snprintf(ret, size, "u-%016" PRIx64, id_hash(id, n, SEED));
    } else {
        snprintf(ret, size, "%s", id);
    }
}
