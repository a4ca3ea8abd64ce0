#include "watch/rolling.h"

#include <string.h>

#include "base/mem.h"
#include "base/vec.h"
#include "watch/json_line.h"
#include "watch/rotation.h"

enum { QUIET_LOOK_MS = 10 };

/* A unit that is to be restarted. */
struct turn {
    struct turn *next;
    char *name, *program;
    bool begun;
    int pid; /* before it */
};

/* A drain that is asked for; freed when it is over or nobody asks any more. */
struct drain {
    struct rolling *rolling;
    struct drain *next;
    char *name;
};

struct rolling {
    struct engine *engine;
    struct rotation *rotation;
    struct engine_watcher watcher;
    struct turn *turns; /* in their order */
    struct drain *drains;
    struct timer *soon, *quiet;
    void (*quieted)(void *context);
    void *quieted_context;
    int64_t quiet_ms; /* that are left */
};

static char *copy(const char *text)
{
    return mem_text(text, strlen(text));
}

/* ---- who is fit */

static void forget_drain(struct rolling *r, const char *name)
{
    struct drain **at = &r->drains;
    while (*at != NULL && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    struct drain *d = *at;
    if (d == NULL)
        return;
    *at = d->next;
    mem_free(d->name);
    mem_free(d);
}

static void on_drained(void *context)
{
    struct drain *d = context;
    struct rolling *r = d->rolling;
    struct engine_unit *u = engine_find(r->engine, d->name);
    forget_drain(r, d->name);
    if (u != NULL)
        engine_drained(r->engine, u);
}

static void drain(struct rolling *r, struct engine_unit *u)
{
    struct drain *d = mem_new(sizeof *d);
    d->rolling = r;
    d->name = copy(engine_unit_name(u));
    d->next = r->drains;
    r->drains = d;
    rotation_drain(r->rotation, engine_unit_program(u)->name, (size_t)engine_unit_instance(u),
                   on_drained, d);
}

static void on_fit(void *context, struct engine_unit *u, bool fit)
{
    struct rolling *r = context;
    const struct watch_program *p = engine_unit_program(u);
    size_t instance = (size_t)engine_unit_instance(u);
    timer_again(r->soon, 0, 0);
    if (!rotation_wanted(p))
        return;
    forget_drain(r, engine_unit_name(u));
    if (fit)
        rotation_in(r->rotation, p->name, instance);
    else if (engine_unit_keeper(u)->state == KEEPER_DRAINING)
        drain(r, u);
    else
        rotation_out(r->rotation, p->name, instance);
}

/* ---- turns */

static void drop_turn(struct turn **at)
{
    struct turn *t = *at;
    *at = t->next;
    mem_free(t->name);
    mem_free(t->program);
    mem_free(t);
}

/* The first turn of a program is the one that is on. */
static bool is_first(const struct rolling *r, const struct turn *t)
{
    const struct turn *i = r->turns;
    while (strcmp(i->program, t->program) != 0)
        i = i->next;
    return i == t;
}

static void give_up(struct rolling *r, const char *program)
{
    struct turn **at = &r->turns;
    engine_note(r->engine, KEEPER_WARN,
                "%s: the rolling restart ends, as an instance does not come back", program);
    while (*at != NULL)
        if ((*at)->program != program && strcmp((*at)->program, program) == 0)
            drop_turn(at);
        else
            at = &(*at)->next;
}

static bool is_back(const struct turn *t, const struct engine_unit *u)
{
    const struct keeper *k = engine_unit_keeper(u);
    return t->begun && k->fit && !k->again && engine_unit_pid(u) != t->pid;
}

enum step { WAIT, NEXT, LOST };

static enum step look(struct rolling *r, struct turn *t)
{
    struct engine_unit *u = engine_find(r->engine, t->name);
    if (u == NULL || engine_ending(r->engine))
        return NEXT;
    const struct keeper *k = engine_unit_keeper(u);
    if (!t->begun) {
        t->begun = true;
        t->pid = engine_unit_pid(u);
        engine_restart(r->engine, u);
        return WAIT;
    }
    if (k->state == KEEPER_CRITICAL || k->state == KEEPER_BLOCKED)
        return LOST;
    if (k->state == KEEPER_STOPPED || k->state == KEEPER_FINISHED)
        return k->again ? WAIT : NEXT; /* somebody has stopped it */
    return is_back(t, u) ? NEXT : WAIT;
}

static void on_time(void *context)
{
    struct rolling *r = context;
    for (struct turn **at = &r->turns; *at != NULL;) {
        enum step step = is_first(r, *at) ? look(r, *at) : WAIT;
        if (step == LOST)
            give_up(r, (*at)->program);
        if (step == WAIT)
            at = &(*at)->next;
        else
            drop_turn(at);
        if (step == NEXT)
            at = &r->turns; /* the next of its program */
    }
}

static void on_changed(void *context)
{
    struct rolling *r = context;
    if (r->turns != NULL)
        timer_again(r->soon, 0, 0);
}

bool rolling_pending(const struct rolling *r, const struct engine_unit *u)
{
    for (const struct turn *t = r->turns; t != NULL; t = t->next)
        if (strcmp(t->name, engine_unit_name(u)) == 0)
            return !is_back(t, u);
    return false;
}

void rolling_restart(struct rolling *r, struct engine_unit *u)
{
    const struct watch_program *p = engine_unit_program(u);
    if (!p->rolling || p->instances < 2 || !engine_unit_keeper(u)->fit) {
        engine_restart(r->engine, u);
        return;
    }
    if (rolling_pending(r, u))
        return;
    struct turn *t = mem_new(sizeof *t), **at = &r->turns;
    t->name = copy(engine_unit_name(u));
    t->program = copy(p->name);
    while (*at != NULL)
        at = &(*at)->next;
    *at = t;
    timer_again(r->soon, 0, 0);
}

/* A row has changed: true where the unit waits for its turn. */
static bool on_replace(void *context, struct engine_unit *u)
{
    struct rolling *r = context;
    const struct watch_program *p = engine_unit_program(u);
    if (!p->rolling || p->instances < 2 || !engine_unit_keeper(u)->fit)
        return false;
    rolling_restart(r, u);
    return true;
}

static void on_quiet(void *context)
{
    struct rolling *r = context;
    r->quiet_ms -= QUIET_LOOK_MS;
    if (rotation_at_work(r->rotation) && r->quiet_ms > 0)
        return;
    timer_stop(r->quiet);
    r->quieted(r->quieted_context);
}

/* ---- life */

static void on_planned(void *context)
{
    struct rolling *r = context;
    rotation_plan(r->rotation, engine_plan(r->engine));
}

static void on_status(void *context, const struct engine_unit *u, struct buf *out)
{
    const struct rolling *r = context;
    const struct watch_program *p = engine_unit_program(u);
    uint64_t now, all;
    if (p->proxy_listen[0] == '\0')
        return;
    rotation_count(r->rotation, p->name, (size_t)engine_unit_instance(u), &now, &all);
    json_line_i64(out, "connections", (int64_t)now);
    json_line_i64(out, "connections_all", (int64_t)all);
}

static void on_said(void *context, const char *program, const char *text)
{
    struct rolling *r = context;
    engine_note(r->engine, KEEPER_WARN, "%s: %s", program, text);
}

int rolling_new(struct loop *l, struct engine *e, struct str adopted, struct rolling **ret)
{
    struct rolling *r = mem_new(sizeof *r);
    r->engine = e;
    int err = rotation_new(l, on_said, r, &r->rotation);
    if (err != 0) {
        mem_free(r);
        return err;
    }
    rotation_adopt(r->rotation, adopted);
    rotation_plan(r->rotation, engine_plan(e));
    for (size_t i = 0; i < engine_units(e); i++) {
        struct engine_unit *u = engine_unit(e, i);
        if (engine_unit_keeper(u)->fit)
            rotation_in(r->rotation, engine_unit_program(u)->name, (size_t)engine_unit_instance(u));
    }
    r->soon = timer_new(l, 0, 0, on_time, r);
    r->quiet = timer_new(l, INT32_MAX, 0, on_quiet, r);
    r->watcher = (struct engine_watcher){.fit = on_fit,
                                         .changed = on_changed,
                                         .planned = on_planned,
                                         .replace = on_replace,
                                         .status = on_status,
                                         .context = r};
    engine_watch(e, &r->watcher);
    *ret = r;
    return 0;
}

void rolling_free(struct rolling *r)
{
    if (r == NULL)
        return;
    engine_unwatch(r->engine, &r->watcher);
    rotation_free(r->rotation);
    while (r->turns != NULL)
        drop_turn(&r->turns);
    while (r->drains != NULL)
        forget_drain(r, r->drains->name);
    timer_free(r->soon);
    timer_free(r->quiet);
    mem_free(r);
}

void rolling_quiet(struct rolling *r, void (*done)(void *context), void *context)
{
    rotation_pause(r->rotation, true);
    r->quieted = done;
    r->quieted_context = context;
    r->quiet_ms = ROLLING_QUIET_MS;
    if (rotation_at_work(r->rotation))
        timer_again(r->quiet, QUIET_LOOK_MS, QUIET_LOOK_MS);
    else
        timer_again(r->quiet, 0, 0);
}

void rolling_resume(struct rolling *r)
{
    rotation_pause(r->rotation, false);
}

void rolling_keep(struct rolling *r, struct buf *out)
{
    rotation_keep(r->rotation, out);
}
