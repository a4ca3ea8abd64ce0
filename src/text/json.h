/* text/json.h - JSON to a buffer and from bytes, without a tree.
 *
 * The writer puts commas and escapes; the reader gives one event at a time, so that a body of any
 * size is read in the memory of its longest text. Objects may repeat a key: who reads decides.
 *
 * Source:  RFC 8259, read strictly: no comments, no trailing commas, no NaN, UTF-8 only.
 * Threads: one per writer or reader.
 */
#ifndef TEXT_JSON_H
#define TEXT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { JSON_DEPTH_MAX = 64 }; /* objects and arrays within each other */

/* ---- writing */

/* s in quotes, escaped: also <, >, & and U+2028/9 as \uXXXX, so that the text is safe inside a
 * script element. Bytes that are not UTF-8 become U+FFFD. */
void json_put_text(struct buf *b, struct str s);

/* v as a JSON number; null where JSON has none (NaN, Inf). */
void json_put_number(struct buf *b, double v);

/* Begins a value where commas, colons and the pairing of ends are its business. The members are
 * its own. */
struct json_writer {
    struct buf *out;
    uint64_t filled; /* bit d: something was put at depth d */
    unsigned depth;
    bool after_key;
};

void json_writer_init(struct json_writer *w, struct buf *out);
void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_key(struct json_writer *w, struct str key);
void json_text(struct json_writer *w, struct str s);
void json_number(struct json_writer *w, double v);
void json_i64(struct json_writer *w, int64_t v);
void json_u64(struct json_writer *w, uint64_t v);
void json_bool(struct json_writer *w, bool v);
void json_null(struct json_writer *w);
void json_raw(struct json_writer *w, struct str json); /* a value that is JSON already */

/* ---- reading */
enum json_type {
    JSON_OBJECT, /* '{'; then KEY, value, KEY, value ... OBJECT_END */
    JSON_OBJECT_END,
    JSON_ARRAY,
    JSON_ARRAY_END,
    JSON_KEY,    /* text */
    JSON_TEXT,   /* text */
    JSON_NUMBER, /* text is the literal, number its value */
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
};

struct json_event {
    enum json_type type;
    struct str text; /* unescaped; borrowed from the input or from the arena */
    double number;
};

struct json_reader {
    const char *start, *p, *end;
    struct arena *arena; /* of texts with escapes */
    uint64_t objects;    /* bit d: depth d is an object */
    unsigned depth;
    uint8_t state;
};

/* Reads one JSON text from s. Both s and a outlive the events. */
void json_reader_init(struct json_reader *r, struct str s, struct arena *a);

/* The next event: 1, 0 at the end of the text, -ERR_FORMAT or -ERR_LIMIT (depth) with line and
 * column in why. After an error the reader stays there. */
MUST_USE int json_next(struct json_reader *r, struct json_event *ret, struct why *why);

/* Skips the rest of a value whose first event was e: nothing for a plain value, up to its end for
 * an object or array. 0 or -ERR_x. */
MUST_USE int json_skip(struct json_reader *r, const struct json_event *e, struct why *why);

/* Where the reader is: line and column (in bytes) from 1. */
void json_where(const struct json_reader *r, unsigned *ret_line, unsigned *ret_column);

#endif
