#include <string.h>

#include "apps/apps_inside.h"
#include "base/mem.h"

static struct stat asked =
    STAT_COUNTER("sonde_apps_questions_total", "Questions that applications were asked.");
static struct stat unanswered =
    STAT_COUNTER("sonde_apps_questions_unanswered_total",
                 "Questions that an application did not answer in time, or went before it did.");

void apps_ask_stats(void)
{
    stat_register(&asked);
    stat_register(&unanswered);
}

/* One application of a question. */
struct asked {
    struct app *app; /* NULL: it is settled */
    uint64_t sequence;
    struct hello hello;
};

struct apps_asking {
    struct apps_asking *next;
    struct apps *apps;
    char *line, *instance, *service; /* owned; instance, service may be NULL */
    int level;
    void (*done)(void *context, const struct apps_reply *reply);
    void *context;
    int64_t until_ms;
    struct arena arena;
    struct asked *asked;         /* [n] */
    struct apps_answer *answers; /* [n] */
    size_t n, open, bytes;
};

static void finish(struct apps_asking *q, int err, const char *why)
{
    struct apps_reply reply = {.err = err, .why = why, .v = q->answers, .n = err ? 0 : q->n};
    q->done(q->context, &reply);
    arena_done(&q->arena);
    mem_free(q->line);
    mem_free(q->instance);
    mem_free(q->service);
    mem_free(q);
}

/* Takes q out of the list. */
static void unlist(struct apps_asking *q)
{
    struct apps_asking **at = &q->apps->asking;
    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
}

static void settle_one(struct apps_asking *q, size_t i, int err, struct str text)
{
    if (q->asked[i].app == NULL)
        return;
    q->asked[i].app = NULL;
    q->open--;
    if (err == 0 && q->bytes + text.n > APPS_ANSWERS_MAX)
        err = -ERR_LIMIT;
    if (err)
        stat_add(&unanswered, 1);
    q->answers[i].err = err;
    q->answers[i].text = err ? STR("") : arena_str(&q->arena, text);
    q->bytes += err ? 0 : text.n;
}

/* Where all have answered it is over. */
static void settle(struct apps_asking *q)
{
    if (q->open > 0)
        return;
    unlist(q);
    finish(q, 0, NULL);
}

static bool fits(const struct apps_asking *q, const struct app *app)
{
    const struct hello *h = &app->view.hello;
    return app->state == APP_KNOWN &&
           (q->instance == NULL || strcmp(h->instance, q->instance) == 0) &&
           (q->service == NULL || strcmp(h->service, q->service) == 0);
}

static bool is_gone(const struct apps_asking *q)
{
    const struct apps *a = q->apps; /* this thread alone writes the ring */
    for (size_t i = 0; i < a->gone_n; i++)
        if (strcmp(a->gone[i].hello.instance, q->instance) == 0)
            return true;
    return false;
}

/* Why nobody is to be asked; false where somebody is. */
static bool refuse(struct apps_asking *q, size_t n)
{
    if (atomic_load(&q->apps->stopping))
        finish(q, -ERR_CLOSED, "the daemon ends");
    else if (q->instance == NULL)
        return false;
    else if (n == 0 && is_gone(q))
        finish(q, -ERR_STATE, "this application is not connected any more");
    else if (n == 0)
        finish(q, -ERR_NOENT, "no application with this instance is connected");
    else if (n > 1)
        finish(q, -ERR_STATE, "several applications have this instance: name the service too");
    else
        return false;
    return true;
}

static void begin(void *context)
{
    struct apps_asking *q = context;
    struct apps *a = q->apps;
    size_t n = 0;
    for (const struct app *app = a->first; app != NULL; app = app->next)
        n += fits(q, app);
    if (refuse(q, n))
        return;
    q->asked = arena_array(&q->arena, n + 1, sizeof *q->asked);
    q->answers = arena_array(&q->arena, n + 1, sizeof *q->answers);
    q->until_ms = loop_now_ms(a->loop) + APPS_ASK_MS;
    for (struct app *app = a->first; app != NULL; app = app->next)
        if (fits(q, app)) {
            q->asked[q->n] = (struct asked){app, ++app->sequence, app->view.hello};
            q->answers[q->n].hello = &q->asked[q->n].hello;
            q->n++;
        }
    q->open = q->n + 1; /* this one too: sending may close a connection, which settles */
    q->next = a->asking;
    a->asking = q;
    stat_add(&asked, q->n);
    for (size_t i = 0; i < q->n; i++)
        if (q->asked[i].app != NULL)
            apps_send(q->asked[i].app, FRAME_REQUEST, (uint8_t)q->level, q->asked[i].sequence,
                      str_c(q->line));
    q->open--;
    settle(q);
}

void apps_ask(struct apps *a, const struct apps_question *question,
              void (*done)(void *context, const struct apps_reply *reply), void *context)
{
    struct apps_asking *q = mem_new(sizeof *q);
    q->apps = a;
    q->line = mem_text(question->line, strlen(question->line));
    if (question->instance)
        q->instance = mem_text(question->instance, strlen(question->instance));
    if (question->service)
        q->service = mem_text(question->service, strlen(question->service));
    q->level = question->level;
    q->done = done;
    q->context = context;
    arena_init(&q->arena);
    thread_lock(&a->lock);
    bool open = a->running && !a->closed;
    if (open)
        loop_post(a->loop, begin, q);
    thread_unlock(&a->lock);
    if (!open)
        finish(q, -ERR_CLOSED, "the daemon ends");
}

void apps_ask_answer(struct app *app, const struct frame *f)
{
    for (struct apps_asking *q = app->apps->asking; q != NULL; q = q->next)
        for (size_t i = 0; i < q->n; i++)
            if (q->asked[i].app == app && q->asked[i].sequence == f->header.sequence) {
                settle_one(q, i, 0, f->payload);
                settle(q);
                return;
            }
    /* Nobody waits for it any more. */
}

/* All of app, or, where app is NULL, all that are late or whom all are to be. */
static void settle_some(struct apps *a, const struct app *app, int64_t now_ms, int err)
{
    for (struct apps_asking *q = a->asking, *next; q != NULL; q = next) {
        next = q->next;
        if (app == NULL && now_ms < q->until_ms)
            continue;
        for (size_t i = 0; i < q->n; i++)
            if (app == NULL || q->asked[i].app == app)
                settle_one(q, i, err, STR(""));
        settle(q);
    }
}

void apps_ask_gone(struct app *app)
{
    settle_some(app->apps, app, 0, -ERR_CLOSED);
}

void apps_ask_tick(struct apps *a)
{
    settle_some(a, NULL, loop_now_ms(a->loop), -ERR_TIMEOUT);
}

void apps_ask_stop(struct apps *a)
{
    settle_some(a, NULL, INT64_MAX, -ERR_CLOSED);
}
