#include "os/append_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum { PATH_SIZE = 4096, MODE = 0640 };

void append_file_init(struct append_file *f, const char *path, int64_t size_max, int64_t files)
{
    *f = (struct append_file){
        .path = mem_text(path, strlen(path)), .fd = -1, .size_max = size_max, .files = files};
}

void append_file_done(struct append_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    mem_free(f->path);
    *f = (struct append_file){.fd = -1};
}

static void sync_folder(const char *path)
{
    char folder[PATH_SIZE];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = '\0';
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd); /* refused: the names are as durable as this file system makes them */
    close(fd);
}

static int open_file(struct append_file *f)
{
    struct stat s;
    f->fd = open(f->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, MODE);
    if (f->fd < 0)
        return -err_of_errno(errno);
    f->size = fstat(f->fd, &s) == 0 ? s.st_size : 0;
    if (f->size == 0)
        sync_folder(f->path);
    return 0;
}

static void rotate(struct append_file *f)
{
    char from[PATH_SIZE], to[PATH_SIZE];
    close(f->fd);
    f->fd = -1;
    for (int64_t i = f->files - 1; i > 0; i--) {
        snprintf(to, sizeof to, "%s.%lld", f->path, (long long)i);
        if (i == 1)
            snprintf(from, sizeof from, "%s", f->path);
        else
            snprintf(from, sizeof from, "%s.%lld", f->path, (long long)i - 1);
        rename(from, to); /* one that is not there is not moved */
    }
    if (f->files == 1)
        unlink(f->path);
    sync_folder(f->path);
}

int append_file_write(struct append_file *f, struct str bytes, size_t *ret_n)
{
    *ret_n = 0;
    while (bytes.n) {
        if (f->fd >= 0 && f->size >= f->size_max)
            rotate(f);
        int err = f->fd < 0 ? open_file(f) : 0;
        if (err)
            return err;
        if (f->size >= f->size_max)
            continue; /* one that was full already when it was opened */
        size_t room = (size_t)MIN((int64_t)bytes.n, f->size_max - f->size);
        /* A line is kept whole where it fits the next file. */
        const char *end = room < bytes.n ? memrchr(bytes.p, '\n', room) : NULL;
        room = end ? (size_t)(end - bytes.p) + 1 : room;
        ssize_t put = write(f->fd, bytes.p, room);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0) {
            err = -err_of_errno(errno);
            close(f->fd); /* the folder may be another one by the next try */
            f->fd = -1;
            return err;
        }
        f->size = end && (size_t)put == room ? f->size_max : f->size + put;
        *ret_n += (size_t)put;
        bytes = str_sub(bytes, (size_t)put, bytes.n);
    }
    return 0;
}

static void tail_of(const char *path, size_t n, struct buf *ret)
{
    struct stat s;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    size_t size = fstat(fd, &s) == 0 ? (size_t)s.st_size : 0, from = size > n ? size - n : 0;
    char *room = buf_reserve(ret, size - from);
    ssize_t got = room ? pread(fd, room, size - from, (off_t)from) : 0;
    if (got > 0)
        buf_commit(ret, (size_t)got);
    close(fd);
}

void append_file_tail(const char *path, size_t n, struct buf *ret)
{
    char before[PATH_SIZE];
    struct stat s;
    size_t here = stat(path, &s) == 0 ? (size_t)s.st_size : 0;
    snprintf(before, sizeof before, "%s.1", path);
    if (here < n)
        tail_of(before, n - here, ret);
    tail_of(path, n, ret);
}

int append_file_replace(const char *path, struct str bytes, bool durable)
{
    char fresh[PATH_SIZE];
    snprintf(fresh, sizeof fresh, "%s.new", path);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, MODE);
    if (fd < 0)
        return -err_of_errno(errno);
    errno = ENOSPC; /* of a write that takes less than all */
    bool fine = write(fd, bytes.p, bytes.n) == (ssize_t)bytes.n;
    fine = fine && (!durable || fdatasync(fd) == 0);
    int errnum = errno;
    close(fd);
    if (!fine) {
        unlink(fresh);
        return -err_of_errno(errnum);
    }
    if (rename(fresh, path) != 0)
        return -err_of_errno(errno);
    if (durable)
        sync_folder(path);
    return 0;
}
