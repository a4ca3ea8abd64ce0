#include "serve/app_api.h"

#include "apps/apps.h"
#include "serve/answer.h"
#include "serve/exposition_merge.h"
#include "serve/job.h"
#include "serve/param.h"
#include "serve/serve_state.h"
#include "text/json_tree.h"

enum { VIEWER, OPERATOR, SLOWEST = 10, SLOWEST_MAX = 1000 };

/* What a request asks; lives in its arena. */
struct question {
    struct apps_question ask;
    void (*draw)(struct job *j);
    const char *service; /* "" where none is named */
    struct apps_reply reply;
};

static struct apps *apps_of(struct http_request *r, const struct serve *s)
{
    if (s->config.apps == NULL)
        answer_refuse(r, 404, "not_found", "this server takes no applications");
    return s->config.apps;
}

/* ---- lists */

static void put_text(struct json_writer *w, const char *key, const char *text)
{
    json_key(w, str_c(key));
    json_text(w, str_c(text));
}

static void put_number(struct json_writer *w, const char *key, int64_t v)
{
    json_key(w, str_c(key));
    json_i64(w, v);
}

static void put_date(struct json_writer *w, const char *key, int64_t ms)
{
    char date[ANSWER_DATE_MAX];
    json_key(w, str_c(key));
    if (ms == 0)
        json_null(w);
    else
        json_text(w, answer_date(ms, date));
}

static void put_view(struct json_writer *w, const struct apps_view *v)
{
    const struct hello *h = &v->hello;
    json_begin_object(w);
    put_text(w, "service", h->service);
    put_text(w, "instance", h->instance);
    put_text(w, "release", h->release);
    put_text(w, "environment", h->environment);
    put_text(w, "language", h->language);
    put_text(w, "library", h->library);
    put_number(w, "pid", v->pid > 0 ? v->pid : h->pid);
    put_number(w, "uid", v->uid);
    put_text(w, "state", v->ended_ms == 0 ? "connected" : "gone");
    put_date(w, "started", h->started_ms);
    put_date(w, "since", v->since_ms);
    put_date(w, "last", v->last_ms);
    put_date(w, "ended", v->ended_ms);
    put_text(w, "end", v->end);
    put_number(w, "series", (int64_t)v->series);
    put_number(w, "samples", (int64_t)v->samples);
    put_number(w, "samples_refused", (int64_t)v->samples_refused);
    put_number(w, "spans", (int64_t)v->spans);
    put_number(w, "logs", (int64_t)v->logs);
    put_number(w, "errors", (int64_t)v->errors);
    put_number(w, "bytes", (int64_t)v->bytes);
    put_text(w, "problem", v->problem);
    json_end_object(w);
}

static void list_work(struct job *j)
{
    const struct question *q = j->context;
    struct json_writer w;
    struct apps_view *v;
    size_t n, put_n = 0;
    apps_list(j->serve->config.apps, &j->arena, &v, &n);
    answer_begin(j);
    json_writer_init(&w, &j->body);
    if (q->ask.instance == NULL)
        json_begin_array(&w);
    for (size_t i = 0; i < n; i++) {
        bool fits = q->ask.instance == NULL ||
                    (put_n == 0 && strcmp(v[i].hello.instance, q->ask.instance) == 0);
        if (fits)
            put_view(&w, &v[i]);
        put_n += fits;
    }
    if (q->ask.instance == NULL)
        json_end_array(&w);
    if (q->ask.instance != NULL && put_n == 0)
        answer_fault(j, 404, "not_found", "no application with the instance %s is or was connected",
                     q->ask.instance);
    else
        answer_end(j, NULL, STR(""));
}

void app_api_list(struct http_request *r, void *serve)
{
    if (apps_of(r, serve))
        job_start(serve, r, list_work, arena_new(http_arena(r), sizeof(struct question)));
}

void app_api_one(struct http_request *r, void *serve)
{
    struct question *q = arena_new(http_arena(r), sizeof *q);
    q->ask.instance = arena_str(http_arena(r), http_segment(r, 0)).p;
    if (apps_of(r, serve))
        job_start(serve, r, list_work, q);
}

/* ---- asking */

/* On the pool. */
static void reply_work(struct job *j)
{
    struct question *q = j->context;
    int err = q->reply.err;
    if (err == -ERR_NOENT)
        answer_fault(j, 404, "not_found", "%s", q->reply.why);
    else if (err == -ERR_STATE)
        answer_fault(j, 409, "conflict", "%s", q->reply.why);
    else if (err)
        answer_fault(j, 503, "unavailable", "%s", q->reply.why);
    else
        q->draw(j);
}

/* The reply lives for the call alone. */
static void on_reply(void *context, const struct apps_reply *reply)
{
    struct job *j = context;
    struct question *q = j->context;
    struct apps_answer *v = arena_array(&j->arena, reply->n + 1, sizeof *v);
    for (size_t i = 0; i < reply->n; i++) {
        struct hello *hello = arena_new(&j->arena, sizeof *hello);
        *hello = *reply->v[i].hello;
        v[i] = (struct apps_answer){hello, reply->v[i].err, arena_str(&j->arena, reply->v[i].text)};
    }
    q->reply = (struct apps_reply){reply->err, NULL, v, reply->n};
    if (reply->why != NULL)
        q->reply.why = arena_str(&j->arena, str_c(reply->why)).p;
    if (pool_run(j->serve->config.pool, job_run, j) == 0)
        return;
    answer_fault(j, 503, "unavailable", "too many queries are waiting: try again in a moment");
    job_answer(j);
}

static bool plain(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127)
            return false;
    return true;
}

/* Begins to ask, where the line is one. q->draw answers. */
static void begin(struct http_request *r, void *serve, struct question *q, struct str line)
{
    struct apps *apps = apps_of(r, serve);
    if (apps == NULL)
        return;
    if (line.n == 0 || line.n > APPS_LINE_MAX || !plain(line) || !str_utf8(line)) {
        param_refuse(r, STR("command"), "expected a line of 1 to 4000 bytes");
        return;
    }
    q->ask.line = arena_str(http_arena(r), line).p;
    q->ask.level = http_method(r) == HTTP_POST ? OPERATOR : VIEWER;
    struct job *j = job_new(serve, r, reply_work, q);
    if (j != NULL)
        apps_ask(apps, &q->ask, on_reply, j);
}

/* Why one did not answer, as a word for APIs. */
static const char *silence(const struct apps_answer *v)
{
    return v->err == -ERR_TIMEOUT  ? "it did not answer within two seconds"
           : v->err == -ERR_CLOSED ? "it went before it answered"
                                   : "its answer is too long";
}

static void draw_raw(struct job *j)
{
    const struct apps_answer *v = ((const struct question *)j->context)->reply.v;
    if (v->err)
        answer_fault(j, v->err == -ERR_TIMEOUT ? 504 : 502, "timeout", "%s", silence(v));
    else
        buf_put_str(&j->body, v->text);
}

void app_api_ask(struct http_request *r, void *serve)
{
    struct question *q = arena_new(http_arena(r), sizeof *q);
    struct str command = STR(""), service = STR("");
    (void)http_param(r, STR("command"), &command); /* begin() refuses an empty one */
    q->ask.instance = arena_str(http_arena(r), http_segment(r, 0)).p;
    if (http_param(r, STR("service"), &service) && service.n > 0)
        q->ask.service = arena_str(http_arena(r), service).p;
    q->draw = draw_raw;
    begin(r, serve, q, command);
}

/* ---- services */

static void put_members(struct buf *out, const struct json_tree *object)
{
    for (size_t i = 0; i < json_tree_n(object); i++) {
        buf_put_c(out, ',');
        json_put_text(out, object->children[i].key);
        buf_put_c(out, ':');
        json_tree_put(&object->children[i], out);
    }
}

static void put_who(struct buf *out, const struct hello *h)
{
    buf_put_str(out, STR("{\"application\":"));
    json_put_text(out, str_c(h->service));
    buf_put_str(out, STR(",\"instance\":"));
    json_put_text(out, str_c(h->instance));
}

/* ,"unanswered":[{application, instance, error}] */
static void put_unanswered(struct job *j, const struct apps_reply *reply)
{
    size_t n = 0;
    buf_put_str(&j->body, STR(",\"unanswered\":["));
    for (size_t i = 0; i < reply->n; i++) {
        if (reply->v[i].err == 0)
            continue;
        buf_put_str(&j->body, n++ > 0 ? STR(",") : STR(""));
        put_who(&j->body, reply->v[i].hello);
        buf_put_str(&j->body, STR(",\"error\":"));
        json_put_text(&j->body, str_c(silence(&reply->v[i])));
        buf_put_c(&j->body, '}');
    }
    buf_put_c(&j->body, ']');
}

/* The answer as a tree; NULL where it is none, or says that there is an error. */
static const struct json_tree *tree_of(struct job *j, const struct apps_answer *v)
{
    const struct json_tree *t;
    struct why why;
    if (v->err || json_tree_parse(v->text, &j->arena, &t, &why) != 0)
        return NULL;
    return t->type == JSON_OBJECT && json_tree_get(t, "error") == NULL ? t : NULL;
}

static void draw_services(struct job *j)
{
    const struct apps_reply *reply = &((struct question *)j->context)->reply;
    size_t n = 0;
    answer_begin(j);
    buf_put_str(&j->body, STR("{\"services\":["));
    for (size_t i = 0; i < reply->n; i++) {
        const struct json_tree *services = json_tree_get(tree_of(j, &reply->v[i]), "services");
        for (size_t k = 0; k < json_tree_n(services); k++) {
            buf_put_str(&j->body, n++ > 0 ? STR(",") : STR(""));
            put_who(&j->body, reply->v[i].hello);
            put_members(&j->body, &services->children[k]);
            buf_put_c(&j->body, '}');
        }
    }
    buf_put_c(&j->body, ']');
    put_unanswered(j, reply);
    buf_put_c(&j->body, '}');
    answer_end(j, NULL, STR(""));
}

void app_api_services(struct http_request *r, void *serve)
{
    struct question *q = arena_new(http_arena(r), sizeof *q);
    q->draw = draw_services;
    begin(r, serve, q, STR("services"));
}

static void draw_service(struct job *j)
{
    const struct question *q = j->context;
    size_t n = 0;
    answer_begin(j);
    buf_put_str(&j->body, STR("{\"service\":"));
    json_put_text(&j->body, str_c(q->service));
    buf_put_str(&j->body, STR(",\"instances\":["));
    for (size_t i = 0; i < q->reply.n; i++) {
        const struct json_tree *t = tree_of(j, &q->reply.v[i]);
        if (t == NULL)
            continue;
        buf_put_str(&j->body, n++ > 0 ? STR(",") : STR(""));
        put_who(&j->body, q->reply.v[i].hello);
        put_members(&j->body, t);
        buf_put_c(&j->body, '}');
    }
    buf_put_c(&j->body, ']');
    put_unanswered(j, &q->reply);
    buf_put_c(&j->body, '}');
    if (n == 0)
        answer_fault(j, 404, "not_found", "no connected application has the service %s",
                     q->service);
    else
        answer_end(j, NULL, STR(""));
}

/* The text of an exposition, which the answer has as a member. */
static void draw_prometheus(struct job *j)
{
    const struct question *q = j->context;
    struct exposition_merge m;
    exposition_merge_init(&m);
    for (size_t i = 0; i < q->reply.n; i++) {
        const struct json_tree *t = tree_of(j, &q->reply.v[i]);
        const struct hello *h = q->reply.v[i].hello;
        struct str text = json_tree_text(t, "prometheus");
        exposition_merge_add(&m, text.n > 0 ? text : json_tree_text(t, "text"), str_c(h->service),
                             str_c(h->instance));
    }
    if (m.n == 0) {
        answer_fault(j, 404, "not_found", "no connected application has the service %s",
                     q->service);
    } else {
        exposition_merge_put(&m, &j->body);
        j->type = STR("text/plain; version=0.0.4; charset=utf-8");
    }
    exposition_merge_done(&m);
}

static const struct {
    const char *word, *before, *after; /* the line: before 'SERVICE' after */
    void (*draw)(struct job *j);
} PARTS[] = {
    {"", "operations ", "", draw_service},    {"slowest", "slowest ", " ", draw_service},
    {"recent", "recent ", " ", draw_service}, {"errors", "errors ", "", draw_service},
    {"active", "active ", "", draw_service},  {"prometheus", "prometheus ", "", draw_prometheus},
    {"reset", "reset ", "", draw_service},
};

static void ask_part(struct http_request *r, void *serve, struct str word)
{
    struct question *q = arena_new(http_arena(r), sizeof *q);
    struct arena *a = http_arena(r);
    struct str name = http_segment(r, 0), instance = STR("");
    char quote = str_find(name, '\'') == name.n ? '\'' : '"';
    int64_t limit;
    size_t i = 0;
    while (i < COUNTOF(PARTS) && !str_eq(word, str_c(PARTS[i].word)))
        i++;
    if (!param_number(r, STR("limit"), SLOWEST, &limit))
        return;
    if (i == COUNTOF(PARTS)) {
        answer_refuse(r, 404, "not_found",
                      "expected slowest, recent, errors, active or prometheus");
        return;
    }
    if (limit < 1 || limit > SLOWEST_MAX || str_find(name, quote) < name.n) {
        param_refuse(r, STR("limit"), "expected 1 to 1000, and a service without quotes");
        return;
    }
    if (http_param(r, STR("instance"), &instance) && instance.n > 0)
        q->ask.instance = arena_str(a, instance).p;
    q->service = arena_str(a, name).p;
    q->draw = PARTS[i].draw;
    struct str line = arena_printf(a, "%s%c" STR_FMT "%c%s", PARTS[i].before, quote, STR_ARG(name),
                                   quote, PARTS[i].after);
    if (PARTS[i].after[0] != '\0')
        line = arena_printf(a, STR_FMT "%lld", STR_ARG(line), (long long)limit);
    begin(r, serve, q, line);
}

void app_api_service(struct http_request *r, void *serve)
{
    ask_part(r, serve, STR(""));
}

void app_api_service_part(struct http_request *r, void *serve)
{
    struct str word = http_segment(r, 1);
    if (str_eq(word, STR("reset")))
        answer_refuse(r, 405, "bad_data", "a reset is asked for with POST");
    else
        ask_part(r, serve, word);
}

void app_api_service_reset(struct http_request *r, void *serve)
{
    ask_part(r, serve, STR("reset"));
}
