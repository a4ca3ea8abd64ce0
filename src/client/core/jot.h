/* client/core/jot.h - JSON, written piece by piece; commas and quoting are done here.
 *
 *     jot_init(&j, &text);
 *     jot_object(&j, NULL);            {
 *     jot_string(&j, "name", "x");       "name":"x",
 *     jot_array(&j, "list");             "list":[
 *     jot_u64(&j, NULL, 3);                3
 *     jot_end(&j);                       ]
 *     jot_end(&j);                     }
 *
 * The key is NULL inside an array and for the outermost value. Bytes that are no UTF-8 become
 * U+FFFD. Numbers that are not finite become null. Safe in signal handlers over a given text, but
 * for jot_number() and jot_printf().
 *
 * Threads: one at a time.
 */
#ifndef CLIENT_CORE_JOT_H
#define CLIENT_CORE_JOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/core/text.h"

enum { JOT_DEPTH_MAX = 32 };

struct jot {
    struct text *text;
    unsigned depth;
    bool comma;              /* the next value at this depth needs one before it */
    char end[JOT_DEPTH_MAX]; /* '}' or ']' by depth */
};

void jot_init(struct jot *j, struct text *text);
void jot_object(struct jot *j, const char *key);
void jot_array(struct jot *j, const char *key);
void jot_end(struct jot *j); /* of the innermost object or array */
void jot_string(struct jot *j, const char *key, const char *value); /* NULL: null */
void jot_string_n(struct jot *j, const char *key, const char *value, size_t n);
void jot_printf(struct jot *j, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void jot_i64(struct jot *j, const char *key, int64_t value);
void jot_u64(struct jot *j, const char *key, uint64_t value);
void jot_number(struct jot *j, const char *key, double value);
void jot_bool(struct jot *j, const char *key, bool value);
void jot_null(struct jot *j, const char *key);
void jot_hex(struct jot *j, const char *key, const uint8_t *bytes, size_t n);
void jot_address(struct jot *j, const char *key, uint64_t address); /* "0x1f00" */
/* A document that is JSON already, as it is. */
void jot_raw(struct jot *j, const char *key, const char *document, size_t n);
/* Wall-clock time as RFC 3339 with microseconds, "2026-11-22T10:00:00.000001Z". */
void jot_time(struct jot *j, const char *key, int64_t unix_ns);

#endif
