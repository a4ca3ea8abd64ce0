/* client/trace/otlp_dump_test.h - requests of OTLP as text, for tests: a plain reader of protobuf
 * that shares nothing with the writer.
 *
 * A line for each field: the numbers that lead to it, '=', its value; messages have "PATH{" and
 * "PATH}". Bytes that are no printable ASCII are hexadecimal. What is malformed fails the test.
 */
#ifndef CLIENT_TRACE_OTLP_DUMP_TEST_H
#define CLIENT_TRACE_OTLP_DUMP_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { OTLP_DUMP_MAX = 8 << 20 };

struct otlp_dump {
    const char *const *messages; /* paths that are messages, NULL at the end */
    char *text;
    size_t n;
};

static const char *const otlp_dump_traces[] = {
    "1",          "1.1",          "1.1.1",     "1.1.1.2",     "1.2",           "1.2.1",
    "1.2.2",      "1.2.2.9",      "1.2.2.9.2", "1.2.2.9.2.5", "1.2.2.9.2.5.1", "1.2.2.11",
    "1.2.2.11.3", "1.2.2.11.3.2", "1.2.2.13",  "1.2.2.13.4",  "1.2.2.13.4.2",  "1.2.2.15",
    NULL};
static const char *const otlp_dump_logs[] = {"1",       "1.1",       "1.1.1", "1.1.1.2",
                                             "1.2",     "1.2.1",     "1.2.2", "1.2.2.5",
                                             "1.2.2.6", "1.2.2.6.2", NULL};

static inline bool otlp_dump_is_message(const struct otlp_dump *d, const char *path)
{
    for (size_t i = 0; d->messages[i]; i++) {
        if (strcmp(d->messages[i], path) == 0) {
            return true;
        }
    }
    return false;
}

static inline void otlp_dump_add(struct otlp_dump *d, const char *s, size_t n)
{
    assert_true(d->n + n < OTLP_DUMP_MAX);
    memcpy(d->text + d->n, s, n);
    d->n += n;
    d->text[d->n] = 0;
}

static inline void otlp_dump_line(struct otlp_dump *d, const char *path, const char *between,
                                  const char *value)
{
    otlp_dump_add(d, path, strlen(path));
    otlp_dump_add(d, between, strlen(between));
    otlp_dump_add(d, value, strlen(value));
    otlp_dump_add(d, "\n", 1);
}

static inline const uint8_t *otlp_dump_varint(const uint8_t *p, const uint8_t *end, uint64_t *ret)
{
    *ret = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        assert_true(p < end);
        *ret |= (uint64_t)(*p & 0x7f) << shift;
        if (!(*p++ & 0x80)) {
            return p;
        }
    }
    fail_msg("a varint of more than ten bytes");
    return end;
}

static inline void otlp_dump_bytes(struct otlp_dump *d, const char *path, const uint8_t *p,
                                   size_t n)
{
    bool text = true;
    for (size_t i = 0; i < n; i++) {
        text = text && p[i] >= 0x20 && p[i] < 0x7f;
    }
    otlp_dump_add(d, path, strlen(path));
    otlp_dump_add(d, "=", 1);
    for (size_t i = 0; i < n && !text; i++) {
        char hex[3];
        snprintf(hex, sizeof hex, "%02x", p[i]);
        otlp_dump_add(d, hex, 2);
    }
    if (text) {
        otlp_dump_add(d, (const char *)p, n);
    }
    otlp_dump_add(d, "\n", 1);
}

static inline void otlp_dump_message(struct otlp_dump *d, const char *in, const uint8_t *p,
                                     const uint8_t *end)
{
    while (p < end) {
        uint64_t tag, v = 0;
        char path[64], value[32];
        p = otlp_dump_varint(p, end, &tag);
        snprintf(path, sizeof path, "%s%s%u", in, *in ? "." : "", (unsigned)(tag >> 3));
        unsigned type = tag & 7;
        assert_true(type == 0 || type == 1 || type == 2 || type == 5);
        if (type == 0 || type == 2) {
            p = otlp_dump_varint(p, end, &v);
        } else {
            size_t n = type == 1 ? 8 : 4;
            assert_true((size_t)(end - p) >= n);
            memcpy(&v, p, n);
            p += n;
        }
        if (type == 2) {
            assert_true(v <= (uint64_t)(end - p));
            if (otlp_dump_is_message(d, path)) {
                otlp_dump_line(d, path, "{", "");
                otlp_dump_message(d, path, p, p + v);
                otlp_dump_line(d, path, "}", "");
            } else {
                otlp_dump_bytes(d, path, p, (size_t)v);
            }
            p += v;
            continue;
        }
        snprintf(value, sizeof value, "%llu", (unsigned long long)v);
        if (type == 1 && path[strlen(path) - 1] == '4') { /* AnyValue.double_value */
            double number;
            memcpy(&number, &v, sizeof number);
            snprintf(value, sizeof value, "%.17g", number);
        }
        otlp_dump_line(d, path, "=", value);
    }
}

/* The whole of a request; the caller frees it. */
static inline char *otlp_dump(const char *const *messages, const void *bytes, size_t n)
{
    struct otlp_dump d = {.messages = messages, .text = malloc(OTLP_DUMP_MAX)};
    assert_non_null(d.text);
    d.text[0] = 0;
    otlp_dump_message(&d, "", bytes, (const uint8_t *)bytes + n);
    return d.text;
}

#endif
