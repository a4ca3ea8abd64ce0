#include "sonde/crash.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "client/core/command.h"
#include "client/core/id.h"
#include "client/core/lost.h"
#include "client/core/module.h"
#include "client/core/outgoing.h"
#include "client/core/setting.h"
#include "client/core/ticks.h"
#include "client/core/worker.h"
#include "client/crash/altstack.h"
#include "client/crash/gather.h"
#include "client/crash/handler.h"
#include "client/crash/handover.h"
#include "client/crash/record.h"
#include "client/crash/record_file.h"
#include "client/crash/report.h"
#include "client/crash/terminate.h"
#include "client/error/session.h"
#include "client/send/spool.h"

enum { SWEEP_S = 10, SENT_MS = 5000, CORE_MS = 30000, CORE_STEP_NS = 5000000, LEFT_MAX = 8 };

static struct record_file file; /* .at NULL: crashes are not recorded */
static _Atomic int last_run;

/* ---- what earlier runs have left */

static void put(const char *category, const struct text *t)
{
    const struct outgoing what = {FRAME_ENVELOPE, 1, category};
    outgoing_put(&what, t);
}

/* A program that ended without a word. */
static void send_abnormal(const struct crash_record *r)
{
    struct text t;
    text_init(&t, REPORT_BYTES_MAX);
    bool restarted = memcmp(r->boot_id, file.at->boot_id, sizeof r->boot_id) != 0;
    if (setting.crash_abnormal_events) {
        if (report_write_abnormal(r, restarted, &t)) {
            put("error", &t);
        } else {
            lost_add(LOST_ERROR, LOST_MEMORY, 1);
        }
    } else if (report_write_session(r, &t)) {
        put("session", &t);
    }
    text_done(&t);
}

static void send_record(const struct crash_record *r, const struct record_parts *parts)
{
    struct text t;
    text_init(&t, REPORT_BYTES_MAX);
    if (report_write(r, parts, NULL, &t)) {
        put("error", &t);
    } else {
        lost_add(LOST_ERROR, LOST_MEMORY, 1);
    }
    text_done(&t);
}

/* On the worker: true, it is settled. */
static bool settle(const void *bytes, size_t n, void *unused)
{
    const struct crash_record *r = bytes;
    struct record_parts parts;
    char problem[RECORD_PROBLEM_MAX];
    if (!record_check(bytes, n, &parts, problem)) {
        bool was_made = n >= sizeof *r && r->size; /* else it ended before its head was written */
        lost_add(LOST_ERROR, LOST_REFUSED, was_made);
    } else if (r->state == CRASH_RUNNING) {
        send_abnormal(r);
    } else if (r->state != CRASH_DELIVERED) {
        send_record(r, &parts);
    }
    return true;
}

static bool look(const void *bytes, size_t n, void *count)
{
    ++*(size_t *)count;
    const struct crash_record *r = bytes;
    struct record_parts parts;
    char problem[RECORD_PROBLEM_MAX];
    int was = SONDE_CRASH_LAST_CLEAN;
    if (record_check(bytes, n, &parts, problem)) {
        was = r->state == CRASH_RUNNING ? SONDE_CRASH_LAST_ABNORMAL : SONDE_CRASH_LAST_CRASHED;
    }
    int before = atomic_load(&last_run);
    if (was == SONDE_CRASH_LAST_CRASHED || before == SONDE_CRASH_LAST_CLEAN) {
        atomic_store(&last_run, was);
    }
    return false;
}

static void sweep(void *unused)
{
    altstack_worker(); /* callbacks of the program run here too, and may crash */
    handler_let_in();
    file.at->seen_unix_ns = ticks_unix_now_ns();
    terminate_hook(); /* libstdc++ may have been loaded since */
    record_file_sweep(spool_path(), &file, settle, NULL);
}

static struct worker_task sweep_task = {
    .name = "crash", .run = sweep, .period_ns = (uint64_t)SWEEP_S * 1000000000u};

/* ---- on demand */

struct demand {
    struct worker_job job; /* first: the job is the whole */
    struct crash_record *record;
};

static void demand_send(struct worker_job *job)
{
    struct demand *d = (struct demand *)job;
    struct record_parts parts;
    char problem[RECORD_PROBLEM_MAX];
    if (record_check(d->record, d->record->size, &parts, problem)) {
        send_record(d->record, &parts);
    }
}

static void demand_drop(struct worker_job *job)
{
    struct demand *d = (struct demand *)job;
    free(d->record);
    free(d);
}

static struct demand *demand_new(void)
{
    struct demand *d = calloc(1, sizeof *d);
    if (d) {
        d->record = calloc(1, CRASH_RECORD_MAX);
        d->job.call = demand_send;
        d->job.drop = demand_drop;
    }
    if (d && !d->record) {
        free(d);
        d = NULL;
    }
    return d;
}

__attribute__((noinline)) int sonde_crash_record_now(const char *reason)
{
    ucontext_t here;
    if (!atomic_load(&module_on)) {
        return SONDE_ERROR_STATE;
    }
    module_wake();
    if (!file.at) {
        return SONDE_ERROR_STATE;
    }
    struct demand *d = demand_new();
    if (!d || getcontext(&here) != 0) {
        if (d) {
            demand_drop(&d->job);
        }
        return SONDE_ERROR_MEMORY;
    }
    memcpy(d->record, file.at, sizeof *d->record);
    record_init(d->record);
    id_fill(d->record->event_id, sizeof d->record->event_id);
    gather_say("", reason ? reason : "");
    gather_crash(d->record, NULL, &here);
    return worker_call(&d->job, SENT_MS);
}

/* In the child: its memory is a copy of the program's, and nothing but system calls is safe. */
static void abort_for_core(void)
{
    struct sigaction standard;
    struct rlimit limit;
    sigset_t none;
    memset(&standard, 0, sizeof standard);
    standard.sa_handler = SIG_DFL;
    sigaction(SIGABRT, &standard, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (getrlimit(RLIMIT_CORE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_CORE, &limit);
    }
    long me = syscall(SYS_getpid);
    syscall(SYS_kill, me, SIGABRT);
    syscall(SYS_exit_group, 127);
}

int sonde_crash_core(unsigned timeout_ms)
{
    struct rlimit limit;
    int status = 0;
    if (!atomic_load(&module_on)) {
        return SONDE_ERROR_STATE;
    }
    if (getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0) {
        return SONDE_ERROR_UNSUPPORTED;
    }
    uint64_t until = ticks_monotonic_ns() + (uint64_t)timeout_ms * 1000000;
    /* No signal at its end: the program may wait for children of its own. */
    pid_t pid = (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);
    if (pid == 0) {
        abort_for_core();
    }
    while (pid > 0) {
        pid_t got = waitpid(pid, &status, (int)__WCLONE | WNOHANG);
        if (got == pid) {
            return WIFSIGNALED(status) && WCOREDUMP(status) ? 0 : SONDE_ERROR_UNSUPPORTED;
        }
        if ((got < 0 && errno != EINTR) || ticks_monotonic_ns() >= until) {
            return got < 0 ? SONDE_ERROR_SYSTEM : SONDE_ERROR_TIMEOUT;
        }
        struct timespec step = {.tv_nsec = CORE_STEP_NS};
        nanosleep(&step, NULL);
    }
    return SONDE_ERROR_SYSTEM;
}

/* ---- commands */

static int command_record(const struct command_call *call, struct jot *j, char *problem)
{
    int err = sonde_crash_record_now(*call->rest ? call->rest : "asked for by a command");
    if (err) {
        snprintf(problem, SETTING_PROBLEM_MAX, "no record: %s", sonde_error_text(err));
        return err;
    }
    jot_bool(j, "recorded", true);
    return 0;
}

static int command_core(const struct command_call *call, struct jot *j, char *problem)
{
    char pattern[256] = "";
    int err = sonde_crash_core(CORE_MS);
    FILE *f = fopen("/proc/sys/kernel/core_pattern", "re");
    if (f) {
        size_t n = fread(pattern, 1, sizeof pattern - 1, f);
        pattern[n ? n - 1 : 0] = 0;
        fclose(f);
    }
    if (err) {
        snprintf(problem, SETTING_PROBLEM_MAX, "no core file (core_pattern is \"%.100s\"): %s",
                 pattern, sonde_error_text(err));
        return err;
    }
    jot_bool(j, "written", true);
    jot_string(j, "core_pattern", pattern);
    return 0;
}

static struct command commands[] = {
    {"crash-record", "[REASON]", "Records this moment as a crash would, and sends it.",
     COMMAND_OPERATOR, command_record, NULL},
    {"core", "", "Writes a core file of this moment; the program goes on.", COMMAND_ADMIN,
     command_core, NULL},
};

/* ---- life */

static void prepare(void)
{
    if (!record_file_make(&file, spool_path())) {
        return;
    }
    gather_facts(file.at);
    id_fill(file.at->event_id, sizeof file.at->event_id);
    file.at->seen_unix_ns = ticks_unix_now_ns();
    session_mirror((struct session_state *)(void *)&file.at->mirror);
}

static int start(char *problem)
{
    if (!handler_check(problem)) {
        return SONDE_ERROR_ARGUMENT;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        command_add(&commands[i]);
    }
    atomic_store(&last_run, SONDE_CRASH_LAST_CLEAN);
    if (!setting.crash_enabled) {
        return 0;
    }
    prepare();
    if (!file.at) {
        return 0; /* without memory for a record the program runs on without one */
    }
    size_t left = 0;
    record_file_sweep(spool_path(), &file, look, &left);
    if (left > LEFT_MAX) { /* it crashes again and again, before its worker comes to them */
        record_file_sweep(spool_path(), &file, settle, NULL);
    }
    gather_start();
    handover_start(spool_path());
    altstack_start();
    handler_start(&file);
    terminate_hook();
    worker_task_add(&sweep_task);
    worker_task_now(&sweep_task);
    return 0;
}

static void stop(void)
{
    if (!file.at) {
        return;
    }
    worker_task_remove(&sweep_task);
    terminate_unhook();
    handler_stop();
    altstack_stop();
    session_mirror(NULL);
    record_file_remove(&file);
}

static void fork_child(void)
{
    altstack_fork_child();
    if (file.at) {
        record_file_forget(&file);
        prepare();
    }
}

int sonde_crash_thread(void)
{
    if (!atomic_load(&module_on)) {
        return SONDE_ERROR_STATE;
    }
    return altstack_take() ? 0 : SONDE_ERROR_MEMORY;
}

int sonde_crash_last_run(void)
{
    return atomic_load(&last_run);
}

const struct module crash_module = {
    .name = "crash", .start = start, .stop = stop, .fork_child = fork_child};
