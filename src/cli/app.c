#include "cli/app.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "cli/json_table.h"
#include "cli/post.h"
#include "net/client.h"
#include "text/json_tree.h"

enum { PATH_BYTES = 16 << 10, LINE_BYTES = 4000, OUT_MAX = 256 << 20, WORDS_MAX = 32 };

struct words {
    const char *command; /* "apps", for messages */
    const char *server, *format, *limit, *slowest, *service, *instance;
    bool errors, active, recent, reset, prometheus;
    const char *plain[WORDS_MAX]; /* [plain_n] words that are no switches */
    size_t plain_n;
};

static int usage(const char *text)
{
    fprintf(stderr, "usage: sonde %s\n", text);
    return 2;
}

/* ---- words */

static bool take(struct words *w, int argc, char **argv, int *i)
{
    const struct {
        const char *name, **at;
    } options[] = {{"--server", &w->server},   {"--format", &w->format},
                   {"--limit", &w->limit},     {"--slowest", &w->slowest},
                   {"--service", &w->service}, {"--instance", &w->instance}};
    const struct {
        const char *name;
        bool *at;
    } switches[] = {{"--errors", &w->errors},
                    {"--active", &w->active},
                    {"--recent", &w->recent},
                    {"--reset", &w->reset},
                    {"--prometheus", &w->prometheus}};
    const char *value;
    for (size_t k = 0; k < COUNTOF(options); k++)
        if ((value = post_option(argc, argv, i, options[k].name)) != NULL) {
            *options[k].at = value;
            return true;
        }
    for (size_t k = 0; k < COUNTOF(switches); k++)
        if (strcmp(argv[*i], switches[k].name) == 0) {
            *switches[k].at = true;
            return true;
        }
    if (strcmp(argv[*i], "--json") == 0) {
        w->format = "json";
        return true;
    }
    if (argv[*i][0] == '-' || w->plain_n == WORDS_MAX)
        return false;
    w->plain[w->plain_n++] = argv[*i];
    return true;
}

static bool read_words(struct words *w, int argc, char **argv)
{
    w->server = "http://127.0.0.1:7663";
    w->format = "table";
    for (int i = 0; i < argc; i++)
        if (!take(w, argc, argv, &i))
            return false;
    return strcmp(w->format, "table") == 0 || strcmp(w->format, "json") == 0;
}

/* ---- asking */

/* The answer's body; or an exit status that is not 0. */
static int ask(const struct words *w, const char *method, struct buf *path, struct buf *ret)
{
    struct client_reply reply;
    struct why why = {0};
    struct arena a;
    const struct json_tree *t = NULL;
    buf_put_c(path, '\0');
    struct client_request request = {.method = method, .url = path->p};
    if (buf_failed(path) || client_send(&request, &reply, &why) != 0) {
        fprintf(stderr, "sonde %s: %s\n", w->command,
                buf_failed(path) ? "its words are too long" : why.text);
        return 2;
    }
    int status = reply.status >= 200 && reply.status < 300 ? 0 : 1;
    if (status == 0) {
        buf_put_str(ret, buf_str(&reply.body));
    } else {
        arena_init(&a);
        struct str text = str_trim(buf_str(&reply.body));
        if (json_tree_parse(text, &a, &t, NULL) == 0 && json_tree_text(t, "error").n > 0)
            text = json_tree_text(t, "error");
        fprintf(stderr, "sonde %s: " STR_FMT "\n", w->command, STR_ARG(text));
        arena_done(&a);
    }
    client_reply_done(&reply);
    return status;
}

static void begin_path(const struct words *w, const char *path, struct buf *out)
{
    struct str server = str_c(w->server);
    while (server.n > 0 && server.p[server.n - 1] == '/')
        server.n--;
    buf_init(out, PATH_BYTES);
    buf_put_str(out, server);
    buf_put_str(out, str_c(path));
}

static void put_param(struct buf *path, const char *name, const char *value)
{
    if (value == NULL)
        return;
    buf_printf(path, "%c%s=", memchr(path->p, '?', path->n) ? '&' : '?', name);
    post_encode(str_c(value), path);
}

/* What is shown of an answer; columns NULL: all of it. */
struct view {
    const char *member; /* a list below data that is the rows; NULL: data itself */
    const char *const *columns;
    size_t n;
    bool raw; /* the answer is the document: it has no envelope */
};

/* One application's part of an answer: who it is, then what it says. */
static void put_instance(const struct json_tree *instance, struct buf *out)
{
    static const char *const OPERATIONS[] = {"operation",  "count",    "errors",  "active",
                                             "error_rate", "rate_10s", "mean_ms", "p50_ms",
                                             "p95_ms",     "p99_ms",   "max_ms",  "last_error"};
    buf_printf(out, STR_FMT " " STR_FMT "\n", STR_ARG(json_tree_text(instance, "application")),
               STR_ARG(json_tree_text(instance, "instance")));
    for (size_t i = 0; i < json_tree_n(instance); i++) {
        const struct json_tree *m = &instance->children[i];
        bool operations = m->type == JSON_ARRAY && str_eq(m->key, STR("operations"));
        if (str_eq(m->key, STR("application")) || str_eq(m->key, STR("instance")))
            continue;
        if (m->type == JSON_ARRAY && m->n > 0 && m->children[0].type == JSON_OBJECT) {
            json_table_rows(m, OPERATIONS, operations ? COUNTOF(OPERATIONS) : 0, out);
            continue;
        }
        buf_printf(out, STR_FMT "  ", STR_ARG(m->key));
        json_table_cell(m, out);
        buf_put_c(out, '\n');
    }
}

static void put_table(const struct json_tree *data, const struct view *v, struct buf *out)
{
    const struct json_tree *rows = v->member ? json_tree_get(data, v->member) : data;
    const struct json_tree *instances = json_tree_get(data, "instances");
    const struct json_tree *unanswered = json_tree_get(data, "unanswered");
    if (v->columns != NULL && rows != NULL)
        json_table_rows(rows, v->columns, v->n, out);
    else if (instances == NULL)
        json_table_put(data, out);
    for (size_t i = 0; i < json_tree_n(instances); i++) {
        buf_put_str(out, i > 0 ? STR("\n") : STR(""));
        put_instance(&instances->children[i], out);
    }
    for (size_t i = 0; i < json_tree_n(unanswered); i++)
        fprintf(stderr, STR_FMT " (" STR_FMT "): " STR_FMT "\n",
                STR_ARG(json_tree_text(&unanswered->children[i], "instance")),
                STR_ARG(json_tree_text(&unanswered->children[i], "application")),
                STR_ARG(json_tree_text(&unanswered->children[i], "error")));
}

static int show(const struct words *w, struct str answer, const struct view *v)
{
    struct arena a;
    struct buf out;
    struct why why = {0};
    const struct json_tree *t;
    int status = 0;
    arena_init(&a);
    buf_init(&out, OUT_MAX);
    if (json_tree_parse(answer, &a, &t, &why) != 0) {
        fprintf(stderr, "sonde %s: the answer is no JSON: %s\n", w->command, why.text);
        status = 2;
    } else {
        const struct json_tree *data = v->raw ? t : json_tree_get(t, "data");
        const struct json_tree *error = v->raw ? json_tree_get(t, "error") : NULL;
        if (error != NULL)
            fprintf(stderr, "sonde %s: " STR_FMT "\n", w->command,
                    STR_ARG(json_tree_text(error, "message")));
        else if (data != NULL && strcmp(w->format, "json") == 0)
            json_tree_put(data, &out);
        else if (data != NULL)
            put_table(data, v, &out);
        if (out.n > 0 && out.p[out.n - 1] != '\n')
            buf_put_c(&out, '\n');
        fwrite(out.n > 0 ? out.p : "", 1, out.n, stdout);
        status = error != NULL;
    }
    buf_done(&out);
    arena_done(&a);
    return status;
}

static int ask_and_show(const struct words *w, const char *method, struct buf *path,
                        const struct view *v)
{
    struct buf answer;
    buf_init(&answer, OUT_MAX);
    int status = ask(w, method, path, &answer);
    if (status == 0 && v != NULL)
        status = show(w, buf_str(&answer), v);
    else if (status == 0)
        fwrite(answer.p, 1, answer.n, stdout);
    buf_done(&answer);
    buf_done(path);
    return status;
}

/* ---- commands */

static int ask_one(const struct words *w)
{
    static const struct view VIEW = {.raw = true};
    char line[LINE_BYTES];
    struct buf path;
    size_t n = 0;
    line[0] = '\0';
    for (size_t i = 2; i < w->plain_n && n < sizeof line; i++)
        n += (size_t)snprintf(line + n, sizeof line - n, "%s%s", i > 2 ? " " : "", w->plain[i]);
    begin_path(w, "/api/apps/", &path);
    post_encode(str_c(w->plain[1]), &path);
    buf_put_str(&path, STR("/ask"));
    put_param(&path, "command", line);
    put_param(&path, "service", w->service);
    return ask_and_show(w, "POST", &path, &VIEW);
}

int app_run_apps(int argc, char **argv)
{
    static const char USAGE[] =
        "apps [INSTANCE] [--format table|json] [--server URL] | apps ask INSTANCE COMMAND.. "
        "[--service NAME] [--format table|json] [--server URL]";
    static const char *const COLUMNS[] = {"service",  "instance", "state", "release",
                                          "language", "pid",      "uid",   "series",
                                          "samples",  "errors",   "since", "end"};
    static const struct view ALL = {.columns = COLUMNS, .n = COUNTOF(COLUMNS)}, ONE = {0};
    struct words w = {.command = "apps"};
    struct buf path;
    if (!read_words(&w, argc, argv))
        return usage(USAGE);
    if (w.plain_n > 0 && strcmp(w.plain[0], "ask") == 0)
        return w.plain_n < 3 ? usage(USAGE) : ask_one(&w);
    if (w.plain_n > 1)
        return usage(USAGE);
    begin_path(&w, "/api/apps", &path);
    if (w.plain_n == 1) {
        buf_put_c(&path, '/');
        post_encode(str_c(w.plain[0]), &path);
    }
    return ask_and_show(&w, "GET", &path, w.plain_n == 1 ? &ONE : &ALL);
}

int app_run_services(int argc, char **argv)
{
    static const char USAGE[] =
        "services [NAME [--slowest N|--errors|--active|--recent|--reset|--prometheus]] "
        "[--instance INSTANCE] [--format table|json] [--server URL]";
    static const char *const COLUMNS[] = {
        "application", "instance", "service", "operations", "count",  "errors", "active",
        "error_rate",  "rate_10s", "mean_ms", "p95_ms",     "p99_ms", "max_ms"};
    static const struct view SERVICES = {
        .member = "services", .columns = COLUMNS, .n = COUNTOF(COLUMNS)};
    static const struct view ONE = {0};
    struct words w = {.command = "services"};
    struct buf path;
    if (!read_words(&w, argc, argv))
        return usage(USAGE);
    const char *part = w.slowest      ? "slowest"
                       : w.errors     ? "errors"
                       : w.active     ? "active"
                       : w.recent     ? "recent"
                       : w.reset      ? "reset"
                       : w.prometheus ? "prometheus"
                                      : NULL;
    int parts = (w.slowest != NULL) + w.errors + w.active + w.recent + w.reset + w.prometheus;
    if (w.plain_n > 1 || parts > 1 || (parts == 1 && w.plain_n == 0))
        return usage(USAGE);
    begin_path(&w, "/api/services", &path);
    if (w.plain_n == 1) {
        buf_put_c(&path, '/');
        post_encode(str_c(w.plain[0]), &path);
    }
    if (part != NULL)
        buf_printf(&path, "/%s", part);
    put_param(&path, "limit", w.slowest);
    put_param(&path, "instance", w.instance);
    const struct view *view = w.plain_n == 0 ? &SERVICES : &ONE;
    return ask_and_show(&w, w.reset ? "POST" : "GET", &path, w.prometheus ? NULL : view);
}

int app_run_errors(int argc, char **argv)
{
    static const char USAGE[] =
        "errors [--limit N] [--service NAME] [--format table|json] [--server URL]";
    static const char *const COLUMNS[] = {"time",    "level",    "service",
                                          "release", "event_id", "title"};
    static const struct view VIEW = {.columns = COLUMNS, .n = COUNTOF(COLUMNS)};
    struct words w = {.command = "errors"};
    struct buf path;
    if (!read_words(&w, argc, argv) || w.plain_n > 0)
        return usage(USAGE);
    begin_path(&w, "/api/errors/recent", &path);
    put_param(&path, "limit", w.limit);
    put_param(&path, "service", w.service);
    return ask_and_show(&w, "GET", &path, &VIEW);
}
