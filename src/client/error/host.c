#include "client/error/host.h"

#include <pthread.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "client/core/ticks.h"

enum { FILE_MAX_BYTES = 4096 };

static struct host facts;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* The beginning of a file; "" where it cannot be read. */
static void slurp(const char *path, char ret[FILE_MAX_BYTES])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, ret, FILE_MAX_BYTES - 1);
    if (fd >= 0) {
        close(fd);
    }
    ret[n > 0 ? n : 0] = 0;
}

/* The value behind key at the beginning of a line, without quotes. */
static void field(const char *text, const char *key, const char *signs, char *ret, size_t size)
{
    size_t m = strlen(key);
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, m) != 0) {
            continue;
        }
        const char *value = line + m + strspn(line + m, signs);
        size_t n = strcspn(value, "\"\n");
        n = n < size - 1 ? n : size - 1;
        memcpy(ret, value, n);
        ret[n] = 0;
        return;
    }
}

static void learn(void)
{
    char text[FILE_MAX_BYTES];
    struct utsname u;
    if (uname(&u) == 0) {
        snprintf(facts.os, sizeof facts.os, "%.31s", u.sysname);
        snprintf(facts.kernel, sizeof facts.kernel, "%s", u.release);
        snprintf(facts.build, sizeof facts.build, "%s", u.version);
        snprintf(facts.arch, sizeof facts.arch, "%.31s", u.machine);
    }
    slurp("/etc/os-release", text);
    field(text, "ID=", "\"", facts.distribution, sizeof facts.distribution);
    field(text, "VERSION_ID=", "\"", facts.distribution_version, sizeof facts.distribution_version);
    field(text, "PRETTY_NAME=", "\"", facts.distribution_pretty, sizeof facts.distribution_pretty);
    slurp("/proc/cpuinfo", text);
    field(text, "model name", "\t :", facts.processor, sizeof facts.processor);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    facts.processors = processors > 0 ? (uint64_t)processors : 1;
    snprintf(facts.libc, sizeof facts.libc, "libc");
#ifdef _CS_GNU_LIBC_VERSION
    char libc[64] = ""; /* "glibc 2.36" */
    if (confstr(_CS_GNU_LIBC_VERSION, libc, sizeof libc) > 0) {
        char *blank = strchr(libc, ' ');
        if (blank) {
            *blank = 0;
            snprintf(facts.libc_version, sizeof facts.libc_version, "%.31s", blank + 1);
        }
        snprintf(facts.libc, sizeof facts.libc, "%.15s", libc);
    }
#endif
}

void host_read(struct host *ret)
{
    pthread_once(&once, learn);
    *ret = facts;
    struct sysinfo s;
    if (sysinfo(&s) == 0) {
        ret->memory_bytes = (uint64_t)s.totalram * s.mem_unit;
        ret->memory_free_bytes = (uint64_t)s.freeram * s.mem_unit;
        ret->boot_unix_ns = (ticks_unix_now_ns() / 1000000000 - (int64_t)s.uptime) * 1000000000;
    }
}

uint64_t host_resident_bytes(void)
{
    char text[FILE_MAX_BYTES];
    slurp("/proc/self/statm", text);
    char *space = strchr(text, ' ');
    long page = sysconf(_SC_PAGESIZE);
    return space && page > 0 ? strtoull(space + 1, NULL, 10) * (uint64_t)page : 0;
}
