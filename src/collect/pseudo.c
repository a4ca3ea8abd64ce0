#include "collect/pseudo.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/mem.h"

enum { CHUNK = 4096, NUMBER_MAX = 64 };

static _Atomic size_t kept; /* files that are open between reads, of all collectors */

size_t pseudo_open_max(void)
{
    static _Atomic size_t known; /* 0: not asked yet */
    size_t max = atomic_load_explicit(&known, memory_order_relaxed);
    struct rlimit limit;
    if (max)
        return max;
    max = PSEUDO_OPEN_MAX;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        max = MIN(max, (size_t)limit.rlim_cur / 8 + 1);
    atomic_store_explicit(&known, max, memory_order_relaxed);
    return max;
}

void pseudo_init(struct pseudo *p, const char *root, const char *path)
{
    struct buf b;
    buf_init(&b, PSEUDO_SMALL);
    buf_put_str(&b, str_c(root));
    buf_put_str(&b, str_c(path));
    *p = (struct pseudo){.path = mem_text(b.p, b.n), .fd = -1};
    buf_done(&b);
    buf_init(&p->text, PSEUDO_MAX);
}

static void shut(struct pseudo *p)
{
    if (p->fd >= 0) {
        close(p->fd);
        atomic_fetch_sub(&kept, 1);
    }
    p->fd = -1;
}

void pseudo_done(struct pseudo *p)
{
    shut(p);
    mem_free(p->path);
    buf_done(&p->text);
    p->path = NULL;
}

struct pseudo *pseudo_new(const char *root, const char *path)
{
    struct pseudo *p = mem_new(sizeof *p);
    pseudo_init(p, root, path);
    return p;
}

void pseudo_free(struct pseudo *p)
{
    if (p)
        pseudo_done(p);
    mem_free(p);
}

struct pseudo_pair *pseudo_pair_new(const char *root, const char *v4, const char *v6)
{
    struct pseudo_pair *p = mem_new(sizeof *p);
    pseudo_init(&p->v4, root, v4);
    pseudo_init(&p->v6, root, v6);
    return p;
}

void pseudo_pair_free(struct pseudo_pair *p)
{
    if (!p)
        return;
    pseudo_done(&p->v4);
    pseudo_done(&p->v6);
    mem_free(p);
}

static int opened(struct pseudo *p)
{
    if (p->fd >= 0)
        return 0;
    int fd = open(p->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    p->missing = fd < 0;
    if (fd < 0)
        return -err_of_errno(errno);
    p->fd = fd;
    atomic_fetch_add(&kept, 1);
    return 0;
}

/* Reads all from offset 0 into p->text; errno's value or 0. */
static int read_all(struct pseudo *p)
{
    buf_clear(&p->text);
    for (;;) {
        char *room = buf_reserve(&p->text, CHUNK);
        if (!room)
            return E2BIG;
        size_t size = p->text.capacity - p->text.n;
        ssize_t n = pread(p->fd, room, size, (off_t)p->text.n);
        if (n < 0)
            return errno;
        if (n == 0)
            return 0;
        buf_commit(&p->text, (size_t)n);
    }
}

int pseudo_read(struct pseudo *p, struct str *ret, struct why *why)
{
    int err = 0;
    for (int attempt = 0; attempt < 2; attempt++) {
        err = opened(p);
        if (err)
            return why_set(why, (enum err) - err, "%s cannot be opened", p->path);
        int errnum = read_all(p);
        if (errnum == 0) {
            *ret = buf_str(&p->text);
            if (atomic_load(&kept) > pseudo_open_max())
                shut(p);
            return 0;
        }
        /* An open file whose device or process is gone stays gone: a new one may have its name. */
        shut(p);
        err = errnum == E2BIG ? ERR_LIMIT : err_of_errno(errnum);
    }
    return why_set(why, (enum err)err, "%s cannot be read", p->path);
}

int pseudo_read_small(struct pseudo *p, char room[PSEUDO_SMALL], struct str *ret)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        int err = opened(p);
        if (err)
            return err;
        ssize_t n = pread(p->fd, room, PSEUDO_SMALL, 0);
        int errnum = errno;
        if (n < 0 || atomic_load(&kept) > pseudo_open_max())
            shut(p);
        if (n >= 0) {
            *ret = str_trim(str_of(room, (size_t)n));
            return 0;
        }
        if (errnum != ENODEV && errnum != ESRCH && errnum != ENOENT)
            return -err_of_errno(errnum);
    }
    return -ERR_NOENT;
}

int pseudo_peek_at(int dir_fd, const char *path, char *room, size_t size, struct str *ret)
{
    int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -err_of_errno(errno);
    size_t used = 0;
    ssize_t n = 0;
    while (used < size - 1 && (n = read(fd, room + used, size - 1 - used)) > 0)
        used += (size_t)n;
    int err = n < 0 ? -err_of_errno(errno) : 0;
    close(fd);
    if (err)
        return err;
    room[used] = 0;
    *ret = str_trim(str_of(room, used));
    return 0;
}

int pseudo_peek(const char *path, char *room, size_t size, struct str *ret)
{
    return pseudo_peek_at(AT_FDCWD, path, room, size, ret);
}

int pseudo_peek_number(const char *path, double *ret)
{
    char room[NUMBER_MAX];
    struct str s;
    int err = pseudo_peek(path, room, sizeof room, &s);
    if (err)
        return err;
    return pseudo_parse(s, ret) ? 0 : -ERR_FORMAT;
}

int pseudo_count_at(int dir_fd, const char *path, size_t *ret)
{
    struct stat st;
    int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -err_of_errno(errno);
    /* Only procfs says it so; the size of another directory is no count. */
    struct statfs fs;
    if (fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC && fstat(fd, &st) == 0 &&
        st.st_size > 0) {
        close(fd);
        *ret = (size_t)st.st_size;
        return 0;
    }
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return -ERR_IO;
    }
    size_t n = 0;
    for (struct dirent *d; (d = readdir(dir));)
        n += d->d_name[0] != '.';
    closedir(dir);
    *ret = n;
    return 0;
}

int pseudo_count(const char *path, size_t *ret)
{
    return pseudo_count_at(AT_FDCWD, path, ret);
}

bool pseudo_line(struct str *rest, struct str *ret)
{
    if (rest->n == 0)
        return false;
    const char *end = memchr(rest->p, '\n', rest->n);
    size_t n = end ? (size_t)(end - rest->p) : rest->n;
    *ret = str_of(rest->p, n);
    size_t taken = n + (end != NULL);
    *rest = str_of(rest->p + taken, rest->n - taken);
    return true;
}

bool pseudo_u64(struct str *rest, uint64_t *ret)
{
    const char *p = rest->p, *end = p + rest->n;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    const char *first = p;
    uint64_t v = 0;
    bool good = true;
    for (; p < end && *p != ' ' && *p != '\t'; p++) {
        unsigned digit = (unsigned)(*p - '0');
        good = good && digit <= 9 && !__builtin_mul_overflow(v, 10U, &v) &&
               !__builtin_add_overflow(v, digit, &v);
    }
    good = good && p > first;
    *rest = str_of(p, (size_t)(end - p));
    *ret = good ? v : 0;
    return good;
}

bool pseudo_number(struct str *rest, double *ret)
{
    struct str word;
    *ret = 0;
    return str_word(rest, &word) && pseudo_parse(str_trim(word), ret);
}

bool pseudo_hex(struct str s, uint64_t *ret)
{
    uint64_t v = 0;
    if (s.n == 0 || s.n > 16)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        int digit = str_hex(s.p[i]);
        if (digit < 0)
            return false;
        v = v << 4 | (uint64_t)digit;
    }
    *ret = v;
    return true;
}

bool pseudo_parse(struct str s, double *ret)
{
    char room[NUMBER_MAX];
    if (s.n == 0 || s.n >= sizeof room)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == ' ' || s.p[i] == 0)
            return false;
    memcpy(room, s.p, s.n);
    room[s.n] = 0;
    char *end;
    double v = strtod(room, &end);
    if (end != room + s.n || v != v)
        return false;
    *ret = v;
    return true;
}
