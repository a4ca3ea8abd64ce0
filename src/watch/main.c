/* sonde-watch - supervises the programs of a plan (docs/watchdog.md).
 *
 * usage: sonde-watch --plan-fd N | --plan FILE | --folder DIR
 *
 * SIGTERM, SIGINT: stops all in reverse order and ends. SIGUSR2: executes itself anew, programs
 * untouched. SIGHUP: tells every program to reload.
 *
 * Exit status: 0 all was stopped or ended well; 1 it could not begin; 2 wrong words; 3 a program
 * is critical: it was given up after its restarts (ENGINE_EXIT_CRITICAL).
 */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "os/channel.h"
#include "os/file.h"
#include "os/local_socket.h"
#include "os/loop.h"
#include "os/notify.h"
#include "os/process.h"
#include "os/program.h"
#include "watch/control_server.h"
#include "watch/engine.h"
#include "watch/rolling.h"

enum {
    EXIT_WORDS = 2,
    PATH_SIZE = 4096,
    SOCKETS_MAX = 64 << 10,
    ALONE_TRIES = 50,
    ALONE_WAIT_MS = 100,
};

static const char SOCKETS[] = "SONDE_WATCH_SOCKETS";

struct words {
    const char *plan, *folder;
    int64_t plan_fd, handover_fd, files_max; /* -1 not said */
    bool idle_stays;                         /* goes on when all programs have ended */
};

struct watchdog {
    struct loop *loop;
    struct engine *engine;
    struct rolling *rolling;
    struct control_server *control;
    struct engine_watcher watcher;
    struct signal_watch *signals[4];
    struct timer *beat, *idle;
    struct notify notify;
    int64_t files_max;
    bool idle_stays, forced;
    bool upgrading;
    char executable[PATH_SIZE], upgrade_path[PATH_SIZE];
};

static void usage(FILE *to)
{
    fputs("usage: sonde-watch --plan-fd N | --plan FILE | --folder DIR   [--stay]\n"
          "supervises the programs of a table; `sonde watch` writes it (docs/watchdog.md)\n"
          "  --plan-fd N   read the table from that descriptor\n"
          "  --plan FILE   read the table from that file\n"
          "  --folder DIR  go on with the table that a sonde-watch has left in that folder\n"
          "  --stay        do not end when every program has ended or was given up\n"
          "exit status: 0 stopped, 1 could not begin, 2 wrong words, 3 a program is critical\n",
          to);
}

static bool number(const char *word, int64_t *ret)
{
    return word && str_i64(str_c(word), ret) && *ret >= 0;
}

static bool read_words(int argc, char **argv, struct words *ret)
{
    *ret = (struct words){.plan_fd = -1, .handover_fd = -1, .files_max = -1};
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;
        bool fine = true;
        if (strcmp(word, "--stay") == 0) {
            ret->idle_stays = true;
            continue;
        }
        if (strcmp(word, "--plan-fd") == 0)
            fine = number(next, &ret->plan_fd);
        else if (strcmp(word, "--handover-fd") == 0)
            fine = number(next, &ret->handover_fd);
        else if (strcmp(word, "--files-max") == 0)
            fine = number(next, &ret->files_max);
        else if (strcmp(word, "--plan") == 0)
            ret->plan = next;
        else if (strcmp(word, "--folder") == 0)
            ret->folder = next;
        else
            fine = false;
        if (!fine || !next)
            return false;
        i++;
    }
    return (ret->plan_fd >= 0) + (ret->plan != NULL) + (ret->folder != NULL) == 1;
}

static int read_plan(const struct words *w, struct watch_plan **ret, struct why *why)
{
    struct buf text;
    char path[PATH_SIZE];
    buf_init(&text, WATCH_PLAN_BYTES_MAX);
    snprintf(path, sizeof path, "%s", w->plan ? w->plan : "");
    if (w->plan_fd >= 0)
        snprintf(path, sizeof path, "/proc/self/fd/%lld", (long long)w->plan_fd);
    else if (w->folder)
        snprintf(path, sizeof path, "%s/plan", w->folder);
    int err = file_read(path, &text, why);
    if (!err)
        err = watch_plan_read(buf_str(&text), ret, why);
    buf_done(&text);
    if (w->plan_fd >= 0)
        channel_close((int)w->plan_fd);
    return err;
}

/* ---- its end */

static void on_ended(void *context)
{
    struct watchdog *w = context;
    loop_stop(w->loop);
}

static void end(struct watchdog *w)
{
    notify_send(&w->notify, "STOPPING=1");
    engine_end(w->engine, on_ended, w);
}

static void on_shutdown(void *context)
{
    end(context);
}

/* ---- executing itself anew */

static int memory_of(struct str bytes, const char *name, int *ret)
{
    int err = file_memory(name, ret);
    if (!err) {
        err = file_memory_write(*ret, bytes);
        program_keep_on_exec(*ret, true);
    }
    return err;
}

/* The proxies' listening sockets go along as descriptors, which a variable names. */
static void keep_sockets(struct watchdog *w)
{
    struct buf text;
    buf_init(&text, SOCKETS_MAX);
    rolling_keep(w->rolling, &text);
    buf_put_c(&text, '\0');
    if (!buf_failed(&text) && setenv(SOCKETS, text.p, 1) != 0)
        engine_note(w->engine, KEEPER_WARN, "the proxies listen anew after the upgrade");
    buf_done(&text);
}

static void upgrade(void *context)
{
    struct watchdog *w = context;
    const char *path = w->upgrade_path;
    struct buf plan, state;
    struct why why = {.text = ""};
    int plan_fd = -1, state_fd = -1;
    char numbers[3][24];
    buf_init(&plan, WATCH_PLAN_BYTES_MAX);
    buf_init(&state, WATCH_PLAN_BYTES_MAX);
    watch_plan_write(engine_plan(w->engine), &plan);
    engine_note(w->engine, KEEPER_INFO, "executes itself anew: %s", *path ? path : w->executable);
    engine_flush(w->engine);
    engine_hand_over(w->engine, &state);
    keep_sockets(w);
    if (memory_of(buf_str(&plan), "plan", &plan_fd) == 0 &&
        memory_of(buf_str(&state), "state", &state_fd) == 0) {
        snprintf(numbers[0], sizeof numbers[0], "%d", plan_fd);
        snprintf(numbers[1], sizeof numbers[1], "%d", state_fd);
        snprintf(numbers[2], sizeof numbers[2], "%lld", (long long)w->files_max);
        const char *argv[] = {*path ? path : w->executable,
                              "--plan-fd",
                              numbers[0],
                              "--handover-fd",
                              numbers[1],
                              "--files-max",
                              numbers[2],
                              w->idle_stays ? "--stay" : NULL,
                              NULL};
        int failed UNUSED = program_become(argv, &why); /* why is told below */
    }
    engine_take_back(w->engine);
    rolling_resume(w->rolling);
    w->upgrading = false;
    channel_close(plan_fd);
    channel_close(state_fd);
    buf_done(&plan);
    buf_done(&state);
    engine_note(w->engine, KEEPER_ERROR, "goes on as it is: %s", why.text);
}

static void on_restart(void *context, struct engine_unit *u)
{
    rolling_restart(((struct watchdog *)context)->rolling, u);
}

static bool restarts(void *context, struct engine_unit *u)
{
    return rolling_pending(((struct watchdog *)context)->rolling, u);
}

/* Answers that are due come first. */
static void on_upgrade(void *context, const char *path)
{
    struct watchdog *w = context;
    if (w->upgrading)
        return;
    w->upgrading = true;
    snprintf(w->upgrade_path, sizeof w->upgrade_path, "%s", path);
    rolling_quiet(w->rolling, upgrade, w);
}

/* ---- signals and times */

static void on_term(void *context)
{
    struct watchdog *w = context;
    if (engine_ending(w->engine) && !w->forced) {
        w->forced = true; /* asked twice: no more patience */
        for (size_t i = 0; i < engine_units(w->engine); i++)
            engine_signal(w->engine, engine_unit(w->engine, i), SIGKILL);
        return;
    }
    end(w);
}

static void on_hup(void *context)
{
    struct watchdog *w = context;
    for (size_t i = 0; i < engine_units(w->engine); i++)
        if (engine_unit_pid(engine_unit(w->engine, i)))
            engine_reload(w->engine, engine_unit(w->engine, i));
}

static void on_usr2(void *context)
{
    on_upgrade(context, "");
}

static void on_beat(void *context)
{
    struct watchdog *w = context;
    notify_send(&w->notify, "WATCHDOG=1");
}

static void on_idle(void *context)
{
    struct watchdog *w = context;
    if (engine_idle(w->engine) && !engine_ending(w->engine)) {
        engine_note(w->engine, KEEPER_INFO, "every program has ended: nothing is left to do");
        end(w);
    }
}

static void on_changed(void *context)
{
    struct watchdog *w = context;
    if (!w->idle_stays && engine_idle(w->engine))
        timer_again(w->idle, 0, 0);
}

static void tell_manager(struct watchdog *w)
{
    notify_open(&w->notify);
    notify_send(&w->notify, "READY=1\nSTATUS=watching %zu units", engine_units(w->engine));
    if (w->notify.watchdog_ms > 0)
        w->beat =
            timer_new(w->loop, w->notify.watchdog_ms / 2, w->notify.watchdog_ms / 2, on_beat, w);
}

static int run(struct watchdog *w)
{
    const struct control_server_hooks hooks = {on_upgrade, on_shutdown, on_restart, restarts, w};
    const char *sockets = getenv(SOCKETS);
    struct why why = {.text = ""};
    int fd;
    if (rolling_new(w->loop, w->engine, str_c(sockets ? sockets : ""), &w->rolling) != 0)
        return 1;
    (void)unsetenv(SOCKETS); /* programs get an environment without it all the same */
    int err = local_socket_listen(engine_plan(w->engine)->socket, &fd, &why);
    if (err || control_server_new(w->loop, fd, w->engine, &hooks, &w->control) != 0) {
        log_error("watch", "%s", why.text);
        return 1;
    }
    w->watcher = (struct engine_watcher){.changed = on_changed, .context = w};
    engine_watch(w->engine, &w->watcher);
    w->idle = timer_new(w->loop, INT32_MAX, 0, on_idle, w);
    w->signals[0] = signal_watch_new(w->loop, SIGTERM, on_term, w);
    w->signals[1] = signal_watch_new(w->loop, SIGINT, on_term, w);
    w->signals[2] = signal_watch_new(w->loop, SIGHUP, on_hup, w);
    w->signals[3] = signal_watch_new(w->loop, SIGUSR2, on_usr2, w);
    engine_begin(w->engine);
    tell_manager(w);
    malloc_trim(0);
    loop_run(w->loop);
    return engine_exit_code(w->engine);
}

static void done(struct watchdog *w)
{
    for (size_t i = 0; i < COUNTOF(w->signals); i++)
        signal_watch_free(w->signals[i]);
    timer_free(w->beat);
    timer_free(w->idle);
    control_server_free(w->control);
    rolling_free(w->rolling);
    if (w->engine)
        engine_unwatch(w->engine, &w->watcher);
    engine_free(w->engine);
    loop_free(w->loop);
    notify_close(&w->notify);
}

/* Another one at the same folder would start everything twice. One that was killed may have left
 * copies of itself that are about to become programs: they hold its socket until they are. */
static int alone(const struct watch_plan *plan, struct why *why)
{
    int fd;
    int err = file_make_dir(plan->folder, why);
    for (int i = 0; i < ALONE_TRIES && !err; i++) {
        if (local_socket_connect(plan->socket, 0, &fd, NULL) != 0)
            return 0;
        char c;
        size_t n;
        /* One that lives answers; the connection to one that does not ends. */
        bool lives = local_socket_send(fd, STR("{\"do\":\"status\",\"target\":\"?\"}\n"), 0) == 0 &&
                     local_socket_receive(fd, &c, 1, ALONE_WAIT_MS, &n) == 0;
        local_socket_close(fd);
        if (lives)
            return why_set(why, ERR_BUSY, "a sonde-watch runs already: %s answers", plan->socket);
    }
    return err ? err
               : why_set(why, ERR_BUSY, "%s is held by a process that does not answer",
                         plan->socket);
}

static int begin(struct watchdog *w, const struct words *words, struct why *why)
{
    struct watch_plan *plan;
    struct buf state;
    int err = read_plan(words, &plan, why);
    if (err)
        return err;
    static const enum log_level levels[] = {LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_DEBUG};
    log_set_level(levels[plan->verbosity]);
    err = words->handover_fd < 0 ? alone(plan, why) : 0;
    buf_init(&state, WATCH_PLAN_BYTES_MAX);
    if (!err && words->handover_fd >= 0) {
        err = file_memory_read((int)words->handover_fd, &state);
        channel_close((int)words->handover_fd);
    }
    err = err ? err : loop_new(&w->loop);
    if (!err)
        err = engine_new(w->loop, plan, buf_str(&state), w->files_max, &w->engine, why);
    buf_done(&state);
    if (err)
        watch_plan_free(plan);
    return err;
}

int main(int argc, char **argv)
{
    struct watchdog w = {.notify = {.fd = -1}};
    struct words words;
    struct why why = {.text = ""};
    if (!read_words(argc, argv, &words)) {
        bool help = argc == 2 && strcmp(argv[1], "--help") == 0;
        usage(help ? stdout : stderr);
        return help ? 0 : EXIT_WORDS;
    }
    mallopt(M_ARENA_MAX, 1);
    /* After an exec of itself everything has been set, and descriptors are on their way. */
    w.files_max = words.handover_fd >= 0 ? words.files_max : program_own_descriptors();
    w.idle_stays = words.idle_stays;
    if (file_absolute("/proc/self/exe", w.executable, sizeof w.executable, NULL) != 0)
        snprintf(w.executable, sizeof w.executable, "%s", argv[0]);
    int code = 1;
    int err = begin(&w, &words, &why);
    if (err)
        log_error("watch", "%s", why.text[0] ? why.text : err_text(err));
    else
        code = run(&w);
    done(&w);
    return code;
}
