#include "client/stack/module_list.h"

#include <elf.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/stack/build_id.h"

enum { ID_BYTES = 16, NOTES_BYTES_MAX = 1 << 16, FIRST_CAP = 32 };

static const struct module_list none;
static const struct module_list *_Atomic current = &none;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct module_list *kept[MODULE_LISTS_KEPT]; /* under the lock */
static size_t kept_at;
static unsigned long long adds, subs;

struct reading {
    struct module_list *list;
    size_t cap;
    unsigned long long adds, subs;
    bool failed;
};

static void read_path(const struct dl_phdr_info *info, bool first, struct loaded_module *m)
{
    if (info->dlpi_name && *info->dlpi_name) {
        snprintf(m->path, sizeof m->path, "%s", info->dlpi_name);
    } else if (first) {
        ssize_t n = readlink("/proc/self/exe", m->path, sizeof m->path - 1);
        m->path[n > 0 ? n : 0] = 0;
    }
}

static void read_segments(const struct dl_phdr_info *info, struct loaded_module *m)
{
    m->start = UINT64_MAX;
    m->bias = info->dlpi_addr;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        uint64_t at = info->dlpi_addr + h->p_vaddr;
        if (h->p_type == PT_LOAD) {
            m->start = at < m->start ? at : m->start;
            m->end = at + h->p_memsz > m->end ? at + h->p_memsz : m->end;
        } else if (h->p_type == PT_GNU_EH_FRAME) {
            m->tables = at;
        } else if (h->p_type == PT_NOTE && m->build_id_n == 0 && h->p_memsz < NOTES_BYTES_MAX) {
            uint32_t found = build_id_find((const uint8_t *)(uintptr_t)at, h->p_memsz, m->build_id);
            m->build_id_n = found ? found : m->build_id_n; /* there are several of them */
        }
    }
}

static struct loaded_module *room(struct reading *r)
{
    size_t n = r->list ? r->list->n : 0;
    if (n == MODULE_LIST_MAX) {
        return NULL;
    }
    if (n == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : FIRST_CAP;
        struct module_list *more =
            realloc(r->list, sizeof *more + cap * sizeof(struct loaded_module));
        if (!more) {
            r->failed = true;
            return NULL;
        }
        more->n = n;
        r->list = more;
        r->cap = cap;
    }
    return memset(&r->list->module[n], 0, sizeof *r->list->module);
}

static int visit(struct dl_phdr_info *info, size_t size, void *context)
{
    struct reading *r = context;
    r->adds = info->dlpi_adds;
    r->subs = info->dlpi_subs;
    struct loaded_module *m = room(r);
    if (m) {
        read_path(info, r->list->n == 0, m);
        read_segments(info, m);
        r->list->n += m->end > m->start;
    }
    return r->failed;
}

static int look(struct dl_phdr_info *info, size_t size, void *context)
{
    struct reading *r = context;
    r->adds = info->dlpi_adds;
    r->subs = info->dlpi_subs;
    return 1; /* the first says it */
}

static int by_address(const void *a, const void *b)
{
    const struct loaded_module *l = a, *m = b;
    return l->start < m->start ? -1 : l->start > m->start;
}

void module_list_refresh(void)
{
    struct reading now = {0};
    dl_iterate_phdr(look, &now);
    pthread_mutex_lock(&lock);
    bool same = now.adds == adds && now.subs == subs && atomic_load(&current) != &none;
    pthread_mutex_unlock(&lock);
    if (same) {
        return;
    }
    struct reading r = {0};
    dl_iterate_phdr(visit, &r); /* not under our lock: the loader has one of its own */
    if (r.failed || !r.list) {
        free(r.list);
        return;
    }
    qsort(r.list->module, r.list->n, sizeof *r.list->module, by_address);
    pthread_mutex_lock(&lock);
    free(kept[kept_at]);
    kept[kept_at] = r.list;
    kept_at = (kept_at + 1) % MODULE_LISTS_KEPT;
    adds = r.adds;
    subs = r.subs;
    atomic_store(&current, r.list);
    pthread_mutex_unlock(&lock);
}

const struct module_list *module_list_get(void)
{
    return atomic_load_explicit(&current, memory_order_acquire);
}

const struct loaded_module *module_list_find(const struct module_list *l, uint64_t address)
{
    size_t low = 0, high = l->n; /* the first that begins behind address is at low */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (l->module[middle].start <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 && address < l->module[low - 1].end ? &l->module[low - 1] : NULL;
}

static char *hex(char *to, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        *to++ = digits[bytes[i] >> 4];
        *to++ = digits[bytes[i] & 15];
    }
    return to;
}

void module_list_debug_id(const struct loaded_module *m, char ret[40])
{
    static const uint8_t order[ID_BYTES] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    char *to = ret;
    uint8_t id[ID_BYTES] = {0};
    if (m->build_id_n) {
        memcpy(id, m->build_id, m->build_id_n < ID_BYTES ? m->build_id_n : ID_BYTES);
        for (size_t i = 0; i < ID_BYTES; i++) {
            if (i == 4 || i == 6 || i == 8 || i == 10) {
                *to++ = '-';
            }
            to = hex(to, &id[order[i]], 1);
        }
    }
    *to = 0;
}

void module_list_code_id(const struct loaded_module *m, char ret[2 * MODULE_BUILD_ID_MAX + 1])
{
    *hex(ret, m->build_id, m->build_id_n) = 0;
}
