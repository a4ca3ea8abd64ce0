#include "serve/watch_api.h"

#include "serve/answer.h"
#include "serve/job.h"
#include "serve/param.h"
#include "serve/serve_state.h"
#include "text/json_tree.h"
#include "watch/control_client.h"

enum {
    ASK_MS = 5000,
    WAIT_MS_MAX = 60000,
    LINES = 200,
    LINES_MAX = 10000,
};

/* What a request asks for; lives in its arena. */
struct question {
    struct control_request control;
};

static const char *socket_of(const struct job *j)
{
    const char *socket = j->serve->config.watch_socket;
    return socket != NULL ? socket : "";
}

static void refuse(struct job *j, int err, const struct why *why, const char *target)
{
    if (err == -ERR_NOENT && target[0] != '\0')
        answer_fault(j, 404, "not_found", "%s", why->text);
    else if (err == -ERR_NOENT || err == -ERR_CLOSED)
        answer_fault(j, 503, "unavailable", "no sonde-watch runs here: start it with sonde watch");
    else if (err == -ERR_TIMEOUT)
        answer_fault(j, 504, "timeout", "%s", why->text);
    else if (err == -ERR_FORMAT || err == -ERR_RANGE || err == -ERR_STATE)
        answer_fault(j, 400, "bad_data", "%s", why->text);
    else
        answer_fault(j, 502, "unavailable", "%s", why->text);
}

/* A connection; NULL and an answer where there is none: null where nobody's absence is a fault. */
static struct control_client *open_client(struct job *j, bool may_be_absent)
{
    struct control_client *c;
    struct why why = {0};
    int err = control_client_open(socket_of(j), ASK_MS, &c, &why);
    if (err == 0)
        return c;
    if (may_be_absent && (err == -ERR_NOENT || err == -ERR_CLOSED)) {
        answer_begin(j);
        buf_put_str(&j->body, STR("null"));
        answer_end(j, NULL, STR(""));
        return NULL;
    }
    refuse(j, err, &why, "");
    return NULL;
}

/* Asks; the answer's first line in *ret. False where the job was answered already. */
static bool ask(struct job *j, struct control_client *c, struct str *ret)
{
    const struct control_request *r = &((struct question *)j->context)->control;
    struct why why = {0};
    int err = control_client_send(c, r, &why);
    if (err == 0)
        err = control_client_next(c, ASK_MS + r->wait_ms, ret, &why);
    if (err == 0)
        err = control_client_answer(*ret, &why);
    if (err != 0)
        refuse(j, err, &why, r->target);
    return err == 0;
}

/* The answer of sonde-watch, as it is, is the data. */
static void pass_on(struct job *j, bool may_be_absent)
{
    struct control_client *c = open_client(j, may_be_absent);
    struct str answer;
    if (c == NULL)
        return;
    if (ask(j, c, &answer)) {
        answer_begin(j);
        buf_put_str(&j->body, answer);
        answer_end(j, NULL, STR(""));
    }
    control_client_free(c);
}

static void work_plain(struct job *j)
{
    pass_on(j, false);
}

/* All programs; null where no sonde-watch runs. */
static void work_all(struct job *j)
{
    pass_on(j, true);
}

/* {"lines":n}, then n lines: an array of them. */
static void work_lines(struct job *j)
{
    struct control_client *c = open_client(j, false);
    struct str answer, line;
    const struct json_tree *t;
    struct why why = {0};
    if (c == NULL)
        return;
    if (ask(j, c, &answer)) {
        int64_t n = json_tree_parse(arena_str(&j->arena, answer), &j->arena, &t, &why) == 0
                        ? json_tree_whole(t, "lines")
                        : 0;
        answer_begin(j);
        buf_put_c(&j->body, '[');
        for (int64_t i = 0; i < n && control_client_next(c, ASK_MS, &line, &why) == 0; i++) {
            buf_put_str(&j->body, i > 0 ? STR(",") : STR(""));
            buf_put_str(&j->body, line);
        }
        buf_put_c(&j->body, ']');
        answer_end(j, NULL, STR(""));
    }
    control_client_free(c);
}

static void begin(struct http_request *r, void *serve, enum control_verb verb, bool named,
                  void (*work)(struct job *j))
{
    struct question *q = arena_new(http_arena(r), sizeof *q);
    struct str name = named ? arena_str(http_arena(r), http_segment(r, 0)) : STR("");
    int64_t lines, wait_ms;
    if (!param_number(r, STR("limit"), LINES, &lines) ||
        !param_duration(r, STR("wait"), 0, &wait_ms))
        return;
    if (lines < 0 || lines > LINES_MAX) {
        param_refuse(r, STR("limit"), "expected 0 to 10000");
        return;
    }
    if (wait_ms < 0 || wait_ms > WAIT_MS_MAX) {
        param_refuse(r, STR("wait"), "expected at most 1m");
        return;
    }
    q->control = control_request_of(verb, name.p);
    q->control.lines = lines;
    bool orders = verb == CONTROL_START || verb == CONTROL_STOP || verb == CONTROL_RESTART;
    q->control.wait_ms = orders ? wait_ms : 0;
    job_start(serve, r, work, q);
}

void watch_api_list(struct http_request *r, void *serve)
{
    begin(r, serve, CONTROL_STATUS, false, work_all);
}

void watch_api_one(struct http_request *r, void *serve)
{
    begin(r, serve, CONTROL_STATUS, true, work_plain);
}

void watch_api_history(struct http_request *r, void *serve)
{
    begin(r, serve, CONTROL_EVENTS, true, work_lines);
}

void watch_api_logs(struct http_request *r, void *serve)
{
    begin(r, serve, CONTROL_LOGS, true, work_lines);
}

void watch_api_do(struct http_request *r, void *serve)
{
    static const enum control_verb VERBS[] = {CONTROL_START, CONTROL_STOP, CONTROL_RESTART,
                                              CONTROL_RELOAD, CONTROL_CHECK};
    struct str word = http_segment(r, 1);
    for (size_t i = 0; i < COUNTOF(VERBS); i++)
        if (str_eq(word, str_c(control_word(VERBS[i])))) {
            begin(r, serve, VERBS[i], true, work_plain);
            return;
        }
    answer_refuse(r, 404, "not_found", "expected start, stop, restart, reload or check");
}
