#include <inttypes.h>

#include "base/mem.h"
#include "base/vec.h"
#include "discover/moby.h"

/* Services, tasks or nodes of a Docker Swarm. */
enum question { ROWS, SERVICES, NODES, NETWORKS, CONTAINER, QUESTIONS = CONTAINER };

#define SWARM "__meta_dockerswarm_"

struct discovery {
    struct moby moby;
    char kind;                                  /* of role: 's', 't', 'n' */
    const struct json_tree *answers[QUESTIONS]; /* ROWS: of what the role asks for */
    struct {
        const struct json_tree **v; /* of the containers of tasks */
        size_t n, capacity;
    } containers;
};

static const struct yaml_struct_field FIELDS[] = {
    {"role", YAML_STRUCT_TEXT, offsetof(struct moby_options, role)},
};

static int read_dockerswarm(const struct yaml_node *entry, struct discovery_read *r,
                            struct discovery_config *ret, struct why *why)
{
    struct moby_options *o = arena_new(r->a, sizeof *o);
    ret->options = o;
    int err = moby_read(entry, r, FIELDS, COUNTOF(FIELDS), o, why);
    if (err)
        return err;
    if (o->role.n == 0)
        return why_set(why, ERR_FORMAT, "role missing (one of: tasks, services, nodes)");
    if (!str_eq(o->role, STR("tasks")) && !str_eq(o->role, STR("services")) &&
        !str_eq(o->role, STR("nodes")))
        return why_set(why, ERR_FORMAT,
                       "invalid role " STR_FMT ", expected tasks, services, or nodes",
                       STR_ARG(o->role));
    return 0;
}

/* ---- asking */
static void begin(void *context)
{
    struct discovery *d = context;
    d->containers.n = 0;
    memset(d->answers, 0, sizeof d->answers);
    moby_begin(&d->moby);
}

static void ask(struct discovery *d)
{
    const char *path =
        arena_printf(inquiry_arena(d->moby.inquiry), "/" STR_FMT, STR_ARG(d->moby.options->role)).p;
    moby_get(&d->moby, path, true, ROWS, NULL);
    if (d->kind != 'n')
        moby_get(&d->moby, "/networks", false, NETWORKS, NULL);
    if (d->kind == 't') {
        moby_get(&d->moby, "/services", false, SERVICES, NULL);
        moby_get(&d->moby, "/nodes", false, NODES, NULL);
    }
}

static struct str container_of(const struct json_tree *task)
{
    return json_tree_text(task, "Status.ContainerStatus.ContainerID");
}

/* The labels of a task's container are known to the daemon on whose node it runs. */
static void ask_for_containers(struct discovery *d)
{
    struct map seen;
    const struct json_tree *tasks = d->answers[ROWS];
    map_init(&seen, 0);
    for (size_t i = 0; i < json_tree_n(tasks); i++) {
        struct str id = container_of(&tasks->children[i]);
        bool fresh = false;
        if (id.n)
            map_put(&seen, id, &fresh);
        if (fresh && str_find(id, '/') == id.n && str_find(id, '?') == id.n)
            moby_get(&d->moby,
                     arena_printf(inquiry_arena(d->moby.inquiry), "/containers/" STR_FMT "/json",
                                  STR_ARG(id))
                         .p,
                     false, CONTAINER, NULL);
    }
    map_done(&seen);
}

static int answer(void *context, int tag, void *about, const struct fetch_answer *a,
                  struct why *why)
{
    static const char *const names[] = {"", "services", "nodes", "networks", "containers"};
    struct discovery *d = context;
    const struct json_tree *tree;
    if (tag == MOBY_PING) {
        moby_pong(&d->moby, a);
        ask(d);
        return 0;
    }
    int err = json_tree_parse(a->body, inquiry_arena(d->moby.inquiry), &tree, why);
    if (err)
        return why_prefix(why, "error while listing swarm %s",
                          tag == ROWS ? d->moby.options->role.p : names[tag]);
    if (tag == CONTAINER) {
        vec_push(&d->containers, tree);
        return 0;
    }
    d->answers[tag] = tree;
    if (tag == ROWS && d->kind == 't')
        ask_for_containers(d);
    return 0;
}

/* A container that is not here, or gone already, has no labels. */
static int failed(void *context, int tag, void *about, struct why *why)
{
    return tag == CONTAINER ? 0 : why->err;
}

/* ---- labels */
struct row {
    const char *name, *path;
};

static void put_rows(struct groups *g, const struct json_tree *node, const struct row *rows,
                     size_t n)
{
    for (size_t i = 0; i < n; i++)
        groups_target_label(g, str_c(rows[i].name), json_tree_text(node, rows[i].path));
}

static const struct json_tree *find(const struct json_tree *list, struct str id)
{
    for (size_t i = 0; i < json_tree_n(list); i++) {
        if (str_eq(json_tree_text(&list->children[i], "ID"), id))
            return &list->children[i];
    }
    return NULL;
}

static void put_node(struct groups *g, const struct json_tree *node)
{
    static const struct row rows[] = {
        {SWARM "node_id", "ID"},
        {SWARM "node_role", "Spec.Role"},
        {SWARM "node_address", "Status.Addr"},
        {SWARM "node_availability", "Spec.Availability"},
        {SWARM "node_hostname", "Description.Hostname"},
        {SWARM "node_platform_architecture", "Description.Platform.Architecture"},
        {SWARM "node_platform_os", "Description.Platform.OS"},
        {SWARM "node_status", "Status.State"},
    };
    if (!node)
        return;
    put_rows(g, node, rows, COUNTOF(rows));
    moby_pairs(g, json_tree_path(node, "Spec.Labels"), SWARM "node_label_");
}

static void put_service(struct groups *g, const struct json_tree *service)
{
    static const struct row rows[] = {{SWARM "service_id", "ID"},
                                      {SWARM "service_name", "Spec.Name"}};
    if (!service)
        return;
    put_rows(g, service, rows, COUNTOF(rows));
    bool global = !json_tree_is_null(json_tree_path(service, "Spec.Mode.Global"));
    bool replicated = !json_tree_is_null(json_tree_path(service, "Spec.Mode.Replicated"));
    groups_target_label(g, STR(SWARM "service_mode"),
                        global       ? STR("global")
                        : replicated ? STR("replicated")
                                     : STR(""));
    moby_pairs(g, json_tree_path(service, "Spec.Labels"), SWARM "service_label_");
}

/* "10.0.0.3/24" without the network's length; "" for what is none. */
static struct str address_of(const struct json_tree *node, const char *path)
{
    struct str cidr = json_tree_text(node, path);
    size_t slash = str_find(cidr, '/');
    return slash < cidr.n ? str_sub(cidr, 0, slash) : STR("");
}

static bool is_tcp(const struct json_tree *port)
{
    return str_eq(json_tree_text(port, "Protocol"), STR("tcp"));
}

/* ---- role nodes */
static void nodes(const struct discovery *d, struct groups *g)
{
    const struct json_tree *list = d->answers[ROWS];
    for (size_t i = 0; i < json_tree_n(list); i++) {
        const struct json_tree *node = &list->children[i];
        const struct json_tree *manager = json_tree_get(node, "ManagerStatus");
        groups_target(
            g, groups_address(g, json_tree_text(node, "Status.Addr"), d->moby.options->port));
        put_node(g, node);
        groups_target_label(g, STR(SWARM "node_engine_version"),
                            json_tree_text(node, "Description.Engine.EngineVersion"));
        if (json_tree_is_null(manager))
            continue;
        groups_target_label(g, STR(SWARM "node_manager_leader"),
                            json_tree_true(manager, "Leader") ? STR("true") : STR("false"));
        groups_target_label(g, STR(SWARM "node_manager_reachability"),
                            json_tree_text(manager, "Reachability"));
        groups_target_label(g, STR(SWARM "node_manager_address"), json_tree_text(manager, "Addr"));
    }
}

/* ---- role services */
static void put_service_target(const struct discovery *d, struct groups *g,
                               const struct json_tree *service, const struct json_tree *vip)
{
    put_service(g, service);
    groups_target_label(g, STR(SWARM "service_task_container_hostname"),
                        json_tree_text(service, "Spec.TaskTemplate.ContainerSpec.Hostname"));
    groups_target_label(g, STR(SWARM "service_task_container_image"),
                        json_tree_text(service, "Spec.TaskTemplate.ContainerSpec.Image"));
    if (!json_tree_is_null(json_tree_get(service, "UpdateStatus")))
        groups_target_label(g, STR(SWARM "service_updating_status"),
                            json_tree_text(service, "UpdateStatus.State"));
    moby_network(g, d->answers[NETWORKS], json_tree_text(vip, "NetworkID"), SWARM);
}

static int put_vip(const struct discovery *d, struct groups *g, const struct json_tree *service,
                   const struct json_tree *vip, struct why *why)
{
    const struct json_tree *ports = json_tree_path(service, "Endpoint.Ports");
    struct str ip = address_of(vip, "Addr");
    bool added = false;
    if (ip.n == 0)
        return why_set(why, ERR_FORMAT,
                       "error while parsing address " STR_FMT ": invalid CIDR address",
                       STR_ARG(json_tree_text(vip, "Addr")));
    for (size_t i = 0; i < json_tree_n(ports); i++) {
        const struct json_tree *port = &ports->children[i];
        if (!is_tcp(port))
            continue;
        groups_target(g, groups_address(g, ip, json_tree_whole(port, "PublishedPort")));
        groups_target_label(g, STR(SWARM "service_endpoint_port_name"),
                            json_tree_text(port, "Name"));
        groups_target_label(g, STR(SWARM "service_endpoint_port_publish_mode"),
                            json_tree_text(port, "PublishMode"));
        put_service_target(d, g, service, vip);
        added = true;
    }
    if (!added) {
        groups_target(g, groups_address(g, ip, d->moby.options->port));
        put_service_target(d, g, service, vip);
    }
    return 0;
}

static int services(const struct discovery *d, struct groups *g, struct why *why)
{
    const struct json_tree *list = d->answers[ROWS];
    for (size_t i = 0; i < json_tree_n(list); i++) {
        const struct json_tree *service = &list->children[i];
        const struct json_tree *vips = json_tree_path(service, "Endpoint.VirtualIPs");
        for (size_t j = 0; j < json_tree_n(vips); j++) {
            int err = put_vip(d, g, service, &vips->children[j], why);
            if (err)
                return err;
        }
    }
    return 0;
}

/* ---- role tasks */
struct task {
    const struct discovery *d;
    struct groups *g;
    const struct json_tree *node, *task, *service;
};

static void put_task(const struct task *t, struct str network)
{
    static const struct row rows[] = {
        {SWARM "task_id", "ID"},
        {SWARM "task_desired_state", "DesiredState"},
        {SWARM "task_state", "Status.State"},
    };
    struct groups *g = t->g;
    put_rows(g, t->task, rows, COUNTOF(rows));
    groups_target_label(g, STR(SWARM "task_slot"),
                        arena_printf(&g->arena, "%" PRId64, json_tree_whole(t->task, "Slot")));
    const struct json_tree *status = json_tree_path(t->task, "Status.ContainerStatus");
    const struct json_tree *spec = json_tree_path(t->task, "Spec.ContainerSpec");
    if (!json_tree_is_null(status))
        groups_target_label(g, STR(SWARM "task_container_id"), container_of(t->task));
    for (size_t i = 0; i < t->d->containers.n && !json_tree_is_null(spec); i++) {
        const struct json_tree *container = t->d->containers.v[i];
        if (container_of(t->task).n &&
            str_eq(json_tree_text(container, "Id"), container_of(t->task)))
            moby_pairs(g, json_tree_path(container, "Config.Labels"), SWARM "container_label_");
    }
    moby_pairs(g, json_tree_get(spec, "Labels"), SWARM "container_label_");
    put_service(g, t->service);
    put_node(g, t->node);
    moby_network(g, t->d->answers[NETWORKS], network, SWARM);
}

static void put_task_port(const struct task *t, struct str ip, const struct json_tree *port,
                          struct str network)
{
    groups_target(t->g, groups_address(t->g, ip, json_tree_whole(port, "PublishedPort")));
    groups_target_label(t->g, STR(SWARM "task_port_publish_mode"),
                        json_tree_text(port, "PublishMode"));
    put_task(t, network);
}

static int put_attachment(const struct task *t, const struct json_tree *attachment, struct why *why)
{
    const struct json_tree *addresses = json_tree_get(attachment, "Addresses");
    const struct json_tree *ports = json_tree_path(t->service, "Endpoint.Ports");
    struct str network = json_tree_text(attachment, "Network.ID");
    for (size_t i = 0; i < json_tree_n(addresses); i++) {
        struct str ip = address_of(&addresses->children[i], "");
        bool added = false;
        if (ip.n == 0)
            return why_set(why, ERR_FORMAT,
                           "error while parsing address " STR_FMT ": invalid CIDR address",
                           STR_ARG(json_tree_text(&addresses->children[i], "")));
        for (size_t j = 0; j < json_tree_n(ports); j++) {
            if (!is_tcp(&ports->children[j]))
                continue;
            put_task_port(t, ip, &ports->children[j], network);
            added = true;
        }
        if (!added) {
            groups_target(t->g, groups_address(t->g, ip, t->d->moby.options->port));
            put_task(t, network);
        }
    }
    return 0;
}

static int tasks(const struct discovery *d, struct groups *g, struct why *why)
{
    const struct json_tree *list = d->answers[ROWS];
    for (size_t i = 0; i < json_tree_n(list); i++) {
        struct task t = {.d = d, .g = g, .task = &list->children[i]};
        t.service = find(d->answers[SERVICES], json_tree_text(t.task, "ServiceID"));
        t.node = find(d->answers[NODES], json_tree_text(t.task, "NodeID"));
        const struct json_tree *ports = json_tree_path(t.task, "Status.PortStatus.Ports");
        for (size_t j = 0; j < json_tree_n(ports); j++) {
            if (is_tcp(&ports->children[j]))
                put_task_port(&t, json_tree_text(t.node, "Status.Addr"), &ports->children[j],
                              STR(""));
        }
        const struct json_tree *attachments = json_tree_get(t.task, "NetworksAttachments");
        for (size_t j = 0; j < json_tree_n(attachments); j++) {
            int err = put_attachment(&t, &attachments->children[j], why);
            if (err)
                return err;
        }
    }
    return 0;
}

static int end(void *context, struct groups *g, struct why *why)
{
    const struct discovery *d = context;
    groups_begin(g, STR("DockerSwarm"));
    if (d->kind == 's')
        return services(d, g, why);
    if (d->kind == 't')
        return tasks(d, g, why);
    nodes(d, g);
    return 0;
}

static int start_dockerswarm(const struct discovery_config *config,
                             const struct discovery_host *host, struct discovery **ret,
                             struct why *why)
{
    static const struct inquiry_ops ops = {
        .begin = begin, .answer = answer, .end = end, .failed = failed};
    struct discovery *d = mem_new(sizeof *d);
    d->kind = ((const struct moby_options *)config->options)->role.p[0];
    int err = moby_open(&d->moby, config, host, &ops, d, why);
    if (err)
        mem_free(d);
    else
        *ret = d;
    return err;
}

static void stop_dockerswarm(struct discovery *d)
{
    inquiry_free(d->moby.inquiry);
    vec_free(&d->containers);
    mem_free(d);
}

const struct discovery_ops dockerswarm_discovery = {.key = "dockerswarm_sd_configs",
                                                    .name = "dockerswarm",
                                                    .http = true,
                                                    .read = read_dockerswarm,
                                                    .start = start_dockerswarm,
                                                    .stop = stop_dockerswarm};
