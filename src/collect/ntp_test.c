/* The collector ntp against a stand-in for a time server on loopback. */
#include "collect/fixture_test.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

enum { PACKET = 48, ANSWER_MS = 3000 };

struct server {
    int fd;
    int ahead_s; /* how far its clock is before ours */
    unsigned char leap, stratum;
    bool forged; /* sends an answer to another question first */
    bool silent;
    pthread_t thread;
};

static void put_time(unsigned char *p, double t)
{
    uint32_t s = (uint32_t)(uint64_t)t, f = (uint32_t)((t - (double)(uint64_t)t) * 4294967296.0);
    for (int i = 0; i < 4; i++) {
        p[i] = (unsigned char)(s >> 8 * (3 - i));
        p[4 + i] = (unsigned char)(f >> 8 * (3 - i));
    }
}

static void *serve(void *context)
{
    struct server *s = context;
    unsigned char in[PACKET], out[PACKET] = {0};
    struct sockaddr_in from;
    socklen_t n = sizeof from;
    struct pollfd p = {.fd = s->fd, .events = POLLIN};
    if (poll(&p, 1, ANSWER_MS) != 1 ||
        recvfrom(s->fd, in, sizeof in, 0, (struct sockaddr *)&from, &n) != PACKET || s->silent)
        return NULL;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    double now = (double)t.tv_sec + (double)t.tv_nsec / 1e9 + 2208988800.0 + s->ahead_s;
    out[0] = (unsigned char)(s->leap << 6 | 4 << 3 | 4);
    out[1] = s->stratum;
    out[5] = 1;  /* root delay: 1 of 65536 parts of 256 s */
    out[10] = 1; /* root dispersion: 256 / 65536 s */
    put_time(out + 16, now - 60);
    memcpy(out + 24, in + 40, 8);
    put_time(out + 32, now);
    put_time(out + 40, now);
    if (s->forged) {
        out[24] ^= 1;
        (void)!sendto(s->fd, out, sizeof out, 0, (struct sockaddr *)&from, n);
        out[24] ^= 1;
    }
    (void)!sendto(s->fd, out, sizeof out, 0, (struct sockaddr *)&from, n);
    return NULL;
}

static void start(struct server *s)
{
    static char place[32];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    s->fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&a, &n), 0);
    snprintf(place, sizeof place, "127.0.0.1:%u", ntohs(a.sin_port));
    settings.ntp_server = place;
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(struct server *s)
{
    pthread_join(s->thread, NULL);
    close(s->fd);
}

static void a_server_ahead_of_us_shows_as_offset(void **state)
{
    (void)state;
    struct server s = {.ahead_s = 100, .stratum = 2, .forged = true};
    struct use u;
    start(&s);
    use_open(&u, &ntp_collector);
    assert_int_equal(use_run(&u), 0);
    stop(&s);
    double offset = value_of(&u, "node_ntp_offset_seconds");
    assert_true(offset > 99.5 && offset < 100.5);
    assert_true(value_of(&u, "node_ntp_stratum") == 2);
    assert_true(value_of(&u, "node_ntp_leap") == 0);
    assert_true(value_of(&u, "node_ntp_rtt_seconds") >= 0);
    assert_true(value_of(&u, "node_ntp_rtt_seconds") < 1);
    assert_near(value_of(&u, "node_ntp_root_delay_seconds"), 1);
    assert_near(value_of(&u, "node_ntp_root_dispersion_seconds"), 1.0 / 256);
    double age = (double)time(NULL) + 100 - value_of(&u, "node_ntp_reference_timestamp_seconds");
    assert_true(age > 58 && age < 62);
    assert_true(value_of(&u, "node_ntp_sanity") == 0); /* its answer came before our question */
    use_close(&u);
}

static void only_a_server_in_step_is_sane(void **state)
{
    (void)state;
    static const struct {
        unsigned char leap, stratum;
        double sane;
    } CASES[] = {{0, 1, 1}, {3, 1, 0}, {0, 16, 0}, {0, 0, 0}};
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        struct server s = {.leap = CASES[i].leap, .stratum = CASES[i].stratum};
        struct use u;
        start(&s);
        use_open(&u, &ntp_collector);
        assert_int_equal(use_run(&u), 0);
        stop(&s);
        assert_true(value_of(&u, "node_ntp_sanity") == CASES[i].sane);
        use_close(&u);
    }
}

static void a_silent_server_is_left_after_a_second(void **state)
{
    (void)state;
    struct server s = {.silent = true};
    struct use u;
    start(&s);
    use_open(&u, &ntp_collector);
    assert_int_equal(use_run(&u), -ERR_TIMEOUT);
    assert_int_equal(u.e.n, 0);
    stop(&s);
    use_close(&u);
}

static void without_a_server_nothing_is_asked_and_names_are_refused(void **state)
{
    (void)state;
    assert_fails(&ntp_collector, -ERR_NOENT);
    settings.ntp_server = "pool.example.org";
    assert_fails(&ntp_collector, -ERR_FORMAT);
    settings.ntp_server = "127.0.0.1:99999";
    assert_fails(&ntp_collector, -ERR_FORMAT);
    settings.ntp_server = "[::1";
    assert_fails(&ntp_collector, -ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_server_ahead_of_us_shows_as_offset, prepare, clear),
        cmocka_unit_test_setup_teardown(only_a_server_in_step_is_sane, prepare, clear),
        cmocka_unit_test_setup_teardown(a_silent_server_is_left_after_a_second, prepare, clear),
        cmocka_unit_test_setup_teardown(without_a_server_nothing_is_asked_and_names_are_refused,
                                        prepare, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
