#include "serve/lifecycle.h"

#include <stdio.h>

#include "base/mem.h"
#include "os/loop.h"
#include "os/thread.h"
#include "serve/serve_state.h"

enum {
    LOOK_MS = 20,          /* how often a waiting request looks for its answer */
    PATIENCE_MS = 60000,   /* a daemon that says nothing for so long will not any more */
    PROBLEM_MAX = WHY_MAX, /* bytes */
};

struct lifecycle {
    pthread_mutex_t lock;
    uint64_t outcomes; /* how many reloads have ended */
    char problem[PROBLEM_MAX];
};

/* A request for a reload that is not answered yet. */
struct waiting {
    struct lifecycle *lifecycle;
    struct http_request *request;
    struct timer *timer;
    uint64_t seen; /* outcomes before it asked */
    int64_t until_ms;
};

struct lifecycle *lifecycle_new(void)
{
    struct lifecycle *l = mem_new(sizeof *l);
    thread_lock_init(&l->lock);
    return l;
}

void lifecycle_free(struct lifecycle *l)
{
    if (!l)
        return;
    pthread_mutex_destroy(&l->lock);
    mem_free(l);
}

static void reply_text(struct http_request *r, int status, struct str text)
{
    http_reply_header(r, STR("Cache-Control"), STR("no-store"));
    http_reply(r, status, STR("text/plain; charset=utf-8"), text);
}

static bool enabled(const struct serve *s, struct http_request *r)
{
    if (!s->config.lifecycle)
        reply_text(r, 403, STR("Lifecycle API is not enabled."));
    return s->config.lifecycle;
}

void lifecycle_refuse(struct http_request *r, void *serve)
{
    (void)serve;
    http_reply_header(r, STR("Allow"), STR("OPTIONS, POST, PUT"));
    reply_text(r, 405, STR("Only POST or PUT requests allowed"));
}

void lifecycle_reloaded(struct lifecycle *l, const char *problem)
{
    thread_lock(&l->lock);
    l->outcomes++;
    snprintf(l->problem, sizeof l->problem, "%s", problem);
    thread_unlock(&l->lock);
}

/* Has a reload ended since? Then *ret_problem has its text. */
static bool has_outcome(struct waiting *w, struct str *ret_problem)
{
    struct lifecycle *l = w->lifecycle;
    thread_lock(&l->lock);
    bool ended = l->outcomes > w->seen;
    if (ended)
        *ret_problem = arena_str(http_arena(w->request), str_c(l->problem));
    thread_unlock(&l->lock);
    return ended;
}

static void look(void *context)
{
    struct waiting *w = context;
    struct http_request *r = w->request;
    struct str problem = STR("the daemon has not answered for 60 s");
    bool late = loop_now_ms(http_loop(r)) > w->until_ms;
    if (!has_outcome(w, &problem) && !late)
        return;
    timer_free(w->timer);
    mem_free(w);
    if (problem.n)
        reply_text(r, 500,
                   arena_printf(http_arena(r), "failed to reload config: " STR_FMT "\n",
                                STR_ARG(problem)));
    else
        reply_text(r, 200, STR(""));
}

void lifecycle_reload(struct http_request *r, void *serve)
{
    struct serve *s = serve;
    const struct serve_daemon *daemon = &s->config.daemon;
    if (!enabled(s, r))
        return;
    if (daemon->reload == NULL) {
        reply_text(r, 500, STR("failed to reload config: there is none\n"));
        return;
    }
    struct waiting *w = mem_new(sizeof *w);
    w->lifecycle = s->lifecycle;
    w->request = r;
    w->until_ms = loop_now_ms(http_loop(r)) + PATIENCE_MS;
    thread_lock(&s->lifecycle->lock);
    w->seen = s->lifecycle->outcomes;
    thread_unlock(&s->lifecycle->lock);
    w->timer = timer_new(http_loop(r), LOOK_MS, LOOK_MS, look, w);
    daemon->reload(daemon->context);
}

void lifecycle_quit(struct http_request *r, void *serve)
{
    struct serve *s = serve;
    const struct serve_daemon *daemon = &s->config.daemon;
    if (!enabled(s, r))
        return;
    reply_text(r, 200, STR("Requesting termination... Goodbye!"));
    if (daemon->quit)
        daemon->quit(daemon->context);
}
