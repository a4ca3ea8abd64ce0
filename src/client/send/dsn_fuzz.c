#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/send/dsn.h"
#include "client/send/limit.h"
#include "client/send/otlp.h"
#include "client/send/spool.h"

/* What others write and we read: a DSN, headers of answers, names of files. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct otlp_headers headers;
    struct dsn dsn;
    struct limit limit = {0};
    struct spool_name name, again;
    const char *problem = NULL;
    uint64_t seconds;
    char *text = malloc(size + 1);
    if (!text) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = 0;
    if (dsn_read(text, &dsn, &problem)) {
        if (strpbrk(dsn.url, "\r\n \"") || strpbrk(dsn.auth, "\r\n")) {
            abort();
        }
    } else if (!problem) {
        abort();
    }
    if (limit_read(&limit, text, 1000) && limit_holds(&limit, "error", UINT64_MAX)) {
        abort(); /* for ever */
    }
    if (limit_retry_after(text, 1764000000, &seconds) && seconds > LIMIT_SECONDS_MAX) {
        abort();
    }
    (void)otlp_headers_parse(text, &headers);
    for (size_t i = 0; i < headers.n; i++) {
        if (strpbrk(headers.line[i], "\r\n")) {
            abort();
        }
    }
    (void)otlp_rejected((const char *)data, size);
    if (spool_name_read(text, &name)) {
        char written[SPOOL_NAME_MAX];
        spool_name_write(&name, written);
        if (!spool_name_read(written, &again) || again.id != name.id || again.items != name.items) {
            abort();
        }
    }
    free(text);
    return 0;
}
