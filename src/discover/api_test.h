/* discover/api_test.h - an HTTP API on loopback whose answers a test sets and changes: plain ones,
 * ones that wait for a new index (Consul) and streams of events (Kubernetes). Included by tests
 * only.
 *
 * Threads: the server's loop runs on its own; the functions are the test's.
 */
#ifndef DISCOVER_API_TEST_H
#define DISCOVER_API_TEST_H

#include <stdio.h>
#include <stdlib.h>

#include "base/cases_test.h"
#include "base/mem.h"
#include "discover/testbed_test.h"
#include "net/loopback_test.h"

enum { API_ROWS_MAX = 64, API_HELD_MAX = 64, API_PATH_MAX = 300, API_LOG_MAX = 1 << 20 };

struct api_row {
    char path[API_PATH_MAX];
    char param[API_PATH_MAX]; /* "name=value" that the request has to have; "": any */
    int status;
    const char *type, *header; /* "Name: value" of the answer; NULL: none */
    char *body;                /* owned */
    uint64_t index;            /* requests with this index wait; 0: never */
};

struct api_held {
    struct http_request *request;
    char path[API_PATH_MAX];
    uint64_t index;
    bool watch;
};

struct api {
    struct loopback loopback;
    struct http_route route;
    struct http_config config;
    pthread_mutex_t lock; /* guards the rest */
    struct api_row rows[API_ROWS_MAX];
    size_t rows_n;
    struct api_held held[API_HELD_MAX];
    size_t held_n;
    bool down;      /* everything is answered by 503 */
    struct buf log; /* "PATH?param=value..\n" of each request, and the headers that matter */
};

static inline struct api_row *api_find(struct api *a, struct http_request *r, struct str path)
{
    for (size_t i = a->rows_n; i-- > 0;) {
        struct api_row *row = &a->rows[i];
        struct str want = str_c(row->param), name = str_sub(want, 0, str_find(want, '=')), value;
        if (!str_eq(path, str_c(row->path)))
            continue;
        if (want.n == 0 ||
            (http_param(r, name, &value) && str_eq(value, str_sub(want, name.n + 1, want.n))))
            return row;
    }
    return NULL;
}

static inline void api_answer(struct api *a, struct http_request *r, const struct api_row *row)
{
    char index[32];
    if (row->index) {
        snprintf(index, sizeof index, "%llu", (unsigned long long)row->index);
        http_reply_header(r, STR("X-Consul-Index"), str_c(index));
    }
    if (row->header) {
        struct str header = str_c(row->header);
        size_t colon = str_find(header, ':');
        http_reply_header(r, str_sub(header, 0, colon), str_sub(header, colon + 2, header.n));
    }
    http_reply(r, row->status, str_c(row->type), str_c(row->body));
}

static inline void api_log(struct api *a, struct http_request *r)
{
    static const char *const params[] = {"watch",
                                         "resourceVersion",
                                         "labelSelector",
                                         "fieldSelector",
                                         "index",
                                         "wait",
                                         "stale",
                                         "dc",
                                         "ns",
                                         "partition",
                                         "node-meta",
                                         "filter",
                                         "filters",
                                         "tag",
                                         "page",
                                         "allowWatchBookmarks"};
    static const char *const headers[] = {
        "Authorization",     "X-Consul-Token",  "X-Filter",
        "X-Ovh-Application", "X-Ovh-Signature", "X-Prometheus-Refresh-Interval-Seconds"};
    buf_printf(&a->log, STR_FMT, STR_ARG(http_path(r)));
    for (size_t i = 0; i < COUNTOF(params); i++) {
        struct str value;
        for (size_t j = 0; http_param_at(r, str_c(params[i]), j, &value); j++)
            buf_printf(&a->log, " %s=" STR_FMT, params[i], STR_ARG(value));
    }
    for (size_t i = 0; i < COUNTOF(headers); i++) {
        struct str value = http_header(r, str_c(headers[i]));
        if (value.n)
            buf_printf(&a->log, " %s: " STR_FMT, headers[i], STR_ARG(value));
    }
    buf_put_c(&a->log, '\n');
}

static inline void api_hold(struct api *a, struct http_request *r, struct str path, uint64_t index,
                            bool watch)
{
    assert_true(a->held_n < API_HELD_MAX);
    struct api_held *held = &a->held[a->held_n++];
    *held = (struct api_held){.request = r, .index = index, .watch = watch};
    snprintf(held->path, sizeof held->path, STR_FMT, STR_ARG(path));
    if (watch) {
        http_reply_begin(r, 200, STR("application/json"));
        http_reply_flush(r);
    }
}

static inline void api_handle(struct http_request *r, void *context)
{
    struct api *a = context;
    struct str path = http_path(r), value;
    uint64_t index = 0;
    thread_lock(&a->lock);
    api_log(a, r);
    const struct api_row *row = api_find(a, r, path);
    bool watch = http_param(r, STR("watch"), &value) && !str_eq(value, STR("false"));
    if (http_param(r, STR("index"), &value))
        (void)str_u64(value, &index);
    if (a->down || !row)
        http_reply(r, a->down ? 503 : 404, STR("text/plain"), STR("no"));
    else if (watch && row->status == 200)
        api_hold(a, r, path, 0, true);
    else if (row->index && row->index == index)
        api_hold(a, r, path, index, false);
    else
        api_answer(a, r, row);
    thread_unlock(&a->lock);
}

static inline void api_start(struct api *a)
{
    *a = (struct api){0};
    thread_lock_init(&a->lock);
    buf_init(&a->log, API_LOG_MAX);
    a->route = (struct http_route){.methods = HTTP_GET | HTTP_POST,
                                   .path = "/",
                                   .body_max = 1 << 16,
                                   .handler = api_handle,
                                   .context = a};
    a->config = (struct http_config){.routes = &a->route, .routes_n = 1};
    loopback_start(&a->loopback, &a->config);
}

/* Answers those who wait for another index; down, all that wait and all streams. */
static inline void api_kick(void *context)
{
    struct api *a = context;
    thread_lock(&a->lock);
    for (size_t i = 0; i < a->held_n;) {
        struct api_held held = a->held[i];
        const struct api_row *row = held.watch ? NULL : api_find(a, held.request, str_c(held.path));
        bool end = a->down || (!held.watch && row && row->index != held.index);
        if (!end) {
            i++;
            continue;
        }
        a->held[i] = a->held[--a->held_n];
        if (held.watch)
            http_reply_end(held.request);
        else if (a->down)
            http_reply(held.request, 503, STR("text/plain"), STR("no"));
        else
            api_answer(a, held.request, row);
    }
    thread_unlock(&a->lock);
}

/* What is answered for path from now on. */
static inline struct api_row *api_row(struct api *a, const char *path, const char *param)
{
    for (size_t i = 0; i < a->rows_n; i++) {
        if (strcmp(a->rows[i].path, path) == 0 && strcmp(a->rows[i].param, param) == 0)
            return &a->rows[i];
    }
    assert_true(a->rows_n < API_ROWS_MAX);
    struct api_row *row = &a->rows[a->rows_n++];
    snprintf(row->path, sizeof row->path, "%s", path);
    snprintf(row->param, sizeof row->param, "%s", param);
    return row;
}

static inline void api_set(struct api *a, const char *path, const char *param, int status,
                           const char *body, uint64_t index)
{
    thread_lock(&a->lock);
    struct api_row *row = api_row(a, path, param);
    mem_free(row->body);
    row->body = mem_text(body, strlen(body));
    row->status = status;
    row->index = index;
    if (!row->type)
        row->type = "application/json";
    thread_unlock(&a->lock);
    loop_post(a->loopback.loop, api_kick, a);
}

static inline void api_put(struct api *a, const char *path, const char *body)
{
    api_set(a, path, "", 200, body, 0);
}

/* The same with a file of the cases; skips the test where it is not there. */
static inline void api_put_case(struct api *a, const char *path, const char *param,
                                const char *name)
{
    char file[CASES_PATH_MAX];
    struct buf text;
    cases_path(name, file);
    if (!cases_read(file, &text))
        cases_skip(file);
    buf_put_c(&text, '\0');
    api_set(a, path, param, 200, text.p, 0);
    buf_done(&text);
}

static inline void api_down(struct api *a, bool down)
{
    thread_lock(&a->lock);
    a->down = down;
    thread_unlock(&a->lock);
    loop_post(a->loopback.loop, api_kick, a);
}

struct api_event {
    struct api *api;
    char *path, *text; /* owned; text NULL: the end of the stream */
};

static inline void api_send(void *context)
{
    struct api_event *e = context;
    struct api *a = e->api;
    thread_lock(&a->lock);
    for (size_t i = 0; i < a->held_n;) {
        struct api_held held = a->held[i];
        if (!held.watch || strcmp(held.path, e->path) != 0) {
            i++;
            continue;
        }
        if (e->text) {
            http_reply_put(held.request, str_c(e->text));
            http_reply_flush(held.request);
            i++;
        } else {
            a->held[i] = a->held[--a->held_n];
            http_reply_end(held.request);
        }
    }
    thread_unlock(&a->lock);
    mem_free(e->path);
    mem_free(e->text);
    mem_free(e);
}

/* Sends text to all streams of path; NULL ends them. */
static inline void api_stream(struct api *a, const char *path, const char *text)
{
    struct api_event *e = mem_new(sizeof *e);
    e->api = a;
    e->path = mem_text(path, strlen(path));
    e->text = text ? mem_text(text, strlen(text)) : NULL;
    loop_post(a->loopback.loop, api_send, e);
}

/* How often text is in the log of requests. */
static inline size_t api_asked(struct api *a, const char *text)
{
    size_t n = 0;
    thread_lock(&a->lock);
    buf_put_c(&a->log, '\0');
    for (const char *p = a->log.p; (p = strstr(p, text)); p++)
        n++;
    a->log.n--;
    thread_unlock(&a->lock);
    return n;
}

/* Runs the test's loop until text has been asked for at least n times. */
static inline void api_wait(struct api *a, struct testbed *t, const char *text, size_t n)
{
    int64_t begun = clock_monotonic_ns(&clock_real);
    struct timer *timer = timer_new(t->loop, TESTBED_ROUND_MS, TESTBED_ROUND_MS, testbed_tick, t);
    while (api_asked(a, text) < n) {
        loop_run(t->loop);
        if (clock_monotonic_ns(&clock_real) - begun > TESTBED_PATIENCE_MS * 1000000LL)
            fail_msg("asked less than %zu times: %s; there is\n%s", n, text, a->log.p);
    }
    timer_free(timer);
}

static inline void api_stop(struct api *a)
{
    loop_stop(a->loopback.loop);
    thread_join(&a->loopback.thread);
    http_server_free(a->loopback.server);
    for (size_t i = 0; i < a->held_n; i++) {
        if (a->held[i].watch)
            http_reply_end(a->held[i].request);
        else
            http_reply(a->held[i].request, 503, STR(""), STR(""));
    }
    loop_free(a->loopback.loop);
    for (size_t i = 0; i < a->rows_n; i++)
        mem_free(a->rows[i].body);
    buf_done(&a->log);
    pthread_mutex_destroy(&a->lock);
}

/* ---- both together */

/* Starts the first entry of text, in which "PORT" stands for the API's port. */
static inline void api_discover(struct api *a, struct testbed *t, const char *key, const char *text)
{
    struct buf out;
    char port[8];
    snprintf(port, sizeof port, "%u", a->loopback.port);
    buf_init(&out, TESTBED_TEXT_MAX);
    for (struct str rest = str_c(text); rest.n > 0;) {
        size_t at = str_search(rest, STR("PORT"));
        buf_put_str(&out, str_sub(rest, 0, at));
        if (at < rest.n)
            buf_put_str(&out, str_c(port));
        rest = str_sub(rest, at + 4, rest.n);
    }
    buf_put_c(&out, '\0');
    testbed_open(t);
    assert_int_equal(fetcher_new(t->loop, NULL, &t->fetcher), 0);
    testbed_read(t, key, out.p);
    buf_done(&out);
    testbed_start(t, 0);
}

static inline void api_close(struct api *a, struct testbed *t)
{
    testbed_end(t);
    fetcher_free(t->fetcher);
    testbed_close(t);
    api_stop(a);
}

#endif
