#include "alert/send/send.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "model/labels.h"
#include "net/loopback_test.h"

enum { TEXT_MAX = 1 << 20, WAIT_MS = 10000 };

/* An Alertmanager that keeps what it is sent. */
static struct loopback site;
static struct buf got;
static pthread_mutex_t got_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int requests, status;
static struct send *s;
static struct arena arena;
static struct why why;

static void take(struct http_request *r, void *context)
{
    thread_lock(&got_lock);
    buf_put_str(&got, http_path(r));
    buf_put_c(&got, ' ');
    buf_put_str(&got, http_body(r));
    buf_put_c(&got, '\n');
    thread_unlock(&got_lock);
    http_reply(r, atomic_load(&status), STR("text/plain"), STR("said"));
    atomic_fetch_add(&requests, 1);
}

static const struct http_route ROUTES[] = {{HTTP_POST | HTTP_RAW, "/", TEXT_MAX, take, NULL}};

static int set_up(void **state)
{
    static const struct http_config CONFIG = {.routes = ROUTES, .routes_n = COUNTOF(ROUTES)};
    buf_init(&got, TEXT_MAX);
    arena_init(&arena);
    atomic_store(&requests, 0);
    atomic_store(&status, 200);
    loopback_start(&site, &CONFIG);
    s = send_new(&clock_real);
    return 0;
}

static int tear_down(void **state)
{
    send_free(s);
    loopback_stop(&site);
    buf_done(&got);
    arena_done(&arena);
    return 0;
}

static struct str key(const char *const *v, size_t n)
{
    struct buf b;
    buf_init(&b, TEXT_MAX);
    for (size_t i = 0; i + 1 < n; i += 2)
        labels_put(&b, str_c(v[i]), str_c(v[i + 1]));
    struct str out = arena_str(&arena, buf_str(&b));
    buf_done(&b);
    return out;
}

static struct alert alert_of(const char *name, bool resolved)
{
    const char *const labels[] = {"alertname", name, "job", "x"};
    const char *const notes[] = {"summary", "it <is> so"};
    return (struct alert){.labels = key(labels, COUNTOF(labels)),
                          .annotations = key(notes, COUNTOF(notes)),
                          .starts_ms = 1000,
                          .ends_ms = 61500,
                          .resolved = resolved,
                          .generator_url = STR("http://here/graph")};
}

static void send_one(const char *name)
{
    struct alert a = alert_of(name, false);
    struct alert_sink *sink = send_sink(s);
    sink->ops->send(sink, &a, 1);
}

static void wait_requests(int n)
{
    for (int i = 0; atomic_load(&requests) < n && i < WAIT_MS; i++)
        usleep(1000);
    assert_true(atomic_load(&requests) >= n);
}

static const char *url_of(const char *path)
{
    return arena_printf(&arena, "http://127.0.0.1:%u%s", site.port, path).p;
}

static bool has(const char *text)
{
    thread_lock(&got_lock);
    bool found = str_search(buf_str(&got), str_c(text)) < got.n;
    thread_unlock(&got_lock);
    return found;
}

static void an_alert_arrives_as_alertmanager_wants_it(void **state)
{
    const char *urls[] = {url_of("/am/")};
    const char *const external[] = {"job", "not this", "region", "eu"};
    struct send_plan plan = {.urls = {urls, 1}, .external_labels = key(external, 4)};
    assert_int_equal(send_reload(s, &plan, &why), 0);
    assert_true(send_active(s));
    send_one("Down");
    wait_requests(1);
    assert_true(has("/am/api/v2/alerts [{\"labels\":{\"alertname\":\"Down\",\"job\":\"x\","
                    "\"region\":\"eu\"},\"annotations\":{\"summary\":\"it \\u003cis\\u003e so\"},"
                    "\"startsAt\":\"1970-01-01T00:00:01.000Z\","
                    "\"endsAt\":\"1970-01-01T00:01:01.500Z\","
                    "\"generatorURL\":\"http://here/graph\"}]"));
}

static struct promfile *promfile_of(const char *text)
{
    struct promfile *p;
    struct buf problems;
    buf_init(&problems, TEXT_MAX);
    int err = promfile_read(str_c(text), STR("/x/prometheus.yml"), &p, &problems);
    if (err != 0)
        print_error(STR_FMT, STR_ARG(buf_str(&problems)));
    assert_int_equal(err, 0);
    buf_done(&problems);
    return p;
}

static void a_prometheus_file_says_who_gets_what(void **state)
{
    const char *text =
        arena_printf(&arena,
                     "alerting:\n"
                     "  alert_relabel_configs:\n"
                     "  - {action: drop, source_labels: [alertname], regex: Quiet}\n"
                     "  alertmanagers:\n"
                     "  - path_prefix: /one\n"
                     "    static_configs: [{targets: ['127.0.0.1:%u']}]\n"
                     "    alert_relabel_configs: [{target_label: via, replacement: one}]\n"
                     "  - static_configs: [{targets: ['127.0.0.1:%u', '127.0.0.1:1']}]\n"
                     "    relabel_configs: [{action: drop, source_labels: [__address__], "
                     "regex: '.*:1'}]\n",
                     site.port, site.port)
            .p;
    struct promfile *p = promfile_of(text);
    struct send_plan plan = {.promfile = p, .external_labels = STR("")};
    struct send_view *v;
    size_t n;
    assert_int_equal(p->ignored_n, 0);
    assert_int_equal(send_reload(s, &plan, &why), 0);
    send_one("Quiet");
    send_one("Loud");
    wait_requests(2);
    usleep(20000);
    assert_true(has("/one/api/v2/alerts [{\"labels\":{\"alertname\":\"Loud\",\"job\":\"x\","
                    "\"via\":\"one\"}"));
    assert_true(has("\n/api/v2/alerts [{\"labels\":{\"alertname\":\"Loud\",\"job\":\"x\"}") ||
                has("/api/v2/alerts [{\"labels\":{\"alertname\":\"Loud\",\"job\":\"x\"}"));
    assert_false(has("Quiet"));
    send_view(s, &arena, &v, &n);
    assert_int_equal(n, 3);
    assert_int_equal(v[0].dropped + v[1].dropped + v[2].dropped, 1);
    send_free(s); /* before the file that it works with */
    s = NULL;
    promfile_free(p);
}

static void many_alerts_go_in_batches(void **state)
{
    enum { MANY = 600 };
    const char *urls[] = {url_of("")};
    struct send_plan plan = {.urls = {urls, 1}, .external_labels = STR("")};
    struct alert *all = arena_array(&arena, MANY, sizeof *all);
    struct alert_sink *sink = send_sink(s);
    struct send_view *v;
    size_t n;
    assert_int_equal(send_reload(s, &plan, &why), 0);
    for (size_t i = 0; i < MANY; i++)
        all[i] = alert_of(arena_printf(&arena, "A%zu", i).p, i % 2 == 0);
    sink->ops->send(sink, all, MANY);
    wait_requests(3);
    for (int i = 0; i < WAIT_MS; i++) {
        send_view(s, &arena, &v, &n);
        if (v[0].sent == MANY)
            break;
        usleep(1000);
    }
    assert_int_equal(v[0].sent, MANY);
    assert_int_equal(v[0].waiting, 0);
    assert_int_equal(atomic_load(&requests), 3);
    assert_true(has("\"A599\""));
}

static void what_is_refused_is_counted_with_its_reason(void **state)
{
    const char *urls[] = {url_of("")};
    struct send_plan plan = {.urls = {urls, 1}, .external_labels = STR("")};
    struct send_view *v = NULL;
    size_t n;
    atomic_store(&status, 500);
    assert_int_equal(send_reload(s, &plan, &why), 0);
    send_one("Down");
    for (int i = 0; i < WAIT_MS; i++) {
        send_view(s, &arena, &v, &n);
        if (v[0].failed > 0)
            break;
        usleep(1000);
    }
    assert_int_equal(v[0].failed, 1);
    assert_non_null(strstr(v[0].last_error.p, "status 500: said"));
}

static void a_queue_that_is_full_loses_its_oldest(void **state)
{
    enum { MANY = SEND_QUEUE_MAX + 1000 };
    static const char *urls[] = {"http://127.0.0.1:1"};
    struct send_plan plan = {.urls = {urls, 1}, .external_labels = STR("")};
    struct alert *all = arena_array(&arena, MANY, sizeof *all);
    struct alert_sink *sink = send_sink(s);
    struct send_view *v;
    size_t n;
    assert_int_equal(send_reload(s, &plan, &why), 0);
    for (size_t i = 0; i < MANY; i++)
        all[i] = alert_of("Many", false);
    sink->ops->send(sink, all, MANY);
    send_view(s, &arena, &v, &n);
    assert_true(v[0].lost >= 1000 - SEND_BATCH_MAX);
    assert_true(v[0].waiting <= SEND_QUEUE_MAX);
}

static void a_url_that_is_none_is_refused(void **state)
{
    static const char *urls[] = {"localhost:9093"};
    struct send_plan plan = {.urls = {urls, 1}, .external_labels = STR("")};
    assert_int_equal(send_reload(s, &plan, &why), -ERR_FORMAT);
    assert_non_null(strstr(why.text, "localhost:9093"));
    assert_false(send_active(s));
    send_one("Nowhere"); /* does nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_alert_arrives_as_alertmanager_wants_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_prometheus_file_says_who_gets_what, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_alerts_go_in_batches, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_refused_is_counted_with_its_reason, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_queue_that_is_full_loses_its_oldest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_url_that_is_none_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
