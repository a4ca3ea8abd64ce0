/* text/template.h - Go's text/template: texts with {{ actions }}, for alerts and notifications.
 *
 * The whole language: pipelines, variables, if, with, range (also over whole numbers) with else,
 * break and continue, define, template and block, comments, trim markers, fields and methods
 * chained, all built-in functions, printf as Go's fmt. A caller adds functions by a table and
 * values of its own as objects. Faults have Go's words. Not here: goroutines' channels, complex
 * numbers, functions as values other than through `call`, Go's unsigned integers. With html set,
 * values that are printed are escaped for HTML text and quoted attributes; what kind of place they
 * stand in (a script, a URL) is not looked at.
 *
 * A run is bounded in steps, depth, memory and output, so that no text can hold up its caller.
 *
 * Flow:    text -> template_parse -> set of named templates; with a value -> template_run -> text
 * Source:  Go, text/template and fmt, documentation of both packages.
 * Threads: a parsed set may be run by any number of threads at once.
 */
#ifndef TEXT_TEMPLATE_H
#define TEXT_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum {
    TEMPLATE_SOURCE_MAX = 1 << 20,  /* bytes of one text */
    TEMPLATE_TEXT_MAX = 1 << 20,    /* bytes of one value while running */
    TEMPLATE_MEMORY_MAX = 64 << 20, /* bytes of all values of a run */
    TEMPLATE_DEPTH_MAX = 100,       /* nesting of a text; templates within templates of a run */
    TEMPLATE_ARGUMENTS_MAX = 64,    /* of one call */
};

/* ---- values */

enum template_type {
    TEMPLATE_NONE, /* no value at all: what nobody set; printed as <no value> */
    TEMPLATE_NIL,  /* a value of type interface{} that holds nothing */
    TEMPLATE_BOOL,
    TEMPLATE_INT,
    TEMPLATE_FLOAT,
    TEMPLATE_TEXT,
    TEMPLATE_LIST,
    TEMPLATE_MAP,
    TEMPLATE_OBJECT,
};

struct template_value;
struct template_pair;
struct template_call;
struct template_object;

struct template_value {
    enum template_type type;
    bool safe;      /* TEXT: is HTML already */
    bool texts;     /* MAP: its values are texts, so that a missing one is "" and not <no value> */
    const char *go; /* LIST, MAP: the type's name in messages; NULL: []interface {}, map[..].. */
    const struct template_object *methods; /* LIST, MAP: what can be called on it besides, with the
                                            * value itself as p; NULL: nothing */
    size_t n;                              /* LIST, MAP: how many */
    union {
        bool boolean;
        int64_t integer;
        double number;
        struct str text;
        const struct template_value *items; /* [n] */
        const struct template_pair *pairs;  /* [n], sorted by key */
        struct {
            const struct template_object *type;
            const void *p;
        } object;
    };
};

struct template_pair {
    struct str key;
    struct template_value value;
};

/* A type of the caller's own. */
struct template_object {
    const char *go; /* its name in messages: "time.Time" */
    /* A field (args_n 0) or a method. -ERR_NOENT: there is none of that name. -ERR_RANGE: the
     * number of arguments is wrong, with what it wants in why. Another error: why. */
    int (*member)(struct template_call *c, const void *p, struct str name,
                  const struct template_value *args, size_t args_n, struct template_value *ret,
                  struct why *why);
    void (*print)(const void *p, struct buf *out); /* %v */
};

struct template_value template_bool(bool v);
struct template_value template_int(int64_t v);
struct template_value template_float(double v);
struct template_value template_text(struct str v); /* borrowed */
struct template_value template_list(const struct template_value *items, size_t n);
struct template_value template_object(const struct template_object *type, const void *p);

/* Sorts pairs in place; equal keys: the last one stays first to be found. */
struct template_value template_map(struct template_pair *pairs, size_t n);

/* Go's idea of true: neither zero nor empty. */
bool template_truth(const struct template_value *v);

/* The name of the type as Go has it: "float64". */
const char *template_type_text(const struct template_value *v);

/* Appends v as %v has it. */
void template_print(const struct template_value *v, struct buf *out);

/* Appends s in double quotes as %q has it. */
void template_quote(struct str s, struct buf *out);

/* Appends what fmt.Sprintf(format, args...) gives. */
void template_format(struct str format, const struct template_value *args, size_t n,
                     struct buf *out);

/* Appends v as %.4g and the like: conversion is one of e, f, g; precision -1: the shortest. */
void template_format_float(double v, char conversion, int precision, struct buf *out);

/* Appends s as it may stand in the query of a URL. */
void template_escape_query(struct str s, struct buf *out);

/* ---- functions */

struct template_function {
    const char *name;
    /* One letter a parameter: s string, f float64, i int, a anything, l list, m map, o an object
     * (or nil); a '.' at the end: the last may come any number of times, also never. What is passed
     * fits. */
    const char *parameters;
    int (*call)(struct template_call *c, const struct template_value *args, size_t n,
                struct template_value *ret, struct why *why);
    const char *go; /* what l, m and o are called in messages; NULL: by what they are in general */
};

struct template_functions {
    const struct template_function *v; /* [n] */
    size_t n;
};

/* What a function or a method gets. */
struct template_call {
    struct arena *arena; /* for what it returns */
    void *context;       /* of template_settings */
    uint64_t cost;       /* steps that it adds for work beyond that over its texts */
};

/* ---- parsing */

struct template_set;

/* An empty set; functions outlive it. Memory from a. */
MUST_USE struct template_set *template_set_new(struct arena *a,
                                               const struct template_functions *functions);

/* A set that begins with all that base has, and leaves base as it is; base outlives it. */
MUST_USE struct template_set *template_set_over(struct arena *a, const struct template_set *base);

/* Adds text as the template called name, with all that it defines. -ERR_FORMAT: `template: name:1:
 * unclosed action`. text is copied. */
MUST_USE int template_parse(struct template_set *set, struct str text, struct str name,
                            struct why *why);

/* Is there a template of that name in it? */
bool template_defined(const struct template_set *set, struct str name);

/* ---- running */

enum template_missing {
    TEMPLATE_MISSING_DEFAULT, /* a missing key of a map of anything: <no value> */
    TEMPLATE_MISSING_ZERO,    /* the zero value of the map's type */
    TEMPLATE_MISSING_ERROR,
};

struct template_settings {
    enum template_missing missing;
    bool html;
    uint64_t steps_max; /* 0: a million */
    void *context;      /* of the caller's functions */
};

/* Appends the expansion of the template called name; out's cap bounds it. -ERR_FORMAT or -ERR_LIMIT
 * with Go's words: `template: x:1:3: executing "x" at <.Foo>: ...`. Values are made in a. */
MUST_USE int template_run(const struct template_set *set, struct str name,
                          const struct template_value *dot,
                          const struct template_settings *settings, struct arena *a,
                          struct buf *out, struct why *why);

/* From within a function: expands another template of the same set in the same run. */
MUST_USE int template_run_inner(struct template_call *c, struct str name,
                                const struct template_value *dot, struct buf *out, struct why *why);

/* Appends s escaped for HTML, as html/template does; it is good in XML too. */
void template_escape_html(struct str s, struct buf *out);

#endif
