#include "promfile/promfile_reader.h"

/* A scrape_config as it stands there. */
struct raw {
    struct promfile_scrape s;
    struct yaml_struct_texts protocols;
    struct str fallback, validation, escaping, failure_log_file;
    int64_t body_size_limit;
    const struct yaml_node *map;
};

#define AT(member)  offsetof(struct raw, member)
#define OUT(member) offsetof(struct raw, s.member)

static const struct yaml_struct_field FIELDS[] = {
    {"job_name", YAML_STRUCT_TEXT, OUT(job)},
    {"honor_labels", YAML_STRUCT_BOOL, OUT(honor_labels)},
    {"honor_timestamps", YAML_STRUCT_BOOL, OUT(honor_timestamps)},
    {"track_timestamps_staleness", YAML_STRUCT_BOOL, OUT(track_timestamps_staleness)},
    {"params", YAML_STRUCT_ELSE, 0},
    {"scrape_interval", YAML_STRUCT_DURATION, OUT(interval_ms)},
    {"scrape_timeout", YAML_STRUCT_DURATION, OUT(timeout_ms)},
    {"scrape_protocols", YAML_STRUCT_TEXTS, AT(protocols)},
    {"fallback_scrape_protocol", YAML_STRUCT_TEXT, AT(fallback)},
    {"scrape_native_histograms", YAML_STRUCT_BOOL, OUT(native_histograms)},
    {"always_scrape_classic_histograms", YAML_STRUCT_BOOL, OUT(always_classic_histograms)},
    {"convert_classic_histograms_to_nhcb", YAML_STRUCT_BOOL, OUT(convert_to_nhcb)},
    {"scrape_failure_log_file", YAML_STRUCT_TEXT, AT(failure_log_file)},
    {"metrics_path", YAML_STRUCT_TEXT, OUT(metrics_path)},
    {"scheme", YAML_STRUCT_TEXT, OUT(scheme)},
    {"enable_compression", YAML_STRUCT_BOOL, OUT(enable_compression)},
    {"body_size_limit", YAML_STRUCT_SIZE, AT(body_size_limit)},
    {"sample_limit", YAML_STRUCT_UINT, OUT(sample_limit)},
    {"target_limit", YAML_STRUCT_UINT, OUT(target_limit)},
    {"label_limit", YAML_STRUCT_UINT, OUT(label_limit)},
    {"label_name_length_limit", YAML_STRUCT_UINT, OUT(label_name_length_limit)},
    {"label_value_length_limit", YAML_STRUCT_UINT, OUT(label_value_length_limit)},
    {"native_histogram_bucket_limit", YAML_STRUCT_UINT, OUT(native_bucket_limit)},
    {"native_histogram_min_bucket_factor", YAML_STRUCT_REAL, OUT(native_min_bucket_factor)},
    {"keep_dropped_targets", YAML_STRUCT_UINT, OUT(keep_dropped_targets)},
    {"metric_name_validation_scheme", YAML_STRUCT_TEXT, AT(validation)},
    {"metric_name_escaping_scheme", YAML_STRUCT_TEXT, AT(escaping)},
    {"extra_scrape_metrics", YAML_STRUCT_BOOL, OUT(extra_metrics)},
    {"relabel_configs", YAML_STRUCT_ELSE, 0},
    {"metric_relabel_configs", YAML_STRUCT_ELSE, 0},
};

static const struct yaml_struct SHAPE = {"config.ScrapeConfig", FIELDS, COUNTOF(FIELDS),
                                         promfile_reader_target_key};

/* Where a fault of key belongs: at its value, or at the scrape config. */
static struct yaml_place place_of(const struct yaml_node *map, const char *key)
{
    const struct yaml_node *node = yaml_get(map, key);
    return node ? node->place : map->place;
}

static struct raw raw_of(const struct promfile_reader *r, const struct yaml_node *map)
{
    const struct promfile_global *g = &r->global;
    return (struct raw){.map = map,
                        .s = {.metrics_path = STR("/metrics"),
                              .scheme = STR("http"),
                              .honor_timestamps = true,
                              .enable_compression = true,
                              .native_histograms = g->native_histograms,
                              .always_classic_histograms = g->always_classic_histograms,
                              .convert_to_nhcb = g->convert_to_nhcb,
                              .extra_metrics = g->extra_metrics}};
}

static void read_times(struct promfile_reader *r, struct raw *raw)
{
    struct promfile_scrape *s = &raw->s;
    if (s->interval_ms == 0)
        s->interval_ms = r->global.scrape_interval_ms;
    if (s->timeout_ms > s->interval_ms)
        promfile_reader_fault(r, place_of(raw->map, "scrape_timeout"),
                              "scrape timeout greater than scrape interval for scrape config with "
                              "job name \"" STR_FMT "\"",
                              STR_ARG(s->job));
    if (s->timeout_ms == 0)
        s->timeout_ms = MIN(r->global.scrape_timeout_ms, s->interval_ms);
}

static void take_limit(uint64_t *v, uint64_t global)
{
    if (*v == 0)
        *v = global;
}

static void read_limits(const struct promfile_reader *r, struct raw *raw)
{
    const struct promfile_global *g = &r->global;
    struct promfile_scrape *s = &raw->s;
    int64_t body = raw->body_size_limit ? raw->body_size_limit : g->body_size_limit;
    s->body_size_limit = body > 0 ? (uint64_t)body : 0;
    take_limit(&s->sample_limit, g->sample_limit);
    take_limit(&s->target_limit, g->target_limit);
    take_limit(&s->label_limit, g->label_limit);
    take_limit(&s->label_name_length_limit, g->label_name_length_limit);
    take_limit(&s->label_value_length_limit, g->label_value_length_limit);
    take_limit(&s->keep_dropped_targets, g->keep_dropped_targets);
}

static void read_protocols(struct promfile_reader *r, struct raw *raw)
{
    static const enum promfile_protocol USUAL[] = {PROMFILE_PROTOBUF, PROMFILE_OPENMETRICS_1_0_0,
                                                   PROMFILE_OPENMETRICS_0_0_1, PROMFILE_TEXT_1_0_0,
                                                   PROMFILE_TEXT_0_0_4};
    struct promfile_scrape *s = &raw->s;
    struct str of_job =
        arena_printf(r->a, " for scrape config with job name \"" STR_FMT "\"", STR_ARG(s->job));
    const struct yaml_node *own = yaml_get(raw->map, "scrape_protocols");
    if (!yaml_is_null(own)) {
        (void)promfile_reader_protocols(r, own->place, &raw->protocols, of_job, s); /* told */
    } else if (r->global.protocols.n > 0) {
        (void)promfile_reader_protocols(r, raw->map->place, &r->global.protocols, of_job, s);
    } else {
        /* Histograms come in protobuf alone. */
        size_t from = s->native_histograms ? 0 : 1;
        s->protocols_n = COUNTOF(USUAL) - from;
        memcpy(s->protocols, USUAL + from, s->protocols_n * sizeof *s->protocols);
    }
    s->fallback = promfile_reader_protocol(raw->fallback);
    if (raw->fallback.n > 0 && s->fallback == PROMFILE_PROTOCOL_NONE) {
        struct str before =
            arena_printf(r->a, "invalid fallback_scrape_protocol" STR_FMT ": ", STR_ARG(of_job));
        promfile_reader_unknown_protocol(r, place_of(raw->map, "fallback_scrape_protocol"),
                                         before.p, raw->fallback, STR(""));
    }
}

static bool escaping_of(struct str text, enum promfile_escaping *ret)
{
    static const char *const NAMES[] = {[PROMFILE_ALLOW_UTF8] = "allow-utf-8",
                                        [PROMFILE_UNDERSCORES] = "underscores",
                                        [PROMFILE_DOTS] = "dots",
                                        [PROMFILE_VALUES] = "values"};
    for (size_t i = 0; i < COUNTOF(NAMES); i++)
        if (str_eq(text, str_c(NAMES[i]))) {
            *ret = (enum promfile_escaping)i;
            return true;
        }
    return false;
}

static void tell_escaping(struct promfile_reader *r, struct yaml_place place, const char *whose,
                          struct str text)
{
    promfile_reader_fault(r, place,
                          "unknown %s name escaping method specified, must be one of "
                          "'allow-utf-8', 'underscores', 'dots', or 'values', got \"" STR_FMT "\"",
                          whose, STR_ARG(text));
}

static void read_names(struct promfile_reader *r, struct raw *raw)
{
    struct promfile_scrape *s = &raw->s;
    bool global_legacy = str_eq(r->global.validation, STR("legacy")), legacy = global_legacy;
    enum promfile_escaping global = global_legacy ? PROMFILE_UNDERSCORES : PROMFILE_ALLOW_UTF8;
    if (raw->validation.n > 0)
        legacy = promfile_reader_legacy(r, raw->map, raw->validation);
    s->legacy_names = legacy;
    if (r->global.escaping.n > 0 && !escaping_of(r->global.escaping, &global))
        tell_escaping(r, raw->map->place, "global", r->global.escaping);
    if (raw->escaping.n == 0)
        s->escaping = raw->validation.n == 0 ? global
                      : legacy               ? PROMFILE_UNDERSCORES
                                             : PROMFILE_ALLOW_UTF8;
    else if (!escaping_of(raw->escaping, &s->escaping))
        tell_escaping(r, place_of(raw->map, "metric_name_escaping_scheme"), "scrape config",
                      raw->escaping);
    if (s->escaping == PROMFILE_ALLOW_UTF8 && legacy)
        promfile_reader_fault(r, place_of(raw->map, "metric_name_escaping_scheme"),
                              "utf8 metric names requested but validation scheme is not set to "
                              "UTF8");
}

static struct promfile_param read_param(struct promfile_reader *r, const struct yaml_member *m)
{
    const struct yaml_node *list = m->value;
    struct why why;
    if (yaml_expect(list, YAML_SEQUENCE, "[]string", &why) != 0) {
        promfile_reader_fault(r, list->place, "%s", why.text);
        return (struct promfile_param){.name = m->key->text};
    }
    size_t n = yaml_is_null(list) ? 0 : list->n;
    struct str *values = arena_array(r->a, n + 1, sizeof *values);
    for (size_t i = 0; i < n; i++) {
        values[i] = STR("");
        if (yaml_text(list->members[i].value, &values[i], &why) != 0)
            promfile_reader_fault(r, list->members[i].value->place, "%s", why.text);
    }
    return (struct promfile_param){m->key->text, values, n};
}

static void read_params(struct promfile_reader *r, struct raw *raw)
{
    const struct yaml_node *map = yaml_get(raw->map, "params");
    struct why why;
    if (yaml_expect(map, YAML_MAP, "url.Values", &why) != 0) {
        promfile_reader_fault(r, map->place, "%s", why.text);
        return;
    }
    size_t n = yaml_is_null(map) ? 0 : map->n;
    struct promfile_param *params = arena_array(r->a, n + 1, sizeof *params);
    for (size_t i = 0; i < n; i++)
        params[i] = read_param(r, &map->members[i]);
    raw->s.params = params;
    raw->s.params_n = n;
}

static void note_ignored(struct promfile_reader *r, const struct raw *raw)
{
    if (raw->failure_log_file.n)
        promfile_reader_ignored(r, "scrape_failure_log_file: failures of scrapes are told by "
                                   "/api/v1/targets, not by a file");
}

/* A job's name stands once among all files. */
static void take_name(struct promfile_reader *r, const struct raw *raw)
{
    bool fresh;
    struct str job = raw->s.job;
    struct yaml_place place = place_of(raw->map, "job_name");
    if (job.n == 0) {
        promfile_reader_fault(r, place, "job_name is empty");
        return;
    }
    union map_value *where = map_put(&r->jobs, job, &fresh);
    if (fresh)
        where->p =
            r->included
                ? (void *)(uintptr_t)arena_printf(r->a, "\"" STR_FMT "\"", STR_ARG(r->path)).p
                : (void *)(uintptr_t) "main config file";
    else if (r->included)
        promfile_reader_fault(r, place,
                              "found multiple scrape configs with job name \"" STR_FMT
                              "\", first found in %s",
                              STR_ARG(job), (const char *)where->p);
    else
        promfile_reader_fault(
            r, place, "found multiple scrape configs with job name \"" STR_FMT "\"", STR_ARG(job));
}

static void read_one(struct promfile_reader *r, const struct yaml_node *map)
{
    struct raw raw = raw_of(r, map);
    struct promfile_scrape *s = &raw.s;
    size_t before = r->problems_n;
    (void)promfile_reader_struct(r, map, &SHAPE, &raw); /* told */
    if (map->type != YAML_MAP)
        return;
    take_name(r, &raw);
    promfile_reader_http(r, map, &s->http);
    read_times(r, &raw);
    read_limits(r, &raw);
    read_protocols(r, &raw);
    read_names(r, &raw);
    read_params(r, &raw);
    const struct yaml_node *rules = yaml_get(map, "relabel_configs");
    s->relabel = promfile_reader_relabel(r, rules, s->legacy_names,
                                         "target relabeling rule in scrape config");
    s->metric_relabel =
        promfile_reader_relabel(r, yaml_get(map, "metric_relabel_configs"), s->legacy_names,
                                "metric relabeling rule in scrape config");
    struct str owner = arena_printf(r->a, "scrape config \"" STR_FMT "\"", STR_ARG(s->job));
    promfile_reader_discoveries(r, map, yaml_is_null(rules) || rules->n == 0, owner.p,
                                &s->discoveries, &s->discoveries_n);
    note_ignored(r, &raw);
    if (r->problems_n == before)
        s->yaml = promfile_yaml_scrape(r, s, map);
    vec_push(&r->scrapes, *s);
}

void promfile_scrape_read(struct promfile_reader *r, const struct yaml_node *list)
{
    if (!promfile_reader_list(r, list, "[]*config.ScrapeConfig", "scrape config section"))
        return;
    for (size_t i = 0; list && i < list->n; i++) {
        if (r->scrapes.n == PROMFILE_SCRAPES_MAX) {
            promfile_reader_fault(r, list->members[i].value->place, "more than %d scrape configs",
                                  PROMFILE_SCRAPES_MAX);
            return;
        }
        read_one(r, list->members[i].value);
    }
}
