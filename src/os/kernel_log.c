#include "os/kernel_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

enum { RECORD_SIZE = 8192, RECORDS_MAX = 4096, PATH_SIZE = 1024 };

int kernel_log_open(void)
{
    int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0)
        lseek(fd, 0, SEEK_END);
    return fd;
}

void kernel_log_close(int fd)
{
    if (fd >= 0)
        close(fd);
}

bool kernel_log_killed(int fd, int pid, char *ret, size_t n)
{
    char record[RECORD_SIZE], wanted[48];
    bool found = false;
    snprintf(wanted, sizeof wanted, "illed process %d ", pid);
    for (int i = 0; fd >= 0 && i < RECORDS_MAX; i++) {
        ssize_t got = read(fd, record, sizeof record - 1);
        if (got < 0 && errno == EPIPE)
            continue; /* older records were overwritten: reading goes on behind them */
        if (got <= 0)
            break;
        record[got] = '\0';
        char *text = strchr(record, ';');
        if (!text || !strstr(text, wanted))
            continue;
        text[strcspn(text, "\n")] = '\0';
        snprintf(ret, n, "%s", text + 1);
        found = true;
    }
    return found;
}

/* The pattern's fields that are known here; others stand for anything, so nothing is found. */
static void expand(const char *pattern, int pid, const char *name, char *ret, size_t n)
{
    size_t at = 0;
    for (; *pattern && at + 1 < n; pattern++) {
        if (*pattern != '%') {
            ret[at++] = *pattern;
            continue;
        }
        pattern++;
        int put = 0;
        if (*pattern == 'p' || *pattern == 'P')
            put = snprintf(ret + at, n - at, "%d", pid);
        else if (*pattern == 'e')
            put = snprintf(ret + at, n - at, "%s", name);
        else if (*pattern == '\0')
            break;
        at = MIN(at + (size_t)put, n - 1);
    }
    ret[at] = '\0';
}

bool kernel_log_core(int pid, const char *name, const char *folder, char *ret, size_t n)
{
    char pattern[256] = "", file[PATH_SIZE], path[PATH_SIZE * 2];
    struct stat s;
    FILE *f = fopen("/proc/sys/kernel/core_pattern", "re");
    if (!f)
        return false;
    bool read = fgets(pattern, sizeof pattern, f) != NULL;
    fclose(f);
    pattern[strcspn(pattern, "\n")] = '\0';
    if (!read || pattern[0] == '\0')
        return false;
    if (pattern[0] == '|') {
        snprintf(ret, n, "handed to %s", pattern + 1);
        return true;
    }
    expand(pattern, pid, name, file, sizeof file);
    for (int i = 0; i < 2; i++) {
        char suffix[16] = "";
        if (i == 1)
            snprintf(suffix, sizeof suffix, ".%d", pid);
        snprintf(path, sizeof path, "%s%s%s%s", file[0] == '/' ? "" : folder,
                 file[0] == '/' || !*folder ? "" : "/", file, suffix);
        if (stat(path, &s) == 0 && S_ISREG(s.st_mode)) {
            snprintf(ret, n, "%s", path);
            return true;
        }
    }
    return false;
}
