#include <unistd.h>

#include "discover/api_test.h"
#include "discover/kubernetes_selector.h"
#include "os/file.h"

#define M "__meta_kubernetes_"
#define LIST(version, items)                                                                       \
    "{\"kind\":\"List\",\"metadata\":{\"resourceVersion\":\"" version "\"},\"items\":[" items "]}"
#define POD(name, version, ip)                                                                     \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"ns\",\"uid\":\"u-" name                  \
    "\",\"resourceVersion\":\"" version "\",\"labels\":{\"app.kubernetes.io/name\":\"x\"},"        \
    "\"annotations\":{\"scrape\":\"yes\"},\"ownerReferences\":[{\"kind\":\"ReplicaSet\","          \
    "\"name\":\"rs\",\"controller\":true}]},"                                                      \
    "\"spec\":{\"nodeName\":\"node1\",\"containers\":[{\"name\":\"c\",\"image\":\"img:1\","        \
    "\"ports\":[{\"name\":\"http\",\"containerPort\":8080,\"protocol\":\"TCP\"},"                  \
    "{\"containerPort\":9100,\"protocol\":\"TCP\"}]}],"                                            \
    "\"initContainers\":[{\"name\":\"i\",\"image\":\"init:1\"}]},"                                 \
    "\"status\":{\"podIP\":\"" ip "\",\"hostIP\":\"10.9.9.9\",\"phase\":\"Running\","              \
    "\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}],"                                   \
    "\"containerStatuses\":[{\"name\":\"c\",\"containerID\":\"docker://1\"}]}}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"
#define PODS                "/api/v1/pods"
#define POD_COMMON                                                                                 \
    M "namespace=\"ns\", " M "pod_annotation_scrape=\"yes\", " M                                   \
      "pod_annotationpresent_scrape=\"true\", " M "pod_controller_kind=\"ReplicaSet\", " M         \
      "pod_controller_name=\"rs\", " M "pod_host_ip=\"10.9.9.9\", " M "pod_ip=\"10.1.0.1\", " M    \
      "pod_label_app_kubernetes_io_name=\"x\", " M                                                 \
      "pod_labelpresent_app_kubernetes_io_name=\"true\", " M "pod_name=\"a\", " M                  \
      "pod_node_name=\"node1\", " M "pod_phase=\"Running\", " M "pod_ready=\"true\", " M           \
      "pod_uid=\"u-a\""

static void pods_are_listed_and_watched(void **state)
{
    struct api a;
    struct testbed t;
    api_start(&a);
    api_put(&a, PODS, LIST("100", POD("a", "90", "10.1.0.1")));
    api_discover(&a, &t, "kubernetes_sd_configs",
                 "- {role: pod, api_server: 'http://127.0.0.1:PORT'}\n");
    testbed_wait(&t, "pod/ns/a");
    assert_string_equal(
        testbed_targets(&t),
        "pod/ns/a {" POD_COMMON "}\n"
        "  {__address__=\"10.1.0.1:8080\", " M "pod_container_id=\"docker://1\", " M
        "pod_container_image=\"img:1\", " M "pod_container_init=\"false\", " M
        "pod_container_name=\"c\", " M "pod_container_port_name=\"http\", " M
        "pod_container_port_number=\"8080\", " M "pod_container_port_protocol=\"TCP\"}\n"
        "  {__address__=\"10.1.0.1:9100\", " M "pod_container_id=\"docker://1\", " M
        "pod_container_image=\"img:1\", " M "pod_container_init=\"false\", " M
        "pod_container_name=\"c\", " M "pod_container_port_name=\"\", " M
        "pod_container_port_number=\"9100\", " M "pod_container_port_protocol=\"TCP\"}\n"
        "  {__address__=\"10.1.0.1\", " M "pod_container_id=\"\", " M
        "pod_container_image=\"init:1\", " M "pod_container_init=\"true\", " M
        "pod_container_name=\"i\"}\n");
    api_wait(&a, &t, PODS " watch=true resourceVersion=100 allowWatchBookmarks=true", 1);

    api_stream(&a, PODS, EVENT("ADDED", POD("b", "101", "10.1.0.2")));
    testbed_wait(&t, "pod/ns/b");
    const char *event = EVENT("MODIFIED", POD("b", "102", "10.1.0.3"));
    char half[64];
    snprintf(half, sizeof half, "%.60s", event);
    api_stream(&a, PODS, half); /* an event in two pieces */
    api_stream(&a, PODS, event + strlen(half));
    testbed_wait(&t, "10.1.0.3:8080");
    assert_null(strstr(testbed_targets(&t), "10.1.0.2:8080"));
    api_stream(&a, PODS, EVENT("DELETED", POD("a", "103", "10.1.0.1")));
    testbed_wait_gone(&t, "pod/ns/a");
    api_stream(&a, PODS,
               EVENT("BOOKMARK", "{\"kind\":\"Pod\",\"metadata\":{\"resourceVersion\":\"250\"}}"));
    api_stream(&a, PODS, NULL);
    api_wait(&a, &t, PODS " watch=true resourceVersion=250", 1);
    assert_int_equal(api_asked(&a, PODS "\n"), 1); /* it was listed once only */
    api_close(&a, &t);
}

static void a_version_that_is_forgotten_means_a_new_list(void **state)
{
    struct api a;
    struct testbed t;
    api_start(&a);
    api_put(&a, PODS, LIST("100", POD("a", "90", "10.1.0.1") "," POD("b", "91", "10.1.0.2")));
    api_discover(&a, &t, "kubernetes_sd_configs",
                 "- {role: pod, api_server: 'http://127.0.0.1:PORT'}\n");
    testbed_wait(&t, "pod/ns/b");
    api_wait(&a, &t, "watch=true", 1);
    api_put(&a, PODS, LIST("200", POD("b", "91", "10.1.0.2") "," POD("c", "150", "10.1.0.4")));
    api_stream(&a, PODS,
               EVENT("ERROR", "{\"kind\":\"Status\",\"code\":410,\"message\":\"too old\"}"));
    testbed_wait(&t, "pod/ns/c");
    testbed_wait_gone(&t, "pod/ns/a");
    assert_non_null(strstr(testbed_targets(&t), "pod/ns/b"));
    api_wait(&a, &t, "watch=true resourceVersion=200", 1);
    api_close(&a, &t);
}

static void an_outage_keeps_the_targets(void **state)
{
    struct api a;
    struct testbed t;
    api_start(&a);
    api_put(&a, PODS, LIST("100", POD("a", "90", "10.1.0.1")));
    api_discover(&a, &t, "kubernetes_sd_configs",
                 "- {role: pod, api_server: 'http://127.0.0.1:PORT'}\n");
    testbed_wait(&t, "pod/ns/a");
    api_wait(&a, &t, "watch=true", 1);
    api_down(&a, true);
    testbed_wait_state(&t, "the API server answers 503");
    assert_non_null(strstr(testbed_targets(&t), "pod/ns/a"));
    api_put(&a, PODS, LIST("300", POD("z", "299", "10.1.0.9")));
    api_down(&a, false);
    testbed_wait(&t, "pod/ns/z");
    testbed_wait_gone(&t, "pod/ns/a");
    testbed_wait_state(&t, "");
    api_close(&a, &t);
}

static void long_lists_come_in_pages(void **state)
{
    struct api a;
    struct testbed t;
    api_start(&a);
    api_put(&a, PODS,
            "{\"metadata\":{\"resourceVersion\":\"5\",\"continue\":\"more\"},\"items\":[" POD(
                "a", "1", "10.1.0.1") "]}");
    api_set(&a, PODS, "continue=more", 200, LIST("5", POD("b", "2", "10.1.0.2")), 0);
    api_discover(&a, &t, "kubernetes_sd_configs",
                 "- {role: pod, api_server: 'http://127.0.0.1:PORT'}\n");
    testbed_wait(&t, "pod/ns/a");
    assert_non_null(strstr(testbed_targets(&t), "pod/ns/b")); /* told at once */
    assert_int_equal(t.updates, 1);
    api_close(&a, &t);
}

#define SERVICE(version, label)                                                                    \
    "{\"metadata\":{\"name\":\"svc\",\"namespace\":\"ns\",\"resourceVersion\":\"" version          \
    "\",\"labels\":{\"l\":\"" label "\"}},\"spec\":{\"type\":\"LoadBalancer\","                    \
    "\"clusterIP\":\"10.5.5.5\",\"loadBalancerIP\":\"9.9.9.9\",\"ports\":[{\"name\":\"web\","      \
    "\"port\":80,\"protocol\":\"TCP\"}]}}"
#define ENDPOINTS                                                                                  \
    "{\"metadata\":{\"name\":\"svc\",\"namespace\":\"ns\",\"resourceVersion\":\"7\"},"             \
    "\"subsets\":[{\"addresses\":[{\"ip\":\"10.1.0.1\",\"nodeName\":\"node1\",\"hostname\":\"h\"," \
    "\"targetRef\":{\"kind\":\"Pod\",\"namespace\":\"ns\",\"name\":\"a\"}}],"                      \
    "\"notReadyAddresses\":[{\"ip\":\"10.7.0.1\"}],"                                               \
    "\"ports\":[{\"name\":\"web\",\"port\":8080,\"protocol\":\"TCP\"}]}]}"
#define NODE                                                                                       \
    "{\"metadata\":{\"name\":\"node1\",\"resourceVersion\":\"3\",\"labels\":{\"zone\":\"z1\"}},"   \
    "\"spec\":{\"providerID\":\"aws:///i-1\"},\"status\":{\"addresses\":["                         \
    "{\"type\":\"Hostname\",\"address\":\"host1\"},{\"type\":\"InternalIP\",\"address\":\"10.9.9." \
    "9\"}],\"daemonEndpoints\":{\"kubeletEndpoint\":{\"Port\":10250}}}}"

static void endpoints_join_their_service_pod_and_node(void **state)
{
    struct api a;
    struct testbed t;
    api_start(&a);
    api_put(&a, "/api/v1/namespaces/ns/pods", LIST("1", POD("a", "90", "10.1.0.1")));
    api_put(&a, "/api/v1/namespaces/ns/services", LIST("2", SERVICE("8", "one")));
    api_put(&a, "/api/v1/namespaces/ns/endpoints", LIST("3", ENDPOINTS));
    api_put(&a, "/api/v1/nodes", LIST("4", NODE));
    api_discover(&a, &t, "kubernetes_sd_configs",
                 "- role: endpoints\n  api_server: http://127.0.0.1:PORT/\n"
                 "  namespaces: {names: [ns]}\n  attach_metadata: {node: true}\n"
                 "  selectors: [{role: endpoints, label: 'k=v', field: 'f=g'}]\n");
    testbed_wait(&t, "endpoints/ns/svc");
    assert_true(api_asked(&a, "/endpoints labelSelector=k=v fieldSelector=f=g\n") == 1);
    const char *got = testbed_targets(&t);
    assert_non_null(strstr(
        got, "endpoints/ns/svc {" M "endpoints_name=\"svc\", " M "namespace=\"ns\", " M
             "service_label_l=\"one\", " M "service_labelpresent_l=\"true\", " M
             "service_name=\"svc\"}\n"
             "  {__address__=\"10.1.0.1:8080\", " M "endpoint_address_target_kind=\"Pod\", " M
             "endpoint_address_target_name=\"a\", " M "endpoint_hostname=\"h\", " M
             "endpoint_node_name=\"node1\", " M "endpoint_port_name=\"web\", " M
             "endpoint_port_protocol=\"TCP\", " M "endpoint_ready=\"true\", " M
             "node_label_zone=\"z1\", " M "node_labelpresent_zone=\"true\", " M
             "node_name=\"node1\", "));
    assert_non_null(strstr(got, M "pod_container_port_number=\"8080\", "));
    assert_non_null(strstr(got,
                           "  {__address__=\"10.7.0.1:8080\", " M "endpoint_port_name=\"web\", " M
                           "endpoint_port_protocol=\"TCP\", " M "endpoint_ready=\"false\"}\n"));
    assert_non_null(strstr(got, "  {__address__=\"10.1.0.1:9100\", ")); /* it is not named */

    api_wait(&a, &t, "/services watch=true", 1);
    api_stream(&a, "/api/v1/namespaces/ns/services", EVENT("MODIFIED", SERVICE("9", "two")));
    testbed_wait(&t, "service_label_l=\"two\"");
    api_wait(&a, &t, "/pods watch=true", 1);
    api_stream(&a, "/api/v1/namespaces/ns/pods", EVENT("DELETED", POD("a", "95", "10.1.0.1")));
    testbed_wait_gone(&t, "pod_name");
    assert_non_null(strstr(testbed_targets(&t), "10.1.0.1:8080"));
    api_close(&a, &t);
}

#define SLICE                                                                                      \
    "{\"metadata\":{\"name\":\"svc-1\",\"namespace\":\"ns\",\"resourceVersion\":\"7\","            \
    "\"labels\":{\"kubernetes.io/service-name\":\"svc\"}},\"addressType\":\"IPv4\","               \
    "\"endpoints\":[{\"addresses\":[\"10.1.0.1\"],\"conditions\":{\"ready\":true,"                 \
    "\"serving\":true,\"terminating\":false},\"nodeName\":\"node1\",\"zone\":\"za\","              \
    "\"targetRef\":{\"kind\":\"Pod\",\"namespace\":\"ns\",\"name\":\"a\"}}],"                      \
    "\"ports\":[{\"name\":\"web\",\"port\":8080,\"protocol\":\"TCP\",\"appProtocol\":\"http\"}]}"

static void slices_say_what_endpoints_say_and_more(void **state)
{
    struct api a;
    struct testbed t;
    api_start(&a);
    api_put(&a, PODS, LIST("1", POD("a", "90", "10.1.0.1")));
    api_put(&a, "/api/v1/services", LIST("2", SERVICE("8", "one")));
    api_put(&a, "/apis/discovery.k8s.io/v1/endpointslices", LIST("3", SLICE));
    api_put(&a, "/api/v1/namespaces",
            LIST("4", "{\"metadata\":{\"name\":\"ns\",\"labels\":{\"team\":\"t\"}}}"));
    api_discover(&a, &t, "kubernetes_sd_configs",
                 "- role: endpointslice\n  api_server: http://127.0.0.1:PORT\n"
                 "  attach_metadata: {namespace: true}\n");
    testbed_wait(&t, "endpointslice/ns/svc-1");
    const char *got = testbed_targets(&t);
    assert_non_null(strstr(
        got,
        "endpointslice/ns/svc-1 {" M "endpointslice_address_type=\"IPv4\", " M
        "endpointslice_label_kubernetes_io_service_name=\"svc\", " M
        "endpointslice_labelpresent_kubernetes_io_service_name=\"true\", " M
        "endpointslice_name=\"svc-1\", " M "namespace=\"ns\", " M "namespace_label_team=\"t\", " M
        "namespace_labelpresent_team=\"true\", " M "service_label_l=\"one\", " M
        "service_labelpresent_l=\"true\", " M "service_name=\"svc\"}\n"
        "  {__address__=\"10.1.0.1:8080\", " M "endpointslice_address_target_kind=\"Pod\", " M
        "endpointslice_address_target_name=\"a\", " M
        "endpointslice_endpoint_conditions_ready=\"true\", " M
        "endpointslice_endpoint_conditions_serving=\"true\", " M
        "endpointslice_endpoint_conditions_terminating=\"false\", " M
        "endpointslice_endpoint_node_name=\"node1\", " M "endpointslice_endpoint_zone=\"za\", " M
        "endpointslice_port=\"8080\", " M "endpointslice_port_app_protocol=\"http\", " M
        "endpointslice_port_name=\"web\", " M "endpointslice_port_protocol=\"TCP\", " M
        "pod_annotation_scrape=\"yes\", "));
    api_close(&a, &t);
}

static void nodes_services_and_ingresses_are_targets(void **state)
{
    static const struct {
        const char *role, *path, *list, *wanted;
    } rows[] = {
        {"node", "/api/v1/nodes", LIST("1", NODE),
         "node/node1 {" M "node_label_zone=\"z1\", " M "node_labelpresent_zone=\"true\", " M
         "node_name=\"node1\", " M "node_provider_id=\"aws:///i-1\"}\n"
         "  {__address__=\"10.9.9.9:10250\", " M "node_address_Hostname=\"host1\", " M
         "node_address_InternalIP=\"10.9.9.9\", instance=\"node1\"}\n"},
        {"service", "/api/v1/services", LIST("1", SERVICE("8", "one")),
         "svc/ns/svc {" M "namespace=\"ns\", " M "service_label_l=\"one\", " M
         "service_labelpresent_l=\"true\", " M "service_name=\"svc\"}\n"
         "  {__address__=\"svc.ns.svc:80\", " M "service_cluster_ip=\"10.5.5.5\", " M
         "service_loadbalancer_ip=\"9.9.9.9\", " M "service_port_name=\"web\", " M
         "service_port_number=\"80\", " M "service_port_protocol=\"TCP\", " M
         "service_type=\"LoadBalancer\"}\n"},
        {"ingress", "/apis/networking.k8s.io/v1/ingresses",
         LIST("1", "{\"metadata\":{\"name\":\"i\",\"namespace\":\"ns\"},\"spec\":{"
                   "\"ingressClassName\":\"nginx\",\"tls\":[{\"hosts\":[\"*.x.org\"]}],"
                   "\"rules\":[{\"host\":\"a.x.org\",\"http\":{\"paths\":[{\"path\":\"/p\"},{}]}},"
                   "{\"host\":\"b.a.x.org\"}]}}"),
         "ingress/ns/i {" M "ingress_class_name=\"nginx\", " M "ingress_name=\"i\", " M
         "namespace=\"ns\"}\n"
         "  {__address__=\"a.x.org\", " M "ingress_host=\"a.x.org\", " M "ingress_path=\"/p\", " M
         "ingress_scheme=\"https\"}\n"
         "  {__address__=\"a.x.org\", " M "ingress_host=\"a.x.org\", " M "ingress_path=\"/\", " M
         "ingress_scheme=\"https\"}\n"
         "  {__address__=\"b.a.x.org\", " M "ingress_host=\"b.a.x.org\", " M
         "ingress_path=\"/\", " M "ingress_scheme=\"http\"}\n"},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct api a;
        struct testbed t;
        char text[256];
        snprintf(text, sizeof text, "- {role: %s, api_server: 'http://127.0.0.1:PORT'}\n",
                 rows[i].role);
        api_start(&a);
        api_put(&a, rows[i].path, rows[i].list);
        api_discover(&a, &t, "kubernetes_sd_configs", text);
        testbed_wait(&t, "__address__");
        assert_string_equal(testbed_targets(&t), rows[i].wanted);
        api_close(&a, &t);
    }
}

static void a_kubeconfig_file_says_where_and_who(void **state)
{
    struct api a;
    struct testbed t;
    struct buf text;
    char folder[] = "/tmp/sonde-kubeconfig-XXXXXX", config[128], entry[256];
    assert_non_null(mkdtemp(folder));
    snprintf(config, sizeof config, "%s/config", folder);
    snprintf(entry, sizeof entry, "- {role: pod, kubeconfig_file: %s}\n", config);
    api_start(&a);
    api_put(&a, PODS, LIST("100", POD("a", "90", "10.1.0.1")));
    buf_init(&text, 4096);
    buf_printf(&text,
               "apiVersion: v1\ncurrent-context: two\ncontexts:\n"
               "- {name: one, context: {cluster: no, user: no}}\n"
               "- {name: two, context: {cluster: c, user: u}}\n"
               "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:%u/'}}]\n"
               "users: [{name: u, user: {token: abc}}]\n",
               a.loopback.port);
    assert_int_equal(file_write(config, buf_str(&text), NULL), 0);
    api_discover(&a, &t, "kubernetes_sd_configs", entry);
    testbed_wait(&t, "pod/ns/a");
    assert_true(api_asked(&a, "Authorization: Bearer abc") >= 1);
    api_close(&a, &t);
    buf_done(&text);
    assert_int_equal(unlink(config), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void mistakes_are_named_in_the_words_of_prometheus(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"- {api_server: 'kubernetes:443', role: vacation}\n",
         "unknown Kubernetes SD role \"vacation\""},
        {"- {api_server: 'http://x'}\n",
         "role missing (one of: pod, service, endpoints, endpointslice, node, ingress)"},
        {"- {role: pod, kubeconfig_file: f, api_server: 'http://x'}\n",
         "cannot use 'kubeconfig_file' and 'api_server' simultaneously"},
        {"- {role: pod, bearer_token: x}\n",
         "to use custom HTTP client configuration please provide the 'api_server' URL explicitly"},
        {"- {role: pod, kubeconfig_file: f, namespaces: {own_namespace: true}}\n",
         "cannot use 'kubeconfig_file' and 'namespaces.own_namespace' simultaneously"},
        {"- {role: endpoints, selectors: [{role: node, label: 'a=b'}]}\n",
         "endpoints role supports only pod, service, endpoints selectors"},
        {"- {role: ingress, selectors: [{role: node}]}\n",
         "ingress role supports only ingress selectors"},
        {"- {role: pod, selectors: [{role: pod}, {role: pod}]}\n", "duplicated selector role: pod"},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct testbed t;
        testbed_open(&t);
        testbed_refuse(&t, "kubernetes_sd_configs", rows[i].text, rows[i].why);
        testbed_close(&t);
    }
}

static void selectors_are_read_as_kubernetes_reads_them(void **state)
{
    static const char *const good[] = {
        "",          "a",       "!a",         "a=b", "a==b, c!=d",  "a in (b,c),d notin (e)",
        "x.org/a=b", "a>1,b<2", "a in (b, )", "a=",  " a in ( b ) "};
    static const char *const bad[] = {"a=b=c", "a b",  "=b",  "a in b", "a in (b", "a,",
                                      ",a",    "a=-b", "a>x", "/a",     "!a=b",    "a(b)"};
    static const char *const fields_bad[] = {"a", "a=b,c", "a\\=b"};
    for (size_t i = 0; i < COUNTOF(good); i++)
        assert_int_equal(kubernetes_selector_label(str_c(good[i]), NULL), 0);
    for (size_t i = 0; i < COUNTOF(bad); i++)
        assert_int_equal(kubernetes_selector_label(str_c(bad[i]), NULL), -ERR_FORMAT);
    assert_int_equal(kubernetes_selector_field(STR("a.b=c,d!=e,f==g"), NULL), 0);
    for (size_t i = 0; i < COUNTOF(fields_bad); i++)
        assert_int_equal(kubernetes_selector_field(str_c(fields_bad[i]), NULL), -ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pods_are_listed_and_watched),
        cmocka_unit_test(a_version_that_is_forgotten_means_a_new_list),
        cmocka_unit_test(an_outage_keeps_the_targets),
        cmocka_unit_test(long_lists_come_in_pages),
        cmocka_unit_test(endpoints_join_their_service_pod_and_node),
        cmocka_unit_test(slices_say_what_endpoints_say_and_more),
        cmocka_unit_test(nodes_services_and_ingresses_are_targets),
        cmocka_unit_test(a_kubeconfig_file_says_where_and_who),
        cmocka_unit_test(selectors_are_read_as_kubernetes_reads_them),
        cmocka_unit_test(mistakes_are_named_in_the_words_of_prometheus),
    };
    return cmocka_run_group_tests_name("discover/kubernetes", tests, NULL, NULL);
}
