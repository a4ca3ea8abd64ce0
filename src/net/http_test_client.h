/* net/http_test_client.h - the client of http_test.c, and the server that it speaks to: raw bytes
 * to it and all that comes back.
 *
 * Threads: the test's.
 */
#ifndef NET_HTTP_TEST_CLIENT_H
#define NET_HTTP_TEST_CLIENT_H

#include <stdatomic.h>

#include "net/loopback_test.h"

/* The server on a thread of its own, which http_test.c starts and looks into. */
static struct {
    struct loopback at;
    _Atomic int handled, gone_seen, slow_started;
    struct http_request *_Atomic held;
    struct buf large;
} site;

static int dial(void)
{
    return loopback_dial(site.at.port);
}

static struct buf heard;

/* All that comes until the server closes. */
static struct str hear_all(int fd)
{
    buf_done(&heard);
    buf_init(&heard, 256 * 1024 * 1024);
    loopback_hear(fd, &heard);
    return buf_str(&heard);
}

/* Sends text, says that nothing follows, and gives all answers. */
static struct str ask(struct str text)
{
    int fd = dial();
    loopback_say(fd, text);
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
