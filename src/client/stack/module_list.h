/* client/stack/module_list.h - the executable and the libraries that are loaded, with build ids.
 *
 * Read from dl_iterate_phdr at the start and again (each second on the worker, or by who asks) when
 * a library was loaded since; kept as plain memory that a signal handler can copy.
 *
 * Source:  elf(5); a debug id is the build id's first 16 bytes with the first three fields of the
 *          GUID in little-endian order (Sentry)
 * Threads: module_list_refresh(): under its own lock; module_list_get(): any, also signal handlers.
 */
#ifndef CLIENT_STACK_MODULE_LIST_H
#define CLIENT_STACK_MODULE_LIST_H

#include <stddef.h>
#include <stdint.h>

enum {
    MODULE_LIST_MAX = 512,
    MODULE_PATH_MAX = 256,
    MODULE_BUILD_ID_MAX = 20,
    MODULE_LISTS_KEPT = 64,
};

struct loaded_module {
    uint64_t start, end; /* addresses of its loaded segments */
    uint64_t bias;       /* address - bias is the address in the file */
    uint64_t tables;     /* address of .eh_frame_hdr; 0: none */
    uint8_t build_id[MODULE_BUILD_ID_MAX];
    uint32_t build_id_n; /* 0: none */
    char path[MODULE_PATH_MAX];
};

struct module_list {
    size_t n;
    struct loaded_module module[]; /* [n] by address */
};

/* Reads the list again where something was loaded or unloaded since. */
void module_list_refresh(void);
/* Never NULL; stays valid until the list has changed MODULE_LISTS_KEPT times more. */
const struct module_list *module_list_get(void);
/* The module of an address, or NULL. */
const struct loaded_module *module_list_find(const struct module_list *l, uint64_t address);
/* "ad06fa00-0caa-9ff2-...." of a build id; "" without one. */
void module_list_debug_id(const struct loaded_module *m, char ret[40]);
/* The build id as it is, in hex (Sentry's code_id); "" without one. */
void module_list_code_id(const struct loaded_module *m, char ret[2 * MODULE_BUILD_ID_MAX + 1]);

#endif
