/* net/http2_test_client.h - the client of http2_test.c: nghttp2's other half, blocking.
 *
 * Threads: the test's.
 */
#ifndef NET_HTTP2_TEST_CLIENT_H
#define NET_HTTP2_TEST_CLIENT_H

#include "net/loopback_test.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>

enum { CLIENT_ANSWERS_MAX = 4096, CLIENT_FIELDS_MAX = 2048 };

struct client {
    nghttp2_session *session;
    int fd;
    bool closed;
    size_t asked, open;
    struct client_answer {
        int32_t id;
        int status;
        struct str request; /* left to send */
        struct buf body;
        char fields[CLIENT_FIELDS_MAX]; /* "name: value\n" */
    } * answers;                        /* [asked] */
};

static struct client_answer *answer_of(struct client *c, int32_t id)
{
    for (size_t i = 0; i < c->asked; i++)
        if (c->answers[i].id == id)
            return &c->answers[i];
    return NULL;
}

static int client_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                         size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags,
                         void *context)
{
    struct client_answer *a = answer_of(context, frame->hd.stream_id);
    if (!a)
        return 0;
    size_t at = strlen(a->fields);
    (void)session;
    (void)flags;
    if (name_n == 7 && memcmp(name, ":status", 7) == 0)
        a->status = (value[0] - '0') * 100 + (value[1] - '0') * 10 + value[2] - '0';
    snprintf(a->fields + at, sizeof a->fields - at, "%.*s: %.*s\n", (int)name_n, (const char *)name,
             (int)value_n, (const char *)value);
    return 0;
}

static int client_body(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p,
                       size_t n, void *context)
{
    (void)session;
    (void)flags;
    struct client_answer *a = answer_of(context, id);
    if (!a)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    buf_put(&a->body, p, n);
    return 0;
}

static int client_closed(nghttp2_session *session, int32_t id, uint32_t code, void *context)
{
    struct client *c = context;
    (void)session;
    (void)id;
    (void)code;
    c->open--;
    return 0;
}

static ssize_t client_read(nghttp2_session *session, int32_t id, uint8_t *to, size_t n,
                           uint32_t *flags, nghttp2_data_source *source, void *context)
{
    struct client_answer *a = answer_of(context, id);
    if (!a)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    size_t part = MIN(n, a->request.n);
    (void)session;
    (void)source;
    if (part)
        memcpy(to, a->request.p, part);
    a->request = str_sub(a->request, part, a->request.n);
    if (a->request.n == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)part;
}

static void client_open(struct client *c, uint16_t port)
{
    nghttp2_session_callbacks *callbacks;
    *c = (struct client){.fd = loopback_dial(port)};
    c->answers = calloc(CLIENT_ANSWERS_MAX, sizeof *c->answers);
    assert_non_null(c->answers);
    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, client_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, client_body);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, client_closed);
    assert_int_equal(nghttp2_session_client_new(&c->session, callbacks, c), 0);
    nghttp2_session_callbacks_del(callbacks);
    assert_int_equal(nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, NULL, 0), 0);
}

/* Begins a request; its number. */
static size_t client_ask(struct client *c, const char *method, const char *path, struct str body)
{
#define NV(name, value)                                                                            \
    {(uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), strlen(name), strlen(value), 0}
    nghttp2_nv nv[] = {NV(":method", method), NV(":path", path), NV(":scheme", "http"),
                       NV(":authority", "127.0.0.1"), NV("x-asked", method)};
#undef NV
    nghttp2_data_provider provider = {.read_callback = client_read};
    struct client_answer *a = &c->answers[c->asked];
    assert_true(c->asked < CLIENT_ANSWERS_MAX);
    buf_init(&a->body, 64 << 20);
    a->request = body;
    a->id = nghttp2_submit_request(c->session, NULL, nv, COUNTOF(nv), body.n ? &provider : NULL, c);
    assert_true(a->id > 0);
    c->open++;
    return c->asked++;
}

static void client_cancel(struct client *c, size_t i)
{
    nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, c->answers[i].id, NGHTTP2_CANCEL);
}

static void client_send(struct client *c)
{
    const uint8_t *p;
    for (ssize_t n; !c->closed && (n = nghttp2_session_mem_send(c->session, &p)) > 0;)
        for (ssize_t at = 0; at < n && !c->closed;) {
            ssize_t sent = send(c->fd, p + at, (size_t)(n - at), MSG_NOSIGNAL);
            c->closed = sent <= 0;
            at += sent;
        }
}

static void client_turn(struct client *c)
{
    char room[65536];
    client_send(c);
    ssize_t n = c->closed ? 0 : read(c->fd, room, sizeof room);
    if (n <= 0 || nghttp2_session_mem_recv(c->session, (const uint8_t *)room, (size_t)n) < 0)
        c->closed = true;
}

/* Until all is answered. */
static void client_wait(struct client *c)
{
    while (c->open > 0 && !c->closed)
        client_turn(c);
    assert_int_equal(c->open, 0);
}

static void client_wait_closed(struct client *c)
{
    while (!c->closed)
        client_turn(c);
}

static void client_close(struct client *c)
{
    close(c->fd);
    nghttp2_session_del(c->session);
    for (size_t i = 0; i < c->asked; i++)
        buf_done(&c->answers[i].body);
    free(c->answers);
}

#endif
