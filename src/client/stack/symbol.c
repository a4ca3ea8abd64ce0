#include "client/stack/symbol.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/core/ticks.h"
#include "client/stack/elf_file.h"

struct cached {
    char path[MODULE_PATH_MAX];
    uint8_t build_id[MODULE_BUILD_ID_MAX];
    uint32_t build_id_n;
    struct elf_file elf; /* without symbols where the file cannot be read */
    uint64_t used;       /* the highest is the newest; 0: free */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct cached *cache; /* [SYMBOL_FILES_MAX], made at the first use */
static uint64_t uses, last_use_ns;

static bool read_at(void *context, uint64_t offset, void *ret, size_t n)
{
    int fd = *(const int *)context;
    char *to = ret;
    while (n) {
        ssize_t got = pread(fd, to, n, (off_t)offset);
        if (got <= 0) {
            return false;
        }
        to += got;
        offset += (uint64_t)got;
        n -= (size_t)got;
    }
    return true;
}

/* Reads a file; false where it is not there, no ELF file, or has another build id. */
static bool read_file(const char *path, const uint8_t *build_id, uint32_t build_id_n,
                      struct elf_file *ret)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    bool good = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    if (good) {
        struct elf_source source = {read_at, &fd, (uint64_t)st.st_size};
        good = elf_file_read(&source, ret);
        if (good && build_id_n && ret->build_id_n &&
            (ret->build_id_n != build_id_n || memcmp(ret->build_id, build_id, build_id_n) != 0)) {
            elf_file_done(ret);
            good = false;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

/* The file of a module, or the one with its debug information where that knows more. */
static void read_best(const struct loaded_module *m, struct elf_file *ret)
{
    *ret = (struct elf_file){0};
    bool good = read_file(m->path, m->build_id, m->build_id_n, ret);
    char id[2 * MODULE_BUILD_ID_MAX + 1], path[128];
    module_list_code_id(m, id);
    if ((good && ret->whole) || !m->build_id_n) {
        return;
    }
    struct elf_file debug = {0};
    snprintf(path, sizeof path, "/usr/lib/debug/.build-id/%.2s/%s.debug", id, id + 2);
    if (read_file(path, m->build_id, m->build_id_n, &debug) && debug.whole && debug.n) {
        elf_file_done(ret);
        *ret = debug;
    } else {
        elf_file_done(&debug);
    }
}

static bool is_of(const struct cached *c, const struct loaded_module *m)
{
    return c->used && c->build_id_n == m->build_id_n &&
           memcmp(c->build_id, m->build_id, m->build_id_n) == 0 && strcmp(c->path, m->path) == 0;
}

/* Under the lock; NULL: no memory. */
static struct cached *file_of(const struct loaded_module *m)
{
    cache = cache ? cache : calloc(SYMBOL_FILES_MAX, sizeof *cache);
    if (!cache) {
        return NULL;
    }
    struct cached *oldest = cache;
    for (size_t i = 0; i < SYMBOL_FILES_MAX; i++) {
        if (is_of(&cache[i], m)) {
            cache[i].used = ++uses;
            return &cache[i];
        }
        oldest = cache[i].used < oldest->used ? &cache[i] : oldest;
    }
    elf_file_done(&oldest->elf);
    oldest->used = ++uses;
    memcpy(oldest->path, m->path, sizeof oldest->path);
    memcpy(oldest->build_id, m->build_id, sizeof oldest->build_id);
    oldest->build_id_n = m->build_id_n;
    read_best(m, &oldest->elf);
    return oldest;
}

typedef char *demangle_f(const char *mangled, char *buffer, size_t *length, int *status);

static void put_name(char ret[SYMBOL_NAME_MAX], const char *name)
{
    char *plain = NULL;
    if (name[0] == '_' && name[1] == 'Z') {
        void *found = dlsym(RTLD_DEFAULT, "__cxa_demangle");
        demangle_f *demangle;
        memcpy(&demangle, &found, sizeof found);
        int status = 0;
        plain = found ? demangle(name, NULL, NULL, &status) : NULL;
    }
    snprintf(ret, SYMBOL_NAME_MAX, "%.*s", SYMBOL_NAME_MAX - 1, plain ? plain : name); /* cut */
    free(plain);
}

bool symbol_among(const struct module_list *modules, uint64_t address, bool is_return,
                  struct symbol *ret)
{
    uint64_t at = address - (is_return ? 1 : 0);
    *ret = (struct symbol){.module = ""};
    const struct loaded_module *m = module_list_find(modules, at);
    if (!m) {
        return false;
    }
    ret->module = m->path;
    char mangled[ELF_NAME_MAX + 1] = "";
    pthread_mutex_lock(&lock);
    last_use_ns = ticks_monotonic_ns();
    const struct cached *c = file_of(m);
    const struct elf_symbol *s = c ? elf_file_find(&c->elf, at - m->bias) : NULL;
    if (s) {
        snprintf(mangled, sizeof mangled, "%s", c->elf.names + s->name);
        ret->address = s->address + m->bias;
    }
    pthread_mutex_unlock(&lock);
    put_name(ret->name, mangled);
    return true;
}

bool symbol_of(uint64_t address, bool is_return, struct symbol *ret)
{
    const struct module_list *l = module_list_get();
    if (!module_list_find(l, address - (is_return ? 1 : 0))) {
        module_list_refresh();
        l = module_list_get();
    }
    return symbol_among(l, address, is_return, ret);
}

static void forget(void)
{
    for (size_t i = 0; cache && i < SYMBOL_FILES_MAX; i++) {
        elf_file_done(&cache[i].elf);
    }
    free(cache);
    cache = NULL;
}

void symbol_forget(void)
{
    pthread_mutex_lock(&lock);
    forget();
    pthread_mutex_unlock(&lock);
}

void symbol_forget_unused(uint64_t unused_ns)
{
    pthread_mutex_lock(&lock);
    if (cache && ticks_monotonic_ns() - last_use_ns >= unused_ns) {
        forget();
    }
    pthread_mutex_unlock(&lock);
}

void symbol_fork_child(void)
{
    pthread_mutex_init(&lock, NULL);
    cache = NULL; /* may have been halfway changed: its memory is left alone */
}
