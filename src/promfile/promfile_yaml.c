#include "promfile/promfile_reader.h"
#include "text/byte_size.h"
#include "text/duration.h"
#include "text/number.h"
#include "text/yaml_write.h"

enum { INDENT = 2 };

/* Keys whose values nobody is shown. */
static bool is_secret(struct str key)
{
    static const char *const KEYS[] = {
        "password",
        "credentials",
        "bearer_token",
        "client_secret",
        "client_certificate_key",
        "key",
        "token",
        "secret",
        "secrets",
        "secret_key",
        "auth_token",
        "application_secret",
        "application_credential_secret",
        "consumer_key",
        "private_key",
        "service_account_key",
        "key_passphrase",
        "account_token",
        "proxy_connect_header",
    };
    for (size_t i = 0; i < COUNTOF(KEYS); i++)
        if (str_eq(key, str_c(KEYS[i])))
            return true;
    return false;
}

/* Below these all keys are somebody's own words. */
static bool is_free(struct str key)
{
    static const char *const KEYS[] = {"labels",    "external_labels",   "params",
                                       "node_meta", "required_matchers", "headers"};
    for (size_t i = 0; i < COUNTOF(KEYS); i++)
        if (str_eq(key, str_c(KEYS[i])))
            return true;
    return false;
}

static enum yaml_write_hiding hide(struct str above, struct str key)
{
    return is_secret(key) ? YAML_WRITE_HIDDEN : is_free(key) ? YAML_WRITE_FREE : YAML_WRITE_PLAIN;
}

static void put_member(struct buf *b, const struct yaml_member *m, size_t indent)
{
    yaml_write_member(b, m, indent, STR(""), hide);
}

/* ---- what is in force */

struct writer {
    struct buf *b;
    size_t indent;
};

static void put_key(struct writer *w, const char *key)
{
    yaml_write_indent(w->b, w->indent);
    buf_printf(w->b, "%s: ", key);
}

static void put_bool(struct writer *w, const char *key, bool v)
{
    put_key(w, key);
    buf_put_str(w->b, v ? STR("true\n") : STR("false\n"));
}

static void put_word(struct writer *w, const char *key, struct str v)
{
    put_key(w, key);
    yaml_write_text(w->b, v);
    buf_put_c(w->b, '\n');
}

static void put_time(struct writer *w, const char *key, int64_t ms)
{
    put_key(w, key);
    duration_put(w->b, ms);
    buf_put_c(w->b, '\n');
}

/* Nothing where v is 0. */
static void put_count(struct writer *w, const char *key, uint64_t v)
{
    if (v == 0)
        return;
    put_key(w, key);
    buf_put_u64(w->b, v);
    buf_put_c(w->b, '\n');
}

static void put_size(struct writer *w, const char *key, uint64_t v)
{
    if (v == 0)
        return;
    put_key(w, key);
    byte_size_put(w->b, v);
    buf_put_c(w->b, '\n');
}

static void put_params(struct writer *w, const struct promfile_scrape *s)
{
    if (s->params_n == 0)
        return;
    yaml_write_indent(w->b, w->indent);
    buf_put_str(w->b, STR("params:\n"));
    for (size_t i = 0; i < s->params_n; i++) {
        yaml_write_indent(w->b, w->indent + INDENT);
        yaml_write_text(w->b, s->params[i].name);
        buf_put_str(w->b, STR(":\n"));
        for (size_t k = 0; k < s->params[i].n; k++) {
            yaml_write_indent(w->b, w->indent + INDENT);
            buf_put_str(w->b, STR("- "));
            yaml_write_text(w->b, s->params[i].values[k]);
            buf_put_c(w->b, '\n');
        }
    }
}

static void put_protocols(struct writer *w, const struct promfile_scrape *s)
{
    yaml_write_indent(w->b, w->indent);
    buf_put_str(w->b, STR("scrape_protocols:\n"));
    for (size_t i = 0; i < s->protocols_n; i++) {
        yaml_write_indent(w->b, w->indent);
        buf_printf(w->b, "- %s\n", promfile_reader_protocol_name(s->protocols[i]));
    }
    if (s->fallback != PROMFILE_PROTOCOL_NONE)
        put_word(w, "fallback_scrape_protocol", str_c(promfile_reader_protocol_name(s->fallback)));
}

static void put_limits(struct writer *w, const struct promfile_scrape *s)
{
    put_size(w, "body_size_limit", s->body_size_limit);
    put_count(w, "sample_limit", s->sample_limit);
    put_count(w, "target_limit", s->target_limit);
    put_count(w, "label_limit", s->label_limit);
    put_count(w, "label_name_length_limit", s->label_name_length_limit);
    put_count(w, "label_value_length_limit", s->label_value_length_limit);
    put_count(w, "native_histogram_bucket_limit", s->native_bucket_limit);
    if (s->native_min_bucket_factor != 0) {
        put_key(w, "native_histogram_min_bucket_factor");
        number_put(w->b, s->native_min_bucket_factor);
        buf_put_c(w->b, '\n');
    }
    put_count(w, "keep_dropped_targets", s->keep_dropped_targets);
}

static void put_names(struct writer *w, const struct promfile_scrape *s)
{
    static const char *const ESCAPING[] = {[PROMFILE_ALLOW_UTF8] = "allow-utf-8",
                                           [PROMFILE_UNDERSCORES] = "underscores",
                                           [PROMFILE_DOTS] = "dots",
                                           [PROMFILE_VALUES] = "values"};
    put_word(w, "metric_name_validation_scheme", s->legacy_names ? STR("legacy") : STR("utf8"));
    put_word(w, "metric_name_escaping_scheme", str_c(ESCAPING[s->escaping]));
}

/* The keys of the file that somebody else than the scrape config's own table reads. */
static void put_rest(struct writer *w, const struct yaml_node *map)
{
    for (size_t i = 0; i < map->n; i++) {
        struct str key = map->members[i].key->text;
        bool rules =
            str_eq(key, STR("relabel_configs")) || str_eq(key, STR("metric_relabel_configs"));
        if (!rules && !promfile_reader_target_key(key))
            continue;
        yaml_write_indent(w->b, w->indent);
        put_member(w->b, &map->members[i], w->indent);
    }
}

static void put_scrape(struct writer *w, const struct promfile_scrape *s,
                       const struct yaml_node *map)
{
    put_word(w, "job_name", s->job);
    if (s->honor_labels)
        put_bool(w, "honor_labels", true);
    put_bool(w, "honor_timestamps", s->honor_timestamps);
    put_bool(w, "track_timestamps_staleness", s->track_timestamps_staleness);
    put_params(w, s);
    put_time(w, "scrape_interval", s->interval_ms);
    put_time(w, "scrape_timeout", s->timeout_ms);
    put_protocols(w, s);
    put_bool(w, "scrape_native_histograms", s->native_histograms);
    put_bool(w, "always_scrape_classic_histograms", s->always_classic_histograms);
    put_bool(w, "convert_classic_histograms_to_nhcb", s->convert_to_nhcb);
    put_word(w, "metrics_path", s->metrics_path);
    put_word(w, "scheme", s->scheme);
    put_bool(w, "enable_compression", s->enable_compression);
    put_limits(w, s);
    put_names(w, s);
    put_bool(w, "extra_scrape_metrics", s->extra_metrics);
    if (yaml_is_null(yaml_get(map, "follow_redirects")))
        put_bool(w, "follow_redirects", s->http.follow_redirects);
    if (yaml_is_null(yaml_get(map, "enable_http2")))
        put_bool(w, "enable_http2", s->http.enable_http2);
    put_rest(w, map);
}

struct str promfile_yaml_scrape(struct promfile_reader *r, const struct promfile_scrape *s,
                                const struct yaml_node *map)
{
    struct buf b;
    buf_init(&b, PROMFILE_YAML_MAX);
    struct writer w = {&b, 0};
    put_scrape(&w, s, map);
    struct str text = arena_str(r->a, buf_str(&b));
    buf_done(&b);
    return text;
}

static void put_global(struct writer *w, const struct promfile_reader *r,
                       const struct yaml_node *global)
{
    static const char *const TIMES[] = {"scrape_interval", "scrape_timeout", "evaluation_interval",
                                        "rule_query_offset"};
    const struct promfile_global *g = &r->global;
    put_time(w, TIMES[0], g->scrape_interval_ms);
    put_time(w, TIMES[1], g->scrape_timeout_ms);
    put_time(w, TIMES[2], g->evaluation_interval_ms);
    if (g->query_offset_ms)
        put_time(w, TIMES[3], g->query_offset_ms);
    for (size_t i = 0; !yaml_is_null(global) && i < global->n; i++) {
        bool known = false;
        for (size_t k = 0; k < COUNTOF(TIMES); k++)
            known = known || str_eq(global->members[i].key->text, str_c(TIMES[k]));
        if (known)
            continue;
        yaml_write_indent(w->b, w->indent);
        put_member(w->b, &global->members[i], w->indent);
    }
}

struct str promfile_yaml(struct promfile_reader *r, const struct yaml_node *root)
{
    struct buf b;
    buf_init(&b, PROMFILE_YAML_MAX);
    struct writer w = {&b, INDENT};
    buf_put_str(&b, STR("global:\n"));
    put_global(&w, r, yaml_get(root, "global"));
    size_t own = 0; /* scrape configs of this file come before those of others */
    for (size_t i = 0; root && i < root->n; i++) {
        struct str key = root->members[i].key->text;
        const struct yaml_node *value = root->members[i].value;
        if (str_eq(key, STR("global")))
            continue;
        if (!str_eq(key, STR("scrape_configs")) || yaml_is_null(value)) {
            put_member(&b, &root->members[i], 0);
            continue;
        }
        buf_put_str(&b, STR("scrape_configs:\n"));
        for (; own < value->n && own < r->scrapes.n; own++) {
            buf_put_str(&b, STR("- "));
            size_t begin = b.n;
            put_scrape(&w, &r->scrapes.v[own], value->members[own].value);
            /* The first key stands behind the dash. */
            memmove(b.p + begin, b.p + begin + INDENT, b.n - begin - INDENT);
            b.n -= INDENT;
        }
    }
    struct str text = arena_str(r->a, buf_str(&b));
    buf_done(&b);
    return text;
}
