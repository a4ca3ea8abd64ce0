#include "os/confine.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/attr.h"

static const int ALLOWED[] = {
#define ALLOW(name) SCMP_SYS(name),
#define KILL(name)
#include "os/confine.tbl.h"
#undef ALLOW
#undef KILL
};

static const int KILLED[] = {
#define ALLOW(name)
#define KILL(name) SCMP_SYS(name),
#include "os/confine.tbl.h"
#undef ALLOW
#undef KILL
};

static const int FAMILIES[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
static const int IOCTLS[] = {TCGETS,       FIONREAD,      FIONBIO,      FIOCLEX,    FIONCLEX,
                             SIOCETHTOOL,  SIOCGIFCONF,   SIOCGIFFLAGS, SIOCGIFMTU, SIOCGIFADDR,
                             SIOCGIFINDEX, SIOCGIFHWADDR, SIOCOUTQ};
static const int PRCTLS[] = {PR_SET_NAME,       PR_GET_NAME,       PR_SET_VMA,     PR_GET_DUMPABLE,
                             PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, PR_CAPBSET_READ};

/* Calls that are judged by an argument. */
static int add_judged(scmp_filter_ctx f)
{
    int err = 0;
    static const int EXECUTABLE[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect)};
    for (size_t i = 0; i < COUNTOF(EXECUTABLE); i++) {
        err |= seccomp_rule_add(f, SCMP_ACT_ALLOW, EXECUTABLE[i], 1,
                                SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
        err |= seccomp_rule_add(f, SCMP_ACT_ERRNO(EACCES), EXECUTABLE[i], 1,
                                SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
    }
    /* The C library falls back to clone() where clone3(), whose flags cannot be seen, is ENOSYS. */
    err |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                            SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    err |= seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone), 1,
                            SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
    err |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                            SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
    err |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, SCMP_A2(SCMP_CMP_EQ, 0));
    for (size_t i = 0; i < COUNTOF(IOCTLS); i++)
        err |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                                SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)IOCTLS[i]));
    for (size_t i = 0; i < COUNTOF(FAMILIES); i++)
        err |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                                SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)FAMILIES[i]));
    for (size_t i = 0; i < COUNTOF(PRCTLS); i++)
        err |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
                                SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)PRCTLS[i]));
    return err;
}

static int fill(scmp_filter_ctx f)
{
    for (size_t i = 0; i < COUNTOF(ALLOWED); i++)
        if (ALLOWED[i] != __NR_SCMP_ERROR && seccomp_rule_add(f, SCMP_ACT_ALLOW, ALLOWED[i], 0))
            return -1;
    for (size_t i = 0; i < COUNTOF(KILLED); i++)
        if (KILLED[i] != __NR_SCMP_ERROR &&
            seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, KILLED[i], 0))
            return -1;
    return add_judged(f);
}

int confine_calls(struct why *why)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    if (f == NULL)
        return why_set(why, ERR_UNSUPPORTED, "kernel calls cannot be confined: no filter");
    int err = fill(f);
    /* A tree instead of a list: the common calls cost a few comparisons (libseccomp 2.5). */
    if (err == 0)
        err = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (err == 0)
        err = seccomp_load(f);
    seccomp_release(f);
    if (err != 0)
        return why_set(why, ERR_UNSUPPORTED, "kernel calls cannot be confined: %s",
                       strerror(err < 0 ? -err : err));
    return 0;
}
