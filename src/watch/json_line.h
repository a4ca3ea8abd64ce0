/* watch/json_line.h - JSON of one line: objects written member by member, flat objects read.
 *
 * Not text/json.h, whose numbers need the C++ library, which sonde-watch does not link: here are
 * no fractions but those of json_line_tenths(), and what is read has no object within an object.
 *
 * Source:  RFC 8259.
 * Threads: pure functions.
 */
#ifndef WATCH_JSON_LINE_H
#define WATCH_JSON_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* ---- writing: commas are put where they belong; key is NULL inside an array */
void json_line_open(struct buf *b, const char *key, char bracket);     /* '{' or '[' */
void json_line_close(struct buf *b, char bracket);                     /* '}' or ']' */
void json_line_text(struct buf *b, const char *key, struct str value); /* not UTF-8: U+FFFD */
void json_line_i64(struct buf *b, const char *key, int64_t value);
void json_line_tenths(struct buf *b, const char *key, int64_t tenths); /* 15 is 1.5 */
void json_line_flag(struct buf *b, const char *key, bool value);
void json_line_null(struct buf *b, const char *key);
void json_line_raw(struct buf *b, const char *key, struct str json); /* a value already */

/* ---- reading */
enum { JSON_LINE_MEMBERS_MAX = 32 };

enum json_line_type { JSON_LINE_TEXT, JSON_LINE_NUMBER, JSON_LINE_FLAG, JSON_LINE_NULL };

struct json_line_member {
    struct str key;
    enum json_line_type type;
    struct str text; /* of TEXT, unescaped, a NUL behind it */
    int64_t number;  /* of NUMBER, whole; of FLAG 0 or 1 */
};

struct json_line {
    struct json_line_member members[JSON_LINE_MEMBERS_MAX];
    size_t n;
};

/* Reads a flat object; texts and keys lie in a. -ERR_FORMAT; -ERR_LIMIT for too many members. */
MUST_USE int json_line_read(struct str line, struct arena *a, struct json_line *ret,
                            struct why *why);

/* The member of that key, or NULL. */
const struct json_line_member *json_line_find(const struct json_line *l, const char *key);

/* A text member, or "" where it is missing or of another type. */
const char *json_line_find_text(const struct json_line *l, const char *key);

/* A number or flag, or other where it is missing. */
int64_t json_line_find_number(const struct json_line *l, const char *key, int64_t other);

#endif
