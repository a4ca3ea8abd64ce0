#include "client/send/lines.h"

#include <string.h>

/* How many bytes the character at s has; 0: it is none of UTF-8. */
static size_t character(const unsigned char *s)
{
    if (*s < 0x80) {
        return 1;
    }
    size_t n = *s >= 0xf0 ? 4 : *s >= 0xe0 ? 3 : 2;
    if (*s < 0xc2 || *s > 0xf4) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool bad = (*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) ||
               (*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f);
    return bad ? 0 : n;
}

void lines_add(struct text *t, const char *key, const char *value)
{
    text_add_string(t, key);
    text_add_char(t, '=');
    const unsigned char *s = (const unsigned char *)value;
    for (size_t left = LINES_VALUE_MAX, n; *s; s += n ? n : 1) {
        n = character(s);
        if (n > left) {
            break;
        }
        left--;
        if (n == 0 || *s < 0x20 || *s == 0x7f) {
            text_add_char(t, '?');
        } else if (*s == '%') {
            text_add_string(t, "%25");
        } else {
            text_add(t, s, n);
            left -= n - 1;
        }
        if (!left) {
            break;
        }
    }
    text_add_char(t, '\n');
}

void lines_add_i64(struct text *t, const char *key, int64_t value)
{
    text_add_string(t, key);
    text_add_char(t, '=');
    text_add_i64(t, value);
    text_add_char(t, '\n');
}

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static void unescape(const char *s, size_t n, char *ret, size_t size)
{
    size_t out = 0;
    for (size_t i = 0; i < n && out + 1 < size; i++) {
        char c = s[i];
        if (c == '%' && i + 2 < n && digit(s[i + 1]) >= 0 && digit(s[i + 2]) >= 0) {
            c = (char)(digit(s[i + 1]) << 4 | digit(s[i + 2]));
            i += 2;
        }
        ret[out++] = (unsigned char)c < 0x20 || c == 0x7f ? ' ' : c;
    }
    ret[out] = 0;
}

bool lines_find(const char *bytes, size_t n, const char *key, char *ret, size_t size)
{
    size_t key_n = strlen(key);
    ret[0] = 0;
    for (size_t at = 0; at < n;) {
        const char *end = memchr(bytes + at, '\n', n - at);
        size_t len = end ? (size_t)(end - bytes) - at : n - at;
        if (len > key_n && memcmp(bytes + at, key, key_n) == 0 && bytes[at + key_n] == '=') {
            unescape(bytes + at + key_n + 1, len - key_n - 1, ret, size);
            return true;
        }
        at += len + 1;
    }
    return false;
}

uint64_t lines_find_u64(const char *bytes, size_t n, const char *key, uint64_t most,
                        uint64_t otherwise)
{
    char text[24];
    uint64_t value = 0;
    if (!lines_find(bytes, n, key, text, sizeof text) || !*text || strlen(text) > 18) {
        return otherwise;
    }
    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '9') {
            return otherwise;
        }
        value = value * 10 + (uint64_t)(*p - '0');
    }
    return value > most ? most : value;
}
