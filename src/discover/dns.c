#include <inttypes.h>
#include <strings.h>

#include "base/mem.h"
#include "discover/errand.h"
#include "discover/groups.h"
#include "os/dns.h"
#include "text/yaml_struct.h"

/* Targets that names of the domain name system stand for. */
enum { NAMES_MAX = 10000 };

struct options {
    struct yaml_struct_texts names;
    int64_t refresh_ms, port;
    struct str type_text;
    enum dns_type type;
};

static const struct yaml_struct_field FIELDS[] = {
    {"names", YAML_STRUCT_TEXTS, offsetof(struct options, names)},
    {"refresh_interval", YAML_STRUCT_DURATION, offsetof(struct options, refresh_ms)},
    {"type", YAML_STRUCT_TEXT, offsetof(struct options, type_text)},
    {"port", YAML_STRUCT_WHOLE, offsetof(struct options, port)},
};

static const struct yaml_struct SHAPE = {"dns.plain", FIELDS, COUNTOF(FIELDS), NULL};

static const char *const TYPES[] = {
    [DNS_A] = "A", [DNS_AAAA] = "AAAA", [DNS_MX] = "MX", [DNS_NS] = "NS", [DNS_SRV] = "SRV"};

/* One round of lookups: all of it is its own, as the configuration may go meanwhile. */
struct round {
    struct arena arena;
    enum dns_type type;
    int64_t port;
    struct str *names; /* [n] */
    size_t n;
    struct groups groups; /* of the names that could be looked up */
    struct why why;       /* of the first that could not */
};

struct discovery {
    struct discovery_host host;
    const struct options *options;
    struct timer *timer;
    struct errand *errand; /* NULL: none in progress */
    struct groups_told told;
};

static int read_dns(const struct yaml_node *entry, struct discovery_read *r,
                    struct discovery_config *ret, struct why *why)
{
    struct options *o = arena_new(r->a, sizeof *o);
    *o = (struct options){.refresh_ms = 30 * 1000, .type_text = STR("SRV")};
    int err = yaml_struct_read(entry, &SHAPE, r->a, o, &r->place, why);
    if (err)
        return err;
    if (o->names.n == 0)
        return why_set(why, ERR_FORMAT, "DNS-SD config must contain at least one SRV record name");
    if (o->names.n > NAMES_MAX)
        return why_set(why, ERR_LIMIT, "more than %d names", NAMES_MAX);
    if (o->refresh_ms <= 0)
        return why_set(why, ERR_FORMAT, "refresh_interval must be more than 0");
    size_t type = 0;
    while (type < COUNTOF(TYPES) && (o->type_text.n != strlen(TYPES[type]) ||
                                     strncasecmp(o->type_text.p, TYPES[type], o->type_text.n) != 0))
        type++;
    if (type == COUNTOF(TYPES))
        return why_set(why, ERR_FORMAT, "invalid DNS-SD records type " STR_FMT,
                       STR_ARG(o->type_text));
    if (type != DNS_SRV && o->port == 0)
        return why_set(why, ERR_FORMAT,
                       "a port is required in DNS-SD configs for all record types except SRV");
    o->type = (enum dns_type)type;
    ret->options = o;
    return 0;
}

/* ---- on the pool */
static void put_record(struct round *k, struct str name, const struct dns_record *record)
{
    struct groups *g = &k->groups;
    int64_t port = k->type == DNS_SRV ? record->port : k->port;
    groups_target(g, groups_address(g, record->text, port));
    groups_target_label(g, STR("__meta_dns_name"), name);
    if (k->type == DNS_A || k->type == DNS_AAAA)
        return;
    struct str target = arena_printf(&g->arena, STR_FMT ".", STR_ARG(record->text));
    if (k->type == DNS_SRV) {
        groups_target_label(g, STR("__meta_dns_srv_record_target"), target);
        groups_target_label(g, STR("__meta_dns_srv_record_port"),
                            arena_printf(&g->arena, "%" PRId64, port));
    } else {
        groups_target_label(g,
                            k->type == DNS_MX ? STR("__meta_dns_mx_record_target")
                                              : STR("__meta_dns_ns_record_target"),
                            target);
    }
}

static void look_up(void *context)
{
    struct round *k = context;
    for (size_t i = 0; i < k->n; i++) {
        struct why why = {0};
        struct dns_record *records = NULL;
        size_t n = 0;
        if (dns_lookup(k->names[i].p, k->type, &k->arena, &records, &n, &why) != 0) {
            if (k->why.text[0] == '\0')
                k->why = why;
            continue;
        }
        groups_begin(&k->groups, k->names[i]);
        for (size_t j = 0; j < n; j++)
            put_record(k, k->names[i], &records[j]);
    }
    groups_finish(&k->groups);
}

static void release(void *context)
{
    struct round *k = context;
    groups_done(&k->groups);
    arena_done(&k->arena);
    mem_free(k);
}

/* ---- on the loop */
static void looked_up(void *owner, void *context)
{
    struct discovery *d = owner;
    struct round *k = context;
    d->errand = NULL;
    groups_tell_some(&d->told, &d->host, &k->groups);
    d->host.state(d->host.context, k->why.text);
}

static void refresh(void *context)
{
    struct discovery *d = context;
    const struct options *o = d->options;
    if (d->errand)
        return;
    struct round *k = mem_new(sizeof *k);
    arena_init(&k->arena);
    groups_init(&k->groups);
    k->type = o->type;
    k->port = o->port;
    k->n = o->names.n;
    k->names = arena_array(&k->arena, k->n, sizeof *k->names);
    for (size_t i = 0; i < k->n; i++)
        k->names[i] = arena_str(&k->arena, o->names.v[i]);
    struct errand_plan plan = {.loop = d->host.loop,
                               .pool = d->host.pool,
                               .work = look_up,
                               .done = looked_up,
                               .release = release,
                               .owner = d,
                               .context = k};
    if (errand_start(&plan, &d->errand) != 0)
        d->host.state(d->host.context, "too much waits for files and name servers already");
}

static int start_dns(const struct discovery_config *config, const struct discovery_host *host,
                     struct discovery **ret, struct why *why)
{
    struct discovery *d = mem_new(sizeof *d);
    d->host = *host;
    d->options = config->options;
    groups_told_init(&d->told);
    d->timer = timer_new(host->loop, 0, d->options->refresh_ms, refresh, d);
    *ret = d;
    return 0;
}

static void stop_dns(struct discovery *d)
{
    errand_cancel(d->errand);
    timer_free(d->timer);
    groups_told_done(&d->told);
    mem_free(d);
}

const struct discovery_ops dns_discovery = {
    .key = "dns_sd_configs", .name = "dns", .read = read_dns, .start = start_dns, .stop = stop_dns};
