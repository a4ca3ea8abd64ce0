#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rand.h"
#include "base/vec.h"
#include "os/channel.h"
#include "watch/engine_inside.h"

enum { WORD_MAX = 64 << 10, PID_SLOT = 32 };

void engine_unit_name_of(const struct watch_program *p, int instance, char ret[ENGINE_NAME_MAX])
{
    if (p->instances == 1)
        snprintf(ret, ENGINE_NAME_MAX, "%s", p->name);
    else
        snprintf(ret, ENGINE_NAME_MAX, "%s@%d", p->name, instance);
}

/* word with @INSTANCE@ and @PORT@ replaced; the word itself where it has neither. */
static const char *fill(struct engine_unit *u, const char *word)
{
    struct str rest = str_c(word), mark;
    struct buf b;
    if (!strstr(word, "@INSTANCE@") && !strstr(word, "@PORT@"))
        return word;
    buf_init(&b, WORD_MAX);
    while (rest.n) {
        mark = STR("@INSTANCE@");
        int64_t value = u->instance;
        if (!str_starts(rest, mark)) {
            mark = STR("@PORT@");
            value = u->port;
        }
        if (str_starts(rest, mark)) {
            buf_put_i64(&b, value);
            rest = str_sub(rest, mark.n, rest.n);
        } else {
            buf_put_c(&b, rest.p[0]);
            rest = str_sub(rest, 1, rest.n);
        }
    }
    struct str filled = arena_str(&u->arena, buf_str(&b));
    buf_done(&b);
    return filled.p;
}

static const char *const *fill_all(struct engine_unit *u, const char *const *words)
{
    size_t n = 0;
    bool same = true;
    while (words[n]) {
        same = same && fill(u, words[n]) == words[n];
        n++;
    }
    if (same)
        return words;
    const char **ret = arena_array(&u->arena, n + 1, sizeof *ret);
    for (size_t i = 0; i < n; i++)
        ret[i] = fill(u, words[i]);
    return ret;
}

struct words {
    const char **v;
    size_t n, capacity;
};

/* Adds NAME=value, in place of another value of that name. */
static void put_variable(struct words *w, const char *variable)
{
    size_t n = strcspn(variable, "=") + 1;
    for (size_t i = 0; i < w->n; i++)
        if (strncmp(w->v[i], variable, n) == 0) {
            w->v[i] = variable;
            return;
        }
    vec_push(w, variable);
}

static const char *variable(struct engine_unit *u, const char *name, const char *value)
{
    return arena_printf(&u->arena, "%s=%s", name, value).p;
}

static const char *number(struct engine_unit *u, const char *name, int64_t value)
{
    return arena_printf(&u->arena, "%s=%lld", name, (long long)value).p;
}

static void put_user(struct engine_unit *u, struct words *w)
{
    struct program_user user;
    if (!*u->row.user || program_user_find(u->row.user, &user, NULL) != 0)
        return; /* the start says so */
    put_variable(w, variable(u, "HOME", user.home));
    put_variable(w, variable(u, "USER", user.name));
    put_variable(w, variable(u, "LOGNAME", user.name));
    put_variable(w, variable(u, "SHELL", user.shell));
}

static void make_environment(struct engine_unit *u)
{
    static const char *const not_ours[] = {
        "NOTIFY_SOCKET=", "WATCHDOG_USEC=",    "WATCHDOG_PID=",       "LISTEN_FDS=",
        "LISTEN_PID=",    "SONDE_WATCH_UNIT=", "SONDE_WATCH_SOCKETS="};
    struct words w = {0};
    for (char **v = environ; *v; v++) {
        bool theirs = true;
        for (size_t i = 0; i < COUNTOF(not_ours); i++)
            theirs = theirs && strncmp(*v, not_ours[i], strlen(not_ours[i])) != 0;
        if (theirs)
            vec_push(&w, *v);
    }
    put_user(u, &w);
    put_variable(&w, number(u, "SONDE_INSTANCE", u->instance));
    if (u->port)
        put_variable(&w, number(u, "PORT", u->port));
    for (const char *const *v = u->row.environment; *v; v++)
        put_variable(&w, *v);
    put_variable(&w, arena_printf(&u->arena, "SONDE_WATCH_UNIT=%s:%s", u->engine->id, u->name).p);
    put_variable(&w, variable(u, "NOTIFY_SOCKET", u->notify_name));
    if (u->row.heartbeat_ms) {
        put_variable(&w, number(u, "WATCHDOG_USEC", u->row.heartbeat_ms * 1000));
        char *pid = arena_new(&u->arena, PID_SLOT);
        u->pid_slot = pid + snprintf(pid, PID_SLOT, "WATCHDOG_PID=");
        put_variable(&w, pid);
    } else {
        u->pid_slot = NULL;
    }
    u->environment = arena_array(&u->arena, w.n + 1, sizeof *u->environment);
    memcpy(u->environment, w.v, w.n * sizeof *w.v);
    vec_free(&w);
}

void engine_unit_set_row(struct engine_unit *u, const struct watch_program *p)
{
    bool same_log =
        u->log && u->row.log_bytes_max == p->log_bytes_max && u->row.log_files == p->log_files;
    engine_check_cancel(u);
    u->program = p;
    u->next_row = NULL;
    arena_done(&u->arena);
    u->port = p->port ? p->port + u->instance : 0;
    u->row = *p;
    u->row.argv = fill_all(u, p->argv);
    u->row.environment = fill_all(u, p->environment);
    u->row.before_start = fill_all(u, p->before_start);
    u->row.after_start = fill_all(u, p->after_start);
    u->row.before_stop = fill_all(u, p->before_stop);
    u->row.after_stop = fill_all(u, p->after_stop);
    struct watch_probe *probes[] = {&u->row.liveness, &u->row.readiness};
    for (size_t i = 0; i < COUNTOF(probes); i++) {
        probes[i]->target = fill(u, probes[i]->target);
        probes[i]->argv = fill_all(u, probes[i]->argv);
    }
    make_environment(u);
    keeper_set_program(&u->keeper, &u->row);
    engine_check_renew(u);
    if (same_log)
        return;
    spool_file_free(u->log);
    u->log = spool_file_new(u->engine->spool, u->log_path, p->log_bytes_max, p->log_files);
}

static void on_timer(void *context)
{
    struct engine_unit *u = context;
    u->timer_ms = INT64_MAX;
    keeper_tick(&u->keeper, engine_now_ms());
    engine_work(u->engine);
}

struct engine_unit *engine_unit_new(struct engine *e, const struct watch_program *p, int instance)
{
    struct engine_unit *u = mem_new(sizeof *u);
    char name[ENGINE_NAME_MAX];
    engine_unit_name_of(p, instance, name);
    u->engine = e;
    u->instance = instance;
    u->name = mem_text(name, strlen(name));
    u->pidfd = u->notify_fd = -1;
    for (int i = 0; i < 2; i++)
        u->streams[i] = (struct engine_stream){.unit = u, .fd = -1};
    arena_init(&u->arena);
    arena_init(&u->death.arena);
    for (int i = 0; i < ENGINE_LIMITS; i++)
        u->usage.over_ms[i] = -1;
    snprintf(u->notify_name, sizeof u->notify_name, "@sonde-watch/%s/%016llx", e->id,
             (unsigned long long)rand_seed());
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.log", e->plan->folder, name);
    u->log_path = mem_text(path, strlen(path));
    keeper_init(&u->keeper, p, &e->queue, &e->rand);
    engine_unit_set_row(u, p);
    u->timer_ms = INT64_MAX;
    u->timer = timer_new(e->loop, INT32_MAX, 0, on_timer, u);
    return u;
}

void engine_unit_free(struct engine_unit *u)
{
    if (!u)
        return;
    engine_check_cancel(u);
    for (int i = 0; i <= KEEPER_AFTER_STOP; i++)
        engine_command_cancel(u, ENGINE_FOR_HOOK, i);
    for (int i = 0; i < KEEPER_CHECKS; i++)
        prober_probe_free(u->checks[i].probe);
    engine_output_close(u, false);
    engine_notice_close(u);
    watch_free(u->pid_watch);
    channel_close(u->pidfd);
    timer_free(u->timer);
    spool_file_free(u->log);
    keeper_done(&u->keeper);
    tail_done(&u->tail);
    vec_free(&u->tracked);
    engine_history_done(&u->history);
    arena_done(&u->arena);
    arena_done(&u->death.arena);
    mem_free(u->log_path);
    mem_free(u->name);
    mem_free(u);
}
