/* text/yaml.h - a YAML document as a read-only tree with the place of every value.
 *
 * The first document of a text counts, as in Prometheus; an empty text gives NULL for its root.
 * Aliases share the node that they name, and merge keys (`<<`) are resolved while reading, both
 * within a budget, so that a small text cannot become a huge tree. Duplicate keys are refused.
 * Scalars stay text; who knows what it wants asks for it (yaml_text, yaml_whole, yaml_bool), and
 * what is asked is answered as Go's yaml.v3 fills a typed field.
 *
 * Flow:    bytes -> libyaml's events -> tree in an arena -> readers
 * Source:  YAML 1.1, as libyaml reads it; the meaning of plain scalars as Go's yaml.v3 has it.
 * Threads: pure functions; the tree is the arena's and may be read by any.
 */
#ifndef TEXT_YAML_H
#define TEXT_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

enum {
    YAML_SIZE_MAX = 16 << 20, /* bytes of a text */
    YAML_DEPTH_MAX = 100,     /* maps and sequences within each other, aliases followed */
    YAML_NODES_MAX = 1 << 20, /* of a tree, each counted as often as aliases and merges repeat it */
};

enum yaml_type { YAML_SCALAR, YAML_MAP, YAML_SEQUENCE };

enum yaml_style { YAML_PLAIN, YAML_SINGLE, YAML_DOUBLE, YAML_LITERAL, YAML_FOLDED };

/* What a scalar stands for where nobody asks for anything special. */
enum yaml_kind { YAML_NULL, YAML_BOOL, YAML_INT, YAML_FLOAT, YAML_TEXT };

struct yaml_place {
    uint32_t line, column; /* from 1; columns count characters */
};

struct yaml_node;

struct yaml_member {
    const struct yaml_node *key; /* a scalar; NULL in a sequence */
    const struct yaml_node *value;
};

struct yaml_node {
    enum yaml_type type;
    enum yaml_style style; /* of a scalar */
    enum yaml_kind kind;   /* of a scalar */
    struct yaml_place place;
    struct str tag;              /* "tag:yaml.org,2002:int", "!mine"; empty where none is written */
    struct str text;             /* of a scalar, NUL-terminated; empty for all else; of a !!binary
                                    one the bytes that it stands for */
    struct yaml_member *members; /* [n] of a map, as they stand there (merged ones at its end), or
                                    of a sequence */
    size_t n;
    uint32_t nodes;  /* this one and all below it, aliases followed */
    uint32_t height; /* levels below it; 0 for a scalar */
};

/* -ERR_FORMAT or -ERR_LIMIT, with what is wrong in why and where in *ret_place. Where ret_place is
 * NULL, why begins with the place: "line 3, column 7: ...". */
MUST_USE int yaml_parse(struct str text, struct arena *a, const struct yaml_node **ret,
                        struct yaml_place *ret_place, struct why *why);

/* Of yaml_value.c: the kind of a scalar whose tag, style and text are set. */
enum yaml_kind yaml_scalar_kind(const struct yaml_node *node);

/* ---- what readers do with it; all of them take NULL for a node that is not there */

/* The value of a key in a map, or NULL; NULL too where node is no map. */
const struct yaml_node *yaml_get(const struct yaml_node *node, const char *key);

/* Is it missing, or a null (~, null, nothing at all)? */
bool yaml_is_null(const struct yaml_node *node);

/* The first member from *at on whose key is none of known[n]; NULL at the end. Start with *at 0. */
const struct yaml_member *yaml_unknown(const struct yaml_node *map, const char *const *known,
                                       size_t n, size_t *at);

/* The values below answer 0 and leave *ret as it is where the node is missing or null, so that
 * what stands there before is the default. -ERR_FORMAT: "cannot unmarshal !!map into string", to
 * be shown with the node's place. */

/* Any scalar, as it is written: 1, true and "x" are texts too. */
MUST_USE int yaml_text(const struct yaml_node *node, struct str *ret, struct why *why);

/* true, yes, on, y and their opposites, as YAML 1.1 has them. */
MUST_USE int yaml_bool(const struct yaml_node *node, bool *ret, struct why *why);

/* 10, 0x1f, 0o17, 0b11, 1_000; a float loses its fraction. */
MUST_USE int yaml_whole(const struct yaml_node *node, int64_t *ret, struct why *why);

/* Whole numbers and floats, .inf and .nan. */
MUST_USE int yaml_real(const struct yaml_node *node, double *ret, struct why *why);

/* Is it a map or a sequence (or missing or null)? what is what the reader wanted: "rulefmt.Rule".
 */
MUST_USE int yaml_expect(const struct yaml_node *node, enum yaml_type type, const char *what,
                         struct why *why);

/* The same refusal, for a reader's own types. Returns -ERR_FORMAT. */
int yaml_mismatch(const struct yaml_node *node, const char *what, struct why *why);

/* "!!map", "!!seq", "!!str", "!!int", "!!float", "!!bool", "!!null" or the tag as it is written. */
struct str yaml_tag(const struct yaml_node *node);

#endif
