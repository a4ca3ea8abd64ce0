#include "discover/api_test.h"

#define S "__meta_dockerswarm_"

static void open_daemon(struct api *a)
{
    api_start(a);
    api_put(a, "/_ping", "OK");
    a->rows[0].header = "Api-Version: 1.40";
    api_put_case(a, "/v1.40/networks", "", "discovery/moby/testdata/swarmprom/networks.json");
    api_put_case(a, "/v1.40/services", "", "discovery/moby/testdata/swarmprom/services.json");
}

static void the_services_of_the_case_are_found(void **state)
{
    struct api a;
    struct testbed t;
    open_daemon(&a);
    api_discover(&a, &t, "dockerswarm_sd_configs",
                 "- {host: 'http://127.0.0.1:PORT', role: services}\n");
    testbed_wait(&t, "mon_node-exporter");
    const char *got = testbed_targets(&t);
    assert_non_null(strstr(got, "  {__address__=\"10.0.1.2:9100\", " S
                                "network_id=\"npq2closzy836m07eaq1425k3\", " S
                                "network_ingress=\"false\", " S "network_internal=\"false\", " S
                                "network_label_com_docker_stack_namespace=\"mon\", " S
                                "network_name=\"mon_net\", " S "network_scope=\"swarm\", "));
    assert_non_null(strstr(got, S "service_endpoint_port_publish_mode=\"ingress\""));
    assert_non_null(strstr(got, S "service_mode=\"global\""));
    assert_non_null(strstr(got, S "service_mode=\"replicated\""));
    assert_non_null(strstr(
        got, S "service_task_container_image=\"stefanprodan/swarmprom-node-exporter:v0.16.0@sha256:"
               "1d2518ec0501dd848e718bf008df37852b1448c862d6f256f2d39244975758d6\""));
    assert_non_null(strstr(got, "{__address__=\"10.0.1.34:80\"")); /* without ports: the default */
    /* Each published port on each of the two networks of its service. */
    assert_non_null(strstr(got, "{__address__=\"10.0.1.29:3000\""));
    assert_non_null(strstr(got, "{__address__=\"10.0.0.15:3000\""));
    api_close(&a, &t);
}

static const char NODES[] =
    "[{\"ID\":\"n1\",\"Spec\":{\"Role\":\"manager\",\"Availability\":\"active\","
    "\"Labels\":{\"rack.no\":\"7\"}},\"Description\":{\"Hostname\":\"oxygen\","
    "\"Platform\":{\"Architecture\":\"x86_64\",\"OS\":\"linux\"},"
    "\"Engine\":{\"EngineVersion\":\"19.03\"}},\"Status\":{\"State\":\"ready\",\"Addr\":\"1.2.3."
    "4\"},"
    "\"ManagerStatus\":{\"Leader\":true,\"Reachability\":\"reachable\","
    "\"Addr\":\"1.2.3.4:2377\"}}]";

#define NODE_LABELS S "node_address=\"1.2.3.4\", " S "node_availability=\"active\", "

static void nodes_are_targets_of_their_own(void **state)
{
    struct api a;
    struct testbed t;
    open_daemon(&a);
    api_put(&a, "/v1.40/nodes", NODES);
    api_discover(&a, &t, "dockerswarm_sd_configs",
                 "- {host: 'http://127.0.0.1:PORT', role: nodes, port: 9323}\n");
    testbed_wait(&t, "oxygen");
    assert_string_equal(
        testbed_targets(&t),
        "DockerSwarm {}\n  {__address__=\"1.2.3.4:9323\", " NODE_LABELS S
        "node_engine_version=\"19.03\", " S "node_hostname=\"oxygen\", " S "node_id=\"n1\", " S
        "node_label_rack_no=\"7\", " S "node_manager_address=\"1.2.3.4:2377\", " S
        "node_manager_leader=\"true\", " S "node_manager_reachability=\"reachable\", " S
        "node_platform_architecture=\"x86_64\", " S "node_platform_os=\"linux\", " S
        "node_role=\"manager\", " S "node_status=\"ready\"}\n");
    api_close(&a, &t);
}

static void tasks_have_labels_of_service_node_and_container(void **state)
{
    struct api a;
    struct testbed t;
    open_daemon(&a);
    api_put(&a, "/v1.40/nodes", NODES);
    api_put(&a, "/v1.40/services",
            "[{\"ID\":\"s1\",\"Spec\":{\"Name\":\"db\",\"Mode\":{\"Global\":{}},\"Labels\":null},"
            "\"Endpoint\":{}}]");
    api_put(
        &a, "/v1.40/tasks",
        "[{\"ID\":\"t1\",\"Slot\":3,\"ServiceID\":\"s1\",\"NodeID\":\"n1\","
        "\"DesiredState\":\"running\",\"Spec\":{\"ContainerSpec\":{\"Labels\":{\"b\":\"spec\"}}},"
        "\"Status\":{\"State\":\"failed\",\"ContainerStatus\":{\"ContainerID\":\"c9\"},"
        "\"PortStatus\":{\"Ports\":[{\"Protocol\":\"tcp\",\"PublishedPort\":81,"
        "\"PublishMode\":\"host\"}]}},"
        "\"NetworksAttachments\":[{\"Network\":{\"ID\":\"npq2closzy836m07eaq1425k3\"},"
        "\"Addresses\":[\"10.0.1.35/24\"]}]}]");
    api_put(&a, "/v1.40/containers/c9/json",
            "{\"Id\":\"c9\",\"Config\":{\"Labels\":{\"a.b\":\"image\",\"b\":\"image\"}}}");
    api_discover(&a, &t, "dockerswarm_sd_configs",
                 "- {host: 'http://127.0.0.1:PORT', role: tasks, port: 9104}\n");
    testbed_wait(&t, "t1");
    const char *got = testbed_targets(&t);
    assert_non_null(strstr(got,
                           "{__address__=\"1.2.3.4:81\", " S "container_label_a_b=\"image\", " S
                           "container_label_b=\"spec\", " NODE_LABELS));
    assert_non_null(strstr(got, S "service_id=\"s1\", " S "service_mode=\"global\", " S
                                  "service_name=\"db\", " S "task_container_id=\"c9\", " S
                                  "task_desired_state=\"running\", " S "task_id=\"t1\", " S
                                  "task_port_publish_mode=\"host\", " S "task_slot=\"3\", " S
                                  "task_state=\"failed\"}"));
    assert_non_null(strstr(got, "{__address__=\"10.0.1.35:9104\", "));
    assert_non_null(strstr(got, S "network_name=\"mon_net\""));
    api_close(&a, &t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_services_of_the_case_are_found),
        cmocka_unit_test(nodes_are_targets_of_their_own),
        cmocka_unit_test(tasks_have_labels_of_service_node_and_container),
    };
    return cmocka_run_group_tests_name("discover/dockerswarm", tests, NULL, NULL);
}
