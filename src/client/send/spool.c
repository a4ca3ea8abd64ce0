#include "client/send/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client/core/id.h"
#include "client/core/identity.h"
#include "client/core/setting.h"

enum { PATH_BYTES = 1024, FOLDERS_MAX = 64, LEFTOVER_AGE_S = 24 * 3600 };

static const char *const kinds[SPOOL_KINDS] = {"envelope", "logs", "spans"};

static char path[PATH_BYTES]; /* PLACE/SERVICE */
static char run_name[40];     /* run-ID; "" for none yet */
static int run_fd = -1;       /* the folder */
static _Atomic int lock_fd = -1;

const char *spool_path(void)
{
    return path;
}

int spool_lock_fd(void)
{
    return atomic_load(&lock_fd);
}

/* Makes each missing folder of a path, for this user alone. */
static bool make_folders(char *p)
{
    for (char *at = p + 1; *at; at++) {
        if (*at == '/') {
            *at = 0;
            int err = mkdir(p, 0700);
            *at = '/';
            if (err && errno != EEXIST && errno != EROFS && errno != EACCES) {
                return false;
            }
        }
    }
    return mkdir(p, 0700) == 0 || errno == EEXIST;
}

/* The service as a file name: what is not plain becomes '_', and a hash tells such names apart. */
static void service_name(char *ret, size_t size)
{
    size_t n = strlen(identity.service), keep = n < 100 ? n : 100;
    bool plain = n == keep && n > 0 && identity.service[0] != '.';
    for (size_t i = 0; i < keep && i + 20 < size; i++) {
        char c = identity.service[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || (c == '.' && i > 0);
        ret[i] = ok ? c : '_';
        plain = plain && ok;
        ret[i + 1] = 0;
    }
    if (!plain) {
        snprintf(ret + keep, size - keep, "-%016" PRIx64, id_hash(identity.service, n, 0));
    }
}

/* Is base (a folder of ours that may be in a place where everybody writes) ours alone? */
static bool is_ours(const char *base)
{
    struct stat st;
    return lstat(base, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

static bool try_place(const char *base, const char *below, bool shared)
{
    char service[160] = "", whole[PATH_BYTES];
    service_name(service, sizeof service);
    int n = snprintf(whole, sizeof whole, "%s%s", base, below);
    if (*base != '/' || n <= 0 || (size_t)n >= sizeof whole - sizeof service - 2) {
        return false;
    }
    if (!make_folders(whole) || (shared && !is_ours(whole))) {
        return false;
    }
    snprintf(whole + n, sizeof whole - (size_t)n, "/%s", service);
    if ((mkdir(whole, 0700) != 0 && errno != EEXIST) || access(whole, W_OK | X_OK) != 0) {
        return false;
    }
    snprintf(path, sizeof path, "%s", whole);
    return true;
}

/* A relative folder counts from where the program stands now. */
static bool try_given(const char *given)
{
    char here[PATH_BYTES / 2], below[PATH_BYTES / 2];
    if (*given == '/') {
        return try_place(given, "", false);
    }
    int n = snprintf(below, sizeof below, "/%s", given);
    return n < (int)sizeof below && getcwd(here, sizeof here) && try_place(here, below, false);
}

void spool_start(void)
{
    path[0] = 0;
    const char *given = *setting.spool_dir ? setting.spool_dir : secure_getenv("SONDE_SPOOL");
    if (given && *given) { /* a place that was named is the only one */
        if (strcmp(given, "none") != 0) {
            (void)try_given(given); /* "" says it: kept in memory */
        }
        return;
    }
    const char *state = secure_getenv("XDG_STATE_HOME"), *home = secure_getenv("HOME");
    char shared[64];
    snprintf(shared, sizeof shared, "/var/tmp/sonde-%lu", (unsigned long)geteuid());
    if (state && *state && try_place(state, "/sonde", false)) {
        return;
    }
    if (home && *home && try_place(home, "/.local/state/sonde", false)) {
        return;
    }
    (void)try_place(shared, "", true);
}

/* The whole of s as n lower-case hexadecimal digits. */
static bool read_hex(const char *s, size_t n, uint64_t *ret)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
        value = value << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *ret = value;
    return true;
}

/* The word up to the next '.', which is stepped over. */
static bool read_word(const char **at, char *ret, size_t size)
{
    const char *end = strchr(*at, '.');
    size_t n = end ? (size_t)(end - *at) : 0;
    if (n == 0 || n >= size) {
        return false;
    }
    memcpy(ret, *at, n);
    ret[n] = 0;
    *at = end + 1;
    return true;
}

bool spool_name_read(const char *s, struct spool_name *ret)
{
    struct spool_name name = {0};
    uint64_t time, id;
    char kind[16], items[12];
    if (strnlen(s, SPOOL_NAME_MAX) >= SPOOL_NAME_MAX || strlen(s) < 35 || s[16] != '-' ||
        s[33] != '.' || !read_hex(s, 16, &time) || !read_hex(s + 17, 16, &id) || time > INT64_MAX) {
        return false;
    }
    name.unix_ns = (int64_t)time;
    name.id = id;
    const char *at = s + 34;
    if (!read_word(&at, kind, sizeof kind) || !read_word(&at, name.category, SPOOL_CATEGORY_MAX) ||
        !read_word(&at, items, sizeof items)) {
        return false;
    }
    while (name.kind < SPOOL_KINDS && strcmp(kind, kinds[name.kind]) != 0) {
        name.kind++;
    }
    uint64_t n = 0;
    for (const char *p = items; *p; p++) {
        if (*p < '0' || *p > '9') {
            return false;
        }
        n = n * 10 + (uint64_t)(*p - '0');
    }
    if (name.kind == SPOOL_KINDS || n > UINT32_MAX || at[0] < '0' || at[0] > '3' || at[1]) {
        return false;
    }
    name.items = (uint32_t)n;
    name.taken = (uint8_t)(at[0] - '0');
    *ret = name;
    return true;
}

void spool_name_write(const struct spool_name *name, char ret[SPOOL_NAME_MAX])
{
    snprintf(ret, SPOOL_NAME_MAX, "%016" PRIx64 "-%016" PRIx64 ".%s.%.*s.%" PRIu32 ".%u",
             (uint64_t)name->unix_ns, name->id, kinds[name->kind % SPOOL_KINDS],
             SPOOL_CATEGORY_MAX - 1, *name->category ? name->category : "none", name->items,
             (unsigned)(name->taken & 3));
}

/* Makes the folder of this process: under another name until its lock is held, so that nobody takes
 * it for one that was left. */
static bool open_run(void)
{
    char making[PATH_BYTES + 64], whole[PATH_BYTES + 64], name[40];
    if (!*path) {
        errno = ENOENT;
        return false;
    }
    snprintf(name, sizeof name, "run-%016" PRIx64, id_u64());
    snprintf(whole, sizeof whole, "%s/%s", path, name);
    snprintf(making, sizeof making, "%s/tmp-%s", path, name);
    if (mkdir(making, 0700) != 0) {
        return false;
    }
    int fd = open(making, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int lock = fd < 0 ? -1 : openat(fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) != 0 || rename(making, whole) != 0) {
        int kept = errno;
        if (lock >= 0) {
            unlinkat(fd, "lock", 0);
            close(lock);
        }
        if (fd >= 0) {
            close(fd);
        }
        rmdir(making);
        errno = kept;
        return false;
    }
    run_fd = fd;
    atomic_store(&lock_fd, lock);
    memcpy(run_name, name, sizeof run_name);
    return true;
}

static void forget_run(void)
{
    int lock = atomic_exchange(&lock_fd, -1);
    if (lock >= 0) {
        close(lock);
    }
    if (run_fd >= 0) {
        close(run_fd);
    }
    run_fd = -1;
    run_name[0] = 0;
}

void spool_stop(void)
{
    char whole[PATH_BYTES + 64];
    if (run_fd >= 0) {
        snprintf(whole, sizeof whole, "%s/%s", path, run_name);
        /* Away with the lock first: where files are left the folder stays, and counts as left even
         * without it. */
        unlinkat(run_fd, "lock", 0);
        rmdir(whole);
    }
    forget_run();
}

void spool_fork_child(void)
{
    atomic_store(&lock_fd, -1);
    forget_run();
}

/* All bytes, or false. */
static bool write_whole(int fd, const char *bytes, size_t n)
{
    while (n) {
        ssize_t did = write(fd, bytes, n);
        if (did < 0 && errno == EINTR) {
            continue;
        }
        if (did <= 0) {
            return false;
        }
        bytes += did;
        n -= (size_t)did;
    }
    return true;
}

static bool write_file(const char *name, const void *bytes, size_t n, bool durable)
{
    char making[SPOOL_NAME_MAX + 8];
    snprintf(making, sizeof making, "tmp-%s", name);
    int fd = openat(run_fd, making, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return false;
    }
    bool done = write_whole(fd, bytes, n) && (!durable || fdatasync(fd) == 0);
    int kept = errno;
    close(fd);
    if (done) {
        done = renameat(run_fd, making, run_fd, name) == 0;
        kept = errno;
    }
    if (!done) {
        unlinkat(run_fd, making, 0);
        errno = kept;
        return false;
    }
    if (durable) {
        (void)fsync(
            run_fd); /* a file system that cannot sync folders has nothing better to offer */
    }
    return true;
}

bool spool_write(const struct spool_name *name, const void *bytes, size_t n, bool durable)
{
    char text[SPOOL_NAME_MAX];
    spool_name_write(name, text);
    if (run_fd < 0 && !open_run()) {
        return false;
    }
    if (write_file(text, bytes, n, durable)) {
        return true;
    }
    if (errno != ENOENT) {
        return false;
    }
    forget_run(); /* somebody cleaned up the folder under us: one more */
    return open_run() && write_file(text, bytes, n, durable);
}

bool spool_read(const struct spool_name *name, struct text *ret)
{
    char text[SPOOL_NAME_MAX];
    spool_name_write(name, text);
    int fd = run_fd < 0 ? -1 : openat(run_fd, text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    if (fd < 0) {
        return false;
    }
    bool done = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= SPOOL_FILE_MAX;
    size_t left = done ? (size_t)st.st_size : 0;
    while (done && left) {
        char *room = text_room(ret, left);
        ssize_t n = room ? read(fd, room, left) : -1;
        if (n < 0 && room && errno == EINTR) {
            continue;
        }
        done = n > 0;
        ret->len += n > 0 ? (size_t)n : 0;
        left -= n > 0 ? (size_t)n : 0;
    }
    close(fd);
    return done;
}

void spool_remove(const struct spool_name *name)
{
    char text[SPOOL_NAME_MAX];
    spool_name_write(name, text);
    if (run_fd >= 0) {
        unlinkat(run_fd, text, 0);
    }
}

bool spool_rename(const struct spool_name *from, const struct spool_name *to)
{
    char old[SPOOL_NAME_MAX], new[SPOOL_NAME_MAX];
    spool_name_write(from, old);
    spool_name_write(to, new);
    return run_fd >= 0 && renameat(run_fd, old, run_fd, new) == 0;
}

/* Moves what lies in a folder that was left into ours. */
static void move_files(int from, DIR *folder, void (*found)(const struct spool_name *, size_t))
{
    for (struct dirent *d; (d = readdir(folder));) {
        struct spool_name name;
        struct stat st;
        if (strncmp(d->d_name, "tmp-", 4) == 0) {
            unlinkat(from, d->d_name, 0); /* torn: its writer ended before it was whole */
        } else if (spool_name_read(d->d_name, &name) && (run_fd >= 0 || open_run()) &&
                   fstatat(from, d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
                   renameat(from, d->d_name, run_fd, d->d_name) == 0) {
            found(&name, (size_t)st.st_size);
        }
    }
}

static void adopt(const char *name, void (*found)(const struct spool_name *, size_t))
{
    char whole[PATH_BYTES + 300];
    snprintf(whole, sizeof whole, "%s/%s", path, name);
    int fd = open(whole, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int lock = fd < 0 ? -1 : openat(fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int listed = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    DIR *folder = listed < 0 ? NULL : fdopendir(listed);
    if (lock >= 0 && folder && flock(lock, LOCK_EX | LOCK_NB) == 0) {
        move_files(fd, folder, found);
        unlinkat(fd, "lock", 0);
        rmdir(whole);
    }
    if (folder) {
        closedir(folder);
    } else if (listed >= 0) {
        close(listed);
    }
    if (lock >= 0) {
        close(lock);
    }
    if (fd >= 0) {
        close(fd);
    }
}

/* A folder that its maker never came to name. */
static void remove_leftover(const char *name)
{
    char whole[PATH_BYTES + 300], lock[PATH_BYTES + 310];
    struct stat st;
    snprintf(whole, sizeof whole, "%s/%s", path, name);
    snprintf(lock, sizeof lock, "%s/lock", whole);
    if (lstat(whole, &st) == 0 && S_ISDIR(st.st_mode) &&
        time(NULL) - st.st_mtime > LEFTOVER_AGE_S) {
        unlink(lock);
        rmdir(whole);
    }
}

void spool_adopt(void (*found)(const struct spool_name *name, size_t size))
{
    DIR *folder = *path ? opendir(path) : NULL;
    if (!folder) {
        return;
    }
    size_t folders = 0;
    for (struct dirent *d; folders < FOLDERS_MAX && (d = readdir(folder));) {
        if (strncmp(d->d_name, "run-", 4) == 0 && strcmp(d->d_name, run_name) != 0) {
            adopt(d->d_name, found);
            folders++;
        } else if (strncmp(d->d_name, "tmp-run-", 8) == 0) {
            remove_leftover(d->d_name);
        }
    }
    closedir(folder);
}
