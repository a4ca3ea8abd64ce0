#include "discover/testbed_test.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/dns.h"

/* A name server of a few answers: SRV of _http.example.org, A of a.example.org, and what is said
 * otherwise does not exist, or, when down, is a failure. */
struct server {
    int fd;
    uint16_t port;
    pthread_t thread;
    _Atomic int mode; /* 0: answers, 1: SERVFAIL, 2: nothing exists */
};

enum { ANSWERS, FAILS, EMPTY };

static size_t put_name(unsigned char *to, const char *name)
{
    size_t n = 0;
    while (*name) {
        size_t part = strcspn(name, ".");
        to[n++] = (unsigned char)part;
        memcpy(to + n, name, part);
        n += part;
        name += part + (name[part] == '.');
    }
    to[n++] = 0;
    return n;
}

static size_t put_record(unsigned char *to, unsigned type, const unsigned char *data, size_t n)
{
    const unsigned char head[] = {0xc0,
                                  12,
                                  0,
                                  (unsigned char)type,
                                  0,
                                  1,
                                  0,
                                  0,
                                  0,
                                  9,
                                  (unsigned char)(n >> 8),
                                  (unsigned char)n};
    memcpy(to, head, sizeof head);
    memcpy(to + sizeof head, data, n);
    return sizeof head + n;
}

static size_t put_srv(unsigned char *to, const char *target, unsigned port)
{
    unsigned char data[300] = {0, 10, 0, 20, (unsigned char)(port >> 8), (unsigned char)port};
    return put_record(to, 33, data, 6 + put_name(data + 6, target));
}

static size_t answer(const struct server *s, unsigned char *m, size_t n)
{
    unsigned char wanted[300];
    size_t name_n = strlen((const char *)m + 12) + 1;
    unsigned type = m[12 + name_n + 1], count = 0;
    m[2] = 0x85;
    m[3] = 0x80;
    n = 12 + name_n + 4;
    memset(m + 6, 0, 6);
    if (s->mode == FAILS) {
        m[3] |= 2;
        return n;
    }
    bool srv = put_name(wanted, "_http.example.org") == name_n &&
               memcmp(wanted, m + 12, name_n) == 0 && type == 33;
    bool a = put_name(wanted, "a.example.org") == name_n && memcmp(wanted, m + 12, name_n) == 0 &&
             type == 1;
    if (s->mode == EMPTY || (!srv && !a)) {
        m[3] |= 3; /* no such name */
        return n;
    }
    if (srv) {
        n += put_srv(m + n, "db1.example.org", 9100);
        n += put_srv(m + n, "db2.example.org", 9101);
        count = 2;
    }
    if (a) {
        const unsigned char address[] = {192, 0, 2, 7};
        n += put_record(m + n, 1, address, 4);
        count = 1;
    }
    m[7] = (unsigned char)count;
    return n;
}

static void *serve(void *context)
{
    struct server *s = context;
    for (;;) {
        unsigned char m[1500];
        struct sockaddr_in from;
        socklen_t from_n = sizeof from;
        ssize_t n = recvfrom(s->fd, m, 512, 0, (struct sockaddr *)&from, &from_n);
        if (n < 17)
            return NULL; /* the end: an empty datagram */
        size_t size = answer(s, m, (size_t)n);
        sendto(s->fd, m, size, 0, (struct sockaddr *)&from, from_n);
    }
}

static void server_start(struct server *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    s->mode = ANSWERS;
    s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&a, &n), 0);
    s->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
    dns_ask(s->port);
}

static void server_stop(struct server *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons(s->port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(sendto(s->fd, "", 0, 0, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(pthread_join(s->thread, NULL), 0);
    close(s->fd);
    dns_ask(0);
}

static void start(struct testbed *t, const char *text)
{
    testbed_open(t);
    t->pool = pool_new("dns", 1, 16);
    testbed_read(t, "dns_sd_configs", text);
    testbed_start(t, 0);
}

static void stop(struct testbed *t)
{
    testbed_end(t);
    pool_free(t->pool);
    testbed_close(t);
}

static void service_records_name_hosts_and_ports(void **state)
{
    struct server s;
    struct testbed t;
    server_start(&s);
    start(&t, "- {names: [_http.example.org.], refresh_interval: 30ms}\n");
    testbed_wait(&t, "db2");
    assert_string_equal(
        testbed_targets(&t),
        "_http.example.org. {}\n"
        "  {__address__=\"db1.example.org:9100\", __meta_dns_name=\"_http.example.org.\", "
        "__meta_dns_srv_record_port=\"9100\", "
        "__meta_dns_srv_record_target=\"db1.example.org.\"}\n"
        "  {__address__=\"db2.example.org:9101\", __meta_dns_name=\"_http.example.org.\", "
        "__meta_dns_srv_record_port=\"9101\", "
        "__meta_dns_srv_record_target=\"db2.example.org.\"}\n");
    s.mode = FAILS;
    testbed_wait_state(&t, "could not resolve \"_http.example.org.\"");
    assert_non_null(strstr(testbed_targets(&t), "db1")); /* they stay */
    s.mode = EMPTY;
    testbed_wait_gone(&t, "db1");
    stop(&t);
    server_stop(&s);
}

static void addresses_get_the_port_of_the_configuration(void **state)
{
    struct server s;
    struct testbed t;
    server_start(&s);
    start(&t, "- {names: [a.example.org., none.example.org.], type: a, port: 9187}\n");
    testbed_wait(&t, "192.0.2.7");
    assert_string_equal(testbed_targets(&t),
                        "a.example.org. {}\n  {__address__=\"192.0.2.7:9187\", "
                        "__meta_dns_name=\"a.example.org.\"}\n");
    stop(&t);
    server_stop(&s);
}

static void mistakes_are_named_in_the_words_of_prometheus(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"- {type: A, port: 1}\n", "DNS-SD config must contain at least one SRV record name"},
        {"- {names: [a], type: A}\n",
         "a port is required in DNS-SD configs for all record types except SRV"},
        {"- {names: [a], type: PTR}\n", "invalid DNS-SD records type PTR"},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct testbed t;
        testbed_open(&t);
        testbed_refuse(&t, "dns_sd_configs", rows[i].text, rows[i].why);
        testbed_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(service_records_name_hosts_and_ports),
        cmocka_unit_test(addresses_get_the_port_of_the_configuration),
        cmocka_unit_test(mistakes_are_named_in_the_words_of_prometheus),
    };
    return cmocka_run_group_tests_name("discover/dns", tests, NULL, NULL);
}
