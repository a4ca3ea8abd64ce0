#include "discover/api_test.h"

#define D "__meta_docker_"

static const char CONTAINERS[] =
    "[{\"Id\":\"c1\",\"Names\":[\"/web\"],\"Labels\":{\"com.example.tier\":\"front\"},"
    "\"HostConfig\":{\"NetworkMode\":\"bridge\"},"
    "\"Ports\":[{\"IP\":\"0.0.0.0\",\"PrivatePort\":80,\"PublicPort\":8080,\"Type\":\"tcp\"},"
    "{\"PrivatePort\":53,\"Type\":\"udp\"}],"
    "\"NetworkSettings\":{\"Networks\":{\"zeta\":{\"NetworkID\":\"n2\",\"IPAddress\":\"10.2.0.2\"},"
    "\"alpha\":{\"NetworkID\":\"n1\",\"IPAddress\":\"10.1.0.2\"}}}},"
    "{\"Id\":\"c2\",\"Names\":[\"/side\"],\"Labels\":{},"
    "\"HostConfig\":{\"NetworkMode\":\"container:c1\"},\"Ports\":[],"
    "\"NetworkSettings\":{\"Networks\":{}}},"
    "{\"Id\":\"c3\",\"Names\":[\"/host\"],\"HostConfig\":{\"NetworkMode\":\"host\"},\"Ports\":[],"
    "\"NetworkSettings\":{\"Networks\":{\"host\":{\"NetworkID\":\"n3\",\"IPAddress\":\"\"}}}},"
    "{\"Id\":\"c4\",\"Names\":[\"/six\"],\"HostConfig\":{\"NetworkMode\":\"six\"},\"Ports\":[],"
    "\"NetworkSettings\":{\"Networks\":{\"six\":{\"NetworkID\":\"n4\",\"IPAddress\":\"\","
    "\"GlobalIPv6Address\":\"fd00::2\"}}}}]";

static const char NETWORKS[] = "[{\"Id\":\"n1\",\"Name\":\"alpha\",\"Scope\":\"local\","
                               "\"Internal\":true,\"Ingress\":false,\"Labels\":{\"a.b\":\"c\"}}]";

static void open_daemon(struct api *a)
{
    api_start(a);
    api_put(a, "/_ping", "OK");
    a->rows[0].header = "Api-Version: 1.40";
    api_put(a, "/v1.40/containers/json", CONTAINERS);
    api_put(a, "/v1.40/networks", NETWORKS);
}

static void containers_are_targets_by_network_and_port(void **state)
{
    struct api a;
    struct testbed t;
    open_daemon(&a);
    api_discover(&a, &t, "docker_sd_configs",
                 "- {host: 'tcp://127.0.0.1:PORT', port: 9100, refresh_interval: 50ms,\n"
                 "   filters: [{name: label, values: [x, y]}], host_networking_host: thishost}\n");
    testbed_wait(&t, "fd00::2");
    assert_string_equal(
        testbed_targets(&t),
        "Docker {}\n"
        "  {__address__=\"10.1.0.2:80\", " D "container_id=\"c1\", " D
        "container_label_com_example_tier=\"front\", " D "container_name=\"/web\", " D
        "container_network_mode=\"bridge\", " D "network_id=\"n1\", " D
        "network_ingress=\"false\", " D "network_internal=\"true\", " D
        "network_ip=\"10.1.0.2\", " D "network_label_a_b=\"c\", " D "network_name=\"alpha\", " D
        "network_scope=\"local\", " D "port_private=\"80\", " D "port_public=\"8080\", " D
        "port_public_ip=\"0.0.0.0\"}\n"
        "  {__address__=\"10.1.0.2:9100\", " D "container_id=\"c2\", " D
        "container_name=\"/side\", " D "container_network_mode=\"container:c1\", " D
        "network_id=\"n1\", " D "network_ingress=\"false\", " D "network_internal=\"true\", " D
        "network_ip=\"10.1.0.2\", " D "network_label_a_b=\"c\", " D "network_name=\"alpha\", " D
        "network_scope=\"local\"}\n"
        "  {__address__=\"thishost\", " D "container_id=\"c3\", " D "container_name=\"/host\", " D
        "container_network_mode=\"host\", " D "network_ip=\"\"}\n"
        "  {__address__=\"[fd00::2]:9100\", " D "container_id=\"c4\", " D
        "container_name=\"/six\", " D "container_network_mode=\"six\", " D
        "network_ip=\"fd00::2\"}\n");
    assert_true(api_asked(&a, "/v1.40/containers/json "
                              "filters={\"label\":{\"x\":true,\"y\":true}}\n") >= 1);
    assert_true(api_asked(&a, "/v1.40/networks\n") >= 1);

    api_put(&a, "/v1.40/containers/json", "[]");
    testbed_wait_gone(&t, "c1");
    api_close(&a, &t);
}

static void every_network_counts_where_it_is_asked_for(void **state)
{
    struct api a;
    struct testbed t;
    open_daemon(&a);
    api_discover(&a, &t, "docker_sd_configs",
                 "- {host: 'http://127.0.0.1:PORT/', match_first_network: false}\n");
    testbed_wait(&t, "10.2.0.2:80");
    assert_non_null(strstr(testbed_targets(&t), "10.1.0.2:80"));
    api_close(&a, &t);
}

static void an_outage_keeps_the_containers(void **state)
{
    struct api a;
    struct testbed t;
    open_daemon(&a);
    api_discover(&a, &t, "docker_sd_configs",
                 "- {host: 'http://127.0.0.1:PORT', refresh_interval: 30ms}\n");
    testbed_wait(&t, "c1");
    api_down(&a, true);
    testbed_wait_state(&t, "server returned HTTP status 503");
    assert_non_null(strstr(testbed_targets(&t), "c1"));
    api_down(&a, false);
    testbed_wait_state(&t, "");
    api_put(&a, "/v1.40/networks", "{");
    testbed_wait_state(&t, "error while listing networks: ");
    assert_non_null(strstr(testbed_targets(&t), "c1"));
    api_close(&a, &t);
}

static void hosts_and_roles_are_checked_in_the_words_of_prometheus(void **state)
{
    static const struct {
        const char *key, *text, *why;
    } rows[] = {
        {"docker_sd_configs", "- {port: 1}\n", "host missing"},
        {"docker_sd_configs", "- {host: 'unix:///x', role: tasks}\n",
         "field role not found in type moby.plain"},
        {"dockerswarm_sd_configs", "- {host: 'http://x'}\n",
         "role missing (one of: tasks, services, nodes)"},
        {"dockerswarm_sd_configs", "- {host: 'http://x', role: pods}\n",
         "invalid role pods, expected tasks, services, or nodes"},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct testbed t;
        testbed_open(&t);
        testbed_refuse(&t, rows[i].key, rows[i].text, rows[i].why);
        testbed_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(containers_are_targets_by_network_and_port),
        cmocka_unit_test(every_network_counts_where_it_is_asked_for),
        cmocka_unit_test(an_outage_keeps_the_containers),
        cmocka_unit_test(hosts_and_roles_are_checked_in_the_words_of_prometheus),
    };
    return cmocka_run_group_tests_name("discover/docker", tests, NULL, NULL);
}
