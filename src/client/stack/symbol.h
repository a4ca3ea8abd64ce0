/* client/stack/symbol.h - names of functions, from the symbol tables of ELF files.
 *
 * .symtab where the file (or its separate debug file of the same build id) has one, otherwise
 * .dynsym; files are read when first needed and their symbols sorted once (bounded:
 * SYMBOL_FILES_MAX files are kept). A file that was replaced since it was loaded, as its build id
 * shows, gives no names. C++ names are demangled where libstdc++ is in the process (__cxa_demangle
 * by dlsym), otherwise left as they are. Files and lines are the daemon's work (helper/symbols).
 *
 * Threads: any but signal handlers; one lock.
 */
#ifndef CLIENT_STACK_SYMBOL_H
#define CLIENT_STACK_SYMBOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/stack/module_list.h"

enum { SYMBOL_NAME_MAX = 256, SYMBOL_FILES_MAX = 32 };

struct symbol {
    char name[SYMBOL_NAME_MAX]; /* "" where it is not known */
    uint64_t address;           /* where the function begins; 0: not known */
    const char *module;         /* path of its file; lives as long as module_list */
};

/* is_return: address is a return address, so the call lies one byte before. False: no module. */
bool symbol_of(uint64_t address, bool is_return, struct symbol *ret);
/* The same by a list of modules that need not be this process's (a crash record's). */
bool symbol_among(const struct module_list *modules, uint64_t address, bool is_return,
                  struct symbol *ret);
void symbol_forget(void); /* frees what was read; the worker does it after a minute without use */
void symbol_forget_unused(uint64_t unused_ns);
void symbol_fork_child(void); /* the lock may have been somebody else's */

#endif
