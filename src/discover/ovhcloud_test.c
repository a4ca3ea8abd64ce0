#include "discover/api_test.h"
#include "crypt/digest.h"

#define V    "__meta_ovhcloud_vps_"
#define D    "__meta_ovhcloud_dedicated_server_"
#define KEYS "application_key: AK, application_secret: AS, consumer_key: CK"

static void virtual_servers_of_the_case_are_found(void **state)
{
    struct api a;
    struct testbed t;
    api_start(&a);
    api_put(&a, "/auth/time", "1000000000");
    api_put_case(&a, "/vps", "", "discovery/ovhcloud/testdata/vps/vps.json");
    api_put_case(&a, "/vps/abc", "", "discovery/ovhcloud/testdata/vps/vps_details.json");
    api_put(&a, "/vps/abc/ips", "[\"192.0.2.1\", \"2001:0db1:0:0::1\"]");
    api_discover(&a, &t, "ovhcloud_sd_configs",
                 "- {service: vps, endpoint: 'http://127.0.0.1:PORT', " KEYS "}\n");
    testbed_wait(&t, "192.0.2.1");
    assert_string_equal(
        testbed_targets(&t),
        "ovhcloud_vps {}\n  {__address__=\"192.0.2.1\", " V "cluster=\"cluster_test\", " V
        "datacenter=\"[]\", " V "disk=\"40\", " V "display_name=\"abc\", " V
        "ipv4=\"192.0.2.1\", " V "ipv6=\"2001:db1::1\", " V "maximum_additional_ip=\"16\", " V
        "memory=\"2048\", " V "memory_limit=\"2048\", " V "model_name=\"vps-value-1-2-40\", " V
        "model_vcore=\"1\", " V "name=\"abc\", " V "netboot_mode=\"local\", " V
        "offer=\"VPS abc\", " V "offer_type=\"ssd\", " V "state=\"running\", " V "vcore=\"1\", " V
        "version=\"2019v1\", " V "zone=\"zone\", instance=\"abc\"}\n");
    assert_int_equal(api_asked(&a, "/vps X-Ovh-Application: AK X-Ovh-Signature: $1$"), 1);
    assert_int_equal(api_asked(&a, "/auth/time X-Ovh-Application: AK\n"), 1);
    api_close(&a, &t);
}

static void dedicated_servers_without_details_are_left_out(void **state)
{
    struct api a;
    struct testbed t;
    api_start(&a);
    api_put(&a, "/auth/time", "1000000000");
    api_put(&a, "/dedicated/server", "[\"abcde\",\"gone\",\"net\"]");
    api_put(&a, "/dedicated/server/abcde",
            "{\"state\":\"test\",\"commercialRange\":\"Advance-1 Gen 2\",\"linkSpeed\":123,"
            "\"rack\":\"TESTRACK\",\"noIntervention\":false,\"os\":\"debian11_64\","
            "\"supportLevel\":\"pro\",\"serverId\":1234,\"reverse\":\"abcde-rev\","
            "\"datacenter\":\"gra3\",\"name\":\"abcde\"}");
    api_put_case(&a, "/dedicated/server/abcde/ips", "",
                 "discovery/ovhcloud/testdata/dedicated_server/dedicated_servers_abcde_ips.json");
    api_put(&a, "/dedicated/server/net", "{\"name\":\"net\"}");
    api_put(&a, "/dedicated/server/net/ips", "[\"10.0.0.0/8\"]"); /* no address of its own */
    api_discover(&a, &t, "ovhcloud_sd_configs",
                 "- {service: dedicated_server, endpoint: 'http://127.0.0.1:PORT', " KEYS "}\n");
    testbed_wait(&t, "1.2.3.4");
    assert_string_equal(testbed_targets(&t),
                        "ovhcloud_dedicated_server {}\n  {__address__=\"1.2.3.4\", " D
                        "commercial_range=\"Advance-1 Gen 2\", " D "datacenter=\"gra3\", " D
                        "ipv4=\"1.2.3.4\", " D "ipv6=\"\", " D "link_speed=\"123\", " D
                        "name=\"abcde\", " D "no_intervention=\"false\", " D
                        "os=\"debian11_64\", " D "rack=\"TESTRACK\", " D "reverse=\"abcde-rev\", " D
                        "server_id=\"1234\", " D "state=\"test\", " D
                        "support_level=\"pro\", instance=\"abcde\"}\n");
    assert_string_equal(t.why, "");
    api_close(&a, &t);
}

static void requests_are_signed_by_the_digest_of_their_parts(void **state)
{
    uint8_t digest[DIGEST_SHA1_BYTES];
    char text[2 * DIGEST_SHA1_BYTES + 1];
    assert_int_equal(digest_sha1(STR("abc"), digest), 0); /* FIPS 180-4, example 1 */
    digest_hex(digest, sizeof digest, text);
    assert_string_equal(text, "a9993e364706816aba3e25717850c26c9cd0d89d");
}

static void mistakes_are_named_in_the_words_of_prometheus(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"- {service: fakeservice, " KEYS "}\n", "unknown service: fakeservice"},
        {"- {service: vps, endpoint: '', " KEYS "}\n", "endpoint can not be empty"},
        {"- {service: vps}\n", "application key can not be empty"},
        {"- {service: vps, application_key: x}\n", "application secret can not be empty"},
        {"- {service: vps, application_key: x, application_secret: y}\n",
         "consumer key can not be empty"},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct testbed t;
        testbed_open(&t);
        testbed_refuse(&t, "ovhcloud_sd_configs", rows[i].text, rows[i].why);
        testbed_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(virtual_servers_of_the_case_are_found),
        cmocka_unit_test(dedicated_servers_without_details_are_left_out),
        cmocka_unit_test(requests_are_signed_by_the_digest_of_their_parts),
        cmocka_unit_test(mistakes_are_named_in_the_words_of_prometheus),
    };
    return cmocka_run_group_tests_name("discover/ovhcloud", tests, NULL, NULL);
}
