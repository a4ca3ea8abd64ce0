#include "helper/gpu/pmu.h"

#include <dirent.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"

enum { PATH_BYTES = 512, NAME_MAX_BYTES = 64 };

static const char FOLDER[] = "/bus/event_source/devices";

struct counter {
    char card[NAME_MAX_BYTES], engine[NAME_MAX_BYTES];
    unsigned long config;
    int type, fd;
};

struct pmu {
    struct counter *v; /* [n] */
    size_t n, capacity;
};

/* The whole of a small file, trimmed; "" where there is none. */
static struct str peek(const char *path, char *room, size_t size)
{
    FILE *f = fopen(path, "re");
    size_t n = f == NULL ? 0 : fread(room, 1, size - 1, f);
    if (f != NULL)
        fclose(f);
    room[n] = '\0';
    return str_trim(str_of(room, n));
}

/* "i915" is the first card, "i915_0000_03_00.0" the one at that address. */
static void card_of(const char *device, char ret[NAME_MAX_BYTES])
{
    const char *address = strchr(device, '_');
    snprintf(ret, NAME_MAX_BYTES, "%s", address == NULL ? "intel0" : address + 1);
    for (char *c = ret; address != NULL && *c; c++)
        if (*c == '_')
            *c = ':';
}

/* The counters of one device: events/rcs0-busy has "config=0x0". */
static void name_all(struct pmu *p, const char *sys, const char *device)
{
    char path[PATH_BYTES], room[NAME_MAX_BYTES];
    struct dirent *entry;
    int64_t type;
    snprintf(path, sizeof path, "%s%s/%s/type", sys, FOLDER, device);
    if (!str_i64(peek(path, room, sizeof room), &type))
        return;
    snprintf(path, sizeof path, "%s%s/%s/events", sys, FOLDER, device);
    DIR *folder = opendir(path);
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        struct str name = str_c(entry->d_name);
        struct counter c = {.type = (int)type, .fd = -1};
        if (!str_ends(name, STR("-busy")) || name.n > NAME_MAX_BYTES)
            continue;
        snprintf(path, sizeof path, "%s%s/%s/events/%s", sys, FOLDER, device, entry->d_name);
        struct str text = peek(path, room, sizeof room);
        if (!str_starts(text, STR("config=")))
            continue;
        c.config = strtoul(text.p + strlen("config="), NULL, 0);
        snprintf(c.engine, sizeof c.engine, "%.*s", (int)(name.n - strlen("-busy")), name.p);
        card_of(device, c.card);
        vec_push(p, c);
    }
    if (folder != NULL)
        closedir(folder);
}

static void find_all(struct pmu *p, const char *sys)
{
    char path[PATH_BYTES];
    struct dirent *entry;
    snprintf(path, sizeof path, "%s%s", sys, FOLDER);
    DIR *folder = opendir(path);
    while (folder != NULL && (entry = readdir(folder)) != NULL)
        if (strncmp(entry->d_name, "i915", 4) == 0)
            name_all(p, sys, entry->d_name);
    if (folder != NULL)
        closedir(folder);
}

size_t pmu_named(const char *sys)
{
    struct pmu p = {0};
    find_all(&p, sys);
    size_t n = p.n;
    vec_free(&p);
    return n;
}

struct pmu *pmu_open(const char *sys)
{
    struct pmu *p = mem_new(sizeof *p);
    size_t open = 0;
    find_all(p, sys);
    for (size_t i = 0; i < p->n; i++) {
        struct perf_event_attr attr = {
            .type = (unsigned)p->v[i].type, .size = sizeof attr, .config = p->v[i].config};
        p->v[i].fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
        open += p->v[i].fd >= 0;
    }
    if (open > 0)
        return p;
    pmu_close(p);
    return NULL;
}

void pmu_close(struct pmu *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->n; i++)
        if (p->v[i].fd >= 0)
            close(p->v[i].fd);
    vec_free(p);
    mem_free(p);
}

void pmu_read(struct pmu *p, struct buf *out)
{
    for (size_t i = 0; i < p->n; i++) {
        uint64_t ns;
        if (p->v[i].fd >= 0 && read(p->v[i].fd, &ns, sizeof ns) == (ssize_t)sizeof ns)
            buf_printf(out, "engine_busy\t%s\t%s\t%.9f\n", p->v[i].card, p->v[i].engine,
                       (double)ns / 1e9);
    }
}
