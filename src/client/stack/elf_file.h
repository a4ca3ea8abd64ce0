/* client/stack/elf_file.h - what an ELF file says of its functions: names by address, build id.
 *
 * Read piece by piece through a function of the caller, never mapped: a file that is cut while the
 * program runs must not raise SIGBUS. Every offset and count of the file is checked, and what is
 * kept is bounded; a damaged file has no functions.
 *
 * Source:  System V ABI, chapters 4 and 5 (64 bits, this machine's byte order)
 * Threads: one at a time.
 */
#ifndef CLIENT_STACK_ELF_FILE_H
#define CLIENT_STACK_ELF_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ELF_SYMBOLS_MAX = 1 << 20,
    ELF_NAMES_BYTES_MAX = 32 << 20, /* of all names together */
    ELF_NAME_MAX = 1024,            /* a longer one is cut */
    ELF_BUILD_ID_MAX = 20,
};

struct elf_source {
    /* Copies [n] bytes from offset; false where they are not there. */
    bool (*read)(void *context, uint64_t offset, void *ret, size_t n);
    void *context;
    uint64_t size;
};

struct elf_symbol {
    uint64_t address; /* as in the file */
    uint32_t size;    /* 0: not known */
    uint32_t name;    /* in elf_file.names, NUL-terminated */
};

struct elf_file {
    struct elf_symbol *symbol; /* [n] by address */
    size_t n;
    char *names;
    uint8_t build_id[ELF_BUILD_ID_MAX];
    uint32_t build_id_n;
    bool whole; /* from .symtab: all functions, not those alone that others may call */
};

/* False: no ELF file of this machine, or no memory; a file without symbols is fine. */
bool elf_file_read(const struct elf_source *source, struct elf_file *ret);
void elf_file_done(struct elf_file *f);
/* The function at an address of the file; NULL: none. */
const struct elf_symbol *elf_file_find(const struct elf_file *f, uint64_t address);

#endif
