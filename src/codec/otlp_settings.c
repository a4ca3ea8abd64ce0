#include "codec/otlp_settings.h"

#include "base/attr.h"

#define AT(member) offsetof(struct otlp_settings, member)

static const struct option ROWS[] = {
    {"listen", OPTION_LIST, AT(listen), "127.0.0.1:4317, 127.0.0.1:4318", 0, 0, NULL, 0,
     "Addresses besides server.listen that are served, for senders that keep OpenTelemetry's "
     "ports: "
     "HOST:PORT, [IPV6]:PORT or unix:/PATH. One that is taken is a warning. Empty: none."},
    {"translation_strategy", OPTION_CHOICE, AT(translation_strategy),
     "UnderscoreEscapingWithSuffixes", 0, 0,
     "UnderscoreEscapingWithSuffixes|NoUTF8EscapingWithSuffixes|"
     "UnderscoreEscapingWithoutSuffixes|NoTranslation",
     0,
     "Names of metrics and labels: with _ for what plain names do not have or as they are, with "
     "unit and type at their end or without."},
    {"promote_resource_attributes", OPTION_LIST, AT(promote_resource_attributes), "", 0, 0, NULL, 0,
     "Attributes of the resource that become labels of every series."},
    {"promote_all_resource_attributes", OPTION_BOOL, AT(promote_all_resource_attributes), "false",
     0, 0, NULL, 0,
     "All attributes of the resource become labels, but for ignore_resource_attributes."},
    {"ignore_resource_attributes", OPTION_LIST, AT(ignore_resource_attributes), "", 0, 0, NULL, 0,
     "Attributes that promote_all_resource_attributes leaves out."},
    {"keep_identifying_resource_attributes", OPTION_BOOL, AT(keep_identifying_resource_attributes),
     "false", 0, 0, NULL, 0,
     "target_info also has service.name, service.namespace and service.instance.id, which job and "
     "instance are made of."},
    {"promote_scope_metadata", OPTION_BOOL, AT(promote_scope_metadata), "false", 0, 0, NULL, 0,
     "Labels otel_scope_name, otel_scope_version, otel_scope_schema_url and one for each attribute "
     "of the scope."},
    {"convert_histograms_to_nhcb", OPTION_BOOL, AT(convert_histograms_to_nhcb), "false", 0, 0, NULL,
     0,
     "Histograms with explicit bounds become native histograms with custom buckets, one series "
     "instead of one for each bucket."},
    {"label_name_underscore_sanitization", OPTION_BOOL, AT(label_name_underscore_sanitization),
     "true", 0, 0, NULL, 0, "Labels that begin with one underscore get key in front: key_x."},
    {"label_name_preserve_multiple_underscores", OPTION_BOOL,
     AT(label_name_preserve_multiple_underscores), "true", 0, 0, NULL, 0,
     "Several underscores in a row stay in names of labels; else they become one."},
    {"delta_to_cumulative", OPTION_BOOL, AT(delta_to_cumulative), "true", 0, 0, NULL, 0,
     "Sums and histograms of delta temporality are added up; else they are refused."},
    {"delta_series_max", OPTION_INT, AT(delta_series_max), "1000000", 1, 1e9, NULL, 0,
     "Series that are added up at once; points of any further one are refused."},
    {"delta_max_stale_ms", OPTION_INT, AT(delta_max_stale_ms), "300000", 1000, 31536000000, NULL, 0,
     "A series without a delta for that long is forgotten; it begins anew with the next one."},
    {"body_bytes_max", OPTION_INT, AT(body_bytes_max), "67108864", 1024, 67108864, NULL, 0,
     "Bytes of a request, unpacked."},
    {"cache_bytes_max", OPTION_INT, AT(cache_bytes_max), "67108864", 1048576, 1e10, NULL, 0,
     "Bytes, on each loop, for what series are called by the attributes they come with."},
};

const struct option_table otlp_settings_options = {
    "otlp", "Metrics of OpenTelemetry: where they come in and how they become series.",
    false,  sizeof(struct otlp_settings),
    ROWS,   COUNTOF(ROWS),
};

struct otlp_name_rules otlp_settings_rules(const struct otlp_settings *s)
{
    struct str strategy = str_c(s->translation_strategy);
    return (struct otlp_name_rules){
        .escape = str_starts(strategy, STR("Underscore")),
        .suffixes = str_ends(strategy, STR("WithSuffixes")),
        .key_prefix = s->label_name_underscore_sanitization,
        .preserve_underscores = s->label_name_preserve_multiple_underscores,
    };
}

static bool listed(const struct option_list *list, struct str key)
{
    for (size_t i = 0; i < list->n; i++)
        if (str_eq(str_c(list->v[i]), key))
            return true;
    return false;
}

bool otlp_settings_promoted(const struct otlp_settings *s, struct str key)
{
    if (s->promote_all_resource_attributes)
        return !listed(&s->ignore_resource_attributes, key);
    return listed(&s->promote_resource_attributes, key);
}
