/* conf/conf.h - the configuration: one TOML text against every module's option table.
 *
 * Reading checks everything and tells all that is wrong at once, each with file, line, key and what
 * was expected; a configuration that could be read is whole and never changes. A reload reads a
 * second one and asks conf_diff() what differs.
 *
 * Flow:    text + tables + overrides of the command line -> struct conf -> settings structs
 * Threads: read by one; afterwards any.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/option.h"
#include "base/str.h"

struct conf;

enum {
    CONF_PROBLEMS_MAX = 20, /* told at once */
    CONF_LIST_MAX = 10000,  /* texts of one list, rows of one repeated section */
};

/* Every table of the program. */
struct conf_tables {
    const struct option_table *const *v; /* [n] */
    size_t n;
};

/* "store.retention_days" and a value as text (lists with commas): from the command line; it goes
 * before the file. */
struct conf_override {
    const char *key, *value;
};

/* Checks document (file is its name in messages) and fills a settings struct for each table. On
 * -ERR_FORMAT problems holds a line each ("sonde.toml:3:10: ...", the last may count the rest). */
MUST_USE int conf_read(struct str document, const char *file, const struct conf_tables *tables,
                       const struct conf_override *overrides, size_t overrides_n, struct conf **ret,
                       struct buf *problems);
void conf_free(struct conf *c); /* NULL is fine */

/* The settings struct of a table that is not repeated; lives as long as c. */
const void *conf_get(const struct conf *c, const struct option_table *table);

/* The settings structs of a repeated one. */
const struct option_rows *conf_rows(const struct conf *c, const struct option_table *table);

/* The whole configuration as TOML, defaults included, secrets hidden. */
void conf_print(const struct conf *c, struct buf *out);

/* A difference between two configurations. */
struct conf_change {
    const struct option_table *table;
    const struct option *option; /* NULL: rows of a repeated section came or went */
    bool reload;                 /* takes effect without a new worker */
};

/* Calls f for each setting whose values differ; both were read with the same tables. Returns how
 * many there are. */
size_t conf_diff(const struct conf *before, const struct conf *after,
                 void (*f)(void *context, const struct conf_change *change), void *context);

/* The manual's page of one table, in Markdown. */
void conf_reference(const struct option_table *table, struct buf *out);

/* One line for each key, for --help. */
void conf_help(const struct conf_tables *tables, struct buf *out);

#endif
