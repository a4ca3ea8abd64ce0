#include "daemon/daemon.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/config.h"
#include "daemon/programs.h"
#include "daemon/sockets.h"
#include "daemon/work.h"
#include "os/channel.h"
#include "os/file.h"
#include "os/spawn.h"
#include "os/thread.h"
#include "supervise/supervise.h"
#include "tool/arguments.h"
#include "tool/options.h"

enum {
    PATH_BYTES = 4200,
    WORDS_MAX = 8,           /* of the worker's command line */
    PORT_PATIENCE_MS = 3000, /* for the last threads of a worker that was killed before */
    PORT_PAUSE_MS = 20,
};

static const char *const MODULE = "daemon";

struct parent {
    const char *file; /* the configuration's, or NULL */
    struct arguments_settings set;
    struct config *config;   /* in force */
    const struct conf *conf; /* its own */
    struct config *confined; /* what the worker was started with; may be the one in force */
    struct buf text;         /* of the configuration in force */
    struct sockets sockets;
    size_t loops;
    int memory; /* fd: text, for the worker */
    char crash_folder[PATH_BYTES];
    /* the worker's command line, which stays the same */
    const char *argv[WORDS_MAX + 2 * ARGUMENTS_MAX];
    char *words[ARGUMENTS_MAX];    /* owned */
    char kinds[CHILD_FDS_MAX + 1]; /* of the sockets */
    int fds[CHILD_FDS_MAX];
    int launcher; /* the worker's end of the channel to its launcher; -1: none */
};

static void put_problems(const struct buf *problems)
{
    fprintf(stderr, STR_FMT, STR_ARG(buf_str(problems)));
}

/* Makes the folders and opens the sockets that c names. */
static int prepare(struct parent *p, const struct conf *c, struct why *why)
{
    const struct options_server *server = options_server(c);
    int err = file_make_dir(server->data, why);
    if (err != 0) {
        why_prefix(why, "the data directory (server.data, --data)");
        return err;
    }
    if (p->loops == 0)
        p->loops = work_loops(server);
    int64_t until = clock_monotonic_ns(&clock_real) + PORT_PATIENCE_MS * 1000000LL;
    while ((err = sockets_open(&p->sockets, c, p->loops, why)) == -ERR_BUSY && p->sockets.n == 0 &&
           clock_monotonic_ns(&clock_real) < until)
        usleep(PORT_PAUSE_MS * 1000);
    if (err != 0)
        return err;
    snprintf(p->crash_folder, sizeof p->crash_folder, "%s/crash", server->data);
    return 0;
}

/* A process that starts programs for the next worker, where the configuration names any. */
static void start_launcher(struct parent *p)
{
    struct programs programs;
    struct why why = {0};
    int pid, status, signum;
    channel_close(p->launcher);
    p->launcher = -1;
    while (spawn_reap(&pid, &status, &signum)) /* launchers of workers before */
        continue;
    programs_draw(&programs, p->config);
    if (programs.n > 0 && launch_fork(programs.v, programs.n, &p->launcher, &why) != 0)
        log_warn(MODULE, "no programs can be started: %s", why.text);
    programs_done(&programs);
}

static void drop_config(struct parent *p, struct config *c)
{
    if (c != p->config && c != p->confined)
        config_free(c);
}

/* A worker that begins now may open what the configuration in force names. */
static void note_confined(struct parent *p)
{
    struct config *before = p->confined;
    p->confined = p->config;
    drop_config(p, before);
}

static void command(void *context, struct child_config *ret)
{
    struct parent *p = context;
    note_confined(p);
    start_launcher(p);
    size_t n = 0;
    p->argv[n++] = "sonde";
    p->argv[n++] = "serve";
    p->argv[n++] = "--worker";
    p->argv[n++] = p->kinds;
    if (p->file != NULL) {
        p->argv[n++] = "--config";
        p->argv[n++] = p->file;
    }
    for (size_t i = 0; i < p->set.n; i++)
        p->argv[n++] = p->words[i];
    p->argv[n] = NULL;

    p->fds[0] = p->memory;
    size_t sockets = sockets_fds(&p->sockets, p->fds + 1, p->kinds, CHILD_FDS_MAX - 2);
    if (p->launcher >= 0) {
        p->kinds[sockets] = SOCKETS_LAUNCHER;
        p->fds[++sockets] = p->launcher;
        p->kinds[sockets] = '\0';
    }
    *ret = (struct child_config){
        .path = "/proc/self/exe", .argv = p->argv, .fds = p->fds, .fds_n = sockets + 1};
}

static void settings(void *context, struct supervise_settings *ret)
{
    struct parent *p = context;
    const struct options_server *server = options_server(p->conf);
    *ret = (struct supervise_settings){.crash_folder = p->crash_folder,
                                       .crash_keep = (size_t)server->crash_reports_max,
                                       .start_timeout_ms = server->start_timeout_ms,
                                       .beat_timeout_ms = server->beat_timeout_ms,
                                       .stop_timeout_ms = server->stop_timeout_ms};
}

static void ready(void *context)
{
    struct parent *p = context;
    log_info(MODULE, "serving on %s", sockets_bound(&p->sockets));
}

static void note_change(void *context, const struct conf_change *change)
{
    bool *replace = context;
    const char *dot = change->option == NULL ? "" : ".";
    log_info(MODULE, "changed: %s%s%s", change->table->section, dot,
             change->option == NULL ? "" : change->option->key);
    *replace = *replace || !change->reload;
}

static enum supervise_reload refuse(struct config *c, struct buf *text)
{
    config_free(c);
    buf_done(text);
    return SUPERVISE_KEEP;
}

static bool unconfined(const struct conf *c)
{
    return strcmp(options_server(c)->confine, "off") == 0;
}

/* why holds as much as fits; where there are several, the log has all of them. */
static void tell_problems(int err, const struct buf *problems, struct why *why)
{
    struct str all = str_trim(buf_str(problems)), rest = all, line;
    why_set(why, (enum err) - err, STR_FMT, STR_ARG(all));
    while (str_find(all, '\n') < all.n && str_split(&rest, '\n', &line))
        log_warn(MODULE, STR_FMT, STR_ARG(line));
}

static enum supervise_reload reload(void *context, struct why *why)
{
    struct parent *p = context;
    struct buf text, problems;
    struct config *c = NULL;
    buf_init(&text, CONFIG_TEXT_MAX);
    buf_init(&problems, CONFIG_PROBLEMS_MAX);
    int err = config_read(p->file, &p->set, &text, &c, &problems);
    if (err != 0)
        tell_problems(err, &problems, why);
    buf_done(&problems);
    if (err != 0)
        return refuse(NULL, &text);
    if (prepare(p, c->conf, why) != 0 || file_memory_write(p->memory, buf_str(&text)) != 0)
        return refuse(c, &text);

    bool replace = !unconfined(c->conf) && !config_within(p->confined, c);
    replace = replace || !programs_same(p->config, c);
    conf_diff(p->conf, c->conf, note_change, &replace);
    struct config *before = p->config;
    buf_done(&p->text);
    p->config = c;
    p->conf = c->conf;
    p->text = text;
    drop_config(p, before);
    int level = log_level_of(options_server(p->conf)->log_level);
    log_set_level((enum log_level)level);
    return replace ? SUPERVISE_REPLACE : SUPERVISE_TELL;
}

static int open_parent(struct parent *p)
{
    struct buf problems;
    struct why why = {0};
    buf_init(&p->text, CONFIG_TEXT_MAX);
    buf_init(&problems, CONFIG_PROBLEMS_MAX);
    int err = config_read(p->file, &p->set, &p->text, &p->config, &problems);
    if (err != 0)
        put_problems(&problems);
    buf_done(&problems);
    if (err != 0)
        return err;
    p->conf = p->config->conf;
    log_set_level((enum log_level)log_level_of(options_server(p->conf)->log_level));
    err = prepare(p, p->conf, &why);
    if (err == 0)
        err = file_memory("sonde.toml", &p->memory);
    if (err == 0)
        err = file_memory_write(p->memory, buf_str(&p->text));
    if (err != 0)
        fprintf(stderr, "sonde: %s\n", why.text[0] ? why.text : err_text(err));
    return err;
}

static void put_address(const struct parent *p)
{
    const char *bound = sockets_bound(&p->sockets), *port = strrchr(bound, ':');
    bool path = strncmp(bound, "unix:", 5) == 0;
    bool every = strncmp(bound, "[::]:", 5) == 0 || strncmp(bound, "0.0.0.0:", 8) == 0;
    if (every && port)
        printf("Sonde is at http://localhost%s/ and at this machine's other addresses\n", port);
    else
        printf("Sonde is at %s%s%s\n", path ? "" : "http://", bound, path ? "" : "/");
    fflush(stdout);
}

static void close_parent(struct parent *p)
{
    sockets_close(&p->sockets);
    channel_close(p->memory);
    channel_close(p->launcher);
    if (p->confined != p->config)
        config_free(p->confined);
    config_free(p->config);
    buf_done(&p->text);
    for (size_t i = 0; i < p->set.n; i++)
        mem_free(p->words[i]);
    mem_free(p);
}

/* The settings of the command line, as words for the worker's. */
static void make_words(struct parent *p)
{
    for (size_t i = 0; i < p->set.n; i++) {
        const struct conf_override *o = &p->set.v[i];
        size_t n = strlen("--set=") + strlen(o->key) + 1 + strlen(o->value) + 1;
        p->words[i] = mem_raw(n);
        snprintf(p->words[i], n, "--set=%s=%s", o->key, o->value);
    }
}

static int run_parent(struct arguments *a, struct parent *p)
{
    static const struct supervise_ops OPS = {command, settings, reload, ready};
    p->memory = p->launcher = -1;
    p->file = arguments_value(a, "config");
    if (!arguments_settings(a, &p->set) || !arguments_end(a, "serve"))
        return 2;
    make_words(p);
    if (open_parent(p) != 0)
        return 1;
    put_address(p);
    return supervise_run(&OPS, p, "sonde " SONDE_VERSION);
}

int daemon_run(int argc, char **argv)
{
    struct arguments a;
    if (!arguments_init(&a, argc, argv))
        return 2;
    const char *worker = arguments_value(&a, "worker");
    if (worker != NULL)
        return work_run(worker, &a);
    struct parent *p = mem_new(sizeof *p);
    int status = run_parent(&a, p);
    close_parent(p);
    return status;
}
