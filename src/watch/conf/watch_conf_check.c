#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "text/duration.h"
#include "watch/conf/watch_conf.h"

enum { SIGNALS_MAX = 64, PORT_MAX = 65535 };

static const struct {
    const char *name;
    int number;
} SIGNALS[] = {
    {"none", 0},       {"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT},
    {"ABRT", SIGABRT}, {"KILL", SIGKILL}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2},
    {"ALRM", SIGALRM}, {"TERM", SIGTERM}, {"CONT", SIGCONT}, {"WINCH", SIGWINCH},
};

int watch_conf_signal(const char *text)
{
    int64_t number;
    if (str_i64(str_c(text), &number))
        return number >= 0 && number <= SIGNALS_MAX ? (int)number : -1;
    if (strncmp(text, "SIG", 3) == 0)
        text += 3;
    for (size_t i = 0; i < COUNTOF(SIGNALS); i++)
        if (strcmp(SIGNALS[i].name, text) == 0)
            return SIGNALS[i].number;
    return -1;
}

static bool is_name(const char *text)
{
    if (text[0] == '\0' || text[0] == '.' || text[0] == '-' || strcmp(text, "all") == 0)
        return false;
    for (; *text != '\0'; text++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", *text))
            return false;
    return true;
}

static const struct watch_conf_program *row_at(const struct watch_conf *c, size_t i)
{
    return &((const struct watch_conf_program *)c->programs.v)[i];
}

static int check_names(const struct watch_conf *c, size_t i, struct why *why)
{
    const struct watch_conf_program *p = row_at(c, i);
    if (!is_name(p->name))
        return why_set(why, ERR_FORMAT,
                       "a name has letters, digits, - _ and dots, does not begin with a dot or -, "
                       "and is not \"all\"");
    if (p->group[0] != '\0' && !is_name(p->group))
        return why_set(why, ERR_FORMAT, "group \"%s\" is no name", p->group);
    for (size_t k = 0; k < c->programs.n; k++) {
        const struct watch_conf_program *other = row_at(c, k);
        if (k < i && strcmp(other->name, p->name) == 0)
            return why_set(why, ERR_EXISTS, "there is another one before it of that name");
        if (strcmp(other->group, p->name) == 0)
            return why_set(why, ERR_EXISTS, "a group has that name too");
    }
    return 0;
}

/* "HOST:PORT", where PORT may be @PORT@ or have @INSTANCE@ in it. */
static bool is_host_port(struct str text)
{
    size_t colon = text.n;
    while (colon > 0 && text.p[colon - 1] != ':')
        colon--;
    if (colon < 2 || colon == text.n)
        return false;
    struct str port = str_sub(text, colon, text.n);
    uint64_t number;
    if (str_search(port, STR("@")) < port.n)
        return true;
    return str_u64(port, &number) && number > 0 && number <= PORT_MAX;
}

static int check_probe(const char *key, const struct watch_conf_probe *p, struct why *why)
{
    struct str target = str_c(p->target);
    if (p->target[0] != '\0' && p->command.n > 0)
        return why_set(why, ERR_FORMAT, "%s and %s_command exclude each other", key, key);
    if (p->command.n > 0 && p->command.v[0][0] == '\0')
        return why_set(why, ERR_FORMAT, "%s_command names no program", key);
    if (p->status_min > p->status_max)
        return why_set(why, ERR_RANGE, "%s_status_min is above %s_status_max", key, key);
    if (target.n == 0)
        return 0;
    if (str_starts(target, STR("https://")))
        return why_set(why, ERR_FORMAT,
                       "%s: sonde-watch has no TLS; ask by %s_command = [\"curl\", \"-fsS\", "
                       "\"%s\"], or name a plain http:// address",
                       key, key, p->target);
    struct str host = target;
    if (str_starts(target, STR("http://")))
        host = str_sub(target, 7, 7 + str_find(str_sub(target, 7, target.n), '/'));
    else if (str_starts(target, STR("tcp://")))
        host = str_sub(target, 6, target.n);
    bool http = str_starts(target, STR("http://"));
    if (!is_host_port(host) && !(http && host.n > 0 && str_find(host, ':') == host.n))
        return why_set(why, ERR_FORMAT,
                       "%s = \"%s\": expected http://HOST:PORT/PATH or tcp://HOST:PORT", key,
                       p->target);
    return 0;
}

static int check_pauses(const struct option_list *pauses, struct why *why)
{
    for (size_t i = 0; i < pauses->n; i++) {
        int64_t ms;
        struct why fault = {0};
        if (duration_read(str_c(pauses->v[i]), &ms, &fault) != 0)
            return why_set(why, ERR_FORMAT, "pauses: \"%s\" is no duration (0s, 500ms, 1m30s)",
                           pauses->v[i]);
    }
    return 0;
}

static int check_signals(const struct watch_conf_program *p, struct why *why)
{
    if (watch_conf_signal(p->stop_signal) <= 0)
        return why_set(why, ERR_FORMAT, "stop_signal = \"%s\" is no signal (TERM, INT, 15)",
                       p->stop_signal);
    if (watch_conf_signal(p->reload_signal) < 0)
        return why_set(why, ERR_FORMAT, "reload_signal = \"%s\" is no signal (HUP, USR1, none)",
                       p->reload_signal);
    return 0;
}

static int check_lists(const struct watch_conf_program *p, struct why *why)
{
    if (p->command.n == 0 || p->command.v[0][0] == '\0')
        return why_set(why, ERR_FORMAT, "command names no program: command = [\"./backend\"]");
    for (size_t i = 0; i < p->environment.n; i++)
        if (strchr(p->environment.v[i], '=') == NULL || p->environment.v[i][0] == '=')
            return why_set(why, ERR_FORMAT, "environment: item %zu is not NAME=value", i + 1);
    return 0;
}

static int check_instances(const struct watch_conf_program *p, struct why *why)
{
    if (p->port > 0 && p->port + p->instances - 1 > PORT_MAX)
        return why_set(why, ERR_RANGE, "port %lld and %lld instances go beyond 65535",
                       (long long)p->port, (long long)p->instances);
    if ((p->haproxy_socket[0] != '\0') != (p->haproxy_backend[0] != '\0'))
        return why_set(why, ERR_FORMAT, "haproxy_socket and haproxy_backend belong together");
    if (p->proxy_listen[0] == '\0')
        return 0;
    if (!is_host_port(str_c(p->proxy_listen)))
        return why_set(why, ERR_FORMAT, "proxy_listen = \"%s\": expected HOST:PORT",
                       p->proxy_listen);
    if (p->port == 0)
        return why_set(why, ERR_FORMAT,
                       "proxy_listen needs port: that of the first instance, to send to");
    return 0;
}

static int check_row(const struct watch_conf *c, size_t i, struct why *why)
{
    const struct watch_conf_program *p = row_at(c, i);
    int err = check_names(c, i, why);
    if (err == 0)
        err = check_lists(p, why);
    if (err == 0)
        err = check_pauses(&p->pauses, why);
    if (err == 0)
        err = check_signals(p, why);
    if (err == 0)
        err = check_probe("health", &p->health, why);
    if (err == 0)
        err = check_probe("ready", &p->ready, why);
    if (err == 0)
        err = check_instances(p, why);
    return err;
}

/* What the table as a whole says: order, numbers of instances. */
static int check_plan(const struct watch_conf *c, struct why *why)
{
    struct watch_plan *plan;
    const struct watch_conf_place place = {.data = ".", .here = ""};
    int err = watch_conf_plan(c, &place, &plan, why);
    if (err != 0)
        return err;
    err = watch_plan_check(plan, why);
    watch_plan_free(plan);
    return err;
}

int watch_conf_check(const struct watch_conf *c, struct why *why)
{
    if (c->programs.n > WATCH_CONF_PROGRAMS_MAX)
        return why_set(why, ERR_LIMIT, "there are more than %d of [[watch.program]]",
                       WATCH_CONF_PROGRAMS_MAX);
    for (size_t i = 0; i < c->programs.n; i++) {
        int err = check_row(c, i, why);
        if (err != 0) {
            why_prefix(why, "[[watch.program]] %zu (name \"%s\")", i + 1, row_at(c, i)->name);
            return err;
        }
    }
    return check_plan(c, why);
}

static void doubt_command(const struct watch_conf_program *p, const char *key,
                          const struct option_list *command, const struct watch_conf_look *look,
                          struct buf *out)
{
    /* A relative path begins at the program's folder, which only a start can see to. */
    const char *path = command->n > 0 ? command->v[0] : "";
    bool relative = path[0] != '/' && strchr(path, '/') != NULL;
    if (path[0] == '\0' || (relative && p->folder[0] != '\0') || strchr(path, '@') != NULL)
        return;
    if (!look->is_runnable(path))
        buf_printf(out, "[[watch.program]] \"%s\": %s: %s is not there or may not be run\n",
                   p->name, key, path);
}

void watch_conf_doubts(const struct watch_conf *c, const struct watch_conf_look *look,
                       struct buf *out)
{
    for (size_t i = 0; i < c->programs.n; i++) {
        const struct watch_conf_program *p = row_at(c, i);
        doubt_command(p, "command", &p->command, look, out);
        doubt_command(p, "health_command", &p->health.command, look, out);
        doubt_command(p, "ready_command", &p->ready.command, look, out);
        doubt_command(p, "before_start", &p->before_start, look, out);
        doubt_command(p, "after_start", &p->after_start, look, out);
        doubt_command(p, "before_stop", &p->before_stop, look, out);
        doubt_command(p, "after_stop", &p->after_stop, look, out);
        if (p->folder[0] != '\0' && !look->is_folder(p->folder))
            buf_printf(out, "[[watch.program]] \"%s\": folder %s is not there\n", p->name,
                       p->folder);
        if (p->health.target[0] != '\0' && p->health.timeout_ms > p->health.fail_ms)
            buf_printf(out,
                       "[[watch.program]] \"%s\": health_timeout_ms is above health_fail_ms: one "
                       "slow answer is a restart\n",
                       p->name);
    }
}
