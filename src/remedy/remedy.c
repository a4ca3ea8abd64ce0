#include "remedy/remedy.h"

#include <string.h>

#include "alert/config/matcher.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "event/event_count.h"
#include "model/labels.h"
#include "os/thread.h"
#include "remedy/remedy_store.h"
#include "text/json.h"

enum {
    TICK_MS = 1000,
    HISTORY_MAX = 1000, /* runs of one row that count for its window */
    JSON_MAX = 1 << 20,
    EXPIRE_MS = 3600 * 1000,
};

static const int64_t DAY_MS = 24LL * 3600 * 1000;
static const char *const MODULE = "remedy";

static const struct event_count_family RUNS = {
    "sonde_remedy_runs_total",
    "Actions of the runbook, by outcome: succeeded, failed, dry run, limited.",
    STAT_TYPE_COUNTER,
    NULL,
    {"remedy", "outcome", NULL}};

/* A row of the runbook. */
struct remedy {
    const struct remedy_row *row;
    struct matcher_list match;
    struct {
        int64_t *v; /* [n] when it ran, oldest first */
        size_t n, capacity;
    } runs;
    int64_t last_ms;
    char last_outcome[16];
    bool busy;
};

/* An alert that fires. */
struct firing {
    struct str labels, annotations; /* in one block behind */
    int64_t starts_ms, ends_ms;     /* ends: until when it is to be believed */
    uint64_t *limited;              /* [rows / 64] rows that have said that they may not */
};

struct remedies {
    struct remedy_config config;
    const struct remedy_settings *_Atomic settings;
    struct arena arena; /* of the matchers */
    struct remedy *v;   /* [n] */
    size_t n;
    struct thread thread;
    pthread_mutex_t acting; /* held while something is done: one at a time; taken first */
    pthread_mutex_t lock;   /* of what is below and of the rows' counts */
    pthread_cond_t woken;
    bool ending;
    int64_t expired_ms;
    struct {
        struct firing **v; /* owned */
        size_t n, capacity;
    } firing;
};

/* ---- writing down */

static int put_record(void *context, struct state_tx *tx, struct why *why)
{
    struct remedy_record *v = context;
    return remedy_store_put(tx, v, &v->id, why);
}

static int record(struct remedies *r, struct remedy_record *v, struct why *why)
{
    return state_write(r->config.state, put_record, v, why);
}

static void note(struct remedies *r, const struct remedy_record *v)
{
    struct arena a;
    arena_init(&a);
    struct str title =
        arena_printf(&a, STR_FMT ": " STR_FMT " (" STR_FMT ", " STR_FMT ")", STR_ARG(v->name),
                     STR_ARG(v->action), STR_ARG(v->outcome), STR_ARG(v->who));
    struct event e = {.time_ms = v->time_ms,
                      .kind = STR("remediation"),
                      .title = title,
                      .text = v->text,
                      .source = STR("remedy"),
                      .labels = v->labels,
                      .status = v->outcome};
    event_add(r->config.events, &e);
    log_info(MODULE, STR_FMT, STR_ARG(title));
    arena_done(&a);
    stat_add(event_count(&RUNS, (struct str[]){v->name, v->outcome}), 1);
}

static struct str action_of(const struct remedy_row *row, struct arena *a)
{
    if (strcmp(row->action, "restart") == 0)
        return arena_printf(a, "restart %s", row->program);
    struct buf text;
    buf_init(&text, 1000);
    buf_put_str(&text, STR("command"));
    for (size_t i = 0; i < row->command.n; i++)
        buf_printf(&text, " %s", row->command.v[i]);
    struct str out = arena_str(a, buf_str(&text));
    buf_done(&text);
    return out;
}

static void put_object(struct json_writer *w, const char *key, struct str labels)
{
    struct label l;
    json_key(w, str_c(key));
    json_begin_object(w);
    for (const char *at = labels.p; labels_next(labels, &at, &l, NULL);) {
        json_key(w, l.name);
        json_text(w, l.value);
    }
    json_end_object(w);
}

/* What a command gets to read. */
static void put_alert(const struct remedy_row *row, const struct firing *f, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_key(&w, STR("remedy"));
    json_text(&w, str_c(row->name));
    put_object(&w, "labels", f ? f->labels : STR(""));
    put_object(&w, "annotations", f ? f->annotations : STR(""));
    json_key(&w, STR("starts_ms"));
    json_i64(&w, f ? f->starts_ms : 0);
    json_end_object(&w);
    buf_put_c(out, '\n');
}

/* ---- acting */

static void remember(struct remedies *r, struct remedy *m, const struct remedy_record *v,
                     bool counts)
{
    thread_lock(&r->lock);
    if (counts) {
        if (m->runs.n == HISTORY_MAX)
            memmove(m->runs.v, m->runs.v + 1, --m->runs.n * sizeof *m->runs.v);
        vec_push(&m->runs, v->time_ms);
    }
    m->last_ms = v->time_ms;
    size_t n = MIN(v->outcome.n, sizeof m->last_outcome - 1);
    memcpy(m->last_outcome, v->outcome.p, n);
    m->last_outcome[n] = '\0';
    m->busy = false;
    thread_unlock(&r->lock);
}

/* Does it, and writes down before and after. Under acting. */
static int act(struct remedies *r, struct remedy *m, const struct firing *f, struct str who,
               bool dry_run, struct arena *a, struct remedy_record *ret, struct why *why)
{
    struct remedy_record v = {.time_ms = clock_wall_ms(r->config.clock),
                              .name = str_c(m->row->name),
                              .who = who,
                              .action = action_of(m->row, a),
                              .labels = f ? f->labels : STR(""),
                              .outcome = dry_run ? STR("dry run") : STR("started")};
    int err = record(r, &v, why); /* what cannot be written down is not done */
    if (err)
        return err;
    thread_lock(&r->lock);
    m->busy = true;
    thread_unlock(&r->lock);
    if (!dry_run) {
        struct buf alert, output;
        struct why fault = {0};
        int64_t begun_ns = clock_monotonic_ns(r->config.clock);
        buf_init(&alert, JSON_MAX);
        buf_init(&output, REMEDY_OUTPUT_MAX);
        put_alert(m->row, f, &alert);
        int failed = r->config.act(r->config.context, m->row, buf_str(&alert), &output, &fault);
        v.duration_ms = (clock_monotonic_ns(r->config.clock) - begun_ns) / 1000000;
        v.outcome = failed ? STR("failed") : STR("succeeded");
        v.text = failed ? arena_printf(a, "%s\n" STR_FMT, fault.text, STR_ARG(buf_str(&output)))
                        : arena_str(a, buf_str(&output));
        v.text = str_utf8(v.text) ? v.text : STR("(output that is not UTF-8)");
        buf_done(&alert);
        buf_done(&output);
        err = record(r, &v, why);
        if (err) /* it is done all the same: "started" stands there */
            log_warn(MODULE, "how it went is not written: %s", why->text);
    }
    remember(r, m, &v, true);
    note(r, &v);
    *ret = v;
    return 0;
}

/* ---- deciding */

/* May it run now? Otherwise why not, as a sentence from a. Under the lock. */
static bool may(const struct remedy *m, int64_t now_ms, bool *ret_cooling, struct arena *a,
                struct str *ret_text)
{
    size_t n = 0;
    int64_t last_ms = m->runs.n ? m->runs.v[m->runs.n - 1] : 0;
    for (size_t i = 0; i < m->runs.n; i++)
        n += now_ms - m->runs.v[i] < m->row->window_seconds * 1000;
    *ret_cooling = last_ms && now_ms - last_ms < m->row->cooldown_seconds * 1000;
    if (*ret_cooling)
        return false;
    if (n < (size_t)m->row->runs_max)
        return true;
    *ret_text = arena_printf(a, "it has run %zu times in %lld s already: runs_max is %lld", n,
                             (long long)m->row->window_seconds, (long long)m->row->runs_max);
    return false;
}

static bool fits(const struct remedy *m, const struct firing *f, int64_t now_ms)
{
    return now_ms - f->starts_ms >= m->row->for_seconds * 1000 && f->ends_ms > now_ms &&
           matcher_list_holds(&m->match, f->labels);
}

static struct firing *firing_new(struct remedies *r, struct str labels, struct str annotations)
{
    size_t words = r->n / 64 + 1;
    struct firing *f = mem_new(sizeof *f + words * sizeof(uint64_t) + labels.n + annotations.n);
    f->limited = (uint64_t *)(void *)(f + 1);
    char *at = (char *)(f->limited + words);
    if (labels.n)
        memcpy(at, labels.p, labels.n);
    if (annotations.n)
        memcpy(at + labels.n, annotations.p, annotations.n);
    f->labels = str_of(at, labels.n);
    f->annotations = str_of(at + labels.n, annotations.n);
    return f;
}

static struct firing *copy_of(struct remedies *r, const struct firing *f)
{
    struct firing *copy = firing_new(r, f->labels, f->annotations);
    copy->starts_ms = f->starts_ms;
    copy->ends_ms = f->ends_ms;
    return copy;
}

/* Said once for each alert. Under acting, without the lock. */
static void refuse(struct remedies *r, struct remedy *m, const struct firing *f, struct str text,
                   struct arena *a)
{
    struct why why = {0};
    struct remedy_record v = {.time_ms = clock_wall_ms(r->config.clock),
                              .name = str_c(m->row->name),
                              .who = STR("alert"),
                              .action = action_of(m->row, a),
                              .labels = f->labels,
                              .outcome = STR("limited"),
                              .text = text};
    if (record(r, &v, &why) != 0)
        log_warn(MODULE, "a limit is not written down: %s", why.text);
    remember(r, m, &v, false);
    note(r, &v);
}

/* The next thing to do for row k: true with a copy of the alert, and a text where it is refused.
 * Under the lock. */
static bool next_of(struct remedies *r, size_t k, int64_t now_ms, struct arena *a,
                    struct firing **ret, struct str *ret_refused)
{
    struct remedy *m = &r->v[k];
    for (size_t i = 0; i < r->firing.n; i++) {
        struct firing *f = r->firing.v[i];
        bool cooling;
        if (!fits(m, f, now_ms))
            continue;
        *ret_refused = STR("");
        bool allowed = may(m, now_ms, &cooling, a, ret_refused);
        if (cooling || (!allowed && f->limited[k / 64] >> (k % 64) & 1))
            continue;
        if (!allowed)
            f->limited[k / 64] |= 1ULL << (k % 64);
        *ret = copy_of(r, f);
        return true;
    }
    return false;
}

static void drop_firing(struct remedies *r, size_t i)
{
    mem_free(r->firing.v[i]);
    r->firing.v[i] = r->firing.v[--r->firing.n];
}

static int drop_old(void *context, struct state_tx *tx, struct why *why)
{
    return remedy_store_expire(tx, *(const int64_t *)context, why);
}

static void expire(struct remedies *r, int64_t now_ms)
{
    const struct remedy_settings *s = r->settings;
    int64_t before_ms = now_ms - s->keep_days * DAY_MS;
    struct why why = {0};
    r->expired_ms = now_ms;
    if (state_write(r->config.state, drop_old, &before_ms, &why) != 0)
        log_warn(MODULE, "old runs could not be dropped: %s", why.text);
}

void remedy_run(struct remedies *r)
{
    const struct remedy_settings *s = r->settings;
    thread_lock(&r->acting);
    int64_t now_ms = clock_wall_ms(r->config.clock);
    thread_lock(&r->lock);
    for (size_t i = r->firing.n; i-- > 0;)
        if (r->firing.v[i]->ends_ms <= now_ms)
            drop_firing(r, i);
    thread_unlock(&r->lock);
    for (size_t k = 0; k < r->n && s->enabled; k++) {
        struct arena a;
        struct firing *f = NULL;
        struct str refused;
        struct why why = {0};
        struct remedy_record v;
        arena_init(&a);
        thread_lock(&r->lock);
        bool due = !r->ending && next_of(r, k, now_ms, &a, &f, &refused);
        thread_unlock(&r->lock);
        if (due && refused.n)
            refuse(r, &r->v[k], f, refused, &a);
        else if (due && act(r, &r->v[k], f, STR("alert"), s->dry_run || r->v[k].row->dry_run, &a,
                            &v, &why) != 0)
            log_warn(MODULE, "%s is not done, as it cannot be written down: %s", r->v[k].row->name,
                     why.text);
        mem_free(f);
        arena_done(&a);
    }
    thread_unlock(&r->acting);
    if (now_ms - r->expired_ms >= EXPIRE_MS)
        expire(r, now_ms);
}

void remedy_alert(struct remedies *r, const struct alert *a)
{
    if (!r || r->n == 0)
        return;
    thread_lock(&r->lock);
    size_t i = 0;
    while (i < r->firing.n && !str_eq(r->firing.v[i]->labels, a->labels))
        i++;
    if (a->resolved && i < r->firing.n) {
        drop_firing(r, i);
    } else if (!a->resolved) {
        if (i == r->firing.n && i < REMEDY_FIRING_MAX)
            vec_push(&r->firing, firing_new(r, a->labels, a->annotations));
        if (i < r->firing.n) {
            r->firing.v[i]->starts_ms = a->starts_ms;
            r->firing.v[i]->ends_ms = a->ends_ms ? a->ends_ms : INT64_MAX;
            thread_wake(&r->woken);
        }
    }
    thread_unlock(&r->lock);
}

static void live(void *context)
{
    struct remedies *r = context;
    for (bool ending = false; !ending;) {
        remedy_run(r);
        thread_lock(&r->lock);
        if (!r->ending)
            thread_wait_for(&r->woken, &r->lock, TICK_MS * 1000000LL);
        ending = r->ending;
        thread_unlock(&r->lock);
    }
}

/* ---- life */

/* Runs before the start count for limits and cool-downs. */
static int load(void *context, struct state_tx *tx, struct why *why)
{
    struct remedies *r = context;
    int err = 0;
    for (size_t k = 0; k < r->n && !err; k++) {
        struct arena a;
        struct remedy_record *v;
        size_t n = 0;
        arena_init(&a);
        err = remedy_store_list(tx, str_c(r->v[k].row->name), HISTORY_MAX, &a, &v, &n, why);
        for (size_t i = n; i-- > 0 && !err;)
            if (!str_eq(v[i].outcome, STR("limited")))
                vec_push(&r->v[k].runs, v[i].time_ms);
        if (!err && n) {
            r->v[k].last_ms = v[0].time_ms;
            size_t bytes = MIN(v[0].outcome.n, sizeof r->v[k].last_outcome - 1);
            memcpy(r->v[k].last_outcome, v[0].outcome.p, bytes);
        }
        arena_done(&a);
    }
    return err;
}

int remedy_open(const struct remedy_config *config, struct remedies **ret, struct why *why)
{
    int err = state_prepare(config->state, &remedy_store_schema, why);
    if (err)
        return err;
    struct remedies *r = mem_new(sizeof *r);
    const struct remedy_row *rows = config->rows->v;
    r->config = *config;
    r->settings = config->settings;
    arena_init(&r->arena);
    thread_lock_init(&r->acting);
    thread_lock_init(&r->lock);
    thread_cond_init(&r->woken);
    r->n = config->rows->n;
    r->v = mem_array(r->n + 1, sizeof *r->v);
    for (size_t k = 0; k < r->n; k++) {
        r->v[k].row = &rows[k];
        for (size_t i = 0; i < rows[k].match.n && !err; i++)
            err = matcher_parse(str_c(rows[k].match.v[i]), &r->arena, &r->v[k].match, why);
    }
    if (!err)
        err = state_read(config->state, load, r, why);
    if (err)
        remedy_close(r);
    else
        *ret = r;
    return err;
}

void remedy_start(struct remedies *r)
{
    if (r->n)
        thread_start(&r->thread, "remedy", live, r);
}

void remedy_stop(struct remedies *r)
{
    if (!r)
        return;
    thread_lock(&r->lock);
    r->ending = true;
    thread_wake(&r->woken);
    thread_unlock(&r->lock);
    thread_join(&r->thread);
}

void remedy_close(struct remedies *r)
{
    if (!r)
        return;
    remedy_stop(r);
    while (r->firing.n)
        drop_firing(r, 0);
    vec_free(&r->firing);
    for (size_t k = 0; k < r->n; k++) {
        matcher_list_done(&r->v[k].match);
        vec_free(&r->v[k].runs);
    }
    mem_free(r->v);
    arena_done(&r->arena);
    mem_free(r);
}

void remedy_reload(struct remedies *r, const struct remedy_settings *settings)
{
    if (r)
        r->settings = settings;
}

/* ---- people */

int remedy_by_hand(struct remedies *r, struct str name, struct str who, bool dry_run,
                   struct arena *a, bool *ret_ok, struct str *ret_text, struct why *why)
{
    struct remedy *m = NULL;
    struct remedy_record v;
    for (size_t k = 0; k < r->n; k++)
        if (str_eq(name, str_c(r->v[k].row->name)))
            m = &r->v[k];
    if (!m)
        return why_set(why, ERR_NOENT, "there is no remedy \"" STR_FMT "\"",
                       STR_ARG(str_sub(name, 0, REMEDY_NAME_MAX)));
    thread_lock(&r->acting);
    int err = act(r, m, NULL, who.n ? who : STR("api"), dry_run, a, &v, why);
    thread_unlock(&r->acting);
    if (err)
        return err;
    *ret_ok = !str_eq(v.outcome, STR("failed"));
    *ret_text = v.text.n ? v.text : dry_run ? v.action : v.outcome;
    return 0;
}

bool remedy_enabled(struct remedies *r)
{
    const struct remedy_settings *s = r->settings;
    return s->enabled;
}

void remedy_list(struct remedies *r, struct arena *a, struct remedy_view **ret, size_t *ret_n)
{
    const struct remedy_settings *s = r->settings;
    int64_t now_ms = clock_wall_ms(r->config.clock);
    struct remedy_view *v = arena_array(a, r->n + 1, sizeof *v);
    thread_lock(&r->lock);
    for (size_t k = 0; k < r->n; k++) {
        const struct remedy *m = &r->v[k];
        v[k] = (struct remedy_view){.row = m->row,
                                    .dry_run = m->row->dry_run || s->dry_run,
                                    .last_ms = m->last_ms,
                                    .last_outcome = arena_str(a, str_c(m->last_outcome)),
                                    .busy = m->busy};
        for (size_t i = 0; i < m->runs.n; i++)
            v[k].runs_in_window += now_ms - m->runs.v[i] < m->row->window_seconds * 1000;
        for (size_t i = 0; i < r->firing.n; i++)
            v[k].firing += matcher_list_holds(&m->match, r->firing.v[i]->labels);
    }
    thread_unlock(&r->lock);
    *ret = v;
    *ret_n = r->n;
}

struct listing {
    struct str name;
    size_t limit;
    struct arena *arena;
    struct remedy_record *v;
    size_t n;
};

static int list(void *context, struct state_tx *tx, struct why *why)
{
    struct listing *l = context;
    return remedy_store_list(tx, l->name, l->limit, l->arena, &l->v, &l->n, why);
}

int remedy_history(struct remedies *r, struct str name, size_t limit, struct arena *a,
                   struct remedy_record **ret, size_t *ret_n, struct why *why)
{
    struct listing l = {.name = name, .limit = limit, .arena = a};
    int err = state_read(r->config.state, list, &l, why);
    if (err)
        return err;
    *ret = l.v;
    *ret_n = l.n;
    return 0;
}
