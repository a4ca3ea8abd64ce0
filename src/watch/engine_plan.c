#include "base/mem.h"
#include "base/vec.h"
#include "watch/engine_inside.h"
#include "watch/json_line.h"

/* A row as text, with what can be changed while it runs as it usually is. */
static void put_fixed(const struct watch_program *p, struct buf *out)
{
    struct watch_program row;
    struct watch_plan one;
    watch_plan_program_init(&row);
    row.name = p->name;
    row.argv = p->argv;
    row.folder = p->folder;
    row.environment = p->environment;
    row.user = p->user;
    row.port = p->port;
    row.heartbeat_ms = p->heartbeat_ms;
    row.cgroup_memory_max = p->cgroup_memory_max;
    row.cgroup_pids_max = p->cgroup_pids_max;
    row.cgroup_cpu_percent = p->cgroup_cpu_percent;
    watch_plan_init(&one);
    one.programs = &row;
    one.n = 1;
    watch_plan_write(&one, out);
    arena_done(&one.arena);
}

static bool needs_restart(const struct watch_program *a, const struct watch_program *b)
{
    struct buf x, y;
    buf_init(&x, WATCH_PLAN_BYTES_MAX);
    buf_init(&y, WATCH_PLAN_BYTES_MAX);
    put_fixed(a, &x);
    put_fixed(b, &y);
    bool differ = !str_eq(buf_str(&x), buf_str(&y));
    buf_done(&x);
    buf_done(&y);
    return differ;
}

static struct engine_unit *find_unit(const struct engine *e, const char *name)
{
    for (size_t i = 0; i < e->n; i++)
        if (strcmp(e->units[i]->name, name) == 0)
            return e->units[i];
    return NULL;
}

/* What becomes of the units of one row. */
enum fate { ADDED, CHANGED, REMOVED, KEPT, FATES };

struct change {
    struct engine *engine;
    struct engine_unit **units; /* of the new plan, in its order, then those that go */
    size_t n, capacity;
    struct buf names[FATES];
};

static void tell(struct change *c, enum fate fate, const char *name)
{
    json_line_text(&c->names[fate], NULL, str_c(name));
}

static void push(struct change *c, struct engine_unit *u)
{
    if (c->n == c->capacity)
        c->units = mem_resize(c->units, (c->capacity = 2 * c->capacity + 16) * sizeof u);
    c->units[c->n++] = u;
}

/* Does a watcher restart it when its turn comes? */
static bool replaced_by_another(struct engine *e, struct engine_unit *u)
{
    for (struct engine_watcher *w = e->watchers; w; w = w->next)
        if (w->replace && w->replace(w->context, u))
            return true;
    return false;
}

static void place(struct change *c, const struct watch_program *p, int instance)
{
    char name[ENGINE_NAME_MAX];
    engine_unit_name_of(p, instance, name);
    struct engine_unit *u = find_unit(c->engine, name);
    if (!u) {
        u = engine_unit_new(c->engine, p, instance);
        push(c, u);
        tell(c, ADDED, name);
        if (p->enabled)
            keeper_ask_start(&u->keeper, engine_now_ms(), false);
        return;
    }
    push(c, u);
    u->removed = false;
    bool restart = needs_restart(u->program, p);
    tell(c, restart ? CHANGED : KEPT, name);
    if (restart && u->pid) {
        u->next_row = p;
        if (!replaced_by_another(c->engine, u))
            keeper_ask_restart(&u->keeper, engine_now_ms(), KEEPER_PLAN);
    } else {
        engine_unit_set_row(u, p);
        if (restart && u->keeper.wanted) /* what was wrong with it may be mended */
            keeper_ask_restart(&u->keeper, engine_now_ms(), KEEPER_PLAN);
    }
}

static bool is_placed(const struct change *c, const struct engine_unit *u)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->units[i] == u)
            return true;
    return false;
}

/* Plans that no row points into any more. */
static void drop_plans(struct engine *e)
{
    size_t kept = 0;
    for (size_t i = 0; i < e->old_plans.n; i++) {
        struct watch_plan *p = e->old_plans.v[i];
        bool used = false;
        for (size_t k = 0; k < e->n; k++)
            used = used || (e->units[k]->program >= p->programs &&
                            e->units[k]->program < p->programs + p->n);
        if (used)
            e->old_plans.v[kept++] = p;
        else
            watch_plan_free(p);
    }
    e->old_plans.n = kept;
}

static int check_fixed(const struct engine *e, const struct watch_plan *plan, struct why *why)
{
    if (strcmp(plan->folder, e->plan->folder) != 0 || strcmp(plan->socket, e->plan->socket) != 0)
        return why_set(why, ERR_STATE,
                       "the folder and the socket of a running sonde-watch stay as they are: %s, "
                       "%s; start another one for %s",
                       e->plan->folder, e->plan->socket, plan->folder);
    return e->ending ? why_set(why, ERR_STATE, "sonde-watch is ending") : 0;
}

int engine_set_plan(struct engine *e, struct watch_plan *plan, struct buf *ret, struct why *why)
{
    static const char *const keys[FATES] = {"added", "changed", "removed", "kept"};
    struct change c = {.engine = e};
    struct buf text;
    int err = check_fixed(e, plan, why);
    if (err)
        return err;
    for (int i = 0; i < FATES; i++)
        buf_init(&c.names[i], WATCH_PLAN_BYTES_MAX);
    vec_push(&e->old_plans, e->plan);
    e->plan = plan;
    for (size_t i = 0; i < plan->n; i++)
        for (int k = 0; k < plan->programs[i].instances; k++)
            place(&c, &plan->programs[i], k);
    for (size_t i = 0; i < e->n; i++) {
        struct engine_unit *u = e->units[i];
        if (is_placed(&c, u))
            continue;
        push(&c, u);
        tell(&c, REMOVED, u->name);
        u->removed = u->hold_stop = true;
        u->next_row = NULL;
    }
    mem_free(e->units);
    e->units = c.units;
    e->n = c.n;
    drop_plans(e);
    for (int i = 0; i < FATES; i++) {
        json_line_open(ret, keys[i], '[');
        buf_put_str(ret, buf_str(&c.names[i]));
        json_line_close(ret, ']');
        buf_done(&c.names[i]);
    }
    buf_init(&text, WATCH_PLAN_BYTES_MAX);
    watch_plan_write(plan, &text);
    spool_replace(e->spool, arena_printf(&plan->arena, "%s/plan", plan->folder).p, buf_str(&text),
                  true);
    buf_done(&text);
    engine_note(e, KEEPER_INFO, "takes a new table of %zu programs", plan->n);
    for (struct engine_watcher *w = e->watchers; w; w = w->next)
        if (w->planned)
            w->planned(w->context);
    e->state_changed = true;
    engine_work_soon(e);
    return 0;
}
