#include "discover/api_test.h"

#define NODE(id, port, more)                                                                       \
    "{\"Node\":{\"Node\":\"n1\",\"Address\":\"10.0.0.1\",\"Meta\":{\"rack-no\":\"7\"},"            \
    "\"TaggedAddresses\":{\"lan\":\"10.0.0.1\"}},"                                                 \
    "\"Service\":{\"ID\":\"" id "\",\"Address\":\"\",\"Port\":" port ",\"Tags\":[\"a\",\"b\"],"    \
    "\"Meta\":{\"ver.sion\":\"2\"},\"Namespace\":\"ns1\",\"Partition\":\"p1\"},"                   \
    "\"Checks\":[" more "]}"

#define STATUS(status) "{\"CheckID\":\"c\",\"Status\":\"" status "\"}"

static void open_web(struct api *a)
{
    api_start(a);
    api_put(a, "/v1/agent/self", "{\"Config\":{\"Datacenter\":\"dc9\"}}");
    api_set(a, "/v1/catalog/services", "", 200, "{\"web\":[\"a\"],\"db\":[]}", 10);
    api_set(a, "/v1/health/service/web", "", 200, "[" NODE("web1", "80", STATUS("passing")) "]", 5);
    api_set(a, "/v1/health/service/db", "", 200, "[" NODE("db1", "5432", STATUS("warning")) "]", 6);
}

static void services_are_watched_by_queries_that_wait(void **state)
{
    struct api a;
    struct testbed t;
    open_web(&a);
    api_discover(&a, &t, "consul_sd_configs",
                 "- {server: '127.0.0.1:PORT', refresh_interval: 10ms, token: secret}\n");
    testbed_wait(&t, "web1");
    testbed_wait(&t, "db1");
    assert_non_null(
        strstr(testbed_targets(&t),
               "web {__meta_consul_dc=\"dc9\", __meta_consul_service=\"web\"}\n"
               "  {__address__=\"10.0.0.1:80\", __meta_consul_address=\"10.0.0.1\", "
               "__meta_consul_health=\"passing\", __meta_consul_metadata_rack_no=\"7\", "
               "__meta_consul_namespace=\"ns1\", __meta_consul_node=\"n1\", "
               "__meta_consul_partition=\"p1\", __meta_consul_service_address=\"\", "
               "__meta_consul_service_id=\"web1\", __meta_consul_service_metadata_ver_sion=\"2\", "
               "__meta_consul_service_port=\"80\", __meta_consul_tagged_address_lan=\"10.0.0.1\", "
               "__meta_consul_tags=\",a,b,\"}\n"));
    api_wait(&a, &t, "/v1/health/service/web index=5 wait=120000ms stale= X-Consul-Token: secret",
             1);
    api_wait(&a, &t, "/v1/catalog/services index=10", 1);
    assert_int_equal(api_asked(&a, "/v1/health/service/web"), 2);

    api_set(&a, "/v1/health/service/web", "", 200,
            "[" NODE("web1", "80", STATUS("passing") "," STATUS("critical")) "]", 7);
    testbed_wait(&t, "__meta_consul_health=\"critical\"");
    api_wait(&a, &t, "/v1/health/service/web index=7", 1);

    api_set(&a, "/v1/catalog/services", "", 200, "{\"web\":[]}", 11);
    testbed_wait_gone(&t, "db1");
    assert_non_null(strstr(testbed_targets(&t), "web1"));
    api_close(&a, &t);
}

static void an_outage_keeps_the_targets_until_consul_is_back(void **state)
{
    struct api a;
    struct testbed t;
    open_web(&a);
    api_discover(&a, &t, "consul_sd_configs",
                 "- {server: '127.0.0.1:PORT', refresh_interval: 20ms, datacenter: dc1}\n");
    testbed_wait(&t, "web1");
    testbed_wait(&t, "db1");
    assert_int_equal(api_asked(&a, "agent"), 0);
    api_down(&a, true);
    testbed_wait_state(&t, "Consul answers 503");
    assert_non_null(strstr(testbed_targets(&t), "web1"));
    assert_non_null(strstr(testbed_targets(&t), "db1"));
    api_set(&a, "/v1/catalog/services", "", 200, "{\"web\":[]}", 3);
    api_set(&a, "/v1/health/service/web", "", 200, "[" NODE("web2", "81", "") "]", 2);
    api_down(&a, false);
    testbed_wait(&t, "web2");
    testbed_wait_gone(&t, "db1");
    testbed_wait_state(&t, "");
    api_close(&a, &t);
}

static void filters_and_places_are_passed_on(void **state)
{
    struct api a;
    struct testbed t;
    open_web(&a);
    api_discover(&a, &t, "consul_sd_configs",
                 "- server: 127.0.0.1:PORT\n  services: [web, db]\n  tags: [a]\n"
                 "  node_meta: {rack: '1'}\n  allow_stale: false\n  datacenter: east\n"
                 "  namespace: n\n  partition: p\n  filter: F\n  health_filter: H\n"
                 "  refresh_interval: 10ms\n  username: u\n  password: p\n");
    testbed_wait(&t, "web1");
    assert_int_equal(api_asked(&a, "/v1/catalog/services wait=120000ms dc=east ns=n partition=p "
                                   "node-meta=rack:1 filter=F Authorization: Basic dTpw\n"),
                     1);
    assert_true(api_asked(&a, "/v1/health/service/web wait=120000ms dc=east ns=n partition=p "
                              "node-meta=rack:1 filter=H tag=a Authorization: Basic dTpw\n") >= 1);
    assert_int_equal(api_asked(&a, "/v1/health/service/db"), 0); /* it has no such tag */
    api_close(&a, &t);
}

static void named_services_need_no_catalogue(void **state)
{
    struct api a;
    struct testbed t;
    open_web(&a);
    api_discover(&a, &t, "consul_sd_configs",
                 "- {server: '127.0.0.1:PORT', services: [db], tag_separator: ';'}\n");
    testbed_wait(&t, "__meta_consul_tags=\";a;b;\"");
    assert_int_equal(api_asked(&a, "catalog"), 0);
    assert_int_equal(api_asked(&a, "web"), 0);
    api_close(&a, &t);
}

static void mistakes_are_named_in_the_words_of_prometheus(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"- server: ' '\n", "consul SD configuration requires a server address"},
        {"- {username: u, basic_auth: {username: v}}\n",
         "at most one of consul SD configuration username and password and basic auth can be "
         "configured"},
        {"- {token: t, authorization: {credentials: v}}\n",
         "at most one of consul SD token, authorization, or oauth2 can be configured"},
        {"- {sever: x}\n", "field sever not found in type consul.plain"},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct testbed t;
        testbed_open(&t);
        testbed_refuse(&t, "consul_sd_configs", rows[i].text, rows[i].why);
        testbed_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(services_are_watched_by_queries_that_wait),
        cmocka_unit_test(an_outage_keeps_the_targets_until_consul_is_back),
        cmocka_unit_test(filters_and_places_are_passed_on),
        cmocka_unit_test(named_services_need_no_catalogue),
        cmocka_unit_test(mistakes_are_named_in_the_words_of_prometheus),
    };
    return cmocka_run_group_tests_name("discover/consul", tests, NULL, NULL);
}
