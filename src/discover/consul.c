#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "discover/groups.h"
#include "promfile/http/http_client.h"
#include "text/json_tree.h"
#include "text/template.h"
#include "text/yaml_struct.h"

/* Services of Consul: its catalogue is watched for their names, and the health of each for its
 * instances, by queries that Consul answers when something has changed. */
enum {
    WAIT_MS = 2 * 60 * 1000,          /* that a query may hang at Consul */
    TIMEOUT_MS = WAIT_MS + 15 * 1000, /* Consul adds up to a sixteenth */
    RETRY_MS = 15 * 1000,             /* after a failure */
    SERVICES_MAX = 100000,
    URL_MAX = 64 * 1024,
};

struct options {
    struct str server, path_prefix, token, datacenter, namespace, partition, tag_separator, scheme,
        username, password, filter, health_filter;
    bool allow_stale;
    int64_t refresh_ms;
    struct yaml_struct_texts services, tags;
    struct yaml_struct_pairs node_meta;
    const char *token_header; /* NULL: none */
};

#define TEXT(name)                                                                                 \
    {                                                                                              \
#name, YAML_STRUCT_TEXT, offsetof(struct options, name)                                    \
    }

static const struct yaml_struct_field FIELDS[] = {
    TEXT(server),
    TEXT(path_prefix),
    TEXT(token),
    TEXT(datacenter),
    TEXT(namespace),
    TEXT(partition),
    TEXT(tag_separator),
    TEXT(scheme),
    TEXT(username),
    TEXT(password),
    TEXT(filter),
    TEXT(health_filter),
    {"allow_stale", YAML_STRUCT_BOOL, offsetof(struct options, allow_stale)},
    {"refresh_interval", YAML_STRUCT_DURATION, offsetof(struct options, refresh_ms)},
    {"services", YAML_STRUCT_TEXTS, offsetof(struct options, services)},
    {"tags", YAML_STRUCT_TEXTS, offsetof(struct options, tags)},
    {"node_meta", YAML_STRUCT_PAIRS, offsetof(struct options, node_meta)},
};

static const struct yaml_struct SHAPE = {"consul.plain", FIELDS, COUNTOF(FIELDS), http_client_key};

/* A query that hangs at Consul, comes back and is sent again. */
struct query {
    struct discovery *discovery;
    struct str service; /* owned; "": of the catalogue, or of the agent before it */
    struct fetch *fetch;
    struct timer *timer; /* until it is sent again */
    uint64_t index;      /* of the last answer; 0: none */
    int64_t sent_ms;
    bool failed;
    uint64_t round; /* of the catalogue in which it was last seen */
};

struct discovery {
    struct discovery_host host;
    const struct options *options;
    struct fetch_client *client;
    struct query catalog;
    struct map services;   /* name -> struct query * */
    struct str datacenter; /* owned; "": not known yet */
    struct groups_told told;
    uint64_t round;
};

static int check(struct options *o, struct fetch_settings *http, struct why *why)
{
    if (str_trim(o->server).n == 0)
        return why_set(why, ERR_FORMAT, "consul SD configuration requires a server address");
    if (o->username.n || o->password.n) {
        if (http->username.n || http->username_file.n || http->password.n || http->password_file.n)
            return why_set(why, ERR_FORMAT,
                           "at most one of consul SD configuration username and password and basic "
                           "auth can be configured");
        http->username = o->username;
        http->password = o->password;
    }
    if (o->token.n && (http->authorization_type.n || http->oauth2))
        return why_set(
            why, ERR_FORMAT,
            "at most one of consul SD token, authorization, or oauth2 can be configured");
    if (o->refresh_ms <= 0)
        return why_set(why, ERR_FORMAT, "refresh_interval must be more than 0");
    return 0;
}

static int read_consul(const struct yaml_node *entry, struct discovery_read *r,
                       struct discovery_config *ret, struct why *why)
{
    struct options *o = arena_new(r->a, sizeof *o);
    *o = (struct options){.server = STR("localhost:8500"),
                          .tag_separator = STR(","),
                          .scheme = STR("http"),
                          .allow_stale = true,
                          .refresh_ms = 30 * 1000};
    int err = yaml_struct_read(entry, &SHAPE, r->a, o, &r->place, why);
    if (!err)
        err = check(o, &ret->http, why);
    if (err)
        return err;
    if (o->token.n)
        o->token_header = arena_printf(r->a, "X-Consul-Token: " STR_FMT, STR_ARG(o->token)).p;
    ret->options = o;
    return 0;
}

/* ---- asking */
static void put_param(struct buf *url, const char *name, struct str value)
{
    buf_put_c(url, str_find(buf_str(url), '?') < url->n ? '&' : '?');
    buf_put_str(url, str_c(name));
    buf_put_c(url, '=');
    template_escape_query(value, url);
}

static void put_text(struct buf *url, const char *name, struct str value)
{
    if (value.n)
        put_param(url, name, value);
}

/* What all blocking queries say. */
static void put_options(struct buf *url, const struct query *q, struct str filter)
{
    const struct options *o = q->discovery->options;
    char number[32];
    put_text(url, "dc", o->datacenter);
    put_text(url, "ns", o->namespace);
    put_text(url, "partition", o->partition);
    if (o->allow_stale)
        put_param(url, "stale", STR(""));
    if (q->index) {
        snprintf(number, sizeof number, "%" PRIu64, q->index);
        put_param(url, "index", str_c(number));
    }
    snprintf(number, sizeof number, "%dms", WAIT_MS);
    put_param(url, "wait", str_c(number));
    for (size_t i = 0; i < o->node_meta.n; i++) {
        struct buf pair;
        buf_init(&pair, URL_MAX);
        buf_printf(&pair, STR_FMT ":" STR_FMT, STR_ARG(o->node_meta.v[i].name),
                   STR_ARG(o->node_meta.v[i].value));
        put_param(url, "node-meta", buf_str(&pair));
        buf_done(&pair);
    }
    put_text(url, "filter", filter);
}

static void answered(void *context, const struct fetch_answer *a);

static void send(void *context)
{
    struct query *q = context;
    struct discovery *d = q->discovery;
    const struct options *o = d->options;
    struct buf url;
    timer_free(q->timer);
    q->timer = NULL;
    q->sent_ms = loop_now_ms(d->host.loop);
    buf_init(&url, URL_MAX);
    buf_printf(&url, STR_FMT "://" STR_FMT STR_FMT "/v1/", STR_ARG(o->scheme), STR_ARG(o->server),
               STR_ARG(o->path_prefix));
    if (q->service.n) {
        buf_put_str(&url, STR("health/service/"));
        template_escape_query(q->service, &url);
        put_options(&url, q, o->health_filter);
        for (size_t i = 0; i < o->tags.n; i++)
            put_param(&url, "tag", o->tags.v[i]);
    } else if (d->datacenter.n == 0) {
        buf_put_str(&url, STR("agent/self"));
    } else {
        buf_put_str(&url, STR("catalog/services"));
        put_options(&url, q, o->filter);
    }
    buf_put_c(&url, '\0');
    struct fetch_request request = {.url = url.p,
                                    .headers = &o->token_header,
                                    .headers_n = o->token_header ? 1 : 0,
                                    .timeout_ms = TIMEOUT_MS,
                                    .gzip = true,
                                    .done = answered,
                                    .context = q};
    fetch_start(d->client, &request, &q->fetch);
    buf_done(&url);
}

static void send_later(struct query *q, int64_t wait_ms)
{
    timer_free(q->timer);
    q->timer = timer_new(q->discovery->host.loop, wait_ms, 0, send, q);
}

static struct query *watch(struct discovery *d, struct str service)
{
    bool fresh;
    union map_value *slot = map_put(&d->services, service, &fresh);
    if (fresh) {
        struct query *q = mem_new(sizeof *q);
        q->discovery = d;
        q->service = str_of(mem_text(service.p, service.n), service.n);
        slot->p = q;
        send_later(q, 0);
    }
    return slot->p;
}

static void forget(struct query *q)
{
    fetch_cancel(q->fetch);
    timer_free(q->timer);
    mem_free((void *)(uintptr_t)q->service.p);
    mem_free(q);
}

static bool any_failed(const struct discovery *d)
{
    const struct map_slot *slot;
    bool failed = d->catalog.failed;
    for (size_t at = 0; !failed && (slot = map_next(&d->services, &at));)
        failed = ((const struct query *)slot->value.p)->failed;
    return failed;
}

/* ---- answers: of the agent, the catalogue, a service */
static int take_agent(struct discovery *d, const struct json_tree *answer, struct why *why)
{
    struct str name = json_tree_text(answer, "Config.Datacenter");
    if (name.n == 0)
        return why_set(why, ERR_FORMAT, "the agent does not say its Config.Datacenter");
    d->datacenter = str_of(mem_text(name.p, name.n), name.n);
    return 0;
}

static bool listed(const struct yaml_struct_texts *list, struct str text)
{
    for (size_t i = 0; i < list->n; i++) {
        if (str_eq(list->v[i], text))
            return true;
    }
    return false;
}

static bool wanted(const struct options *o, const struct json_tree *service)
{
    if (o->services.n && !listed(&o->services, service->key))
        return false;
    for (size_t i = 0; i < o->tags.n; i++) {
        size_t j = 0;
        while (j < service->n && !str_eq(json_tree_text(&service->children[j], ""), o->tags.v[i]))
            j++;
        if (j == service->n)
            return false;
    }
    return true;
}

static void take_catalog(struct discovery *d, const struct json_tree *answer)
{
    const struct map_slot *slot;
    d->round++;
    for (size_t i = 0; i < json_tree_n(answer); i++) {
        const struct json_tree *service = &answer->children[i];
        struct str name = service->key;
        union map_value *known = map_get(&d->services, name);
        if (known)
            ((struct query *)known->p)->round = d->round; /* though its tags may have gone */
        else if (d->services.n < SERVICES_MAX && name.n && wanted(d->options, service))
            watch(d, name)->round = d->round;
    }
    for (size_t at = 0; (slot = map_next(&d->services, &at));) {
        struct query *q = slot->value.p;
        if (q->round == d->round)
            continue;
        groups_tell_gone(&d->told, &d->host, q->service);
        map_drop(&d->services, q->service);
        forget(q);
        at = 0; /* dropping moves what follows */
    }
}

static struct str health(const struct json_tree *checks)
{
    static const char *const worst_first[] = {"critical", "warning"};
    size_t worst = COUNTOF(worst_first);
    for (size_t i = 0; i < json_tree_n(checks); i++) {
        struct str id = json_tree_text(&checks->children[i], "CheckID");
        if (str_eq(id, STR("_node_maintenance")) || str_starts(id, STR("_service_maintenance:")))
            return STR("maintenance");
        for (size_t j = 0; j < worst; j++) {
            if (str_eq(json_tree_text(&checks->children[i], "Status"), str_c(worst_first[j])))
                worst = j;
        }
    }
    return worst < COUNTOF(worst_first) ? str_c(worst_first[worst]) : STR("passing");
}

static void put_pairs(struct groups *g, const char *prefix, const struct json_tree *object)
{
    for (size_t i = 0; i < json_tree_n(object); i++)
        groups_clean_target_label(g, prefix, object->children[i].key,
                                  json_tree_text(&object->children[i], ""));
}

static void put_tags(struct groups *g, struct str separator, const struct json_tree *tags)
{
    struct buf all;
    buf_init(&all, LABEL_VALUE_MAX);
    buf_put_str(&all, separator);
    for (size_t i = 0; i < json_tree_n(tags); i++) {
        if (i)
            buf_put_str(&all, separator);
        buf_put_str(&all, json_tree_text(&tags->children[i], ""));
    }
    buf_put_str(&all, separator);
    groups_target_label(g, STR("__meta_consul_tags"), buf_str(&all));
    buf_done(&all);
}

static void put_instance(struct groups *g, const struct options *o, const struct json_tree *entry)
{
    static const char *const texts[][2] = {
        {"__meta_consul_address", "Node.Address"},
        {"__meta_consul_node", "Node.Node"},
        {"__meta_consul_namespace", "Service.Namespace"},
        {"__meta_consul_partition", "Service.Partition"},
        {"__meta_consul_service_address", "Service.Address"},
        {"__meta_consul_service_id", "Service.ID"},
    };
    struct str address = json_tree_text(entry, "Service.Address");
    int64_t port = json_tree_whole(entry, "Service.Port");
    if (address.n == 0)
        address = json_tree_text(entry, "Node.Address");
    groups_target(g, groups_address(g, address, port));
    for (size_t i = 0; i < COUNTOF(texts); i++)
        groups_target_label(g, str_c(texts[i][0]), json_tree_text(entry, texts[i][1]));
    groups_target_label(g, STR("__meta_consul_service_port"),
                        arena_printf(&g->arena, "%" PRId64, port));
    groups_target_label(g, STR("__meta_consul_health"), health(json_tree_get(entry, "Checks")));
    put_tags(g, o->tag_separator, json_tree_path(entry, "Service.Tags"));
    put_pairs(g, "__meta_consul_metadata_", json_tree_path(entry, "Node.Meta"));
    put_pairs(g, "__meta_consul_service_metadata_", json_tree_path(entry, "Service.Meta"));
    put_pairs(g, "__meta_consul_tagged_address_", json_tree_path(entry, "Node.TaggedAddresses"));
}

static void take_service(struct query *q, const struct json_tree *answer)
{
    struct discovery *d = q->discovery;
    struct groups g;
    groups_init(&g);
    groups_begin(&g, q->service);
    groups_label(&g, STR("__meta_consul_service"), q->service);
    groups_label(&g, STR("__meta_consul_dc"), d->datacenter);
    for (size_t i = 0; i < json_tree_n(answer); i++)
        put_instance(&g, d->options, &answer->children[i]);
    groups_tell_some(&d->told, &d->host, &g);
    groups_done(&g);
}

/* ---- one answer, and the next query */

/* Whether the answer is new; an index that went back begins anew, as Consul wants it. */
static bool take_index(struct query *q, const struct fetch_answer *a)
{
    uint64_t index = 0;
    if (!str_u64(str_trim(fetch_header_of(a, STR("X-Consul-Index"))), &index))
        index = 0;
    bool same = index != 0 && index == q->index;
    q->index = index < q->index ? 0 : index;
    return !same;
}

static int judge(const struct query *q, const struct fetch_answer *a, struct why *why)
{
    if (a->err)
        why_set(why, (enum err) - a->err, "%s", a->why);
    else if (a->status != 200)
        why_set(why, ERR_CLOSED, "Consul answers %d: " STR_FMT, a->status,
                STR_ARG(str_trim(str_sub(a->body, 0, 200))));
    else
        return 0;
    return q->service.n ? why_prefix(why, "service " STR_FMT, STR_ARG(q->service)) : why->err;
}

static int take(struct query *q, const struct fetch_answer *a, struct arena *arena, struct why *why)
{
    struct discovery *d = q->discovery;
    const struct json_tree *tree;
    int err = judge(q, a, why);
    if (err)
        return err;
    bool agent = q->service.n == 0 && d->datacenter.n == 0;
    if (!agent && !take_index(q, a))
        return 0;
    err = json_tree_parse(a->body, arena, &tree, why);
    if (err)
        return err;
    if (agent)
        return take_agent(d, tree, why);
    if (q->service.n)
        take_service(q, tree);
    else
        take_catalog(d, tree);
    return 0;
}

/* The datacenter is known: the services that are named, or the catalogue. */
static void begin(struct discovery *d)
{
    const struct options *o = d->options;
    if (o->services.n == 0 || o->tags.n) {
        send_later(&d->catalog, 0);
        return;
    }
    for (size_t i = 0; i < o->services.n && i < SERVICES_MAX; i++) {
        if (o->services.v[i].n)
            watch(d, o->services.v[i]);
    }
}

static void answered(void *context, const struct fetch_answer *a)
{
    struct query *q = context;
    struct discovery *d = q->discovery;
    struct arena arena;
    struct why why = {0};
    bool agent = q->service.n == 0 && d->datacenter.n == 0;
    q->fetch = NULL;
    arena_init(&arena);
    int err = take(q, a, &arena, &why);
    arena_done(&arena);
    q->failed = err != 0;
    if (err)
        d->host.state(d->host.context, why.text);
    else if (!any_failed(d))
        d->host.state(d->host.context, "");
    int64_t passed = loop_now_ms(d->host.loop) - q->sent_ms;
    int64_t refresh = d->options->refresh_ms;
    if (err)
        send_later(q, MIN((int64_t)RETRY_MS, refresh));
    else if (agent)
        begin(d);
    else
        send_later(q, MAX(refresh - passed, 0));
}

static int start_consul(const struct discovery_config *config, const struct discovery_host *host,
                        struct discovery **ret, struct why *why)
{
    struct discovery *d = mem_new(sizeof *d);
    d->host = *host;
    d->options = config->options;
    int err = fetch_client_new(host->fetcher, &config->http, &d->client, why);
    if (err) {
        mem_free(d);
        return err;
    }
    map_init(&d->services, 0);
    groups_told_init(&d->told);
    d->catalog.discovery = d;
    struct str name = d->options->datacenter;
    if (name.n) {
        d->datacenter = str_of(mem_text(name.p, name.n), name.n);
        begin(d);
    } else {
        send_later(&d->catalog, 0);
    }
    *ret = d;
    return 0;
}

static void stop_consul(struct discovery *d)
{
    const struct map_slot *slot;
    fetch_cancel(d->catalog.fetch);
    timer_free(d->catalog.timer);
    for (size_t at = 0; (slot = map_next(&d->services, &at));)
        forget(slot->value.p);
    map_done(&d->services);
    fetch_client_free(d->client);
    groups_told_done(&d->told);
    mem_free((void *)(uintptr_t)d->datacenter.p);
    mem_free(d);
}

const struct discovery_ops consul_discovery = {.key = "consul_sd_configs",
                                               .name = "consul",
                                               .http = true,
                                               .read = read_consul,
                                               .start = start_consul,
                                               .stop = stop_consul};
