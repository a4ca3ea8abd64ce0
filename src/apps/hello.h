/* apps/hello.h - who an application says it is, and the lines that frames of both sides carry.
 *
 * "key=value\n" for each fact; %, CR and LF of a value are percent-escaped.
 *
 * Source:  docs/format/libsonde.md
 * Threads: pure functions.
 */
#ifndef APPS_HELLO_H
#define APPS_HELLO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum {
    HELLO_NAME_MAX = 200, /* bytes of a text, more is refused */
    HELLO_LINES_MAX = 64,
};

struct hello {
    char service[HELLO_NAME_MAX + 1], instance[HELLO_NAME_MAX + 1], release[HELLO_NAME_MAX + 1],
        environment[HELLO_NAME_MAX + 1], language[HELLO_NAME_MAX + 1], library[HELLO_NAME_MAX + 1];
    int64_t version, pid, started_ms; /* 0: not said */
};

/* Keys that are not known are left out. -ERR_FORMAT: bytes that are no such lines, a text that is
 * not UTF-8 or has control characters, no service or no instance; -ERR_LIMIT: too long. */
MUST_USE int hello_read(struct str payload, struct hello *ret, struct why *why);

/* Appends a line. */
void hello_put(struct buf *out, const char *key, struct str value);

#endif
