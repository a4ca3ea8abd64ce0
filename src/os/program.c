#include "os/program.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/must.h"
#include "base/str.h"

enum { EXEC_FAILED = 127, FIRST_FREE_FD = 3 };

/* What a child that could not become the program says. */
struct fault {
    int errnum;
    char step; /* of faults below */
};

static const char *fault_text(char step)
{
    switch (step) {
    case 'c':
        return "its working folder cannot be entered";
    case 'u':
        return "it cannot run as that user";
    case 'g':
        return "it cannot enter its cgroup";
    case 'd':
        return "its standard descriptors cannot be set";
    default:
        return "it cannot be executed";
    }
}

int program_user_find(const char *name, struct program_user *ret, struct why *why)
{
    memset(ret, 0, sizeof *ret);
    if (!*name)
        return 0;
    struct str all = str_c(name);
    size_t colon = str_find(all, ':');
    snprintf(ret->name, sizeof ret->name, STR_FMT, STR_ARG(str_sub(all, 0, colon)));
    struct passwd *p = getpwnam(ret->name);
    if (!p)
        return why_set(why, ERR_NOENT, "there is no user %s", ret->name);
    ret->other = true;
    ret->uid = p->pw_uid;
    ret->gid = p->pw_gid;
    snprintf(ret->home, sizeof ret->home, "%s", p->pw_dir);
    snprintf(ret->shell, sizeof ret->shell, "%s", p->pw_shell);
    if (colon < all.n) {
        struct group *g = getgrnam(name + colon + 1);
        if (!g)
            return why_set(why, ERR_NOENT, "there is no group %s", name + colon + 1);
        ret->gid = g->gr_gid;
    }
    int n = PROGRAM_GROUPS_MAX;
    if (getgrouplist(ret->name, ret->gid, ret->groups, &n) < 0)
        n = PROGRAM_GROUPS_MAX; /* in more groups than that: the first ones */
    ret->groups_n = (size_t)MAX(n, 0);
    return 0;
}

/* By plain calls: glibc's would ask threads that are not in the child. */
static bool become_user(const struct program_user *u)
{
    if (!u->other || (geteuid() == u->uid && getegid() == u->gid))
        return true;
    return syscall(SYS_setgroups, u->groups_n, u->groups) == 0 &&
           syscall(SYS_setresgid, u->gid, u->gid, u->gid) == 0 &&
           syscall(SYS_setresuid, u->uid, u->uid, u->uid) == 0;
}

static void put_pid(char *slot, int pid)
{
    char digits[12];
    size_t n = 0;
    do
        digits[n++] = (char)('0' + pid % 10);
    while ((pid /= 10) > 0);
    while (n > 0)
        *slot++ = digits[--n];
    *slot = '\0';
}

static bool enter_cgroups(const struct program_config *c)
{
    for (size_t i = 0; i < c->procs_n; i++)
        if (write(c->procs_fds[i], "0", 1) != 1)
            return false;
    return true;
}

static bool set_descriptors(const struct program_config *c)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(c->output, STDOUT_FILENO) >= 0 &&
           dup2(c->error, STDERR_FILENO) >= 0;
}

/* In the child: async-signal-safe calls only. The calling thread's signals are all blocked. */
static void NORETURN become(const struct program_config *c, int fault_fd)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};
    struct fault fault = {.step = 'x'};
    sigset_t none;
    for (int i = 1; i < NSIG; i++)
        sigaction(i, &plain, NULL);
    setsid();
    if (c->files_max > 0) {
        struct rlimit limit;
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
            limit.rlim_cur = MIN((rlim_t)c->files_max, limit.rlim_max);
            setrlimit(RLIMIT_NOFILE, &limit);
        }
    }
    if (c->pid_slot)
        put_pid(c->pid_slot, (int)syscall(SYS_getpid));
    if (!enter_cgroups(c))
        fault.step = 'g';
    else if (!set_descriptors(c))
        fault.step = 'd';
    else if (!become_user(c->user))
        fault.step = 'u';
    else if (*c->folder && chdir(c->folder) != 0)
        fault.step = 'c';
    else {
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        /* It takes them as writable for history's sake alone. */
        execvpe(c->argv[0], (char *const *)(uintptr_t)c->argv,
                (char *const *)(uintptr_t)c->environment);
    }
    fault.errnum = errno;
    ssize_t written UNUSED = write(fault_fd, &fault, sizeof fault);
    _exit(EXEC_FAILED);
}

/* A copy of this process: 0 in it. Without clone3() a fork, and a descriptor afterwards. */
static int copy(int cgroup_fd, int *ret_pidfd, bool *ret_cgroup)
{
    int pidfd = -1;
    struct clone_args args = {
        .flags = CLONE_PIDFD,
        .pidfd = (uint64_t)(uintptr_t)&pidfd,
        .exit_signal = SIGCHLD,
    };
    *ret_cgroup = cgroup_fd >= 0;
    long pid = -1;
    if (cgroup_fd >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (unsigned)cgroup_fd;
        pid = syscall(SYS_clone3, &args, sizeof args);
        if (pid < 0) {
            *ret_cgroup = false;
            args.flags = CLONE_PIDFD;
            args.cgroup = 0;
        }
    }
    if (pid < 0)
        pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid < 0 && (errno == ENOSYS || errno == EPERM)) {
        pid = fork();
        if (pid > 0)
            pidfd = (int)syscall(SYS_pidfd_open, (int)pid, 0);
    }
    *ret_pidfd = pidfd;
    return (int)pid;
}

int program_start(const struct program_config *config, int *ret_pid, int *ret_pidfd,
                  bool *ret_cgroup, int *ret_errnum, struct why *why)
{
    int tell[2], pidfd;
    bool cgroup;
    sigset_t all, before;
    if (pipe2(tell, O_CLOEXEC) != 0) {
        *ret_errnum = errno;
        return why_set(why, (enum err)err_of_errno(errno), "no pipe: %s", strerror(errno));
    }
    sigfillset(&all);
    must(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    int pid = copy(config->cgroup_fd, &pidfd, &cgroup);
    if (pid == 0)
        become(config, tell[1]);
    int errnum = errno;
    must(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    close(tell[1]);
    if (pid < 0) {
        close(tell[0]);
        *ret_errnum = errnum;
        return why_set(why, (enum err)err_of_errno(errnum), "no new process: %s", strerror(errnum));
    }
    struct fault fault;
    ssize_t n;
    do
        n = read(tell[0], &fault, sizeof fault);
    while (n < 0 && errno == EINTR);
    close(tell[0]);
    if (n == (ssize_t)sizeof fault) {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
        if (pidfd >= 0)
            close(pidfd);
        *ret_errnum = fault.errnum;
        return why_set(why, (enum err)err_of_errno(fault.errnum), "%s: %s: %s", config->argv[0],
                       fault_text(fault.step), strerror(fault.errnum));
    }
    *ret_pid = pid;
    *ret_pidfd = pidfd;
    *ret_cgroup = cgroup;
    return 0;
}

int program_pidfd(int pid, int *ret_pidfd)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return errno == ESRCH ? -ERR_NOENT : -err_of_errno(errno);
    *ret_pidfd = fd;
    return 0;
}

void program_signal(int pidfd, int signum)
{
    syscall(SYS_pidfd_send_signal, pidfd, signum, NULL, 0);
}

void program_signal_group(int pgid, int signum)
{
    if (pgid > 1)
        kill(-pgid, signum);
}

void program_signal_pid(int pid, int signum)
{
    if (pid > 1)
        kill(pid, signum);
}

int program_ended(void)
{
    siginfo_t info = {.si_pid = 0};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0)
        return 0;
    return info.si_pid;
}

bool program_reap(int pid, struct program_end *ret)
{
    siginfo_t info = {.si_pid = 0};
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0)
        return false;
    *ret = (struct program_end){
        .known = true,
        .signaled = info.si_code != CLD_EXITED,
        .core = info.si_code == CLD_DUMPED,
        .code = info.si_status,
    };
    return true;
}

bool program_gone(int pidfd)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

void program_adopt_orphans(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
}

int64_t program_own_descriptors(void)
{
    struct rlimit limit;
    int64_t before = 0;
    /* Older kernels know no CLOSE_RANGE_CLOEXEC: what came along stays open in programs. */
    syscall(SYS_close_range, FIRST_FREE_FD, ~0U, 1U << 2);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        before = (int64_t)limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    return before;
}

void program_keep_on_exec(int fd, bool keep)
{
    if (fd >= 0)
        fcntl(fd, F_SETFD, keep ? 0 : FD_CLOEXEC);
}

int program_pipe(int *ret_read, int *ret_write)
{
    int ends[2];
    char path[32];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return -err_of_errno(errno);
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[1]);
    int both = open(path, O_RDWR | O_CLOEXEC);
    if (both >= 0) {
        close(ends[1]);
        ends[1] = both;
    } else {
        fcntl(ends[1], F_SETFL, 0); /* no /proc: an end to write alone, that blocks */
    }
    *ret_read = ends[0];
    *ret_write = ends[1];
    return 0;
}

uint64_t program_inode(int fd)
{
    struct stat s;
    return fstat(fd, &s) == 0 ? s.st_ino : 0;
}

int program_pipe_again(int pid, int of, uint64_t inode, int *ret_read)
{
    char path[48];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, of);
    struct stat s;
    if (stat(path, &s) != 0 || !S_ISFIFO(s.st_mode) || (inode && s.st_ino != inode))
        return -ERR_NOENT;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -err_of_errno(errno);
    *ret_read = fd;
    return 0;
}

int program_become(const char *const *argv, struct why *why)
{
    execv(argv[0], (char *const *)(uintptr_t)argv);
    return why_set(why, (enum err)err_of_errno(errno), "%s cannot be executed: %s", argv[0],
                   strerror(errno));
}
