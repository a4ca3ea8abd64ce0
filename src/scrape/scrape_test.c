/* The scraper whole: threads, timers and requests against servers of the test's own. */
#include "net/fetch_testbed.h"

#include "model/labels.h"
#include "scrape/scrape.h"
#include "scrape/sink_test.h"

enum { TEXT_MAX = 1 << 20 };

struct run {
    struct sink_test sink;
    struct scrape_settings settings;
    struct promfile *file;
    struct scrape *scrape;
};

static struct promfile *parse(const char *text)
{
    struct promfile *file;
    struct buf problems;
    buf_init(&problems, TEXT_MAX);
    if (promfile_read(str_c(text), STR("test.yml"), &file, &problems))
        fail_msg(STR_FMT, STR_ARG(buf_str(&problems)));
    buf_done(&problems);
    return file;
}

static void begin(struct run *r, const char *text)
{
    struct why why = {0};
    *r = (struct run){0};
    sink_test_init(&r->sink);
    option_defaults(&scrape_options, &r->settings);
    r->file = parse(text);
    struct scrape_config config = {.settings = &r->settings,
                                   .file = r->file,
                                   .sink = &r->sink.sink,
                                   .lane = 0,
                                   .threads = 1,
                                   .clock = &clock_real};
    assert_int_equal(scrape_new(&config, &r->scrape, &why), 0);
    scrape_start(r->scrape);
}

static void end(struct run *r)
{
    scrape_free(r->scrape);
    buf_put_c(&r->sink.samples, 0);
    promfile_free(r->file);
}

static void done(struct run *r)
{
    sink_test_done(&r->sink);
}

static void nap(int64_t ms)
{
    usleep((useconds_t)ms * 1000);
}

/* Waits until the first target of the first pool has been scraped, and shows it. */
static struct scrape_target_view first_target(struct run *r, struct arena *a)
{
    for (int i = 0; i < 400; i++) {
        struct scrape_view v;
        struct scrape_target_view t = {0};
        bool there = false;
        scrape_view(r->scrape, STR(""), a, &v);
        if (v.n && v.pools[0].active_n) {
            t = v.pools[0].active[0];
            there = t.health != SCRAPE_UNKNOWN;
        }
        scrape_view_done(r->scrape);
        if (there)
            return t;
        nap(10);
    }
    fail_msg("nothing was scraped");
    return (struct scrape_target_view){0};
}

static char *yaml(char *to, const char *more, uint16_t port)
{
    snprintf(to, 4096,
             "scrape_configs:\n- job_name: j\n  scrape_interval: 100ms\n  scrape_timeout: 100ms\n"
             "%s  static_configs:\n  - targets: ['127.0.0.1:%u']\n",
             more, port);
    return to;
}

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n\r\n"

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        n++;
    return n;
}

static void a_target_is_asked_at_its_times_and_its_samples_are_dated_by_them(void **state)
{
    struct raw server = {.text = OK_HEAD "# TYPE a gauge\na{x=\"1\"} 1\n"};
    struct run r;
    struct arena a;
    char text[4096];
    long long times[8] = {0};
    (void)state;
    arena_init(&a);
    raw_start(&server);
    begin(&r, yaml(text, "", server.port));
    struct scrape_target_view t = first_target(&r, &a);
    assert_int_equal(t.health, SCRAPE_UP);
    assert_int_equal(t.last_error.n, 0);
    assert_int_equal(t.interval_ms, 100);
    nap(1200);
    end(&r);
    raw_stop(&server); /* what it heard last is its own until then */
    assert_non_null(strcasestr(server.last, "Accept: application/openmetrics-text;version=1.0.0;"
                                            "escaping=allow-utf-8;q=0.6,application/"
                                            "openmetrics-text;version=0.0.1;q=0.5,"));
    assert_non_null(strcasestr(server.last, "X-Prometheus-Scrape-Timeout-Seconds: 0.1\r\n"));
    assert_non_null(strcasestr(server.last, "Accept-Encoding: "));
    const char *at = r.sink.samples.p;
    for (size_t i = 0; i < COUNTOF(times); i++) {
        at = strstr(at, "a{instance=");
        assert_non_null(at);
        assert_non_null(at = strchr(at, '@'));
        times[i] = strtoll(at + 1, NULL, 10);
    }
    /* Some are dated by plan; a machine that was busy may have left one out or begun it late. */
    size_t planned = 0;
    for (size_t i = 1; i < COUNTOF(times); i++) {
        assert_true(times[i] > times[i - 1]);
        planned += (times[i] - times[i - 1]) % 100 == 0;
    }
    assert_true(planned > 0);
    assert_true(count(r.sink.samples.p, "up{instance=") >= 3);
    assert_int_equal(count(r.sink.samples.p, "up{instance="), r.sink.commits);
    assert_int_equal(count(r.sink.samples.p, "stale"), 0); /* it ends, the targets do not */
    done(&r);
    arena_done(&a);
}

static void a_target_that_fails_is_down_for_a_reason(void **state)
{
    static const struct {
        const char *answer, *error, *more;
    } CASES[] = {
        {"HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n",
         "server returned HTTP status 500 Internal Server Error", ""},
        {"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>",
         "received unsupported Content-Type \"text/html\" and no fallback_scrape_protocol", ""},
        {"HTTP/1.1 200 OK\r\n\r\na 1\n", "non-compliant scrape target sending blank Content-Type",
         ""},
        {OK_HEAD "a{ 1\n", "line 1: ", ""},
        {OK_HEAD "a 1\nb 2\n", "sample limit exceeded", "  sample_limit: 1\n"},
        {OK_HEAD "a 1234567890123\n", "body size limit exceeded", "  body_size_limit: 10B\n"},
        {"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\na 1\n", "",
         ""}, /* it lies about its length: the words are the library's */
        {"", "", ""},
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        struct raw server = {.text = CASES[i].answer};
        struct run r;
        struct arena a;
        char text[4096];
        arena_init(&a);
        raw_start(&server);
        begin(&r, yaml(text, CASES[i].more, server.port));
        struct scrape_target_view t = first_target(&r, &a);
        assert_int_equal(t.health, SCRAPE_DOWN);
        assert_true(t.last_error.n > 0);
        if (!str_starts(t.last_error, str_c(CASES[i].error)))
            fail_msg("case %zu: " STR_FMT, i, STR_ARG(t.last_error));
        end(&r);
        assert_true(count(r.sink.samples.p, "up{") > 0);
        assert_int_equal(count(r.sink.samples.p, "\na{"), 0);
        done(&r);
        raw_stop(&server);
        arena_done(&a);
    }
}

static void hang_every_second_time(struct raw *r, int i, struct str bytes, int fd)
{
    (void)r, (void)bytes;
    if (i % 2)
        nap(150);
    else
        raw_say(fd, OK_HEAD "a 1\n");
}

static void series_of_a_target_that_hangs_end_until_it_is_back(void **state)
{
    struct raw server = {.answer = hang_every_second_time};
    struct run r;
    char text[4096];
    (void)state;
    raw_start(&server);
    begin(&r, yaml(text, "", server.port));
    for (int i = 0; i < 300 && server.served < 6; i++)
        nap(20);
    end(&r);
    const char *samples = r.sink.samples.p;
    assert_true(count(samples, "a{instance=") >= 3);
    assert_true(count(samples, " stale @") >= 1);
    assert_null(strstr(samples, "up{instance=\"127.0.0.1\", job=\"j\"} stale"));
    done(&r);
    raw_stop(&server);
}

static void a_target_that_is_no_longer_configured_ends_with_all_its_series(void **state)
{
    struct raw server = {.text = OK_HEAD "a 1\n"};
    struct run r;
    struct arena a;
    char text[4096];
    struct why why = {0};
    (void)state;
    arena_init(&a);
    raw_start(&server);
    begin(&r, yaml(text, "", server.port));
    first_target(&r, &a);
    struct promfile *next = parse("scrape_configs:\n- job_name: k\n");
    assert_int_equal(scrape_reload(r.scrape, next, &why), 0);
    promfile_free(r.file);
    r.file = next;
    struct scrape_view v;
    scrape_view(r.scrape, STR(""), &a, &v);
    assert_int_equal(v.n, 1);
    assert_true(str_eq(v.pools[0].job, STR("k")));
    assert_int_equal(v.pools[0].active_n, 0);
    scrape_view_done(r.scrape);
    end(&r);
    assert_int_equal(count(r.sink.samples.p, " stale @"), 6);
    done(&r);
    raw_stop(&server);
    arena_done(&a);
}

static void the_same_file_again_ends_nothing(void **state)
{
    struct raw server = {.text = OK_HEAD "a 1\n"};
    struct run r;
    struct arena a;
    char text[4096];
    struct why why = {0};
    (void)state;
    arena_init(&a);
    raw_start(&server);
    begin(&r, yaml(text, "", server.port));
    first_target(&r, &a);
    for (int i = 0; i < 5; i++) {
        struct promfile *next = parse(text);
        nap(50);
        assert_int_equal(scrape_reload(r.scrape, next, &why), 0);
        promfile_free(r.file);
        r.file = next;
    }
    /* Other rules for samples, the same target. */
    struct promfile *next = parse(
        yaml(text, "  metric_relabel_configs: [{target_label: y, replacement: z}]\n", server.port));
    assert_int_equal(scrape_reload(r.scrape, next, &why), 0);
    promfile_free(r.file);
    r.file = next;
    nap(400);
    end(&r);
    assert_int_equal(count(r.sink.samples.p, " stale @"), 1); /* a without y */
    assert_true(count(r.sink.samples.p, "y=\"z\"") >= 1);
    assert_true(count(r.sink.samples.p, "up{") >= 4);
    done(&r);
    raw_stop(&server);
    arena_done(&a);
}

static void pools_show_what_was_dropped_and_end_at_their_limit(void **state)
{
    struct run r;
    struct arena a;
    (void)state;
    arena_init(&a);
    begin(&r, "scrape_configs:\n- job_name: j\n  scrape_interval: 100ms\n  scrape_timeout: 100ms\n"
              "  target_limit: 2\n"
              "  relabel_configs: [{source_labels: [__address__], regex: 'bad.*', action: drop}]\n"
              "  static_configs:\n"
              "  - targets: ['bad:1', 'bad:2', 'a:1', 'b:1', 'c:1', 'a:1', 'no/host']\n");
    struct scrape_target_view t = first_target(&r, &a);
    assert_true(str_eq(t.last_error, STR("target_limit exceeded (limit: 2)")));
    struct scrape_view v;
    scrape_view(r.scrape, STR("j"), &a, &v);
    assert_int_equal(v.n, 1);
    assert_int_equal(v.pools[0].active_n, 3); /* a:1 twice is one, no/host is none */
    assert_int_equal(v.pools[0].dropped_n, 2);
    assert_int_equal(v.pools[0].dropped_total, 2);
    scrape_view_done(r.scrape);
    scrape_view(r.scrape, STR("other"), &a, &v);
    assert_int_equal(v.n, 0);
    scrape_view_done(r.scrape);
    end(&r);
    done(&r);
    arena_done(&a);
}

static void note_metadata(void *context, const struct scrape_metadata_view *row)
{
    struct buf *b = context;
    buf_printf(b, STR_FMT " %s " STR_FMT "|", STR_ARG(row->metadata.metric),
               metric_type_text(row->metadata.type), STR_ARG(row->metadata.help));
}

static void metadata_of_targets_can_be_asked_for(void **state)
{
    struct raw server = {.text = OK_HEAD "# HELP a What it is.\n# TYPE a counter\na 1\n"
                                         "# TYPE b gauge\nb 2\nc 3\n"};
    struct run r;
    struct arena a;
    struct buf b;
    char text[4096];
    (void)state;
    arena_init(&a);
    buf_init(&b, TEXT_MAX);
    raw_start(&server);
    begin(&r, yaml(text, "", server.port));
    first_target(&r, &a);
    scrape_metadata(r.scrape, note_metadata, &b);
    buf_put_c(&b, 0);
    assert_string_equal(b.p, "a counter What it is.|b gauge |");
    end(&r);
    done(&r);
    raw_stop(&server);
    buf_done(&b);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_target_is_asked_at_its_times_and_its_samples_are_dated_by_them),
        cmocka_unit_test(a_target_that_fails_is_down_for_a_reason),
        cmocka_unit_test(series_of_a_target_that_hangs_end_until_it_is_back),
        cmocka_unit_test(a_target_that_is_no_longer_configured_ends_with_all_its_series),
        cmocka_unit_test(the_same_file_again_ends_nothing),
        cmocka_unit_test(pools_show_what_was_dropped_and_end_at_their_limit),
        cmocka_unit_test(metadata_of_targets_can_be_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
