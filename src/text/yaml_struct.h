/* text/yaml_struct.h - a YAML map into a plain struct, by a table of its fields.
 *
 * As Go fills a struct strictly: keys that the table does not name are refused, what is missing or
 * null keeps the default that stands in the struct already.
 *
 *   static const struct yaml_struct_field FIELDS[] = {
 *       {"server", YAML_STRUCT_TEXT, offsetof(struct options, server)},
 *       {"refresh_interval", YAML_STRUCT_DURATION, offsetof(struct options, refresh_ms)},
 *   };
 *   static const struct yaml_struct SHAPE = {"consul.plain", FIELDS, COUNTOF(FIELDS), NULL};
 *
 * Flow:    yaml node -> struct
 * Threads: pure functions.
 */
#ifndef TEXT_YAML_STRUCT_H
#define TEXT_YAML_STRUCT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "text/yaml.h"

/* What a field holds. */
enum yaml_struct_type {
    YAML_STRUCT_ELSE,     /* nothing: somebody else reads the key */
    YAML_STRUCT_TEXT,     /* struct str, NUL-terminated */
    YAML_STRUCT_BOOL,     /* bool */
    YAML_STRUCT_WHOLE,    /* int64_t */
    YAML_STRUCT_UINT,     /* uint64_t */
    YAML_STRUCT_REAL,     /* double */
    YAML_STRUCT_DURATION, /* int64_t, ms */
    YAML_STRUCT_SIZE,     /* int64_t, bytes: 10MB */
    YAML_STRUCT_TEXTS,    /* struct yaml_struct_texts */
    YAML_STRUCT_PAIRS,    /* struct yaml_struct_pairs */
};

struct yaml_struct_texts {
    const struct str *v; /* [n] */
    size_t n;
};

struct yaml_struct_pair {
    struct str name, value;
};

struct yaml_struct_pairs {
    const struct yaml_struct_pair *v; /* [n] in the order of the file */
    size_t n;
};

struct yaml_struct_field {
    const char *key;
    enum yaml_struct_type type;
    size_t offset;
};

struct yaml_struct {
    const char *name; /* of the type, in messages: "consul.plain" */
    const struct yaml_struct_field *fields;
    size_t n;
    bool (*also)(struct str key); /* keys that are known and read elsewhere; NULL: none */
};

/* Fills *ret, whose defaults stand there; texts point into the tree, lists are from a. -ERR_FORMAT
 * or -ERR_RANGE with what is wrong in why and where in *ret_place. */
MUST_USE int yaml_struct_read(const struct yaml_node *map, const struct yaml_struct *shape,
                              struct arena *a, void *ret, struct yaml_place *ret_place,
                              struct why *why);

/* Who hears of what is wrong. */
struct yaml_struct_faults {
    void (*f)(void *context, struct yaml_place place, const char *text);
    void *context;
};

/* The same for who wants all faults: reads what can be read and tells the rest. How many faults
 * there were. */
size_t yaml_struct_read_all(const struct yaml_node *map, const struct yaml_struct *shape,
                            struct arena *a, void *ret, const struct yaml_struct_faults *faults);

#endif
