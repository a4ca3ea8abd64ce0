/* promfile/promfile.h - a Prometheus configuration file, read, checked, defaults filled in.
 *
 * All that Prometheus accepts is accepted and all that it refuses is refused, in its words; parts
 * that Sonde does not work with are checked and named in ignored. scrape_config_files are read
 * too. Relative paths begin at the file's folder.
 *
 * Flow:    prometheus.yml -> yaml -> struct promfile -> scrape, forward, rules
 * Source:  Prometheus 3, config/config.go: fields, defaults, checks.
 * Threads: promfile_read() any; the result is immutable.
 */
#ifndef PROMFILE_PROMFILE_H
#define PROMFILE_PROMFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "discover/discover.h"
#include "net/fetch_settings.h"
#include "relabel/relabel.h"

/* What a scrape asks for, in the order of scrape_protocols. */
enum promfile_protocol {
    PROMFILE_PROTOCOL_NONE, /* of a fallback: there is none */
    PROMFILE_PROTOBUF,
    PROMFILE_TEXT_0_0_4,
    PROMFILE_TEXT_1_0_0,
    PROMFILE_OPENMETRICS_0_0_1,
    PROMFILE_OPENMETRICS_1_0_0,
    PROMFILE_PROTOCOLS_MAX,
};

/* How names that are not [a-zA-Z_:][a-zA-Z0-9_:]* are asked for and checked. */
enum promfile_escaping {
    PROMFILE_ALLOW_UTF8,
    PROMFILE_UNDERSCORES,
    PROMFILE_DOTS,
    PROMFILE_VALUES,
};

struct promfile_param {
    struct str name;
    const struct str *values; /* [n] */
    size_t n;
};

/* One scrape_config. Limits: 0 is none. */
struct promfile_scrape {
    struct str job;
    int64_t interval_ms, timeout_ms;
    struct str metrics_path, scheme;
    const struct promfile_param *params; /* [params_n] */
    size_t params_n;
    enum promfile_protocol protocols[PROMFILE_PROTOCOLS_MAX]; /* [protocols_n] */
    size_t protocols_n;
    enum promfile_protocol fallback;
    bool honor_labels, honor_timestamps, track_timestamps_staleness, enable_compression;
    bool native_histograms, always_classic_histograms, convert_to_nhcb, extra_metrics;
    bool legacy_names; /* metric_name_validation_scheme: legacy */
    enum promfile_escaping escaping;
    uint64_t body_size_limit; /* bytes, unpacked */
    uint64_t sample_limit, target_limit, label_limit, label_name_length_limit,
        label_value_length_limit, keep_dropped_targets, native_bucket_limit;
    double native_min_bucket_factor;
    struct relabel *relabel, *metric_relabel; /* NULL: none */
    struct fetch_settings http;
    const struct discovery_config *discoveries; /* [discoveries_n] */
    size_t discoveries_n;
    struct str yaml; /* as it stands in force, for /api/v1/scrape_pools/config */
};

/* One remote_write. */
struct promfile_remote_write {
    struct str name, url;
    int64_t timeout_ms;
    bool version2; /* protobuf_message: io.prometheus.write.v2.Request */
    bool send_exemplars, send_native_histograms, round_robin_dns;
    struct relabel *relabel; /* write_relabel_configs; NULL: none */
    struct fetch_settings http;
    const struct promfile_param *headers; /* [headers_n], each with one value */
    size_t headers_n;
    int64_t capacity, max_shards, min_shards, max_samples_per_send, batch_deadline_ms,
        min_backoff_ms, max_backoff_ms, sample_age_limit_ms;
    bool retry_on_rate_limit;
    bool metadata_send;
    int64_t metadata_interval_ms, metadata_max_samples_per_send;
};

/* One entry of alerting.alertmanagers. */
struct promfile_alertmanager {
    struct str scheme, path_prefix; /* "http", "/" */
    int64_t timeout_ms;
    struct relabel *relabel, *alert_relabel; /* of targets, of alerts; NULL: none */
    struct fetch_settings http;
    const struct discovery_config *discoveries; /* [discoveries_n] */
    size_t discoveries_n;
};

struct promfile {
    int64_t scrape_interval_ms, scrape_timeout_ms, evaluation_interval_ms, query_offset_ms;
    struct str external_labels;   /* a bare key */
    const struct str *rule_files; /* [rule_files_n] globs, as paths */
    size_t rule_files_n;
    const struct str *scrape_config_files; /* [scrape_config_files_n] globs, as paths */
    size_t scrape_config_files_n;
    const struct promfile_scrape *scrapes; /* [scrapes_n] */
    size_t scrapes_n;
    const struct promfile_remote_write *remote_writes; /* [remote_writes_n] */
    size_t remote_writes_n;
    struct relabel *alert_relabel; /* alerting.alert_relabel_configs; NULL: none */
    const struct promfile_alertmanager *alertmanagers; /* [alertmanagers_n] */
    size_t alertmanagers_n;
    const struct str *ignored; /* [ignored_n] sentences: what is checked and has no effect here */
    size_t ignored_n;
    struct str yaml; /* the file as it is in force, for /api/v1/status/config; secrets are hidden */
};

/* text is the file's, path its name; -ERR_FORMAT with the place and what is wrong in problems, a
 * line each. Other files are read below the folder of path. */
MUST_USE int promfile_read(struct str text, struct str path, struct promfile **ret,
                           struct buf *problems);

/* The same, but scrape_config_files that are wrong are left out, and problems says why: for a
 * daemon that begins again with a file that it has worked with. */
MUST_USE int promfile_read_lenient(struct str text, struct str path, struct promfile **ret,
                                   struct buf *problems);

/* Reads the file as well. */
MUST_USE int promfile_read_file(const char *path, struct promfile **ret, struct buf *problems);

void promfile_free(struct promfile *p); /* NULL is fine */

/* Calls f for each file or glob that p names and that is read while it is in force: certificates,
 * credentials, targets, rules, scrape configs. For the worker's confinement. */
void promfile_files(const struct promfile *p, void (*f)(void *context, struct str path),
                    void *context);

#endif
