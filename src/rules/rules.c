#include "rules/rules.h"

#include <stdio.h>

#include "base/vec.h"
#include "rules/rules_inside.h"

enum { NAP_MS = 500 /* between two looks at the wall clock, which may be set */ };

/* ---- settings */

static struct option_list copy_list(struct arena *a, const struct option_list *from)
{
    struct option_list out = {arena_array(a, from->n + 1, sizeof *out.v), from->n};
    for (size_t i = 0; i < from->n; i++)
        out.v[i] = arena_str(a, str_c(from->v[i])).p;
    return out;
}

static struct str url_of(struct arena *a, const char *text)
{
    struct str url = arena_str(a, str_c(text));
    while (url.n > 0 && url.p[url.n - 1] == '/')
        url.n--;
    return url;
}

int rules_plan_new(struct rules *r, const struct rules_settings *settings, struct rules_plan **ret,
                   struct why *why)
{
    const struct rules_config *c = &r->config;
    struct rules_plan *p = mem_new(sizeof *p);
    struct str external = STR("");
    arena_init(&p->arena);
    p->refs = 1;
    p->settings = *settings;
    p->settings.files = copy_list(&p->arena, &settings->files);
    p->settings.external_labels = copy_list(&p->arena, &settings->external_labels);
    p->settings.external_key = arena_str(&p->arena, settings->external_key);
    p->settings.tenant = arena_str(&p->arena, str_c(settings->tenant)).p;
    p->settings.external_url = arena_str(&p->arena, str_c(settings->external_url)).p;
    int err = rules_external_labels(settings, &p->arena, &external, why);
    p->world = (struct group_world){.store = c->store,
                                    .sink = c->sink,
                                    .lane = c->lane,
                                    .lane_lock = &r->lane_lock,
                                    .tenant = r->tenant,
                                    .clock = c->clock,
                                    .options = &r->config.options,
                                    .lookback_ms = c->lookback_ms,
                                    .limits = {.samples_max = (uint64_t)settings->samples_max,
                                               .bytes_max = c->bytes_max,
                                               .timeout_ns = settings->timeout_ms * 1000000},
                                    .pool = c->pool,
                                    .external_labels = external,
                                    .external_url = url_of(&p->arena, settings->external_url),
                                    .query_offset_ms = settings->query_offset_ms,
                                    .interval_ms = settings->evaluation_interval_ms,
                                    .resend_delay_ms = settings->resend_delay_ms,
                                    .for_grace_period_ms = settings->for_grace_period_ms,
                                    .for_outage_tolerance_ms = settings->for_outage_tolerance_ms,
                                    .alerts = c->alerts,
                                    .keeper = c->state != NULL ? &r->keeper : NULL,
                                    .warn = c->warn,
                                    .context = c->context};
    if (err != 0)
        rules_plan_drop(p);
    else
        *ret = p;
    return err;
}

void rules_plan_drop(struct rules_plan *p)
{
    if (--p->refs > 0)
        return;
    arena_done(&p->arena);
    mem_free(p);
}

/* ---- life */

static void set_problem(struct rules *r, const char *prefix, const struct buf *problems)
{
    thread_lock(&r->lock);
    buf_clear(&r->problem);
    if (problems->n > 0)
        buf_printf(&r->problem, "%s" STR_FMT, prefix, STR_ARG(str_trim(buf_str(problems))));
    thread_unlock(&r->lock);
    if (problems->n > 0 && r->config.warn) {
        struct str rest = str_trim(buf_str(problems)), line;
        while (str_split(&rest, '\n', &line)) {
            char text[1024];
            snprintf(text, sizeof text, STR_FMT, STR_ARG(str_sub(line, 0, sizeof text - 1)));
            r->config.warn(r->config.context, text);
        }
    }
}

/* ---- states that are kept */

static bool has_group(void *context, struct str file, struct str group)
{
    struct rules *r = context;
    bool found = false;
    thread_lock(&r->lock);
    for (size_t i = 0; i < r->entries.n && !found; i++)
        found = str_eq(group_file(r->entries.v[i]->group), file) &&
                str_eq(group_rules(r->entries.v[i]->group)->name, group);
    thread_unlock(&r->lock);
    return found;
}

static void prune(struct rules *r)
{
    struct why why = {0};
    if (r->config.state != NULL && keeper_prune(&r->keeper, has_group, r, &why) != 0 &&
        r->config.warn != NULL)
        r->config.warn(r->config.context, why.text);
}

static bool has_none(void *context, struct str file, struct str group)
{
    (void)context;
    (void)file;
    (void)group;
    return false;
}

/* States from before a long outage are no longer known to be true. */
static int open_keeper(struct rules *r, struct why *why)
{
    int64_t now = clock_wall_ms(r->config.clock);
    if (r->config.state == NULL)
        return 0;
    int err = keeper_open(&r->keeper, r->config.state, why);
    if (err == 0 && !keeper_knows(&r->keeper, now, r->config.settings->for_outage_tolerance_ms))
        err = keeper_prune(&r->keeper, has_none, NULL, why);
    return err;
}

/* ---- the first files */

static int open_first(struct rules *r, struct why *why)
{
    struct rules_plan *plan;
    struct rules_files files = {0};
    struct buf problems;
    int err = rules_plan_new(r, r->config.settings, &plan, why);
    if (err != 0)
        return err;
    buf_init(&problems, RULES_PROBLEMS_MAX);
    rules_files_read(&plan->settings, &r->config.options, &files, &problems);
    rules_files_apply(r, &files, plan);
    r->restore = problems.n > 0;
    set_problem(r, "", &problems);
    buf_done(&problems);
    rules_files_drop(&files);
    return 0;
}

int rules_new(const struct rules_config *config, struct rules **ret, struct why *why)
{
    struct rules *r = mem_new(sizeof *r);
    r->config = *config;
    r->restore = true;
    r->threads_n = (size_t)MIN(config->settings->concurrency, (int64_t)RULES_THREADS_MAX);
    thread_lock_init(&r->lock);
    thread_lock_init(&r->lane_lock);
    thread_lock_init(&r->reload_lock);
    thread_cond_init(&r->wake);
    thread_cond_init(&r->idle);
    buf_init(&r->problem, RULES_PROBLEMS_MAX);
    struct str tenant = str_c(config->settings->tenant);
    int err = config->sink->ops->tenant(config->sink, tenant, &r->tenant, why);
    if (err == 0)
        err = open_keeper(r, why);
    if (err == 0)
        err = open_first(r, why);
    if (err != 0)
        rules_free(r);
    else
        *ret = r;
    return err;
}

static void leaving_free(struct rules_leaving *l)
{
    arena_done(&l->arena);
    mem_free(l);
}

static void stop_threads(struct rules *r)
{
    thread_lock(&r->lock);
    r->stop = true;
    for (size_t i = 0; i < r->entries.n; i++)
        atomic_store(&r->entries.v[i]->canceled, true);
    thread_wake_all(&r->wake);
    thread_unlock(&r->lock);
    for (size_t i = 0; i < r->threads_n; i++)
        thread_join(&r->threads[i]);
}

void rules_free(struct rules *r)
{
    if (r == NULL)
        return;
    stop_threads(r);
    for (size_t i = 0; i < r->entries.n; i++)
        rules_entry_free(r->entries.v[i]);
    for (size_t i = 0; i < r->leaving.n; i++)
        leaving_free(r->leaving.v[i]);
    vec_free(&r->entries);
    vec_free(&r->leaving);
    if (r->plan != NULL)
        rules_plan_drop(r->plan);
    rules_file_drop(r->own);
    keeper_close(&r->keeper);
    buf_done(&r->problem);
    (void)pthread_cond_destroy(&r->wake);
    (void)pthread_cond_destroy(&r->idle);
    (void)pthread_mutex_destroy(&r->lock);
    (void)pthread_mutex_destroy(&r->lane_lock);
    (void)pthread_mutex_destroy(&r->reload_lock);
    mem_free(r);
}

/* ---- reload */

/* The first line of problems, and how many there are. */
static int refuse(const struct buf *problems, struct why *why)
{
    struct str rest = str_trim(buf_str(problems)), first = STR(""), line;
    size_t n = 0;
    while (str_split(&rest, '\n', &line))
        first = n++ == 0 ? line : first;
    if (n == 1)
        return why_set(why, ERR_FORMAT, "the old rules stay: " STR_FMT, STR_ARG(first));
    return why_set(why, ERR_FORMAT, "the old rules stay, as %zu things are wrong, first: " STR_FMT,
                   n, STR_ARG(first));
}

static int reload(struct rules *r, const struct rules_settings *settings, struct why *why)
{
    struct rules_plan *plan;
    struct rules_files files = {0};
    struct buf problems;
    int err = rules_plan_new(r, settings, &plan, why);
    if (err != 0)
        return err;
    buf_init(&problems, RULES_PROBLEMS_MAX);
    rules_files_read(&plan->settings, &r->config.options, &files, &problems);
    if (r->own != NULL) {
        r->own->refs++;
        vec_push(&files, r->own);
    }
    if (problems.n > 0) {
        err = refuse(&problems, why);
        rules_plan_drop(plan);
    } else {
        rules_files_apply(r, &files, plan);
        r->restore = false;
        prune(r);
    }
    set_problem(r, "the old rules are in force: ", &problems);
    buf_done(&problems);
    rules_files_drop(&files);
    return err;
}

int rules_reload_with(struct rules *r, const struct rules_settings *settings, struct why *why)
{
    thread_lock(&r->reload_lock);
    int err = reload(r, settings, why);
    thread_unlock(&r->reload_lock);
    return err;
}

/* The files in force, and f. */
static void files_in_force(struct rules *r, struct rules_file *f, struct rules_files *ret)
{
    for (size_t i = 0; i < r->entries.n; i++) {
        struct rules_file *from = r->entries.v[i]->from;
        if (from == r->own || (ret->n > 0 && ret->v[ret->n - 1] == from))
            continue;
        from->refs++;
        vec_push(ret, from);
    }
    if (f != NULL) {
        f->refs++;
        vec_push(ret, f);
    }
}

void rules_own_set(struct rules *r, struct rule_file *f)
{
    struct rules_file *own = NULL;
    struct rules_files files = {0};
    if (f != NULL) {
        own = mem_new(sizeof *own);
        *own = (struct rules_file){f, 1};
    }
    thread_lock(&r->reload_lock);
    thread_lock(&r->lock);
    struct rules_plan *plan = r->plan;
    plan->refs++; /* apply() takes it over once more */
    files_in_force(r, own, &files);
    thread_unlock(&r->lock);
    bool restore = r->restore;
    r->restore = restore || r->own == NULL;
    rules_files_apply(r, &files, plan);
    r->restore = restore;
    thread_lock(&r->lock);
    rules_files_drop(&files);
    rules_file_drop(r->own);
    r->own = own;
    thread_unlock(&r->lock);
    if (!restore)
        prune(r);
    thread_unlock(&r->reload_lock);
}

int rules_reload(struct rules *r, struct why *why)
{
    thread_lock(&r->reload_lock);
    thread_lock(&r->lock);
    struct rules_plan *plan = r->plan;
    plan->refs++;
    thread_unlock(&r->lock);
    int err = reload(r, &plan->settings, why);
    thread_lock(&r->lock);
    rules_plan_drop(plan);
    thread_unlock(&r->lock);
    thread_unlock(&r->reload_lock);
    return err;
}

/* ---- time: all of it under the lock, which is given up while a group runs */

/* The group that is due first; NULL where none is now. *ret_next_ms is the time of the next. */
static struct rules_entry *pick(struct rules *r, int64_t now_ms, int64_t *ret_next_ms)
{
    struct rules_entry *first = NULL;
    for (size_t i = 0; i < r->entries.n; i++) {
        struct rules_entry *e = r->entries.v[i];
        if (e->running || e->gone)
            continue;
        /* The clock was set back. */
        if (e->next_ms - now_ms > group_interval_ms(e->group))
            e->next_ms = group_next_ms(e->group, now_ms);
        if (first == NULL || e->next_ms < first->next_ms)
            first = e;
    }
    *ret_next_ms = first == NULL ? INT64_MAX : first->next_ms;
    return first != NULL && first->next_ms <= now_ms ? first : NULL;
}

/* Its time, at or before now: runs that were missed are passed over. */
static int64_t catch_up(struct rules_entry *e, int64_t now_ms)
{
    int64_t interval = group_interval_ms(e->group), missed = (now_ms - e->next_ms) / interval;
    if (missed > 0)
        rules_stats_missed(e->stats, (uint64_t)missed);
    return e->next_ms + missed * interval;
}

/* False where it was canceled. */
static bool run_group(struct rules *r, struct rules_entry *e, const struct rules_plan *plan,
                      int64_t t_ms)
{
    struct group_world world = plan->world;
    struct group_outcome outcome;
    int64_t begun = clock_monotonic_ns(r->config.clock);
    world.canceled = &e->canceled;
    group_evaluate(e->group, &world, t_ms, &outcome);
    if (outcome.canceled)
        return false;
    if (e->runs < RULES_RESTORE_RUN && ++e->runs == RULES_RESTORE_RUN &&
        group_wants_restore(e->group))
        group_restore(e->group, &world, MAX(clock_wall_ms(r->config.clock), t_ms));
    rules_stats_ran(e->stats, &outcome, t_ms, clock_monotonic_ns(r->config.clock) - begun);
    return true;
}

static void run_entry(struct rules *r, struct rules_entry *e, int64_t now_ms)
{
    struct rules_plan *plan = r->plan;
    int64_t t = catch_up(e, now_ms);
    plan->refs++;
    e->running = true;
    thread_unlock(&r->lock);
    bool done = run_group(r, e, plan, t);
    thread_lock(&r->lock);
    rules_plan_drop(plan);
    e->running = false;
    e->next_ms = done ? t + group_interval_ms(e->group) : t;
    if (e->gone)
        thread_wake_all(&r->idle);
}

static bool writes(const struct rules *r, struct str key)
{
    bool found = false;
    for (size_t i = 0; i < r->entries.n && !found; i++)
        found = group_writes(r->entries.v[i]->group, key);
    return found;
}

/* Takes those out that another group has taken up, and writes the end of the others. The lock is
 * given up while the store works. */
static void end_one(struct rules *r, struct rules_leaving *l)
{
    struct rules_plan *plan = r->plan;
    size_t kept = 0;
    for (size_t k = 0; k < l->n; k++)
        if (!writes(r, l->keys[k]))
            l->keys[kept++] = l->keys[k];
    plan->refs++;
    thread_unlock(&r->lock);
    group_end_series(&plan->world, l->keys, kept, l->at_ms);
    thread_lock(&r->lock);
    rules_plan_drop(plan);
    leaving_free(l);
}

/* Ends the series of groups that vanished, once others have had time to take them up. */
static void end_left(struct rules *r, int64_t now_ms)
{
    for (size_t i = 0; i < r->leaving.n;) {
        struct rules_leaving *l = r->leaving.v[i];
        if (l->due_ms > now_ms && l->at_ms <= now_ms) {
            i++;
            continue;
        }
        r->leaving.v[i] = r->leaving.v[--r->leaving.n];
        end_one(r, l);
        i = 0; /* the list may have changed meanwhile */
    }
}

size_t rules_run(struct rules *r, int64_t *ret_next_ms)
{
    size_t n = 0;
    int64_t next;
    thread_lock(&r->lock);
    int64_t now = clock_wall_ms(r->config.clock);
    for (struct rules_entry *e; (e = pick(r, now, &next)) != NULL; n++)
        run_entry(r, e, now);
    end_left(r, now);
    thread_unlock(&r->lock);
    if (ret_next_ms != NULL)
        *ret_next_ms = next;
    return n;
}

static void work(void *context)
{
    struct rules *r = context;
    thread_lock(&r->lock);
    while (!r->stop) {
        int64_t next, now = clock_wall_ms(r->config.clock);
        end_left(r, now);
        struct rules_entry *e = pick(r, now, &next);
        if (e != NULL) {
            run_entry(r, e, now);
            continue;
        }
        if (r->entries.n == 0 && r->leaving.n == 0) {
            thread_wait(&r->wake, &r->lock);
            continue;
        }
        /* Short naps: the wall clock may be set meanwhile, and the machine may sleep. */
        int64_t nap = next > now ? MIN(next - now, (int64_t)NAP_MS) : NAP_MS;
        (void)thread_wait_for(&r->wake, &r->lock, nap * 1000000);
    }
    thread_unlock(&r->lock);
}

void rules_start(struct rules *r)
{
    for (size_t i = 0; i < r->threads_n; i++) {
        char name[16];
        snprintf(name, sizeof name, "rules-%zu", i % 1000);
        thread_start(&r->threads[i], name, work, r);
    }
}
