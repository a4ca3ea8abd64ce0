/* Any bytes as a request, whole and in two pieces: what is read of them must not depend on how they
 * came. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/metric/http_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_request whole, part;
    char *bytes = malloc(size + 1); /* of its own, so that reading past the end is seen */
    if (!bytes || size > 2 * HTTP_REQUEST_MAX) {
        free(bytes);
        return 0;
    }
    memcpy(bytes, data, size);
    char *exact = malloc(size ? size : 1);
    if (exact) {
        memcpy(exact, bytes, size);
        int status = http_request_read(exact, size, &whole);
        if (status == 0) {
            if (whole.used > size || whole.path < exact || whole.path_n == 0 ||
                whole.path + whole.path_n > exact + whole.used) {
                abort();
            }
            if (http_request_read(exact, whole.used, &part) != 0 || part.used != whole.used ||
                (whole.used && http_request_read(exact, whole.used - 1, &part) == 0)) {
                abort();
            }
        } else if (status != 1 && (status < 400 || status > 599)) {
            abort();
        }
    }
    free(exact);
    free(bytes);
    return 0;
}
