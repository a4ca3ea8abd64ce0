#include "os/memory.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"

enum { PATH_BYTES = 1024 };

/* The number in a file; UINT64_MAX where there is none ("max", no file). */
static uint64_t number_in(const char *path)
{
    unsigned long long v;
    FILE *f = fopen(path, "re");
    if (!f)
        return UINT64_MAX;
    int got = fscanf(f, "%llu", &v);
    fclose(f);
    return got == 1 ? v : UINT64_MAX;
}

/* The least limit of a cgroup and those above it. */
static uint64_t least_up(const char *mount, char *group, const char *file)
{
    uint64_t least = UINT64_MAX;
    char path[2 * PATH_BYTES];
    for (;;) {
        snprintf(path, sizeof path, "%s%s/%s", mount, strcmp(group, "/") == 0 ? "" : group, file);
        uint64_t v = number_in(path);
        least = MIN(least, v);
        char *slash = strrchr(group, '/');
        if (!slash || group[0] == 0)
            return least;
        *slash = 0;
    }
}

static uint64_t cgroup_limit(void)
{
    uint64_t least = UINT64_MAX;
    char line[PATH_BYTES];
    FILE *f = fopen("/proc/self/cgroup", "re");
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        char *group = strstr(line, ":memory:");
        uint64_t v = UINT64_MAX;
        if (group) {
            v = least_up("/sys/fs/cgroup/memory", group + 8, "memory.limit_in_bytes");
        } else if (strncmp(line, "0::", 3) == 0) {
            char again[PATH_BYTES];
            snprintf(again, sizeof again, "%s", line + 3);
            v = least_up("/sys/fs/cgroup", line + 3, "memory.max");
            uint64_t hybrid = least_up("/sys/fs/cgroup/unified", again, "memory.max");
            v = MIN(v, hybrid);
        }
        least = MIN(least, v);
    }
    if (f)
        fclose(f);
    return least;
}

uint64_t memory_limit_bytes(void)
{
    uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t group = cgroup_limit();
    return MIN(machine, group);
}
