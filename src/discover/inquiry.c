#include "discover/inquiry.h"

#include "base/mem.h"
#include "net/http.h"

struct question {
    struct inquiry *inquiry;
    struct question *next; /* of those that wait, or of those on their way */
    struct fetch *fetch;
    const char *url;
    const char *const *headers; /* [headers_n] */
    size_t headers_n;
    int tag;
    void *about;
};

struct inquiry {
    struct inquiry_plan plan;
    struct discovery_host host;
    struct fetch_client *client;
    struct timer *timer;
    struct arena arena; /* of the round: questions too */
    struct question *waiting, **last, *asked;
    size_t asked_n, total;
    struct groups_told told;
};

static void ended(void *context, const struct fetch_answer *answer);

static void send_waiting(struct inquiry *q)
{
    while (q->waiting && q->asked_n < INQUIRY_AT_ONCE_MAX) {
        struct question *one = q->waiting;
        q->waiting = one->next;
        if (!q->waiting)
            q->last = &q->waiting;
        one->next = q->asked;
        q->asked = one;
        q->asked_n++;
        struct fetch_request request = {.url = one->url,
                                        .unix_path = q->plan.unix_path,
                                        .headers = one->headers,
                                        .headers_n = one->headers_n,
                                        .timeout_ms = q->plan.refresh_ms,
                                        .gzip = true,
                                        .done = ended,
                                        .context = one};
        fetch_start(q->client, &request, &one->fetch);
    }
}

void inquiry_get(struct inquiry *q, struct str url, const char *const *headers, size_t headers_n,
                 int tag, void *about)
{
    if (q->total == INQUIRY_QUESTIONS_MAX)
        return;
    q->total++;
    struct question *one = arena_new(&q->arena, sizeof *one);
    *one = (struct question){.inquiry = q,
                             .url = arena_str(&q->arena, url).p,
                             .headers = headers,
                             .headers_n = headers_n,
                             .tag = tag,
                             .about = about};
    *q->last = one;
    q->last = &one->next;
    send_waiting(q);
}

/* Takes back all questions. */
static void cancel(struct inquiry *q)
{
    for (struct question *one = q->asked; one; one = one->next)
        fetch_cancel(one->fetch);
    q->asked = q->waiting = NULL;
    q->last = &q->waiting;
    q->asked_n = 0;
}

static void fail(struct inquiry *q, const struct why *why)
{
    cancel(q);
    q->host.state(q->host.context, why->text);
}

static void end_round(struct inquiry *q)
{
    struct why why = {0};
    struct groups g;
    groups_init(&g);
    int err = q->plan.ops->end(q->plan.context, &g, &why);
    if (err == 0)
        groups_tell(&q->told, &q->host, &g);
    groups_done(&g);
    if (err == 0)
        q->host.state(q->host.context, "");
    else
        fail(q, &why);
}

static int judge(const struct fetch_answer *answer, struct why *why)
{
    if (answer->err)
        return why_set(why, (enum err) - answer->err, "%s", answer->why);
    if (answer->status != 200)
        return why_set(why, ERR_CLOSED, "server returned HTTP status %d %s", answer->status,
                       http_reason(answer->status));
    return 0;
}

static void ended(void *context, const struct fetch_answer *answer)
{
    struct question *one = context, **at;
    struct inquiry *q = one->inquiry;
    struct why why = {0};
    for (at = &q->asked; *at != one;)
        at = &(*at)->next;
    *at = one->next;
    q->asked_n--;
    const struct inquiry_ops *ops = q->plan.ops;
    int err = judge(answer, &why);
    if (err == 0)
        err = ops->answer(q->plan.context, one->tag, one->about, answer, &why);
    if (err != 0 && ops->failed)
        err = ops->failed(q->plan.context, one->tag, one->about, &why);
    if (err != 0) {
        fail(q, &why);
        return;
    }
    send_waiting(q);
    if (!q->asked && !q->waiting)
        end_round(q);
}

static void begin_round(void *context)
{
    struct inquiry *q = context;
    if (q->asked || q->waiting)
        return; /* the last one is still going on */
    arena_reset(&q->arena);
    q->total = 0;
    q->plan.ops->begin(q->plan.context);
}

int inquiry_new(const struct inquiry_plan *plan, struct inquiry **ret, struct why *why)
{
    struct inquiry *q = mem_new(sizeof *q);
    q->plan = *plan;
    q->host = *plan->host;
    int err = fetch_client_new(q->host.fetcher, plan->http, &q->client, why);
    if (err) {
        mem_free(q);
        return err;
    }
    arena_init(&q->arena);
    groups_told_init(&q->told);
    q->last = &q->waiting;
    q->timer = timer_new(q->host.loop, 0, plan->refresh_ms, begin_round, q);
    *ret = q;
    return 0;
}

void inquiry_free(struct inquiry *q)
{
    if (!q)
        return;
    cancel(q);
    timer_free(q->timer);
    fetch_client_free(q->client);
    groups_told_done(&q->told);
    arena_done(&q->arena);
    mem_free(q);
}

struct arena *inquiry_arena(struct inquiry *q)
{
    return &q->arena;
}
