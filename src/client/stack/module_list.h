/* client/stack/module_list.h - the executable and the libraries that are loaded, with build ids.
 *
 * Read from dl_iterate_phdr at the start and again (on the worker, or by who asks) when a library
 * was loaded since; kept as plain memory that a signal handler can copy.
 *
 * Source:  elf(5); a debug id is the build id's first 16 bytes with the first three fields of the
 *          GUID in little-endian order (Sentry)
 * Threads: module_list_refresh(): under its own lock; module_list_get(): any, also signal handlers.
 */
#ifndef CLIENT_STACK_MODULE_LIST_H
#define CLIENT_STACK_MODULE_LIST_H

#include <stddef.h>
#include <stdint.h>

enum { MODULE_LIST_MAX = 512, MODULE_PATH_MAX = 256, MODULE_BUILD_ID_MAX = 20 };

struct loaded_module {
    uint64_t start, end; /* addresses of its loaded segments */
    uint64_t bias;       /* address - bias is the address in the file */
    uint8_t build_id[MODULE_BUILD_ID_MAX];
    uint32_t build_id_n; /* 0: none */
    uint32_t pad;
    char path[MODULE_PATH_MAX];
};

struct module_list {
    size_t n;
    struct loaded_module module[MODULE_LIST_MAX];
};

void module_list_refresh(void);
const struct module_list *module_list_get(void); /* stays valid for ever; never NULL */
/* The module of an address, or NULL. */
const struct loaded_module *module_list_find(const struct module_list *l, uint64_t address);
/* "ad06fa00-0caa-9ff2-...." of a build id; "" without one. */
void module_list_debug_id(const struct loaded_module *m, char ret[40]);

#endif
