/* net/loopback_test.h - an HTTP server on a thread of its own and a free port of loopback, and raw
 * bytes to it and back. Included by tests only.
 *
 * Threads: the server's loop runs on its own; the rest is the test's.
 */
#ifndef NET_LOOPBACK_TEST_H
#define NET_LOOPBACK_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buf.h"
#include "net/http.h"
#include "os/thread.h"

enum { LOOPBACK_BACKLOG = 1024, LOOPBACK_PATIENCE_S = 10, LOOPBACK_PIECE = 65536 };

struct loopback {
    struct loop *loop;
    struct http_server *server;
    struct thread thread;
    uint16_t port;
};

/* A socket that listens. */
static inline int loopback_listen(uint16_t *ret_port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, LOOPBACK_BACKLOG), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    *ret_port = ntohs(a.sin_port);
    return fd;
}

static inline void loopback_run(void *context)
{
    struct loopback *l = context;
    loop_run(l->loop);
}

/* l and what config names outlive the server. */
static inline void loopback_start(struct loopback *l, const struct http_config *config)
{
    assert_int_equal(loop_new(&l->loop), 0);
    assert_int_equal(http_server_new(l->loop, config, &l->server), 0);
    assert_int_equal(http_server_listen(l->server, loopback_listen(&l->port)), 0);
    thread_start(&l->thread, "site", loopback_run, l);
}

/* Once the loop has ended. */
static inline void loopback_free(struct loopback *l)
{
    http_server_free(l->server);
    loop_free(l->loop);
}

static inline void loopback_stop(struct loopback *l)
{
    loop_stop(l->loop);
    thread_join(&l->thread);
    loopback_free(l);
}

/* A connection whose reads give up after a while. */
static inline int loopback_dial(uint16_t port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    struct timeval limit = {.tv_sec = LOOPBACK_PATIENCE_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

/* Sends text; ends early where the server does not want the rest. */
static inline void loopback_say(int fd, struct str text)
{
    while (text.n > 0) {
        ssize_t n = send(fd, text.p, text.n, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        text = str_sub(text, (size_t)n, text.n);
    }
}

/* Adds all that comes until the server closes, and closes too. */
static inline void loopback_hear(int fd, struct buf *to)
{
    for (;;) {
        char *room = buf_reserve(to, LOOPBACK_PIECE);
        assert_non_null(room);
        ssize_t n = read(fd, room, LOOPBACK_PIECE);
        if (n <= 0)
            break;
        buf_commit(to, (size_t)n);
    }
    close(fd);
}

#endif
