/* base/cases_test.h - published tables and files that tests read where they lie: below
 * $SONDE_CASES, ../shared where that is not set. Included by tests only.
 *
 * Flow:    cases_begin -> cases_next -> the test judges c->line -> cases_count -> cases_end
 *          cases_each_file -> a function of the test for every file of a folder
 * Where the table is not there, the test is skipped with a line that says which.
 *
 * Threads: one.
 */
#ifndef BASE_CASES_TEST_H
#define BASE_CASES_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/buf.h"

enum {
    CASES_PATH_MAX = 1024,
    CASES_FILE_MAX = 16 << 20,
    CASES_SHOWN_MAX = 400, /* bytes of a line that does not hold */
};

static inline void cases_join(const char *folder, const char *name, char ret[CASES_PATH_MAX])
{
    int n = snprintf(ret, CASES_PATH_MAX, "%s%s%s", folder, *folder ? "/" : "", name);
    assert_in_range(n, 1, CASES_PATH_MAX - 1);
}

/* Where name lies. */
static inline void cases_path(const char *name, char ret[CASES_PATH_MAX])
{
    const char *cases = getenv("SONDE_CASES");
    char folder[CASES_PATH_MAX];
    cases_join(cases ? cases : "../shared", "conformance", folder);
    cases_join(folder, name, ret);
}

/* Skips the running test, for what is missing at path. */
static inline void cases_skip(const char *path)
{
    print_message("[  SKIPPED ] %s is not there\n", path);
    skip();
}

/* Puts the whole file into out, which it initialises; false where there is no such file. */
static inline bool cases_read(const char *path, struct buf *out)
{
    char part[4096];
    size_t n;
    FILE *f = fopen(path, "rb");
    buf_init(out, CASES_FILE_MAX);
    if (!f)
        return false;
    while ((n = fread(part, 1, sizeof part, f)) > 0)
        buf_put(out, part, n);
    fclose(f);
    assert_false(buf_failed(out));
    return true;
}

/* ---- a table: one case a line */

struct cases {
    const char *name;
    struct buf text;
    struct str rest, line; /* the line that cases_next found */
    struct arena arena;    /* for one line */
    size_t rows, good;
};

static inline void cases_begin(struct cases *c, const char *name)
{
    char path[CASES_PATH_MAX];
    *c = (struct cases){.name = name};
    cases_path(name, path);
    if (!cases_read(path, &c->text))
        cases_skip(path);
    arena_init(&c->arena);
    c->rest = buf_str(&c->text);
}

/* The next line that is not empty. */
static inline bool cases_next(struct cases *c)
{
    arena_reset(&c->arena);
    while (str_split(&c->rest, '\n', &c->line)) {
        if (c->line.n)
            return true;
    }
    return false;
}

/* Counts the line as a case; one that does not hold is shown. */
static inline void cases_count(struct cases *c, bool holds)
{
    c->rows++;
    c->good += holds;
    if (!holds)
        print_message("  %.*s\n", (int)MIN(c->line.n, (size_t)CASES_SHOWN_MAX), c->line.p);
}

/* Every case must have held, and there must have been rows_min at least. */
static inline void cases_end(struct cases *c, size_t rows_min)
{
    print_message("%s: %zu of %zu\n", c->name, c->good, c->rows);
    buf_done(&c->text);
    arena_done(&c->arena);
    assert_int_equal(c->good, c->rows);
    assert_true(c->rows >= rows_min);
}

/* ---- a folder: one case a file */

/* name is the file's path below the folder that was asked for. */
typedef void cases_file_f(const char *path, const char *name, void *context);

static inline void cases_each_below(const char *path, const char *name, cases_file_f *each,
                                    void *context)
{
    struct dirent **entries;
    int n = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char inner[CASES_PATH_MAX], inner_name[CASES_PATH_MAX];
        struct stat s;
        const char *entry = entries[i]->d_name;
        cases_join(path, entry, inner);
        cases_join(name, entry, inner_name);
        if (*entry != '.' && stat(inner, &s) == 0) {
            if (S_ISDIR(s.st_mode))
                cases_each_below(inner, inner_name, each, context);
            else
                each(inner, inner_name, context);
        }
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
}

/* Calls each for every file below path, in the order of their names; false where there is no such
 * folder. Hidden files are left out. */
static inline bool cases_each_file(const char *path, cases_file_f *each, void *context)
{
    struct stat s;
    if (stat(path, &s) != 0 || !S_ISDIR(s.st_mode))
        return false;
    cases_each_below(path, "", each, context);
    return true;
}

#endif
