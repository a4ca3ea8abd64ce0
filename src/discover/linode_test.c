#include "discover/api_test.h"

#define L "__meta_linode_"

/* What the cases leave out: the details of the addresses in them. */
static const char IPS[] =
    "{\"page\":1,\"pages\":1,\"data\":["
    "{\"address\":\"45.33.82.151\",\"public\":true,\"rdns\":\"li1028-151.members.linode.com\"},"
    "{\"address\":\"96.126.108.16\",\"public\":true,\"rdns\":null},"
    "{\"address\":\"192.168.170.51\",\"public\":false,\"rdns\":null},"
    "{\"address\":\"192.168.201.25\",\"public\":false,\"rdns\":null},"
    "{\"address\":\"66.228.47.103\",\"public\":true,\"rdns\":\"null\"},"
    "{\"address\":\"2600:3c03::f03c:92ff:fe1a:fb4c\",\"public\":true,\"rdns\":\"six.example\"}]}";

#define SPECS(disk, memory, transfer, cpus)                                                        \
    L "specs_disk_bytes=\"" disk "\", " L "specs_memory_bytes=\"" memory "\", " L                  \
      "specs_transfer_bytes=\"" transfer "\", " L "specs_vcpus=\"" cpus "\", "

static void put_case(struct api *a, const char *folder)
{
    char name[200];
    snprintf(name, sizeof name, "discovery/linode/testdata/%s/v4/linode/instances.json", folder);
    api_put_case(a, "/v4/linode/instances", "", name);
    snprintf(name, sizeof name, "discovery/linode/testdata/%s/v4/networking/ipv6/ranges.json",
             folder);
    api_put_case(a, "/v4/networking/ipv6/ranges", "", name);
    api_put(a, "/v4/networking/ips", IPS);
}

static void start(struct api *a, struct testbed *t, const char *text)
{
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u", a->loopback.port);
    assert_int_equal(setenv("LINODE_URL", url, 1), 0);
    api_discover(a, t, "linode_sd_configs", text);
}

static void the_instances_of_a_region_are_found(void **state)
{
    struct api a;
    struct testbed t;
    api_start(&a);
    put_case(&a, "us-east");
    start(&a, &t, "- {region: us-east, authorization: {credentials: abc}}\n");
    testbed_wait(&t, "sd-exporter-4");
    assert_string_equal(
        testbed_targets(&t),
        "Linode {}\n"
        "  {__address__=\"45.33.82.151:80\", " L "backups=\"disabled\", " L
        "extra_ips=\",96.126.108.16,192.168.201.25,\", " L "gpus=\"0\", " L "group=\"\", " L
        "hypervisor=\"kvm\", " L "image=\"linode/arch\", " L "instance_id=\"26838044\", " L
        "instance_label=\"prometheus-linode-sd-exporter-1\", " L
        "private_ipv4=\"192.168.170.51\", " L "private_ipv4_rdns=\"\", " L
        "public_ipv4=\"45.33.82.151\", " L "public_ipv4_rdns=\"li1028-151.members.linode.com\", " L
        "public_ipv6=\"\", " L "public_ipv6_rdns=\"\", " L
        "region=\"us-east\", " SPECS("85899345920", "4294967296", "4194304000", "2") L
        "status=\"running\", " L "tags=\",monitoring,\", " L "type=\"g6-standard-2\"}\n"
        "  {__address__=\"66.228.47.103:80\", " L "backups=\"disabled\", " L "gpus=\"0\", " L
        "group=\"\", " L "hypervisor=\"kvm\", " L "image=\"linode/ubuntu20.04\", " L
        "instance_id=\"26837992\", " L "instance_label=\"prometheus-linode-sd-exporter-4\", " L
        "ipv6_ranges=\",2600:3c03:e000:123::/64,\", " L "private_ipv4=\"\", " L
        "private_ipv4_rdns=\"\", " L "public_ipv4=\"66.228.47.103\", " L "public_ipv4_rdns=\"\", " L
        "public_ipv6=\"2600:3c03::f03c:92ff:fe1a:fb4c\", " L "public_ipv6_rdns=\"six.example\", " L
        "region=\"us-east\", " SPECS("26843545600", "1073741824", "1048576000", "1") L
        "status=\"running\", " L "tags=\",monitoring,\", " L "type=\"g6-nanode-1\"}\n");
    assert_int_equal(api_asked(&a, "/v4/linode/instances page=1 Authorization: Bearer abc "
                                   "X-Filter: {\"region\": \"us-east\"}\n"),
                     1);
    api_close(&a, &t);
}

static void all_pages_are_read(void **state)
{
    struct api a;
    struct testbed t;
    api_start(&a);
    put_case(&a, "no_region_filter");
    api_set(&a, "/v4/networking/ips", "page=1", 200, "{\"page\":1,\"pages\":2,\"data\":[]}", 0);
    api_set(&a, "/v4/networking/ips", "page=2", 200,
            "{\"page\":2,\"pages\":2,\"data\":[{\"address\":\"192.53.120.25\",\"public\":true}]}",
            0);
    start(&a, &t, "- {port: 9100, tag_separator: '|'}\n");
    testbed_wait(&t, "192.53.120.25:9100");
    const char *got = testbed_targets(&t);
    for (int i = 1; i <= 4; i++) {
        char label[64];
        snprintf(label, sizeof label, "prometheus-linode-sd-exporter-%d", i);
        assert_non_null(strstr(got, label));
    }
    assert_non_null(strstr(got, L "ipv6_ranges=\"|2600:3c04:e001:456::/64|\""));
    assert_int_equal(api_asked(&a, "X-Filter"), 0);
    api_close(&a, &t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_instances_of_a_region_are_found),
        cmocka_unit_test(all_pages_are_read),
    };
    return cmocka_run_group_tests_name("discover/linode", tests, NULL, NULL);
}
