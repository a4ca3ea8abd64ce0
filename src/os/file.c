#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(struct why *why, const char *path, const char *what)
{
    int saved = errno;
    return why_set(why, (enum err)err_of_errno(saved), "%s %s: %s", path, what, strerror(saved));
}

int file_read(const char *path, struct buf *out, struct why *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(why, path, "cannot be opened");
    for (;;) {
        char *p = buf_reserve(out, 1);
        size_t room = p == NULL ? 0 : out->capacity - out->n;
        ssize_t n = p == NULL ? 0 : read(fd, p, MIN(room, out->max - out->n));
        if (n < 0 && errno == EINTR)
            continue;
        if (n > 0) {
            buf_commit(out, (size_t)n);
            continue;
        }
        int err = 0;
        if (p == NULL)
            err = why_set(why, ERR_LIMIT, "%s is larger than %zu bytes", path, out->max);
        else if (n < 0)
            err = fail(why, path, "cannot be read");
        close(fd);
        return err;
    }
}

/* A folder that may not be read would hide its files without a word. */
static int glob_fault(const char *path, int errnum)
{
    return errnum == EACCES || errnum == EPERM;
}

int file_glob(const char *pattern, struct arena *a, struct str **ret, size_t *ret_n,
              struct why *why)
{
    glob_t found = {0};
    int status = glob(pattern, 0, glob_fault, &found);
    if (status != 0 && status != GLOB_NOMATCH) {
        globfree(&found);
        return why_set(why, ERR_DENIED, "%s cannot be searched: a folder in it may not be read",
                       pattern);
    }
    struct str *v = arena_array(a, found.gl_pathc + 1, sizeof *v);
    for (size_t i = 0; i < found.gl_pathc; i++)
        v[i] = arena_str(a, str_c(found.gl_pathv[i]));
    *ret = v;
    *ret_n = found.gl_pathc;
    globfree(&found);
    return 0;
}

static int write_all(int fd, struct str bytes)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0 && errno != EINTR)
            return -1;
        bytes = str_sub(bytes, n > 0 ? (size_t)n : 0, bytes.n);
    }
    return 0;
}

int file_map(const char *path, struct str *ret, struct why *why)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *p = MAP_FAILED;
    *ret = STR("");
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size == 0) {
        close(fd);
        return 0;
    }
    if (fd >= 0)
        p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    int saved = errno;
    if (fd >= 0)
        close(fd);
    if (p == MAP_FAILED)
        return why_set(why, (enum err)err_of_errno(saved), "%s: %s", path, strerror(saved));
    *ret = str_of(p, (size_t)st.st_size);
    return 0;
}

void file_unmap(struct str bytes)
{
    if (bytes.n > 0)
        munmap((void *)(uintptr_t)bytes.p, bytes.n);
}

int file_write(const char *path, struct str bytes, struct why *why)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return fail(why, path, "cannot be made");
    int err = write_all(fd, bytes) == 0 ? 0 : fail(why, path, "cannot be written");
    if (close(fd) != 0 && err == 0)
        err = fail(why, path, "cannot be written");
    return err;
}

static int make_dirs(char *path)
{
    for (char *p = path + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        int err = mkdir(path, 0750);
        *p = '/';
        if (err != 0 && errno != EEXIST)
            return -1;
    }
    return mkdir(path, 0750) == 0 || errno == EEXIST ? 0 : -1;
}

int file_make_dir(const char *path, struct why *why)
{
    char copy[PATH_MAX];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof copy)
        return why_set(why, ERR_RANGE, "the path of a directory has %zu bytes", n);
    memcpy(copy, path, n + 1);
    struct stat status;
    if (make_dirs(copy) != 0)
        return fail(why, path, "cannot be made");
    if (stat(path, &status) != 0)
        return fail(why, path, "cannot be looked at");
    if (!S_ISDIR(status.st_mode)) {
        errno = ENOTDIR;
        return fail(why, path, "is in the way");
    }
    if (access(path, R_OK | W_OK | X_OK) != 0)
        return fail(why, path, "cannot be written to");
    return 0;
}

int file_absolute(const char *path, char *ret, size_t n, struct why *why)
{
    char real[PATH_MAX];
    if (realpath(path, real) == NULL)
        return fail(why, path, "cannot be found");
    size_t len = strlen(real);
    if (len >= n)
        return why_set(why, ERR_RANGE, "%s is too long a path", real);
    memcpy(ret, real, len + 1);
    return 0;
}

int file_memory(const char *name, int *ret_fd)
{
    int fd = memfd_create(name, MFD_CLOEXEC);
    if (fd < 0)
        return -err_of_errno(errno);
    *ret_fd = fd;
    return 0;
}

int file_memory_write(int fd, struct str bytes)
{
    if (ftruncate(fd, 0) != 0)
        return -err_of_errno(errno);
    for (size_t done = 0; done < bytes.n;) {
        ssize_t n = pwrite(fd, bytes.p + done, bytes.n - done, (off_t)done);
        if (n < 0 && errno != EINTR)
            return -err_of_errno(errno);
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int file_memory_read(int fd, struct buf *out)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return -err_of_errno(errno);
    size_t size = (size_t)status.st_size;
    char *p = buf_reserve(out, MAX(size, (size_t)1));
    if (p == NULL)
        return -ERR_LIMIT;
    size_t done = 0;
    while (done < size) {
        ssize_t n = pread(fd, p + done, size - done, (off_t)done);
        if (n == 0)
            break;
        if (n < 0 && errno != EINTR)
            return -err_of_errno(errno);
        done += n > 0 ? (size_t)n : 0;
    }
    buf_commit(out, done);
    return 0;
}
