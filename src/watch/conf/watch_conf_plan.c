#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "text/duration.h"
#include "watch/conf/watch_conf.h"

static const char *absolute(const char *path, const char *here, struct arena *a)
{
    if (path[0] == '/')
        return arena_str(a, str_c(path)).p;
    return arena_printf(a, "%s/%s", here, path).p;
}

const char *watch_conf_folder(const struct watch_conf *c, const char *data, const char *here,
                              struct arena *a)
{
    if (c->own.folder[0] != '\0')
        return absolute(c->own.folder, here, a);
    return absolute(arena_printf(a, "%s/watch", data).p, here, a);
}

const char *watch_conf_socket(const struct watch_conf *c, const char *data, const char *here,
                              struct arena *a)
{
    if (c->own.socket[0] != '\0')
        return absolute(c->own.socket, here, a);
    return arena_printf(a, "%s/control.socket", watch_conf_folder(c, data, here, a)).p;
}

static const char *text(struct arena *a, const char *s)
{
    return arena_str(a, str_c(s)).p;
}

static const char *const *texts(struct arena *a, const struct option_list *list)
{
    const char **v = arena_array(a, list->n + 1, sizeof *v);
    for (size_t i = 0; i < list->n; i++)
        v[i] = text(a, list->v[i]);
    return v;
}

static struct watch_probe probe_of(struct arena *a, const struct watch_conf_probe *p)
{
    struct str target = str_c(p->target);
    enum watch_probe_kind kind = WATCH_PROBE_NONE;
    if (p->command.n > 0)
        kind = WATCH_PROBE_COMMAND;
    else if (target.n > 0)
        kind = str_starts(target, STR("http://")) ? WATCH_PROBE_HTTP : WATCH_PROBE_TCP;
    if (str_starts(target, STR("tcp://")))
        target = str_sub(target, 6, target.n);
    return (struct watch_probe){
        .kind = kind,
        .target = arena_str(a, target).p,
        .argv = texts(a, &p->command),
        .interval_ms = p->interval_ms,
        .timeout_ms = p->timeout_ms,
        .fail_ms = p->fail_ms,
        .status_min = p->status_min,
        .status_max = p->status_max,
        .body = text(a, p->body),
    };
}

static enum watch_restart restart_of(const char *word)
{
    if (strcmp(word, "never") == 0)
        return WATCH_RESTART_NEVER;
    return strcmp(word, "always") == 0 ? WATCH_RESTART_ALWAYS : WATCH_RESTART_ON_FAILURE;
}

static void set_pauses(struct arena *a, const struct option_list *list, struct watch_program *to)
{
    int64_t *v = arena_array(a, list->n + 1, sizeof *v);
    for (size_t i = 0; i < list->n; i++) {
        int err = duration_read(str_c(list->v[i]), &v[i], NULL);
        must(err == 0); /* watch_conf_check() has read it */
    }
    to->pauses_ms = v;
    to->pauses_n = list->n;
    if (list->n == 0)
        to->pauses_n = 1; /* no pause at all */
}

static void set_limits(const struct watch_conf_program *p, struct watch_program *to)
{
    to->restart = restart_of(p->restart);
    to->restarts_max = p->restarts_max == 0 ? WATCH_PLAN_RESTARTS_MAX : p->restarts_max;
    to->window_ms = p->window_ms;
    to->jitter_percent = p->jitter_percent;
    to->give_up = strcmp(p->give_up, "retry") == 0 ? WATCH_GIVE_UP_RETRY : WATCH_GIVE_UP_STOP;
    to->retry_ms = p->retry_ms;
    to->grace_ms = p->grace_ms;
    to->heartbeat_ms = p->heartbeat_ms;
    to->stop_signal = watch_conf_signal(p->stop_signal);
    to->stop_timeout_ms = p->stop_timeout_ms;
    to->reload_signal = watch_conf_signal(p->reload_signal);
    to->abort_on_hang = p->abort_on_hang;
    to->memory_max = p->memory_bytes_max;
    to->cpu_percent_max = p->cpu_percent_max;
    to->files_max = p->files_max;
    to->limit_for_ms = p->limit_for_ms;
    to->cgroup_memory_max = p->cgroup_memory_bytes_max;
    to->cgroup_pids_max = p->cgroup_pids_max;
    to->cgroup_cpu_percent = p->cgroup_cpu_percent_max;
    to->hook_timeout_ms = p->hook_timeout_ms;
    to->log_bytes_max = p->log_bytes_max;
    to->log_files = p->log_files_max;
    to->drain_ms = p->drain_ms;
}

static void set_program(struct arena *a, const struct watch_conf_program *p, const char *here,
                        struct watch_program *to)
{
    to->name = text(a, p->name);
    to->group = text(a, p->group);
    to->argv = texts(a, &p->command);
    to->folder = p->folder[0] == '\0' ? "" : absolute(p->folder, here, a);
    to->environment = texts(a, &p->environment);
    to->user = text(a, p->user);
    to->after = texts(a, &p->after);
    to->instances = p->instances;
    to->port = p->port;
    to->enabled = p->enabled;
    set_limits(p, to);
    set_pauses(a, &p->pauses, to);
    to->liveness = probe_of(a, &p->health);
    to->readiness = probe_of(a, &p->ready);
    to->before_start = texts(a, &p->before_start);
    to->after_start = texts(a, &p->after_start);
    to->before_stop = texts(a, &p->before_stop);
    to->after_stop = texts(a, &p->after_stop);
    to->rolling = p->rolling;
    to->haproxy_socket = text(a, p->haproxy_socket);
    to->haproxy_backend = text(a, p->haproxy_backend);
    to->proxy_listen = text(a, p->proxy_listen);
}

/* ---- which of them are started */

static size_t index_of(const struct watch_program *v, size_t n, const char *name)
{
    size_t i = 0;
    while (i < n && strcmp(v[i].name, name) != 0)
        i++;
    return i;
}

/* Enables the i-th program and those that it waits for. Ends, as `after` has no circles. */
static void want(struct watch_program *v, size_t n, size_t i)
{
    v[i].enabled = true;
    for (const char *const *name = v[i].after; *name != NULL; name++) {
        size_t at = index_of(v, n, *name);
        if (at < n && !v[at].enabled)
            want(v, n, at);
    }
}

static int select_programs(const struct watch_conf_place *place, struct watch_program *v, size_t n,
                           struct why *why)
{
    for (size_t i = 0; i < n && place->names_n > 0; i++)
        v[i].enabled = false;
    for (size_t k = 0; k < place->names_n; k++) {
        const char *name = place->names[k];
        size_t found = 0;
        for (size_t i = 0; i < n; i++) {
            if (strcmp(v[i].name, name) != 0 && strcmp(v[i].group, name) != 0 &&
                strcmp(name, "all") != 0)
                continue;
            want(v, n, i);
            found++;
        }
        if (found == 0)
            return why_set(why, ERR_NOENT, "there is no program and no group \"%s\"", name);
    }
    return 0;
}

int watch_conf_plan(const struct watch_conf *c, const struct watch_conf_place *place,
                    struct watch_plan **ret, struct why *why)
{
    struct watch_plan *p = mem_new(sizeof *p);
    struct arena *a = &p->arena;
    watch_plan_init(p);
    const struct watch_conf_program *rows = c->programs.v;
    struct watch_program *v = arena_array(a, c->programs.n + 1, sizeof *v);
    for (size_t i = 0; i < c->programs.n; i++)
        set_program(a, &rows[i], place->here, &v[i]);
    p->folder = watch_conf_folder(c, place->data, place->here, a);
    p->socket = watch_conf_socket(c, place->data, place->here, a);
    p->status_file =
        c->own.status_file[0] == '\0' ? "" : absolute(c->own.status_file, p->folder, a);
    p->verbosity = c->own.verbosity;
    p->json = c->own.json;
    p->programs = v;
    p->n = c->programs.n;
    int err = select_programs(place, v, p->n, why);
    if (err == 0 && strlen(p->socket) > WATCH_CONF_SOCKET_MAX)
        err = why_set(why, ERR_LIMIT,
                      "the path of the control socket is longer than %d bytes: %s; set [watch] "
                      "socket",
                      WATCH_CONF_SOCKET_MAX, p->socket);
    if (err != 0) {
        watch_plan_free(p);
        return err;
    }
    *ret = p;
    return 0;
}
