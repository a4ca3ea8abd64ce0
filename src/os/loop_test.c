#include "os/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "os/thread.h"

enum { POSTS = 2000, POSTERS = 3, BULK = 8 * 1024 * 1024 };

/* ---- work from other threads */

struct counting {
    struct loop *loop;
    struct thread threads[POSTERS];
    int seen, last[POSTERS];
    bool in_order;
};

struct ticket {
    struct counting *counting;
    int poster, number;
};

static void count(void *context)
{
    struct ticket *t = context;
    struct counting *c = t->counting;
    c->in_order = c->in_order && t->number == c->last[t->poster] + 1;
    c->last[t->poster] = t->number;
    if (++c->seen == POSTS * POSTERS)
        loop_stop(c->loop);
    mem_free(t);
}

static void post_many(void *context)
{
    struct counting *c = context;
    static _Atomic int posters;
    int me = atomic_fetch_add(&posters, 1) % POSTERS;
    for (int i = 1; i <= POSTS; i++) {
        struct ticket *t = mem_new(sizeof *t);
        *t = (struct ticket){c, me, i};
        loop_post(c->loop, count, t);
    }
}

static void work_posted_by_threads_runs_in_order_and_none_is_lost(void **state)
{
    struct counting c = {.in_order = true};
    assert_int_equal(loop_new(&c.loop), 0);
    for (int i = 0; i < POSTERS; i++)
        thread_start(&c.threads[i], "poster", post_many, &c);
    loop_run(c.loop);
    for (int i = 0; i < POSTERS; i++)
        thread_join(&c.threads[i]);
    assert_int_equal(c.seen, POSTS * POSTERS);
    assert_true(c.in_order);
    loop_free(c.loop);
}

static void note(void *context)
{
    ++*(int *)context;
}

static void work_posted_after_the_last_round_is_done_when_the_loop_is_freed(void **state)
{
    struct loop *l;
    int n = 0;
    assert_int_equal(loop_new(&l), 0);
    loop_stop(l);
    loop_run(l);
    loop_post(l, note, &n);
    loop_stop(l);
    loop_free(l);
    assert_int_equal(n, 1);
}

/* ---- timers and signals */

struct ticking {
    struct loop *loop;
    struct timer *timer;
    int ticks, until;
};

static void tick(void *context)
{
    struct ticking *t = context;
    if (++t->ticks == t->until)
        loop_stop(t->loop);
}

static void a_timer_comes_once_or_again_and_again(void **state)
{
    struct ticking t = {.until = 3};
    assert_int_equal(loop_new(&t.loop), 0);
    t.timer = timer_new(t.loop, 1, 1, tick, &t);
    loop_run(t.loop);
    assert_int_equal(t.ticks, 3);

    t.until = 5;
    timer_again(t.timer, 1, 0);
    struct ticking end = {.loop = t.loop, .until = 1};
    struct timer *last = timer_new(t.loop, 50, 0, tick, &end);
    int64_t before = loop_now_ms(t.loop);
    loop_run(t.loop);
    assert_int_equal(t.ticks, 4);
    assert_true(loop_now_ms(t.loop) - before >= 49);
    timer_free(last);
    timer_free(t.timer);
    timer_free(NULL);
    loop_free(t.loop);
}

static void a_signal_is_heard_on_the_loop(void **state)
{
    struct ticking t = {.until = 1};
    assert_int_equal(loop_new(&t.loop), 0);
    struct signal_watch *w = signal_watch_new(t.loop, SIGUSR1, tick, &t);
    assert_int_equal(raise(SIGUSR1), 0);
    loop_run(t.loop);
    assert_int_equal(t.ticks, 1);
    signal_watch_free(w);
    signal_watch_free(NULL);
    loop_free(t.loop);
}

/* ---- streams: a server that does what the test wants with one connection */

struct serving {
    struct loop *loop;
    struct listener *listener;
    struct stream *stream;
    struct sockaddr_storage address;
    socklen_t address_n;
    int fd;
    const struct stream_events *events;
    struct thread client;
    void (*talk)(int fd);
    char room[4096];
    size_t got, released;
    int closed_with;
    bool drained, refuse_room, stop_at_drained;
    char *bulk;
    char peer[64];
};

static void stop_serving(struct serving *s)
{
    stream_free(s->stream);
    s->stream = NULL;
    listener_free(s->listener);
    s->listener = NULL;
    loop_stop(s->loop);
}

static char *on_room(void *context, size_t *ret)
{
    struct serving *s = context;
    *ret = sizeof s->room;
    return s->refuse_room ? NULL : s->room;
}

static void on_echo(void *context, size_t n)
{
    struct serving *s = context;
    s->got += n;
    struct str parts[] = {STR("<"), str_of(s->room, n), STR(""), STR(">")};
    assert_int_equal(stream_write(s->stream, parts, COUNTOF(parts)), 0);
}

static void on_closed(void *context, int err)
{
    struct serving *s = context;
    s->closed_with = err;
    stop_serving(s);
}

static void on_drained(void *context)
{
    struct serving *s = context;
    s->drained = true;
    if (s->stop_at_drained)
        stop_serving(s);
}

static const struct stream_events echo_events = {on_room, on_echo, on_closed, on_drained};

static void on_accepted(void *context, struct stream *stream)
{
    struct serving *s = context;
    s->stream = stream;
    snprintf(s->peer, sizeof s->peer, "%s", stream_peer(stream));
    stream_start(stream, s->events, s);
}

static void client_main(void *context)
{
    struct serving *s = context;
    int fd = socket(s->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {.tv_sec = 10};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&s->address, s->address_n) == 0)
        s->talk(fd);
    close(fd);
}

static int listening_tcp(struct serving *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    s->address_n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&s->address, &s->address_n), 0);
    return fd;
}

static void serve(struct serving *s, int fd)
{
    assert_int_equal(loop_new(&s->loop), 0);
    if (!s->events)
        s->events = &echo_events;
    assert_int_equal(listener_open(s->loop, fd, on_accepted, s, &s->listener), 0);
    thread_start(&s->client, "client", client_main, s);
    loop_run(s->loop);
    thread_join(&s->client);
    loop_free(s->loop);
}

static char heard[64];
static size_t heard_n;

static void say_hello(int fd)
{
    heard_n = 0;
    assert_int_equal(write(fd, "hello", 5), 5);
    while (heard_n < 7) {
        ssize_t n = read(fd, heard + heard_n, sizeof heard - heard_n);
        if (n <= 0)
            break;
        heard_n += (size_t)n;
    }
}

static void what_a_client_says_is_read_and_answered(void **state)
{
    struct serving s = {.talk = say_hello};
    serve(&s, listening_tcp(&s));
    assert_int_equal(s.got, 5);
    assert_int_equal(s.closed_with, -ERR_CLOSED);
    assert_int_equal(heard_n, 7);
    assert_memory_equal(heard, "<hello>", 7);
    assert_int_equal(strncmp(s.peer, "127.0.0.1:", 10), 0);
}

static void a_unix_socket_serves_as_well(void **state)
{
    struct serving s = {.talk = say_hello};
    struct sockaddr_un *a = (struct sockaddr_un *)&s.address;
    a->sun_family = AF_UNIX;
    snprintf(a->sun_path, sizeof a->sun_path, "/tmp/sonde-loop-test-%d", (int)getpid());
    s.address_n = sizeof *a;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)a, sizeof *a), 0);
    assert_int_equal(listen(fd, 8), 0);
    serve(&s, fd);
    unlink(a->sun_path);
    assert_int_equal(heard_n, 7);
    assert_string_equal(s.peer, "unix");
}

/* ---- more than the socket takes at once */

static void release(void *owner)
{
    ++*(size_t *)owner;
}

static void on_bulk(void *context, size_t n)
{
    struct serving *s = context;
    struct str half = str_of(s->bulk, BULK / 2);
    assert_int_equal(stream_write(s->stream, &half, 1), 0);
    assert_true(stream_queued(s->stream) > 0);
    assert_int_equal(
        stream_write_shared(s->stream, str_of(s->bulk + BULK / 2, BULK / 2), release, &s->released),
        0);
    assert_int_equal(s->released, 0);
    s->stop_at_drained = true;
}

static uint64_t bulk_sum;
static size_t bulk_n;

static void read_bulk(int fd)
{
    static char to[65536];
    bulk_sum = bulk_n = 0;
    assert_int_equal(write(fd, "x", 1), 1);
    usleep(20000); /* the socket fills meanwhile */
    for (ssize_t n; (n = read(fd, to, sizeof to)) > 0; bulk_n += (size_t)n) {
        for (ssize_t i = 0; i < n; i++)
            bulk_sum += (uint64_t)(unsigned char)to[i] * (bulk_n + (size_t)i);
    }
}

static void much_is_queued_and_arrives_whole(void **state)
{
    static const struct stream_events events = {on_room, on_bulk, on_closed, on_drained};
    struct serving s = {.talk = read_bulk, .events = &events, .bulk = mem_raw(BULK)};
    uint64_t sum = 0;
    for (size_t i = 0; i < BULK; i++) {
        s.bulk[i] = (char)(i * 31 >> 3);
        sum += (uint64_t)(unsigned char)s.bulk[i] * i;
    }
    serve(&s, listening_tcp(&s));
    assert_true(s.drained);
    assert_int_equal(s.released, 1);
    assert_int_equal(bulk_n, BULK);
    assert_true(bulk_sum == sum);
    mem_free(s.bulk);
}

/* ---- the goodbye */

static void on_answer_and_leave(void *context, size_t n)
{
    struct serving *s = context;
    struct str half = str_of(s->bulk, BULK);
    assert_int_equal(stream_write(s->stream, &half, 1), 0);
    stop_serving(s);
}

static void send_more_than_is_read(int fd)
{
    static char rubbish[100000];
    assert_int_equal(send(fd, rubbish, sizeof rubbish, MSG_NOSIGNAL), sizeof rubbish);
    static char to[65536];
    bulk_n = 0;
    for (ssize_t n; (n = read(fd, to, sizeof to)) > 0;)
        bulk_n += (size_t)n;
    bulk_sum = 1;
}

static void stop_later(void *context)
{
    loop_stop(context);
}

static void on_answer_and_wait(void *context, size_t n)
{
    struct serving *s = context;
    struct str all = str_of(s->bulk, BULK);
    assert_int_equal(stream_write(s->stream, &all, 1), 0);
    stream_free(s->stream);
    s->stream = NULL;
    listener_free(s->listener);
    s->listener = NULL;
}

static void a_freed_stream_still_sends_what_is_queued(void **state)
{
    static const struct stream_events events = {on_room, on_answer_and_wait, on_closed, NULL};
    struct serving s = {.talk = send_more_than_is_read, .events = &events, .bulk = mem_new(BULK)};
    int fd = listening_tcp(&s);
    assert_int_equal(loop_new(&s.loop), 0);
    assert_int_equal(listener_open(s.loop, fd, on_accepted, &s, &s.listener), 0);
    thread_start(&s.client, "client", client_main, &s);
    struct timer *end = timer_new(s.loop, 700, 0, stop_later, s.loop);
    loop_run(s.loop);
    thread_join(&s.client);
    timer_free(end);
    loop_free(s.loop);
    assert_int_equal(bulk_n, BULK);
    mem_free(s.bulk);
}

static void a_loop_may_be_freed_while_a_stream_says_goodbye(void **state)
{
    static const struct stream_events events = {on_room, on_answer_and_leave, on_closed, NULL};
    struct serving s = {.talk = send_more_than_is_read, .events = &events, .bulk = mem_new(BULK)};
    bulk_sum = 0;
    int fd = listening_tcp(&s);
    assert_int_equal(loop_new(&s.loop), 0);
    assert_int_equal(listener_open(s.loop, fd, on_accepted, &s, &s.listener), 0);
    thread_start(&s.client, "client", client_main, &s);
    loop_run(s.loop);
    loop_free(s.loop);
    thread_join(&s.client);
    assert_true(bulk_n <= BULK);
    assert_int_equal(bulk_sum, 1);
    mem_free(s.bulk);
}

/* ---- pausing */

static void make_room(void *context)
{
    struct serving *s = context;
    assert_int_equal(s->got, 0);
    s->refuse_room = false;
    stream_resume(s->stream);
}

static void no_room_pauses_reading_until_resumed(void **state)
{
    struct serving s = {.talk = say_hello, .refuse_room = true, .events = &echo_events};
    int fd = listening_tcp(&s);
    assert_int_equal(loop_new(&s.loop), 0);
    assert_int_equal(listener_open(s.loop, fd, on_accepted, &s, &s.listener), 0);
    struct timer *later = timer_new(s.loop, 60, 0, make_room, &s);
    thread_start(&s.client, "client", client_main, &s);
    loop_run(s.loop);
    thread_join(&s.client);
    timer_free(later);
    loop_free(s.loop);
    assert_int_equal(s.got, 5);
    assert_int_equal(heard_n, 7);
}

static void reset(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(write(fd, "x", 1), 1);
    usleep(20000);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

static void on_nothing(void *context, size_t n)
{
}

static void a_reset_connection_is_reported_and_writes_to_it_fail(void **state)
{
    static const struct stream_events events = {on_room, on_nothing, on_closed, NULL};
    struct serving s = {.talk = reset, .events = &events};
    serve(&s, listening_tcp(&s));
    assert_int_not_equal(s.closed_with, 0);
}

static void a_descriptor_that_is_no_socket_is_refused(void **state)
{
    struct loop *l;
    struct listener *listener = NULL;
    assert_int_equal(loop_new(&l), 0);
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_true(listener_open(l, fds[0], on_accepted, NULL, &listener) < 0);
    assert_null(listener);
    close(fds[0]);
    close(fds[1]);
    loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_posted_by_threads_runs_in_order_and_none_is_lost),
        cmocka_unit_test(work_posted_after_the_last_round_is_done_when_the_loop_is_freed),
        cmocka_unit_test(a_timer_comes_once_or_again_and_again),
        cmocka_unit_test(a_signal_is_heard_on_the_loop),
        cmocka_unit_test(what_a_client_says_is_read_and_answered),
        cmocka_unit_test(a_unix_socket_serves_as_well),
        cmocka_unit_test(much_is_queued_and_arrives_whole),
        cmocka_unit_test(a_freed_stream_still_sends_what_is_queued),
        cmocka_unit_test(a_loop_may_be_freed_while_a_stream_says_goodbye),
        cmocka_unit_test(no_room_pauses_reading_until_resumed),
        cmocka_unit_test(a_reset_connection_is_reported_and_writes_to_it_fail),
        cmocka_unit_test(a_descriptor_that_is_no_socket_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
