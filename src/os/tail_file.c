#include "os/tail_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int tail_file_open(const char *path, struct tail_file *ret)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -err_of_errno(errno);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return -ERR_UNSUPPORTED;
    }
    *ret = (struct tail_file){fd, (uint64_t)st.st_ino};
    return 0;
}

void tail_file_close(struct tail_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

int tail_file_read(struct tail_file *f, uint64_t offset, char *p, size_t n, size_t *ret_n)
{
    ssize_t got;
    do {
        got = pread(f->fd, p, n, (off_t)offset);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return -err_of_errno(errno);
    *ret_n = (size_t)got;
    return 0;
}

int tail_file_size(struct tail_file *f, uint64_t *ret)
{
    struct stat st;
    if (fstat(f->fd, &st) != 0)
        return -err_of_errno(errno);
    *ret = (uint64_t)st.st_size;
    return 0;
}
