#include "client/crash/handler.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "client/core/setting.h"
#include "client/core/ticks.h"
#include "client/crash/gather.h"
#include "client/crash/handover.h"

enum { STEP_NS = 5000000, OTHERS_WAIT_MS = 1000 };

static const struct {
    int number;
    const char *name;
} known[] = {{SIGSEGV, "SEGV"}, {SIGABRT, "ABRT"}, {SIGFPE, "FPE"},  {SIGBUS, "BUS"},
             {SIGILL, "ILL"},   {SIGSYS, "SYS"},   {SIGTRAP, "TRAP"}};
enum { KNOWN = sizeof known / sizeof *known };

static struct {
    bool installed;
    struct sigaction before;
} taken[KNOWN];
static struct record_file *file;
static _Atomic pid_t owner; /* the thread that writes the record; 0: none has crashed */
static _Atomic bool over;   /* its work is done */
static struct {             /* of the last fault that the program's handler was asked for first */
    _Atomic pid_t tid;
    void *_Atomic address;
} asked;

static void on_signal(int number, siginfo_t *info, void *context);

/* The row of a name [n] like "SEGV" or "SIGSEGV"; KNOWN: none. */
static size_t row_of(const char *name, size_t n)
{
    if (n > 3 && strncmp(name, "SIG", 3) == 0) {
        name += 3;
        n -= 3;
    }
    size_t i = 0;
    while (i < KNOWN && (strlen(known[i].name) != n || strncmp(known[i].name, name, n) != 0)) {
        i++;
    }
    return i;
}

/* Marks the signals of the setting in wanted [KNOWN]; the place of a bad name, or NULL. */
static const char *read_setting(bool *wanted)
{
    static const char between[] = ", ";
    const char *at = setting.crash_signals;
    memset(wanted, 0, KNOWN * sizeof *wanted);
    for (at += strspn(at, between); *at; at += strspn(at, between)) {
        size_t n = strcspn(at, between), row = row_of(at, n);
        if (row == KNOWN) {
            return at;
        }
        wanted[row] = true;
        at += n;
    }
    return NULL;
}

bool handler_check(char *problem)
{
    bool wanted[KNOWN];
    const char *bad = read_setting(wanted);
    if (bad) {
        snprintf(problem, SETTING_PROBLEM_MAX,
                 "crash.signals: \"%.20s\" is none of SEGV, ABRT, FPE, BUS, ILL, SYS, TRAP", bad);
    }
    return !bad;
}

static bool is_ours(const struct sigaction *a)
{
    return (a->sa_flags & SA_SIGINFO) && a->sa_sigaction == on_signal;
}

void handler_start(struct record_file *record)
{
    bool wanted[KNOWN];
    struct sigaction ours;
    (void)read_setting(wanted); /* handler_check() came before */
    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = on_signal;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigemptyset(&ours.sa_mask);
    file = record;
    for (size_t i = 0; i < KNOWN; i++) {
        struct sigaction *before = &taken[i].before;
        if (!wanted[i] || taken[i].installed || sigaction(known[i].number, NULL, before) != 0 ||
            (!(before->sa_flags & SA_SIGINFO) && before->sa_handler == SIG_IGN)) {
            continue;
        }
        taken[i].installed = is_ours(before) || sigaction(known[i].number, &ours, NULL) == 0;
    }
}

/* A fault whose signal is blocked ends the process without any handler. */
void handler_let_in(void)
{
    sigset_t faults;
    sigemptyset(&faults);
    for (size_t i = 0; i < KNOWN; i++) {
        sigaddset(&faults, known[i].number);
    }
    pthread_sigmask(SIG_UNBLOCK, &faults, NULL);
}

void handler_stop(void)
{
    for (size_t i = 0; i < KNOWN; i++) {
        struct sigaction now;
        if (taken[i].installed && sigaction(known[i].number, NULL, &now) == 0 && is_ours(&now)) {
            sigaction(known[i].number, &taken[i].before, NULL);
            taken[i].installed = false;
        } /* else somebody chains to ours: it stays, and passes on */
    }
    file = NULL;
}

/* The mask and the flags with which a handler wants to be called; the mask holds until ours
 * returns. */
static void as_the_kernel_would(int number, struct sigaction *a)
{
    sigset_t set = a->sa_mask;
    if (!(a->sa_flags & SA_NODEFER)) {
        sigaddset(&set, number);
    }
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (a->sa_flags & (int)SA_RESETHAND) {
        memset(a, 0, sizeof *a);
        a->sa_handler = SIG_DFL;
    }
}

/* The handler of the program; false: there is none. */
static bool call_before(int number, siginfo_t *info, void *context)
{
    for (size_t i = 0; i < KNOWN; i++) {
        struct sigaction *b = &taken[i].before;
        if (known[i].number != number || is_ours(b)) {
            continue;
        }
        const struct sigaction called = *b;
        if (!(b->sa_flags & SA_SIGINFO) && (b->sa_handler == SIG_DFL || b->sa_handler == SIG_IGN)) {
            return false;
        }
        as_the_kernel_would(number, b);
        if (called.sa_flags & SA_SIGINFO) {
            called.sa_sigaction(number, info, context);
        } else {
            called.sa_handler(number);
        }
        return true;
    }
    return false;
}

/* What happens without any handler: the signal is sent again with its own siginfo, and taken when
 * this handler returns, before another instruction of the program runs. */
static void die(int number, siginfo_t *info)
{
    struct sigaction standard;
    sigset_t set;
    memset(&standard, 0, sizeof standard);
    standard.sa_handler = SIG_DFL;
    sigemptyset(&set);
    sigaddset(&set, number);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    sigaction(number, &standard, NULL);
    long tid = syscall(SYS_gettid), pid = getpid();
    if (syscall(SYS_rt_tgsigqueueinfo, pid, tid, number, info) != 0) {
        syscall(SYS_tgkill, pid, tid, number);
    }
}

static void sleep_step(void)
{
    struct timespec step = {.tv_nsec = STEP_NS};
    nanosleep(&step, NULL);
}

/* Another thread of ours has crashed before: it must not die before its record is written. */
static void wait_for_owner(void)
{
    uint64_t until =
        ticks_monotonic_ns() + (setting.crash_deadline_ms + (uint64_t)OTHERS_WAIT_MS) * 1000000;
    while (!atomic_load(&over) && ticks_monotonic_ns() < until) {
        sleep_step();
    }
}

static void record(siginfo_t *info, const void *context)
{
    static struct record_file child;
    struct record_file *f = file;
    uint64_t deadline = ticks_monotonic_ns() + setting.crash_deadline_ms * 1000000;
    handler_let_in();
    if (f->pid != getpid()) { /* after fork(): the parent's record is not ours */
        if (!record_file_fork(f, &child)) {
            return;
        }
        f = &child;
        gather_child(f->at);
    }
    gather_crash(f->at, info, context);
    if (!handover_send(f->at, deadline) && handover_help(f->path, deadline)) {
        f->at->state = CRASH_DELIVERED;
    }
}

/* The program's handler comes first (crash.chain_first), once for each fault: it may be a runtime
 * whose faults are no crashes. True: it has been asked and has returned. */
static bool ask_first(int number, siginfo_t *info, void *context)
{
    pid_t tid = (pid_t)syscall(SYS_gettid);
    if (!setting.crash_chain_first ||
        (atomic_load(&asked.tid) == tid && atomic_load(&asked.address) == info->si_addr)) {
        return false;
    }
    atomic_store(&asked.address, info->si_addr);
    atomic_store(&asked.tid, tid);
    return call_before(number, info, context);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    int kept = errno;
    pid_t nobody = 0, me = (pid_t)syscall(SYS_gettid);
    gather_fault(); /* does not return where it was the handler that met a fault */
    if (!file || !file->at || !setting.crash_enabled) {
        if (!call_before(number, info, context)) {
            die(number, info);
        }
    } else if (atomic_load(&owner) == 0 && ask_first(number, info, context)) {
        errno = kept;
        return;
    } else if (atomic_compare_exchange_strong(&owner, &nobody, me)) {
        record(info, context);
        atomic_store(&over, true);
        if (!call_before(number, info, context)) {
            die(number, info);
        }
    } else {
        if (nobody != me) {
            wait_for_owner();
        }
        if (nobody != me || !call_before(number, info, context)) {
            die(number, info);
        }
    }
    errno = kept;
}
