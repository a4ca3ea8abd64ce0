#include "apps/symbols.h"

#include <string.h>

#include "apps/envelope.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/stat.h"
#include "os/thread.h"

enum {
    WAITING_MAX = 64,      /* envelopes; crash records are bounded by the spool */
    PER_SECOND_MAX = 5,    /* envelopes */
    DEADLINE_MS = 15000,   /* of the helper */
    ANSWER_MAX = 15 << 20, /* bytes, less than a record of the spool may have */
};

static const char *const MODULE = "symbols";

#define COUNT(result)                                                                              \
    STAT_COUNTER_OF("sonde_apps_symbols_total", "result=\"" result "\"",                           \
                    "Crashes and errors that the helper for symbols was to look at.")
static struct stat done_n = COUNT("done"), failed_n = COUNT("failed"), passed_n = COUNT("passed");

struct job {
    struct job *next;
    struct signal signal; /* texts: the arena's */
    struct arena arena;
    uint64_t row; /* SIGNAL_CRASH */
    void (*done)(void *context, int err);
    void *context;
};

struct symbols {
    struct signal_sink sink;
    struct symbols_config config;
    struct thread thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct job *first, **last;
    size_t waiting;
    bool stopping;
    int64_t second;
    unsigned second_n;
};

static bool useful(const struct symbols *s)
{
    return s->config.enabled && s->config.launcher != NULL;
}

static struct job *job_new(const struct signal *signal)
{
    struct job *j = mem_new(sizeof *j);
    arena_init(&j->arena);
    j->signal = *signal;
    j->signal.bytes = arena_str(&j->arena, signal->bytes);
    j->signal.service = arena_str(&j->arena, signal->service);
    j->signal.instance = arena_str(&j->arena, signal->instance);
    return j;
}

static void job_free(struct job *j)
{
    arena_done(&j->arena);
    mem_free(j);
}

/* False where it is not taken: too many wait, or too many came in this second. */
static bool enqueue(struct symbols *s, struct job *j)
{
    bool crash = j->signal.kind == SIGNAL_CRASH;
    int64_t second = clock_monotonic_ns(&clock_real) / 1000000000;
    thread_lock(&s->lock);
    if (second != s->second)
        s->second_n = 0;
    s->second = second;
    bool fits =
        !s->stopping && (crash || (s->waiting < WAITING_MAX && s->second_n < PER_SECOND_MAX));
    if (fits) {
        s->second_n += !crash;
        s->waiting++;
        *s->last = j;
        s->last = &j->next;
        thread_wake(&s->changed);
    }
    thread_unlock(&s->lock);
    return fits;
}

static void take(struct signal_sink *sink, const struct signal *signal,
                 void (*done)(void *context, int err), void *context)
{
    struct symbols *s = (struct symbols *)sink;
    struct signal_sink *next = s->config.next;
    struct str wanted = STR("\"instruction_addr\"");
    bool asks = signal->kind == SIGNAL_ERRORS && useful(s) &&
                str_search(signal->bytes, wanted) < signal->bytes.n;
    struct job *j = asks ? job_new(signal) : NULL;
    if (j != NULL) {
        j->done = done;
        j->context = context;
        if (enqueue(s, j))
            return;
        job_free(j);
        stat_add(&passed_n, 1);
    }
    next->ops->take(next, signal, done, context);
}

void symbols_crash(struct symbols *s, const struct signal *signal, uint64_t row)
{
    struct job *j = job_new(signal);
    j->row = row;
    if (!enqueue(s, j))
        job_free(j); /* the daemon ends; the record waits in the spool */
}

/* ---- the helper's thread */

/* The helper's envelope, checked. */
static int ask(struct symbols *s, struct job *j, struct buf *out, struct why *why)
{
    struct launch_end end = {0};
    struct envelope e;
    if (!useful(s))
        return why_set(why, ERR_UNSUPPORTED, "there is no helper for symbols");
    int err = launch_run(s->config.launcher, SYMBOLS_PROGRAM, j->signal.bytes, DEADLINE_MS, out,
                         &end, why);
    if (err == 0 && end.status != 0)
        err = why_set(why, ERR_FORMAT, "the helper gave up: %.300s", end.said);
    if (err == 0)
        err = envelope_read(buf_str(out), &j->arena, &e, why);
    if (err == 0 && !e.event)
        err = why_set(why, ERR_FORMAT, "the helper's envelope has no event");
    return err;
}

static void ignore(void *context, int err)
{
    (void)context;
    if (err)
        log_warn(MODULE, "the envelope of a crash could not be stored: %s", err_text(err));
}

static void work(struct symbols *s, struct job *j)
{
    struct signal_sink *next = s->config.next;
    struct signal signal = j->signal;
    bool crash = signal.kind == SIGNAL_CRASH;
    struct why why = {0};
    struct buf out;
    buf_init(&out, ANSWER_MAX);
    int err = ask(s, j, &out, &why);
    stat_add(err ? &failed_n : &done_n, 1);
    if (err && err != -ERR_UNSUPPORTED)
        log_warn(MODULE, "%s of %s: %s", crash ? "a crash" : "an error",
                 signal.service.n > 0 ? signal.service.p : "an application",
                 why.text[0] ? why.text : err_text(err));
    if (err == 0) {
        signal.kind = SIGNAL_ERRORS;
        signal.bytes = buf_str(&out);
        signal.of = crash ? j->row + 1 : 0;
    }
    if (err == 0 || !crash)
        next->ops->take(next, &signal, crash ? ignore : j->done, crash ? NULL : j->context);
    else if (s->config.failed)
        s->config.failed(s->config.context, &signal, j->row, why.text);
    buf_done(&out);
    job_free(j);
}

static void run(void *context)
{
    struct symbols *s = context;
    thread_lock(&s->lock);
    while (!s->stopping || s->first != NULL) {
        struct job *j = s->first;
        if (j == NULL) {
            thread_wait(&s->changed, &s->lock);
            continue;
        }
        s->first = j->next;
        if (s->first == NULL)
            s->last = &s->first;
        s->waiting--;
        bool late = s->stopping;
        thread_unlock(&s->lock);
        if (!late)
            work(s, j);
        else if (j->signal.kind == SIGNAL_CRASH)
            job_free(j);
        else {
            s->config.next->ops->take(s->config.next, &j->signal, j->done, j->context);
            job_free(j);
        }
        thread_lock(&s->lock);
    }
    thread_unlock(&s->lock);
}

struct symbols *symbols_new(const struct symbols_config *config)
{
    static const struct signal_sink_ops OPS = {take};
    struct symbols *s = mem_new(sizeof *s);
    s->sink.ops = &OPS;
    s->config = *config;
    s->last = &s->first;
    thread_lock_init(&s->lock);
    thread_cond_init(&s->changed);
    stat_register(&done_n);
    stat_register(&failed_n);
    stat_register(&passed_n);
    return s;
}

void symbols_start(struct symbols *s)
{
    s->running = true;
    thread_start(&s->thread, "symbols", run, s);
}

void symbols_stop(struct symbols *s)
{
    if (s == NULL || !s->running)
        return;
    thread_lock(&s->lock);
    s->stopping = true;
    thread_wake(&s->changed);
    thread_unlock(&s->lock);
    launch_quit(s->config.launcher);
    thread_join(&s->thread);
    s->running = false;
}

void symbols_free(struct symbols *s)
{
    if (s == NULL)
        return;
    symbols_stop(s);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

struct signal_sink *symbols_sink(struct symbols *s)
{
    return &s->sink;
}

void symbols_look(struct symbols *s, struct symbols_facts *ret)
{
    thread_lock(&s->lock);
    uint64_t waiting = s->waiting;
    thread_unlock(&s->lock);
    *ret = (struct symbols_facts){stat_count(&done_n), stat_count(&failed_n), stat_count(&passed_n),
                                  waiting};
}
