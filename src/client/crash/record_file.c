#include "client/crash/record_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/core/id.h"
#include "client/core/text.h"
#include "client/crash/record.h"

enum { SWEEP_MAX = 64 };

static bool map(struct record_file *f)
{
    int flags = f->fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
    void *at = mmap(NULL, CRASH_RECORD_MAX, PROT_READ | PROT_WRITE, flags, f->fd, 0);
    f->at = at == MAP_FAILED ? NULL : at;
    return f->at != NULL;
}

/* A lock of the whole file; false: somebody else has it. */
static bool lock(int fd)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_SETLK, &l) == 0;
}

static void close_file(struct record_file *f)
{
    if (f->fd >= 0) {
        close(f->fd);
        unlink(f->path);
    }
    f->fd = -1;
    f->path[0] = 0;
}

bool record_file_make(struct record_file *f, const char *folder)
{
    uint64_t id = id_u64();
    *f = (struct record_file){.fd = -1, .pid = getpid()};
    int n = snprintf(f->path, sizeof f->path, "%s/crash-%d-%016llx.record", folder, (int)f->pid,
                     (unsigned long long)id);
    if (*folder && n > 0 && n < RECORD_FILE_PATH_MAX) {
        f->fd = open(f->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    }
    /* All blocks now: a disk that is full must not become a SIGBUS in the handler. */
    if (f->fd < 0 || !lock(f->fd) || posix_fallocate(f->fd, 0, CRASH_RECORD_MAX) != 0 || !map(f)) {
        close_file(f);
        if (!map(f)) {
            return false;
        }
    }
    record_init(f->at);
    f->at->state = CRASH_RUNNING;
    return true;
}

bool record_file_fork(const struct record_file *parent, struct record_file *ret)
{
    *ret = (struct record_file){.fd = -1, .pid = getpid()};
    size_t n = strlen(parent->path), keep = sizeof ".record" - 1;
    if (n > keep) { /* the parent's name with the child's number, without printf() */
        struct text t;
        text_over(&t, ret->path, sizeof ret->path - 1);
        text_add(&t, parent->path, n - keep);
        text_add_char(&t, '-');
        text_add_u64(&t, (uint64_t)ret->pid);
        text_add_string(&t, ".record");
        ret->path[t.cut ? 0 : t.len] = 0;
    }
    if (*ret->path) {
        ret->fd = open(ret->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    }
    if (ret->fd >= 0 &&
        (!lock(ret->fd) || fallocate(ret->fd, 0, 0, CRASH_RECORD_MAX) != 0 || !map(ret))) {
        close_file(ret);
    }
    if (!ret->at && !map(ret)) {
        return false;
    }
    memcpy(ret->at, parent->at, sizeof *ret->at);
    return true;
}

void record_file_forget(struct record_file *f)
{
    if (f->at) {
        munmap(f->at, CRASH_RECORD_MAX);
    }
    if (f->fd >= 0) {
        close(f->fd);
    }
    *f = (struct record_file){.fd = -1};
}

void record_file_remove(struct record_file *f)
{
    if (f->fd >= 0) {
        unlink(f->path);
    }
    record_file_forget(f);
}

static bool read_whole(int fd, void *memory, size_t n)
{
    char *to = memory;
    while (n) {
        ssize_t got = read(fd, to, n);
        if (got <= 0) {
            return false;
        }
        to += got;
        n -= (size_t)got;
    }
    return true;
}

/* True: the file was looked at. */
static bool look(int folder, const char *name,
                 bool (*found)(const void *bytes, size_t n, void *context), void *context)
{
    struct stat st;
    int fd = openat(folder, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return false;
    }
    /* A helper that sends it holds the other kind of lock (flock). */
    bool free_now = lock(fd) && flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (free_now && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        size_t n = st.st_size < CRASH_RECORD_MAX ? (size_t)st.st_size : (size_t)CRASH_RECORD_MAX;
        void *memory = malloc(n + 8);
        bool gone = memory && read_whole(fd, memory, n) && found(memory, n, context);
        if (gone) {
            unlinkat(folder, name, 0);
        }
        free(memory);
    }
    close(fd);
    return free_now;
}

void record_file_sweep(const char *folder, const struct record_file *own,
                       bool (*found)(const void *bytes, size_t n, void *context), void *context)
{
    /* Closing a second descriptor of our own file would give its lock away. */
    const char *name = strrchr(own->path, '/'), *mine = name ? name + 1 : "";
    DIR *d = *folder ? opendir(folder) : NULL;
    const struct dirent *entry;
    for (int looked = 0; d && looked < SWEEP_MAX && (entry = readdir(d));) {
        size_t n = strlen(entry->d_name), end = sizeof ".record" - 1;
        if (strncmp(entry->d_name, "crash-", 6) == 0 && n > end &&
            strcmp(entry->d_name + n - end, ".record") == 0 && strcmp(entry->d_name, mine) != 0) {
            looked += look(dirfd(d), entry->d_name, found, context);
        }
    }
    if (d) {
        closedir(d);
    }
}
