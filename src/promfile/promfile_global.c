#include <stdlib.h>

#include "model/labels.h"
#include "promfile/promfile_reader.h"
#include "text/quote.h"

#define AT(member) offsetof(struct promfile_global, member)

enum {
    MINUTE_MS = 60000,
    TIMEOUT_MS = 10000,
    EXPANDED_MAX = LABEL_VALUE_MAX, /* bytes of a label's value */
    QUOTED_MAX = 1024,
};

static const struct yaml_struct_field FIELDS[] = {
    {"scrape_interval", YAML_STRUCT_DURATION, AT(scrape_interval_ms)},
    {"scrape_timeout", YAML_STRUCT_DURATION, AT(scrape_timeout_ms)},
    {"scrape_protocols", YAML_STRUCT_TEXTS, AT(protocols)},
    {"evaluation_interval", YAML_STRUCT_DURATION, AT(evaluation_interval_ms)},
    {"rule_query_offset", YAML_STRUCT_DURATION, AT(query_offset_ms)},
    {"query_log_file", YAML_STRUCT_TEXT, AT(query_log_file)},
    {"scrape_failure_log_file", YAML_STRUCT_TEXT, AT(scrape_failure_log_file)},
    {"external_labels", YAML_STRUCT_PAIRS, AT(external_labels)},
    {"body_size_limit", YAML_STRUCT_SIZE, AT(body_size_limit)},
    {"sample_limit", YAML_STRUCT_UINT, AT(sample_limit)},
    {"target_limit", YAML_STRUCT_UINT, AT(target_limit)},
    {"label_limit", YAML_STRUCT_UINT, AT(label_limit)},
    {"label_name_length_limit", YAML_STRUCT_UINT, AT(label_name_length_limit)},
    {"label_value_length_limit", YAML_STRUCT_UINT, AT(label_value_length_limit)},
    {"keep_dropped_targets", YAML_STRUCT_UINT, AT(keep_dropped_targets)},
    {"metric_name_validation_scheme", YAML_STRUCT_TEXT, AT(validation)},
    {"metric_name_escaping_scheme", YAML_STRUCT_TEXT, AT(escaping)},
    {"scrape_native_histograms", YAML_STRUCT_BOOL, AT(native_histograms)},
    {"convert_classic_histograms_to_nhcb", YAML_STRUCT_BOOL, AT(convert_to_nhcb)},
    {"always_scrape_classic_histograms", YAML_STRUCT_BOOL, AT(always_classic_histograms)},
    {"extra_scrape_metrics", YAML_STRUCT_BOOL, AT(extra_metrics)},
};

static const struct yaml_struct SHAPE = {"config.plain", FIELDS, COUNTOF(FIELDS), NULL};

/* ---- external labels */

static bool is_name(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_special(char c)
{
    return c && strchr("*#$@!?-0123456789", c);
}

/* The name behind a $ at s.p[*at], as Go's os.Expand finds it; *at moves behind it. A name that is
 * malformed is empty. */
static struct str variable_at(struct str s, size_t *at)
{
    size_t from = *at;
    if (s.p[from] == '{') {
        size_t end = from + 1 + str_find(str_sub(s, from + 1, s.n), '}');
        *at = end < s.n ? end + 1 : from + 1;
        return end < s.n ? str_sub(s, from + 1, end) : STR("");
    }
    if (is_special(s.p[from])) {
        *at = from + 1;
        return str_sub(s, from, from + 1);
    }
    while (*at < s.n && is_name(s.p[*at]))
        ++*at;
    return str_sub(s, from, *at);
}

/* $NAME and ${NAME} are variables of the environment, $$ is $. */
static struct str expand(struct promfile_reader *r, struct str s)
{
    struct buf out;
    buf_init(&out, EXPANDED_MAX);
    for (size_t i = 0; i < s.n;) {
        if (s.p[i] != '$' || i + 1 == s.n) {
            buf_put_c(&out, s.p[i++]);
            continue;
        }
        size_t before = ++i;
        struct str name = variable_at(s, &i);
        const char *value = name.n ? getenv(arena_str(r->a, name).p) : NULL;
        if (i == before)
            buf_put_c(&out, '$');
        else if (str_eq(name, STR("$")))
            buf_put_c(&out, '$');
        else
            buf_put_str(&out, str_c(value));
    }
    struct str text = arena_str(r->a, buf_str(&out));
    buf_done(&out);
    return text;
}

static void tell_invalid(struct promfile_reader *r, const struct yaml_node *node, struct str text,
                         const char *what)
{
    struct buf quoted;
    buf_init(&quoted, QUOTED_MAX);
    quote_put(&quoted, text);
    promfile_reader_fault(r, node->place, STR_FMT " is not a valid label %s",
                          STR_ARG(buf_str(&quoted)), what);
    buf_done(&quoted);
}

static void read_labels(struct promfile_reader *r, const struct yaml_node *map, bool legacy)
{
    const struct yaml_struct_pairs *pairs = &r->global.external_labels;
    struct label *labels = arena_array(r->a, pairs->n + 1, sizeof *labels);
    struct buf key;
    struct why why = {0};
    for (size_t i = 0; i < pairs->n; i++) {
        const struct yaml_member *m = &map->members[i];
        struct str name = pairs->v[i].name, value = pairs->v[i].value;
        if (name.n == 0 || !(legacy ? label_name_plain(name) : str_utf8(name)))
            tell_invalid(r, m->key, name, "name");
        if (!str_utf8(value))
            tell_invalid(r, m->value, value, "value");
        labels[i] = (struct label){name, expand(r, value)};
    }
    buf_init(&key, LABELS_KEY_MAX);
    if (labels_encode_bare(labels, pairs->n, &key, &why) != 0 && r->problems_n == 0)
        promfile_reader_fault(r, map->place, "external_labels: %s", why.text);
    r->whole->p.external_labels = arena_str(r->a, buf_str(&key));
    buf_done(&key);
}

/* ---- all of it */

static void check_times(struct promfile_reader *r, const struct yaml_node *node)
{
    struct promfile_global *g = &r->global;
    if (g->scrape_interval_ms == 0)
        g->scrape_interval_ms = MINUTE_MS;
    if (g->scrape_timeout_ms > g->scrape_interval_ms)
        promfile_reader_fault(r, yaml_get(node, "scrape_timeout")->place,
                              "global scrape timeout greater than scrape interval");
    if (g->scrape_timeout_ms == 0)
        g->scrape_timeout_ms = MIN((int64_t)TIMEOUT_MS, g->scrape_interval_ms);
    if (g->evaluation_interval_ms == 0)
        g->evaluation_interval_ms = MINUTE_MS;
}

static void note_ignored(struct promfile_reader *r)
{
    const struct promfile_global *g = &r->global;
    if (g->query_log_file.n)
        promfile_reader_ignored(r, "global.query_log_file: queries are not logged to a file");
    if (g->scrape_failure_log_file.n)
        promfile_reader_ignored(r, "scrape_failure_log_file: failures of scrapes are told by "
                                   "/api/v1/targets, not by a file");
}

void promfile_global_read(struct promfile_reader *r, const struct yaml_node *node)
{
    struct promfile_global *g = &r->global;
    struct promfile_scrape unused;
    (void)promfile_reader_struct(r, node, &SHAPE, g); /* its faults are told */
    bool legacy = promfile_reader_legacy(r, node, g->validation);
    if (g->external_labels.n > 0)
        read_labels(r, yaml_get(node, "external_labels"), legacy);
    check_times(r, node);
    const struct yaml_node *protocols = yaml_get(node, "scrape_protocols");
    if (!yaml_is_null(protocols) && !promfile_reader_protocols(r, protocols->place, &g->protocols,
                                                               STR(" for global config"), &unused))
        g->protocols = (struct yaml_struct_texts){0};
    note_ignored(r);
    r->whole->p.scrape_interval_ms = g->scrape_interval_ms;
    r->whole->p.scrape_timeout_ms = g->scrape_timeout_ms;
    r->whole->p.evaluation_interval_ms = g->evaluation_interval_ms;
    r->whole->p.query_offset_ms = g->query_offset_ms;
}
