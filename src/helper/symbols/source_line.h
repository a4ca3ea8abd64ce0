/* helper/symbols/source_line.h - functions, files and lines of addresses, from DWARF by libdw.
 *
 * Modules are opened when first needed; separate debug files are found by build id. A file on disk
 * whose build id is another than the module's gives nothing.
 *
 * Threads: one.
 */
#ifndef HELPER_SYMBOLS_SOURCE_LINE_H
#define HELPER_SYMBOLS_SOURCE_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/stack/module_list.h"

enum { SOURCE_LINE_NAME_MAX = 512, SOURCE_LINE_FILE_MAX = 512, SOURCE_LINE_INLINED_MAX = 16 };

struct source_line;

struct source_line_frame {
    char function[SOURCE_LINE_NAME_MAX]; /* demangled; "" where it is not known */
    char file[SOURCE_LINE_FILE_MAX]; /* as the compiler was given it, or absolute; "" not known */
    int line, column;                /* 0: not known */
};

/* modules is borrowed; NULL: no memory. */
struct source_line *source_line_new(const struct module_list *modules);
void source_line_free(struct source_line *l);
/* What lies at an address, the innermost inlined function first; how many, at most cap; 0: nothing
 * is known. */
size_t source_line_find(struct source_line *l, uint64_t address, bool is_return,
                        struct source_line_frame *ret, size_t cap);

#endif
