#include "os/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/must.h"

enum { EXEC_FAILED = 127 };

/* The pipes of a child: both ends of each, and one that says why exec() failed. */
struct pipes {
    int input[2], output[2], error[2], fault[2];
};

static void close_pair(int *pair)
{
    for (int i = 0; i < 2; i++)
        if (pair[i] >= 0)
            close(pair[i]);
    pair[0] = pair[1] = -1;
}

static void close_all(struct pipes *p)
{
    close_pair(p->input);
    close_pair(p->output);
    close_pair(p->error);
    close_pair(p->fault);
}

static int open_all(struct pipes *p, bool input)
{
    *p = (struct pipes){{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
    bool fine = pipe2(p->output, O_CLOEXEC) == 0 && pipe2(p->error, O_CLOEXEC) == 0 &&
                pipe2(p->fault, O_CLOEXEC) == 0;
    if (fine && input)
        fine = pipe2(p->input, O_CLOEXEC) == 0;
    else if (fine)
        fine = (p->input[0] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;
    if (fine)
        return 0;
    int err = -err_of_errno(errno);
    close_all(p);
    return err;
}

/* In the child, between fork and exec: async-signal-safe calls only. */
static void NORETURN become(const struct spawn_config *config, const struct pipes *p)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};
    sigset_t none;
    sigemptyset(&none);
    for (int i = 1; i < NSIG; i++)
        sigaction(i, &plain, NULL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* who started it is to end it, and cannot any more */
    bool fine = setpgid(0, 0) == 0 && dup2(p->input[0], STDIN_FILENO) >= 0 &&
                dup2(p->output[1], STDOUT_FILENO) >= 0 && dup2(p->error[1], STDERR_FILENO) >= 0 &&
                chdir(config->folder == NULL ? "/" : config->folder) == 0;
    if (fine) /* execvp() takes them as writable for history's sake alone */
        execvp(config->argv[0], (char *const *)(uintptr_t)config->argv);
    int fault = errno;
    ssize_t written UNUSED = write(p->fault[1], &fault, sizeof fault);
    _exit(EXEC_FAILED);
}

int spawn_start(const struct spawn_config *config, struct spawn *ret, struct why *why)
{
    struct pipes p;
    int fault = 0;
    int err = open_all(&p, config->input);
    if (err != 0)
        return why_set(why, (enum err) - err, "no pipes to a new process: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0)
        become(config, &p);
    if (pid < 0) {
        err = why_set(why, (enum err)err_of_errno(errno), "no new process: %s", strerror(errno));
        close_all(&p);
        return err;
    }
    close(p.fault[1]);
    p.fault[1] = -1;
    ssize_t n;
    do
        n = read(p.fault[0], &fault, sizeof fault);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)sizeof fault) {
        waitpid(pid, NULL, 0);
        close_all(&p);
        return why_set(why, (enum err)err_of_errno(fault), "%s cannot be started: %s",
                       config->argv[0], strerror(fault));
    }
    fcntl(p.output[0], F_SETFL, O_NONBLOCK);
    fcntl(p.error[0], F_SETFL, O_NONBLOCK);
    *ret = (struct spawn){(int)pid, config->input ? p.input[1] : -1, p.output[0], p.error[0]};
    p.output[0] = p.error[0] = -1;
    p.input[1] = -1;
    close_all(&p);
    return 0;
}

void spawn_signal(int pid, int signum)
{
    kill(-pid, signum);
}

bool spawn_reap(int *ret_pid, int *ret_status, int *ret_signal)
{
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid <= 0)
        return false;
    *ret_pid = (int)pid;
    *ret_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    *ret_status = WIFSIGNALED(status) ? -1 : WEXITSTATUS(status);
    return true;
}

int spawn_copy(int *ret_pid)
{
    pid_t pid = fork();
    if (pid < 0)
        return -err_of_errno(errno);
    *ret_pid = (int)pid;
    return 0;
}

void spawn_alone(const char *name, int keep)
{
    prctl(PR_SET_NAME, name);
    struct sigaction plain = {.sa_handler = SIG_DFL}, ignore = {.sa_handler = SIG_IGN};
    int low = STDERR_FILENO + 1;
    for (int i = 1; i < NSIG; i++)
        sigaction(i, &plain, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    /* Who is told to end by a terminal or a service manager is the parent; this one ends when the
     * other end of its socket does. */
    sigaction(SIGINT, &ignore, NULL);
    sigaction(SIGTERM, &ignore, NULL);
    sigaction(SIGHUP, &ignore, NULL);
    if (keep > low)
        syscall(SYS_close_range, (unsigned)low, (unsigned)keep - 1, 0U);
    syscall(SYS_close_range, (unsigned)MAX(keep + 1, low), ~0U, 0U);
}

int spawn_watch(int *ret_fd)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_SETMASK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return -err_of_errno(errno);
    *ret_fd = fd;
    return 0;
}

void spawn_watched(int fd)
{
    struct signalfd_siginfo info;
    while (read(fd, &info, sizeof info) > 0)
        continue;
}
