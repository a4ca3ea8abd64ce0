#include "client/stack/thread_stack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "client/core/setting.h"
#include "client/core/ticks.h"
#include "sonde/core.h"

enum { EACH_MS = 100, STEP_NS = 50000, STATUS_BYTES = 4096 };

/* Of the one question that is open: sequence * 4 + one of these. */
enum { STATE_OVER, STATE_ASKED, STATE_WRITING, STATE_DONE };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic uint64_t state;
static uint64_t sequence;  /* under the lock */
static struct peek memory; /* of the handler that has the state WRITING */
static uintptr_t frame[UNWIND_FRAMES_MAX];
static size_t frame_n;

static void on_signal(int signal, siginfo_t *info, void *context)
{
    int kept = errno;
    uint64_t asked = (uint64_t)(uintptr_t)info->si_value.sival_ptr * 4 + STATE_ASKED;
    if (info->si_code == SI_QUEUE && info->si_pid == getpid() &&
        atomic_compare_exchange_strong(&state, &asked, asked - STATE_ASKED + STATE_WRITING)) {
        frame_n = unwind_walk(&memory, context, frame, UNWIND_FRAMES_MAX);
        atomic_store(&state, asked - STATE_ASKED + STATE_DONE);
    }
    errno = kept; /* an answer that comes too late is nobody's */
}

/* Our handler stays: a question that is answered late must not end the program. */
static int install(int number)
{
    struct sigaction before, ours;
    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = on_signal;
    ours.sa_flags = SA_SIGINFO | SA_RESTART;
    sigfillset(&ours.sa_mask);
    if (number < SIGRTMIN || number > SIGRTMAX || sigaction(number, NULL, &before) != 0) {
        return SONDE_ERROR_STATE;
    }
    if ((before.sa_flags & SA_SIGINFO) && before.sa_sigaction == on_signal) {
        return 0;
    }
    if ((before.sa_flags & SA_SIGINFO) || before.sa_handler != SIG_DFL) {
        return SONDE_ERROR_STATE;
    }
    return sigaction(number, &ours, NULL) == 0 ? 0 : SONDE_ERROR_SYSTEM;
}

/* Name and state of a thread; true where it lets the signal in. */
static bool look(pid_t tid, int number, struct thread_stack *t)
{
    char path[64], s[STATUS_BYTES];
    snprintf(path, sizeof path, "/proc/self/task/%d/status", (int)tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, s, sizeof s - 1) : -1;
    if (fd >= 0) {
        close(fd);
    }
    s[n > 0 ? n : 0] = 0;
    t->state = '?';
    const char *name = strstr(s, "Name:\t"), *is = strstr(s, "State:\t");
    const char *blocked = strstr(s, "SigBlk:\t");
    if (name) {
        size_t len = strcspn(name + 6, "\n");
        snprintf(t->name, sizeof t->name, "%.*s", (int)len, name + 6);
    }
    if (is) {
        t->state = is[7];
    }
    return blocked && !(strtoull(blocked + 8, NULL, 16) >> (number - 1) & 1);
}

static bool ask(pid_t tid, int number)
{
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_ptr = (void *)(uintptr_t)sequence;
    return syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, number, &info) == 0;
}

/* Waits for the answer of this thread; false: too late, and nobody will write it any more. */
static bool wait_for_answer(uint64_t until_ns)
{
    uint64_t done = sequence * 4 + STATE_DONE, asked = sequence * 4 + STATE_ASKED;
    while (atomic_load(&state) != done) {
        struct timespec step = {.tv_nsec = STEP_NS};
        if (ticks_monotonic_ns() > until_ns &&
            atomic_compare_exchange_strong(&state, &asked, sequence * 4 + STATE_OVER)) {
            return false;
        }
        asked = sequence * 4 + STATE_ASKED;
        nanosleep(&step, NULL);
    }
    return true;
}

static void take(struct thread_stack *t, pid_t tid, int number, uint64_t deadline_ns)
{
    memset(t, 0, offsetof(struct thread_stack, frame));
    t->tid = tid;
    bool open = look(tid, number, t);
    if (tid == (pid_t)syscall(SYS_gettid)) {
        t->n = unwind_here(t->frame, UNWIND_FRAMES_MAX, 0);
        return;
    }
    uint64_t now = ticks_monotonic_ns(), until = now + (uint64_t)EACH_MS * 1000000;
    until = until < deadline_ns ? until : deadline_ns;
    if (!open || now >= deadline_ns) {
        return;
    }
    sequence++;
    atomic_store(&state, sequence * 4 + STATE_ASKED);
    if (ask(tid, number) && wait_for_answer(until)) {
        t->n = frame_n;
        memcpy(t->frame, frame, frame_n * sizeof *frame);
    }
    atomic_store(&state, sequence * 4 + STATE_OVER);
}

static int each(uint64_t deadline_ns, int number,
                void (*visit)(const struct thread_stack *t, void *context), void *context)
{
    DIR *folder = opendir("/proc/self/task");
    struct thread_stack *t = malloc(sizeof *t);
    int err = folder && t ? 0 : SONDE_ERROR_SYSTEM;
    const struct dirent *entry;
    for (size_t i = 0; !err && i < THREAD_STACK_THREADS_MAX && (entry = readdir(folder)); i++) {
        pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (tid > 0) {
            take(t, tid, number, deadline_ns);
            visit(t, context);
        }
    }
    if (folder) {
        closedir(folder);
    }
    free(t);
    return err;
}

int thread_stack_each(unsigned timeout_ms,
                      void (*visit)(const struct thread_stack *t, void *context), void *context)
{
    uint64_t deadline = ticks_monotonic_ns() + (uint64_t)timeout_ms * 1000000;
    int number = (int)setting.stack_signal;
    if (pthread_mutex_trylock(&lock) != 0) {
        return SONDE_ERROR_STATE;
    }
    int err = install(number);
    if (!err) {
        err = each(deadline, number, visit, context);
    }
    pthread_mutex_unlock(&lock);
    return err;
}

void thread_stack_fork_child(void)
{
    pthread_mutex_init(&lock, NULL);
    atomic_store(&state, 0);
}
