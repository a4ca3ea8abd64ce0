#include "os/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/vec.h"

enum {
    PATH_SIZE = 64,
    STAT_SIZE = 1024,
    LINE_SIZE = 512,
    DEPTH_MAX = 4096,          /* of parents */
    ENVIRONMENT_MAX = 1 << 20, /* bytes that are looked through */
    LISTENING = 10,            /* TCP_LISTEN in /proc/net/tcp */
    SOCKETS_MAX = 64,          /* of one port */
};

/* A small file of /proc; how many bytes, 0 where it cannot be read. */
static size_t slurp(const char *path, char *p, size_t n)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    size_t at = 0;
    while (at < n - 1) {
        ssize_t got = read(fd, p + at, n - 1 - at);
        if (got <= 0)
            break;
        at += (size_t)got;
    }
    close(fd);
    p[at] = '\0';
    return at;
}

bool process_stat_read(int pid, struct process_stat *ret)
{
    char path[PATH_SIZE], text[STAT_SIZE];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (slurp(path, text, sizeof text) == 0)
        return false;
    char *after = strrchr(text, ')'); /* a name may hold blanks and parentheses */
    unsigned long long user, system, start;
    struct process_stat s;
    if (!after || sscanf(after + 1,
                         " %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d "
                         "%*d %llu",
                         &s.state, &s.ppid, &s.pgid, &s.sid, &user, &system, &start) != 7)
        return false;
    s.cpu_ticks = user + system;
    s.start = start;
    *ret = s;
    return true;
}

int process_self(void)
{
    return getpid();
}

int64_t process_ticks(void)
{
    return sysconf(_SC_CLK_TCK);
}

static void add_numbers(char *text, struct process_list *ret)
{
    char *rest = text;
    for (;;) {
        char *end;
        long pid = strtol(rest, &end, 10);
        if (end == rest)
            return;
        vec_push(ret, (int)pid);
        rest = end;
    }
}

void process_all(struct process_list *ret)
{
    DIR *proc = opendir("/proc");
    if (!proc)
        return;
    for (struct dirent *e; (e = readdir(proc)) != NULL;)
        if (isdigit((unsigned char)e->d_name[0]))
            vec_push(ret, (int)strtol(e->d_name, NULL, 10));
    closedir(proc);
}

/* For kernels without children in /proc. */
static void children_by_search(int pid, struct process_list *ret)
{
    struct process_list all = {0};
    struct process_stat s;
    process_all(&all);
    for (size_t i = 0; i < all.n; i++)
        if (process_stat_read(all.v[i], &s) && s.ppid == pid)
            vec_push(ret, all.v[i]);
    vec_free(&all);
}

void process_children(int pid, struct process_list *ret)
{
    static const size_t size = 64 << 10; /* some 8,000 children of one thread */
    char path[PATH_SIZE + 300];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    if (!tasks)
        return;
    char *text = mem_raw(size);
    bool missing = false;
    for (struct dirent *e; (e = readdir(tasks)) != NULL;) {
        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/children", pid, e->d_name);
        if (slurp(path, text, size) > 0)
            add_numbers(text, ret);
        else
            missing = missing || access(path, F_OK) != 0;
    }
    closedir(tasks);
    mem_free(text);
    /* A thread that has ended meanwhile is missing too: then the search is only slower. */
    if (missing && access("/proc/self/task", F_OK) == 0 && ret->n == 0)
        children_by_search(pid, ret);
}

void process_descendants(int pid, struct process_list *ret)
{
    size_t at = ret->n;
    process_children(pid, ret);
    for (; at < ret->n; at++)
        process_children(ret->v[at], ret);
}

bool process_descends(int pid, int ancestor)
{
    for (int i = 0; i < DEPTH_MAX && pid > 1; i++) {
        struct process_stat s;
        if (pid == ancestor)
            return true;
        if (!process_stat_read(pid, &s))
            return false;
        pid = s.ppid;
    }
    return false;
}

/* The whole environment, owned; NULL where it may not be read. */
static char *environment_of(int pid, size_t *ret_n)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "/proc/%d/environ", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    size_t size = 16 << 10, n = 0;
    char *all = mem_raw(size);
    ssize_t got;
    while ((got = read(fd, all + n, size - n)) > 0) {
        n += (size_t)got;
        if (n == size && size < ENVIRONMENT_MAX)
            all = mem_resize(all, size *= 2);
        else if (n == size)
            break;
    }
    close(fd);
    *ret_n = n;
    return all;
}

bool process_environment(int pid, struct str name, char *ret, size_t n)
{
    size_t size;
    char *all = environment_of(pid, &size);
    bool found = false;
    if (!all)
        return false;
    struct str rest = {all, size}, one;
    while (!found && str_split(&rest, '\0', &one)) {
        found = one.n > name.n && str_starts(one, name) && one.p[name.n] == '=';
        if (found)
            snprintf(ret, n, STR_FMT, STR_ARG(str_sub(one, name.n + 1, one.n)));
    }
    mem_free(all);
    return found;
}

bool process_has_environment(int pid, struct str text)
{
    size_t size;
    char *all = environment_of(pid, &size);
    bool found = false;
    if (!all)
        return false;
    struct str rest = {all, size}, one;
    while (!found && str_split(&rest, '\0', &one))
        found = str_eq(one, text);
    mem_free(all);
    return found;
}

void process_name(int pid, char *ret, size_t n)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "/proc/%d/comm", pid);
    size_t got = slurp(path, ret, n);
    while (got > 0 && ret[got - 1] == '\n')
        ret[--got] = '\0';
    if (got == 0)
        snprintf(ret, n, "?");
}

void process_memory(int pid, int64_t *ret_own, int64_t *ret_shared)
{
    char path[PATH_SIZE], text[LINE_SIZE];
    long long all = 0, shared = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", pid);
    if (!slurp(path, text, sizeof text) || sscanf(text, "%*d %lld %lld", &all, &shared) != 2)
        all = shared = 0;
    *ret_own = (all - shared) * sysconf(_SC_PAGESIZE);
    *ret_shared = shared * sysconf(_SC_PAGESIZE);
}

int64_t process_files(int pid)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *fds = opendir(path);
    int64_t n = 0;
    if (!fds)
        return 0;
    for (struct dirent *e; (e = readdir(fds)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(fds);
    return n;
}

/* ---- who holds a port */

struct sockets {
    unsigned long long inodes[SOCKETS_MAX];
    size_t n;
};

static void listening(const char *path, uint16_t port, struct sockets *ret)
{
    char line[LINE_SIZE];
    FILE *f = fopen(path, "re");
    if (!f)
        return;
    while (fgets(line, sizeof line, f)) {
        unsigned local, state;
        unsigned long long inode;
        if (sscanf(line,
                   " %*[0-9]: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*x:%*x %*x:%*x %*x %*u %*u "
                   "%llu",
                   &local, &state, &inode) == 3 &&
            state == LISTENING && local == port && ret->n < SOCKETS_MAX)
            ret->inodes[ret->n++] = inode;
    }
    fclose(f);
}

static bool holds(int pid, const struct sockets *s)
{
    char path[PATH_SIZE + 300], link[PATH_SIZE];
    bool found = false;
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *fds = opendir(path);
    if (!fds)
        return false;
    for (struct dirent *e; !found && (e = readdir(fds)) != NULL;) {
        unsigned long long inode;
        ssize_t n = readlinkat(dirfd(fds), e->d_name, link, sizeof link - 1);
        if (n <= 0)
            continue;
        link[n] = '\0';
        if (sscanf(link, "socket:[%llu]", &inode) != 1)
            continue;
        for (size_t i = 0; i < s->n; i++)
            found = found || s->inodes[i] == inode;
    }
    closedir(fds);
    return found;
}

int process_listens(uint16_t port)
{
    struct sockets s = {.n = 0};
    struct process_list all = {0};
    int owner = 0;
    listening("/proc/net/tcp", port, &s);
    listening("/proc/net/tcp6", port, &s);
    if (s.n == 0)
        return 0;
    process_all(&all);
    for (size_t i = 0; i < all.n && !owner; i++)
        if (holds(all.v[i], &s))
            owner = all.v[i];
    vec_free(&all);
    return owner ? owner : -1;
}
