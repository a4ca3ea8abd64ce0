#include "client/core/redact.h"

#include <string.h>
#include <strings.h>

bool redact_key(const char *key, size_t n)
{
    static const char *const words[] = {"password", "passwd", "secret", "token", "authorization"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t m = strlen(words[i]);
        for (size_t at = 0; at + m <= n; at++) {
            if (strncasecmp(key + at, words[i], m) == 0) {
                return true;
            }
        }
    }
    return false;
}
