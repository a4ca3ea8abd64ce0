#include "os/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/must.h"
#include "os/channel.h"

enum { EXEC_FAILED = 127 }; /* exit status, as shells have it */

struct child {
    pid_t pid;
    int pidfd, channel, output;
    bool ended;
    struct child_end end;
};

/* In the child, between fork and exec: async-signal-safe calls only. */
static void NORETURN die(const char *text)
{
    ssize_t written UNUSED = write(STDERR_FILENO, text, strlen(text));
    _exit(EXEC_FAILED);
}

/* Puts channel and fds at CHILD_CHANNEL_FD and behind, and closes everything above. */
static void place_fds(int channel, const int *fds, size_t n)
{
    int above = CHILD_FIRST_FD + (int)n, moved[CHILD_FDS_MAX + 1];
    moved[0] = fcntl(channel, F_DUPFD, above);
    for (size_t i = 0; i < n; i++)
        moved[i + 1] = fcntl(fds[i], F_DUPFD, above);
    for (size_t i = 0; i <= n; i++)
        if (moved[i] < 0 || dup2(moved[i], CHILD_CHANNEL_FD + (int)i) < 0)
            die("the new process cannot take over its descriptors\n");
    if (syscall(SYS_close_range, (unsigned)above, ~0U, 0U) != 0)
        for (int fd = above; fd < above + 4096; fd++)
            close(fd);
}

static void NORETURN become(const struct child_config *config, int channel, int output,
                            pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        die("the parent process is gone\n");
    if (dup2(output, STDERR_FILENO) < 0)
        die("no standard error for the new process\n");
    place_fds(channel, config->fds, config->fds_n);
    /* execv() takes them as writable for history's sake alone. */
    execv(config->path, (char *const *)(uintptr_t)config->argv);
    die("the program cannot be started\n");
}

int child_start(const struct child_config *config, struct child **ret, struct why *why)
{
    must(config->fds_n <= CHILD_FDS_MAX);
    int ends[2], output[2];
    int err = channel_pair(ends);
    if (err != 0)
        return why_set(why, (enum err) - err, "no channel to a new process: %s", strerror(errno));
    if (pipe2(output, O_CLOEXEC) != 0) {
        err = why_set(why, (enum err)err_of_errno(errno), "no pipe from a new process: %s",
                      strerror(errno));
        close(ends[0]);
        close(ends[1]);
        return err;
    }
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        become(config, ends[1], output[1], parent);
    int saved = errno;
    close(ends[1]);
    close(output[1]);
    if (pid < 0) {
        close(ends[0]);
        close(output[0]);
        return why_set(why, (enum err)err_of_errno(saved), "no new process: %s", strerror(saved));
    }
    fcntl(output[0], F_SETFL, O_NONBLOCK);

    struct child *c = mem_new(sizeof *c);
    c->pid = pid;
    c->channel = ends[0];
    c->output = output[0];
    c->pidfd = (int)syscall(SYS_pidfd_open, pid, 0U);
    *ret = c;
    return 0;
}

int child_pid(const struct child *c)
{
    return (int)c->pid;
}

int child_end_fd(const struct child *c)
{
    return c->pidfd;
}

int child_channel_fd(const struct child *c)
{
    return c->channel;
}

int child_output_fd(const struct child *c)
{
    return c->output;
}

size_t child_output(struct child *c, char *p, size_t n)
{
    if (c->output < 0)
        return 0;
    ssize_t got = read(c->output, p, n);
    if (got > 0)
        return (size_t)got;
    if (got == 0) {
        close(c->output);
        c->output = -1;
    }
    return 0;
}

void child_signal(struct child *c, int signum)
{
    /* Until it has been waited for, its number belongs to nobody else. */
    if (!c->ended)
        kill(c->pid, signum);
}

static void take_end(struct child *c, int options)
{
    int status;
    pid_t pid;
    do
        pid = waitpid(c->pid, &status, options);
    while (pid < 0 && errno == EINTR);
    if (pid != c->pid)
        return;
    c->ended = true;
    c->end.signaled = WIFSIGNALED(status);
    c->end.code = c->end.signaled ? WTERMSIG(status) : WEXITSTATUS(status);
}

bool child_ended(struct child *c, struct child_end *ret)
{
    if (!c->ended)
        take_end(c, WNOHANG);
    if (c->ended)
        *ret = c->end;
    return c->ended;
}

void child_free(struct child *c)
{
    if (c == NULL)
        return;
    if (!c->ended) {
        kill(c->pid, SIGKILL);
        take_end(c, 0);
    }
    channel_close(c->pidfd);
    channel_close(c->channel);
    channel_close(c->output);
    mem_free(c);
}
