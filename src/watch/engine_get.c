#include "watch/engine_inside.h"

/* What others may know of the engine and its units. */

bool engine_ending(const struct engine *e)
{
    return e->ending;
}

const struct watch_plan *engine_plan(const struct engine *e)
{
    return e->plan;
}

size_t engine_units(const struct engine *e)
{
    return e->n;
}

struct engine_unit *engine_unit(const struct engine *e, size_t i)
{
    return e->units[i];
}

struct engine_unit *engine_find(const struct engine *e, const char *name)
{
    for (size_t i = 0; i < e->n; i++)
        if (strcmp(e->units[i]->name, name) == 0)
            return e->units[i];
    return NULL;
}

const char *engine_unit_name(const struct engine_unit *u)
{
    return u->name;
}

const struct watch_program *engine_unit_program(const struct engine_unit *u)
{
    return &u->row;
}

const struct keeper *engine_unit_keeper(const struct engine_unit *u)
{
    return &u->keeper;
}

int engine_unit_pid(const struct engine_unit *u)
{
    return u->pid;
}

int64_t engine_unit_port(const struct engine_unit *u)
{
    return u->port;
}

int engine_unit_instance(const struct engine_unit *u)
{
    return u->instance;
}

const char *engine_unit_log(const struct engine_unit *u)
{
    return u->log_path;
}
