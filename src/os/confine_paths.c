#include "os/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/attr.h"

/* The kernel's interface in our own words: Debian 12's headers know an older one. */
enum {
    CALL_CREATE_RULESET = 444,
    CALL_ADD_RULE = 445,
    CALL_RESTRICT_SELF = 446,
    CREATE_VERSION = 1,
    RULE_PATH_BENEATH = 1,
    ABI_LEAST = 2, /* the first that can allow renames between directories */
};

enum access {
    ACCESS_EXECUTE = 1 << 0,
    ACCESS_WRITE_FILE = 1 << 1,
    ACCESS_READ_FILE = 1 << 2,
    ACCESS_READ_DIR = 1 << 3,
    ACCESS_REMOVE_DIR = 1 << 4,
    ACCESS_REMOVE_FILE = 1 << 5,
    ACCESS_MAKE_CHAR = 1 << 6,
    ACCESS_MAKE_DIR = 1 << 7,
    ACCESS_MAKE_REG = 1 << 8,
    ACCESS_MAKE_SOCK = 1 << 9,
    ACCESS_MAKE_FIFO = 1 << 10,
    ACCESS_MAKE_BLOCK = 1 << 11,
    ACCESS_MAKE_SYM = 1 << 12,
    ACCESS_REFER = 1 << 13,     /* ABI 2 */
    ACCESS_TRUNCATE = 1 << 14,  /* ABI 3 */
    ACCESS_IOCTL_DEV = 1 << 15, /* ABI 5 */
    ACCESS_BIND_TCP = 1 << 0,   /* of the network, ABI 4 */
};

enum {
    READING = ACCESS_READ_FILE | ACCESS_READ_DIR,
    WRITING = READING | ACCESS_WRITE_FILE | ACCESS_REMOVE_DIR | ACCESS_REMOVE_FILE |
              ACCESS_MAKE_DIR | ACCESS_MAKE_REG | ACCESS_MAKE_SYM | ACCESS_REFER | ACCESS_TRUNCATE,
    OF_FILES = ACCESS_EXECUTE | ACCESS_WRITE_FILE | ACCESS_READ_FILE | ACCESS_TRUNCATE |
               ACCESS_IOCTL_DEV, /* what may be allowed for what is no directory */
};

struct ruleset {
    uint64_t files, network, scoped;
};

struct rule {
    uint64_t allowed;
    int32_t fd;
} PACKED;

static struct ruleset ruleset_of(long abi)
{
    struct ruleset r = {.files = (1U << 14) - 1};
    if (abi >= 3)
        r.files |= ACCESS_TRUNCATE;
    if (abi >= 4)
        r.network = ACCESS_BIND_TCP;
    if (abi >= 5)
        r.files |= ACCESS_IOCTL_DEV;
    return r;
}

static int allow(int set, const struct confine_path *p, uint64_t handled)
{
    int fd = open(p->path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == EACCES || errno == ENOTDIR ? 0 : -1;
    struct stat status;
    struct rule rule = {.allowed = (p->write ? WRITING : READING) & handled, .fd = fd};
    int err = fstat(fd, &status);
    if (err == 0 && !S_ISDIR(status.st_mode))
        rule.allowed &= OF_FILES;
    if (err == 0)
        err = (int)syscall(CALL_ADD_RULE, set, RULE_PATH_BENEATH, &rule, 0U);
    close(fd);
    return err;
}

int confine_paths(const struct confine_path *paths, size_t n, struct why *why)
{
    long abi = syscall(CALL_CREATE_RULESET, NULL, 0UL, CREATE_VERSION);
    if (abi < ABI_LEAST)
        return why_set(why, ERR_UNSUPPORTED,
                       "paths cannot be confined: this kernel has %s landlock",
                       abi < 0 ? "no" : "too old a");
    struct ruleset r = ruleset_of(abi);
    /* The structure ends where this version of the interface ended. */
    size_t size = abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
    int set = (int)syscall(CALL_CREATE_RULESET, &r, size, 0U);
    if (set < 0)
        return why_set(why, ERR_UNSUPPORTED, "paths cannot be confined: %s", strerror(errno));
    int err = 0;
    for (size_t i = 0; i < n && err == 0; i++)
        err = allow(set, &paths[i], r.files);
    if (err == 0)
        err = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (err == 0)
        err = (int)syscall(CALL_RESTRICT_SELF, set, 0U);
    int saved = errno;
    close(set);
    if (err != 0)
        return why_set(why, ERR_UNSUPPORTED, "paths cannot be confined: %s", strerror(saved));
    return 0;
}
