#include "discover/kubernetes.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/vec.h"
#include "discover/kubernetes_selector.h"
#include "net/url.h"
#include "promfile/http/http_client.h"

/* Nodes, pods, services, endpoints and ingresses of Kubernetes, as its API server tells of them. */
enum {
    FLUSH_MS = 50, /* changes that come together are told at once */
    NAMESPACES_MAX = 10000,
};

static const char *const ROLES[] = {
    [KUBERNETES_NODE] = "node",       [KUBERNETES_POD] = "pod",
    [KUBERNETES_SERVICE] = "service", [KUBERNETES_ENDPOINTS] = "endpoints",
    [KUBERNETES_INGRESS] = "ingress", [KUBERNETES_ENDPOINTSLICE] = "endpointslice",
};

#define BIT(kind) (1u << KUBERNETES_##kind)

/* The selectors that a role takes, in the order in which they are named. */
static const enum kubernetes_kind SELECTORS[][4] = {
    [KUBERNETES_NODE] = {KUBERNETES_NODE, KUBERNETES_KINDS},
    [KUBERNETES_POD] = {KUBERNETES_POD, KUBERNETES_NODE, KUBERNETES_KINDS},
    [KUBERNETES_SERVICE] = {KUBERNETES_SERVICE, KUBERNETES_KINDS},
    [KUBERNETES_ENDPOINTS] = {KUBERNETES_POD, KUBERNETES_SERVICE, KUBERNETES_ENDPOINTS,
                              KUBERNETES_KINDS},
    [KUBERNETES_ENDPOINTSLICE] = {KUBERNETES_POD, KUBERNETES_SERVICE, KUBERNETES_ENDPOINTSLICE,
                                  KUBERNETES_KINDS},
    [KUBERNETES_INGRESS] = {KUBERNETES_INGRESS, KUBERNETES_KINDS},
};

/* Where the objects of a kind are. */
static const struct {
    const char *group, *resource;
} RESOURCES[] = {
    [KUBERNETES_NODE] = {"/api/v1", "nodes"},
    [KUBERNETES_POD] = {"/api/v1", "pods"},
    [KUBERNETES_SERVICE] = {"/api/v1", "services"},
    [KUBERNETES_ENDPOINTS] = {"/api/v1", "endpoints"},
    [KUBERNETES_ENDPOINTSLICE] = {"/apis/discovery.k8s.io/v1", "endpointslices"},
    [KUBERNETES_INGRESS] = {"/apis/networking.k8s.io/v1", "ingresses"},
    [KUBERNETES_NAMESPACE] = {"/api/v1", "namespaces"},
};

/* ---- the configuration */
struct selector {
    struct str role, label, field;
};

static const struct yaml_struct_field FIELDS[] = {
    {"api_server", YAML_STRUCT_TEXT, offsetof(struct kubernetes_options, api_server)},
    {"role", YAML_STRUCT_TEXT, offsetof(struct kubernetes_options, role_text)},
    {"kubeconfig_file", YAML_STRUCT_TEXT, offsetof(struct kubernetes_options, kubeconfig_file)},
    {"namespaces", YAML_STRUCT_ELSE, 0},
    {"selectors", YAML_STRUCT_ELSE, 0},
    {"attach_metadata", YAML_STRUCT_ELSE, 0},
};
static const struct yaml_struct_field NAMESPACES[] = {
    {"own_namespace", YAML_STRUCT_BOOL, offsetof(struct kubernetes_options, own_namespace)},
    {"names", YAML_STRUCT_TEXTS, offsetof(struct kubernetes_options, namespaces)},
};
static const struct yaml_struct_field ATTACH[] = {
    {"node", YAML_STRUCT_BOOL, offsetof(struct kubernetes_options, attach_node)},
    {"namespace", YAML_STRUCT_BOOL, offsetof(struct kubernetes_options, attach_namespace)},
};
static const struct yaml_struct_field SELECTOR[] = {
    {"role", YAML_STRUCT_TEXT, offsetof(struct selector, role)},
    {"label", YAML_STRUCT_TEXT, offsetof(struct selector, label)},
    {"field", YAML_STRUCT_TEXT, offsetof(struct selector, field)},
};

static const struct yaml_struct SHAPE = {"kubernetes.plain", FIELDS, COUNTOF(FIELDS),
                                         http_client_key};
static const struct yaml_struct NAMESPACES_SHAPE = {"kubernetes.plain", NAMESPACES,
                                                    COUNTOF(NAMESPACES), NULL};
static const struct yaml_struct ATTACH_SHAPE = {"kubernetes.AttachMetadataConfig", ATTACH,
                                                COUNTOF(ATTACH), NULL};
static const struct yaml_struct SELECTOR_SHAPE = {"kubernetes.SelectorConfig", SELECTOR,
                                                  COUNTOF(SELECTOR), NULL};

static int read_role(struct str text, enum kubernetes_kind *ret, struct why *why)
{
    for (size_t i = 0; i < COUNTOF(ROLES); i++) {
        if (str_eq(text, str_c(ROLES[i]))) {
            *ret = (enum kubernetes_kind)i;
            return 0;
        }
    }
    return why_set(why, ERR_FORMAT, "unknown Kubernetes SD role \"" STR_FMT "\"", STR_ARG(text));
}

static int refuse_selector(enum kubernetes_kind role, struct why *why)
{
    char allowed[128] = "";
    size_t n = 0;
    for (size_t i = 0; SELECTORS[role][i] != KUBERNETES_KINDS; i++)
        n += (size_t)snprintf(allowed + n, sizeof allowed - n, "%s%s", i ? ", " : "",
                              ROLES[SELECTORS[role][i]]);
    return why_set(why, ERR_FORMAT, "%s role supports only %s selectors", ROLES[role], allowed);
}

static int read_selector(const struct yaml_node *node, struct discovery_read *r,
                         struct kubernetes_options *o, unsigned *found, struct why *why)
{
    struct selector s = {0};
    enum kubernetes_kind kind;
    int err = yaml_struct_read(node, &SELECTOR_SHAPE, r->a, &s, &r->place, why);
    if (!err)
        err = read_role(s.role, &kind, why);
    if (err)
        return err;
    if (*found & (1u << kind))
        return why_set(why, ERR_FORMAT, "duplicated selector role: %s", ROLES[kind]);
    *found |= 1u << kind;
    for (size_t i = 0; SELECTORS[o->role][i] != KUBERNETES_KINDS; i++) {
        if (SELECTORS[o->role][i] != kind)
            continue;
        o->label[kind] = s.label;
        o->field[kind] = s.field;
        err = kubernetes_selector_field(s.field, why);
        return err ? err : kubernetes_selector_label(s.label, why);
    }
    return refuse_selector(o->role, why);
}

static int check_access(const struct yaml_node *entry, const struct kubernetes_options *o,
                        struct why *why)
{
    bool custom = false;
    for (size_t i = 0; i < entry->n; i++)
        custom = custom || http_client_key(entry->members[i].key->text);
    const struct {
        bool wrong;
        const char *text;
    } rules[] = {
        {o->api_server.n && o->kubeconfig_file.n,
         "cannot use 'kubeconfig_file' and 'api_server' simultaneously"},
        {o->kubeconfig_file.n && custom,
         "cannot use a custom HTTP client configuration together with 'kubeconfig_file'"},
        {o->api_server.n == 0 && custom,
         "to use custom HTTP client configuration please provide the 'api_server' URL explicitly"},
        {o->api_server.n && o->own_namespace,
         "cannot use 'api_server' and 'namespaces.own_namespace' simultaneously"},
        {o->kubeconfig_file.n && o->own_namespace,
         "cannot use 'kubeconfig_file' and 'namespaces.own_namespace' simultaneously"},
    };
    for (size_t i = 0; i < COUNTOF(rules); i++) {
        if (rules[i].wrong)
            return why_set(why, ERR_FORMAT, "%s", rules[i].text);
    }
    return 0;
}

static int read_parts(const struct yaml_node *entry, struct discovery_read *r,
                      struct kubernetes_options *o, struct why *why)
{
    const struct yaml_node *selectors = yaml_get(entry, "selectors");
    unsigned found = 0;
    int err =
        yaml_struct_read(yaml_get(entry, "namespaces"), &NAMESPACES_SHAPE, r->a, o, &r->place, why);
    if (!err)
        err = yaml_struct_read(yaml_get(entry, "attach_metadata"), &ATTACH_SHAPE, r->a, o,
                               &r->place, why);
    if (!err)
        err = check_access(entry, o, why);
    if (!err)
        err = yaml_expect(selectors, YAML_SEQUENCE, "[]kubernetes.SelectorConfig", why);
    for (size_t i = 0; !err && !yaml_is_null(selectors) && i < selectors->n; i++) {
        r->place = selectors->members[i].value->place;
        err = read_selector(selectors->members[i].value, r, o, &found, why);
    }
    return err;
}

static int read_kubernetes(const struct yaml_node *entry, struct discovery_read *r,
                           struct discovery_config *ret, struct why *why)
{
    struct kubernetes_options *o = arena_new(r->a, sizeof *o);
    struct url url;
    int err = yaml_struct_read(entry, &SHAPE, r->a, o, &r->place, why);
    if (!err && yaml_get(entry, "role") && o->role_text.n) {
        r->place = yaml_get(entry, "role")->place;
        err = read_role(o->role_text, &o->role, why);
    }
    if (!err && o->role_text.n == 0)
        err =
            why_set(why, ERR_FORMAT,
                    "role missing (one of: pod, service, endpoints, endpointslice, node, ingress)");
    if (!err && o->api_server.n)
        err = url_split(o->api_server, &url, why);
    if (!err)
        err = read_parts(entry, r, o, why);
    if (!err && o->namespaces.n > NAMESPACES_MAX)
        err = why_set(why, ERR_LIMIT, "more than %d namespaces", NAMESPACES_MAX);
    if (err)
        return err;
    if (o->kubeconfig_file.n && o->kubeconfig_file.p[0] != '/' && r->folder.n)
        o->kubeconfig_file = arena_printf(r->a, STR_FMT "/" STR_FMT, STR_ARG(r->folder),
                                          STR_ARG(o->kubeconfig_file));
    ret->options = o;
    return 0;
}

/* ---- the discovery */

/* Who a store's changes are told to. */
struct part {
    struct discovery *discovery;
    enum kubernetes_kind kind;
};

struct discovery {
    struct discovery_host host;
    const struct kubernetes_options *options;
    struct arena arena; /* of the way there and of URLs */
    struct kubernetes_access access;
    struct fetch_client *client;
    struct kubernetes_view view;
    struct part parts[KUBERNETES_KINDS];
    struct map changed[KUBERNETES_KINDS]; /* keys since the last flush */
    struct timer *timer;                  /* until the next */
    struct groups_told told;
};

static bool all_synced(const struct discovery *d)
{
    bool synced = true;
    for (size_t kind = 0; kind < KUBERNETES_KINDS; kind++) {
        for (size_t i = 0; i < d->view.stores[kind].n; i++)
            synced = synced && kubernetes_store_synced(d->view.stores[kind].v[i]);
    }
    return synced;
}

static bool any_failed(const struct discovery *d)
{
    bool failed = false;
    for (size_t kind = 0; kind < KUBERNETES_KINDS; kind++) {
        for (size_t i = 0; i < d->view.stores[kind].n; i++)
            failed = failed || kubernetes_store_failed(d->view.stores[kind].v[i]);
    }
    return failed;
}

static bool has_changed(const struct discovery *d, enum kubernetes_kind kind, struct str namespace,
                        struct str name)
{
    struct buf key;
    if (d->changed[kind].n == 0 || name.n == 0)
        return false;
    buf_init(&key, 4096);
    buf_put_str(&key, namespace);
    if (namespace.n)
        buf_put_c(&key, '/');
    buf_put_str(&key, name);
    bool changed = map_get(&d->changed[kind], buf_str(&key)) != NULL;
    buf_done(&key);
    return changed;
}

/* Has the pod or the node of an endpoint changed? */
static bool behind_changed(const struct discovery *d, struct str namespace,
                           const struct json_tree *endpoint)
{
    const struct json_tree *ref = json_tree_get(endpoint, "targetRef");
    struct str kind = json_tree_text(ref, "kind"), name = json_tree_text(ref, "name");
    struct str of_ref = json_tree_text(ref, "namespace");
    return (str_eq(kind, STR("Pod")) &&
            has_changed(d, KUBERNETES_POD, of_ref.n ? of_ref : namespace, name)) ||
           (str_eq(kind, STR("Node")) && has_changed(d, KUBERNETES_NODE, STR(""), name)) ||
           has_changed(d, KUBERNETES_NODE, STR(""), json_tree_text(endpoint, "nodeName"));
}

static bool list_changed(const struct discovery *d, struct str namespace,
                         const struct json_tree *list)
{
    bool changed = false;
    for (size_t i = 0; i < json_tree_n(list) && !changed; i++)
        changed = behind_changed(d, namespace, &list->children[i]);
    return changed;
}

/* Has something changed that the group of an object of the role is made of, besides itself? */
static bool touched(const struct discovery *d, const struct json_tree *object)
{
    struct str namespace = json_tree_text(object, "metadata.namespace");
    struct str name = json_tree_text(object, "metadata.name");
    const struct json_tree *subsets = json_tree_get(object, "subsets");
    if (has_changed(d, KUBERNETES_NAMESPACE, STR(""), namespace))
        return true;
    switch (d->view.role) {
    case KUBERNETES_POD:
        return has_changed(d, KUBERNETES_NODE, STR(""), json_tree_text(object, "spec.nodeName"));
    case KUBERNETES_ENDPOINTS:
        if (has_changed(d, KUBERNETES_SERVICE, namespace, name))
            return true;
        for (size_t i = 0; i < json_tree_n(subsets); i++) {
            const struct json_tree *subset = &subsets->children[i];
            if (list_changed(d, namespace, json_tree_get(subset, "addresses")) ||
                list_changed(d, namespace, json_tree_get(subset, "notReadyAddresses")))
                return true;
        }
        return false;
    case KUBERNETES_ENDPOINTSLICE:
        name = json_tree_text(
            json_tree_get(json_tree_path(object, "metadata.labels"), "kubernetes.io/service-name"),
            "");
        return has_changed(d, KUBERNETES_SERVICE, namespace, name) ||
               list_changed(d, namespace, json_tree_get(object, "endpoints"));
    default:
        return false;
    }
}

static void put_changed(struct discovery *d, struct groups *g)
{
    const struct map_slot *slot;
    for (size_t at = 0; (slot = map_next(&d->changed[d->view.role], &at));) {
        const struct json_tree *object = kubernetes_groups_find(&d->view, d->view.role, slot->key);
        if (object)
            kubernetes_groups_put(&d->view, object, g);
        else
            groups_begin(g, kubernetes_groups_source(d->view.role, slot->key, &g->arena));
    }
}

static void put_touched(struct discovery *d, struct groups *g)
{
    const struct map *own = &d->changed[d->view.role];
    for (size_t i = 0; i < d->view.stores[d->view.role].n; i++) {
        const struct json_tree *object;
        struct str key;
        for (size_t at = 0;
             (object = kubernetes_store_next(d->view.stores[d->view.role].v[i], &at, &key));) {
            if (!map_get(own, key) && touched(d, object))
                kubernetes_groups_put(&d->view, object, g);
        }
    }
}

static void flush(void *context)
{
    struct discovery *d = context;
    struct groups g;
    bool others = false;
    timer_free(d->timer);
    d->timer = NULL;
    if (!all_synced(d))
        return; /* what has changed is told when all is known */
    for (size_t kind = 0; kind < KUBERNETES_KINDS; kind++)
        others = others || (kind != d->view.role && d->changed[kind].n);
    groups_init(&g);
    put_changed(d, &g);
    if (others)
        put_touched(d, &g);
    groups_tell_some(&d->told, &d->host, &g);
    groups_done(&g);
    for (size_t kind = 0; kind < KUBERNETES_KINDS; kind++) {
        map_done(&d->changed[kind]);
        map_init(&d->changed[kind], 0);
    }
}

static void flush_soon(struct discovery *d)
{
    if (!d->timer)
        d->timer = timer_new(d->host.loop, FLUSH_MS, 0, flush, d);
}

static void on_change(void *context, struct kubernetes_store *s, struct str key)
{
    const struct part *part = context;
    map_put(&part->discovery->changed[part->kind], key, NULL);
    flush_soon(part->discovery);
}

static void on_state(void *context, struct kubernetes_store *s, const char *why)
{
    struct discovery *d = ((const struct part *)context)->discovery;
    if (why[0] != '\0') {
        d->host.state(d->host.context, why);
        return;
    }
    if (!all_synced(d) || any_failed(d))
        return;
    d->host.state(d->host.context, "");
    flush_soon(d);
}

/* ---- starting */
static void open_store(struct discovery *d, enum kubernetes_kind kind, struct str namespace)
{
    const struct kubernetes_options *o = d->options;
    struct kubernetes_store_plan plan = {
        .loop = d->host.loop,
        .client = d->client,
        .url = arena_printf(&d->arena, STR_FMT "%s%s" STR_FMT "/%s", STR_ARG(d->access.server),
                            RESOURCES[kind].group, namespace.n ? "/namespaces/" : "",
                            STR_ARG(namespace), RESOURCES[kind].resource),
        .label = o->label[kind],
        .field = o->field[kind],
        .changed = on_change,
        .state = on_state,
        .context = &d->parts[kind]};
    vec_push(&d->view.stores[kind], kubernetes_store_new(&plan));
}

static unsigned kinds_of(const struct kubernetes_options *o)
{
    static const unsigned behind[] = {
        [KUBERNETES_NODE] = BIT(NODE),
        [KUBERNETES_POD] = BIT(POD),
        [KUBERNETES_SERVICE] = BIT(SERVICE),
        [KUBERNETES_ENDPOINTS] = BIT(ENDPOINTS) | BIT(SERVICE) | BIT(POD),
        [KUBERNETES_ENDPOINTSLICE] = BIT(ENDPOINTSLICE) | BIT(SERVICE) | BIT(POD),
        [KUBERNETES_INGRESS] = BIT(INGRESS),
    };
    unsigned kinds = behind[o->role];
    bool with_node = o->role == KUBERNETES_POD || o->role == KUBERNETES_ENDPOINTS ||
                     o->role == KUBERNETES_ENDPOINTSLICE;
    if (o->attach_node && with_node)
        kinds |= BIT(NODE);
    if (o->attach_namespace && o->role != KUBERNETES_NODE)
        kinds |= BIT(NAMESPACE);
    return kinds;
}

static void open_stores(struct discovery *d)
{
    const struct kubernetes_options *o = d->options;
    unsigned kinds = kinds_of(o);
    for (size_t i = 0; i < KUBERNETES_KINDS; i++) {
        enum kubernetes_kind kind = (enum kubernetes_kind)i;
        bool own = o->own_namespace && d->access.namespace.n;
        if (!(kinds & (1u << kind)))
            continue;
        if (kind == KUBERNETES_NODE || kind == KUBERNETES_NAMESPACE ||
            (o->namespaces.n == 0 && !own)) {
            open_store(d, kind, STR(""));
            continue;
        }
        for (size_t j = 0; j < o->namespaces.n; j++) {
            own = own && !str_eq(o->namespaces.v[j], d->access.namespace);
            open_store(d, kind, o->namespaces.v[j]);
        }
        if (own)
            open_store(d, kind, d->access.namespace);
    }
}

static int start_kubernetes(const struct discovery_config *config,
                            const struct discovery_host *host, struct discovery **ret,
                            struct why *why)
{
    struct discovery *d = mem_new(sizeof *d);
    d->host = *host;
    d->options = config->options;
    arena_init(&d->arena);
    int err = kubernetes_access(d->options, &config->http, &d->arena, &d->access, why);
    if (!err)
        err = fetch_client_new(host->fetcher, &d->access.http, &d->client, why);
    if (err) {
        arena_done(&d->arena);
        mem_free(d);
        return err;
    }
    d->view.role = d->options->role;
    d->view.attach_node = d->options->attach_node;
    d->view.attach_namespace = d->options->attach_namespace;
    groups_told_init(&d->told);
    for (size_t i = 0; i < KUBERNETES_KINDS; i++) {
        map_init(&d->changed[i], 0);
        d->parts[i] = (struct part){d, (enum kubernetes_kind)i};
    }
    open_stores(d);
    *ret = d;
    return 0;
}

static void stop_kubernetes(struct discovery *d)
{
    timer_free(d->timer);
    for (size_t kind = 0; kind < KUBERNETES_KINDS; kind++) {
        for (size_t i = 0; i < d->view.stores[kind].n; i++)
            kubernetes_store_free(d->view.stores[kind].v[i]);
        vec_free(&d->view.stores[kind]);
        map_done(&d->changed[kind]);
    }
    fetch_client_free(d->client);
    groups_told_done(&d->told);
    arena_done(&d->arena);
    mem_free(d);
}

static void each_file(const struct discovery_config *config,
                      void (*f)(void *context, struct str path), void *context)
{
    kubernetes_access_files(config->options, f, context);
}

const struct discovery_ops kubernetes_discovery = {.key = "kubernetes_sd_configs",
                                                   .name = "kubernetes",
                                                   .http = true,
                                                   .read = read_kubernetes,
                                                   .start = start_kubernetes,
                                                   .stop = stop_kubernetes,
                                                   .files = each_file};
