#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/conf.h"
#include "net/address.h"
#include "receive/statsd_receiver.h"

/* A sink that remembers the last value, and what thread-safe numbers tell of it. */
static struct {
    struct sink sink;
    _Atomic double last;
    _Atomic size_t samples, commits;
} store;

static int store_tenant(struct sink *s, struct str name, struct tenant **ret, struct why *why)
{
    *ret = (struct tenant *)(void *)&store;
    return 0;
}

static int store_append(struct sink *s, size_t lane, struct tenant *t, struct batch *b,
                        struct why *why)
{
    for (size_t i = 0; i < b->n; i++)
        b->err[i] = 0;
    store.last = b->value[b->n - 1];
    store.samples += b->n;
    return (int)b->n;
}

static int store_metadata(struct sink *s, size_t lane, struct tenant *t, const struct metadata *m)
{
    return 0;
}

static void store_commit(struct sink *s, size_t lane, void (*done)(void *context, int err),
                         void *context)
{
    store.commits++;
    done(context, 0);
}

static const struct sink_ops OPS = {.tenant = store_tenant,
                                    .append = store_append,
                                    .metadata = store_metadata,
                                    .commit = store_commit};

static struct conf *conf;
static struct statsd_receiver *receiver;
static int in = -1, out = -1;

static void open_with(const char *text)
{
    static const struct option_table *const TABLES[] = {&statsd_options};
    static const struct conf_tables ALL = {TABLES, 1};
    struct buf problems;
    struct address a;
    struct why why = {0};
    buf_init(&problems, 65536);
    assert_int_equal(conf_read(str_c(text), "test", &ALL, NULL, 0, &conf, &problems), 0);
    buf_done(&problems);
    assert_int_equal(address_parse(STR("127.0.0.1:0"), &a, &why), 0);
    assert_int_equal(address_receive(&a, 1, &in, &why), 0);
    out = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(out, (struct sockaddr *)&a.raw, a.raw_n), 0);
    store.sink.ops = &OPS;
    store.last = 0;
    store.samples = store.commits = 0;
    struct statsd_plan plan = {.settings = conf_get(conf, &statsd_options), .sink = &store.sink};
    assert_int_equal(statsd_receiver_new(&plan, &clock_real, &receiver, &why), 0);
    assert_int_equal(statsd_receiver_start(receiver, &in, 1, &why), 0);
}

static void end(void)
{
    statsd_receiver_free(receiver);
    conf_free(conf);
    close(in);
    close(out);
}

static void say(const char *lines)
{
    assert_int_equal(send(out, lines, strlen(lines), 0), (ssize_t)strlen(lines));
}

/* Until the last sample is wanted, for ten seconds at most. */
static void becomes(double wanted)
{
    for (int i = 0; i < 1000 && store.last != wanted; i++)
        usleep(10000);
    assert_true(store.last == wanted);
}

static void what_is_sent_is_written_within_an_interval(void **state)
{
    open_with("[statsd]\ninterval_ms = 100\n");
    say("a:1|c");
    becomes(1);
    for (int i = 0; i < 500; i++)
        say("a:1|c\na:1|c");
    becomes(1001);
    assert_true(store.commits >= 2);
    end();
}

static void the_last_interval_is_written_at_the_end(void **state)
{
    open_with("[statsd]\ninterval_ms = 3600000\n");
    say("a:7|g");
    usleep(100000);
    assert_int_equal(store.samples, 0);
    end();
    assert_int_equal(store.samples, 1);
    assert_true(store.last == 7);
}

static void a_receiver_without_sockets_does_nothing(void **state)
{
    open_with("");
    statsd_receiver_free(receiver);
    struct why why = {0};
    struct statsd_plan plan = {.settings = conf_get(conf, &statsd_options), .sink = &store.sink};
    assert_int_equal(statsd_receiver_new(&plan, &clock_real, &receiver, &why), 0);
    assert_int_equal(statsd_receiver_start(receiver, NULL, 0, &why), 0);
    end();
    assert_int_equal(store.samples, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sent_is_written_within_an_interval),
        cmocka_unit_test(the_last_interval_is_written_at_the_end),
        cmocka_unit_test(a_receiver_without_sockets_does_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
