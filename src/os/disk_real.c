/* The machine's own disk: Linux calls below one open directory. */
#include "os/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/vec.h"
#include "os/thread.h"

enum { LOCKS_MAX = 8 };

struct disk_file {
    int fd;
};

struct real {
    struct disk disk;
    int root;
    pthread_mutex_t lock; /* of locks */
    int locks[LOCKS_MAX]; /* [locks_n] descriptors that hold a flock() */
    size_t locks_n;
};

static struct real *real_of(struct disk *d)
{
    return (struct real *)(void *)d;
}

static int fail(void)
{
    return -err_of_errno(errno);
}

/* Callers are our own; this guards against a name that came out of a damaged file. */
static bool is_below_root(const char *path)
{
    if (path[0] == '/' || path[0] == 0)
        return false;
    for (const char *p = path; p; p = strchr(p, '/')) {
        p += *p == '/';
        if (p[0] == '.' && p[1] == '.' && (p[2] == '/' || p[2] == 0))
            return false;
    }
    return true;
}

static int open_retrying(int root, const char *path, int flags)
{
    int fd;
    do
        fd = openat(root, path, flags | O_CLOEXEC, 0640);
    while (fd < 0 && errno == EINTR);
    return fd;
}

static int real_open(struct disk *d, const char *path, int flags, struct disk_file **ret)
{
    if (!is_below_root(path))
        return -ERR_DENIED;
    int mode = flags & DISK_WRITE ? O_RDWR : O_RDONLY;
    if (flags & DISK_CREATE)
        mode |= O_CREAT | O_EXCL;
    int fd = open_retrying(real_of(d)->root, path, mode | O_NOFOLLOW);
    if (fd < 0)
        return fail();
    struct disk_file *f = mem_new(sizeof *f);
    f->fd = fd;
    *ret = f;
    return 0;
}

static void real_close(struct disk *d, struct disk_file *f)
{
    close(f->fd); /* nothing is buffered that only close() would report: sync() was asked before */
    mem_free(f);
}

static int real_read(struct disk *d, struct disk_file *f, uint64_t offset, void *p, size_t n,
                     size_t *ret_n)
{
    size_t done = 0;
    while (done < n) {
        ssize_t got = pread(f->fd, (char *)p + done, n - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail();
        if (got == 0)
            break;
        done += (size_t)got;
    }
    *ret_n = done;
    return 0;
}

static int real_write(struct disk *d, struct disk_file *f, uint64_t offset, const void *p, size_t n)
{
    size_t done = 0;
    while (done < n) {
        ssize_t put = pwrite(f->fd, (const char *)p + done, n - done, (off_t)(offset + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return fail();
        if (put == 0)
            return -ERR_IO;
        done += (size_t)put;
    }
    return 0;
}

static int real_sync(struct disk *d, struct disk_file *f)
{
    /* Never retried, not even on EINTR: a second call could report success for lost bytes. */
    return fdatasync(f->fd) ? fail() : 0;
}

static int real_truncate(struct disk *d, struct disk_file *f, uint64_t size)
{
    int err;
    do
        err = ftruncate(f->fd, (off_t)size);
    while (err && errno == EINTR);
    return err ? fail() : 0;
}

static int real_allocate(struct disk *d, struct disk_file *f, uint64_t size)
{
    int err;
    do
        err = fallocate(f->fd, 0, 0, (off_t)size);
    while (err && errno == EINTR);
    if (err && errno == EOPNOTSUPP) {
        do
            err = errno = posix_fallocate(f->fd, 0, (off_t)size);
        while (err == EINTR);
    }
    return err ? fail() : 0;
}

static int real_size(struct disk *d, struct disk_file *f, uint64_t *ret)
{
    struct stat st;
    if (fstat(f->fd, &st))
        return fail();
    *ret = (uint64_t)st.st_size;
    return 0;
}

static int real_rename(struct disk *d, const char *from, const char *to)
{
    if (!is_below_root(from) || !is_below_root(to))
        return -ERR_DENIED;
    int root = real_of(d)->root;
    return renameat(root, from, root, to) ? fail() : 0;
}

static int real_remove(struct disk *d, const char *path)
{
    if (!is_below_root(path))
        return -ERR_DENIED;
    int root = real_of(d)->root;
    if (unlinkat(root, path, 0) == 0)
        return 0;
    if (errno != EISDIR)
        return fail();
    return unlinkat(root, path, AT_REMOVEDIR) ? fail() : 0;
}

static int real_link(struct disk *d, const char *from, const char *to)
{
    if (!is_below_root(from) || !is_below_root(to))
        return -ERR_DENIED;
    int root = real_of(d)->root;
    return linkat(root, from, root, to, 0) ? fail() : 0;
}

static int real_make_dir(struct disk *d, const char *path)
{
    if (!is_below_root(path))
        return -ERR_DENIED;
    if (mkdirat(real_of(d)->root, path, 0750) && errno != EEXIST)
        return fail();
    return 0;
}

static int open_dir(struct disk *d, const char *path)
{
    if (!is_below_root(path)) {
        errno = EACCES;
        return -1;
    }
    return open_retrying(real_of(d)->root, path, O_RDONLY | O_DIRECTORY);
}

static int real_sync_dir(struct disk *d, const char *path)
{
    int fd = open_dir(d, path);
    if (fd < 0)
        return fail();
    int err = fsync(fd) ? fail() : 0;
    close(fd);
    return err;
}

static bool is_directory(int dir, const struct dirent *entry)
{
    struct stat st;
    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type == DT_DIR;
    return fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int real_list(struct disk *d, const char *path,
                     int (*f)(void *context, const struct disk_entry *), void *context)
{
    int fd = open_dir(d, path);
    if (fd < 0)
        return fail();
    DIR *dir = fdopendir(fd);
    if (!dir) {
        int err = fail();
        close(fd);
        return err;
    }

    int err = 0;
    while (!err) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry) {
            err = errno ? fail() : 0;
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        struct disk_entry out = {entry->d_name, is_directory(fd, entry)};
        err = f(context, &out);
    }
    closedir(dir);
    return err;
}

static int real_space(struct disk *d, uint64_t *ret_free, uint64_t *ret_total)
{
    struct statvfs st;
    if (fstatvfs(real_of(d)->root, &st))
        return fail();
    *ret_free = (uint64_t)st.f_bavail * st.f_frsize;
    *ret_total = (uint64_t)st.f_blocks * st.f_frsize;
    return 0;
}

static int real_lock(struct disk *d, const char *path)
{
    struct real *r = real_of(d);
    if (!is_below_root(path))
        return -ERR_DENIED;
    int fd = open_retrying(r->root, path, O_RDWR | O_CREAT | O_NOFOLLOW);
    if (fd < 0)
        return fail();
    int err = flock(fd, LOCK_EX | LOCK_NB) ? fail() : 0;

    thread_lock(&r->lock);
    if (!err && r->locks_n == LOCKS_MAX)
        err = -ERR_LIMIT;
    if (!err)
        r->locks[r->locks_n++] = fd;
    thread_unlock(&r->lock);
    if (err)
        close(fd);
    return err;
}

static void real_free(struct disk *d)
{
    struct real *r = real_of(d);
    for (size_t i = 0; i < r->locks_n; i++)
        close(r->locks[i]);
    close(r->root);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

static const struct disk_ops REAL_OPS = {
    .open = real_open,
    .close = real_close,
    .read = real_read,
    .write = real_write,
    .sync = real_sync,
    .truncate = real_truncate,
    .allocate = real_allocate,
    .size = real_size,
    .rename = real_rename,
    .remove = real_remove,
    .link = real_link,
    .make_dir = real_make_dir,
    .sync_dir = real_sync_dir,
    .list = real_list,
    .space = real_space,
    .lock = real_lock,
    .free = real_free,
};

int disk_real_open(const char *root, struct disk **ret, struct why *why)
{
    int fd = open_retrying(AT_FDCWD, root, O_RDONLY | O_DIRECTORY);
    if (fd < 0) {
        int code = err_of_errno(errno);
        return why_set(why, (enum err)code, "cannot open the directory %s: %s", root,
                       strerror(errno));
    }
    struct real *r = mem_new(sizeof *r);
    r->disk.ops = &REAL_OPS;
    r->root = fd;
    thread_lock_init(&r->lock);
    *ret = &r->disk;
    return 0;
}
