#include "net/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "net/address.h"
#include "net/http.h"
#include "os/thread.h"

static struct {
    struct loop *loop;
    struct http_server *server;
    struct thread thread;
    struct address tcp, local;
} site;

static void on_show(struct http_request *r, void *context)
{
    struct str a = STR("");
    (void)http_param(r, STR("a"), &a);
    struct str text =
        arena_printf(http_arena(r), "%d " STR_FMT " " STR_FMT " " STR_FMT, http_method(r),
                     STR_ARG(a), STR_ARG(http_header(r, STR("x-own"))), STR_ARG(http_body(r)));
    http_reply_header(r, STR("X-Answer"), STR("yes"));
    http_reply(r, 200, STR("text/plain"), text);
}

static void on_long(struct http_request *r, void *context)
{
    http_reply_begin(r, 200, STR("text/plain"));
    for (int i = 0; i < 50000; i++)
        http_reply_put(r, STR("0123456789"));
    http_reply_end(r);
}

static void on_never(struct http_request *r, void *context)
{
    *(struct http_request **)context = r;
}

static struct http_request *kept;

static int start(void **state)
{
    static const struct http_route routes[] = {
        {HTTP_GET | HTTP_POST | HTTP_PUT, "/show", 1000000, on_show, NULL},
        {HTTP_GET, "/long", 0, on_long, NULL},
        {HTTP_GET, "/never", 0, on_never, &kept}};
    static const struct http_config config = {.routes = routes, .routes_n = COUNTOF(routes)};
    char text[100];
    int fds[2];
    snprintf(text, sizeof text, "unix:/tmp/sonde-client-test-%d", (int)getpid());
    assert_int_equal(address_parse(str_c(text), &site.local, NULL), 0);
    assert_int_equal(address_parse(STR("127.0.0.1:0"), &site.tcp, NULL), 0);
    assert_int_equal(address_listen(&site.local, 1, &fds[0], NULL), 0);
    assert_int_equal(address_listen(&site.tcp, 1, &fds[1], NULL), 0);
    assert_int_equal(loop_new(&site.loop), 0);
    assert_int_equal(http_server_new(site.loop, &config, &site.server), 0);
    assert_int_equal(http_server_listen(site.server, fds[0]), 0);
    assert_int_equal(http_server_listen(site.server, fds[1]), 0);
    thread_start(&site.thread, "site", (void (*)(void *))loop_run, site.loop);
    return 0;
}

static int stop(void **state)
{
    loop_stop(site.loop);
    thread_join(&site.thread);
    http_server_free(site.server);
    if (kept) /* unanswered until now: it outlives the server */
        http_reply(kept, 200, STR(""), STR(""));
    loop_free(site.loop);
    unlink(site.local.text + 5);
    return 0;
}

static const char *url(const char *path)
{
    static char text[200];
    snprintf(text, sizeof text, "http://%s%s", site.tcp.text, path);
    return text;
}

static void assert_body(const struct client_reply *reply, const char *want)
{
    if (!str_eq(buf_str(&reply->body), str_c(want)))
        fail_msg("have \"" STR_FMT "\", want \"%s\"", STR_ARG(buf_str(&reply->body)), want);
}

static void get_and_post_bring_status_headers_and_body(void **state)
{
    struct client_reply reply;
    assert_int_equal(client_get(url("/show?a=b%20c"), &reply, NULL), 0);
    assert_int_equal(reply.status, 200);
    assert_body(&reply, "1 b c  ");
    assert_true(str_eq(client_reply_header(&reply, STR("x-answer")), STR("yes")));
    assert_int_equal(client_reply_header(&reply, STR("x-other")).n, 0);
    client_reply_done(&reply);
    assert_int_equal(
        client_post(url("/show"), "application/x-www-form-urlencoded", STR("a=7"), &reply, NULL),
        0);
    assert_body(&reply, "2 7  a=7");
    client_reply_done(&reply);
    assert_int_equal(client_get(url("/nowhere"), &reply, NULL), 0);
    assert_int_equal(reply.status, 404);
    client_reply_done(&reply);
}

static void a_unix_socket_and_own_headers_are_used(void **state)
{
    const char *const headers[] = {"X-Own: mine"};
    struct client_request request = {.url = "http://localhost/show",
                                     .method = "PUT",
                                     .unix_path = site.local.text + 5,
                                     .headers = headers,
                                     .headers_n = 1,
                                     .body = STR("body")};
    struct client_reply reply;
    assert_int_equal(client_send(&request, &reply, NULL), 0);
    assert_body(&reply, "4  mine body");
    client_reply_done(&reply);
}

static void long_answers_are_unpacked_and_capped(void **state)
{
    struct client_reply reply;
    struct why why;
    assert_int_equal(client_get(url("/long"), &reply, NULL), 0);
    assert_int_equal(reply.body.n, 500000);
    assert_true(str_eq(client_reply_header(&reply, STR("content-encoding")), STR("gzip")));
    client_reply_done(&reply);
    struct client_request request = {.url = url("/long"), .body_max = 499999};
    assert_int_equal(client_send(&request, &reply, &why), -ERR_LIMIT);
}

static void failures_are_told_apart(void **state)
{
    struct client_reply reply;
    struct why why;
    struct address free_port;
    int fd;
    assert_int_equal(address_parse(STR("127.0.0.1:0"), &free_port, NULL), 0);
    assert_int_equal(address_listen(&free_port, 1, &fd, NULL), 0);
    close(fd);
    char text[200];
    snprintf(text, sizeof text, "http://%s/", free_port.text);
    assert_int_equal(client_get(text, &reply, &why), -ERR_CLOSED);
    assert_int_equal(client_get("ftp://127.0.0.1/", &reply, &why), -ERR_FORMAT);
    struct client_request request = {.url = url("/never"), .timeout_ms = 100};
    assert_int_equal(client_send(&request, &reply, &why), -ERR_TIMEOUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(get_and_post_bring_status_headers_and_body),
        cmocka_unit_test(a_unix_socket_and_own_headers_are_used),
        cmocka_unit_test(long_answers_are_unpacked_and_capped),
        cmocka_unit_test(failures_are_told_apart),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
