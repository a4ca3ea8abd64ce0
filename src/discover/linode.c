#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/vec.h"
#include "discover/inquiry.h"
#include "promfile/http/http_client.h"
#include "text/json_tree.h"
#include "text/yaml_struct.h"

/* Linode's instances (its API, version 4). */
enum list { INSTANCES, IPS, RANGES, LISTS };

enum { PAGE_SIZE = 500, PAGES_MAX = 10000 };

static const char *const PATHS[LISTS] = {"linode/instances", "networking/ips",
                                         "networking/ipv6/ranges"};

struct options {
    int64_t refresh_ms, port;
    struct str region, tag_separator;
    const char *headers[1]; /* [headers_n] */
    size_t headers_n;
};

struct discovery {
    const struct options *options;
    struct inquiry *inquiry;
    struct {
        const struct json_tree **v; /* pages of answers */
        size_t n, capacity;
    } pages[LISTS];
};

static const struct yaml_struct_field FIELDS[] = {
    {"refresh_interval", YAML_STRUCT_DURATION, offsetof(struct options, refresh_ms)},
    {"port", YAML_STRUCT_WHOLE, offsetof(struct options, port)},
    {"region", YAML_STRUCT_TEXT, offsetof(struct options, region)},
    {"tag_separator", YAML_STRUCT_TEXT, offsetof(struct options, tag_separator)},
};

static const struct yaml_struct SHAPE = {"linode.plain", FIELDS, COUNTOF(FIELDS), http_client_key};

static int read_linode(const struct yaml_node *entry, struct discovery_read *r,
                       struct discovery_config *ret, struct why *why)
{
    struct options *o = arena_new(r->a, sizeof *o);
    *o = (struct options){.refresh_ms = 60 * 1000, .port = 80, .tag_separator = STR(",")};
    int err = yaml_struct_read(entry, &SHAPE, r->a, o, &r->place, why);
    if (err)
        return err;
    if (o->refresh_ms <= 0)
        return why_set(why, ERR_FORMAT, "refresh_interval must be more than 0");
    if (o->region.n) {
        o->headers[0] =
            arena_printf(r->a, "X-Filter: {\"region\": \"" STR_FMT "\"}", STR_ARG(o->region)).p;
        o->headers_n = 1;
    }
    ret->options = o;
    return 0;
}

/* ---- asking */
static void ask(struct discovery *d, enum list list, int64_t page)
{
    const char *base = getenv("LINODE_URL"); /* as Linode's own library has it */
    struct str url =
        arena_printf(inquiry_arena(d->inquiry), "%s/v4/%s?page=%" PRId64 "&page_size=%d",
                     base ? base : "https://api.linode.com", PATHS[list], page, PAGE_SIZE);
    inquiry_get(d->inquiry, url, d->options->headers, d->options->headers_n, list, NULL);
}

static void begin(void *context)
{
    struct discovery *d = context;
    for (enum list list = 0; list < LISTS; list++) {
        d->pages[list].n = 0;
        ask(d, list, 1);
    }
}

static int answer(void *context, int tag, void *about, const struct fetch_answer *a,
                  struct why *why)
{
    struct discovery *d = context;
    const struct json_tree *page;
    int err = json_tree_parse(a->body, inquiry_arena(d->inquiry), &page, why);
    if (err)
        return why_prefix(why, "%s", PATHS[tag]);
    vec_push(&d->pages[tag], page);
    int64_t pages = MIN(json_tree_whole(page, "pages"), PAGES_MAX);
    if (json_tree_whole(page, "page") == 1) {
        for (int64_t i = 2; i <= pages; i++)
            ask(d, (enum list)tag, i);
    }
    return 0;
}

/* ---- what it says */
struct instance {
    struct discovery *discovery;
    struct str addresses[2][2]; /* [public][address, name] of IPv4 */
    struct str six[2];          /* address, name */
    struct buf extra, ranges;   /* ",a,b," */
};

/* Calls f for each entry of all pages of a list. */
static void each(struct instance *x, enum list list,
                 void (*f)(struct instance *x, const struct json_tree *entry, struct str wanted),
                 struct str wanted)
{
    for (size_t i = 0; i < x->discovery->pages[list].n; i++) {
        const struct json_tree *data = json_tree_get(x->discovery->pages[list].v[i], "data");
        for (size_t j = 0; j < json_tree_n(data); j++)
            f(x, &data->children[j], wanted);
    }
}

static struct str name_of(const struct json_tree *ip)
{
    struct str name = json_tree_text(ip, "rdns");
    return str_eq(name, STR("null")) ? STR("") : name;
}

static void append(struct instance *x, struct buf *list, struct str text)
{
    if (list->n == 0)
        buf_put_str(list, x->discovery->options->tag_separator);
    buf_put_str(list, text);
    buf_put_str(list, x->discovery->options->tag_separator);
}

static void take_ip(struct instance *x, const struct json_tree *ip, struct str wanted)
{
    struct str address = json_tree_text(ip, "address");
    struct str *to = x->addresses[json_tree_true(ip, "public")];
    if (!str_eq(address, wanted))
        return;
    if (to[0].n) {
        append(x, &x->extra, address);
        return;
    }
    to[0] = address;
    to[1] = name_of(ip);
}

static void take_six(struct instance *x, const struct json_tree *ip, struct str wanted)
{
    if (!str_eq(json_tree_text(ip, "address"), wanted))
        return;
    x->six[0] = wanted;
    x->six[1] = name_of(ip);
}

static void take_range(struct instance *x, const struct json_tree *range, struct str wanted)
{
    if (!str_eq(json_tree_text(range, "route_target"), wanted))
        return;
    struct str text =
        arena_printf(inquiry_arena(x->discovery->inquiry), STR_FMT "/%" PRId64,
                     STR_ARG(json_tree_text(range, "range")), json_tree_whole(range, "prefix"));
    append(x, &x->ranges, text);
}

static void put(struct groups *g, const char *name, struct str value)
{
    groups_clean_target_label(g, "__meta_linode_", str_c(name), value);
}

static void put_whole(struct groups *g, const char *name, int64_t value)
{
    put(g, name, arena_printf(&g->arena, "%" PRId64, value));
}

static void put_labels(struct groups *g, struct instance *x, const struct json_tree *node)
{
    static const char *const texts[][2] = {{"instance_label", "label"}, {"image", "image"},
                                           {"region", "region"},        {"type", "type"},
                                           {"status", "status"},        {"group", "group"},
                                           {"hypervisor", "hypervisor"}};
    static const char *const of_address[2] = {"private_ipv4", "public_ipv4"};
    static const char *const of_name[2] = {"private_ipv4_rdns", "public_ipv4_rdns"};
    put_whole(g, "instance_id", json_tree_whole(node, "id"));
    for (size_t i = 0; i < COUNTOF(texts); i++)
        put(g, texts[i][0], json_tree_text(node, texts[i][1]));
    for (size_t i = 0; i < 2; i++) {
        put(g, of_address[i], x->addresses[i][0]);
        put(g, of_name[i], x->addresses[i][1]);
    }
    put(g, "public_ipv6", x->six[0]);
    put(g, "public_ipv6_rdns", x->six[1]);
    put(g, "backups", json_tree_true(node, "backups.enabled") ? STR("enabled") : STR("disabled"));
    put_whole(g, "gpus", json_tree_whole(node, "specs.gpus"));
    put_whole(g, "specs_disk_bytes", json_tree_whole(node, "specs.disk") * (1 << 20));
    put_whole(g, "specs_memory_bytes", json_tree_whole(node, "specs.memory") * (1 << 20));
    put_whole(g, "specs_vcpus", json_tree_whole(node, "specs.vcpus"));
    put_whole(g, "specs_transfer_bytes", json_tree_whole(node, "specs.transfer") * (1 << 20));
}

static void put_instance(struct instance *x, const struct json_tree *node, struct groups *g)
{
    const struct json_tree *ips = json_tree_get(node, "ipv4"), *tags = json_tree_get(node, "tags");
    struct str six = json_tree_text(node, "ipv6");
    struct buf list;
    if (json_tree_n(ips) == 0)
        return;
    six = str_sub(six, 0, str_find(six, '/'));
    for (size_t i = 0; i < ips->n; i++)
        each(x, IPS, take_ip, json_tree_text(&ips->children[i], ""));
    if (six.n) {
        each(x, IPS, take_six, six);
        each(x, RANGES, take_range, six);
    }
    groups_target(g, groups_address(g, x->addresses[1][0], x->discovery->options->port));
    put_labels(g, x, node);
    buf_init(&list, LABEL_VALUE_MAX);
    for (size_t i = 0; i < json_tree_n(tags); i++)
        append(x, &list, json_tree_text(&tags->children[i], ""));
    if (list.n)
        put(g, "tags", buf_str(&list));
    if (x->extra.n)
        put(g, "extra_ips", buf_str(&x->extra));
    if (x->ranges.n)
        put(g, "ipv6_ranges", buf_str(&x->ranges));
    buf_done(&list);
}

static int end(void *context, struct groups *g, struct why *why)
{
    struct discovery *d = context;
    groups_begin(g, STR("Linode"));
    for (size_t i = 0; i < d->pages[INSTANCES].n; i++) {
        const struct json_tree *data = json_tree_get(d->pages[INSTANCES].v[i], "data");
        for (size_t j = 0; j < json_tree_n(data); j++) {
            struct instance x = {.discovery = d};
            buf_init(&x.extra, LABEL_VALUE_MAX);
            buf_init(&x.ranges, LABEL_VALUE_MAX);
            put_instance(&x, &data->children[j], g);
            buf_done(&x.extra);
            buf_done(&x.ranges);
        }
    }
    return 0;
}

static int start_linode(const struct discovery_config *config, const struct discovery_host *host,
                        struct discovery **ret, struct why *why)
{
    static const struct inquiry_ops ops = {.begin = begin, .answer = answer, .end = end};
    struct discovery *d = mem_new(sizeof *d);
    d->options = config->options;
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

static void stop_linode(struct discovery *d)
{
    inquiry_free(d->inquiry);
    for (size_t i = 0; i < LISTS; i++)
        vec_free(&d->pages[i]);
    mem_free(d);
}

const struct discovery_ops linode_discovery = {.key = "linode_sd_configs",
                                               .name = "linode",
                                               .http = true,
                                               .read = read_linode,
                                               .start = start_linode,
                                               .stop = stop_linode};
