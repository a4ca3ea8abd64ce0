#include "promfile/http/http_client.h"
#include "promfile/promfile_reader.h"

/* ---- alerting: who gets alerts */

enum { TIMEOUT_MS = 10000 };

struct alertmanager {
    struct str scheme, path_prefix, api_version;
    int64_t timeout_ms;
};

#define AT(member) offsetof(struct alertmanager, member)

static const struct yaml_struct_field MANAGER_FIELDS[] = {
    {"scheme", YAML_STRUCT_TEXT, AT(scheme)},
    {"path_prefix", YAML_STRUCT_TEXT, AT(path_prefix)},
    {"timeout", YAML_STRUCT_DURATION, AT(timeout_ms)},
    {"api_version", YAML_STRUCT_TEXT, AT(api_version)},
    {"relabel_configs", YAML_STRUCT_ELSE, 0},
    {"alert_relabel_configs", YAML_STRUCT_ELSE, 0},
    {"sigv4", YAML_STRUCT_ELSE, 0},
};

static void check_manager(struct promfile_reader *r, const struct yaml_node *map, bool legacy)
{
    static const struct yaml_struct SHAPE = {"config.AlertmanagerConfig", MANAGER_FIELDS,
                                             COUNTOF(MANAGER_FIELDS), promfile_reader_target_key};
    struct alertmanager m = {
        .scheme = STR("http"), .api_version = STR("v2"), .timeout_ms = TIMEOUT_MS};
    struct promfile_alertmanager out = {0};
    (void)promfile_reader_struct(r, map, &SHAPE, &m); /* told */
    if (map->type != YAML_MAP)
        return;
    if (!str_eq(m.api_version, STR("v2")))
        promfile_reader_fault(
            r, yaml_get(map, "api_version")->place,
            "expected Alertmanager api version to be one of [v2] but got " STR_FMT,
            STR_ARG(m.api_version));
    promfile_reader_http(r, map, &out.http);
    bool is_signed = promfile_remote_signing(r, map, "sigv4");
    if (is_signed)
        promfile_reader_ignored(r, "alerting: requests are not signed (sigv4)");
    if (is_signed &&
        (!yaml_is_null(yaml_get(map, "basic_auth")) ||
         !yaml_is_null(yaml_get(map, "authorization")) || !yaml_is_null(yaml_get(map, "oauth2"))))
        promfile_reader_fault(r, map->place,
                              "at most one of basic_auth, authorization, oauth2, & sigv4 must be "
                              "configured");
    const struct yaml_node *rules = yaml_get(map, "relabel_configs");
    out.relabel = promfile_reader_relabel(r, rules, legacy, "Alertmanager target relabeling rule");
    out.alert_relabel = promfile_reader_relabel(r, yaml_get(map, "alert_relabel_configs"), legacy,
                                                "Alertmanager alert relabeling rule");
    promfile_reader_discoveries(r, map, yaml_is_null(rules) || rules->n == 0, "alerting",
                                &out.discoveries, &out.discoveries_n);
    out.scheme = m.scheme;
    out.path_prefix = m.path_prefix;
    out.timeout_ms = m.timeout_ms;
    vec_push(&r->alertmanagers, out);
}

static void check_alerting(struct promfile_reader *r, const struct yaml_node *map)
{
    static const struct yaml_struct_field FIELDS[] = {
        {"alert_relabel_configs", YAML_STRUCT_ELSE, 0},
        {"alertmanagers", YAML_STRUCT_ELSE, 0},
    };
    static const struct yaml_struct SHAPE = {"config.plain", FIELDS, COUNTOF(FIELDS), NULL};
    bool legacy = str_eq(r->global.validation, STR("legacy"));
    struct str unused = {0};
    if (promfile_reader_struct(r, map, &SHAPE, &unused) > 0 && map->type != YAML_MAP)
        return;
    r->whole->p.alert_relabel = promfile_reader_relabel(r, yaml_get(map, "alert_relabel_configs"),
                                                        legacy, "alert relabeling rule");
    const struct yaml_node *list = yaml_get(map, "alertmanagers");
    if (promfile_reader_list(r, list, "config.AlertmanagerConfigs", "Alertmanager section"))
        for (size_t i = 0; list && i < list->n; i++)
            check_manager(r, list->members[i].value, legacy);
}

/* ---- otlp */

struct otlp {
    bool promote_all, keep_identifying, nhcb, scope, underscore, preserve;
    struct yaml_struct_texts promote, ignore;
    struct str strategy;
};

#define OTLP(member) offsetof(struct otlp, member)

static const struct yaml_struct_field OTLP_FIELDS[] = {
    {"promote_all_resource_attributes", YAML_STRUCT_BOOL, OTLP(promote_all)},
    {"promote_resource_attributes", YAML_STRUCT_TEXTS, OTLP(promote)},
    {"ignore_resource_attributes", YAML_STRUCT_TEXTS, OTLP(ignore)},
    {"translation_strategy", YAML_STRUCT_TEXT, OTLP(strategy)},
    {"keep_identifying_resource_attributes", YAML_STRUCT_BOOL, OTLP(keep_identifying)},
    {"convert_histograms_to_nhcb", YAML_STRUCT_BOOL, OTLP(nhcb)},
    {"promote_scope_metadata", YAML_STRUCT_BOOL, OTLP(scope)},
    {"label_name_underscore_sanitization", YAML_STRUCT_BOOL, OTLP(underscore)},
    {"label_name_preserve_multiple_underscores", YAML_STRUCT_BOOL, OTLP(preserve)},
};

/* Attributes are named, each once. */
static void check_attributes(struct promfile_reader *r, const struct yaml_node *map,
                             const char *key, const struct yaml_struct_texts *texts,
                             const char *adjective)
{
    const struct yaml_node *node = yaml_get(map, key);
    for (size_t i = 0; i < texts->n; i++) {
        struct str name = str_trim(texts->v[i]);
        struct yaml_place place = node->members[i].value->place;
        if (name.n == 0)
            promfile_reader_fault(r, place, "invalid '%s': empty %s OTel resource attribute", key,
                                  adjective);
        for (size_t k = 0; k < i && name.n > 0; k++)
            if (str_eq(str_trim(texts->v[k]), name)) {
                promfile_reader_fault(r, place,
                                      "invalid '%s': duplicated %s OTel resource attribute "
                                      "\"" STR_FMT "\"",
                                      key, adjective, STR_ARG(name));
                break;
            }
    }
}

static void check_strategy(struct promfile_reader *r, const struct yaml_node *map,
                           struct str strategy)
{
    static const char *const WITH_UTF8[] = {"NoTranslation", "NoUTF8EscapingWithSuffixes"};
    static const char *const PLAIN[] = {"", "UnderscoreEscapingWithSuffixes",
                                        "UnderscoreEscapingWithoutSuffixes"};
    bool known = false, utf8 = false;
    for (size_t i = 0; i < COUNTOF(PLAIN); i++)
        known = known || str_eq(strategy, str_c(PLAIN[i]));
    for (size_t i = 0; i < COUNTOF(WITH_UTF8); i++)
        utf8 = utf8 || str_eq(strategy, str_c(WITH_UTF8[i]));
    const struct yaml_node *node = yaml_get(map, "translation_strategy");
    if (!known && !utf8)
        promfile_reader_fault(r, node->place,
                              "unsupported OTLP translation strategy \"" STR_FMT "\"",
                              STR_ARG(strategy));
    if (utf8 && str_eq(r->global.validation, STR("legacy")))
        promfile_reader_fault(r, node->place,
                              "OTLP translation strategy \"" STR_FMT
                              "\" is not allowed when UTF8 is disabled",
                              STR_ARG(strategy));
}

static void check_otlp(struct promfile_reader *r, const struct yaml_node *map)
{
    static const struct yaml_struct SHAPE = {"config.plain", OTLP_FIELDS, COUNTOF(OTLP_FIELDS),
                                             NULL};
    struct otlp o = {0};
    (void)promfile_reader_struct(r, map, &SHAPE, &o); /* told */
    if (o.promote_all && o.promote.n > 0)
        promfile_reader_fault(r, map->place,
                              "'promote_all_resource_attributes' and "
                              "'promote_resource_attributes' cannot be configured simultaneously");
    else if (!o.promote_all && o.ignore.n > 0)
        promfile_reader_fault(r, yaml_get(map, "ignore_resource_attributes")->place,
                              "'ignore_resource_attributes' cannot be configured unless "
                              "'promote_all_resource_attributes' is true");
    else if (o.promote_all)
        check_attributes(r, map, "ignore_resource_attributes", &o.ignore, "ignored");
    else
        check_attributes(r, map, "promote_resource_attributes", &o.promote, "promoted");
    check_strategy(r, map, o.strategy);
    promfile_reader_ignored(r, "otlp: how OTLP is taken in is said by [otlp] of sonde.toml");
}

/* ---- runtime, storage, tracing */

static void check_runtime(struct promfile_reader *r, const struct yaml_node *map)
{
    static const struct yaml_struct_field FIELDS[] = {{"gogc", YAML_STRUCT_WHOLE, 0}};
    static const struct yaml_struct SHAPE = {"config.RuntimeConfig", FIELDS, COUNTOF(FIELDS), NULL};
    int64_t unused = 0;
    (void)promfile_reader_struct(r, map, &SHAPE, &unused); /* told */
    promfile_reader_ignored(r, "runtime: there is no such runtime here");
}

struct storage {
    int64_t window_ms, time_ms, size, exemplars;
    double percentage, stale_threshold;
    struct str floats;
};

#define STORAGE(member) offsetof(struct storage, member)

static const struct yaml_struct_field STORAGE_FIELDS[] = {
    {"tsdb", YAML_STRUCT_ELSE, 0},
    {"exemplars", YAML_STRUCT_ELSE, 0},
};
static const struct yaml_struct_field TSDB_FIELDS[] = {
    {"out_of_order_time_window", YAML_STRUCT_DURATION, STORAGE(window_ms)},
    {"stale_series_compaction_threshold", YAML_STRUCT_REAL, STORAGE(stale_threshold)},
    {"retention", YAML_STRUCT_ELSE, 0},
    {"chunk_encoding", YAML_STRUCT_ELSE, 0},
};
static const struct yaml_struct_field RETENTION_FIELDS[] = {
    {"time", YAML_STRUCT_DURATION, STORAGE(time_ms)},
    {"size", YAML_STRUCT_SIZE, STORAGE(size)},
    {"percentage", YAML_STRUCT_REAL, STORAGE(percentage)},
};
static const struct yaml_struct_field ENCODING_FIELDS[] = {
    {"floats", YAML_STRUCT_TEXT, STORAGE(floats)},
};
static const struct yaml_struct_field EXEMPLARS_FIELDS[] = {
    {"max_exemplars", YAML_STRUCT_WHOLE, STORAGE(exemplars)},
};

#define SHAPE_OF(name, fields)                                                                     \
    {                                                                                              \
        name, fields, COUNTOF(fields), NULL                                                        \
    }

static void check_storage(struct promfile_reader *r, const struct yaml_node *map)
{
    static const struct yaml_struct SHAPE = SHAPE_OF("config.StorageConfig", STORAGE_FIELDS),
                                    TSDB = SHAPE_OF("config.plain", TSDB_FIELDS),
                                    RETENTION = SHAPE_OF("config.plain", RETENTION_FIELDS),
                                    ENCODING = SHAPE_OF("config.plain", ENCODING_FIELDS),
                                    EXEMPLARS =
                                        SHAPE_OF("config.ExemplarsConfig", EXEMPLARS_FIELDS);
    struct storage s = {0};
    const struct yaml_node *tsdb = yaml_get(map, "tsdb"), *retention = yaml_get(tsdb, "retention"),
                           *encoding = yaml_get(tsdb, "chunk_encoding");
    (void)promfile_reader_struct(r, map, &SHAPE, &s); /* told, as all below */
    (void)promfile_reader_struct(r, tsdb, &TSDB, &s);
    (void)promfile_reader_struct(r, retention, &RETENTION, &s);
    (void)promfile_reader_struct(r, encoding, &ENCODING, &s);
    (void)promfile_reader_struct(r, yaml_get(map, "exemplars"), &EXEMPLARS, &s);
    if (s.size < 0)
        promfile_reader_fault(r, yaml_get(retention, "size")->place,
                              "'storage.tsdb.retention.size' must be greater than or equal to 0");
    if (!(s.percentage >= 0 && s.percentage <= 100))
        promfile_reader_fault(r, yaml_get(retention, "percentage")->place,
                              "'storage.tsdb.retention.percentage' must be in the range [0, 100]");
    if (!yaml_is_null(yaml_get(encoding, "floats")) && !str_eq(s.floats, STR("xor")) &&
        !str_eq(s.floats, STR("xor2")))
        promfile_reader_fault(r, yaml_get(encoding, "floats")->place,
                              "'storage.tsdb.chunk_encoding.floats' must be 'xor' or 'xor2', or "
                              "the field must be omitted entirely, got \"" STR_FMT "\"",
                              STR_ARG(s.floats));
    promfile_reader_ignored(r, "storage: how long and how series are kept is said by [store] of "
                               "sonde.toml");
}

struct tracing {
    struct str client_type, endpoint, compression;
    double fraction;
    bool insecure;
    struct yaml_struct_pairs headers;
    int64_t timeout_ms;
};

#define TRACING(member) offsetof(struct tracing, member)

static const struct yaml_struct_field TRACING_FIELDS[] = {
    {"client_type", YAML_STRUCT_TEXT, TRACING(client_type)},
    {"endpoint", YAML_STRUCT_TEXT, TRACING(endpoint)},
    {"sampling_fraction", YAML_STRUCT_REAL, TRACING(fraction)},
    {"insecure", YAML_STRUCT_BOOL, TRACING(insecure)},
    {"tls_config", YAML_STRUCT_ELSE, 0},
    {"headers", YAML_STRUCT_PAIRS, TRACING(headers)},
    {"compression", YAML_STRUCT_TEXT, TRACING(compression)},
    {"timeout", YAML_STRUCT_DURATION, TRACING(timeout_ms)},
};

static void check_tracing(struct promfile_reader *r, const struct yaml_node *map)
{
    static const struct yaml_struct SHAPE = SHAPE_OF("config.plain", TRACING_FIELDS);
    struct tracing t = {.client_type = STR("grpc")};
    const struct yaml_node *tls = yaml_get(map, "tls_config");
    struct fetch_tls unused;
    struct yaml_place place = map->place;
    struct why why = {0};
    (void)promfile_reader_struct(r, map, &SHAPE, &t); /* told */
    if (!str_eq(t.client_type, STR("grpc")) && !str_eq(t.client_type, STR("http")))
        promfile_reader_fault(
            r, yaml_get(map, "client_type")->place,
            "expected tracing client type to be to be http or grpc, but got " STR_FMT,
            STR_ARG(t.client_type));
    promfile_reader_headers(r, yaml_get(map, "headers"), true);
    if (t.endpoint.n == 0)
        promfile_reader_fault(r, map->place, "tracing endpoint must be set");
    if (t.compression.n > 0 && !str_eq(t.compression, STR("gzip")))
        promfile_reader_fault(r, yaml_get(map, "compression")->place,
                              "invalid compression type " STR_FMT " provided, valid options: gzip",
                              STR_ARG(t.compression));
    if (!yaml_is_null(tls) && http_client_tls(tls, r->folder, r->a, &unused, &place, &why) != 0)
        promfile_reader_fault(r, place, "%s", why.text);
    promfile_reader_ignored(r, "tracing: this daemon sends no traces of itself");
}

void promfile_rest_read(struct promfile_reader *r, const struct yaml_node *root)
{
    static const struct {
        const char *key;
        void (*check)(struct promfile_reader *r, const struct yaml_node *map);
    } SECTIONS[] = {
        {"alerting", check_alerting}, {"otlp", check_otlp},       {"runtime", check_runtime},
        {"storage", check_storage},   {"tracing", check_tracing},
    };
    for (size_t i = 0; i < COUNTOF(SECTIONS); i++) {
        const struct yaml_node *node = yaml_get(root, SECTIONS[i].key);
        if (!yaml_is_null(node))
            SECTIONS[i].check(r, node);
    }
}
