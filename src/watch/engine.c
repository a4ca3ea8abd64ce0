#include "watch/engine.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/vec.h"
#include "os/file.h"
#include "os/kernel_log.h"
#include "watch/engine_inside.h"

enum { PATH_SIZE = 4096, STATUS_MS = 1000, STATE_MS = 20, MANY_UNITS = 50, NEVER_MS = INT32_MAX };

int64_t engine_now_ms(void)
{
    return clock_monotonic_ns(&clock_real) / 1000000;
}

int64_t engine_wall_ms(void)
{
    return clock_wall_ms(&clock_real);
}

/* ---- what the keepers want */

static struct engine_unit *unit_of(struct keeper *k)
{
    return (struct engine_unit *)((char *)k - offsetof(struct engine_unit, keeper));
}

static void run_hook(struct engine_unit *u, int which)
{
    const char *const *const hooks[] = {u->row.before_start, u->row.after_start, u->row.before_stop,
                                        u->row.after_stop};
    engine_tree_make(u);
    engine_command_start(u, ENGINE_FOR_HOOK, which, hooks[which], u->row.hook_timeout_ms);
}

static void sweep_on(struct engine *e)
{
    if (e->sweeping)
        return;
    e->sweeping = true;
    timer_again(e->sweep, 1, ENGINE_SWEEP_MS);
}

static void fit(struct engine_unit *u, bool is)
{
    for (struct engine_watcher *w = u->engine->watchers; w; w = w->next)
        if (w->fit)
            w->fit(w->context, u, is);
}

static void act(struct engine *e, const struct keeper_action *a)
{
    struct engine_unit *u = unit_of(a->keeper);
    e->changed = true;
    switch (a->act) {
    case KEEPER_DO_START:
        engine_run_start(u);
        break;
    case KEEPER_DO_SIGNAL:
        engine_tree_signal(u, a->number);
        sweep_on(e);
        break;
    case KEEPER_DO_KILL:
        engine_tree_kill(u);
        sweep_on(e);
        break;
    case KEEPER_DO_CHECK:
        engine_check_begin(u, (enum keeper_which)a->number);
        break;
    case KEEPER_DO_HOOK:
        run_hook(u, a->number);
        break;
    case KEEPER_DO_FIT:
        fit(u, a->number != 0);
        break;
    case KEEPER_DO_NOTE:
        engine_journal_note(a, u);
        break;
    }
}

static bool awaits_sweep(const struct engine_unit *u)
{
    return u->keeper.state == KEEPER_STOPPING && !u->keeper.process && !u->keeper.hook_running;
}

/* Are processes gone that had to be? Those that are no children of this process do not tell. */
static void on_sweep(void *context)
{
    struct engine *e = context;
    bool more = false;
    engine_run_reap(e);
    for (size_t i = 0; i < e->n; i++) {
        struct engine_unit *u = e->units[i];
        if (u->keeper.state != KEEPER_STOPPING)
            continue;
        more = true;
        if (awaits_sweep(u) && !engine_tree_leftover(u))
            keeper_tree_gone(&u->keeper, engine_now_ms());
    }
    if (!more) {
        e->sweeping = false;
        timer_again(e->sweep, NEVER_MS, 0);
    }
    engine_work(e);
}

/* ---- order */

static const char *const *after(const struct engine_unit *u)
{
    return u->row.after;
}

static bool ready_all(const struct engine *e, const char *program)
{
    for (size_t i = 0; i < e->n; i++)
        if (strcmp(e->units[i]->program->name, program) == 0 && !e->units[i]->keeper.ready)
            return false;
    return true;
}

static bool dependencies_ready(const struct engine_unit *u)
{
    for (const char *const *a = after(u); *a; a++)
        if (!ready_all(u->engine, *a))
            return false;
    return true;
}

static bool names(const struct engine *e, const char *const *list, const char *program, int depth)
{
    for (; *list; list++) {
        const struct watch_program *p = watch_plan_program(e->plan, str_c(*list));
        if (strcmp(*list, program) == 0 ||
            (p && depth < WATCH_PLAN_PROGRAMS_MAX && names(e, p->after, program, depth + 1)))
            return true;
    }
    return false;
}

bool engine_depends(const struct engine *e, const struct engine_unit *a,
                    const struct engine_unit *b)
{
    return names(e, after(a), b->program->name, 0);
}

/* Does anything that is to be stopped too, and starts after u, still live? */
static bool held(const struct engine *e, const struct engine_unit *u)
{
    for (size_t i = 0; i < e->n; i++) {
        const struct engine_unit *other = e->units[i];
        bool leaving = other->hold_stop || (!other->keeper.wanted && !keeper_down(&other->keeper));
        if (other != u && leaving && engine_depends(e, other, u))
            return true;
    }
    return false;
}

/* Starts and stops what the order of things allows now; true where anything was. */
static bool order(struct engine *e)
{
    bool moved = false;
    for (size_t i = 0; i < e->n; i++) {
        struct engine_unit *u = e->units[i];
        if (u->keeper.state == KEEPER_WAITING && u->keeper.wanted && dependencies_ready(u)) {
            keeper_dependencies_ready(&u->keeper, engine_now_ms());
            moved = true;
        }
        if (u->hold_stop && !held(e, u)) {
            u->hold_stop = false;
            keeper_ask_stop(&u->keeper, engine_now_ms());
            moved = true;
        }
    }
    return moved;
}

static void drop_removed(struct engine *e)
{
    size_t kept = 0;
    bool dropped = false;
    for (size_t i = 0; i < e->n; i++) {
        struct engine_unit *u = e->units[i];
        if (u->removed && keeper_down(&u->keeper) && !u->hold_stop) {
            cgroup_remove(&u->cgroup);
            engine_unit_free(u);
            dropped = true;
        } else {
            e->units[kept++] = u;
        }
    }
    e->n = kept;
    for (struct engine_watcher *w = e->watchers; dropped && w; w = w->next)
        if (w->planned)
            w->planned(w->context);
}

static void set_timers(struct engine *e)
{
    int64_t now = 0;
    for (size_t i = 0; i < e->n; i++) {
        struct engine_unit *u = e->units[i];
        int64_t due = keeper_due(&u->keeper);
        if (due == u->timer_ms)
            continue;
        now = now ? now : engine_now_ms();
        u->timer_ms = due;
        timer_again(u->timer, MIN(MAX(due - now, 0), NEVER_MS), 0);
    }
}

static void tell_changes(struct engine *e)
{
    e->changed = false;
    for (struct engine_watcher *w = e->watchers; w; w = w->next)
        if (w->changed)
            w->changed(w->context);
    e->status_due = true;
    if (e->n <= MANY_UNITS)
        engine_status_write(e);
}

static bool all_down(const struct engine *e)
{
    for (size_t i = 0; i < e->n; i++)
        if (!keeper_down(&e->units[i]->keeper) || e->units[i]->hold_stop)
            return false;
    return true;
}

void engine_work(struct engine *e)
{
    struct keeper_action a;
    if (e->working)
        return; /* the outer one goes on */
    e->working = true;
    do
        while (keeper_queue_take(&e->queue, &a))
            act(e, &a);
    while (order(e));
    drop_removed(e);
    set_timers(e);
    e->working = false;
    if (e->state_changed && !e->forgotten && e->n <= MANY_UNITS) {
        engine_state_write(e);
    } else if (e->state_changed && !e->state_timed && !e->forgotten) {
        e->state_timed = true;
        timer_again(e->state, STATE_MS, 0);
    }
    if (e->changed)
        tell_changes(e);
    if (e->ending && e->ended && all_down(e)) {
        void (*ended)(void *) = e->ended;
        e->ended = NULL;
        e->forgotten = true; /* the next one begins as the table says */
        spool_replace(e->spool, e->state_path, STR(""), false);
        ended(e->ended_context);
    }
}

static void on_soon(void *context)
{
    engine_work(context);
}

void engine_work_soon(struct engine *e)
{
    timer_again(e->soon, 0, 0);
}

/* ---- times */

static void on_child(void *context)
{
    struct engine *e = context;
    engine_run_reap(e);
    if (e->sweeping)
        on_sweep(e);
    else
        engine_work(e);
}

static void on_usage(void *context)
{
    struct engine *e = context;
    engine_usage_read(e);
    e->status_due = true;
    engine_work(e);
}

static void on_status(void *context)
{
    struct engine *e = context;
    if (e->status_due)
        engine_status_write(e);
}

static void on_state(void *context)
{
    struct engine *e = context;
    e->state_timed = false;
    if (!e->forgotten)
        engine_state_write(e);
}

/* ---- life */

static char *path_in(const struct engine *e, const char *name)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", e->plan->folder, name);
    return mem_text(path, strlen(path));
}

static void make_units(struct engine *e)
{
    size_t n = 0;
    for (size_t i = 0; i < e->plan->n; i++)
        n += (size_t)e->plan->programs[i].instances;
    e->units = mem_array(n + 1, sizeof(struct engine_unit *));
    for (size_t i = 0; i < e->plan->n; i++)
        for (int k = 0; k < e->plan->programs[i].instances; k++)
            e->units[e->n++] = engine_unit_new(e, &e->plan->programs[i], k);
}

static void name_it(struct engine *e)
{
    char path[PATH_SIZE];
    if (file_absolute(e->plan->folder, path, sizeof path, NULL) != 0)
        snprintf(path, sizeof path, "%s", e->plan->folder);
    uint64_t hash = hash_xxh3(path, strlen(path), 0);
    snprintf(e->id, sizeof e->id, "%016llx", (unsigned long long)hash);
    snprintf(e->cgroup_name, sizeof e->cgroup_name, "sonde-watch-%s", e->id);
}

static void write_plan(struct engine *e)
{
    struct buf b;
    char *path = path_in(e, "plan");
    buf_init(&b, WATCH_PLAN_BYTES_MAX);
    watch_plan_write(e->plan, &b);
    spool_replace(e->spool, path, buf_str(&b), true);
    buf_done(&b);
    mem_free(path);
}

int engine_new(struct loop *l, struct watch_plan *plan, struct str handover, int64_t files_max,
               struct engine **ret, struct why *why)
{
    int err = file_make_dir(plan->folder, why);
    if (err)
        return err;
    struct engine *e = mem_new(sizeof *e);
    e->loop = l;
    e->plan = plan;
    e->files_max = files_max;
    e->started_wall_ms = engine_wall_ms();
    rand_init(&e->rand, rand_seed());
    map_init(&e->by_pid, 0);
    name_it(e);
    program_adopt_orphans();
    struct why said = {.text = ""};
    cgroup_root_open(e->cgroup_name, &e->cgroups, &said);
    snprintf(e->warning, sizeof e->warning, "%s", said.text);
    e->kernel_log = kernel_log_open();
    err = prober_new(l, &e->prober);
    if (err) {
        mem_free(e);
        return why_set(why, (enum err) - err, "no checks: %s", err_text(err));
    }
    e->room = mem_raw(ENGINE_READ_SIZE);
    e->spool = spool_new();
    e->state_path = path_in(e, "state");
    engine_journal_open(e);
    e->sweep = timer_new(l, NEVER_MS, 0, on_sweep, e);
    e->soon = timer_new(l, NEVER_MS, 0, on_soon, e);
    e->state = timer_new(l, NEVER_MS, 0, on_state, e);
    e->usage = timer_new(l, ENGINE_USAGE_MS, ENGINE_USAGE_MS, on_usage, e);
    e->status = timer_new(l, STATUS_MS, STATUS_MS, on_status, e);
    make_units(e);
    write_plan(e);
    if (e->warning[0])
        engine_note(e, KEEPER_WARN, "%s", e->warning);
    struct buf before;
    buf_init(&before, WATCH_PLAN_BYTES_MAX);
    e->working = true; /* what is adopted is told when all of it is there */
    if (handover.n)
        engine_state_take(e, handover, true);
    else if (file_read(e->state_path, &before, NULL) == 0 && before.n)
        engine_state_take(e, buf_str(&before), false);
    buf_done(&before);
    e->working = false;
    e->child_watch = signal_watch_new(l, 17, on_child, e);
    *ret = e;
    return 0;
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    e->watchers = NULL;
    for (size_t i = 0; i < e->n; i++) {
        bool down = keeper_down(&e->units[i]->keeper);
        if (down)
            cgroup_remove(&e->units[i]->cgroup);
        engine_unit_free(e->units[i]);
    }
    mem_free(e->units);
    cgroup_root_close(&e->cgroups);
    engine_journal_close(e);
    spool_free(e->spool);
    prober_free(e->prober);
    signal_watch_free(e->child_watch);
    timer_free(e->sweep);
    timer_free(e->soon);
    timer_free(e->state);
    timer_free(e->usage);
    timer_free(e->status);
    kernel_log_close(e->kernel_log);
    engine_history_done(&e->history);
    keeper_queue_done(&e->queue);
    map_done(&e->by_pid);
    for (size_t i = 0; i < e->old_plans.n; i++)
        watch_plan_free(e->old_plans.v[i]);
    vec_free(&e->old_plans);
    watch_plan_free(e->plan);
    mem_free(e->room);
    mem_free(e->state_path);
    mem_free(e);
}

void engine_watch(struct engine *e, struct engine_watcher *w)
{
    w->next = e->watchers;
    e->watchers = w;
}

void engine_unwatch(struct engine *e, struct engine_watcher *w)
{
    struct engine_watcher **at = &e->watchers;
    while (*at && *at != w)
        at = &(*at)->next;
    if (*at)
        *at = w->next;
}

void engine_begin(struct engine *e)
{
    engine_note(e, KEEPER_INFO, "begins: %zu units, %lld of them adopted (PID %d)", e->n,
                (long long)e->adopted, process_self());
    for (size_t i = 0; i < e->n; i++) {
        struct engine_unit *u = e->units[i];
        if (u->program->enabled && !u->known)
            keeper_ask_start(&u->keeper, engine_now_ms(), dependencies_ready(u));
    }
    engine_work(e);
}

void engine_end(struct engine *e, void (*ended)(void *context), void *context)
{
    e->ended = ended;
    e->ended_context = context;
    if (!e->ending)
        engine_note(e, KEEPER_INFO, "stops all programs");
    e->ending = true;
    for (size_t i = 0; i < e->n; i++)
        e->units[i]->hold_stop = true;
    engine_work_soon(e);
}

/* ---- asked for */

void engine_start(struct engine *e, struct engine_unit *u)
{
    if (e->ending || u->removed)
        return;
    u->hold_stop = false;
    keeper_ask_start(&u->keeper, engine_now_ms(), dependencies_ready(u));
    e->state_changed = true;
    engine_work_soon(e);
}

void engine_stop(struct engine *e, struct engine_unit *u)
{
    u->hold_stop = true;
    e->state_changed = true;
    engine_work_soon(e);
}

void engine_restart(struct engine *e, struct engine_unit *u)
{
    if (e->ending || u->removed)
        return;
    keeper_ask_restart(&u->keeper, engine_now_ms(), KEEPER_ASKED);
    e->state_changed = true;
    engine_work_soon(e);
}

void engine_drained(struct engine *e, struct engine_unit *u)
{
    keeper_drained(&u->keeper, engine_now_ms());
    engine_work_soon(e);
}

void engine_reload(struct engine *e, struct engine_unit *u)
{
    if (u->row.reload_signal == 0) {
        engine_restart(e, u);
        return;
    }
    engine_signal(e, u, (int)u->row.reload_signal);
    engine_journal_say(e, u, KEEPER_INFO, "reload", STR("told to reload"));
}

void engine_signal(struct engine *e, struct engine_unit *u, int signum)
{
    if (u->pidfd >= 0)
        program_signal(u->pidfd, signum);
    else if (u->pid)
        program_signal_pid(u->pid, signum);
    e->changed = true;
}

void engine_flush(struct engine *e)
{
    spool_flush(e->spool);
}

int engine_exit_code(const struct engine *e)
{
    for (size_t i = 0; i < e->n; i++)
        if (e->units[i]->keeper.slow && e->units[i]->program->give_up == WATCH_GIVE_UP_STOP)
            return ENGINE_EXIT_CRITICAL;
    return 0;
}

bool engine_idle(const struct engine *e)
{
    for (size_t i = 0; i < e->n; i++) {
        const struct keeper *k = &e->units[i]->keeper;
        bool over =
            k->state == KEEPER_FINISHED || (k->state == KEEPER_CRITICAL && k->deadline_ms < 0);
        if (!over)
            return false;
    }
    return e->n > 0;
}
