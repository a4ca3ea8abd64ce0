/* client/send/lines.h - "key=value\n" lines of frames: %, CR and LF of a value are percent-escaped.
 *
 * Source:  docs/format/libsonde.md
 * Threads: any; pure functions.
 */
#ifndef CLIENT_SEND_LINES_H
#define CLIENT_SEND_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/core/text.h"

enum { LINES_VALUE_MAX = 200 }; /* bytes that are written of a value; the daemon refuses more */

/* Writes a line: bytes that are no UTF-8 and control characters become '?', too much is cut off
 * between characters. */
void lines_add(struct text *t, const char *key, const char *value);
void lines_add_i64(struct text *t, const char *key, int64_t value);

/* The value of a key, cut to size - 1 bytes and with a NUL; control characters become spaces;
 * false: it is not there (then ""). */
bool lines_find(const char *bytes, size_t n, const char *key, char *ret, size_t size);
/* A number of at most `most`; otherwise: what stands for none and for a bad one. */
uint64_t lines_find_u64(const char *bytes, size_t n, const char *key, uint64_t most,
                        uint64_t otherwise);

#endif
