#include "discover/moby.h"

#include "net/url.h"
#include "promfile/http/http_client.h"
#include "text/json.h"
#include "text/template.h"

enum {
    FIELDS_MAX = 16,
    VERSION_MAX = 44,     /* of API 1.x that is asked for, the newest that is known here */
    VERSION_DEFAULT = 24, /* where the daemon does not say */
    FILTERS_BYTES_MAX = 64 * 1024,
};

struct filter {
    struct str name;
    struct yaml_struct_texts values;
};

static const struct yaml_struct_field FILTER_FIELDS[] = {
    {"name", YAML_STRUCT_TEXT, offsetof(struct filter, name)},
    {"values", YAML_STRUCT_TEXTS, offsetof(struct filter, values)},
};

static const struct yaml_struct FILTER_SHAPE = {"moby.Filter", FILTER_FIELDS,
                                                COUNTOF(FILTER_FIELDS), NULL};

static const struct yaml_struct_field FIELDS[] = {
    {"host", YAML_STRUCT_TEXT, offsetof(struct moby_options, host)},
    {"port", YAML_STRUCT_WHOLE, offsetof(struct moby_options, port)},
    {"filters", YAML_STRUCT_ELSE, 0},
    {"refresh_interval", YAML_STRUCT_DURATION, offsetof(struct moby_options, refresh_ms)},
};

/* {"name":{"value":true}}, each name once. */
static void put_filters(struct buf *out, const struct filter *filters, size_t n)
{
    buf_put_c(out, '{');
    for (size_t i = 0; i < n; i++) {
        size_t before = 0;
        while (before < i && !str_eq(filters[before].name, filters[i].name))
            before++;
        if (before < i)
            continue; /* its values stand there */
        if (out->n > 1)
            buf_put_c(out, ',');
        json_put_text(out, filters[i].name);
        buf_put_str(out, STR(":{"));
        bool any = false;
        for (size_t j = i; j < n; j++) {
            for (size_t k = 0; str_eq(filters[j].name, filters[i].name) && k < filters[j].values.n;
                 k++) {
                if (any)
                    buf_put_c(out, ',');
                json_put_text(out, filters[j].values.v[k]);
                buf_put_str(out, STR(":true"));
                any = true;
            }
        }
        buf_put_c(out, '}');
    }
    buf_put_c(out, '}');
}

static int read_filters(const struct yaml_node *list, struct discovery_read *r,
                        struct moby_options *o, struct why *why)
{
    if (yaml_is_null(list))
        return 0;
    r->place = list->place;
    int err = yaml_expect(list, YAML_SEQUENCE, "[]moby.Filter", why);
    if (err || list->n == 0)
        return err;
    struct filter *filters = arena_array(r->a, list->n, sizeof *filters);
    for (size_t i = 0; i < list->n && !err; i++)
        err = yaml_struct_read(list->members[i].value, &FILTER_SHAPE, r->a, &filters[i], &r->place,
                               why);
    if (err)
        return err;
    struct buf json, query;
    buf_init(&json, FILTERS_BYTES_MAX);
    buf_init(&query, 3 * FILTERS_BYTES_MAX);
    put_filters(&json, filters, list->n);
    buf_put_str(&query, STR("filters="));
    template_escape_query(buf_str(&json), &query);
    if (buf_failed(&json))
        err = why_set(why, ERR_LIMIT, "the filters are longer than %d bytes", FILTERS_BYTES_MAX);
    o->filters = arena_str(r->a, buf_str(&query));
    buf_done(&query);
    buf_done(&json);
    return err;
}

static int read_host(struct moby_options *o, struct arena *a, struct why *why)
{
    struct url url;
    if (o->host.n == 0)
        return why_set(why, ERR_FORMAT, "host missing");
    int err = url_split(o->host, &url, why);
    if (err)
        return err;
    if (str_eq(url.scheme, STR("unix"))) {
        o->unix_path = arena_str(a, str_sub(o->host, strlen("unix://"), o->host.n)).p;
        o->base = STR("http://localhost");
        return 0;
    }
    const char *scheme = str_eq(url.scheme, STR("https")) ? "https" : "http";
    size_t after = str_search(o->host, STR("://"));
    struct str rest = after < o->host.n ? str_sub(o->host, after + 3, o->host.n) : o->host;
    while (str_ends(rest, STR("/")))
        rest.n--;
    o->base = arena_printf(a, "%s://" STR_FMT, scheme, STR_ARG(rest));
    return 0;
}

int moby_read(const struct yaml_node *entry, struct discovery_read *r,
              const struct yaml_struct_field *extra, size_t extra_n, struct moby_options *ret,
              struct why *why)
{
    struct yaml_struct_field fields[FIELDS_MAX];
    struct yaml_struct shape = {"moby.plain", fields, COUNTOF(FIELDS) + extra_n, http_client_key};
    memcpy(fields, FIELDS, sizeof FIELDS);
    memcpy(fields + COUNTOF(FIELDS), extra, extra_n * sizeof *extra);
    ret->port = 80;
    ret->refresh_ms = 60 * 1000;
    int err = yaml_struct_read(entry, &shape, r->a, ret, &r->place, why);
    if (!err)
        err = read_filters(yaml_get(entry, "filters"), r, ret, why);
    if (!err)
        err = read_host(ret, r->a, why);
    if (!err && ret->refresh_ms <= 0)
        err = why_set(why, ERR_FORMAT, "refresh_interval must be more than 0");
    return err;
}

int moby_open(struct moby *m, const struct discovery_config *config,
              const struct discovery_host *host, const struct inquiry_ops *ops, void *context,
              struct why *why)
{
    m->options = config->options;
    struct inquiry_plan plan = {.host = host,
                                .http = &config->http,
                                .unix_path = m->options->unix_path,
                                .refresh_ms = m->options->refresh_ms,
                                .ops = ops,
                                .context = context};
    return inquiry_new(&plan, &m->inquiry, why);
}

static void get(struct moby *m, struct str version, const char *path, struct str query, int tag,
                void *about)
{
    struct str url = arena_printf(inquiry_arena(m->inquiry), STR_FMT STR_FMT "%s%s" STR_FMT,
                                  STR_ARG(m->options->base), STR_ARG(version), path,
                                  query.n ? "?" : "", STR_ARG(query));
    inquiry_get(m->inquiry, url, NULL, 0, tag, about);
}

void moby_begin(struct moby *m)
{
    get(m, STR(""), "/_ping", STR(""), MOBY_PING, NULL);
}

void moby_pong(struct moby *m, const struct fetch_answer *a)
{
    struct str version = str_trim(fetch_header_of(a, STR("Api-Version")));
    uint64_t minor = VERSION_DEFAULT;
    if (str_starts(version, STR("1.")) && str_u64(str_sub(version, 2, version.n), &minor))
        minor = MIN(minor, (uint64_t)VERSION_MAX);
    m->version = arena_printf(inquiry_arena(m->inquiry), "/v1.%u", (unsigned)minor);
}

void moby_get(struct moby *m, const char *path, bool filtered, int tag, void *about)
{
    get(m, m->version, path, filtered ? m->options->filters : STR(""), tag, about);
}

void moby_pairs(struct groups *g, const struct json_tree *object, const char *prefix)
{
    for (size_t i = 0; i < json_tree_n(object); i++)
        groups_clean_target_label(g, prefix, object->children[i].key,
                                  json_tree_text(&object->children[i], ""));
}

static void put(struct groups *g, const char *prefix, const char *name, struct str value)
{
    groups_target_label(g, arena_printf(&g->arena, "%snetwork_%s", prefix, name), value);
}

void moby_network(struct groups *g, const struct json_tree *networks, struct str id,
                  const char *prefix)
{
    for (size_t i = 0; i < json_tree_n(networks); i++) {
        const struct json_tree *network = &networks->children[i];
        if (!str_eq(json_tree_text(network, "Id"), id))
            continue;
        put(g, prefix, "id", id);
        put(g, prefix, "name", json_tree_text(network, "Name"));
        put(g, prefix, "scope", json_tree_text(network, "Scope"));
        put(g, prefix, "internal",
            json_tree_true(network, "Internal") ? STR("true") : STR("false"));
        put(g, prefix, "ingress", json_tree_true(network, "Ingress") ? STR("true") : STR("false"));
        moby_pairs(g, json_tree_get(network, "Labels"),
                   arena_printf(&g->arena, "%snetwork_label_", prefix).p);
        return;
    }
}
