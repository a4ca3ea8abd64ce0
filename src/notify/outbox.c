#include "notify/outbox.h"

#include "base/mem.h"
#include "notify/outbox_inside.h"

/* ---- asking the outbox's thread */

struct call {
    struct outbox *outbox;
    void (*f)(struct outbox *o, void *context);
    void *context;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool over;
};

static void call_run(void *call)
{
    struct call *c = call;
    c->f(c->outbox, c->context);
    thread_lock(&c->lock);
    c->over = true;
    thread_wake_all(&c->cond);
    thread_unlock(&c->lock);
}

/* Runs f on the outbox's thread and waits for it; here where it has none. */
static void call(struct outbox *o, void (*f)(struct outbox *o, void *context), void *context)
{
    struct call c = {.outbox = o, .f = f, .context = context};
    if (!o->started) {
        f(o, context);
        return;
    }
    thread_lock_init(&c.lock);
    thread_cond_init(&c.cond);
    loop_post(o->loop, call_run, &c);
    thread_lock(&c.lock);
    while (!c.over)
        thread_wait(&c.cond, &c.lock);
    thread_unlock(&c.lock);
    pthread_cond_destroy(&c.cond);
    pthread_mutex_destroy(&c.lock);
}

/* ---- opening and closing */

int outbox_new(const struct outbox_config *config, struct outbox **ret, struct why *why)
{
    int err = state_prepare(config->state, &outbox_rows_schema, why);
    if (err)
        return err;
    struct outbox *o = mem_new(sizeof *o);
    o->config = *config;
    rand_init(&o->rand, rand_seed());
    err = loop_new(&o->loop);
    if (!err)
        err = fetcher_new(o->loop, NULL, &o->fetcher);
    if (err) {
        loop_free(o->loop);
        mem_free(o);
        return why_set(why, (enum err) - err, "the queue of notifications cannot be opened: %s",
                       err_text(err));
    }
    o->timer = timer_new(o->loop, 1, 0, outbox_line_run, o);
    atomic_store(&o->woken, true);
    *ret = o;
    return 0;
}

static void run(void *outbox)
{
    struct outbox *o = outbox;
    loop_run(o->loop);
}

void outbox_start(struct outbox *o)
{
    o->started = true;
    thread_start(&o->thread, "outbox", run, o);
}

static void cancel_all(struct outbox *o, const char *why)
{
    while (o->flying.n > 0)
        outbox_send_cancel(o->flying.v[0], why);
}

/* The loop turns until threads that work for it have ended. */
static void end_when_quiet(void *outbox)
{
    struct outbox *o = outbox;
    if (side_count(o->loop) == 0)
        loop_stop(o->loop);
    else
        timer_again(o->timer, 10, 0);
}

static void stop(struct outbox *o, void *context)
{
    (void)context;
    o->stopping = true;
    cancel_all(o, "Sonde ends");
    outbox_rows_flush(o);
    timer_free(o->timer);
    o->timer = timer_new(o->loop, 1, 0, end_when_quiet, o);
}

void outbox_free(struct outbox *o)
{
    if (!o)
        return;
    if (o->started) {
        call(o, stop, NULL);
        thread_join(&o->thread);
    }
    timer_free(o->timer);
    for (size_t i = 0; i < o->lines.n; i++)
        outbox_line_free(o->lines.v[i]);
    vec_free(&o->lines);
    vec_free(&o->gone);
    vec_free(&o->flying);
    fetcher_free(o->fetcher);
    loop_free(o->loop);
    mem_free(o);
}

static void reload(struct outbox *o, void *context)
{
    cancel_all(o, "the configuration is read again");
    for (size_t i = 0; i < o->lines.n; i++) {
        struct outbox_line *l = o->lines.v[i];
        fetch_client_free(l->client);
        l->client = NULL;
        outbox_line_well(l); /* what was wrong may be right now */
    }
    o->config.receivers = *(const struct outbox_receivers *)context;
    loop_post(o->loop, outbox_line_run, o);
}

void outbox_reload(struct outbox *o, const struct outbox_receivers *receivers)
{
    struct outbox_receivers copy = *receivers;
    call(o, reload, &copy);
}

void outbox_wake(struct outbox *o)
{
    if (!atomic_exchange(&o->woken, true))
        loop_post(o->loop, outbox_line_run, o);
}

/* ---- trials */

static void begin_trial(struct outbox *o, void *trial)
{
    outbox_send_trial(o, trial);
}

static void end_trial(struct outbox *o, void *trial)
{
    struct outbox_trial *t = trial;
    (void)o;
    if (t->attempt)
        outbox_send_cancel(t->attempt, "it did not answer in time");
}

int outbox_test(struct outbox *o, const struct message *m, int64_t timeout_ms, struct why *why)
{
    struct outbox_trial t = {.outbox = o, .message = m};
    if (!o->started)
        return why_set(why, ERR_STATE, "notifications are not being sent yet");
    thread_lock_init(&t.lock);
    thread_cond_init(&t.cond);
    call(o, begin_trial, &t);
    thread_lock(&t.lock);
    bool in_time = true;
    while (!t.over && in_time)
        in_time = thread_wait_for(&t.cond, &t.lock, timeout_ms * 1000000);
    in_time = t.over;
    thread_unlock(&t.lock);
    call(o, end_trial, &t); /* nothing of t is used behind it */
    int err = t.err;
    if (err)
        err = why_set(why, in_time ? (enum err) - err : ERR_TIMEOUT, "%s", t.why.text);
    pthread_cond_destroy(&t.cond);
    pthread_mutex_destroy(&t.lock);
    return err;
}

/* ---- looking */

struct view {
    struct arena *arena;
    struct outbox_row *rows;
    size_t n;
};

static void look(struct outbox *o, void *context)
{
    struct view *v = context;
    v->rows = arena_array(v->arena, o->lines.n, sizeof *v->rows);
    v->n = o->lines.n;
    for (size_t i = 0; i < o->lines.n; i++) {
        struct outbox_row *row = &v->rows[i];
        *row = o->lines.v[i]->row;
        row->receiver = arena_str(v->arena, row->receiver);
        row->kind = arena_str(v->arena, row->kind);
        row->last_error = arena_str(v->arena, row->last_error);
    }
}

void outbox_view(struct outbox *o, struct arena *a, struct outbox_row **ret, size_t *ret_n)
{
    struct view v = {.arena = a};
    call(o, look, &v);
    *ret = v.rows;
    *ret_n = v.n;
}
