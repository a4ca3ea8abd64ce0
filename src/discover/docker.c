#include <inttypes.h>

#include "base/mem.h"
#include "discover/moby.h"

/* Containers of a Docker daemon: a target for each network and TCP port. */
enum question { CONTAINERS, NETWORKS, QUESTIONS };

enum { HOPS_MAX = 100 /* of containers that share another one's network */ };

struct discovery {
    struct moby moby;
    const struct json_tree *answers[QUESTIONS];
};

static const struct yaml_struct_field FIELDS[] = {
    {"host_networking_host", YAML_STRUCT_TEXT, offsetof(struct moby_options, host_networking_host)},
    {"match_first_network", YAML_STRUCT_BOOL, offsetof(struct moby_options, match_first_network)},
};

static int read_docker(const struct yaml_node *entry, struct discovery_read *r,
                       struct discovery_config *ret, struct why *why)
{
    struct moby_options *o = arena_new(r->a, sizeof *o);
    o->host_networking_host = STR("localhost");
    o->match_first_network = true;
    ret->options = o;
    return moby_read(entry, r, FIELDS, COUNTOF(FIELDS), o, why);
}

static void begin(void *context)
{
    moby_begin(&((struct discovery *)context)->moby);
}

static int answer(void *context, int tag, void *about, const struct fetch_answer *a,
                  struct why *why)
{
    struct discovery *d = context;
    if (tag == MOBY_PING) {
        moby_pong(&d->moby, a);
        moby_get(&d->moby, "/containers/json", true, CONTAINERS, NULL);
        moby_get(&d->moby, "/networks", false, NETWORKS, NULL);
        return 0;
    }
    int err = json_tree_parse(a->body, inquiry_arena(d->moby.inquiry), &d->answers[tag], why);
    return err ? why_prefix(why, "error while listing %s",
                            tag == CONTAINERS ? "containers" : "networks")
               : 0;
}

/* ---- what it says */
static const struct json_tree *networks_of(const struct json_tree *container)
{
    const struct json_tree *networks = json_tree_path(container, "NetworkSettings.Networks");
    return json_tree_n(networks) ? networks : NULL;
}

/* The networks that it is in, its own or those of the container whose it shares. */
static const struct json_tree *find_networks(const struct discovery *d,
                                             const struct json_tree *container)
{
    for (int i = 0; i < HOPS_MAX && container; i++) {
        const struct json_tree *networks = networks_of(container), *all = d->answers[CONTAINERS];
        struct str mode = json_tree_text(container, "HostConfig.NetworkMode");
        if (networks || !str_starts(mode, STR("container:")))
            return networks;
        struct str id = str_sub(mode, strlen("container:"), mode.n);
        container = NULL;
        for (size_t j = 0; j < json_tree_n(all) && !container; j++) {
            if (str_eq(json_tree_text(&all->children[j], "Id"), id))
                container = &all->children[j];
        }
    }
    return NULL;
}

struct view {
    const struct discovery *d;
    struct groups *g;
    const struct json_tree *container, *network;
    struct str ip;
};

static void put_common(const struct view *v)
{
    struct groups *g = v->g;
    const struct json_tree *c = v->container;
    groups_target_label(g, STR("__meta_docker_network_ip"), v->ip);
    groups_target_label(g, STR("__meta_docker_container_id"), json_tree_text(c, "Id"));
    groups_target_label(g, STR("__meta_docker_container_name"),
                        json_tree_text(&json_tree_get(c, "Names")->children[0], ""));
    groups_target_label(g, STR("__meta_docker_container_network_mode"),
                        json_tree_text(c, "HostConfig.NetworkMode"));
    moby_pairs(g, json_tree_get(c, "Labels"), "__meta_docker_container_label_");
    moby_network(g, v->d->answers[NETWORKS], json_tree_text(v->network, "NetworkID"),
                 "__meta_docker_");
}

static void put_port(const struct view *v, const struct json_tree *port)
{
    struct groups *g = v->g;
    int64_t private = json_tree_whole(port, "PrivatePort");
    int64_t public = json_tree_whole(port, "PublicPort");
    groups_target(g, groups_address(g, v->ip, private));
    groups_target_label(g, STR("__meta_docker_port_private"),
                        arena_printf(&g->arena, "%" PRId64, private));
    if (public > 0) {
        groups_target_label(g, STR("__meta_docker_port_public"),
                            arena_printf(&g->arena, "%" PRId64, public));
        groups_target_label(g, STR("__meta_docker_port_public_ip"), json_tree_text(port, "IP"));
    }
    put_common(v);
}

static void put_network(struct view *v, const struct json_tree *network)
{
    const struct json_tree *ports = json_tree_get(v->container, "Ports");
    bool added = false;
    if (json_tree_is_null(network))
        return;
    v->network = network;
    v->ip = json_tree_text(network, "IPAddress");
    if (v->ip.n == 0)
        v->ip = json_tree_text(network, "GlobalIPv6Address");
    for (size_t i = 0; i < json_tree_n(ports); i++) {
        if (!str_eq(json_tree_text(&ports->children[i], "Type"), STR("tcp")))
            continue;
        put_port(v, &ports->children[i]);
        added = true;
    }
    if (added)
        return;
    const struct moby_options *o = v->d->moby.options;
    bool host = str_eq(json_tree_text(v->container, "HostConfig.NetworkMode"), STR("host"));
    groups_target(v->g, host ? o->host_networking_host : groups_address(v->g, v->ip, o->port));
    put_common(v);
}

/* The first that is not null, by name. */
static const struct json_tree *first_network(const struct json_tree *networks)
{
    const struct json_tree *first = NULL;
    for (size_t i = 0; i < networks->n; i++) {
        const struct json_tree *n = &networks->children[i];
        if (!json_tree_is_null(n) && (!first || str_cmp(n->key, first->key) < 0))
            first = n;
    }
    return first;
}

static int end(void *context, struct groups *g, struct why *why)
{
    const struct discovery *d = context;
    const struct json_tree *containers = d->answers[CONTAINERS];
    groups_begin(g, STR("Docker"));
    for (size_t i = 0; i < json_tree_n(containers); i++) {
        struct view v = {.d = d, .g = g, .container = &containers->children[i]};
        const struct json_tree *networks = find_networks(d, v.container);
        if (json_tree_n(json_tree_get(v.container, "Names")) == 0 || !networks)
            continue;
        if (d->moby.options->match_first_network) {
            put_network(&v, first_network(networks));
            continue;
        }
        for (size_t j = 0; j < networks->n; j++)
            put_network(&v, &networks->children[j]);
    }
    return 0;
}

static int start_docker(const struct discovery_config *config, const struct discovery_host *host,
                        struct discovery **ret, struct why *why)
{
    static const struct inquiry_ops ops = {.begin = begin, .answer = answer, .end = end};
    struct discovery *d = mem_new(sizeof *d);
    int err = moby_open(&d->moby, config, host, &ops, d, why);
    if (err)
        mem_free(d);
    else
        *ret = d;
    return err;
}

static void stop_docker(struct discovery *d)
{
    inquiry_free(d->moby.inquiry);
    mem_free(d);
}

const struct discovery_ops docker_discovery = {.key = "docker_sd_configs",
                                               .name = "docker",
                                               .http = true,
                                               .read = read_docker,
                                               .start = start_docker,
                                               .stop = stop_docker};
