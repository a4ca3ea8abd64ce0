#include "promfile/promfile_reader.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#include "promfile/http/http_client.h"
#include "text/quote.h"

enum { FAULT_MAX = 2048, LINE_MAX_BYTES = 4096 };

/* ---- faults */

void promfile_reader_fault(struct promfile_reader *r, struct yaml_place place, const char *format,
                           ...)
{
    char text[FAULT_MAX];
    va_list args;
    if (++r->problems_n > PROMFILE_PROBLEMS_MAX)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buf_printf(r->problems, STR_FMT ":%u:%u: %s\n", STR_ARG(r->path), place.line, place.column,
               text);
}

void promfile_reader_ignored(struct promfile_reader *r, const char *format, ...)
{
    char text[FAULT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (size_t i = 0; i < r->ignored.n; i++)
        if (str_eq(r->ignored.v[i], str_c(text)))
            return;
    vec_push(&r->ignored, arena_str(r->a, str_c(text)));
}

static void tell(void *context, struct yaml_place place, const char *text)
{
    promfile_reader_fault(context, place, "%s", text);
}

size_t promfile_reader_struct(struct promfile_reader *r, const struct yaml_node *map,
                              const struct yaml_struct *shape, void *ret)
{
    struct yaml_struct_faults faults = {tell, r};
    return yaml_struct_read_all(map, shape, r->a, ret, &faults);
}

struct str promfile_reader_path(struct promfile_reader *r, struct str path)
{
    if (path.n == 0 || path.p[0] == '/' || str_eq(r->folder, STR(".")))
        return path;
    return arena_printf(r->a, STR_FMT "%s" STR_FMT, STR_ARG(r->folder),
                        str_eq(r->folder, STR("/")) ? "" : "/", STR_ARG(path));
}

bool promfile_reader_list(struct promfile_reader *r, const struct yaml_node *node, const char *type,
                          const char *what)
{
    struct why why;
    bool good = true;
    if (yaml_expect(node, YAML_SEQUENCE, type, &why) != 0) {
        promfile_reader_fault(r, node->place, "%s", why.text);
        return false;
    }
    for (size_t i = 0; node && i < node->n; i++) {
        if (!yaml_is_null(node->members[i].value))
            continue;
        promfile_reader_fault(r, node->members[i].value->place, "empty or null %s", what);
        good = false;
    }
    return good;
}

/* ---- what sections share */

struct relabel *promfile_reader_relabel(struct promfile_reader *r, const struct yaml_node *list,
                                        bool legacy_names, const char *what)
{
    struct relabel *rules;
    struct yaml_place place = {0};
    struct why why = {0};
    if (!promfile_reader_list(r, list, "[]*relabel.Config", what) || !list || list->n == 0)
        return NULL;
    if (relabel_read_names(list, legacy_names, &rules, &place, &why) != 0) {
        promfile_reader_fault(r, place, "%s", why.text);
        return NULL;
    }
    vec_push(&r->whole->relabels, rules);
    return rules;
}

void promfile_reader_http(struct promfile_reader *r, const struct yaml_node *map,
                          struct fetch_settings *ret)
{
    struct yaml_place place = map->place;
    struct why why = {0};
    *ret = fetch_settings_default;
    if (http_client_read(map, r->folder, r->a, ret, &place, &why) != 0)
        promfile_reader_fault(r, place, "%s", why.text);
}

static bool is_discovery(struct str key)
{
    return discovery_find(key) != NULL;
}

bool promfile_reader_http_key(struct str key)
{
    return http_client_key(key);
}

bool promfile_reader_target_key(struct str key)
{
    return is_discovery(key) || promfile_reader_http_key(key);
}

/* Without rules that change it, an address is a host and no URL. */
static void check_targets(struct promfile_reader *r, const struct yaml_node *list)
{
    for (size_t i = 0; list && i < list->n; i++) {
        const struct yaml_node *targets = yaml_get(list->members[i].value, "targets");
        for (size_t k = 0; targets && targets->type == YAML_SEQUENCE && k < targets->n; k++) {
            const struct yaml_node *target = targets->members[k].value;
            if (str_find(target->text, '/') < target->text.n)
                promfile_reader_fault(r, target->place, "\"" STR_FMT "\" is not a valid hostname",
                                      STR_ARG(target->text));
        }
    }
}

void promfile_reader_discoveries(struct promfile_reader *r, const struct yaml_node *map,
                                 bool without_rules, const char *owner,
                                 const struct discovery_config **ret, size_t *ret_n)
{
    struct {
        struct discovery_config *v;
        size_t n, capacity;
    } all = {0};
    for (size_t i = 0; i < map->n; i++) {
        const struct discovery_ops *ops = discovery_find(map->members[i].key->text);
        const struct yaml_node *list = map->members[i].value;
        struct discovery_read read = {.folder = r->folder, .a = r->a, .place = list->place};
        struct discovery_config *some;
        struct why why = {0};
        size_t n;
        if (!ops || yaml_is_null(list))
            continue;
        if (discovery_read(ops, list, &read, &some, &n, &why) != 0) {
            promfile_reader_fault(r, read.place, "%s", why.text);
            continue;
        }
        if (without_rules && str_eq(str_c(ops->key), STR("static_configs")))
            check_targets(r, list);
        if (!ops->start && n > 0 && owner)
            promfile_reader_ignored(r, "%s: %s find no targets here", owner, ops->key);
        for (size_t k = 0; k < n; k++)
            vec_push(&all, some[k]);
    }
    struct discovery_config *copy = arena_array(r->a, all.n + 1, sizeof *copy);
    if (all.n > 0)
        memcpy(copy, all.v, all.n * sizeof *copy);
    *ret = copy;
    *ret_n = all.n;
    vec_free(&all);
}

static bool is_reserved(const char *name)
{
    static const char *const RESERVED[] = {
        "host",
        "content-encoding",
        "content-length",
        "content-type",
        "user-agent",
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "www-authenticate",
        "accept-encoding",
        "x-prometheus-remote-write-version",
        "x-prometheus-remote-read-version",
        "x-amz-date",
        "x-amz-security-token",
        "x-amz-content-sha256",
    };
    for (size_t i = 0; i < COUNTOF(RESERVED); i++)
        if (strcmp(RESERVED[i], name) == 0)
            return true;
    return false;
}

void promfile_reader_headers(struct promfile_reader *r, const struct yaml_node *map, bool tracing)
{
    for (size_t i = 0; map && map->type == YAML_MAP && i < map->n; i++) {
        const struct yaml_node *key = map->members[i].key;
        struct str lower = arena_str(r->a, key->text);
        for (char *p = (char *)(uintptr_t)lower.p; *p; p++)
            *p = (char)tolower((unsigned char)*p);
        if (str_eq(lower, STR("authorization")))
            promfile_reader_fault(
                r, key->place, "%s",
                tracing ? "custom authorization header configuration is not yet supported"
                        : "authorization header must be changed via the basic_auth, "
                          "authorization, oauth2, sigv4, azuread or google_iam parameter");
        else if (is_reserved(lower.p))
            promfile_reader_fault(r, key->place,
                                  STR_FMT " is a reserved header. It must not be changed",
                                  STR_ARG(key->text));
    }
}

bool promfile_reader_legacy(struct promfile_reader *r, const struct yaml_node *map,
                            struct str scheme)
{
    const struct yaml_node *node = yaml_get(map, "metric_name_validation_scheme");
    bool legacy = str_eq(scheme, STR("legacy"));
    if (node && !legacy && scheme.n > 0 && !str_eq(scheme, STR("utf8")))
        promfile_reader_fault(r, node->place, "unrecognized ValidationScheme: \"" STR_FMT "\"",
                              STR_ARG(scheme));
    return legacy;
}

/* ---- protocols */

static const char *const PROTOCOLS[PROMFILE_PROTOCOLS_MAX] = {
    [PROMFILE_PROTOCOL_NONE] = "",
    [PROMFILE_PROTOBUF] = "PrometheusProto",
    [PROMFILE_TEXT_0_0_4] = "PrometheusText0.0.4",
    [PROMFILE_TEXT_1_0_0] = "PrometheusText1.0.0",
    [PROMFILE_OPENMETRICS_0_0_1] = "OpenMetricsText0.0.1",
    [PROMFILE_OPENMETRICS_1_0_0] = "OpenMetricsText1.0.0",
};

const char *promfile_reader_protocol_name(enum promfile_protocol protocol)
{
    return PROTOCOLS[protocol];
}

enum promfile_protocol promfile_reader_protocol(struct str name)
{
    for (size_t i = 1; i < PROMFILE_PROTOCOLS_MAX; i++)
        if (str_eq(name, str_c(PROTOCOLS[i])))
            return (enum promfile_protocol)i;
    return PROMFILE_PROTOCOL_NONE;
}

#define SUPPORTED                                                                                  \
    "[OpenMetricsText0.0.1 OpenMetricsText1.0.0 PrometheusProto PrometheusText0.0.4 "              \
    "PrometheusText1.0.0]"

void promfile_reader_unknown_protocol(struct promfile_reader *r, struct yaml_place place,
                                      const char *before, struct str name, struct str after)
{
    promfile_reader_fault(r, place,
                          "%sunknown scrape protocol " STR_FMT ", supported: " SUPPORTED STR_FMT,
                          before, STR_ARG(name), STR_ARG(after));
}

static void tell_repeated(struct promfile_reader *r, struct yaml_place place,
                          const struct yaml_struct_texts *texts, struct str suffix)
{
    struct buf all;
    buf_init(&all, LINE_MAX_BYTES);
    for (size_t i = 0; i < texts->n; i++)
        buf_printf(&all, "%s" STR_FMT, i ? " " : "", STR_ARG(texts->v[i]));
    promfile_reader_fault(r, place,
                          "duplicated protocol in scrape_protocols, got [" STR_FMT "]" STR_FMT,
                          STR_ARG(buf_str(&all)), STR_ARG(suffix));
    buf_done(&all);
}

bool promfile_reader_protocols(struct promfile_reader *r, struct yaml_place place,
                               const struct yaml_struct_texts *texts, struct str suffix,
                               struct promfile_scrape *ret)
{
    bool seen[PROMFILE_PROTOCOLS_MAX] = {false};
    size_t n = 0;
    if (texts->n == 0) {
        promfile_reader_fault(r, place, "scrape_protocols cannot be empty" STR_FMT,
                              STR_ARG(suffix));
        return false;
    }
    for (size_t i = 0; i < texts->n; i++) {
        enum promfile_protocol p = promfile_reader_protocol(texts->v[i]);
        if (p == PROMFILE_PROTOCOL_NONE)
            promfile_reader_unknown_protocol(r, place, "scrape_protocols: ", texts->v[i], suffix);
        else if (seen[p])
            tell_repeated(r, place, texts, suffix);
        if (p == PROMFILE_PROTOCOL_NONE || seen[p])
            return false;
        seen[p] = true;
        ret->protocols[n++] = p;
    }
    ret->protocols_n = n;
    return true;
}
