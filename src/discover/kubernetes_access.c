#include <stdlib.h>

#include "discover/kubernetes.h"
#include "net/base64.h"
#include "os/file.h"

enum { KUBECONFIG_BYTES_MAX = 1 << 20 };

#define ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount/"

static struct str read_text(const char *path, size_t max, struct arena *a, struct why *why)
{
    struct buf text;
    struct str all = {0};
    buf_init(&text, max);
    if (file_read(path, &text, why) == 0)
        all = arena_str(a, str_trim(buf_str(&text)));
    buf_done(&text);
    return all;
}

/* ---- the pod that we run in */
static int in_cluster(struct arena *a, struct kubernetes_access *ret, struct why *why)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST");
    const char *port = getenv("KUBERNETES_SERVICE_PORT");
    if (!host || !port || !*host || !*port)
        return why_set(why, ERR_NOENT,
                       "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and "
                       "KUBERNETES_SERVICE_PORT must be defined");
    bool six = strchr(host, ':') != NULL;
    *ret = (struct kubernetes_access){.http = fetch_settings_default};
    ret->server = arena_printf(a, "https://%s%s%s:%s", six ? "[" : "", host, six ? "]" : "", port);
    ret->http.authorization_type = STR("Bearer");
    ret->http.credentials_file = STR(ACCOUNT "token");
    ret->http.tls.ca_file = STR(ACCOUNT "ca.crt");
    /* Where it cannot be read, own_namespace has nothing to name. */
    ret->namespace = read_text(ACCOUNT "namespace", 1024, a, NULL);
    return 0;
}

/* ---- kubeconfig files */

/* The member of map[key], a list of {name, WHAT}, that has that name: its WHAT. */
static const struct yaml_node *named(const struct yaml_node *root, const char *key,
                                     const char *what, struct str name)
{
    const struct yaml_node *list = yaml_get(root, key);
    for (size_t i = 0; list && list->type == YAML_SEQUENCE && i < list->n; i++) {
        struct str text = {0};
        const struct yaml_node *entry = list->members[i].value;
        if (yaml_text(yaml_get(entry, "name"), &text, NULL) == 0 && str_eq(text, name))
            return yaml_get(entry, what);
    }
    return NULL;
}

static struct str text_of(const struct yaml_node *map, const char *key)
{
    struct str text = {0};
    return yaml_text(yaml_get(map, key), &text, NULL) == 0 ? text : STR("");
}

/* A path in the file, from the folder of the file on. */
static struct str path_of(const struct yaml_node *map, const char *key, struct str file,
                          struct arena *a)
{
    struct str path = text_of(map, key);
    size_t n = file.n;
    while (n > 0 && file.p[n - 1] != '/')
        n--;
    if (path.n == 0 || path.p[0] == '/')
        return path;
    return arena_printf(a, STR_FMT STR_FMT, STR_ARG(str_sub(file, 0, n)), STR_ARG(path));
}

static int data_of(const struct yaml_node *map, const char *key, struct arena *a, struct str *ret,
                   struct why *why)
{
    struct str text = text_of(map, key);
    struct buf bytes;
    if (text.n == 0)
        return 0;
    buf_init(&bytes, KUBECONFIG_BYTES_MAX);
    bool good = base64_read(&bytes, text);
    if (good)
        *ret = arena_str(a, buf_str(&bytes));
    buf_done(&bytes);
    return good ? 0 : why_set(why, ERR_FORMAT, "%s is not base64", key);
}

static int read_cluster(const struct yaml_node *cluster, struct str file, struct arena *a,
                        struct kubernetes_access *ret, struct why *why)
{
    struct fetch_tls *tls = &ret->http.tls;
    struct str server = text_of(cluster, "server");
    while (str_ends(server, STR("/")))
        server.n--;
    if (server.n == 0)
        return why_set(why, ERR_FORMAT, "its cluster has no server");
    ret->server = server;
    tls->ca_file = path_of(cluster, "certificate-authority", file, a);
    tls->server_name = text_of(cluster, "tls-server-name");
    ret->http.proxy.url = text_of(cluster, "proxy-url");
    int err =
        yaml_bool(yaml_get(cluster, "insecure-skip-tls-verify"), &tls->insecure_skip_verify, why);
    if (!err)
        err = data_of(cluster, "certificate-authority-data", a, &tls->ca, why);
    if (tls->ca.n)
        tls->ca_file = STR(""); /* the data win */
    return err;
}

static int read_user(const struct yaml_node *user, struct str file, struct arena *a,
                     struct fetch_settings *http, struct why *why)
{
    struct fetch_tls *tls = &http->tls;
    if (yaml_get(user, "exec") || yaml_get(user, "auth-provider"))
        return why_set(why, ERR_UNSUPPORTED,
                       "its user is known by a program (exec, auth-provider), which is not run: "
                       "give it a token or a certificate");
    http->username = text_of(user, "username");
    http->password = text_of(user, "password");
    http->credentials = text_of(user, "token");
    http->credentials_file = path_of(user, "tokenFile", file, a);
    if (http->credentials_file.n)
        http->credentials = STR(""); /* the file wins, which is read again as it changes */
    if (http->credentials.n || http->credentials_file.n)
        http->authorization_type = STR("Bearer");
    tls->cert_file = path_of(user, "client-certificate", file, a);
    tls->key_file = path_of(user, "client-key", file, a);
    int err = data_of(user, "client-certificate-data", a, &tls->cert, why);
    if (!err)
        err = data_of(user, "client-key-data", a, &tls->key, why);
    if (tls->cert.n)
        tls->cert_file = STR("");
    if (tls->key.n)
        tls->key_file = STR("");
    return err;
}

static int read_kubeconfig(struct str file, struct arena *a, struct kubernetes_access *ret,
                           struct why *why)
{
    const struct yaml_node *root;
    struct why inner = {0};
    struct str text = read_text(file.p, KUBECONFIG_BYTES_MAX, a, &inner);
    *ret = (struct kubernetes_access){.http = fetch_settings_default};
    int err = inner.err;
    if (!err)
        err = yaml_parse(text, a, &root, NULL, &inner);
    if (!err) {
        struct str context = text_of(root, "current-context");
        const struct yaml_node *chosen = named(root, "contexts", "context", context);
        err = read_cluster(named(root, "clusters", "cluster", text_of(chosen, "cluster")), file, a,
                           ret, &inner);
        if (!err)
            err = read_user(named(root, "users", "user", text_of(chosen, "user")), file, a,
                            &ret->http, &inner);
    }
    if (err && why) {
        *why = inner;
        why_prefix(why, "kubeconfig_file " STR_FMT, STR_ARG(file));
    }
    return err;
}

int kubernetes_access(const struct kubernetes_options *o, const struct fetch_settings *http,
                      struct arena *a, struct kubernetes_access *ret, struct why *why)
{
    struct str server = o->api_server;
    if (o->kubeconfig_file.n)
        return read_kubeconfig(o->kubeconfig_file, a, ret, why);
    if (server.n == 0)
        return in_cluster(a, ret, why);
    while (str_ends(server, STR("/")))
        server.n--;
    *ret = (struct kubernetes_access){.server = server, .http = *http};
    return 0;
}

void kubernetes_access_files(const struct kubernetes_options *o,
                             void (*f)(void *context, struct str path), void *context)
{
    struct kubernetes_access access;
    struct arena a;
    if (o->api_server.n)
        return; /* its files are among those of its HTTP settings */
    if (o->kubeconfig_file.n == 0) {
        f(context, STR(ACCOUNT "*"));
        return;
    }
    f(context, o->kubeconfig_file);
    arena_init(&a);
    /* What is wrong with it is said when the discovery starts. */
    if (read_kubeconfig(o->kubeconfig_file, &a, &access, NULL) == 0) {
        const struct str paths[] = {access.http.tls.ca_file, access.http.tls.cert_file,
                                    access.http.tls.key_file, access.http.credentials_file};
        for (size_t i = 0; i < COUNTOF(paths); i++) {
            if (paths[i].n)
                f(context, paths[i]);
        }
    }
    arena_done(&a);
}
