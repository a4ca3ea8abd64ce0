/* client/core/json.h - JSON, written piece by piece; commas and quoting are done here.
 *
 *     json_out_init(&j, &text);
 *     json_object(&j, NULL);            {
 *     json_string(&j, "name", "x");       "name":"x",
 *     json_array(&j, "list");             "list":[
 *     json_u64(&j, NULL, 3);                3
 *     json_end(&j);                       ]
 *     json_end(&j);                     }
 *
 * The key is NULL inside an array and for the outermost value. Bytes that are no UTF-8 become
 * U+FFFD. Numbers that are not finite become null. Safe in signal handlers over a given text, but
 * for json_number() and json_printf().
 *
 * Threads: one at a time.
 */
#ifndef CLIENT_CORE_JSON_H
#define CLIENT_CORE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/core/text.h"

enum { JSON_DEPTH_MAX = 32 };

struct json_out {
    struct text *text;
    unsigned depth;
    bool comma;               /* the next value at this depth needs one before it */
    char end[JSON_DEPTH_MAX]; /* '}' or ']' by depth */
};

void json_out_init(struct json_out *j, struct text *text);
void json_object(struct json_out *j, const char *key);
void json_array(struct json_out *j, const char *key);
void json_end(struct json_out *j); /* of the innermost object or array */
void json_string(struct json_out *j, const char *key, const char *value); /* NULL: null */
void json_string_n(struct json_out *j, const char *key, const char *value, size_t n);
void json_printf(struct json_out *j, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void json_i64(struct json_out *j, const char *key, int64_t value);
void json_u64(struct json_out *j, const char *key, uint64_t value);
void json_number(struct json_out *j, const char *key, double value);
void json_bool(struct json_out *j, const char *key, bool value);
void json_null(struct json_out *j, const char *key);
void json_hex(struct json_out *j, const char *key, const uint8_t *bytes, size_t n);
void json_address(struct json_out *j, const char *key, uint64_t address); /* "0x1f00" */
/* A document that is JSON already, as it is. */
void json_raw(struct json_out *j, const char *key, const char *document, size_t n);
/* Wall-clock time as RFC 3339 with microseconds, "2026-11-22T10:00:00.000001Z". */
void json_time(struct json_out *j, const char *key, int64_t unix_ns);

#endif
