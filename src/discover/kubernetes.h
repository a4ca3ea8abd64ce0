/* discover/kubernetes.h - what the files of the discovery of Kubernetes share: its options, the way
 * to the API server, and groups of targets made of objects.
 *
 * Flow:    yaml -> struct kubernetes_options; kubernetes_access() -> URL, settings;
 *          stores of objects -> kubernetes_groups_put() -> struct groups
 * Source:  Prometheus, discovery/kubernetes: roles, labels, checks.
 * Threads: the loop's.
 */
#ifndef DISCOVER_KUBERNETES_H
#define DISCOVER_KUBERNETES_H

#include "discover/groups.h"
#include "discover/kubernetes_store.h"
#include "text/yaml_struct.h"

enum kubernetes_kind {
    KUBERNETES_NODE,
    KUBERNETES_POD,
    KUBERNETES_SERVICE,
    KUBERNETES_ENDPOINTS,
    KUBERNETES_ENDPOINTSLICE,
    KUBERNETES_INGRESS,
    KUBERNETES_ROLES,
    KUBERNETES_NAMESPACE = KUBERNETES_ROLES, /* no role */
    KUBERNETES_KINDS,
};

struct kubernetes_options {
    struct str api_server, role_text, kubeconfig_file; /* the file's path */
    struct yaml_struct_texts namespaces;
    bool own_namespace, attach_node, attach_namespace;
    enum kubernetes_kind role;
    struct str label[KUBERNETES_KINDS], field[KUBERNETES_KINDS]; /* selectors */
};

/* ---- kubernetes_access.c */

/* How to reach the API server. */
struct kubernetes_access {
    struct str server; /* URL without a slash at its end */
    struct fetch_settings http;
    struct str namespace; /* that we run in; "": not known */
};

/* Where the configuration says nothing of a server, by the kubeconfig or the service account of the
 * pod that we run in. Memory from a. */
MUST_USE int kubernetes_access(const struct kubernetes_options *o,
                               const struct fetch_settings *http, struct arena *a,
                               struct kubernetes_access *ret, struct why *why);

/* Calls f for each file that kubernetes_access() reads or names. */
void kubernetes_access_files(const struct kubernetes_options *o,
                             void (*f)(void *context, struct str path), void *context);

/* ---- kubernetes_groups.c */

/* All objects of a discovery. */
struct kubernetes_view {
    enum kubernetes_kind role;
    bool attach_node, attach_namespace;
    struct {
        struct kubernetes_store **v; /* one for each namespace, or one for all */
        size_t n, capacity;
    } stores[KUBERNETES_KINDS];
};

/* The object of a kind and a key, NULL where there is none. */
const struct json_tree *kubernetes_groups_find(const struct kubernetes_view *v,
                                               enum kubernetes_kind kind, struct str key);

/* The source of an object of the role with that key: "pod/NAMESPACE/NAME". */
struct str kubernetes_groups_source(enum kubernetes_kind role, struct str key, struct arena *a);

/* Appends the group of an object of the role. */
void kubernetes_groups_put(const struct kubernetes_view *v, const struct json_tree *object,
                           struct groups *g);

#endif
