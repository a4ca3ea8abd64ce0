#include <ctype.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/memory/heap.h"

enum { FILE_MAX_BYTES = 16 * 1024, ARENAS_MAX = 512 };

void heap_malloc(struct jot *j)
{
    struct mallinfo2 m = mallinfo2();
    jot_object(j, "mallinfo2");
    jot_u64(j, "arena", m.arena);
    jot_u64(j, "ordblks", m.ordblks);
    jot_u64(j, "smblks", m.smblks);
    jot_u64(j, "hblks", m.hblks);
    jot_u64(j, "hblkhd", m.hblkhd);
    jot_u64(j, "fsmblks", m.fsmblks);
    jot_u64(j, "uordblks", m.uordblks);
    jot_u64(j, "fordblks", m.fordblks);
    jot_u64(j, "keepcost", m.keepcost);
    jot_end(j);
    size_t whole = m.arena + m.hblkhd;
    jot_number(j, "fragmentation", whole ? (double)m.fordblks / (double)whole : (double)NAN);
    char *xml = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&xml, &n);
    bool said = f && malloc_info(0, f) == 0;
    if (f && fclose(f) == 0 && said) {
        jot_object(j, "malloc_info");
        heap_xml_json(xml, n, j); /* of the C library: what it does not know it leaves out */
        jot_end(j);
    }
    free(xml);
}

typedef int mallctl_f(const char *name, void *old, size_t *old_size, void *new_value,
                      size_t new_size);

static mallctl_f *mallctl_find(void)
{
    static const char *const names[] = {"mallctl", "je_mallctl"};
    for (size_t i = 0; i < 2; i++) {
        void *symbol = dlsym(RTLD_DEFAULT, names[i]);
        if (symbol) {
            mallctl_f *f;
            memcpy(&f, &symbol, sizeof f);
            return f;
        }
    }
    return NULL;
}

static size_t read_size(mallctl_f *ctl, const char *name)
{
    size_t value = 0, size = sizeof value;
    return ctl(name, &value, &size, NULL, 0) == 0 ? value : 0;
}

static unsigned read_unsigned(mallctl_f *ctl, const char *name)
{
    unsigned value = 0;
    size_t size = sizeof value;
    return ctl(name, &value, &size, NULL, 0) == 0 ? value : 0;
}

static void write_arena(mallctl_f *ctl, unsigned i, size_t page, struct jot *j)
{
    static const struct {
        const char *name, *key;
        bool pages;
    } sizes[] = {{"small.allocated", "small_allocated", false},
                 {"large.allocated", "large_allocated", false},
                 {"pactive", "active", true},
                 {"pdirty", "dirty", true},
                 {"pmuzzy", "muzzy", true},
                 {"mapped", "mapped", false},
                 {"retained", "retained", false},
                 {"resident", "resident", false},
                 {NULL, NULL, false}};
    char name[64];
    bool initialized = false;
    size_t size = sizeof initialized;
    snprintf(name, sizeof name, "arena.%u.initialized", i);
    if (ctl(name, &initialized, &size, NULL, 0) != 0 || !initialized) {
        return;
    }
    jot_object(j, NULL);
    jot_u64(j, "arena", i);
    snprintf(name, sizeof name, "stats.arenas.%u.nthreads", i);
    jot_u64(j, "threads", read_unsigned(ctl, name));
    for (size_t k = 0; sizes[k].key; k++) {
        snprintf(name, sizeof name, "stats.arenas.%u.%s", i, sizes[k].name);
        jot_u64(j, sizes[k].key, read_size(ctl, name) * (sizes[k].pages ? page : 1));
    }
    jot_end(j);
}

bool heap_jemalloc(struct jot *j)
{
    static const char *const totals[] = {"allocated", "active", "metadata",
                                         "resident",  "mapped", "retained"};
    mallctl_f *ctl = mallctl_find();
    jot_bool(j, "linked", ctl != NULL);
    if (!ctl) {
        return false;
    }
    uint64_t epoch = 1;
    size_t size = sizeof epoch;
    ctl("epoch", &epoch, &size, &epoch, sizeof epoch); /* figures as of now */
    const char *version = NULL;
    size = sizeof version;
    if (ctl("version", (void *)&version, &size, NULL, 0) == 0) {
        jot_string(j, "version", version);
    }
    for (size_t i = 0; i < sizeof totals / sizeof *totals; i++) {
        char name[64];
        snprintf(name, sizeof name, "stats.%s", totals[i]);
        jot_u64(j, totals[i], read_size(ctl, name));
    }
    size_t active = read_size(ctl, "stats.active");
    double unused = active ? 1 - (double)read_size(ctl, "stats.allocated") / (double)active : 0;
    jot_number(j, "fragmentation", unused);
    size_t page = read_size(ctl, "arenas.page");
    unsigned arenas = read_unsigned(ctl, "arenas.narenas");
    jot_array(j, "arenas");
    for (unsigned i = 0; i < arenas && i < ARENAS_MAX; i++) {
        write_arena(ctl, i, page, j);
    }
    jot_end(j);
    return true;
}

/* A file of /proc with a NUL behind it; the number of bytes, 0 where it cannot be read. */
static size_t read_file(const char *path, char *ret, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t n = 0;
    ssize_t got = 1;
    while (fd >= 0 && got > 0 && n < size - 1) {
        got = read(fd, ret + n, size - 1 - n);
        n += got > 0 ? (size_t)got : 0;
    }
    if (fd >= 0) {
        close(fd);
    }
    ret[n] = 0;
    return n;
}

/* Lines "Private_Clean:   12 kB" as "private_clean_bytes":12288; those of other units only where
 * their key is Threads. only: keys that begin so (NULL: all). */
static void write_lines(char *bytes, const char *const *only, struct jot *j)
{
    char *rest = bytes, *line;
    while ((line = strsep(&rest, "\n"))) {
        char key[64];
        size_t n = strcspn(line, ":");
        char *end;
        if (!line[n] || n + sizeof "_bytes" > sizeof key) {
            continue;
        }
        unsigned long long value = strtoull(line + n + 1, &end, 10);
        bool kilobytes = strncmp(end, " kB", 3) == 0;
        bool wanted = !only;
        for (size_t i = 0; only && only[i]; i++) {
            wanted |= strncmp(line, only[i], strlen(only[i])) == 0;
        }
        if (end == line + n + 1 || !wanted || (!kilobytes && strncmp(line, "Threads", 7) != 0)) {
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            key[i] = (char)tolower((unsigned char)line[i]);
        }
        memcpy(key + n, kilobytes ? "_bytes" : "", kilobytes ? sizeof "_bytes" : 1);
        jot_u64(j, key, kilobytes ? value * 1024 : value);
    }
}

void heap_smaps(struct jot *j)
{
    static const char *const of_status[] = {"Vm", "Rss", "HugetlbPages", "Threads", NULL};
    char bytes[FILE_MAX_BYTES];
    jot_object(j, "smaps_rollup");
    if (read_file("/proc/self/smaps_rollup", bytes, sizeof bytes)) {
        write_lines(bytes, NULL, j);
    }
    jot_end(j);
    jot_object(j, "status");
    if (read_file("/proc/self/status", bytes, sizeof bytes)) {
        write_lines(bytes, of_status, j);
    }
    jot_end(j);
}

double heap_rss_bytes(void)
{
    char bytes[256];
    if (!read_file("/proc/self/statm", bytes, sizeof bytes)) {
        return (double)NAN;
    }
    char *end;
    strtoull(bytes, &end, 10);
    return (double)strtoull(end, NULL, 10) * (double)sysconf(_SC_PAGESIZE);
}
