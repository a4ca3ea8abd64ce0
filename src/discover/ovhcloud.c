#include <arpa/inet.h>
#include <inttypes.h>

#include "base/mem.h"
#include "base/must.h"
#include "base/vec.h"
#include "crypt/digest.h"
#include "discover/inquiry.h"
#include "text/json_tree.h"
#include "text/template.h"
#include "text/yaml_struct.h"

/* OVHcloud's dedicated servers and virtual private servers (its API, version 1). Every request but
 * the one for the time is signed with the application's secret. */
struct options {
    struct str endpoint, application_key, application_secret, consumer_key, service;
    int64_t refresh_ms;
    struct str url; /* of endpoint */
};

enum question { TIME, LIST, DETAILS, ADDRESSES };

struct server {
    const struct json_tree *details, *addresses; /* NULL: they could not be had */
};

struct discovery {
    const struct options *options;
    const struct clock *clock;
    struct inquiry *inquiry;
    int64_t ahead_s; /* the server's clock of ours */
    struct {
        struct server **v;
        size_t n, capacity;
    } servers;
};

static const struct yaml_struct_field FIELDS[] = {
    {"endpoint", YAML_STRUCT_TEXT, offsetof(struct options, endpoint)},
    {"application_key", YAML_STRUCT_TEXT, offsetof(struct options, application_key)},
    {"application_secret", YAML_STRUCT_TEXT, offsetof(struct options, application_secret)},
    {"consumer_key", YAML_STRUCT_TEXT, offsetof(struct options, consumer_key)},
    {"refresh_interval", YAML_STRUCT_DURATION, offsetof(struct options, refresh_ms)},
    {"service", YAML_STRUCT_TEXT, offsetof(struct options, service)},
};

static const struct yaml_struct SHAPE = {"ovhcloud.plain", FIELDS, COUNTOF(FIELDS), NULL};

static const char *const ENDPOINTS[][2] = {
    {"ovh-eu", "https://eu.api.ovh.com/1.0"},
    {"ovh-ca", "https://ca.api.ovh.com/1.0"},
    {"ovh-us", "https://api.us.ovhcloud.com/1.0"},
    {"kimsufi-eu", "https://eu.api.kimsufi.com/1.0"},
    {"kimsufi-ca", "https://ca.api.kimsufi.com/1.0"},
    {"soyoustart-eu", "https://eu.api.soyoustart.com/1.0"},
    {"soyoustart-ca", "https://ca.api.soyoustart.com/1.0"},
};

static int check(struct options *o, struct why *why)
{
    const struct {
        struct str text;
        const char *name;
    } needed[] = {{o->endpoint, "endpoint"},
                  {o->application_key, "application key"},
                  {o->application_secret, "application secret"},
                  {o->consumer_key, "consumer key"}};
    for (size_t i = 0; i < COUNTOF(needed); i++) {
        if (needed[i].text.n == 0)
            return why_set(why, ERR_FORMAT, "%s can not be empty", needed[i].name);
    }
    if (!str_eq(o->service, STR("dedicated_server")) && !str_eq(o->service, STR("vps")))
        return why_set(why, ERR_FORMAT, "unknown service: " STR_FMT, STR_ARG(o->service));
    if (o->refresh_ms <= 0)
        return why_set(why, ERR_FORMAT, "refresh_interval must be more than 0");
    o->url = o->endpoint;
    for (size_t i = 0; i < COUNTOF(ENDPOINTS); i++) {
        if (str_eq(o->endpoint, str_c(ENDPOINTS[i][0])))
            o->url = str_c(ENDPOINTS[i][1]);
    }
    return 0;
}

static int read_ovhcloud(const struct yaml_node *entry, struct discovery_read *r,
                         struct discovery_config *ret, struct why *why)
{
    struct options *o = arena_new(r->a, sizeof *o);
    *o = (struct options){.endpoint = STR("ovh-eu"), .refresh_ms = 60 * 1000};
    int err = yaml_struct_read(entry, &SHAPE, r->a, o, &r->place, why);
    if (!err)
        err = check(o, why);
    if (!err)
        ret->options = o;
    return err;
}

/* ---- asking */
static void ask(struct discovery *d, struct str path, enum question question, void *about)
{
    enum { HEADERS = 5 };
    const struct options *o = d->options;
    struct arena *a = inquiry_arena(d->inquiry);
    struct str url = arena_printf(a, STR_FMT STR_FMT, STR_ARG(o->url), STR_ARG(path));
    int64_t now = clock_wall_ms(d->clock) / 1000 + d->ahead_s;
    struct str signed_text =
        arena_printf(a, STR_FMT "+" STR_FMT "+GET+" STR_FMT "++%" PRId64,
                     STR_ARG(o->application_secret), STR_ARG(o->consumer_key), STR_ARG(url), now);
    uint8_t digest[DIGEST_SHA1_BYTES];
    char signature[2 * DIGEST_SHA1_BYTES + 1];
    must(digest_sha1(signed_text, digest) == 0);
    digest_hex(digest, sizeof digest, signature);
    const char **headers = arena_array(a, HEADERS, sizeof *headers);
    headers[0] = "Accept: application/json";
    headers[1] = arena_printf(a, "X-Ovh-Application: " STR_FMT, STR_ARG(o->application_key)).p;
    headers[2] = arena_printf(a, "X-Ovh-Consumer: " STR_FMT, STR_ARG(o->consumer_key)).p;
    headers[3] = arena_printf(a, "X-Ovh-Timestamp: %" PRId64, now).p;
    headers[4] = arena_printf(a, "X-Ovh-Signature: $1$%s", signature).p;
    inquiry_get(d->inquiry, url, headers, question == TIME ? 2 : HEADERS, (int)question, about);
}

static const char *folder(const struct discovery *d)
{
    return str_eq(d->options->service, STR("vps")) ? "/vps" : "/dedicated/server";
}

static void begin(void *context)
{
    struct discovery *d = context;
    d->servers.n = 0;
    ask(d, STR("/auth/time"), TIME, NULL);
}

static void ask_of_server(struct discovery *d, struct str name)
{
    struct arena *a = inquiry_arena(d->inquiry);
    struct server *server = arena_new(a, sizeof *server);
    struct buf path;
    vec_push(&d->servers, server);
    buf_init(&path, 4096);
    buf_printf(&path, "%s/", folder(d));
    template_escape_query(name, &path);
    ask(d, buf_str(&path), DETAILS, server);
    buf_put_str(&path, STR("/ips"));
    ask(d, buf_str(&path), ADDRESSES, server);
    buf_done(&path);
}

static int answer(void *context, int tag, void *about, const struct fetch_answer *a,
                  struct why *why)
{
    struct discovery *d = context;
    struct server *server = about;
    const struct json_tree *tree;
    int err = json_tree_parse(a->body, inquiry_arena(d->inquiry), &tree, why);
    if (err)
        return err;
    switch ((enum question)tag) {
    case TIME:
        d->ahead_s = json_tree_whole(tree, "") - clock_wall_ms(d->clock) / 1000;
        ask(d, str_c(folder(d)), LIST, NULL);
        break;
    case LIST:
        for (size_t i = 0; i < tree->n; i++)
            ask_of_server(d, json_tree_text(&tree->children[i], ""));
        break;
    case DETAILS:
        server->details = tree;
        break;
    case ADDRESSES:
        server->addresses = tree;
        break;
    }
    return 0;
}

/* A server whose details cannot be had is left out; the others count. */
static int failed(void *context, int tag, void *about, struct why *why)
{
    return tag == DETAILS || tag == ADDRESSES ? 0 : why->err;
}

/* ---- what it says */

/* The last address of each kind, in its shortest form; networks are passed over, and false where
 * there is none at all or something else. */
static bool take_addresses(const struct json_tree *list, char four[INET_ADDRSTRLEN],
                           char six[INET6_ADDRSTRLEN])
{
    static const unsigned char zero[16];
    bool any = false;
    four[0] = six[0] = '\0';
    for (size_t i = 0; i < json_tree_n(list); i++) {
        struct str text = json_tree_text(&list->children[i], "");
        char plain[INET6_ADDRSTRLEN + 1];
        unsigned char raw[16];
        size_t slash = str_find(text, '/');
        if (slash >= sizeof plain)
            return false;
        memcpy(plain, text.p, slash);
        plain[slash] = '\0';
        bool is_four = inet_pton(AF_INET, plain, raw) == 1;
        if (!is_four && inet_pton(AF_INET6, plain, raw) != 1)
            return false;
        if (slash < text.n && !str_eq(str_sub(text, slash, text.n), STR("/32")))
            continue;
        if (memcmp(raw, zero, is_four ? 4 : 16) == 0)
            continue;
        if (is_four)
            inet_ntop(AF_INET, raw, four, INET_ADDRSTRLEN);
        else
            inet_ntop(AF_INET6, raw, six, INET6_ADDRSTRLEN);
        any = true;
    }
    return any;
}

enum kind { TEXT, WHOLE, BOOL, LISTED };

struct row {
    const char *name, *path;
    enum kind kind;
};

static const struct row DEDICATED[] = {
    {"state", "state", TEXT},
    {"commercial_range", "commercialRange", TEXT},
    {"link_speed", "linkSpeed", WHOLE},
    {"rack", "rack", TEXT},
    {"no_intervention", "noIntervention", BOOL},
    {"os", "os", TEXT},
    {"support_level", "supportLevel", TEXT},
    {"server_id", "serverId", WHOLE},
    {"reverse", "reverse", TEXT},
    {"datacenter", "datacenter", TEXT},
    {"name", "name", TEXT},
};

static const struct row VPS[] = {
    {"offer", "model.offer", TEXT},
    {"datacenter", "model.datacenter", LISTED},
    {"model_vcore", "model.vcore", WHOLE},
    {"maximum_additional_ip", "model.maximumAdditionnalIp", WHOLE},
    {"version", "model.version", TEXT},
    {"model_name", "model.name", TEXT},
    {"disk", "model.disk", WHOLE},
    {"memory", "model.memory", WHOLE},
    {"zone", "zone", TEXT},
    {"display_name", "displayName", TEXT},
    {"cluster", "cluster", TEXT},
    {"state", "state", TEXT},
    {"name", "name", TEXT},
    {"netboot_mode", "netbootMode", TEXT},
    {"memory_limit", "memoryLimit", WHOLE},
    {"offer_type", "offerType", TEXT},
    {"vcore", "vcore", WHOLE},
};

static struct str value_of(struct groups *g, const struct json_tree *details, const struct row *row)
{
    const struct json_tree *node = json_tree_path(details, row->path);
    struct str all = STR("");
    switch (row->kind) {
    case TEXT:
        return json_tree_text(node, "");
    case WHOLE:
        return arena_printf(&g->arena, "%" PRId64, json_tree_whole(node, ""));
    case BOOL:
        return json_tree_true(node, "") ? STR("true") : STR("false");
    case LISTED:
        for (size_t i = 0; i < json_tree_n(node); i++)
            all = arena_printf(&g->arena, STR_FMT "%s" STR_FMT, STR_ARG(all), i ? " " : "",
                               STR_ARG(json_tree_text(&node->children[i], "")));
        return arena_printf(&g->arena, "[" STR_FMT "]", STR_ARG(all));
    }
    return all;
}

static void put(struct groups *g, const struct discovery *d, const char *name, struct str value)
{
    struct str whole = arena_printf(&g->arena, "__meta_ovhcloud_" STR_FMT "_%s",
                                    STR_ARG(d->options->service), name);
    groups_target_label(g, whole, value);
}

static int end(void *context, struct groups *g, struct why *why)
{
    const struct discovery *d = context;
    bool vps = str_eq(d->options->service, STR("vps"));
    const struct row *rows = vps ? VPS : DEDICATED;
    size_t rows_n = vps ? COUNTOF(VPS) : COUNTOF(DEDICATED);
    groups_begin(g, vps ? STR("ovhcloud_vps") : STR("ovhcloud_dedicated_server"));
    for (size_t i = 0; i < d->servers.n; i++) {
        const struct server *server = d->servers.v[i];
        char four[INET_ADDRSTRLEN], six[INET6_ADDRSTRLEN];
        if (!server->details || !take_addresses(server->addresses, four, six))
            continue;
        groups_target(g, str_c(four[0] ? four : six));
        groups_target_label(g, STR("instance"), json_tree_text(server->details, "name"));
        for (size_t j = 0; j < rows_n; j++)
            put(g, d, rows[j].name, value_of(g, server->details, &rows[j]));
        put(g, d, "ipv4", str_c(four));
        put(g, d, "ipv6", str_c(six));
    }
    return 0;
}

static int start_ovhcloud(const struct discovery_config *config, const struct discovery_host *host,
                          struct discovery **ret, struct why *why)
{
    static const struct inquiry_ops ops = {
        .begin = begin, .answer = answer, .end = end, .failed = failed};
    struct discovery *d = mem_new(sizeof *d);
    d->options = config->options;
    d->clock = host->clock;
    struct inquiry_plan plan = {.host = host,
                                .http = &config->http,
                                .refresh_ms = d->options->refresh_ms,
                                .ops = &ops,
                                .context = d};
    int err = inquiry_new(&plan, &d->inquiry, why);
    if (err)
        mem_free(d);
    else
        *ret = d;
    return err;
}

static void stop_ovhcloud(struct discovery *d)
{
    inquiry_free(d->inquiry);
    vec_free(&d->servers);
    mem_free(d);
}

const struct discovery_ops ovhcloud_discovery = {.key = "ovhcloud_sd_configs",
                                                 .name = "ovhcloud",
                                                 .read = read_ovhcloud,
                                                 .start = start_ovhcloud,
                                                 .stop = stop_ovhcloud};
