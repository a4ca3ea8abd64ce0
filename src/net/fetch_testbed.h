/* net/fetch_testbed.h - a fetcher on a loop of the test's own thread, and servers to misbehave:
 * one that sends prepared bytes for each request and remembers what it was asked.
 *
 * Threads: the raw server runs on its own; the rest is the test's.
 */
#ifndef NET_FETCH_TESTBED_H
#define NET_FETCH_TESTBED_H

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/fetch.h"
#include "net/loopback_test.h"

/* ---- the fetcher */
static struct {
    struct loop *loop;
    struct fetcher *fetcher;
} bed;

/* What done() brought, kept. */
struct bed_answer {
    int calls, err, status;
    char why[WHY_MAX];
    struct buf body, url, type, etag;
    size_t wire_bytes;
    int left; /* calls until the loop stops */
};

UNUSED static int bed_open(void **state)
{
    assert_int_equal(loop_new(&bed.loop), 0);
    assert_int_equal(fetcher_new(bed.loop, NULL, &bed.fetcher), 0);
    return 0;
}

UNUSED static int bed_close(void **state)
{
    fetcher_free(bed.fetcher);
    loop_free(bed.loop);
    return 0;
}

UNUSED static struct fetch_client *bed_client(const struct fetch_settings *s)
{
    struct fetch_client *c;
    struct why why = {0};
    if (fetch_client_new(bed.fetcher, s, &c, &why))
        fail_msg("%s", why.text);
    return c;
}

/* What one thread wrote before its turn, another one knows after its own: requests and answers
 * order the two, but through sockets, of which ThreadSanitizer knows nothing. */
static _Atomic unsigned bed_turns;

UNUSED static void bed_turn(void)
{
    atomic_fetch_add(&bed_turns, 1);
}

UNUSED static void bed_done(void *context, const struct fetch_answer *a)
{
    struct bed_answer *to = context;
    to->calls++;
    to->err = a->err;
    to->status = a->status;
    to->wire_bytes = a->wire_bytes;
    snprintf(to->why, sizeof to->why, "%s", a->err ? a->why : "");
    struct {
        struct buf *to;
        struct str from;
    } all[] = {{&to->body, a->body},
               {&to->url, a->url},
               {&to->type, a->content_type},
               {&to->etag, fetch_header_of(a, STR("etag"))}};
    for (size_t i = 0; i < COUNTOF(all); i++) {
        buf_done(all[i].to);
        buf_init(all[i].to, SIZE_MAX / 2);
        buf_put_str(all[i].to, all[i].from);
    }
    if (a->err == 0 && a->body.n > 0) { /* readers may look a little further */
        volatile char behind = a->body.p[a->body.n + 31];
        (void)behind;
    }
    assert_true(a->duration_ns >= 0);
    bed_turn();
    if (--to->left <= 0)
        loop_stop(bed.loop);
}

UNUSED static void bed_answer_done(struct bed_answer *a)
{
    buf_done(&a->body);
    buf_done(&a->url);
    buf_done(&a->type);
    buf_done(&a->etag);
}

/* Sends and waits for the answer. */
UNUSED static struct bed_answer bed_ask(struct fetch_client *c, struct fetch_request r)
{
    struct bed_answer a = {.left = 1};
    r.done = bed_done;
    r.context = &a;
    bed_turn();
    fetch_start(c, &r, NULL);
    assert_int_equal(a.calls, 0); /* never from within */
    loop_run(bed.loop);
    bed_turn();
    assert_int_equal(a.calls, 1);
    return a;
}

UNUSED static void bed_stop(void *unused)
{
    loop_stop(bed.loop);
}

/* Lets the loop run for a while. */
UNUSED static void bed_wait(int64_t ms)
{
    struct timer *t = timer_new(bed.loop, ms, 0, bed_stop, NULL);
    loop_run(bed.loop);
    timer_free(t);
}

UNUSED static void assert_str(struct str have, const char *want)
{
    if (!str_eq(have, str_c(want)))
        fail_msg("have \"" STR_FMT "\", want \"%s\"", STR_ARG(have), want);
}

/* ---- the raw server */
enum { RAW_REQUEST_MAX = 64 * 1024 };

struct raw {
    /* Answers request i (from 0), of which bytes are what came, on fd; it is closed then. */
    void (*answer)(struct raw *r, int i, struct str bytes, int fd);
    const char *text; /* what is sent where answer is NULL */
    void *context;
    int listener;
    uint16_t port;
    _Atomic int served;
    _Atomic bool ends;
    char last[RAW_REQUEST_MAX];
    struct thread thread;
    char url[64];
};

UNUSED static void raw_say(int fd, const char *text)
{
    bed_turn();
    loopback_say(fd, str_c(text));
}

/* The head of a request, and as much body as its Content-Length says. */
UNUSED static size_t raw_hear(int fd, char *to)
{
    size_t n = 0, want = 0;
    char first;
    (void)recv(fd, &first, 1, MSG_PEEK); /* waits; what is wrong read() says again */
    bed_turn();
    while (n < RAW_REQUEST_MAX - 1) {
        ssize_t got = read(fd, to + n, RAW_REQUEST_MAX - 1 - n);
        if (got <= 0)
            break;
        n += (size_t)got;
        to[n] = '\0';
        const char *end = strstr(to, "\r\n\r\n"), *length = strcasestr(to, "content-length:");
        if (end == NULL)
            continue;
        want = (size_t)(end - to) + 4;
        if (length && length < end)
            want += strtoul(length + 15, NULL, 10);
        if (n >= want)
            break;
    }
    to[n] = '\0';
    bed_turn();
    return n;
}

UNUSED static void raw_run(void *context)
{
    struct raw *r = context;
    for (;;) {
        int fd = accept(r->listener, NULL, NULL);
        if (fd < 0 || atomic_load(&r->ends)) {
            if (fd >= 0)
                close(fd);
            return;
        }
        struct timeval limit = {.tv_sec = LOOPBACK_PATIENCE_S};
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        size_t n = raw_hear(fd, r->last);
        if (r->answer)
            r->answer(r, r->served, str_of(r->last, n), fd);
        else
            raw_say(fd, r->text);
        r->served++;
        shutdown(fd, SHUT_WR);
        close(fd);
    }
}

UNUSED static void raw_start(struct raw *r)
{
    r->listener = loopback_listen(&r->port);
    int flags = fcntl(r->listener, F_GETFL);
    assert_int_equal(fcntl(r->listener, F_SETFL, flags & ~O_NONBLOCK), 0);
    snprintf(r->url, sizeof r->url, "http://127.0.0.1:%u", r->port);
    thread_start(&r->thread, "raw", raw_run, r);
}

UNUSED static void raw_stop(struct raw *r)
{
    atomic_store(&r->ends, true);
    int fd = loopback_dial(r->port);
    close(fd);
    thread_join(&r->thread);
    close(r->listener);
}

#endif
