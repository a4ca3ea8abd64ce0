#include "discover/testbed_test.h"

static void entries_of_other_clouds_are_checked_in_the_words_of_prometheus(void **state)
{
    static const struct {
        const char *key, *text, *why;
    } ROWS[] = {
        {"azure_sd_configs", "- {subscription_id: a, tenant_id: b, client_id: c}\n",
         "azure SD configuration requires a client_secret"},
        {"azure_sd_configs", "- {subscription_id: a, authentication_method: Who}\n",
         "unknown authentication_type \"Who\". Supported types are \"OAuth\", "
         "\"ManagedIdentity\", \"SDK\" or \"WorkloadIdentity\""},
        {"ec2_sd_configs", "- {filters: [{name: a}]}\n",
         "EC2 SD configuration filter values cannot be empty"},
        {"ec2_sd_configs", "- {regoin: a}\n", "field regoin not found in type ec2.plain"},
        {"ec2_sd_configs", "- {port: a}\n", "cannot unmarshal !!str `a` into int"},
        {"eureka_sd_configs", "- {server: eureka}\n", "invalid eureka server URL"},
        {"hetzner_sd_configs", "- {role: r}\n", "unknown role \"r\""},
        {"kuma_sd_configs", "- {server: ''}\n", "kuma SD server must not be empty"},
        {"marathon_sd_configs", "- {servers: []}\n",
         "marathon_sd: must contain at least one Marathon server"},
        {"nerve_sd_configs", "- {servers: [a], paths: [/a, b]}\n",
         "nerve SD config paths must begin with '/': b"},
        {"oci_sd_configs", "- {region: a, auth: no}\n",
         "oci_sd: unknown auth method \"no\", expected \"api_key\" or \"instance_principal\""},
        {"oci_sd_configs", "- {region: a, auth: instance_principal, user: u}\n",
         "oci_sd: instance_principal auth must not have tenancy, user, fingerprint, key_file, "
         "key_passphrase, or key_passphrase_file set"},
        {"oci_sd_configs", "- {region: a, auth: instance_principal, compartments: ['']}\n",
         "oci_sd: compartments must not be empty"},
        {"openstack_sd_configs", "- {availability: no}\n",
         "unknown availability no, must be one of admin, internal or public"},
        {"outscale_sd_configs", "- {region: '', access_key: a, secret_key: b}\n",
         "outscale SD configuration requires a region"},
        {"outscale_sd_configs", "- {access_key: a, secret_key: b, secret_key_file: c}\n",
         "at most one of secret_key & secret_key_file must be configured"},
        {"puppetdb_sd_configs", "- {url: 'ftp://a', query: q}\n",
         "URL scheme must be 'http' or 'https'"},
        {"puppetdb_sd_configs", "- {url: 'http://', query: q}\n", "host is missing in URL"},
        {"scaleway_sd_configs", "- {role: instance, project_id: p}\n",
         "one of secret_key & secret_key_file must be configured"},
        {"stackit_sd_configs", "- {endpoint: '://x'}\n", "invalid endpoint \"://x\""},
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(ROWS); i++) {
        struct testbed t;
        testbed_open(&t);
        testbed_refuse(&t, ROWS[i].key, ROWS[i].text, ROWS[i].why);
        testbed_close(&t);
    }
}

static void entries_that_are_whole_are_read_and_have_no_start(void **state)
{
    static const struct {
        const char *key, *text;
    } ROWS[] = {
        {"azure_sd_configs", "- {subscription_id: a, authentication_method: SDK}\n"},
        {"ec2_sd_configs", "- {region: x, filters: [{name: a, values: [b]}], port: 80}\n- {}\n"},
        {"gce_sd_configs", "- {project: p, zone: z, refresh_interval: 5m}\n"},
        {"nomad_sd_configs", "- {server: 'http://localhost:4646', allow_stale: true}\n"},
        {"triton_sd_configs", "- {account: a, dns_suffix: b, endpoint: c, version: 1, "
                              "tls_config: {insecure_skip_verify: true}}\n"},
        {"vultr_sd_configs", "- {port: 80}\n"},
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(ROWS); i++) {
        struct arena a;
        const struct yaml_node *list;
        struct discovery_config *configs;
        struct why why = {0};
        size_t n;
        arena_init(&a);
        const struct discovery_ops *ops = discovery_find(str_c(ROWS[i].key));
        assert_non_null(ops);
        assert_null(ops->start);
        struct discovery_read r = {.folder = STR("."), .a = &a};
        assert_int_equal(yaml_parse(str_c(ROWS[i].text), &a, &list, NULL, &why), 0);
        if (discovery_read(ops, list, &r, &configs, &n, &why) != 0)
            fail_msg("%s: %s", ROWS[i].key, why.text);
        assert_int_equal(n, list->n);
        arena_done(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_of_other_clouds_are_checked_in_the_words_of_prometheus),
        cmocka_unit_test(entries_that_are_whole_are_read_and_have_no_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
