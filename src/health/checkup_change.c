/* What programs and people do to the checks: make, change, drop, report, ask for one now. What
 * touches the engine runs on its loop while the caller waits. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "health/checkup_inside.h"
#include "net/url.h"
#include "os/link_local.h"
#include "text/json_tree.h"

enum { WAIT_NS = 100000000 };

struct errand {
    struct checkup *checkup;
    int (*f)(struct errand *e);
    void *made;      /* struct checkup_check or struct checkup_window that goes over */
    struct str name; /* or the one that is meant */
    int64_t id;
    const struct json_tree *report;
    bool is_new, over;
    int err;
    struct why why;
};

static void on_loop(void *context)
{
    struct errand *e = context;
    int err = e->f(e);
    thread_lock(&e->checkup->lock);
    e->err = err;
    e->over = true;
    pthread_cond_broadcast(&e->checkup->changed);
    thread_unlock(&e->checkup->lock);
}

/* Runs e->f on the loop and waits for it. */
static int run_errand(struct errand *e, struct why *why)
{
    struct checkup *c = e->checkup;
    thread_lock(&c->lock);
    if (c->stopping) {
        thread_unlock(&c->lock);
        return why_set(why, ERR_CLOSED, "the daemon is about to end");
    }
    loop_post(c->loop, on_loop, e); /* before it is started: it waits until then */
    while (!e->over)
        (void)thread_wait_for(&c->changed, &c->lock, WAIT_NS);
    thread_unlock(&c->lock);
    if (e->err != 0 && why != NULL)
        *why = e->why;
    return e->err;
}

/* ---- making */

static struct str bare(struct str host)
{
    bool bracketed = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
    return bracketed ? str_sub(host, 1, host.n - 1) : host;
}

/* Does it name an address of the link? What names and redirects lead to is seen when it is made. */
static bool names_link(const struct checkup_settings *s)
{
    struct url u;
    struct str address = str_c(s->address);
    size_t colon = address.n;
    if (s->url[0] != '\0' && url_split(str_c(s->url), &u, NULL) == 0 && link_local(bare(u.host)))
        return true;
    if (link_local(bare(address)))
        return true;
    while (colon > 0 && address.p[colon - 1] != ':')
        colon--;
    return colon > 0 && link_local(bare(str_sub(address, 0, colon - 1)));
}

/* What a stranger may not have looked at: files, sockets and programs of this host, and the
 * addresses at which clouds tell their machines secrets. */
static int check_made(const struct checkup_settings *s, struct why *why)
{
    static const char *const KINDS[] = {"command", "file", "process"};
    for (size_t i = 0; i < COUNTOF(KINDS); i++)
        if (strcmp(s->kind, KINDS[i]) == 0)
            return why_set(why, ERR_DENIED, "a check of kind %s can only be given by sonde.toml",
                           s->kind);
    if (s->unix_path[0] != '\0' || s->ca_file[0] != '\0' || strncmp(s->address, "unix:", 5) == 0)
        return why_set(why, ERR_DENIED, "files and sockets can only be given by sonde.toml");
    if (names_link(s))
        return why_set(why, ERR_DENIED, "link-local addresses can only be given by sonde.toml");
    return 0;
}

int checkup_inside_make(struct checkup *c, struct str name, struct str json,
                        enum checkup_origin origin, struct checkup_check **ret, struct why *why)
{
    const struct json_tree *tree;
    struct checkup_check *k = mem_new(sizeof *k);
    (void)c;
    arena_init(&k->arena);
    k->origin = origin;
    int err = json_tree_parse(json, &k->arena, &tree, why);
    if (err == 0)
        err = checkup_settings_read(&checkup_settings_options, tree, NULL, 0, &k->arena,
                                    &k->settings, why);
    if (err == 0 && name.n > 0) {
        if (k->settings.name[0] != '\0' && !str_eq(str_c(k->settings.name), name))
            err = why_set(why, ERR_FORMAT, "the path names one check, and the body another");
        k->settings.name = arena_str(&k->arena, name).p;
    }
    if (err == 0)
        err = checkup_settings_check(&k->settings, why);
    k->settings.made = true;
    if (err == 0)
        err = check_made(&k->settings, why);
    if (err != 0) {
        checkup_inside_free_check(k);
        return err;
    }
    *ret = k;
    return 0;
}

static bool reaches(const struct checkup_check *from, struct str name, int depth)
{
    if (depth == 0 || str_eq(str_c(from->settings.name), name))
        return true;
    for (size_t i = 0; i < from->parents_n; i++)
        if (reaches(from->parents[i], name, depth - 1))
            return true;
    return false;
}

/* Its parents are there and do not lead back to it. */
static int check_parents(struct checkup *c, const struct checkup_check *k, struct why *why)
{
    enum { DEPTH_MAX = 64 };
    for (size_t i = 0; i < k->settings.depends_on.n; i++) {
        const char *name = k->settings.depends_on.v[i];
        const struct checkup_check *parent = checkup_inside_find(c, str_c(name));
        if (parent == NULL)
            return why_set(why, ERR_NOENT, "depends_on names \"%s\", which is no check", name);
        if (reaches(parent, str_c(k->settings.name), DEPTH_MAX))
            return why_set(why, ERR_FORMAT, "depends_on leads back to the check itself");
    }
    return 0;
}

/* Puts the new check in the place of the old one, whose history goes on. */
static int add_made(struct errand *e)
{
    struct checkup *c = e->checkup;
    struct checkup_check *k = e->made;
    struct checkup_check *old = checkup_inside_find(c, str_c(k->settings.name));
    if (old != NULL && old->origin == CHECKUP_FILE)
        return why_set(&e->why, ERR_EXISTS, "sonde.toml has a check of that name");
    if (old == NULL && c->made_n >= CHECKUP_MADE_MAX)
        return why_set(&e->why, ERR_LIMIT, "programs have made %d checks already",
                       CHECKUP_MADE_MAX);
    int err = check_parents(c, k, &e->why);
    if (err != 0)
        return err;
    e->is_new = old == NULL;
    if (old != NULL) {
        k->history = old->history;
        old->history = (struct standing_history){0};
        checkup_inside_remove(c, old);
    }
    err = checkup_inside_add(c, k, &e->why);
    if (err == 0)
        checkup_inside_link(c);
    return err;
}

static int put_made(struct checkup *c, struct checkup_check *k, bool *ret_new, struct why *why)
{
    struct errand e = {.checkup = c, .f = add_made, .made = k};
    int err = run_errand(&e, why);
    if (err != 0) {
        checkup_inside_free_check(k);
        return err;
    }
    *ret_new = e.is_new;
    return 0;
}

int checkup_put(struct checkup *c, struct str name, struct str json, bool *ret_new, struct why *why)
{
    struct checkup_check *k;
    struct arena a;
    arena_init(&a);
    int err = checkup_inside_make(c, name, json, CHECKUP_API, &k, why);
    struct str own = err == 0 ? arena_str(&a, str_c(k->settings.name)) : STR("");
    struct checkup_check copy = {0};
    bool stale = false;
    if (err == 0) {
        copy.origin = k->origin;
        copy.settings = k->settings;
        /* Kept first: what the API has acknowledged is there after a kill -9. */
        bool taken = false;
        thread_lock(&c->lock);
        const struct checkup_check *old = checkup_inside_find(c, own);
        taken = old != NULL && old->origin == CHECKUP_FILE;
        thread_unlock(&c->lock);
        if (taken)
            err = why_set(why, ERR_EXISTS, "sonde.toml has a check of that name");
        if (err == 0)
            err = checkup_record_put(c, &copy, why);
        if (err != 0)
            checkup_inside_free_check(k);
        else if ((err = put_made(c, k, ret_new, why)) != 0)
            stale = checkup_record_drop(c, own, NULL) != 0; /* the first error is told */
    }
    if (stale)
        log_warn("health", "the check was refused, but is in state.db");
    arena_done(&a);
    return err;
}

static int drop_made(struct errand *e)
{
    struct checkup_check *k = checkup_inside_find(e->checkup, e->name);
    if (k == NULL)
        return why_set(&e->why, ERR_NOENT, "there is no check \"" STR_FMT "\"",
                       STR_ARG(str_sub(e->name, 0, 100)));
    if (k->origin == CHECKUP_FILE)
        return why_set(&e->why, ERR_DENIED, "the check is in sonde.toml: take it out there");
    checkup_inside_remove(e->checkup, k);
    return 0;
}

int checkup_drop(struct checkup *c, struct str name, struct why *why)
{
    struct errand e = {.checkup = c, .f = drop_made, .name = name};
    int err = run_errand(&e, why);
    return err != 0 ? err : checkup_record_drop(c, name, why);
}

/* ---- reports */

static int state_of(struct str word, enum health_state *ret)
{
    static const struct {
        const char *word;
        enum health_state state;
    } WORDS[] = {{"healthy", HEALTH_OK},        {"ok", HEALTH_OK},
                 {"pass", HEALTH_OK},           {"up", HEALTH_OK},
                 {"degraded", HEALTH_DEGRADED}, {"warn", HEALTH_DEGRADED},
                 {"warning", HEALTH_DEGRADED},  {"unhealthy", HEALTH_UNHEALTHY},
                 {"fail", HEALTH_UNHEALTHY},    {"critical", HEALTH_UNHEALTHY},
                 {"down", HEALTH_UNHEALTHY},    {"unknown", HEALTH_UNKNOWN}};
    for (size_t i = 0; i < COUNTOF(WORDS); i++)
        if (str_eq(word, str_c(WORDS[i].word))) {
            *ret = WORDS[i].state;
            return 0;
        }
    return -ERR_FORMAT;
}

static void take_figures(const struct json_tree *report, struct checkup_result *r)
{
    const struct json_tree *value = json_tree_get(report, "value");
    const struct json_tree *figures = json_tree_get(report, "figures");
    if (value != NULL && value->type == JSON_NUMBER)
        checkup_result_figure(r, STR("value"), STR(""), value->number);
    for (size_t i = 0; i < json_tree_n(figures); i++)
        if (figures->children[i].type == JSON_NUMBER)
            checkup_result_figure(r, figures->children[i].key, STR(""),
                                  figures->children[i].number);
}

static int take_report(struct errand *e)
{
    struct checkup *c = e->checkup;
    struct checkup_check *k = checkup_inside_find(c, e->name);
    struct checkup_result r = {.state = HEALTH_UNKNOWN};
    if (k == NULL)
        return -ERR_NOENT;
    if (k->kind != NULL)
        return why_set(&e->why, ERR_STATE, "the check is of kind %s: it takes no reports",
                       k->settings.kind);
    enum health_state state;
    if (state_of(json_tree_text(e->report, "state"), &state) != 0)
        return why_set(&e->why, ERR_FORMAT,
                       "state is missing: healthy, degraded, unhealthy or unknown is expected");
    struct str message = json_tree_text(e->report, "message");
    const struct json_tree *duration = json_tree_get(e->report, "duration_seconds");
    checkup_result_say(&r, state, STR_FMT, STR_ARG(message));
    r.duration_s = duration != NULL && duration->type == JSON_NUMBER ? duration->number : 0;
    take_figures(e->report, &r);
    int64_t ttl = json_tree_whole(e->report, "ttl_seconds");
    k->reported_ns = clock_monotonic_ns(c->plan.clock);
    thread_lock(&c->lock);
    if (ttl > 0 && ttl <= 2592000 && k->origin != CHECKUP_FILE)
        k->settings.ttl_ms = ttl * 1000;
    k->expires_ms = k->settings.lifetime_ms > 0 && k->origin != CHECKUP_FILE
                        ? clock_wall_ms(c->plan.clock) + k->settings.lifetime_ms
                        : 0;
    thread_unlock(&c->lock);
    checkup_inside_take(k, &r);
    timer_again(k->timer, MIN(k->settings.ttl_ms, (int64_t)1000), 0);
    return 0;
}

/* A passive check for a program that has none yet. */
static int register_check(struct checkup *c, struct str name, const struct json_tree *report,
                          struct why *why)
{
    static const char *const SKIP[] = {"state",           "message",          "value",
                                       "figures",         "duration_seconds", "ttl_seconds",
                                       "lifetime_seconds"};
    struct checkup_check *k = mem_new(sizeof *k);
    int64_t ttl = json_tree_whole(report, "ttl_seconds");
    int64_t lifetime = json_tree_whole(report, "lifetime_seconds");
    arena_init(&k->arena);
    k->origin = CHECKUP_REGISTERED;
    int err = checkup_settings_read(&checkup_settings_options, report, SKIP, COUNTOF(SKIP),
                                    &k->arena, &k->settings, why);
    if (err == 0) {
        k->settings.name = arena_str(&k->arena, name).p;
        k->settings.kind = "passive";
        if (json_tree_get(report, "fall") == NULL)
            k->settings.fall = 1;
        if (json_tree_get(report, "rise") == NULL)
            k->settings.rise = 1;
        if (ttl > 0 && ttl <= 2592000)
            k->settings.ttl_ms = ttl * 1000;
        if (lifetime > 0 && lifetime <= 31536000)
            k->settings.lifetime_ms = lifetime * 1000;
        err = checkup_settings_check(&k->settings, why);
    }
    enum health_state state;
    if (err == 0 && state_of(json_tree_text(report, "state"), &state) != 0)
        err = why_set(why, ERR_FORMAT,
                      "state is missing: healthy, degraded, unhealthy or unknown is expected");
    struct checkup_check copy = {.origin = CHECKUP_REGISTERED, .settings = k->settings};
    if (err == 0)
        err = checkup_record_put(c, &copy, why);
    if (err != 0) {
        checkup_inside_free_check(k);
        return err;
    }
    bool is_new;
    return put_made(c, k, &is_new, why);
}

int checkup_report(struct checkup *c, struct str name, struct str json, bool *ret_new,
                   struct why *why)
{
    struct arena a;
    struct errand e = {.checkup = c, .f = take_report, .name = name};
    arena_init(&a);
    *ret_new = false;
    int err = json_tree_parse(json, &a, &e.report, why);
    if (err == 0 && e.report->type != JSON_OBJECT)
        err = why_set(why, ERR_FORMAT, "a JSON object is expected");
    if (err == 0)
        err = run_errand(&e, why);
    if (err == -ERR_NOENT) {
        *ret_new = true;
        err = register_check(c, name, e.report, why);
        struct errand again = {.checkup = c, .f = take_report, .name = name, .report = e.report};
        if (err == 0)
            err = run_errand(&again, why);
    }
    arena_done(&a);
    return err;
}

/* ---- now */

static int run_it(struct errand *e)
{
    struct checkup_check *k = checkup_inside_find(e->checkup, e->name);
    if (k == NULL)
        return why_set(&e->why, ERR_NOENT, "there is no check \"" STR_FMT "\"",
                       STR_ARG(str_sub(e->name, 0, 100)));
    if (k->kind == NULL)
        return why_set(&e->why, ERR_STATE, "the check is passive: its program reports by itself");
    e->id = (int64_t)k->runs;
    checkup_inside_run_soon(k);
    return 0;
}

int checkup_run_now(struct checkup *c, struct str name, int64_t timeout_ms, struct why *why)
{
    struct errand e = {.checkup = c, .f = run_it, .name = name};
    int err = run_errand(&e, why);
    int64_t until = clock_monotonic_ns(&clock_real) + timeout_ms * 1000000;
    if (err != 0)
        return err;
    thread_lock(&c->lock);
    for (;;) {
        const struct checkup_check *k = checkup_inside_find(c, name);
        int64_t left = until - clock_monotonic_ns(&clock_real);
        if (k == NULL)
            err = why_set(why, ERR_NOENT, "the check was removed");
        else if (k->runs == (uint64_t)e.id && (left <= 0 || c->stopping))
            err = why_set(why, ERR_TIMEOUT, "the check has not come to an end yet");
        if (err != 0 || k->runs != (uint64_t)e.id)
            break;
        (void)thread_wait_for(&c->changed, &c->lock, MIN(left, (int64_t)WAIT_NS));
    }
    thread_unlock(&c->lock);
    return err;
}

/* ---- maintenance */

int checkup_inside_make_window(struct str json, struct checkup_window **ret, struct why *why)
{
    const struct json_tree *tree;
    struct checkup_window *w = mem_new(sizeof *w);
    arena_init(&w->arena);
    int err = json_tree_parse(json, &w->arena, &tree, why);
    if (err == 0)
        err = checkup_settings_read(&checkup_settings_maintenance_options, tree, NULL, 0, &w->arena,
                                    &w->settings, why);
    if (err == 0)
        err = checkup_settings_maintenance_check(&w->settings, why);
    if (err == 0)
        err = maintenance_read(&w->settings, &w->window, why);
    if (err != 0) {
        arena_done(&w->arena);
        mem_free(w);
        return err;
    }
    *ret = w;
    return 0;
}

static int add_window(struct errand *e)
{
    struct checkup *c = e->checkup;
    struct checkup_window *w = e->made;
    thread_lock(&c->lock);
    vec_push(&c->windows, w);
    c->windows_changed = true;
    thread_unlock(&c->lock);
    checkup_inside_windows(c);
    return 0;
}

int checkup_maintenance_add(struct checkup *c, struct str json, int64_t *ret_id, struct why *why)
{
    struct checkup_window *w;
    int err = checkup_inside_make_window(json, &w, why);
    if (err != 0)
        return err;
    thread_lock(&c->lock);
    bool full = c->windows.n >= 2 * CHECKUP_SETTINGS_MAINTENANCE_MAX;
    thread_unlock(&c->lock);
    err = full ? why_set(why, ERR_LIMIT, "there are too many maintenance windows")
               : checkup_record_put_window(c, w, &w->id, why);
    if (err != 0) {
        arena_done(&w->arena);
        mem_free(w);
        return err;
    }
    *ret_id = w->id;
    struct errand e = {.checkup = c, .f = add_window, .made = w};
    return run_errand(&e, why);
}

static int drop_window(struct errand *e)
{
    struct checkup *c = e->checkup;
    size_t at = 0;
    while (at < c->windows.n && (c->windows.v[at]->id != e->id || e->id == 0))
        at++;
    if (at == c->windows.n)
        return why_set(&e->why, ERR_NOENT, "there is no maintenance %lld", (long long)e->id);
    struct checkup_window *w = c->windows.v[at];
    thread_lock(&c->lock);
    memmove(c->windows.v + at, c->windows.v + at + 1,
            (c->windows.n - 1 - at) * sizeof *c->windows.v);
    c->windows.n--;
    c->windows_changed = true;
    thread_unlock(&c->lock);
    arena_done(&w->arena);
    mem_free(w);
    checkup_inside_windows(c);
    return 0;
}

int checkup_maintenance_drop(struct checkup *c, int64_t id, struct why *why)
{
    struct errand e = {.checkup = c, .f = drop_window, .id = id};
    int err = run_errand(&e, why);
    return err != 0 ? err : checkup_record_drop_window(c, id, why);
}
