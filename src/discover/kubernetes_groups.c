#include <inttypes.h>

#include "base/vec.h"
#include "discover/kubernetes.h"
#include "text/letter.h"

#define META "__meta_kubernetes_"

enum { PODS_MAX = 100000 /* behind one object */ };

typedef void put_f(struct groups *g, struct str name, struct str value);

const struct json_tree *kubernetes_groups_find(const struct kubernetes_view *v,
                                               enum kubernetes_kind kind, struct str key)
{
    const struct json_tree *object = NULL;
    for (size_t i = 0; i < v->stores[kind].n && !object; i++)
        object = kubernetes_store_get(v->stores[kind].v[i], key);
    return object;
}

static const struct json_tree *find_in(const struct kubernetes_view *v, enum kubernetes_kind kind,
                                       struct groups *g, struct str namespace, struct str name)
{
    if (name.n == 0)
        return NULL;
    return kubernetes_groups_find(
        v, kind, arena_printf(&g->arena, STR_FMT "/" STR_FMT, STR_ARG(namespace), STR_ARG(name)));
}

struct str kubernetes_groups_source(enum kubernetes_kind role, struct str key, struct arena *a)
{
    static const char *const names[] = {
        [KUBERNETES_NODE] = "node",           [KUBERNETES_POD] = "pod",
        [KUBERNETES_SERVICE] = "svc",         [KUBERNETES_ENDPOINTS] = "endpoints",
        [KUBERNETES_INGRESS] = "ingress",     [KUBERNETES_ENDPOINTSLICE] = "endpointslice",
        [KUBERNETES_NAMESPACE] = "namespace",
    };
    return arena_printf(a, "%s/" STR_FMT, names[role], STR_ARG(key));
}

/* ---- labels that many have */
static void put_pairs(struct groups *g, put_f *put, const struct json_tree *object,
                      const char *prefix, const char *present)
{
    struct buf name;
    buf_init(&name, LABEL_NAME_MAX);
    for (size_t i = 0; i < json_tree_n(object); i++) {
        buf_clear(&name);
        groups_clean_name(prefix, object->children[i].key, &name);
        put(g, buf_str(&name), json_tree_text(&object->children[i], ""));
        buf_clear(&name);
        groups_clean_name(present, object->children[i].key, &name);
        put(g, buf_str(&name), STR("true"));
    }
    buf_done(&name);
}

/* Labels and annotations of an object of that kind: "pod". */
static void put_tagged(struct groups *g, put_f *put, const struct json_tree *object,
                       const char *kind)
{
    struct arena *a = &g->arena;
    put_pairs(g, put, json_tree_path(object, "metadata.labels"),
              arena_printf(a, META "%s_label_", kind).p,
              arena_printf(a, META "%s_labelpresent_", kind).p);
    put_pairs(g, put, json_tree_path(object, "metadata.annotations"),
              arena_printf(a, META "%s_annotation_", kind).p,
              arena_printf(a, META "%s_annotationpresent_", kind).p);
}

static void put_object(struct groups *g, put_f *put, const struct json_tree *object,
                       const char *kind)
{
    put(g, arena_printf(&g->arena, META "%s_name", kind), json_tree_text(object, "metadata.name"));
    put_tagged(g, put, object, kind);
}

static void put_node_of(const struct kubernetes_view *v, struct groups *g, put_f *put,
                        struct str name)
{
    const struct json_tree *node =
        v->attach_node ? kubernetes_groups_find(v, KUBERNETES_NODE, name) : NULL;
    if (node)
        put_object(g, put, node, "node");
}

static struct str namespace_of(const struct json_tree *object)
{
    return json_tree_text(object, "metadata.namespace");
}

/* The group's namespace, and that one's own labels. */
static void put_namespace(const struct kubernetes_view *v, struct groups *g,
                          const struct json_tree *object)
{
    struct str name = namespace_of(object);
    groups_label(g, STR(META "namespace"), name);
    const struct json_tree *namespace =
        v->attach_namespace ? kubernetes_groups_find(v, KUBERNETES_NAMESPACE, name) : NULL;
    if (namespace)
        put_tagged(g, groups_label, namespace, "namespace");
}

static void put_row(struct groups *g, put_f *put, const char *name, const struct json_tree *node,
                    const char *path)
{
    put(g, str_c(name), json_tree_text(node, path));
}

/* The value as text, where there is one. */
static void put_if(struct groups *g, const char *name, const struct json_tree *node,
                   const char *path)
{
    node = json_tree_path(node, path);
    if (json_tree_is_null(node))
        return;
    bool flag = node->type == JSON_TRUE || node->type == JSON_FALSE;
    groups_target_label(g, str_c(name),
                        !flag                     ? node->text
                        : node->type == JSON_TRUE ? STR("true")
                                                  : STR("false"));
}

static struct str whole_text(struct groups *g, int64_t v)
{
    return arena_printf(&g->arena, "%" PRId64, v);
}

/* ---- nodes */
static struct str node_address(const struct json_tree *addresses)
{
    static const char *const preferred[] = {"InternalIP",  "InternalDNS",  "ExternalIP",
                                            "ExternalDNS", "LegacyHostIP", "Hostname"};
    for (size_t i = 0; i < COUNTOF(preferred); i++) {
        for (size_t j = 0; j < json_tree_n(addresses); j++) {
            const struct json_tree *a = &addresses->children[j];
            struct str text = json_tree_text(a, "address");
            if (text.n && str_eq(json_tree_text(a, "type"), str_c(preferred[i])))
                return text;
        }
    }
    return STR("");
}

static void put_node(const struct kubernetes_view *v, const struct json_tree *node,
                     struct groups *g)
{
    const struct json_tree *addresses = json_tree_path(node, "status.addresses");
    struct str address = node_address(addresses);
    int64_t port = json_tree_whole(node, "status.daemonEndpoints.kubeletEndpoint.Port");
    put_object(g, groups_label, node, "node");
    put_row(g, groups_label, META "node_provider_id", node, "spec.providerID");
    if (address.n == 0)
        return;
    groups_target(g, groups_address(g, address, port));
    put_row(g, groups_target_label, "instance", node, "metadata.name");
    for (size_t i = json_tree_n(addresses); i-- > 0;) { /* of one type the first counts */
        const struct json_tree *a = &addresses->children[i];
        groups_clean_target_label(g, META "node_address_", json_tree_text(a, "type"),
                                  json_tree_text(a, "address"));
    }
}

/* ---- pods */
static void put_ready(struct groups *g, put_f *put, const struct json_tree *pod)
{
    const struct json_tree *conditions = json_tree_path(pod, "status.conditions");
    struct str status = STR("Unknown");
    struct buf small;
    for (size_t i = json_tree_n(conditions); i-- > 0;) {
        if (str_eq(json_tree_text(&conditions->children[i], "type"), STR("Ready")))
            status = json_tree_text(&conditions->children[i], "status");
    }
    buf_init(&small, LABEL_VALUE_MAX);
    letter_put_lower(status, &small);
    put(g, STR(META "pod_ready"), buf_str(&small));
    buf_done(&small);
}

/* The labels of a pod itself: of a group or of a target. */
static void put_pod_labels(struct groups *g, put_f *put, const struct json_tree *pod)
{
    const struct json_tree *owners = json_tree_path(pod, "metadata.ownerReferences");
    put_row(g, put, META "pod_ip", pod, "status.podIP");
    put_row(g, put, META "pod_phase", pod, "status.phase");
    put_row(g, put, META "pod_node_name", pod, "spec.nodeName");
    put_row(g, put, META "pod_host_ip", pod, "status.hostIP");
    put_row(g, put, META "pod_uid", pod, "metadata.uid");
    put_ready(g, put, pod);
    put_object(g, put, pod, "pod");
    for (size_t i = 0; i < json_tree_n(owners); i++) {
        if (!json_tree_true(&owners->children[i], "controller"))
            continue;
        put_row(g, put, META "pod_controller_kind", &owners->children[i], "kind");
        put_row(g, put, META "pod_controller_name", &owners->children[i], "name");
        break;
    }
}

static struct str container_id(const struct json_tree *pod, struct str name, bool init)
{
    const struct json_tree *statuses =
        json_tree_path(pod, init ? "status.initContainerStatuses" : "status.containerStatuses");
    for (size_t i = 0; i < json_tree_n(statuses); i++) {
        if (str_eq(json_tree_text(&statuses->children[i], "name"), name))
            return json_tree_text(&statuses->children[i], "containerID");
    }
    return STR("");
}

/* A container of a pod; the running ones first, then those that prepare it. */
struct container {
    const struct json_tree *node;
    bool init;
};

static bool next_container(const struct json_tree *pod, size_t *at, struct container *ret)
{
    const struct json_tree *first = json_tree_path(pod, "spec.containers");
    const struct json_tree *then = json_tree_path(pod, "spec.initContainers");
    size_t i = (*at)++, n = json_tree_n(first);
    if (i < n) {
        *ret = (struct container){&first->children[i], false};
    } else if (i - n < json_tree_n(then)) {
        *ret = (struct container){&then->children[i - n], true};
    } else {
        return false;
    }
    return true;
}

static void put_container(struct groups *g, const struct container *c)
{
    put_row(g, groups_target_label, META "pod_container_name", c->node, "name");
    put_row(g, groups_target_label, META "pod_container_image", c->node, "image");
    groups_target_label(g, STR(META "pod_container_init"), c->init ? STR("true") : STR("false"));
}

static void put_container_port(struct groups *g, const struct json_tree *port)
{
    put_row(g, groups_target_label, META "pod_container_port_name", port, "name");
    groups_target_label(g, STR(META "pod_container_port_number"),
                        whole_text(g, json_tree_whole(port, "containerPort")));
    put_row(g, groups_target_label, META "pod_container_port_protocol", port, "protocol");
}

static void put_pod(const struct kubernetes_view *v, const struct json_tree *pod, struct groups *g)
{
    struct str ip = json_tree_text(pod, "status.podIP");
    struct container c;
    if (ip.n == 0)
        return; /* not started yet, or evicted */
    put_pod_labels(g, groups_label, pod);
    put_namespace(v, g, pod);
    put_node_of(v, g, groups_label, json_tree_text(pod, "spec.nodeName"));
    for (size_t at = 0; next_container(pod, &at, &c);) {
        const struct json_tree *ports = json_tree_get(c.node, "ports");
        struct str id = container_id(pod, json_tree_text(c.node, "name"), c.init);
        for (size_t i = 0; i == 0 || i < json_tree_n(ports); i++) {
            const struct json_tree *port = json_tree_n(ports) ? &ports->children[i] : NULL;
            groups_target(g, port ? groups_address(g, ip, json_tree_whole(port, "containerPort"))
                                  : ip);
            put_container(g, &c);
            groups_target_label(g, STR(META "pod_container_id"), id);
            if (port)
                put_container_port(g, port);
        }
    }
}

/* ---- services */
static void put_service_labels(struct groups *g, const struct json_tree *service)
{
    groups_label(g, STR(META "namespace"), namespace_of(service));
    put_object(g, groups_label, service, "service");
}

static void put_service(const struct kubernetes_view *v, const struct json_tree *service,
                        struct groups *g)
{
    const struct json_tree *ports = json_tree_path(service, "spec.ports");
    struct str type = json_tree_text(service, "spec.type");
    struct str host = arena_printf(&g->arena, STR_FMT "." STR_FMT ".svc",
                                   STR_ARG(json_tree_text(service, "metadata.name")),
                                   STR_ARG(namespace_of(service)));
    put_namespace(v, g, service);
    put_service_labels(g, service);
    for (size_t i = 0; i < json_tree_n(ports); i++) {
        const struct json_tree *port = &ports->children[i];
        int64_t number = json_tree_whole(port, "port");
        groups_target(g, groups_address(g, host, number));
        put_row(g, groups_target_label, META "service_port_name", port, "name");
        groups_target_label(g, STR(META "service_port_number"), whole_text(g, number));
        put_row(g, groups_target_label, META "service_port_protocol", port, "protocol");
        groups_target_label(g, STR(META "service_type"), type);
        if (str_eq(type, STR("ExternalName")))
            put_row(g, groups_target_label, META "service_external_name", service,
                    "spec.externalName");
        else
            put_row(g, groups_target_label, META "service_cluster_ip", service, "spec.clusterIP");
        if (str_eq(type, STR("LoadBalancer")))
            put_row(g, groups_target_label, META "service_loadbalancer_ip", service,
                    "spec.loadBalancerIP");
    }
}

/* ---- endpoints and slices of them */

/* One (pod, port) that a target was made of. */
struct seen {
    const struct json_tree *pod;
    int64_t port; /* -1: none */
};

struct endpoints {
    const struct kubernetes_view *v;
    struct groups *g;
    struct str namespace;
    struct {
        struct seen *v;
        size_t n, capacity;
    } seen;
};

static const struct json_tree *pod_of(const struct endpoints *e, const struct json_tree *ref)
{
    if (!str_eq(json_tree_text(ref, "kind"), STR("Pod")))
        return NULL;
    struct str namespace = json_tree_text(ref, "namespace");
    return find_in(e->v, KUBERNETES_POD, e->g, namespace.n ? namespace : e->namespace,
                   json_tree_text(ref, "name"));
}

/* The pod behind the target that is being filled, and its container that has the port. */
static void put_pod_behind(struct endpoints *e, const struct json_tree *ref, int64_t port)
{
    const struct json_tree *pod = pod_of(e, ref);
    struct container c;
    if (!pod)
        return;
    put_pod_labels(e->g, groups_target_label, pod);
    for (size_t at = 0; port >= 0 && next_container(pod, &at, &c);) {
        const struct json_tree *ports = json_tree_get(c.node, "ports");
        for (size_t i = 0; i < json_tree_n(ports); i++) {
            if (json_tree_whole(&ports->children[i], "containerPort") != port)
                continue;
            put_container(e->g, &c);
            put_container_port(e->g, &ports->children[i]);
            break;
        }
    }
    if (e->seen.n < PODS_MAX)
        vec_push(&e->seen, ((struct seen){pod, port}));
}

static bool was_seen(const struct endpoints *e, const struct json_tree *pod, int64_t port)
{
    for (size_t i = 0; i < e->seen.n; i++) {
        if (e->seen.v[i].pod == pod && e->seen.v[i].port == port)
            return true;
    }
    return false;
}

/* Ports of the pods behind it that it does not name are targets too. */
static void put_other_ports(struct endpoints *e)
{
    struct groups *g = e->g;
    struct container c;
    for (size_t i = 0; i < e->seen.n; i++) {
        const struct json_tree *pod = e->seen.v[i].pod;
        struct str ip = json_tree_text(pod, "status.podIP");
        size_t before = 0;
        while (before < i && e->seen.v[before].pod != pod)
            before++;
        if (before < i || ip.n == 0)
            continue;
        for (size_t at = 0; next_container(pod, &at, &c);) {
            const struct json_tree *ports = json_tree_get(c.node, "ports");
            for (size_t j = 0; j < json_tree_n(ports); j++) {
                int64_t port = json_tree_whole(&ports->children[j], "containerPort");
                if (was_seen(e, pod, port))
                    continue;
                groups_target(g, groups_address(g, ip, port));
                put_container(g, &c);
                put_container_port(g, &ports->children[j]);
                put_pod_labels(g, groups_target_label, pod);
            }
        }
    }
}

static void put_service_of(struct endpoints *e, struct str name)
{
    const struct json_tree *service = find_in(e->v, KUBERNETES_SERVICE, e->g, e->namespace, name);
    if (service)
        put_service_labels(e->g, service);
}

static void put_address(struct endpoints *e, const struct json_tree *address,
                        const struct json_tree *port, const char *ready)
{
    struct groups *g = e->g;
    int64_t number = json_tree_whole(port, "port");
    const struct json_tree *ref = json_tree_get(address, "targetRef");
    groups_target(g, groups_address(g, json_tree_text(address, "ip"), number));
    put_row(g, groups_target_label, META "endpoint_port_name", port, "name");
    put_row(g, groups_target_label, META "endpoint_port_protocol", port, "protocol");
    groups_target_label(g, STR(META "endpoint_ready"), str_c(ready));
    if (!json_tree_is_null(ref)) {
        put_row(g, groups_target_label, META "endpoint_address_target_kind", ref, "kind");
        put_row(g, groups_target_label, META "endpoint_address_target_name", ref, "name");
    }
    put_if(g, META "endpoint_node_name", address, "nodeName");
    put_if(g, META "endpoint_hostname", address, "hostname");
    put_node_of(e->v, g, groups_target_label, json_tree_text(address, "nodeName"));
    put_pod_behind(e, ref, number);
}

static void put_endpoints(const struct kubernetes_view *v, const struct json_tree *object,
                          struct groups *g)
{
    struct endpoints e = {.v = v, .g = g, .namespace = namespace_of(object)};
    const struct json_tree *subsets = json_tree_get(object, "subsets");
    static const char *const lists[][2] = {{"addresses", "true"}, {"notReadyAddresses", "false"}};
    put_namespace(v, g, object);
    put_service_of(&e, json_tree_text(object, "metadata.name"));
    put_object(g, groups_label, object, "endpoints");
    for (size_t i = 0; i < json_tree_n(subsets); i++) {
        const struct json_tree *ports = json_tree_get(&subsets->children[i], "ports");
        for (size_t j = 0; j < json_tree_n(ports); j++) {
            for (size_t k = 0; k < COUNTOF(lists); k++) {
                const struct json_tree *list = json_tree_get(&subsets->children[i], lists[k][0]);
                for (size_t l = 0; l < json_tree_n(list); l++)
                    put_address(&e, &list->children[l], &ports->children[j], lists[k][1]);
            }
        }
    }
    put_other_ports(&e);
    vec_free(&e.seen);
}

static void put_slice_target(struct endpoints *e, struct str address,
                             const struct json_tree *endpoint, const struct json_tree *port)
{
    static const char *const of_port[][2] = {
        {META "endpointslice_port_name", "name"},
        {META "endpointslice_port_protocol", "protocol"},
        {META "endpointslice_port", "port"},
        {META "endpointslice_port_app_protocol", "appProtocol"}};
    static const char *const of_endpoint[][2] = {
        {META "endpointslice_endpoint_conditions_ready", "conditions.ready"},
        {META "endpointslice_endpoint_conditions_serving", "conditions.serving"},
        {META "endpointslice_endpoint_conditions_terminating", "conditions.terminating"},
        {META "endpointslice_endpoint_hostname", "hostname"},
        {META "endpointslice_endpoint_node_name", "nodeName"},
        {META "endpointslice_endpoint_zone", "zone"},
        {META "endpointslice_address_target_kind", "targetRef.kind"},
        {META "endpointslice_address_target_name", "targetRef.name"}};
    struct groups *g = e->g;
    bool numbered = !json_tree_is_null(json_tree_get(port, "port"));
    int64_t number = numbered ? json_tree_whole(port, "port") : -1;
    groups_target(g, numbered ? groups_address(g, address, number) : address);
    for (size_t i = 0; i < COUNTOF(of_port); i++)
        put_if(g, of_port[i][0], port, of_port[i][1]);
    for (size_t i = 0; i < COUNTOF(of_endpoint); i++)
        put_if(g, of_endpoint[i][0], endpoint, of_endpoint[i][1]);
    put_pairs(g, groups_target_label, json_tree_get(endpoint, "deprecatedTopology"),
              META "endpointslice_endpoint_topology_",
              META "endpointslice_endpoint_topology_present_");
    bool node = str_eq(json_tree_text(endpoint, "targetRef.kind"), STR("Node"));
    put_node_of(e->v, g, groups_target_label,
                json_tree_text(endpoint, node ? "targetRef.name" : "nodeName"));
    put_pod_behind(e, json_tree_get(endpoint, "targetRef"), number);
}

static void put_slice(const struct kubernetes_view *v, const struct json_tree *object,
                      struct groups *g)
{
    struct endpoints e = {.v = v, .g = g, .namespace = namespace_of(object)};
    const struct json_tree *endpoints = json_tree_get(object, "endpoints");
    const struct json_tree *ports = json_tree_get(object, "ports");
    const struct json_tree *labels = json_tree_path(object, "metadata.labels");
    put_namespace(v, g, object);
    put_row(g, groups_label, META "endpointslice_address_type", object, "addressType");
    put_object(g, groups_label, object, "endpointslice");
    put_service_of(&e, json_tree_text(json_tree_get(labels, "kubernetes.io/service-name"), ""));
    for (size_t i = 0; i < json_tree_n(endpoints); i++) {
        const struct json_tree *endpoint = &endpoints->children[i];
        const struct json_tree *addresses = json_tree_get(endpoint, "addresses");
        for (size_t j = 0; j < json_tree_n(ports); j++) {
            for (size_t k = 0; k < json_tree_n(addresses); k++)
                put_slice_target(&e, json_tree_text(&addresses->children[k], ""), endpoint,
                                 &ports->children[j]);
        }
    }
    put_other_ports(&e);
    vec_free(&e.seen);
}

/* ---- ingresses */

/* Is host what a certificate's pattern, of which the first part may be *, stands for? */
static bool matches(struct str pattern, struct str host)
{
    if (str_eq(pattern, host))
        return true;
    size_t dot = str_find(host, '.');
    return str_starts(pattern, STR("*.")) && dot < host.n &&
           str_eq(str_sub(pattern, 1, pattern.n), str_sub(host, dot, host.n));
}

static bool has_tls(const struct json_tree *ingress, struct str host)
{
    const struct json_tree *tls = json_tree_path(ingress, "spec.tls");
    for (size_t i = 0; i < json_tree_n(tls); i++) {
        const struct json_tree *hosts = json_tree_get(&tls->children[i], "hosts");
        for (size_t j = 0; j < json_tree_n(hosts); j++) {
            if (matches(json_tree_text(&hosts->children[j], ""), host))
                return true;
        }
    }
    return false;
}

static void put_ingress(const struct kubernetes_view *v, const struct json_tree *ingress,
                        struct groups *g)
{
    const struct json_tree *rules = json_tree_path(ingress, "spec.rules");
    put_namespace(v, g, ingress);
    put_object(g, groups_label, ingress, "ingress");
    struct str class = json_tree_text(ingress, "spec.ingressClassName");
    if (class.n)
        groups_label(g, STR(META "ingress_class_name"), class);
    for (size_t i = 0; i < json_tree_n(rules); i++) {
        struct str host = json_tree_text(&rules->children[i], "host");
        const struct json_tree *paths = json_tree_path(&rules->children[i], "http.paths");
        for (size_t j = 0; j == 0 || j < json_tree_n(paths); j++) {
            struct str path =
                json_tree_n(paths) ? json_tree_text(&paths->children[j], "path") : STR("/");
            groups_target(g, host);
            groups_target_label(g, STR(META "ingress_scheme"),
                                has_tls(ingress, host) ? STR("https") : STR("http"));
            groups_target_label(g, STR(META "ingress_host"), host);
            groups_target_label(g, STR(META "ingress_path"), path.n ? path : STR("/"));
        }
    }
}

void kubernetes_groups_put(const struct kubernetes_view *v, const struct json_tree *object,
                           struct groups *g)
{
    static void (*const puts[KUBERNETES_ROLES])(
        const struct kubernetes_view *v, const struct json_tree *object, struct groups *g) = {
        [KUBERNETES_NODE] = put_node,       [KUBERNETES_POD] = put_pod,
        [KUBERNETES_SERVICE] = put_service, [KUBERNETES_ENDPOINTS] = put_endpoints,
        [KUBERNETES_INGRESS] = put_ingress, [KUBERNETES_ENDPOINTSLICE] = put_slice,
    };
    struct str namespace = namespace_of(object), name = json_tree_text(object, "metadata.name");
    struct str key = arena_printf(&g->arena, STR_FMT "%s" STR_FMT, STR_ARG(namespace),
                                  namespace.n ? "/" : "", STR_ARG(name));
    groups_begin(g, kubernetes_groups_source(v->role, key, &g->arena));
    puts[v->role](v, object, g);
}
