#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "os/datagram.h"
#include "os/thread.h"

enum { SECOND_NS = 1000000000 };

/* A pair of connected sockets; [0] is read and does not block. */
static void pair(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
}

static struct datagram_reader *reader_of(const int *fds, size_t n)
{
    struct datagram_reader *r;
    struct why why;
    assert_int_equal(datagram_reader_new(fds, n, &r, &why), 0);
    return r;
}

static void datagrams_come_whole_and_in_their_order(void **state)
{
    int fds[2];
    pair(fds);
    struct datagram_reader *r = reader_of(fds, 1);
    assert_int_equal(send(fds[1], "one", 3, 0), 3);
    assert_int_equal(send(fds[1], "", 0, 0), 0);
    assert_int_equal(send(fds[1], "three\n", 6, 0), 6);
    const struct str *v;
    uint64_t cut = 0;
    assert_true(datagram_wait(r, SECOND_NS));
    assert_int_equal(datagram_read(r, &v, &cut), 3);
    assert_true(str_eq(v[0], STR("one")) && v[1].n == 0 && str_eq(v[2], STR("three\n")));
    assert_int_equal(datagram_read(r, &v, &cut), 0);
    assert_int_equal(cut, 0);
    datagram_reader_free(r);
    close(fds[0]);
    close(fds[1]);
}

static void all_sockets_are_read(void **state)
{
    int a[2], b[2];
    pair(a);
    pair(b);
    struct datagram_reader *r = reader_of((const int[]){a[0], b[0]}, 2);
    size_t seen[2] = {0};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(send(a[1], "a", 1, 0), 1);
        assert_int_equal(send(b[1], "b", 1, 0), 1);
    }
    const struct str *v;
    uint64_t cut = 0;
    assert_true(datagram_wait(r, SECOND_NS));
    for (size_t n; (n = datagram_read(r, &v, &cut)) > 0;)
        for (size_t i = 0; i < n; i++)
            seen[v[i].p[0] == 'b']++;
    assert_int_equal(seen[0], 5);
    assert_int_equal(seen[1], 5);
    datagram_reader_free(r);
    for (int i = 0; i < 2; i++) {
        close(a[i]);
        close(b[i]);
    }
}

static void a_datagram_that_is_too_long_is_counted_and_left_out(void **state)
{
    static char bytes[DATAGRAM_BYTES_MAX + 1];
    int fds[2], size = 1 << 20;
    pair(fds);
    assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    struct datagram_reader *r = reader_of(fds, 1);
    assert_int_equal(send(fds[1], bytes, sizeof bytes, 0), (ssize_t)sizeof bytes);
    assert_int_equal(send(fds[1], bytes, DATAGRAM_BYTES_MAX, 0), DATAGRAM_BYTES_MAX);
    const struct str *v;
    uint64_t cut = 0;
    assert_true(datagram_wait(r, SECOND_NS));
    assert_int_equal(datagram_read(r, &v, &cut), 1);
    assert_int_equal(v[0].n, DATAGRAM_BYTES_MAX);
    assert_int_equal(cut, 1);
    datagram_reader_free(r);
    close(fds[0]);
    close(fds[1]);
}

static void waiting_ends_when_the_time_is_over(void **state)
{
    int fds[2];
    pair(fds);
    struct datagram_reader *r = reader_of(fds, 1);
    int64_t begin = clock_monotonic_ns(&clock_real);
    assert_false(datagram_wait(r, 20 * 1000000));
    assert_true(clock_monotonic_ns(&clock_real) - begin >= 19 * 1000000);
    datagram_reader_free(r);
    close(fds[0]);
    close(fds[1]);
}

static void wake_later(void *context)
{
    usleep(10000);
    datagram_wake(context);
}

static void another_thread_can_end_the_waiting(void **state)
{
    int fds[2];
    pair(fds);
    struct datagram_reader *r = reader_of(fds, 1);
    struct thread t = {0};
    int64_t begin = clock_monotonic_ns(&clock_real);
    thread_start(&t, "waker", wake_later, r);
    assert_false(datagram_wait(r, 20LL * SECOND_NS));
    assert_true(clock_monotonic_ns(&clock_real) - begin < 10LL * SECOND_NS);
    thread_join(&t);
    datagram_reader_free(r);
    close(fds[0]);
    close(fds[1]);
}

static void what_the_kernel_drops_is_counted(void **state)
{
    int in = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int out = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), size = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    assert_int_equal(setsockopt(in, SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
    assert_int_equal(bind(in, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(in, (struct sockaddr *)&a, &n), 0);
    assert_int_equal(connect(out, (struct sockaddr *)&a, sizeof a), 0);
    struct datagram_reader *r = reader_of(&in, 1);
    assert_int_equal(datagram_dropped(r), 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(send(out, "abc", 3, 0), 3);
    const struct str *v;
    uint64_t cut = 0, read_n = 0;
    (void)datagram_wait(r, SECOND_NS);
    for (size_t k; (k = datagram_read(r, &v, &cut)) > 0;)
        read_n += k;
    assert_true(datagram_dropped(r) > 0);
    assert_int_equal(read_n + datagram_dropped(r), 1000);
    datagram_reader_free(r);
    close(in);
    close(out);
}

static void a_queue_gets_longer_than_by_default(void **state)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), before, after;
    socklen_t n = sizeof before;
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &before, &n), 0);
    datagram_queue(fd);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &after, &n), 0);
    assert_true(after > before);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datagrams_come_whole_and_in_their_order),
        cmocka_unit_test(all_sockets_are_read),
        cmocka_unit_test(a_datagram_that_is_too_long_is_counted_and_left_out),
        cmocka_unit_test(waiting_ends_when_the_time_is_over),
        cmocka_unit_test(another_thread_can_end_the_waiting),
        cmocka_unit_test(what_the_kernel_drops_is_counted),
        cmocka_unit_test(a_queue_gets_longer_than_by_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
