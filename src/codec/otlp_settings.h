/* codec/otlp_settings.h - [otlp]: how OpenTelemetry's metrics become series, and where they come
 * in.
 *
 * Keys are named as in Prometheus's `otlp` section.
 *
 * Threads: constant data; pure functions.
 */
#ifndef CODEC_OTLP_SETTINGS_H
#define CODEC_OTLP_SETTINGS_H

#include "base/option.h"
#include "codec/otlp_name.h"

struct otlp_settings {
    struct option_list listen;
    const char *translation_strategy;
    struct option_list promote_resource_attributes;
    bool promote_all_resource_attributes;
    struct option_list ignore_resource_attributes;
    bool keep_identifying_resource_attributes;
    bool promote_scope_metadata;
    bool convert_histograms_to_nhcb;
    bool label_name_underscore_sanitization;
    bool label_name_preserve_multiple_underscores;
    bool delta_to_cumulative;
    int64_t delta_series_max;
    int64_t delta_max_stale_ms;
    int64_t body_bytes_max;
    int64_t cache_bytes_max;
};

extern const struct option_table otlp_settings_options;

/* The rules for names that the settings ask for. */
struct otlp_name_rules otlp_settings_rules(const struct otlp_settings *s);

/* Does a resource's attribute become a label of every series? */
bool otlp_settings_promoted(const struct otlp_settings *s, struct str key);

#endif
