/* base/option.h - a fact about a setting, written once.
 *
 * Every module that can be configured has a settings struct and one table of rows. From a row come
 * the key in sonde.toml, its check, its default, --help and its page in docs/reference/. Numbers
 * say their unit last in the key (interval_ms, size_bytes_max).
 *
 * Flow:    module's table -> conf (reads TOML into the struct) -> module
 * Threads: constant data; pure functions.
 */
#ifndef BASE_OPTION_H
#define BASE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
    OPTION_BOOL,   /* bool; default "true" or "false" */
    OPTION_INT,    /* int64_t; min and max apply */
    OPTION_REAL,   /* double; min and max apply */
    OPTION_TEXT,   /* const char *, never NULL; max is the most bytes (0: no limit) */
    OPTION_CHOICE, /* const char *, one of choices */
    OPTION_LIST,   /* struct option_list of texts; the default is a comma-separated text */
};

struct option_list {
    const char **v; /* [n], owned by the configuration */
    size_t n;
};

enum {
    OPTION_RELOAD = 1, /* a change takes effect on SIGHUP; else on restart, and reload says so */
    OPTION_SECRET = 2, /* never shown, logged or dumped */
};

struct option {
    const char *key;
    enum option_type type;
    size_t offset;        /* of the member in the settings struct */
    const char *fallback; /* the default, as text */
    double min, max;      /* OPTION_INT, OPTION_REAL */
    const char *choices;  /* OPTION_CHOICE: "a|b|c"; else NULL */
    unsigned flags;
    const char *prose; /* one or two sentences for the manual */
};

struct option_table {
    const char *section; /* "store" for [store]; dotted for nested tables */
    const char *prose;
    bool repeated; /* [[section]]: an array of settings structs (struct option_rows) */
    size_t size;   /* of one settings struct */
    const struct option *rows;
    size_t n;
};

/* Fills the struct of a table with the defaults of its rows, which it borrows: for who starts
 * without a configuration. Lists come out empty, whatever their default is. */
void option_defaults(const struct option_table *t, void *ret);

/* What a repeated section is read into. */
struct option_rows {
    void *v; /* [n] settings structs, owned by the configuration */
    size_t n;
};

#endif
