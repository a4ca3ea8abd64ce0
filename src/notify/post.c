#include "notify/post.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/must.h"
#include "os/file.h"

enum {
    SECRET_MAX = 64 * 1024, /* bytes of a file */
    ANSWER_MAX = 1 << 20,   /* bytes of an answer that are read */
    SHOWN_MAX = 200,        /* bytes of an answer that are shown */
    SECRET_MIN = 4,         /* letters: less is no secret, and could be anything */
};

struct post {
    struct post_request request;
    struct fetch *fetch;
};

const char *post_header(struct notify_send *s, const char *name, struct str value)
{
    return arena_printf(s->arena, "%s: " STR_FMT, name, STR_ARG(value)).p;
}

void post_bearer(struct notify_send *s, struct post_request *r, struct str token)
{
    size_t free_at = 0;
    while (free_at < POST_SECRETS_MAX && r->secrets[free_at].n > 0)
        free_at++;
    must(free_at < POST_SECRETS_MAX && r->headers_n < POST_HEADERS_MAX);
    r->secrets[free_at] = token;
    r->headers[r->headers_n++] =
        post_header(s, "Authorization", arena_printf(s->arena, "Bearer " STR_FMT, STR_ARG(token)));
}

bool post_secret(struct notify_send *s, struct str text, struct str file, struct str *ret)
{
    struct buf b;
    struct why why;
    if (file.n == 0) {
        *ret = text;
        return true;
    }
    buf_init(&b, SECRET_MAX);
    int err = file_read(arena_str(s->arena, file).p, &b, &why);
    if (!err)
        *ret = arena_str(s->arena, str_trim(buf_str(&b)));
    buf_done(&b);
    if (!err)
        return true;
    struct notify_outcome outcome = {.err = err, .retry = true, .why = why.text};
    s->done(s, &outcome);
    return false;
}

struct str post_scrub(struct str s, const struct str *secrets, size_t n, struct arena *a)
{
    for (size_t i = 0; i < n; i++) {
        struct buf b;
        size_t at = secrets[i].n < SECRET_MIN ? s.n : str_search(s, secrets[i]);
        if (at == s.n)
            continue;
        buf_init(&b, s.n * 4 + 64);
        struct str rest = s;
        while (at < rest.n) {
            buf_put_str(&b, str_sub(rest, 0, at));
            buf_put_str(&b, STR("<secret>"));
            rest = str_sub(rest, at + secrets[i].n, rest.n);
            at = str_search(rest, secrets[i]);
        }
        buf_put_str(&b, rest);
        s = arena_str(a, buf_str(&b));
        buf_done(&b);
    }
    return s;
}

void post_refuse(struct notify_send *s, const char *why)
{
    struct notify_outcome outcome = {.err = -ERR_FORMAT, .why = why};
    s->done(s, &outcome);
}

/* What the server said, as one short line. */
static struct str shown(struct str body, struct arena *a)
{
    struct str s = arena_str(a, str_sub(str_trim(body), 0, SHOWN_MAX));
    char *p = (char *)(uintptr_t)s.p;
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)p[i] < ' ' || (unsigned char)p[i] >= 0x7f)
            p[i] = ' ';
    return s;
}

static const char *say(struct notify_send *s, const struct post *p, struct str text)
{
    struct str secrets[POST_SECRETS_MAX + 2];
    size_t n = 0, host = str_search(p->request.url, STR("://"));
    secrets[n++] = p->request.url;
    struct str behind = str_sub(p->request.url, host + 3, p->request.url.n);
    struct str path = str_sub(behind, str_find(behind, '/'), behind.n);
    secrets[n++] = path.n > SECRET_MIN ? path : STR("");
    for (size_t i = 0; i < POST_SECRETS_MAX; i++)
        secrets[n++] = p->request.secrets[i];
    return arena_str(s->arena, post_scrub(text, secrets, n, s->arena)).p;
}

static void judge_failure(struct notify_send *s, const struct post *p, const struct fetch_answer *a,
                          struct notify_outcome *o)
{
    o->err = a->err;
    o->retry = a->err != -ERR_FORMAT;
    o->why = say(s, p, str_c(a->why ? a->why : "no answer"));
}

/* What the message itself is the reason for will not change; a wrong token, a moved address or a
 * proxy in between is mended by somebody, and the message is still there then. */
static bool is_worth_a_retry(int status)
{
    static const int REFUSED[] = {400, 405, 406, 410, 411, 412, 413, 414, 415, 416, 422, 431};
    for (size_t i = 0; i < COUNTOF(REFUSED); i++)
        if (status == REFUSED[i])
            return false;
    return true;
}

static void judge_status(struct notify_send *s, const struct post *p, const struct fetch_answer *a,
                         struct notify_outcome *o)
{
    if (a->status / 100 == 2)
        return;
    struct str text = arena_printf(s->arena, "it answered %d: " STR_FMT, a->status,
                                   STR_ARG(shown(a->body, s->arena)));
    o->retry = is_worth_a_retry(a->status);
    o->err = o->retry ? -ERR_BUSY : -ERR_DENIED;
    o->after_ms = MAX(fetch_retry_after_ms(a, clock_wall_ms(&clock_real)), 0);
    o->why = say(s, p, text);
}

static void on_answer(void *context, const struct fetch_answer *a)
{
    struct notify_send *s = context;
    struct post *p = s->state;
    struct notify_outcome outcome = {0};
    p->fetch = NULL;
    if (a->err) {
        judge_failure(s, p, a, &outcome);
    } else if (p->request.judge && p->request.judge(s, a, &outcome)) {
        if (outcome.err == -ERR_BUSY && !outcome.why)
            return; /* another request is on its way */
        if (outcome.why)
            outcome.why = say(s, p, str_c(outcome.why));
    } else {
        judge_status(s, p, a, &outcome);
    }
    s->done(s, &outcome);
}

void post_start(struct notify_send *s, const struct post_request *r)
{
    const char *headers[POST_HEADERS_MAX + 2];
    size_t n = 0;
    struct post *p = s->state ? s->state : arena_new(s->arena, sizeof *p);
    s->state = p;
    p->request = *r;
    if (r->body.n > 0)
        headers[n++] = post_header(s, "Content-Type",
                                   str_c(r->content_type ? r->content_type : "application/json"));
    headers[n++] = "User-Agent: Sonde/" SONDE_VERSION;
    for (size_t i = 0; i < r->headers_n; i++)
        headers[n++] = r->headers[i];
    struct fetch_request request = {
        .method = r->method ? r->method : "POST",
        .url = arena_str(s->arena, r->url).p,
        .headers = headers,
        .headers_n = n,
        .body = r->body,
        .timeout_ms = r->timeout_ms,
        .body_max = ANSWER_MAX,
        .done = on_answer,
        .context = s,
    };
    fetch_start(s->client, &request, &p->fetch);
}

void post_cancel(struct notify_send *s)
{
    struct post *p = s->state;
    if (p)
        fetch_cancel(p->fetch);
}
