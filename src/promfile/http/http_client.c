#include "promfile/http/http_client.h"

#include <strings.h>

#include "text/json.h"
#include "text/yaml_struct.h"

/* ---- what the file says, before it is checked */
struct basic_read {
    struct str username, username_file, username_ref, password, password_file, password_ref;
};

struct authorization_read {
    struct str type, credentials, credentials_file, credentials_ref;
};

struct tls_read {
    struct str ca, cert, key, ca_file, cert_file, key_file, ca_ref, cert_ref, key_ref;
    struct str server_name, min_version, max_version;
    bool insecure_skip_verify;
    struct yaml_struct_texts next_protos;
};

struct proxy_read {
    struct str url, no_proxy;
    bool from_environment;
};

struct oauth2_read {
    struct str client_id, client_secret, client_secret_file, client_secret_ref, token_url;
    struct str key_id, key, key_file, key_ref; /* of JWT bearer grants, as are ... */
    struct str grant_type, signature_algorithm, iss, audience; /* ... the last three */
    struct yaml_struct_texts scopes;
    struct yaml_struct_pairs params;
};

struct header_read {
    struct yaml_struct_texts values, secrets, files;
};

struct client_read {
    struct str bearer_token, bearer_token_file;
    bool follow_redirects, enable_http2;
};

#define TEXT(type, member)                                                                         \
    {                                                                                              \
#member, YAML_STRUCT_TEXT, offsetof(struct type, member)                                   \
    }
#define OTHER(key)                                                                                 \
    {                                                                                              \
        key, YAML_STRUCT_ELSE, 0                                                                   \
    }

static const struct yaml_struct_field BASIC[] = {
    TEXT(basic_read, username), TEXT(basic_read, username_file), TEXT(basic_read, username_ref),
    TEXT(basic_read, password), TEXT(basic_read, password_file), TEXT(basic_read, password_ref),
};
static const struct yaml_struct_field AUTHORIZATION[] = {
    TEXT(authorization_read, type),
    TEXT(authorization_read, credentials),
    TEXT(authorization_read, credentials_file),
    TEXT(authorization_read, credentials_ref),
};
static const struct yaml_struct_field TLS[] = {
    TEXT(tls_read, ca),
    TEXT(tls_read, cert),
    TEXT(tls_read, key),
    TEXT(tls_read, ca_file),
    TEXT(tls_read, cert_file),
    TEXT(tls_read, key_file),
    TEXT(tls_read, ca_ref),
    TEXT(tls_read, cert_ref),
    TEXT(tls_read, key_ref),
    TEXT(tls_read, server_name),
    TEXT(tls_read, min_version),
    TEXT(tls_read, max_version),
    {"insecure_skip_verify", YAML_STRUCT_BOOL, offsetof(struct tls_read, insecure_skip_verify)},
    /* What we speak, HTTP/1.1 and HTTP/2, is offered anyhow. */
    {"next_protos", YAML_STRUCT_TEXTS, offsetof(struct tls_read, next_protos)},
};
/* Also the keys of oauth2 that are read into struct proxy_read, and the other way round. */
static const struct yaml_struct_field PROXY[] = {
    {"proxy_url", YAML_STRUCT_TEXT, offsetof(struct proxy_read, url)},
    {"no_proxy", YAML_STRUCT_TEXT, offsetof(struct proxy_read, no_proxy)},
    {"proxy_from_environment", YAML_STRUCT_BOOL, offsetof(struct proxy_read, from_environment)},
};
static const struct yaml_struct_field OAUTH2[] = {
    TEXT(oauth2_read, client_id),
    TEXT(oauth2_read, client_secret),
    TEXT(oauth2_read, client_secret_file),
    TEXT(oauth2_read, client_secret_ref),
    TEXT(oauth2_read, token_url),
    {"client_certificate_key_id", YAML_STRUCT_TEXT, offsetof(struct oauth2_read, key_id)},
    {"client_certificate_key", YAML_STRUCT_TEXT, offsetof(struct oauth2_read, key)},
    {"client_certificate_key_file", YAML_STRUCT_TEXT, offsetof(struct oauth2_read, key_file)},
    {"client_certificate_key_ref", YAML_STRUCT_TEXT, offsetof(struct oauth2_read, key_ref)},
    TEXT(oauth2_read, grant_type),
    TEXT(oauth2_read, signature_algorithm),
    TEXT(oauth2_read, iss),
    TEXT(oauth2_read, audience),
    OTHER("claims"),
    {"scopes", YAML_STRUCT_TEXTS, offsetof(struct oauth2_read, scopes)},
    {"endpoint_params", YAML_STRUCT_PAIRS, offsetof(struct oauth2_read, params)},
    OTHER("tls_config"),
    OTHER("proxy_url"),
    OTHER("no_proxy"),
    OTHER("proxy_from_environment"),
    OTHER("proxy_connect_header"),
};
static const struct yaml_struct_field HEADER[] = {
    {"values", YAML_STRUCT_TEXTS, offsetof(struct header_read, values)},
    {"secrets", YAML_STRUCT_TEXTS, offsetof(struct header_read, secrets)},
    {"files", YAML_STRUCT_TEXTS, offsetof(struct header_read, files)},
};
static const struct yaml_struct_field CLIENT[] = {
    TEXT(client_read, bearer_token),
    TEXT(client_read, bearer_token_file),
    {"follow_redirects", YAML_STRUCT_BOOL, offsetof(struct client_read, follow_redirects)},
    {"enable_http2", YAML_STRUCT_BOOL, offsetof(struct client_read, enable_http2)},
    OTHER("basic_auth"),
    OTHER("authorization"),
    OTHER("oauth2"),
    OTHER("tls_config"),
    OTHER("proxy_url"),
    OTHER("no_proxy"),
    OTHER("proxy_from_environment"),
    OTHER("proxy_connect_header"),
    OTHER("http_headers"),
};

static bool any(struct str key)
{
    return true;
}

static const struct yaml_struct BASIC_SHAPE = {"config.plain", BASIC, COUNTOF(BASIC), NULL};
static const struct yaml_struct AUTHORIZATION_SHAPE = {"config.Authorization", AUTHORIZATION,
                                                       COUNTOF(AUTHORIZATION), NULL};
static const struct yaml_struct TLS_SHAPE = {"config.plain", TLS, COUNTOF(TLS), NULL};
static const struct yaml_struct PROXY_SHAPE = {"config.plain", PROXY, COUNTOF(PROXY), any};
static const struct yaml_struct OAUTH2_SHAPE = {"config.plain", OAUTH2, COUNTOF(OAUTH2), NULL};
static const struct yaml_struct HEADER_SHAPE = {"config.Header", HEADER, COUNTOF(HEADER), NULL};
static const struct yaml_struct CLIENT_SHAPE = {"config.plain", CLIENT, COUNTOF(CLIENT), any};

/* Names as Go writes them canonically. */
static const char *const RESERVED[] = {"Authorization",
                                       "Host",
                                       "Content-Encoding",
                                       "Content-Length",
                                       "Content-Type",
                                       "User-Agent",
                                       "Connection",
                                       "Keep-Alive",
                                       "Proxy-Authenticate",
                                       "Proxy-Authorization",
                                       "Www-Authenticate",
                                       "Accept-Encoding",
                                       "X-Prometheus-Remote-Write-Version",
                                       "X-Prometheus-Remote-Read-Version",
                                       "X-Prometheus-Scrape-Timeout-Seconds",
                                       "X-Amz-Date",
                                       "X-Amz-Security-Token",
                                       "X-Amz-Content-Sha256"};

struct reading {
    struct arena *a;
    struct str folder;
    struct yaml_place place;
    struct why *why;
};

static int refuse(struct reading *r, const struct yaml_node *node, const char *text)
{
    r->place = node->place;
    return why_set(r->why, ERR_FORMAT, "%s", text);
}

static int read_struct(struct reading *r, const struct yaml_node *map,
                       const struct yaml_struct *shape, void *to)
{
    int err = yaml_struct_read(map, shape, r->a, to, &r->place, r->why);
    if (err)
        return err;
    /* The tree may be gone before the settings are. */
    for (size_t i = 0; i < shape->n; i++) {
        if (shape->fields[i].type == YAML_STRUCT_TEXT) {
            struct str *text = (struct str *)(void *)((char *)to + shape->fields[i].offset);
            *text = arena_str(r->a, *text);
        }
    }
    return 0;
}

static const struct str *copy_texts(struct reading *r, struct yaml_struct_texts texts)
{
    struct str *v = arena_array(r->a, texts.n + 1, sizeof *v);
    for (size_t i = 0; i < texts.n; i++)
        v[i] = arena_str(r->a, texts.v[i]);
    return v;
}

/* A path of the file as seen from its folder. */
static struct str path_of(struct reading *r, struct str path)
{
    if (path.n == 0 || path.p[0] == '/' || r->folder.n == 0 || str_eq(r->folder, STR(".")))
        return path;
    while (str_starts(path, STR("./")))
        path = str_sub(path, 2, path.n);
    return arena_printf(r->a, STR_FMT "%s" STR_FMT, STR_ARG(r->folder),
                        str_ends(r->folder, STR("/")) ? "" : "/", STR_ARG(path));
}

static unsigned filled(struct str a, struct str b, struct str c)
{
    return (a.n > 0 ? 1U : 0) + (b.n > 0 ? 1U : 0) + (c.n > 0 ? 1U : 0);
}

/* There is nobody to ask for a secret by its name. */
static void note_ref(struct reading *r, struct fetch_settings *s, struct str ref, const char *what)
{
    if (ref.n > 0)
        s->unusable =
            arena_printf(r->a, "unable to use %s: cannot use secret ref without manager", what);
}

/* ---- TLS */
static int version_of(struct reading *r, const struct yaml_node *map, const char *key,
                      struct str text, enum fetch_tls_version *ret)
{
    static const struct {
        const char *name;
        enum fetch_tls_version version;
    } known[] = {{"TLS10", FETCH_TLS_1_0},
                 {"TLS11", FETCH_TLS_1_1},
                 {"TLS12", FETCH_TLS_1_2},
                 {"TLS13", FETCH_TLS_1_3}};
    const struct yaml_node *node = yaml_get(map, key);
    if (yaml_is_null(node))
        return 0;
    for (size_t i = 0; i < COUNTOF(known); i++) {
        if (str_eq(text, str_c(known[i].name))) {
            *ret = known[i].version;
            return 0;
        }
    }
    r->place = node->place;
    return why_set(r->why, ERR_FORMAT, "unknown TLS version: " STR_FMT, STR_ARG(text));
}

static int check_tls(struct reading *r, const struct yaml_node *map, const struct tls_read *t)
{
    unsigned cert = filled(t->cert, t->cert_file, t->cert_ref);
    unsigned key = filled(t->key, t->key_file, t->key_ref);
    if (filled(t->ca, t->ca_file, t->ca_ref) > 1)
        return refuse(r, map, "at most one of ca, ca_file & ca_ref must be configured");
    if (cert > 1)
        return refuse(r, map, "at most one of cert, cert_file & cert_ref must be configured");
    if (key > 1)
        return refuse(r, map, "at most one of key and key_file must be configured");
    if (cert && !key)
        return refuse(r, map,
                      "exactly one of key or key_file must be configured when a client "
                      "certificate is configured");
    if (key && !cert)
        return refuse(r, map,
                      "exactly one of cert or cert_file must be configured when a client key "
                      "is configured");
    return 0;
}

static int read_tls(struct reading *r, const struct yaml_node *map, struct fetch_tls *ret,
                    struct fetch_settings *settings)
{
    struct tls_read t = {0};
    struct fetch_tls tls = {0};
    if (yaml_is_null(map))
        return 0;
    int err = read_struct(r, map, &TLS_SHAPE, &t);
    if (err == 0)
        err = version_of(r, map, "min_version", t.min_version, &tls.min_version);
    if (err == 0)
        err = version_of(r, map, "max_version", t.max_version, &tls.max_version);
    if (err == 0)
        err = check_tls(r, map, &t);
    if (err == 0 && tls.min_version && tls.max_version && tls.max_version < tls.min_version)
        err = refuse(r, map,
                     "tls_config.max_version must be greater than or equal to "
                     "tls_config.min_version if both are specified");
    if (err)
        return err;
    tls.ca = t.ca;
    tls.cert = t.cert;
    tls.key = t.key;
    tls.ca_file = path_of(r, t.ca_file);
    tls.cert_file = path_of(r, t.cert_file);
    tls.key_file = path_of(r, t.key_file);
    tls.server_name = t.server_name;
    tls.insecure_skip_verify = t.insecure_skip_verify;
    note_ref(r, settings, t.ca_ref, "CA cert");
    note_ref(r, settings, t.cert_ref, "client cert");
    note_ref(r, settings, t.key_ref, "client key");
    *ret = tls;
    return 0;
}

/* ---- headers */
static int read_list(struct reading *r, const struct yaml_node *node, struct fetch_header *to)
{
    int err = yaml_expect(node, YAML_SEQUENCE, "[]config.Secret", r->why);
    if (err) {
        r->place = node->place;
        return err;
    }
    size_t n = yaml_is_null(node) ? 0 : node->n;
    struct str *v = arena_array(r->a, n + 1, sizeof *v);
    for (size_t i = 0; i < n; i++) {
        err = yaml_text(node->members[i].value, &v[i], r->why);
        if (err) {
            r->place = node->members[i].value->place;
            return err;
        }
        v[i] = arena_str(r->a, v[i]);
    }
    to->values = v;
    to->values_n = n;
    return 0;
}

static int read_connect_headers(struct reading *r, const struct yaml_node *map,
                                struct fetch_proxy *ret)
{
    int err = yaml_expect(map, YAML_MAP, "config.ProxyHeader", r->why);
    if (err)
        r->place = map->place;
    size_t n = err || yaml_is_null(map) ? 0 : map->n;
    struct fetch_header *headers = arena_array(r->a, n + 1, sizeof *headers);
    for (size_t i = 0; i < n && err == 0; i++) {
        headers[i].name = arena_str(r->a, map->members[i].key->text);
        err = read_list(r, map->members[i].value, &headers[i]);
    }
    ret->connect_headers = headers;
    ret->connect_headers_n = n;
    return err;
}

/* "user-agent" -> "User-Agent" */
static struct str canonical(struct arena *a, struct str name)
{
    struct str copy = arena_str(a, name);
    char *p = (char *)(uintptr_t)copy.p;
    bool upper = true;
    for (size_t i = 0; i < copy.n; i++) {
        if (upper && p[i] >= 'a' && p[i] <= 'z')
            p[i] = (char)(p[i] - 'a' + 'A');
        else if (!upper && p[i] >= 'A' && p[i] <= 'Z')
            p[i] = (char)(p[i] - 'A' + 'a');
        upper = p[i] == '-';
    }
    return copy;
}

static int read_header(struct reading *r, const struct yaml_member *m, struct fetch_header *ret)
{
    struct header_read h = {0};
    ret->name = canonical(r->a, m->key->text);
    int err = read_struct(r, m->value, &HEADER_SHAPE, &h);
    if (err)
        return err;
    for (size_t i = 0; i < COUNTOF(RESERVED); i++) {
        if (str_eq(ret->name, str_c(RESERVED[i]))) {
            r->place = m->key->place;
            return why_set(r->why, ERR_FORMAT, "setting header \"%s\" is not allowed", RESERVED[i]);
        }
    }
    struct str *values = arena_array(r->a, h.values.n + h.secrets.n + 1, sizeof *values);
    struct str *files = arena_array(r->a, h.files.n + 1, sizeof *files);
    for (size_t i = 0; i < h.values.n; i++)
        values[i] = arena_str(r->a, h.values.v[i]);
    for (size_t i = 0; i < h.secrets.n; i++)
        values[h.values.n + i] = arena_str(r->a, h.secrets.v[i]);
    for (size_t i = 0; i < h.files.n; i++)
        files[i] = path_of(r, arena_str(r->a, h.files.v[i]));
    ret->values = values;
    ret->values_n = h.values.n + h.secrets.n;
    ret->files = files;
    ret->files_n = h.files.n;
    return 0;
}

static int read_headers(struct reading *r, const struct yaml_node *map, struct fetch_settings *ret)
{
    int err = yaml_expect(map, YAML_MAP, "config.Headers", r->why);
    if (err)
        r->place = map->place;
    size_t n = err || yaml_is_null(map) ? 0 : map->n;
    struct fetch_header *headers = arena_array(r->a, n + 1, sizeof *headers);
    for (size_t i = 0; i < n && err == 0; i++)
        err = read_header(r, &map->members[i], &headers[i]);
    ret->headers = headers;
    ret->headers_n = n;
    return err;
}

/* ---- proxies */
static int read_proxy(struct reading *r, const struct yaml_node *map, struct fetch_proxy *ret)
{
    struct proxy_read p = {0};
    int err = read_struct(r, map, &PROXY_SHAPE, &p);
    if (err == 0)
        err = read_connect_headers(r, yaml_get(map, "proxy_connect_header"), ret);
    if (err)
        return err;
    if (ret->connect_headers_n > 0 && !p.from_environment && p.url.n == 0)
        return refuse(r, map,
                      "if proxy_connect_header is configured, proxy_url or proxy_from_environment "
                      "must also be configured");
    if (p.from_environment && p.url.n > 0)
        return refuse(r, map,
                      "if proxy_from_environment is configured, proxy_url must not be configured");
    if (p.from_environment && p.no_proxy.n > 0)
        return refuse(r, map,
                      "if proxy_from_environment is configured, no_proxy must not be configured");
    if (yaml_is_null(yaml_get(map, "proxy_url")) && p.no_proxy.n > 0)
        return refuse(r, map, "if no_proxy is configured, proxy_url must also be configured");
    ret->url = p.url;
    ret->no_proxy = p.no_proxy;
    ret->from_environment = p.from_environment;
    return 0;
}

/* ---- credentials */
static const struct str JWT_BEARER = {"urn:ietf:params:oauth:grant-type:jwt-bearer", 43};

static int check_jwt(struct reading *r, const struct yaml_node *node, const struct oauth2_read *o)
{
    if (filled(o->key, o->key_file, o->key_ref) > 1)
        return refuse(r, node,
                      "at most one of oauth2 client_certificate_key, client_certificate_key_file & "
                      "client_certificate_key_ref must be configured using grant-type="
                      "urn:ietf:params:oauth:grant-type:jwt-bearer");
    if (o->signature_algorithm.n > 0 && !str_eq(o->signature_algorithm, STR("RS256")) &&
        !str_eq(o->signature_algorithm, STR("RS384")) &&
        !str_eq(o->signature_algorithm, STR("RS512")))
        return refuse(r, node, "valid signature algorithms are RS256, RS384 and RS512");
    return 0;
}

static int check_oauth2(struct reading *r, const struct yaml_node *node,
                        const struct oauth2_read *o)
{
    if (o->client_id.n == 0)
        return refuse(r, node, "oauth2 client_id must be configured");
    if (o->token_url.n == 0)
        return refuse(r, node, "oauth2 token_url must be configured");
    if (str_eq(o->grant_type, JWT_BEARER))
        return check_jwt(r, node, o);
    if (filled(o->client_secret, o->client_secret_file, o->client_secret_ref) > 1)
        return refuse(r, node,
                      "at most one of oauth2 client_secret, client_secret_file & "
                      "client_secret_ref must be configured");
    return 0;
}

/* A value of YAML as JSON. */
static void put_json(struct json_writer *w, const struct yaml_node *node)
{
    if (node->type == YAML_MAP) {
        json_begin_object(w);
        for (size_t i = 0; i < node->n; i++) {
            json_key(w, node->members[i].key->text);
            put_json(w, node->members[i].value);
        }
        json_end_object(w);
    } else if (node->type == YAML_SEQUENCE) {
        json_begin_array(w);
        for (size_t i = 0; i < node->n; i++)
            put_json(w, node->members[i].value);
        json_end_array(w);
    } else {
        bool truth = false;
        double number = 0;
        if (node->kind == YAML_BOOL && yaml_bool(node, &truth, NULL) == 0)
            json_bool(w, truth);
        else if ((node->kind == YAML_INT || node->kind == YAML_FLOAT) &&
                 yaml_real(node, &number, NULL) == 0)
            json_number(w, number);
        else if (node->kind == YAML_NULL)
            json_null(w);
        else
            json_text(w, node->text);
    }
}

/* Claims as a JSON object; "" where there are none. */
static struct str claims_of(struct reading *r, const struct yaml_node *map)
{
    struct buf json;
    struct json_writer w;
    if (yaml_is_null(map) || map->type != YAML_MAP || map->height >= JSON_DEPTH_MAX)
        return STR("");
    buf_init(&json, YAML_SIZE_MAX);
    json_writer_init(&w, &json);
    put_json(&w, map);
    struct str text = arena_str(r->a, buf_str(&json));
    buf_done(&json);
    return text;
}

static int read_oauth2(struct reading *r, const struct yaml_node *node, struct oauth2_read *o,
                       struct fetch_settings *ret)
{
    struct fetch_oauth2 *to = arena_new(r->a, sizeof *to);
    int err = read_struct(r, node, &OAUTH2_SHAPE, o);
    if (err == 0)
        err = read_tls(r, yaml_get(node, "tls_config"), &to->tls, ret);
    if (err == 0)
        err = read_proxy(r, node, &to->proxy);
    if (err)
        return err;
    struct fetch_param *params = arena_array(r->a, o->params.n + 1, sizeof *params);
    for (size_t i = 0; i < o->params.n; i++)
        params[i] = (struct fetch_param){arena_str(r->a, o->params.v[i].name),
                                         arena_str(r->a, o->params.v[i].value)};
    to->client_id = o->client_id;
    to->client_secret = o->client_secret;
    to->client_secret_file = path_of(r, o->client_secret_file);
    to->token_url = o->token_url;
    to->scopes = copy_texts(r, o->scopes);
    to->scopes_n = o->scopes.n;
    to->params = params;
    to->params_n = o->params.n;
    ret->oauth2 = to;
    if (!str_eq(o->grant_type, JWT_BEARER)) {
        note_ref(r, ret, o->client_secret_ref, "client secret");
        return 0;
    }
    struct fetch_jwt *jwt = arena_new(r->a, sizeof *jwt);
    *jwt = (struct fetch_jwt){.key = o->key,
                              .key_file = path_of(r, o->key_file),
                              .key_id = o->key_id,
                              .algorithm = o->signature_algorithm,
                              .issuer = o->iss,
                              .audience = o->audience,
                              .claims = claims_of(r, yaml_get(node, "claims"))};
    to->jwt = jwt;
    note_ref(r, ret, o->key_ref, "client certificate key");
    return 0;
}

/* The nodes of what contradicts each other, NULL where missing. */
struct nodes {
    const struct yaml_node *basic, *authorization, *oauth2;
};

static int check_basic(struct reading *r, const struct nodes *n, const struct basic_read *b)
{
    if (filled(b->username, b->username_file, b->username_ref) > 1)
        return refuse(
            r, n->basic,
            "at most one of basic_auth username, username_file & username_ref must be configured");
    if (filled(b->password, b->password_file, b->password_ref) > 1)
        return refuse(r, n->basic,
                      "at most one of the basic_auth password, password_file & password_ref must "
                      "be configured");
    return 0;
}

static int check_authorization(struct reading *r, const struct nodes *n, bool bearer,
                               struct authorization_read *z)
{
    if (bearer)
        return refuse(r, n->authorization,
                      "authorization is not compatible with bearer_token & bearer_token_file");
    if (filled(z->credentials, z->credentials_file, z->credentials_ref) > 1)
        return refuse(r, n->authorization,
                      "at most one of authorization credentials & credentials_file must be "
                      "configured");
    z->type = str_trim(z->type);
    if (z->type.n == 0)
        z->type = STR("Bearer");
    if (z->type.n == 5 && strncasecmp(z->type.p, "basic", 5) == 0)
        return refuse(r, n->authorization,
                      "authorization type cannot be set to \"basic\", use \"basic_auth\" instead");
    if (n->basic || n->oauth2)
        return refuse(r, n->authorization,
                      "at most one of basic_auth, oauth2 & authorization must be configured");
    return 0;
}

/* All that contradicts itself, in the order in which Prometheus looks. */
static int check_all(struct reading *r, const struct yaml_node *map, const struct nodes *n,
                     const struct client_read *c, const struct basic_read *b,
                     struct authorization_read *z, const struct oauth2_read *o)
{
    bool bearer = c->bearer_token.n + c->bearer_token_file.n > 0;
    if (c->bearer_token.n > 0 && c->bearer_token_file.n > 0)
        return refuse(r, map, "at most one of bearer_token & bearer_token_file must be configured");
    if ((n->basic || n->oauth2) && bearer)
        return refuse(r, map,
                      "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be "
                      "configured");
    int err = n->basic ? check_basic(r, n, b) : 0;
    if (err == 0 && n->authorization)
        err = check_authorization(r, n, bearer, z);
    if (err || n->oauth2 == NULL)
        return err;
    if (n->basic)
        return refuse(r, n->oauth2,
                      "at most one of basic_auth, oauth2 & authorization must be configured");
    return check_oauth2(r, n->oauth2, o);
}

static void fill(struct reading *r, const struct client_read *c, const struct basic_read *b,
                 const struct authorization_read *z, struct fetch_settings *ret)
{
    ret->username = b->username;
    ret->username_file = path_of(r, b->username_file);
    ret->password = b->password;
    ret->password_file = path_of(r, b->password_file);
    ret->authorization_type = z->type;
    ret->credentials = z->credentials;
    ret->credentials_file = path_of(r, z->credentials_file);
    if (c->bearer_token.n + c->bearer_token_file.n > 0) {
        ret->authorization_type = STR("Bearer");
        ret->credentials = c->bearer_token;
        ret->credentials_file = path_of(r, c->bearer_token_file);
    }
    ret->follow_redirects = c->follow_redirects;
    ret->enable_http2 = c->enable_http2;
    note_ref(r, ret, b->username_ref, "username");
    note_ref(r, ret, b->password_ref, "password");
    note_ref(r, ret, z->credentials_ref, "authorization credentials");
}

static int read_client(struct reading *r, const struct yaml_node *map, struct fetch_settings *ret)
{
    struct client_read c = {.follow_redirects = ret->follow_redirects,
                            .enable_http2 = ret->enable_http2};
    struct basic_read b = {0};
    struct authorization_read z = {0};
    struct oauth2_read o = {0};
    struct nodes n = {yaml_get(map, "basic_auth"), yaml_get(map, "authorization"),
                      yaml_get(map, "oauth2")};
    n.basic = yaml_is_null(n.basic) ? NULL : n.basic;
    n.authorization = yaml_is_null(n.authorization) ? NULL : n.authorization;
    n.oauth2 = yaml_is_null(n.oauth2) ? NULL : n.oauth2;
    int err = read_struct(r, map, &CLIENT_SHAPE, &c);
    if (err == 0)
        err = read_struct(r, n.basic, &BASIC_SHAPE, &b);
    if (err == 0)
        err = read_struct(r, n.authorization, &AUTHORIZATION_SHAPE, &z);
    if (err == 0 && n.oauth2)
        err = read_oauth2(r, n.oauth2, &o, ret);
    if (err == 0)
        err = read_tls(r, yaml_get(map, "tls_config"), &ret->tls, ret);
    if (err == 0)
        err = check_all(r, map, &n, &c, &b, &z, &o);
    if (err == 0)
        err = read_proxy(r, map, &ret->proxy);
    if (err == 0)
        err = read_headers(r, yaml_get(map, "http_headers"), ret);
    if (err == 0)
        fill(r, &c, &b, &z, ret);
    return err;
}

/* ---- the whole */
bool http_client_key(struct str key)
{
    for (size_t i = 0; i < COUNTOF(CLIENT); i++)
        if (str_eq(key, str_c(CLIENT[i].key)))
            return true;
    return false;
}

static bool says_anything(const struct yaml_node *map)
{
    for (size_t i = 0; map && map->type == YAML_MAP && i < map->n; i++)
        if (http_client_key(map->members[i].key->text))
            return true;
    return map && map->type != YAML_MAP;
}

int http_client_read(const struct yaml_node *map, struct str folder, struct arena *a,
                     struct fetch_settings *ret, struct yaml_place *ret_place, struct why *why)
{
    struct reading r = {.a = a, .folder = folder, .why = why};
    struct fetch_settings settings = fetch_settings_default;
    int err = says_anything(map) ? read_client(&r, map, &settings) : 0;
    if (err)
        *ret_place = r.place;
    else
        *ret = settings;
    return err;
}

int http_client_tls(const struct yaml_node *map, struct str folder, struct arena *a,
                    struct fetch_tls *ret, struct yaml_place *ret_place, struct why *why)
{
    struct reading r = {.a = a, .folder = folder, .why = why};
    struct fetch_settings settings = fetch_settings_default;
    struct fetch_tls tls = {0};
    int err = read_tls(&r, map, &tls, &settings);
    if (err == 0 && settings.unusable.n > 0)
        err = refuse(&r, map, settings.unusable.p);
    if (err)
        *ret_place = r.place;
    else
        *ret = tls;
    return err;
}

static void tell_tls(const struct fetch_tls *tls, void (*f)(void *context, struct str path),
                     void *context)
{
    const struct str all[] = {tls->ca_file, tls->cert_file, tls->key_file};
    for (size_t i = 0; i < COUNTOF(all); i++)
        if (all[i].n > 0)
            f(context, all[i]);
}

void http_client_files(const struct fetch_settings *settings,
                       void (*f)(void *context, struct str path), void *context)
{
    const struct str all[] = {settings->username_file, settings->password_file,
                              settings->credentials_file};
    for (size_t i = 0; i < COUNTOF(all); i++)
        if (all[i].n > 0)
            f(context, all[i]);
    tell_tls(&settings->tls, f, context);
    for (size_t i = 0; i < settings->headers_n; i++)
        for (size_t j = 0; j < settings->headers[i].files_n; j++)
            f(context, settings->headers[i].files[j]);
    if (settings->oauth2 == NULL)
        return;
    tell_tls(&settings->oauth2->tls, f, context);
    if (settings->oauth2->client_secret_file.n > 0)
        f(context, settings->oauth2->client_secret_file);
    if (settings->oauth2->jwt && settings->oauth2->jwt->key_file.n > 0)
        f(context, settings->oauth2->jwt->key_file);
}
