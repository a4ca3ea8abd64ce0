#include "tool/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/mem.h"
#include "cli/watch_ctl.h"
#include "os/file.h"
#include "text/duration.h"
#include "tool/arguments.h"
#include "tool/options.h"
#include "watch/conf/watch_conf.h"
#include "watch/conf/watch_conf_words.h"
#include "watch/watch_plan.h"

enum {
    PATH_BYTES = 4096,
    WAIT_MS = 60000, /* for start, stop and restart, where nothing else is said */
    LINES = 100,
    START_MS = 10000, /* in the background: until its socket answers */
    NAP_US = 20000,
};

/* Where `ninja install` puts what people do not start themselves. */
static const char LIBEXEC[] = "/usr/libexec/sonde/sonde-watch";
static const char *const CONFIGS[] = {"sonde.toml", "/etc/sonde/sonde.toml"};

/* What the words say. */
struct words {
    struct arguments a;
    struct arguments_settings set;
    const char *config, *verbosity;
    char **command; /* [command_n] behind "--"; NULL: there is none */
    size_t command_n;
    bool json, background, print;
};

struct watch {
    struct words words;
    struct conf *conf;
    struct watch_conf watch;
    struct arena arena;
    const char *data, *here, *socket;
    bool broken; /* the configuration could not be read: nothing is started from it */
};

/* ---- words */

static void set(struct words *w, const char *key, const char *value)
{
    if (value != NULL && w->set.n < COUNTOF(w->set.v))
        w->set.v[w->set.n++] = (struct conf_override){key, value};
}

/* -v, -vv, -q: what is said. */
static void take_short(struct words *w)
{
    static const struct {
        const char *word, *verbosity;
    } SHORTS[] = {{"-q", "0"},      {"-v", "2"},      {"-vv", "3"},      {"-vvv", "3"},
                  {"--debug", "3"}, {"--quiet", "0"}, {"--verbose", "2"}};
    for (size_t i = 0; i < w->a.n; i++)
        for (size_t k = 0; k < COUNTOF(SHORTS); k++)
            if (w->a.v[i] != NULL && strcmp(w->a.v[i], SHORTS[k].word) == 0) {
                w->verbosity = SHORTS[k].verbosity;
                w->a.v[i] = NULL;
                break;
            }
}

static bool read_words(struct words *w, int argc, char **argv)
{
    int n = 0;
    while (n < argc && strcmp(argv[n], "--") != 0)
        n++;
    if (n < argc) {
        w->command = argv + n + 1;
        w->command_n = (size_t)(argc - n - 1);
    }
    w->print = w->command != NULL && n > 0 && strcmp(argv[0], "plan") == 0;
    if (w->print) {
        argv++;
        n--;
    }
    if (!arguments_init(&w->a, n, argv) || !arguments_settings(&w->a, &w->set))
        return false;
    take_short(w);
    w->config = arguments_value(&w->a, "config");
    set(w, "watch.socket", arguments_value(&w->a, "socket"));
    set(w, "watch.folder", arguments_value(&w->a, "state"));
    set(w, "watch.verbosity", w->verbosity);
    w->json = arguments_flag(&w->a, "json");
    if (w->json)
        set(w, "watch.json", "true");
    w->background = arguments_flag(&w->a, "background");
    (void)arguments_flag(&w->a, "foreground"); /* as it is without it */
    return true;
}

/* ---- the configuration */

static bool is_runnable(const char *path)
{
    char whole[PATH_BYTES];
    if (strchr(path, '/') != NULL)
        return access(path, X_OK) == 0;
    const char *folders = getenv("PATH");
    struct str rest = str_c(folders == NULL ? "/usr/bin:/bin" : folders), folder;
    while (str_split(&rest, ':', &folder)) {
        snprintf(whole, sizeof whole, STR_FMT "/%s", STR_ARG(folder), path);
        if (access(whole, X_OK) == 0)
            return true;
    }
    return false;
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static const struct watch_conf_look LOOK = {is_runnable, is_folder};

static void say_doubts(const struct watch_conf *c)
{
    struct buf out;
    buf_init(&out, OPTIONS_PROBLEMS_MAX);
    watch_conf_doubts(c, &LOOK, &out);
    fprintf(stderr, STR_FMT, STR_ARG(buf_str(&out)));
    buf_done(&out);
}

void watch_doubts(const struct conf *c)
{
    struct watch_conf watch;
    options_watch(c, &watch);
    say_doubts(&watch);
}

/* The file that is named, or the first of the usual ones that is there; NULL. */
static const char *config_of(const struct words *w)
{
    if (w->config != NULL || w->command != NULL)
        return w->config;
    for (size_t i = 0; i < COUNTOF(CONFIGS); i++)
        if (access(CONFIGS[i], R_OK) == 0)
            return CONFIGS[i];
    return NULL;
}

static int read_config(struct watch *w)
{
    struct buf problems;
    buf_init(&problems, OPTIONS_PROBLEMS_MAX);
    int err = options_read_file(config_of(&w->words), w->words.set.v, w->words.set.n, &w->conf,
                                &problems);
    if (err != 0)
        fprintf(stderr, STR_FMT, STR_ARG(buf_str(&problems)));
    /* One that is being edited still lets the usual place be asked. */
    w->broken = err != 0;
    buf_clear(&problems);
    if (err != 0 && w->words.command == NULL)
        err = options_read_file(NULL, w->words.set.v, w->words.set.n, &w->conf, &problems);
    buf_done(&problems);
    if (err != 0)
        return err;
    char here[PATH_BYTES];
    w->here = arena_str(&w->arena, str_c(getcwd(here, sizeof here) != NULL ? here : "/")).p;
    w->data = options_server(w->conf)->data;
    options_watch(w->conf, &w->watch);
    w->socket = watch_conf_socket(&w->watch, w->data, w->here, &w->arena);
    return 0;
}

/* The one program of a command line instead of those of the configuration. */
static int take_command(struct watch *w)
{
    struct words *words = &w->words;
    struct watch_conf_program *p = arena_new(&w->arena, sizeof *p);
    struct why why = {0};
    size_t used;
    watch_conf_words_defaults(&w->arena, p);
    int err = watch_conf_words(words->a.v, words->a.n, &w->arena, p, &used, &why);
    if (err == 0 && used < words->a.n)
        err = why_set(&why, ERR_FORMAT, "%s is not understood before --", words->a.v[used]);
    if (err == 0 && words->command_n == 0)
        err = why_set(&why, ERR_FORMAT, "nothing stands behind --: name the program");
    if (err != 0) {
        fprintf(stderr, "sonde watch: %s\n", why.text);
        return err;
    }
    const char **argv = arena_array(&w->arena, words->command_n + 1, sizeof *argv);
    for (size_t i = 0; i < words->command_n; i++)
        argv[i] = words->command[i];
    p->command = (struct option_list){argv, words->command_n};
    if (p->name[0] == '\0') {
        const char *slash = strrchr(argv[0], '/');
        p->name = slash != NULL ? slash + 1 : argv[0];
    }
    w->watch.programs = (struct option_rows){p, 1};
    err = watch_conf_check(&w->watch, &why);
    if (err != 0)
        fprintf(stderr, "sonde watch: %s\n", why.text);
    return err;
}

static int open_watch(struct watch *w, int argc, char **argv)
{
    *w = (struct watch){.conf = NULL};
    arena_init(&w->arena);
    if (!read_words(&w->words, argc, argv) || read_config(w) != 0)
        return -ERR_FORMAT;
    return w->words.command != NULL ? take_command(w) : 0;
}

static void close_watch(struct watch *w)
{
    conf_free(w->conf);
    arena_done(&w->arena);
}

/* The table as text; NULL where it cannot be (said). Memory is the arena's. */
static const char *table_of(struct watch *w, const char *const *names, size_t names_n, bool wanted)
{
    const struct watch_conf_place place = {w->data, w->here, names, names_n};
    struct watch_plan *plan;
    struct why why = {0};
    if (w->broken)
        return NULL;
    if (wanted && w->watch.programs.n == 0) {
        fprintf(stderr,
                "sonde watch: there is no [[watch.program]] in %s; name a program: sonde "
                "watch -- ./backend\n",
                config_of(&w->words) != NULL ? config_of(&w->words) : "the configuration");
        return NULL;
    }
    if (watch_conf_plan(&w->watch, &place, &plan, &why) != 0) {
        fprintf(stderr, "sonde watch: %s\n", why.text);
        return NULL;
    }
    struct buf text;
    buf_init(&text, WATCH_PLAN_BYTES_MAX);
    watch_plan_write(plan, &text);
    watch_plan_free(plan);
    const char *ret = buf_failed(&text) ? NULL : arena_str(&w->arena, buf_str(&text)).p;
    buf_done(&text);
    return ret;
}

/* ---- becoming sonde-watch */

static const char *program_path(struct arena *a)
{
    char own[PATH_BYTES];
    ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);
    while (n > 0 && own[n - 1] != '/')
        n--;
    const char *beside = arena_printf(a, "%.*ssonde-watch", (int)MAX(n, (ssize_t)0), own).p;
    return n > 0 && access(beside, X_OK) == 0 ? beside : LIBEXEC;
}

static int become(struct watch *w, const char *table)
{
    int fd;
    const char *path = program_path(&w->arena);
    if (file_memory("watch-plan", &fd) != 0 || file_memory_write(fd, str_c(table)) != 0 ||
        fcntl(fd, F_SETFD, 0) != 0) {
        fprintf(stderr, "sonde watch: no memory for the table of programs\n");
        return WATCH_CTL_FAILED;
    }
    const char *number = arena_printf(&w->arena, "%d", fd).p;
    /* execv() takes no const, and writes nowhere. */
    const char *const argv[] = {path, "--plan-fd", number,
                                w->watch.own.stay && w->words.command == NULL ? "--stay" : NULL,
                                NULL};
    execv(path, (char *const *)(uintptr_t)argv);
    fprintf(stderr, "sonde watch: cannot run %s: %s\n", path, strerror(errno));
    return WATCH_CTL_FAILED;
}

/* In the background: the parent waits until the socket answers. */
static int become_behind(struct watch *w, const char *table)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (setsid() < 0 || freopen("/dev/null", "r", stdin) == NULL ||
            freopen("/dev/null", "w", stdout) == NULL || freopen("/dev/null", "w", stderr) == NULL)
            _exit(WATCH_CTL_FAILED);
        _exit(become(w, table));
    }
    for (int i = 0; pid > 0 && i < START_MS * 1000 / NAP_US; i++) {
        if (watch_ctl_runs(w->socket)) {
            printf("sonde-watch runs as %d, its socket is %s\n", (int)pid, w->socket);
            return WATCH_CTL_OK;
        }
        usleep(NAP_US);
    }
    fprintf(stderr, "sonde watch: sonde-watch did not begin; try it with --foreground\n");
    return WATCH_CTL_FAILED;
}

static int start(struct watch *w, const char *const *names, size_t names_n)
{
    const char *table = table_of(w, names, names_n, true);
    struct why why = {0};
    if (table == NULL)
        return WATCH_CTL_WRONG;
    say_doubts(&w->watch);
    if (watch_ctl_runs(w->socket)) {
        fprintf(stderr,
                "sonde watch: a sonde-watch runs already on %s: sonde watch ctl reload gives it "
                "another configuration, --state DIR starts a second one\n",
                w->socket);
        return WATCH_CTL_FAILED;
    }
    if (file_make_dir(watch_conf_folder(&w->watch, w->data, w->here, &w->arena), &why) != 0) {
        fprintf(stderr, "sonde watch: %s\n", why.text);
        return WATCH_CTL_FAILED;
    }
    fflush(stderr);
    return w->words.background ? become_behind(w, table) : become(w, table);
}

/* ---- subcommands */

static bool duration_of(struct words *w, const char *name, int64_t *ret)
{
    const char *text = arguments_value(&w->a, name);
    struct why why = {0};
    if (text == NULL || duration_read(str_c(text), ret, &why) == 0)
        return true;
    fprintf(stderr, "sonde watch: --%s: %s\n", name, why.text);
    return false;
}

/* The switches of ctl, status, logs and events. */
static bool read_ctl(struct watch *w, struct watch_ctl *ret)
{
    struct words *words = &w->words;
    *ret = (struct watch_ctl){
        .socket = w->socket, .json = words->json, .wait_ms = WAIT_MS, .lines = LINES};
    const char *lines = arguments_value(&words->a, "lines");
    if (lines != NULL && (!str_i64(str_c(lines), &ret->lines) || ret->lines < 0)) {
        fprintf(stderr, "sonde watch: --lines %s is no number\n", lines);
        return false;
    }
    if (!duration_of(words, "wait", &ret->wait_ms))
        return false;
    if (arguments_flag(&words->a, "no-wait"))
        ret->wait_ms = 0;
    ret->follow = arguments_flag(&words->a, "follow");
    ret->dependents = arguments_flag(&words->a, "dependents");
    for (size_t i = 0; i < words->a.n; i++)
        if (words->a.v[i] != NULL && strcmp(words->a.v[i], "-f") == 0) {
            words->a.v[i] = NULL;
            ret->follow = true;
        }
    return true;
}

/* The configuration as it is now goes to the one that runs. */
static int send_plan(struct watch *w, const struct watch_ctl *c)
{
    const char *table = table_of(w, NULL, 0, false);
    if (table == NULL)
        return WATCH_CTL_WRONG;
    say_doubts(&w->watch);
    return watch_ctl_do(c, "plan", "", str_c(table));
}

static bool waits(const char *verb)
{
    return strcmp(verb, "start") == 0 || strcmp(verb, "stop") == 0 || strcmp(verb, "restart") == 0;
}

static bool wants_target(const char *verb)
{
    return waits(verb) || strcmp(verb, "signal") == 0;
}

static int control(struct watch *w, const char *verb)
{
    struct watch_ctl c;
    if (!read_ctl(w, &c))
        return WATCH_CTL_WRONG;
    if (verb == NULL) {
        fprintf(stderr, "sonde watch ctl: name what to do; see: sonde help watch\n");
        return WATCH_CTL_WRONG;
    }
    const char *target = arguments_word(&w->words.a), *text = arguments_word(&w->words.a);
    if (!arguments_end(&w->words.a, "watch"))
        return WATCH_CTL_WRONG;
    if (target == NULL && wants_target(verb)) {
        fprintf(stderr, "sonde watch ctl %s: name a program, a group, or all\n", verb);
        return WATCH_CTL_WRONG;
    }
    if (strcmp(verb, "status") == 0)
        return watch_ctl_status(&c, target);
    if (strcmp(verb, "plan") == 0 || (strcmp(verb, "reload") == 0 && target == NULL))
        return send_plan(w, &c);
    if (!waits(verb))
        c.wait_ms = 0;
    if (strcmp(verb, "upgrade") == 0)
        return watch_ctl_do(&c, verb, "", str_c(target != NULL ? target : ""));
    return watch_ctl_do(&c, verb, target, str_c(text != NULL ? text : ""));
}

/* Starts programs and groups: in the one that runs, or in a new one. */
static int up(struct watch *w)
{
    const char *names[ARGUMENTS_MAX];
    size_t n = 0;
    struct watch_ctl c;
    if (!read_ctl(w, &c))
        return WATCH_CTL_WRONG;
    while ((names[n] = arguments_word(&w->words.a)) != NULL)
        n++;
    if (!arguments_end(&w->words.a, "watch"))
        return WATCH_CTL_WRONG;
    if (!watch_ctl_runs(w->socket))
        return start(w, names, n);
    int status = WATCH_CTL_OK;
    for (size_t i = 0; i < MAX(n, (size_t)1); i++) {
        int one = watch_ctl_do(&c, "start", n > 0 ? names[i] : "all", STR(""));
        status = MAX(status, one);
    }
    return status;
}

static int print_plan(struct watch *w)
{
    bool fine = w->words.command != NULL || arguments_end(&w->words.a, "watch");
    const char *table = fine ? table_of(w, NULL, 0, true) : NULL;
    if (table == NULL)
        return WATCH_CTL_WRONG;
    printf("%s", table);
    return WATCH_CTL_OK;
}

static int run(struct watch *w)
{
    if (w->words.command != NULL)
        return w->words.print ? print_plan(w) : start(w, NULL, 0);
    const char *verb = arguments_word(&w->words.a);
    if (verb == NULL)
        return arguments_end(&w->words.a, "watch") ? start(w, NULL, 0) : WATCH_CTL_WRONG;
    if (strcmp(verb, "up") == 0)
        return up(w);
    if (strcmp(verb, "ctl") == 0)
        return control(w, arguments_word(&w->words.a));
    if (strcmp(verb, "plan") == 0)
        return print_plan(w);
    if (strcmp(verb, "status") == 0 || strcmp(verb, "logs") == 0 || strcmp(verb, "events") == 0)
        return control(w, verb);
    fprintf(stderr,
            "sonde watch: %s is not understood: up, ctl, status, logs, events, plan, or a program "
            "behind --\n",
            verb);
    return WATCH_CTL_WRONG;
}

int watch_run(int argc, char **argv)
{
    struct watch *w = mem_new(sizeof *w);
    int status = open_watch(w, argc, argv) == 0 ? run(w) : WATCH_CTL_WRONG;
    close_watch(w);
    mem_free(w);
    return status;
}
