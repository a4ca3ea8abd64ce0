/* net/http_test_client.h - the client of http_test.c, and the server that it speaks to: raw bytes
 * to it and all that comes back.
 *
 * Threads: the test's.
 */
#ifndef NET_HTTP_TEST_CLIENT_H
#define NET_HTTP_TEST_CLIENT_H

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "net/http.h"
#include "os/thread.h"

/* The server on a thread of its own, which http_test.c starts and looks into. */
static struct {
    struct loop *loop;
    struct http_server *server;
    struct thread thread;
    uint16_t port;
    _Atomic int handled, gone_seen, slow_started;
    struct http_request *_Atomic held;
    struct buf large;
} site;

static int dial(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                            .sin_port = htons(site.port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {.tv_sec = 10};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void say(int fd, struct str text)
{
    while (text.n > 0) {
        ssize_t n = send(fd, text.p, text.n, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        text = str_sub(text, (size_t)n, text.n);
    }
}

static struct buf heard;

/* All that comes until the server closes. */
static struct str hear_all(int fd)
{
    buf_done(&heard);
    buf_init(&heard, 256 * 1024 * 1024);
    for (;;) {
        ssize_t n = read(fd, buf_reserve(&heard, 65536), 65536);
        if (n <= 0)
            break;
        buf_commit(&heard, (size_t)n);
    }
    close(fd);
    return buf_str(&heard);
}

/* Sends text, says that nothing follows, and gives all answers. */
static struct str ask(struct str text)
{
    int fd = dial();
    say(fd, text);
    shutdown(fd, SHUT_WR);
    return hear_all(fd);
}

#define ASK(literal) ask(STR(literal))

UNUSED static int status_of(struct str answer)
{
    if (!str_starts(answer, STR("HTTP/1.1 ")))
        return 0;
    int64_t status = 0;
    return str_i64(str_sub(answer, 9, 12), &status) ? (int)status : 0;
}

UNUSED static struct str body_of(struct str answer)
{
    size_t at = str_search(answer, STR("\r\n\r\n"));
    return str_sub(answer, at + 4, answer.n);
}

UNUSED static bool has(struct str answer, const char *text)
{
    return str_search(answer, str_c(text)) < answer.n;
}

UNUSED static size_t count_of(struct str answer, struct str text)
{
    size_t n = 0;
    for (;;) {
        size_t at = str_search(answer, text);
        if (at == answer.n)
            return n;
        n++;
        answer = str_sub(answer, at + text.n, answer.n);
    }
}

UNUSED static void assert_text(struct str have, const char *want)
{
    if (!str_eq(have, str_c(want)))
        fail_msg("have \"" STR_FMT "\", want \"%s\"", STR_ARG(have), want);
}

#endif
