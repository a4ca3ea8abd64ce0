#include "client/debug/external.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/core/command.h"
#include "client/core/identity.h"
#include "client/core/setting.h"
#include "sonde/core.h"

enum { PERF_WAIT_MS = 3000, FILE_MAX = 400 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pid_t perf;
static bool gperf_on, tracy_on;

/* POSIX promises that a function fits into the pointer that dlsym() gives. */
#define FIND(type, name) ((type)(uintptr_t)dlsym(RTLD_DEFAULT, name))
typedef int start_file_f(const char *path);
typedef void nothing_f(void);
typedef void path_f(const char *path);
typedef int mallctl_f(const char *name, void *old, size_t *old_n, void *new, size_t new_n);

static const char *file_of(const struct command_call *c, size_t word, const char *what,
                           char ret[FILE_MAX])
{
    if (c->n > word) {
        snprintf(ret, FILE_MAX, "%s", c->words[word]);
    } else {
        snprintf(ret, FILE_MAX, "/tmp/%.80s-%ld.%s", identity.service, (long)identity.pid, what);
    }
    return ret;
}

static bool perf_is_there(void)
{
    static const char *const places[] = {"/usr/bin/perf", "/usr/local/bin/perf", "/usr/sbin/perf"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (access(places[i], X_OK) == 0) {
            return true;
        }
    }
    return false;
}

static int start_perf(const char *file, char *problem)
{
    extern char **environ;
    char pid[20];
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    const char *const words[] = {"perf", "record", "-F", "99", "-g", "-p", pid, "-o", file, NULL};
    char *argv[sizeof words / sizeof *words];
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        argv[i] = (char *)(uintptr_t)words[i]; /* posix_spawn() does not write to them */
    }
    if (perf) {
        snprintf(problem, SETTING_PROBLEM_MAX, "perf runs already");
        return SONDE_ERROR_STATE;
    }
    posix_spawnattr_t attr;
    posix_spawn_file_actions_t actions;
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", 0, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", 1, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", 1, 0);
    int err = posix_spawnp(&perf, "perf", &actions, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    if (err) {
        perf = 0;
        snprintf(problem, SETTING_PROBLEM_MAX, "perf cannot be started: %s", strerror(err));
        return SONDE_ERROR_SYSTEM;
    }
    return 0;
}

static int stop_perf(char *problem)
{
    if (!perf) {
        snprintf(problem, SETTING_PROBLEM_MAX, "perf does not run");
        return SONDE_ERROR_STATE;
    }
    kill(perf, SIGINT);
    int status = 0;
    pid_t done = 0;
    for (int i = 0; i < PERF_WAIT_MS / 10 && done == 0; i++) {
        struct timespec pause = {.tv_nsec = 10000000};
        nanosleep(&pause, NULL);
        done = waitpid(perf, &status, WNOHANG);
    }
    if (done == 0) {
        kill(perf, SIGKILL);
        waitpid(perf, &status, 0);
    }
    perf = 0;
    /* perf ends with the signal that it was sent, or 0 */
    if (done > 0 && WIFEXITED(status) && WEXITSTATUS(status) != 0) {
        snprintf(problem, SETTING_PROBLEM_MAX,
                 "perf ended with status %d: is perf_event_paranoid low enough for this user?",
                 WEXITSTATUS(status));
        return SONDE_ERROR_SYSTEM;
    }
    return 0;
}

static int missing(const char *what, char *problem)
{
    snprintf(problem, SETTING_PROBLEM_MAX, "%s is not in this process", what);
    return SONDE_ERROR_UNSUPPORTED;
}

static int switch_gperf(bool on, const char *file, char *problem)
{
    start_file_f *start = FIND(start_file_f *, "ProfilerStart");
    nothing_f *stop = FIND(nothing_f *, "ProfilerStop");
    if (!start || !stop) {
        return missing("gperftools' libprofiler", problem);
    }
    if (on && !start(file)) {
        snprintf(problem, SETTING_PROBLEM_MAX, "gperftools could not start with %s", file);
        return SONDE_ERROR_SYSTEM;
    }
    if (!on) {
        stop();
    }
    gperf_on = on;
    return 0;
}

static int switch_tracy(bool on, char *problem)
{
    nothing_f *call =
        FIND(nothing_f *, on ? "___tracy_startup_profiler" : "___tracy_shutdown_profiler");
    if (!call) {
        return missing("Tracy (with TRACY_MANUAL_LIFETIME)", problem);
    }
    if (on == tracy_on) {
        snprintf(problem, SETTING_PROBLEM_MAX, on ? "Tracy runs already" : "Tracy does not run");
        return SONDE_ERROR_STATE;
    }
    call();
    tracy_on = on;
    return 0;
}

static void row(struct jot *j, const char *name, bool present, bool running)
{
    jot_object(j, NULL);
    jot_string(j, "name", name);
    jot_bool(j, "present", present);
    jot_bool(j, "running", running);
    jot_end(j);
}

static int list(struct jot *j)
{
    jot_array(j, "profilers");
    row(j, "perf", perf_is_there(), perf != 0);
    row(j, "gperftools", dlsym(RTLD_DEFAULT, "ProfilerStart") != NULL, gperf_on);
    row(j, "tracy", dlsym(RTLD_DEFAULT, "___tracy_startup_profiler") != NULL, tracy_on);
    jot_end(j);
    return 0;
}

static int switch_one(const struct command_call *c, bool on, struct jot *j, char *problem)
{
    char file[FILE_MAX];
    const char *name = c->words[2];
    int err;
    if (strcmp(name, "perf") == 0) {
        err = on ? start_perf(file_of(c, 3, "perf.data", file), problem) : stop_perf(problem);
    } else if (strcmp(name, "gperftools") == 0) {
        err = switch_gperf(on, file_of(c, 3, "prof", file), problem);
    } else if (strcmp(name, "tracy") == 0) {
        *file = 0;
        err = switch_tracy(on, problem);
    } else {
        snprintf(problem, SETTING_PROBLEM_MAX, "perf, gperftools or tracy is expected");
        return SONDE_ERROR_ARGUMENT;
    }
    if (!err) {
        jot_string(j, "profiler", name);
        jot_bool(j, "running", on);
        if (on && *file) {
            jot_string(j, "file", file);
        }
    }
    return err;
}

static int external(const struct command_call *c, struct jot *j, char *problem)
{
    bool start = c->n > 2 && strcmp(c->words[1], "start") == 0;
    bool stop = c->n > 2 && strcmp(c->words[1], "stop") == 0;
    bool all = c->n == 1 || strcmp(c->words[1], "list") == 0;
    if (!start && !stop && !all) {
        snprintf(problem, SETTING_PROBLEM_MAX, "external [list | start NAME [FILE] | stop NAME]");
        return SONDE_ERROR_ARGUMENT;
    }
    pthread_mutex_lock(&lock);
    int err = all ? list(j) : switch_one(c, start, j, problem);
    pthread_mutex_unlock(&lock);
    return err;
}

static int jemalloc_heap(mallctl_f *ctl, const char *word, const char *file, char *problem)
{
    bool on = strcmp(word, "start") == 0;
    int err = strcmp(word, "dump") == 0 ? ctl("prof.dump", NULL, NULL, &file, sizeof file)
                                        : ctl("prof.active", NULL, NULL, &on, sizeof on);
    if (err) {
        snprintf(problem, SETTING_PROBLEM_MAX,
                 "jemalloc refuses (%s): it must be built with profiling, and the program started "
                 "with MALLOC_CONF=prof:true",
                 strerror(err));
        return SONDE_ERROR_UNSUPPORTED;
    }
    return 0;
}

static int tcmalloc_heap(const char *word, const char *file, char *problem)
{
    if (strcmp(word, "start") == 0) {
        FIND(path_f *, "HeapProfilerStart")(file);
    } else if (strcmp(word, "dump") == 0) {
        FIND(path_f *, "HeapProfilerDump")("asked for");
    } else {
        FIND(nothing_f *, "HeapProfilerStop")();
    }
    return 0;
}

static int heap(const struct command_call *c, struct jot *j, char *problem)
{
    char file[FILE_MAX];
    const char *word = c->n > 1 ? c->words[1] : "";
    if (strcmp(word, "start") != 0 && strcmp(word, "dump") != 0 && strcmp(word, "stop") != 0) {
        snprintf(problem, SETTING_PROBLEM_MAX, "heap start|dump|stop [FILE]");
        return SONDE_ERROR_ARGUMENT;
    }
    file_of(c, 2, "heap", file);
    mallctl_f *ctl = FIND(mallctl_f *, "mallctl");
    bool tcmalloc = FIND(path_f *, "HeapProfilerStart") && FIND(path_f *, "HeapProfilerDump") &&
                    FIND(nothing_f *, "HeapProfilerStop");
    pthread_mutex_lock(&lock);
    int err = ctl ? jemalloc_heap(ctl, word, file, problem)
              : tcmalloc
                  ? tcmalloc_heap(word, file, problem)
                  : missing("an allocator with a heap profiler (jemalloc, tcmalloc)", problem);
    pthread_mutex_unlock(&lock);
    if (!err) {
        jot_string(j, "allocator", ctl ? "jemalloc" : "tcmalloc");
        jot_string(j, "file", file);
    }
    return err;
}

void external_commands(void)
{
    static struct command commands[] = {
        {"external", "[list | start NAME [FILE] | stop NAME]",
         "Profilers beside the library's own: perf, gperftools, tracy.", COMMAND_ADMIN, external,
         NULL},
        {"heap", "start|dump|stop [FILE]", "The heap profile of jemalloc or tcmalloc.",
         COMMAND_ADMIN, heap, NULL},
    };
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        command_add(&commands[i]);
    }
}

void external_end(void)
{
    char problem[SETTING_PROBLEM_MAX];
    pthread_mutex_lock(&lock);
    if (perf) {
        (void)stop_perf(problem); /* nobody is left to be told */
    }
    pthread_mutex_unlock(&lock);
}
