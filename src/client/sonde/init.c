#include "client/sonde/init.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/core/command.h"
#include "client/core/id.h"
#include "client/core/identity.h"
#include "client/core/outgoing.h"
#include "client/core/problem.h"
#include "client/core/setting.h"
#include "client/core/slot.h"
#include "client/core/ticks.h"
#include "client/core/worker.h"
#include "client/sonde/basics.h"
#include "sonde/core.h"

enum { CLOCK_PERIOD_MS = 5000, END_NS = 50 * 1000000, WAIT_STEP_NS = 1000000 };

#define MODULE(name) extern const struct module name##_module;
#include "client/sonde/modules.tbl.h"
#undef MODULE

static const struct module *const modules[] = {
#define MODULE(name) &name##_module,
#include "client/sonde/modules.tbl.h"
#undef MODULE
    NULL,
};
static const size_t modules_n = sizeof modules / sizeof *modules - 1;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* init, shutdown, fork */
static bool running, hooked;
static bool unfinished; /* a shutdown gave up waiting for the thread: modules were not stopped */

static void read_clock(void *unused)
{
    ticks_again();
}

static struct worker_task clock_task = {
    .name = "clock", .run = read_clock, .period_ns = (uint64_t)CLOCK_PERIOD_MS * 1000000};

size_t init_modules(const struct module *const **ret)
{
    *ret = modules;
    return modules_n;
}

void init_problem(const char *sentence)
{
    problem_set("%s", sentence);
}

const char *sonde_last_problem(void)
{
    return problem_get();
}

const char *sonde_version(void)
{
    return SONDE_VERSION;
}

const char *sonde_error_text(int code)
{
    static const char *const texts[] = {
        "no error",
        "an argument is missing, or outside its limits",
        "there is no memory",
        "a bound of the library would be exceeded",
        "not possible in the present state of the library",
        "there is another one of that name",
        "there is no such thing",
        "the operating system refused",
        "it took longer than allowed",
        "not permitted",
        "this build or this system does not support it",
    };
    size_t i = code <= 0 ? 0 - (size_t)code : sizeof texts;
    return i < sizeof texts / sizeof *texts ? texts[i] : "an unknown error";
}

bool sonde_running(void)
{
    return atomic_load_explicit(&module_on, memory_order_relaxed);
}

bool sonde_connected(void)
{
    return sonde_running() && outgoing_connected();
}

/* Stops the first n modules, the last of them first. */
static void stop_modules(size_t n)
{
    while (n--) {
        if (modules[n]->stop) {
            modules[n]->stop();
        }
    }
}

static int start_modules(char *problem)
{
    for (size_t i = 0; modules[i]; i++) {
        int err = modules[i]->start ? modules[i]->start(problem) : 0;
        if (err) {
            stop_modules(i);
            return err;
        }
    }
    return 0;
}

static void before_fork(void)
{
    worker_fork_wait();
    pthread_mutex_lock(&lock);
    slot_fork_prepare();
    worker_fork_prepare();
}

static void after_fork_in_parent(void)
{
    worker_fork_parent();
    slot_fork_parent();
    pthread_mutex_unlock(&lock);
}

static void after_fork_in_child(void)
{
    id_fork_child();
    worker_fork_child();
    slot_fork_child();
    if (running) {
        atomic_store(&module_asleep, true);
    }
    pthread_mutex_unlock(&lock);
}

/* In a child that uses the library: it is a process of its own from now on. */
static void wake_in_child(void)
{
    pthread_mutex_lock(&lock);
    if (running) {
        ticks_again();
        identity_load();
        for (size_t i = 0; modules[i]; i++) {
            if (modules[i]->fork_child) {
                modules[i]->fork_child();
            }
        }
        (void)worker_start(); /* without a thread it records and cannot send: nothing to be done */
    }
    pthread_mutex_unlock(&lock);
}

static void at_exit(void)
{
    if (!atomic_load(&module_asleep)) { /* a child that never used it says nothing */
        sonde_shutdown((unsigned)setting.shutdown_ms);
    }
}

static void hook(void)
{
    if (!hooked) {
        hooked = true;
        module_on_wake(wake_in_child);
        pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
        atexit(at_exit);
    }
}

static int start(const sonde_options *options, char *problem)
{
    int err = setting_load(options, problem);
    if (err || !setting.enabled) {
        return err;
    }
    ticks_start(setting.clock_monotonic);
    identity_load();
    basics_start();
    err = start_modules(problem);
    if (err) {
        return err;
    }
    hook();
    err = worker_start();
    if (err) {
        snprintf(problem, SETTING_PROBLEM_MAX, "the library's thread could not be started");
        stop_modules(modules_n);
        return err;
    }
    worker_task_add(&clock_task);
    running = true;
    atomic_store(&module_on, true);
    return 0;
}

int sonde_init(const sonde_options *options)
{
    char problem[SETTING_PROBLEM_MAX] = "";
    pthread_mutex_lock(&lock);
    int err = SONDE_ERROR_STATE;
    if (running) {
        snprintf(problem, sizeof problem, "it runs already: sonde_shutdown() comes first");
    } else if (unfinished && worker_running()) {
        snprintf(problem, sizeof problem, "its thread is still busy with the shutdown before");
    } else {
        if (unfinished) {
            unfinished = false;
            stop_modules(modules_n);
        }
        err = start(options, problem);
    }
    pthread_mutex_unlock(&lock);
    if (err) {
        init_problem(*problem ? problem : sonde_error_text(err));
    }
    return err;
}

static void flush_modules(void)
{
    for (size_t i = 0; modules[i]; i++) {
        if (modules[i]->flush) {
            modules[i]->flush();
        }
    }
}

static void flush_call(struct worker_job *job)
{
    flush_modules();
}

static void flush_drop(struct worker_job *job)
{
    free(job);
}

/* Lets all modules hand over what they have, then waits for its delivery. */
static int flush_until(uint64_t deadline_ns)
{
    struct worker_job *job = calloc(1, sizeof *job);
    if (!job) {
        return SONDE_ERROR_MEMORY;
    }
    job->call = flush_call;
    job->drop = flush_drop;
    uint64_t now = ticks_monotonic_ns();
    unsigned left_ms = deadline_ns > now ? (unsigned)((deadline_ns - now) / 1000000) : 0;
    int err = worker_call(job, left_ms);
    while (err == 0 && !worker_is_mine() && !outgoing_idle()) {
        if (ticks_monotonic_ns() >= deadline_ns) {
            return SONDE_ERROR_TIMEOUT;
        }
        struct timespec pause = {.tv_nsec = WAIT_STEP_NS};
        nanosleep(&pause, NULL);
    }
    return err;
}

int sonde_flush(unsigned timeout_ms)
{
    if (!sonde_running()) {
        return SONDE_ERROR_STATE;
    }
    module_wake();
    return flush_until(ticks_monotonic_ns() + (uint64_t)timeout_ms * 1000000);
}

int sonde_shutdown(unsigned timeout_ms)
{
    uint64_t deadline = ticks_monotonic_ns() + (uint64_t)timeout_ms * 1000000;
    if (!sonde_running() || worker_is_mine()) {
        return SONDE_ERROR_STATE;
    }
    pthread_mutex_lock(&lock);
    if (!running) {
        pthread_mutex_unlock(&lock);
        return SONDE_ERROR_STATE;
    }
    running = false;
    pthread_mutex_unlock(&lock);
    bool asleep = atomic_exchange(&module_asleep, false);
    uint64_t reserve = (uint64_t)timeout_ms * 1000000 / 4; /* of the time, for the end itself */
    reserve = reserve < END_NS ? reserve : END_NS;
    atomic_store(&module_ending, true);
    int err = asleep ? 0 : flush_until(deadline - reserve);
    atomic_store(&module_on, false);
    atomic_store(&module_ending, false);
    pthread_mutex_lock(&lock);
    uint64_t least = ticks_monotonic_ns() + END_NS;
    bool over = worker_stop(deadline > least ? deadline : least);
    worker_task_remove(&clock_task);
    if (over) { /* otherwise its callback may still use what modules would free */
        stop_modules(modules_n);
    }
    unfinished = !over;
    pthread_mutex_unlock(&lock);
    return over ? err : SONDE_ERROR_TIMEOUT;
}

int sonde_query(const char *command, char *ret, size_t size, size_t *ret_length)
{
    if (!command || (!ret && size)) {
        return SONDE_ERROR_ARGUMENT;
    }
    module_wake();
    struct text t;
    text_init(&t, COMMAND_ANSWER_MAX);
    int err = command_run(command, strlen(command), COMMAND_ADMIN, &t);
    if (size) {
        size_t n = t.len < size - 1 ? t.len : size - 1;
        memcpy(ret, t.bytes ? t.bytes : "", n);
        ret[n] = 0;
    }
    if (ret_length) {
        *ret_length = t.len;
    }
    text_done(&t);
    return err;
}
