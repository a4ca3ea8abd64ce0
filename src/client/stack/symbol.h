/* client/stack/symbol.h - names of functions, from the symbol tables of ELF files.
 *
 * .symtab where the file has one, otherwise .dynsym; files are mapped when first needed and their
 * symbols sorted once (bounded: SYMBOL_FILES_MAX files are kept). C++ names are demangled where
 * libstdc++ is in the process (__cxa_demangle by dlsym), otherwise left as they are. Files and
 * lines are the daemon's work (helper/symbols).
 *
 * Threads: any but signal handlers; one lock.
 */
#ifndef CLIENT_STACK_SYMBOL_H
#define CLIENT_STACK_SYMBOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SYMBOL_NAME_MAX = 256, SYMBOL_FILES_MAX = 32 };

struct symbol {
    char name[SYMBOL_NAME_MAX]; /* "" where it is not known */
    uint64_t address;           /* where the function begins */
    const char *module;         /* path of its file; lives as long as module_list */
};

/* is_return: address is a return address, so the call lies one byte before. False: no module. */
bool symbol_of(uint64_t address, bool is_return, struct symbol *ret);
void symbol_forget(void); /* unmaps all files */

#endif
