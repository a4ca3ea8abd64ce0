/* text/toml.h - a TOML document as a tree of plain structs with the place of every value.
 *
 * Source:  TOML 1.0, read by toml++ (behind toml_shim.cc).
 * Threads: pure functions; the tree is the arena's.
 */
#ifndef TEXT_TOML_H
#define TEXT_TOML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

enum {
    TOML_SIZE_MAX = 4 << 20, /* bytes of a document */
};

enum toml_type {
    TOML_TABLE,
    TOML_ARRAY,
    TOML_TEXT,
    TOML_INT,
    TOML_REAL,
    TOML_BOOL,
    TOML_TIME, /* date, time or both: text as it would be written */
};

struct toml_node {
    enum toml_type type;
    uint32_t line, column;         /* of the value, from 1; 0 for what is only implied */
    struct str key;                /* in a table; else empty */
    uint32_t key_line, key_column; /* of the key in a table */
    struct toml_node *children;    /* [n] of a table (in the document's order) or an array */
    size_t n;
    union {
        struct str text; /* NUL-terminated */
        int64_t integer;
        double real;
        bool boolean;
    };
};

/* -ERR_FORMAT with "line 3, column 7: ..." in why; -ERR_LIMIT for a document too large. */
MUST_USE int toml_parse(struct str document, struct arena *a, struct toml_node **ret,
                        struct why *why);

/* Of toml_shim.cc: fills *to with the document's tree, members in any order. */
MUST_USE int toml_read(struct str document, struct arena *a, struct toml_node *to, struct why *why);

/* The member of a table, or NULL. */
const struct toml_node *toml_get(const struct toml_node *table, struct str key);

/* "table", "array", "text", "whole number", "number", "true or false", "time". */
const char *toml_type_text(enum toml_type type);

#endif
