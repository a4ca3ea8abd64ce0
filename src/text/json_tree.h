/* text/json_tree.h - a JSON text as a read-only tree, for answers that are read here and there.
 *
 * What is asked of a node that is missing or of another type is answered as if it were empty, so
 * that a reader can follow a path without a check at each step.
 *
 * Flow:    bytes -> json_reader -> tree in an arena
 * Threads: pure functions; the tree is the arena's and may be read by any.
 */
#ifndef TEXT_JSON_TREE_H
#define TEXT_JSON_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "text/json.h"

enum { JSON_TREE_NODES_MAX = 16 << 20 };

struct json_tree {
    enum json_type type;        /* OBJECT, ARRAY, TEXT, NUMBER, TRUE, FALSE, NULL */
    struct str key;             /* of a member */
    struct str text;            /* of a TEXT, or a NUMBER as it is written; NUL-terminated */
    double number;              /* of a NUMBER */
    struct json_tree *children; /* [n] of an object, as they stand there, or of an array */
    size_t n;
};

/* -ERR_FORMAT or -ERR_LIMIT with line and column in why. */
MUST_USE int json_tree_parse(struct str text, struct arena *a, const struct json_tree **ret,
                             struct why *why);

/* A copy of node and of what is below it, but for members that keep() refuses (NULL: none), in one
 * block that mem_free() frees; *ret_bytes (may be NULL) is its size. */
MUST_USE struct json_tree *json_tree_copy(const struct json_tree *node,
                                          bool (*keep)(struct str key), size_t *ret_bytes);

/* Appends node as JSON: numbers as they were written. */
void json_tree_put(const struct json_tree *node, struct buf *out);

/* ---- all of them take NULL for a node that is not there */

/* The last member of that name, as JSON readers take it; NULL where there is none. */
const struct json_tree *json_tree_get(const struct json_tree *node, const char *key);

/* The same along "a.b.c". */
const struct json_tree *json_tree_path(const struct json_tree *node, const char *path);

/* The text at path below node ("": node itself); "" where there is none. */
struct str json_tree_text(const struct json_tree *node, const char *path);

/* The whole number there, 0 where there is none. */
int64_t json_tree_whole(const struct json_tree *node, const char *path);

/* Is it true there? */
bool json_tree_true(const struct json_tree *node, const char *path);

/* Is it missing or null? */
bool json_tree_is_null(const struct json_tree *node);

/* How many members or elements there are; child i of a node with that many. */
size_t json_tree_n(const struct json_tree *node);

#endif
