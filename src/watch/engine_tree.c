#include <stdio.h>
#include <unistd.h>

#include "base/vec.h"
#include "watch/engine_inside.h"

/* Where there is a cgroup it knows all; else: who descends from the main process, and of the
 * orphans that became this process's children those that were seen below it, have its session or
 * inherited its mark. */

void engine_tree_make(struct engine_unit *u)
{
    struct engine *e = u->engine;
    struct why why = {.text = ""};
    struct cgroup_limits limits = {u->row.cgroup_memory_max, u->row.cgroup_pids_max,
                                   u->row.cgroup_cpu_percent};
    if (u->cgroup_made && u->cgroup.stale && !u->pid) {
        cgroup_remove(&u->cgroup);
        u->cgroup_made = false;
    }
    if (u->cgroup_made)
        return;
    u->cgroup_made = true;
    if (cgroup_make(&e->cgroups, u->name, &limits, &u->cgroup, &why) != 0)
        engine_journal_say(e, u, KEEPER_WARN, "warning", str_c(why.text));
}

static bool has(const struct process_list *l, int pid)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i] == pid)
            return true;
    return false;
}

static bool is_command(const struct engine *e, int pid)
{
    for (const struct engine_command *c = e->commands; c; c = c->next)
        if (c->pid == pid)
            return true;
    return false;
}

static bool is_ours(struct engine_unit *u, int pid, int session)
{
    char mark[ENGINE_NAME_MAX + 64];
    struct process_stat s;
    if (!process_stat_read(pid, &s) || s.state == 'Z')
        return false;
    if ((session && s.sid == session) || has(&u->tracked, pid))
        return true;
    snprintf(mark, sizeof mark, "SONDE_WATCH_UNIT=%s:%s", u->engine->id, u->name);
    return process_has_environment(pid, str_c(mark));
}

static void list_by_ancestry(struct engine_unit *u, struct process_list *ret)
{
    struct process_list children = {0};
    size_t from = ret->n;
    if (u->pid) {
        vec_push(ret, u->pid);
        process_descendants(u->pid, ret);
    }
    process_children(getpid(), &children);
    for (size_t i = 0; i < children.n; i++) {
        int pid = children.v[i];
        struct str key = {(const char *)&pid, sizeof pid};
        if (map_get(&u->engine->by_pid, key) || is_command(u->engine, pid) || has(ret, pid) ||
            !is_ours(u, pid, u->session))
            continue;
        vec_push(ret, pid);
        process_descendants(pid, ret);
    }
    vec_free(&children);
    u->tracked.n = 0;
    for (size_t i = from; i < ret->n; i++)
        vec_push(&u->tracked, ret->v[i]);
}

static bool lives(int pid)
{
    struct process_stat s;
    return process_stat_read(pid, &s) && s.state != 'Z' && s.state != 'X';
}

void engine_tree_list(struct engine_unit *u, struct process_list *ret)
{
    if (u->cgroup.path[0]) {
        cgroup_processes(&u->cgroup, ret);
        if (u->pid && !has(ret, u->pid))
            vec_push(ret, u->pid);
        return;
    }
    list_by_ancestry(u, ret);
}

bool engine_tree_leftover(struct engine_unit *u)
{
    struct process_list all = {0};
    bool left = false;
    if (u->cgroup.path[0])
        cgroup_processes(&u->cgroup, &all);
    else
        list_by_ancestry(u, &all);
    for (size_t i = 0; i < all.n && !left; i++)
        left = all.v[i] != u->pid && !is_command(u->engine, all.v[i]) && lives(all.v[i]);
    vec_free(&all);
    return left;
}

void engine_tree_signal(struct engine_unit *u, int signum)
{
    struct process_list all = {0};
    engine_tree_list(u, &all);
    if (u->pidfd >= 0)
        program_signal(u->pidfd, signum);
    for (size_t i = 0; i < all.n; i++)
        if (all.v[i] != u->pid && !is_command(u->engine, all.v[i]))
            program_signal_pid(all.v[i], signum);
    vec_free(&all);
}

void engine_tree_kill(struct engine_unit *u)
{
    struct process_list all = {0};
    u->killed = u->killed || u->pid;
    if (u->pidfd >= 0)
        program_signal(u->pidfd, 9);
    if (u->cgroup.path[0]) {
        cgroup_kill(&u->cgroup);
        return;
    }
    list_by_ancestry(u, &all);
    for (size_t i = 0; i < all.n; i++)
        if (!is_command(u->engine, all.v[i]))
            program_signal_pid(all.v[i], 9);
    vec_free(&all);
}

bool engine_tree_holds(struct engine_unit *u, int pid)
{
    struct process_list all = {0};
    if (pid <= 0)
        return false;
    if (pid == u->pid)
        return true;
    engine_tree_list(u, &all);
    bool held = has(&all, pid);
    vec_free(&all);
    return held || (u->pid && process_descends(pid, u->pid));
}
