#include <stdio.h>
#include <stdlib.h>

#include "discover/local_exporters.h"
#include "discover/registry.h"
#include "discover/registry_request.h"
#include "discover/testbed_test.h"
#include "os/disk_sim.h"

struct bed {
    struct clock_manual clock;
    struct registry_settings settings;
    const char *tokens[2];
    struct disk *disk;
    struct registry *registry;
    struct arena arena;
};

static size_t warnings;

static void count_warning(const char *text)
{
    warnings++;
}

static void open_registry(struct bed *b)
{
    const struct registry_plan plan = {
        .settings = &b->settings, .disk = b->disk, .clock = &b->clock.clock, .warn = count_warning};
    b->registry = registry_new(&plan);
}

static void bed_open(struct bed *b)
{
    *b = (struct bed){.settings.register_targets_max = 3};
    b->settings.register_tokens.v = b->tokens;
    clock_manual_init(&b->clock, 1000000);
    arena_init(&b->arena);
    b->disk = disk_sim_new(1, 0);
    open_registry(b);
}

static void bed_close(struct bed *b)
{
    registry_free(b->registry);
    disk_free(b->disk);
    arena_done(&b->arena);
}

static int add(struct bed *b, const char *json, struct registry_request *ret, struct why *why)
{
    int err = registry_read(b->registry, str_c(json), &b->arena, ret, why);
    return err ? err : registry_add(b->registry, ret, why);
}

static size_t count(struct bed *b)
{
    struct registry_target *targets;
    size_t n;
    registry_list(b->registry, &b->arena, &targets, &n);
    return n;
}

static void a_registration_lives_as_long_as_it_is_repeated(void **state)
{
    static const char JSON[] = "{\"targets\":[\"a:1\",\"b:1\"],\"job\":\"j\",\"ttl_seconds\":60}";
    struct bed b;
    struct registry_request request;
    bed_open(&b);
    assert_int_equal(add(&b, JSON, &request, NULL), 0);
    assert_int_equal(request.n, 2);
    assert_int_equal(request.targets[0].expires_ms, 1060000);
    clock_manual_pass(&b.clock, 50000);
    assert_int_equal(add(&b, JSON, &request, NULL), 0);
    assert_int_equal(request.targets[0].registered_ms, 1000000);
    clock_manual_pass(&b.clock, 50000);
    assert_int_equal(count(&b), 2);
    assert_int_equal(registry_drop(b.registry, str_c(request.targets[0].id)), 0);
    assert_int_equal(registry_drop(b.registry, str_c(request.targets[0].id)), -ERR_NOENT);
    assert_int_equal(count(&b), 1);
    clock_manual_pass(&b.clock, 10001);
    assert_int_equal(count(&b), 0);
    bed_close(&b);
}

static void what_is_registered_survives_a_restart(void **state)
{
    struct bed b;
    struct registry_request request;
    struct registry_target *targets;
    size_t n;
    bed_open(&b);
    assert_int_equal(add(&b,
                         "{\"targets\":[\"a:1\"],\"job\":\"j\",\"labels\":{\"x\":\"\\u00fc\"},"
                         "\"scheme\":\"https\",\"metrics_path\":\"/m\",\"interval\":\"30s\","
                         "\"ttl_seconds\":0}",
                         &request, NULL),
                     0);
    assert_int_equal(
        add(&b, "{\"targets\":[\"b:1\"],\"job\":\"j\",\"ttl_seconds\":10}", &request, NULL), 0);
    registry_free(b.registry);
    clock_manual_pass(&b.clock, 3600000);
    open_registry(&b);
    registry_list(b.registry, &b.arena, &targets, &n);
    assert_int_equal(n, 2); /* the short-lived one may come back within its lifetime */
    const struct registry_target *t =
        str_eq(targets[0].address, STR("a:1")) ? &targets[0] : &targets[1];
    assert_true(str_eq(t->scheme, STR("https")));
    assert_true(str_eq(t->metrics_path, STR("/m")));
    assert_int_equal(t->interval_ms, 30000);
    assert_int_equal(t->expires_ms, 0);
    assert_true(str_eq(labels_get(t->labels, STR("x")), STR("\xc3\xbc")));
    clock_manual_pass(&b.clock, 10001);
    assert_int_equal(count(&b), 1);
    bed_close(&b);
}

static void a_damaged_file_is_put_aside(void **state)
{
    struct bed b;
    void *bytes;
    size_t n;
    bed_open(&b);
    assert_int_equal(disk_replace(b.disk, "registered", "{\"targets\":[", 12), 0);
    registry_free(b.registry);
    warnings = 0;
    open_registry(&b);
    assert_int_equal(warnings, 1);
    assert_int_equal(count(&b), 0);
    assert_int_equal(disk_slurp(b.disk, "registered.damaged", 100, &bytes, &n), 0);
    mem_free(bytes);
    bed_close(&b);
}

static void registrations_that_are_wrong_are_refused(void **state)
{
    static const struct {
        const char *json, *why;
    } rows[] = {
        {"[]", "an object is wanted: {\"targets\":[..],\"job\":\"..\"}"},
        {"{\"targets\":[\"a:1\"]}", "job must be a text of 1 to 1024 bytes"},
        {"{\"job\":\"j\"}", "targets must be a list of 1 to 1000 addresses"},
        {"{\"job\":\"j\",\"targets\":[\"a\"]}",
         "\"a\" is no address: HOST:PORT or [IPV6]:PORT is wanted"},
        {"{\"job\":\"j\",\"targets\":[\"u@a:1\"]}",
         "\"u@a:1\" is no address: HOST:PORT or [IPV6]:PORT is wanted"},
        {"{\"job\":\"j\",\"targets\":[\"a/b:1\"]}",
         "\"a/b:1\" is no address: HOST:PORT or [IPV6]:PORT is wanted"},
        {"{\"job\":\"j\",\"targets\":[\"a:0\"]}",
         "\"a:0\" is no address: HOST:PORT or [IPV6]:PORT is wanted"},
        {"{\"job\":\"j\",\"targets\":[\"a:1\"],\"scheme\":\"file\"}",
         "scheme must be http or https"},
        {"{\"job\":\"j\",\"targets\":[\"a:1\"],\"metrics_path\":\"m\"}",
         "metrics_path must begin with / and have no blanks"},
        {"{\"job\":\"j\",\"targets\":[\"a:1\"],\"interval\":\"1ms\"}",
         "interval must be from 1s to 1d"},
        {"{\"job\":\"j\",\"targets\":[\"a:1\"],\"ttl_seconds\":-1}",
         "ttl_seconds must be a number from 0 (for ever) to 2592000 (30 days)"},
        {"{\"job\":\"j\",\"targets\":[\"a:1\"],\"labels\":{\"__x\":\"y\"}}",
         "the label \"__x\" is reserved: job, scheme, metrics_path and interval have keys of "
         "their own"},
        {"{\"job\":\"j\",\"targets\":[\"a:1\"],\"labels\":{\"x\":1}}",
         "the label \"x\" must be a text of at most 1024 bytes"},
        {"{\"job\":\"j\",\"targets\":[\"a:1\"],\"port\":1}", "unknown key \"port\""},
    };
    struct bed b;
    bed_open(&b);
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct registry_request request;
        struct why why = {0};
        assert_int_not_equal(add(&b, rows[i].json, &request, &why), 0);
        assert_string_equal(why.text, rows[i].why);
    }
    assert_int_equal(count(&b), 0);
    bed_close(&b);
}

static void addresses_where_clouds_keep_secrets_are_refused(void **state)
{
    static const char *const refused[] = {
        "169.254.169.254:80",
        "169.254.1.2:9100",
        "[fe80::1]:80",
        "[fe80::1%eth0]:80",
        "[::ffff:169.254.169.254]:80",
        "0xa9fea9fe:80",
        "2852039166:80",
        "169.254.43518:80",
        "0251.0376.0251.0376:80",
        "metadata.google.internal:80",
        "metadata.google.internal.:80",
        "[fd00:ec2::254]:80",
        "[64:ff9b::a9fe:a9fe]:80",
    };
    static const char *const fine[] = {"127.0.0.1:9100", "[::1]:9100",     "10.0.0.1:1",
                                       "host:65535",     "169.253.0.1:80", "[fd00::1]:80"};
    for (size_t i = 0; i < COUNTOF(refused); i++) {
        assert_int_equal(registry_request_check_address(str_c(refused[i]), false, NULL),
                         -ERR_DENIED);
        assert_int_equal(registry_request_check_address(str_c(refused[i]), true, NULL), 0);
    }
    for (size_t i = 0; i < COUNTOF(fine); i++)
        assert_int_equal(registry_request_check_address(str_c(fine[i]), false, NULL), 0);
}

static void there_are_not_more_than_allowed_nor_too_often(void **state)
{
    struct bed b;
    struct registry_request request;
    struct why why = {0};
    bed_open(&b);
    assert_int_equal(
        add(&b, "{\"targets\":[\"a:1\",\"a:2\",\"a:3\"],\"job\":\"j\"}", &request, &why), 0);
    assert_int_equal(add(&b, "{\"targets\":[\"a:4\"],\"job\":\"j\"}", &request, &why), -ERR_LIMIT);
    assert_int_equal(add(&b, "{\"targets\":[\"a:3\"],\"job\":\"j\"}", &request, &why), 0);
    int err = 0;
    for (int i = 0; i < 200 && !err; i++)
        err = add(&b, "{\"targets\":[\"a:3\"],\"job\":\"j\"}", &request, &why);
    assert_int_equal(err, -ERR_BUSY);
    clock_manual_pass(&b.clock, 1000);
    assert_int_equal(add(&b, "{\"targets\":[\"a:3\"],\"job\":\"j\"}", &request, &why), 0);
    bed_close(&b);
}

static void tokens_say_who_may_register(void **state)
{
    struct bed b;
    bed_open(&b);
    assert_true(registry_allows(b.registry, STR(""), true));
    assert_false(registry_allows(b.registry, STR(""), false));
    registry_free(b.registry);
    b.tokens[0] = "one";
    b.tokens[1] = "two";
    b.settings.register_tokens.n = 2;
    open_registry(&b);
    assert_false(registry_allows(b.registry, STR(""), true));
    assert_true(registry_allows(b.registry, STR("Bearer two"), false));
    assert_false(registry_allows(b.registry, STR("Bearer tw"), true));
    assert_false(registry_allows(b.registry, STR("Bearer twotwo"), true));
    assert_false(registry_allows(b.registry, STR("two"), true));
    bed_close(&b);
}

static void the_scraper_hears_of_them(void **state)
{
    struct bed b;
    struct testbed t;
    struct registry_request request;
    struct discovery_config config;
    bed_open(&b);
    testbed_open(&t);
    config = registry_config(b.registry);
    t.configs = &config;
    testbed_start(&t, 0);
    assert_int_equal(add(&b,
                         "{\"targets\":[\"a:1\"],\"job\":\"j\",\"labels\":{\"x\":\"y\"},"
                         "\"interval\":\"5s\"}",
                         &request, NULL),
                     0);
    testbed_wait(&t, "a:1");
    char wanted[512];
    snprintf(wanted, sizeof wanted,
             "%s {__meta_registered_id=\"%s\", __metrics_path__=\"/metrics\", __scheme__=\"http\", "
             "__scrape_interval__=\"5000ms\", __scrape_timeout__=\"5000ms\", job=\"j\", x=\"y\"}\n"
             "  {__address__=\"a:1\"}\n",
             request.targets[0].id, request.targets[0].id);
    assert_string_equal(testbed_targets(&t), wanted);
    clock_manual_pass(&b.clock, 301000);
    testbed_wait_gone(&t, "a:1");
    testbed_close(&t);
    bed_close(&b);
}

static void known_ports_that_listen_on_this_machine_are_found(void **state)
{
    static const char TCP[] =
        "  sl  local_address rem_address   st tx_queue rx_queue\n"
        "   0: 0100007F:238C 00000000:0000 0A 00000000:00000000 00:00000000\n"  /* 9100 */
        "   1: 00000000:23F9 00000000:0000 0A 00000000:00000000 00:00000000\n"  /* 9209 */
        "   2: 00000000:23E3 00000000:0000 0A 00000000:00000000 00:00000000\n"  /* 9187 */
        "   3: 0100007F:23A1 0100007F:0001 01 00000000:00000000 00:00000000\n"  /* connected */
        "   4: 0101A8C0:2390 00000000:0000 0A 00000000:00000000 00:00000000\n"; /* elsewhere */
    static const char TCP6[] =
        "  sl  local_address rem_address st\n"
        "   0: 00000000000000000000000001000000:23C0 0:0 0A x\n"  /* ::1, 9152 */
        "   1: 00000000000000000000000001000000:2386 0:0 0A x\n"  /* ::1, 9094 */
        "   2: 00000000000000000000000001000000:23A1 0:0 0A x\n"  /* ::1, 9121 */
        "   3: 00000000000000000000000000000000:238C 0:0 0A x\n"; /* any, 9100 once more */
    struct local_exporter found[LOCAL_EXPORTERS_MAX];
    assert_int_equal(local_exporters_read(str_c(TCP), str_c(TCP6), found), 3);
    assert_int_equal(found[0].port, 9100);
    assert_string_equal(found[0].kind, "node");
    assert_false(found[0].six);
    assert_int_equal(found[1].port, 9121);
    assert_string_equal(found[1].kind, "redis");
    assert_true(found[1].six);
    assert_int_equal(found[2].port, 9187);
    assert_string_equal(found[2].kind, "postgres");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_registration_lives_as_long_as_it_is_repeated),
        cmocka_unit_test(what_is_registered_survives_a_restart),
        cmocka_unit_test(a_damaged_file_is_put_aside),
        cmocka_unit_test(registrations_that_are_wrong_are_refused),
        cmocka_unit_test(addresses_where_clouds_keep_secrets_are_refused),
        cmocka_unit_test(there_are_not_more_than_allowed_nor_too_often),
        cmocka_unit_test(tokens_say_who_may_register),
        cmocka_unit_test(the_scraper_hears_of_them),
        cmocka_unit_test(known_ports_that_listen_on_this_machine_are_found),
    };
    return cmocka_run_group_tests_name("discover/registry", tests, NULL, NULL);
}
