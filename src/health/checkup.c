#include "health/checkup.h"

#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "health/checkup_inside.h"

enum {
    TICK_MS = 1000,
    FIRST_WINDOW_MS = 1000, /* the first runs are spread over it, and 2 ms more for each check */
    FIRST_EACH_MS = 2,
    QUEUE_MAX = CHECKUP_SETTINGS_MAX + CHECKUP_MADE_MAX,
    HANG_MS = 1000, /* past the time-out: it is said that it hangs */
};

static const char *const MODULE = "health";

const char *checkup_word(enum health_state state)
{
    static const char *const WORDS[] = {"healthy", "degraded", "unhealthy", "unknown"};
    return WORDS[state];
}

struct checkup_settings_page checkup_page(struct checkup *c)
{
    struct checkup_settings_page page = {.title = ""};
    if (c == NULL)
        return page;
    thread_lock(&c->lock);
    page = c->page;
    thread_unlock(&c->lock);
    return page;
}

void checkup_page_set(struct checkup *c, const struct checkup_settings_page *page)
{
    thread_lock(&c->lock);
    c->page = *page;
    thread_unlock(&c->lock);
}

struct checkup_check *checkup_inside_find(struct checkup *c, struct str name)
{
    const union map_value *v = map_get(&c->names, name);
    return v ? v->p : NULL;
}

/* ---- running */

static void reschedule(struct checkup_check *k)
{
    const struct clock *clock = k->checkup->plan.clock;
    int64_t step = k->settings.interval_ms;
    int64_t now = clock_wall_ms(clock) - k->phase_ms;
    int64_t wait = step - ((now % step) + step) % step;
    if (wait < step / 2) /* the first one came out of turn */
        wait += k->ever ? 0 : step;
    timer_again(k->timer, MAX(wait, (int64_t)1), 0);
}

static void end_run(struct checkup_check *k)
{
    if (k->leaving) {
        checkup_inside_free_check(k);
        return;
    }
    if (k->checkup->stopping) { /* it may have failed because of that */
        k->busy = false;
        mem_free(k->run.figures);
        k->run.figures = NULL;
        return;
    }
    if (k->run.duration_s == 0)
        k->run.duration_s =
            (double)(clock_monotonic_ns(k->checkup->plan.clock) - k->begun_ns) / 1e9;
    k->hangs = false;
    thread_lock(&k->checkup->lock);
    k->busy = false;
    thread_unlock(&k->checkup->lock);
    checkup_inside_take(k, &k->run);
    thread_lock(&k->checkup->lock);
    pthread_cond_broadcast(&k->checkup->changed);
    thread_unlock(&k->checkup->lock);
}

static void on_done(void *context)
{
    end_run(context);
}

static void on_pool(void *context)
{
    struct checkup_check *k = context;
    k->kind->run(k->state, &k->run);
    loop_post(k->checkup->loop, on_done, k);
}

static void say_it_hangs(struct checkup_check *k)
{
    struct checkup_result r = {.state = HEALTH_UNHEALTHY};
    int64_t ms = (clock_monotonic_ns(k->checkup->plan.clock) - k->begun_ns) / 1000000;
    if (k->kind->run == NULL || ms < k->settings.timeout_ms + HANG_MS)
        return;
    k->hangs = true;
    r.duration_s = (double)ms / 1000;
    checkup_result_say(&r, HEALTH_UNHEALTHY, "the check has been hanging for %lld s",
                       (long long)(ms / 1000));
    checkup_inside_take(k, &r);
}

static void begin(struct checkup_check *k)
{
    struct checkup *c = k->checkup;
    if (k->busy) {
        say_it_hangs(k);
        return;
    }
    if (c->stopping || k->kind == NULL)
        return;
    thread_lock(&c->lock);
    k->busy = true;
    thread_unlock(&c->lock);
    k->begun_ns = clock_monotonic_ns(c->plan.clock);
    k->run = (struct checkup_result){.state = HEALTH_UNKNOWN};
    if (k->kind->start != NULL) {
        k->kind->start(k->state, &k->run, on_done, k);
    } else if (pool_run(c->pool, on_pool, k) != 0) {
        checkup_result_say(&k->run, HEALTH_UNKNOWN, "too many checks wait for a thread");
        end_run(k);
    }
}

/* A passive check without a report: it is late, or its life is over. */
static void look_at_passive(struct checkup_check *k)
{
    int64_t silent_ms = (clock_monotonic_ns(k->checkup->plan.clock) - k->reported_ns) / 1000000;
    if (k->settings.lifetime_ms > 0 && k->origin != CHECKUP_FILE &&
        silent_ms > k->settings.lifetime_ms) {
        log_info(MODULE, "check %s is removed: no report for %lld s", k->settings.name,
                 (long long)(silent_ms / 1000));
        /* Dropped from state.db too, by the pool. */
        struct checkup *c = k->checkup;
        struct why why = {0};
        if (checkup_record_drop(c, str_c(k->settings.name), &why) != 0)
            log_warn(MODULE, "%s", why.text);
        checkup_inside_remove(c, k);
        return;
    }
    if (silent_ms > k->settings.ttl_ms) {
        struct checkup_result r = {.state = HEALTH_UNHEALTHY};
        checkup_result_say(&r, HEALTH_UNHEALTHY, "no report for %lld s",
                           (long long)(silent_ms / 1000));
        checkup_inside_take(k, &r);
    }
    timer_again(k->timer, MAX(k->settings.ttl_ms / 4, (int64_t)100), 0);
}

static void on_due(void *context)
{
    struct checkup_check *k = context;
    if (k->kind == NULL) {
        look_at_passive(k);
        return;
    }
    reschedule(k);
    begin(k);
}

void checkup_inside_run_soon(struct checkup_check *k)
{
    if (!k->busy && k->kind != NULL)
        timer_again(k->timer, 0, 0);
}

/* ---- checks come and go */

/* Where name belongs among those there are. */
static size_t place_of(const struct checkup *c, const char *name)
{
    size_t low = 0, high = c->checks.n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(c->checks.v[middle]->settings.name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void schedule_first(struct checkup *c, struct checkup_check *k)
{
    uint64_t spread = hash_xxh3(k->settings.name, strlen(k->settings.name), 0);
    int64_t window = FIRST_WINDOW_MS + (int64_t)c->plan.settings->checks.n * FIRST_EACH_MS;
    window = MIN(window, k->settings.interval_ms);
    k->phase_ms = (int64_t)(spread % (uint64_t)k->settings.interval_ms);
    int64_t first = k->kind ? (int64_t)(spread % (uint64_t)window) : k->settings.ttl_ms;
    k->timer = timer_new(c->loop, first, 0, on_due, k);
}

int checkup_inside_add(struct checkup *c, struct checkup_check *k, struct why *why)
{
    bool is_new;
    k->checkup = c;
    k->kind = checkup_kind_of(k->settings.kind);
    k->shown = HEALTH_UNKNOWN;
    k->since_ms = clock_wall_ms(c->plan.clock);
    k->reported_ns = clock_monotonic_ns(c->plan.clock);
    if (k->kind != NULL) {
        int err = k->kind->open(&c->host, &k->settings, &k->state, why);
        if (err != 0) {
            why_prefix(why, "check \"%s\"", k->settings.name);
            return err;
        }
    }
    checkup_record_carry(c, k);
    thread_lock(&c->lock);
    size_t at = place_of(c, k->settings.name);
    vec_push(&c->checks, k);
    memmove(c->checks.v + at + 1, c->checks.v + at, (c->checks.n - 1 - at) * sizeof *c->checks.v);
    c->checks.v[at] = k;
    map_put(&c->names, str_c(k->settings.name), &is_new)->p = k;
    c->made_n += k->origin != CHECKUP_FILE;
    c->windows_changed = true;
    thread_unlock(&c->lock);
    schedule_first(c, k);
    return 0;
}

void checkup_inside_free_check(struct checkup_check *k)
{
    if (k->kind != NULL && k->state != NULL)
        k->kind->close(k->state);
    timer_free(k->timer);
    standing_history_done(&k->history);
    mem_free(k->result.figures);
    mem_free(k->run.figures);
    mem_free(k->parents);
    mem_free(k->children);
    arena_done(&k->arena);
    mem_free(k);
}

void checkup_inside_remove(struct checkup *c, struct checkup_check *k)
{
    checkup_inside_quiet(k);
    thread_lock(&c->lock);
    size_t at = place_of(c, k->settings.name);
    memmove(c->checks.v + at, c->checks.v + at + 1, (c->checks.n - 1 - at) * sizeof *c->checks.v);
    c->checks.n--;
    (void)map_drop(&c->names, str_c(k->settings.name));
    c->made_n -= k->origin != CHECKUP_FILE;
    pthread_cond_broadcast(&c->changed);
    thread_unlock(&c->lock);
    checkup_inside_link(c);
    if (k->busy && k->kind->run != NULL) { /* a thread is at it: its end frees it */
        timer_free(k->timer);
        k->timer = NULL;
        k->leaving = true;
        return;
    }
    checkup_inside_free_check(k);
}

static void forget_links(struct checkup_check *k)
{
    mem_free(k->parents);
    mem_free(k->children);
    k->parents = k->children = NULL;
    k->parents_n = k->children_n = 0;
    k->because = NULL;
}

void checkup_inside_link(struct checkup *c)
{
    thread_lock(&c->lock);
    for (size_t i = 0; i < c->checks.n; i++)
        forget_links(c->checks.v[i]);
    for (size_t i = 0; i < c->checks.n; i++) {
        struct checkup_check *k = c->checks.v[i];
        const struct option_list *names = &k->settings.depends_on;
        k->parents = mem_array(names->n + 1, sizeof(struct checkup_check *));
        for (size_t p = 0; p < names->n; p++) {
            struct checkup_check *parent = checkup_inside_find(c, str_c(names->v[p]));
            if (parent == NULL)
                continue; /* it has been removed */
            k->parents[k->parents_n++] = parent;
            parent->children = mem_resize(parent->children, (parent->children_n + 1) *
                                                                sizeof(struct checkup_check *));
            parent->children[parent->children_n++] = k;
        }
    }
    thread_unlock(&c->lock);
    for (size_t i = 0; i < c->checks.n; i++)
        if (c->checks.v[i]->parents_n > 0)
            checkup_inside_reconsider(c->checks.v[i]);
}

/* ---- time */

/* Which windows hold has changed: so has what is under maintenance. */
void checkup_inside_windows(struct checkup *c)
{
    int64_t now = clock_wall_ms(c->plan.clock);
    bool differs = c->windows_changed;
    for (size_t i = 0; i < c->windows.n; i++) {
        struct checkup_window *w = c->windows.v[i];
        bool holds = maintenance_holds(&w->window, now);
        differs = differs || holds != w->holds;
        thread_lock(&c->lock);
        w->holds = holds;
        thread_unlock(&c->lock);
    }
    c->windows_changed = false;
    if (!differs)
        return;
    for (size_t i = 0; i < c->checks.n; i++) {
        struct checkup_check *k = c->checks.v[i];
        bool under = false;
        for (size_t w = 0; w < c->windows.n && !under; w++)
            under = c->windows.v[w]->holds &&
                    maintenance_means(&c->windows.v[w]->settings, &k->settings);
        bool before = k->maintenance;
        thread_lock(&c->lock);
        k->maintenance = under;
        thread_unlock(&c->lock);
        if (under != before)
            checkup_inside_reconsider(k);
    }
}

static void on_tick(void *context)
{
    struct checkup *c = context;
    int64_t now = clock_wall_ms(c->plan.clock);
    checkup_inside_windows(c);
    checkup_record_tick(c);
    if (now >= c->next_resend_ms || c->next_resend_ms - now > CHECKUP_RESEND_MS) {
        c->next_resend_ms = now + CHECKUP_RESEND_MS;
        checkup_inside_resend(c);
    }
    int64_t step = c->plan.settings->own.metrics_interval_ms;
    if (now >= c->next_publish_ms || c->next_publish_ms - now > step) {
        c->next_publish_ms = (now / step + 1) * step;
        checkup_inside_publish(c);
    }
}

/* ---- life */

static int add_file_checks(struct checkup *c, struct why *why)
{
    const struct checkup_settings *rows = c->plan.settings->checks.v;
    int err = 0;
    for (size_t i = 0; i < c->plan.settings->checks.n && err == 0; i++) {
        struct checkup_check *k = mem_new(sizeof *k);
        arena_init(&k->arena);
        k->settings = rows[i];
        err = checkup_inside_add(c, k, why);
        if (err != 0)
            checkup_inside_free_check(k);
    }
    return err;
}

static int add_file_windows(struct checkup *c, struct why *why)
{
    const struct checkup_settings_maintenance *rows = c->plan.settings->maintenance.v;
    int err = 0;
    for (size_t i = 0; i < c->plan.settings->maintenance.n && err == 0; i++) {
        struct checkup_window *w = mem_new(sizeof *w);
        arena_init(&w->arena);
        w->settings = rows[i];
        vec_push(&c->windows, w);
        err = maintenance_read(&w->settings, &w->window, why);
    }
    return err;
}

static int open_loop(struct checkup *c, struct why *why)
{
    int err = loop_new(&c->loop);
    if (err == 0)
        err = prober_new(c->loop, &c->prober);
    if (err == 0)
        err = fetcher_new(c->loop, NULL, &c->fetcher);
    if (err != 0)
        return why_set(why, (enum err) - err, "no event loop for checks: %s", err_text(err));
    c->host =
        (struct checkup_host){c->loop,       c->prober,     c->fetcher,           c->plan.launcher,
                              c->plan.clock, c->plan.store, c->plan.store_context};
    return 0;
}

int checkup_new(const struct checkup_plan *plan, struct checkup **ret, struct why *why)
{
    struct checkup *c = mem_new(sizeof *c);
    c->plan = *plan;
    c->page = plan->settings->page;
    map_init(&c->names, 1);
    thread_lock_init(&c->lock);
    thread_cond_init(&c->changed);
    int err = open_loop(c, why);
    if (err == 0 && plan->sink != NULL)
        err = plan->sink->ops->tenant(plan->sink, plan->tenant, &c->tenant, why);
    checkup_inside_publish_open(c);
    if (err == 0)
        c->pool =
            pool_new("health", (size_t)MAX(plan->settings->own.threads, (int64_t)1), QUEUE_MAX);
    if (err == 0)
        err = checkup_record_open(c, why);
    if (err == 0)
        err = add_file_checks(c, why);
    if (err == 0)
        err = add_file_windows(c, why);
    if (err == 0)
        err = checkup_record_load(c, why);
    if (err != 0) {
        checkup_free(c);
        return err;
    }
    checkup_inside_link(c);
    c->tick = timer_new(c->loop, TICK_MS, TICK_MS, on_tick, c);
    checkup_inside_windows(c);
    *ret = c;
    return 0;
}

static void run_loop(void *context)
{
    struct checkup *c = context;
    loop_run(c->loop);
}

void checkup_start(struct checkup *c)
{
    thread_start(&c->thread, "health", run_loop, c);
}

/* On the loop, behind what the pool's last jobs have posted. */
static void on_drained(void *context)
{
    struct checkup *c = context;
    loop_stop(c->loop);
}

static void free_window(struct checkup_window *w)
{
    arena_done(&w->arena);
    mem_free(w);
}

void checkup_stop(struct checkup *c)
{
    if (c == NULL || c->stopped)
        return;
    c->stopped = true;
    thread_lock(&c->lock);
    c->stopping = true; /* no errand is posted from now on */
    pthread_cond_broadcast(&c->changed);
    thread_unlock(&c->lock);
    if (c->thread.running) {
        loop_stop(c->loop);
        thread_join(&c->thread);
    }
    if (c->plan.launcher != NULL)
        launch_quit(c->plan.launcher);
    pool_free(c->pool);
    c->pool = NULL;
    timer_free(c->tick);
    c->tick = NULL;
    if (c->loop != NULL) {
        loop_post(c->loop, on_drained, c);
        loop_run(c->loop);
    }
    if (c->record != NULL)
        checkup_record_close(c);
}

void checkup_free(struct checkup *c)
{
    if (c == NULL)
        return;
    checkup_stop(c);
    while (c->checks.n > 0)
        checkup_inside_free_check(c->checks.v[--c->checks.n]);
    for (size_t i = 0; i < c->windows.n; i++)
        free_window(c->windows.v[i]);
    prober_free(c->prober);
    fetcher_free(c->fetcher);
    loop_free(c->loop);
    vec_free(&c->checks);
    vec_free(&c->windows);
    map_done(&c->names);
    checkup_inside_publish_done(c);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    mem_free(c);
}
