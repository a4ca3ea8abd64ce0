/* How the checks are doing, copied for whoever asks. */
#include <string.h>

#include "health/checkup_inside.h"

static const int64_t DAY_MS = 86400000;

static struct option_list copy_list(struct option_list list, struct arena *a)
{
    const char **v = arena_array(a, list.n + 1, sizeof *v);
    for (size_t i = 0; i < list.n; i++)
        v[i] = arena_str(a, str_c(list.v[i])).p;
    return (struct option_list){v, list.n};
}

/* A row with its texts and lists. */
static void copy_row(const struct option_table *t, const void *from, struct arena *a, void *ret)
{
    memcpy(ret, from, t->size);
    for (size_t i = 0; i < t->n; i++) {
        const struct option *o = &t->rows[i];
        void *at = (char *)ret + o->offset;
        if (o->type == OPTION_TEXT || o->type == OPTION_CHOICE)
            *(const char **)at = arena_str(a, str_c(*(const char **)at)).p;
        else if (o->type == OPTION_LIST)
            *(struct option_list *)at = copy_list(*(struct option_list *)at, a);
    }
}

/* Under the lock. */
static void copy_view(const struct checkup_check *k, int64_t now, struct arena *a,
                      struct checkup_view *ret)
{
    static const int DAYS[CHECKUP_WINDOWS] = {1, 7, 30};
    *ret = (struct checkup_view){
        .origin = k->origin,
        .state = k->ever ? k->shown : HEALTH_UNKNOWN,
        .because = k->because ? arena_str(a, str_c(k->because->settings.name)) : STR(""),
        .maintenance = k->maintenance,
        .running = k->busy,
        .ever = k->ever,
        .since_ms = k->since_ms,
        .last_ms = k->last_ms,
        .expires_ms = k->expires_ms,
        .duration_s = k->result.duration_s,
        .row = k->standing.row,
        .last = k->ever ? k->result.state : HEALTH_UNKNOWN,
        .runs = k->runs,
        .failures = k->failures,
        .figures_n = k->result.figures_n};
    copy_row(&checkup_settings_options, &k->settings, a, &ret->settings);
    if (k->because)
        ret->message = arena_printf(a, "because %s is down; it says: %s", k->because->settings.name,
                                    k->result.message);
    else
        ret->message =
            k->ever ? arena_str(a, str_c(k->result.message)) : STR("it has not been checked yet");
    struct checkup_figure *figures = arena_array(a, k->result.figures_n + 1, sizeof *figures);
    if (k->result.figures_n > 0)
        memcpy(figures, k->result.figures, k->result.figures_n * sizeof *figures);
    ret->figures = figures;
    for (size_t i = 0; i < CHECKUP_WINDOWS; i++)
        ret->uptime[i] = standing_uptime(&k->history, now - DAYS[i] * DAY_MS, now);
}

void checkup_list(struct checkup *c, struct arena *a, struct checkup_view **ret, size_t *ret_n)
{
    *ret = NULL;
    *ret_n = 0;
    if (c == NULL)
        return;
    int64_t now = clock_wall_ms(c->plan.clock);
    thread_lock(&c->lock);
    size_t n = c->checks.n;
    struct checkup_view *v = arena_array(a, n + 1, sizeof *v);
    for (size_t i = 0; i < n; i++)
        copy_view(c->checks.v[i], now, a, &v[i]);
    thread_unlock(&c->lock);
    *ret = v;
    *ret_n = n;
}

int checkup_one(struct checkup *c, struct str name, struct arena *a, struct checkup_view *ret)
{
    if (c == NULL)
        return -ERR_NOENT;
    thread_lock(&c->lock);
    const struct checkup_check *k = checkup_inside_find(c, name);
    if (k != NULL)
        copy_view(k, clock_wall_ms(c->plan.clock), a, ret);
    thread_unlock(&c->lock);
    return k != NULL ? 0 : -ERR_NOENT;
}

enum health_state checkup_worst(struct checkup *c)
{
    enum health_state worst = HEALTH_OK;
    if (c == NULL)
        return worst;
    thread_lock(&c->lock);
    for (size_t i = 0; i < c->checks.n; i++) {
        const struct checkup_check *k = c->checks.v[i];
        if (!k->ever || k->maintenance || k->shown == HEALTH_UNKNOWN)
            continue;
        enum health_state cap = k->settings.required ? HEALTH_UNHEALTHY : HEALTH_DEGRADED;
        worst = MAX(worst, MIN(k->shown, cap));
    }
    thread_unlock(&c->lock);
    return worst;
}

int checkup_spent(struct checkup *c, struct str name, int64_t to_ms, int64_t step_ms, size_t n,
                  struct standing_sum *ret)
{
    if (c == NULL)
        return -ERR_NOENT;
    int64_t now = clock_wall_ms(c->plan.clock);
    thread_lock(&c->lock);
    const struct checkup_check *k = checkup_inside_find(c, name);
    for (size_t i = 0; k != NULL && i < n; i++) {
        int64_t from = to_ms - (int64_t)(n - i) * step_ms;
        ret[i] = standing_spent(&k->history, from, MIN(from + step_ms, now));
    }
    thread_unlock(&c->lock);
    return k != NULL ? 0 : -ERR_NOENT;
}

void checkup_maintenance_list(struct checkup *c, struct arena *a,
                              struct checkup_maintenance_view **ret, size_t *ret_n)
{
    *ret = NULL;
    *ret_n = 0;
    if (c == NULL)
        return;
    thread_lock(&c->lock);
    size_t n = c->windows.n;
    struct checkup_maintenance_view *v = arena_array(a, n + 1, sizeof *v);
    for (size_t i = 0; i < n; i++) {
        const struct checkup_window *w = c->windows.v[i];
        v[i].id = w->id;
        v[i].active = w->holds;
        copy_row(&checkup_settings_maintenance_options, &w->settings, a, &v[i].settings);
    }
    thread_unlock(&c->lock);
    *ret = v;
    *ret_n = n;
}
