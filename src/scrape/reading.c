#include "scrape/reading.h"

#include <strings.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/vec.h"
#include "codec/exposition.h"
#include "model/histogram.h"
#include "scrape/native_limit.h"
#include "scrape/reading_inside.h"
#include "scrape/series_key.h"

struct reading *reading_new(void)
{
    struct reading *r = mem_new(sizeof *r);
    arena_init(&r->arena);
    metric_family_read_init(&r->families);
    return r;
}

void reading_free(struct reading *r)
{
    if (!r)
        return;
    vec_free(&r->rows);
    vec_free(&r->extras);
    vec_free(&r->exemplars);
    vec_free(&r->metadata);
    metric_family_read_done(&r->families);
    arena_done(&r->arena);
    mem_free(r);
}

/* ---- which format */

static const char *const PROTOCOLS[PROMFILE_PROTOCOLS_MAX] = {
    [PROMFILE_PROTOBUF] = "PrometheusProto",
    [PROMFILE_TEXT_0_0_4] = "PrometheusText0.0.4",
    [PROMFILE_TEXT_1_0_0] = "PrometheusText1.0.0",
    [PROMFILE_OPENMETRICS_0_0_1] = "OpenMetricsText0.0.1",
    [PROMFILE_OPENMETRICS_1_0_0] = "OpenMetricsText1.0.0",
};

static enum reading_format of_protocol(enum promfile_protocol p)
{
    if (p == PROMFILE_PROTOBUF)
        return READING_PROTOBUF;
    bool open = p == PROMFILE_OPENMETRICS_0_0_1 || p == PROMFILE_OPENMETRICS_1_0_0;
    return open ? READING_OPENMETRICS : READING_TEXT;
}

static bool media_is(struct str type, struct str want)
{
    return type.n == want.n && strncasecmp(type.p, want.p, want.n) == 0;
}

int reading_format_of(struct str content_type, enum promfile_protocol fallback,
                      enum reading_format *ret, struct why *why)
{
    enum exposition_format format;
    struct str type = str_trim(str_sub(content_type, 0, str_find(content_type, ';')));
    struct str shown = str_sub(content_type, 0, 100);
    if (exposition_format_of(content_type, &format)) {
        *ret = format == EXPOSITION_TEXT ? READING_TEXT : READING_OPENMETRICS;
        return 0;
    }
    if (media_is(type, STR("application/vnd.google.protobuf"))) {
        *ret = READING_PROTOBUF;
        return 0;
    }
    if (fallback != PROMFILE_PROTOCOL_NONE && PROTOCOLS[fallback]) {
        *ret = of_protocol(fallback);
        return 0;
    }
    if (content_type.n == 0)
        return why_set(why, ERR_FORMAT,
                       "non-compliant scrape target sending blank Content-Type and no "
                       "fallback_scrape_protocol specified for target");
    return why_set(why, ERR_FORMAT,
                   "received unsupported Content-Type \"" STR_FMT
                   "\" and no fallback_scrape_protocol specified for target",
                   STR_ARG(shown));
}

/* ---- rows */

struct reading_row *reading_row(struct reading *r, uint32_t line, double value)
{
    if (UNLIKELY(r->rows.n == r->rows.capacity))
        vec_reserve(&r->rows, r->rows.n + 1);
    struct reading_row *row = &r->rows.v[r->rows.n++];
    *row = (struct reading_row){.line = line, .value = value, .ts_ms = r->now_ms};
    return row;
}

struct reading_extra *reading_extra(struct reading *r, struct reading_row *row)
{
    if (!row->extra) {
        vec_push(&r->extras, (struct reading_extra){0});
        row->extra = (uint32_t)r->extras.n;
    }
    return &r->extras.v[row->extra - 1];
}

/* ---- lines that were not known */

static const struct str SUFFIXES[] = {
    [RECALL_BUCKET] = {"_bucket", 7},
    [RECALL_COUNT] = {"_count", 6},
    [RECALL_SUM] = {"_sum", 4},
};

/* Which part of a classic histogram that is to become a native one? RECALL_SAMPLE: none. */
static enum recall_kind part_of(const struct reading *r, struct str name)
{
    if (!r->config->convert_to_nhcb || r->type != METRIC_HISTOGRAM)
        return RECALL_SAMPLE;
    for (int kind = RECALL_BUCKET; kind <= RECALL_SUM; kind++)
        if (str_ends(name, SUFFIXES[kind]) && name.n > SUFFIXES[kind].n)
            return (enum recall_kind)kind;
    return RECALL_SAMPLE;
}

/* Hash of what the series of one histogram, summary or counter share. */
static uint32_t group_of(const struct reading *r, const struct label *labels, size_t n,
                         struct str bound)
{
    uint64_t hash = r->family;
    for (size_t i = 1; i < n; i++)
        if (!bound.n || !str_eq(labels[i].name, bound))
            hash += hash_xxh3(labels[i].name.p, labels[i].name.n, 2) *
                    (hash_xxh3(labels[i].value.p, labels[i].value.n, 3) | 1);
    return (uint32_t)(hash ^ hash >> 32);
}

/* The line of the native histogram that labels [n] of kind are a part of. */
static int learn_histogram(struct reading *r, const struct label *labels, size_t n,
                           enum recall_kind kind, uint32_t *ret, struct why *why)
{
    struct label whole[LABELS_MAX + 1];
    size_t kept = 0;
    struct str key;
    for (size_t i = 0; i < n; i++)
        if (!str_eq(labels[i].name, STR("le")))
            whole[kept++] = labels[i];
    whole[0].value = str_sub(whole[0].value, 0, whole[0].value.n - SUFFIXES[kind].n);
    int made = series_key_make(r->config, r->target, whole, kept, &r->arena, &key, why);
    if (made <= 0) {
        *ret = RECALL_NONE;
        return made;
    }
    *ret = recall_owner(r->recall, key);
    if (*ret == RECALL_NONE)
        *ret = recall_add(r->recall, (struct str){0}, RECALL_HISTOGRAM, 0, key, 0);
    return *ret == RECALL_NONE ? why_set(why, ERR_LIMIT,
                                         "the series of this target take too much "
                                         "memory")
                               : 0;
}

static struct str bound_label(enum metric_type type)
{
    if (type == METRIC_HISTOGRAM || type == METRIC_GAUGEHISTOGRAM)
        return STR("le");
    return type == METRIC_SUMMARY ? STR("quantile") : STR("");
}

static bool is_created(const struct reading *r, struct str name)
{
    return r->format == EXPOSITION_OPENMETRICS && str_ends(name, STR("_created")) &&
           (r->type == METRIC_COUNTER || r->type == METRIC_HISTOGRAM || r->type == METRIC_SUMMARY);
}

int reading_learn(struct reading *r, struct str text, struct label *labels, size_t n, uint32_t *ret,
                  struct why *why)
{
    struct str bound_name = bound_label(r->type), key = {0};
    double bound = 0;
    bool bounded = false;
    for (size_t i = 1; i < n && bound_name.n; i++) {
        if (!str_eq(labels[i].name, bound_name))
            continue;
        bounded = exposition_line_number(labels[i].value, &bound);
        labels[i].value = exposition_line_bound(labels[i].value, &r->arena);
    }
    r->misses++;
    int made = series_key_make(r->config, r->target, labels, n, &r->arena, &key, why);
    if (made < 0)
        return made;
    enum recall_kind kind = made ? RECALL_SAMPLE : RECALL_DROPPED,
                     part = part_of(r, labels[0].value);
    uint32_t group = group_of(r, labels, n, bound_name), whole = RECALL_NONE;
    if (made && is_created(r, labels[0].value))
        kind = RECALL_CREATED;
    if (part != RECALL_SAMPLE && (part != RECALL_BUCKET || bounded)) {
        int err = learn_histogram(r, labels, n, part, &whole, why);
        if (err < 0)
            return err;
    }
    if (whole != RECALL_NONE) {
        group = whole;
        kind = part;
    }
    uint32_t line =
        recall_add(r->recall, text, kind, (uint8_t)r->type, made ? key : STR(""), bound);
    if (line == RECALL_NONE)
        return why_set(why, ERR_LIMIT, "the series of this target take too much memory");
    struct recall_line *l = &r->recall->lines[line];
    l->group = group;
    l->hidden = whole != RECALL_NONE && (!made || !r->config->always_classic_histograms);
    *ret = line;
    return 0;
}

/* ---- families */

int reading_learn_comment(struct reading *r, struct str text, uint32_t *ret, struct why *why)
{
    const struct exposition_line *c = &r->comment;
    enum metric_type type = METRIC_UNKNOWN;
    enum recall_kind kind = c->type == EXPOSITION_LINE_HELP   ? RECALL_HELP
                            : c->type == EXPOSITION_LINE_UNIT ? RECALL_UNIT
                                                              : RECALL_TYPE;
    if (kind == RECALL_TYPE && !exposition_line_family_type(c->text, r->format, &type))
        return why_set(why, ERR_FORMAT, "invalid metric type \"" STR_FMT "\"",
                       STR_ARG(str_sub(c->text, 0, 100)));
    uint32_t line = recall_add(r->recall, text, kind, 0, STR(""), 0);
    if (line == RECALL_NONE)
        return why_set(why, ERR_LIMIT, "the series of this target take too much memory");
    struct recall_line *l = &r->recall->lines[line];
    l->group = (uint32_t)hash_xxh3(c->name.p, c->name.n, 1);
    l->key_at = (uint32_t)type;
    *ret = line;
    return 0;
}

/* What a comment line says; "" where line is none. */
static struct str text_of(struct reading *r, uint32_t line, struct str *ret_name)
{
    if (line == RECALL_NONE)
        return STR("");
    struct str text = recall_text(r->recall, &r->recall->lines[line]);
    text = str_sub(text, 0, str_find(text, '\n'));
    if (exposition_line_read(text, r->format, false, &r->arena, &r->comment))
        return STR(""); /* it was read when it was learnt */
    *ret_name = arena_str(&r->arena, r->comment.name);
    return arena_str(&r->arena, r->comment.text);
}

void reading_end_family(struct reading *r)
{
    if (!r->changed)
        return;
    bool typed = r->type_line != RECALL_NONE;
    struct metadata m = {.type = METRIC_UNKNOWN};
    if (typed)
        m.type = (enum metric_type)r->recall->lines[r->type_line].key_at;
    m.help = text_of(r, r->help, &m.metric);
    m.unit = text_of(r, r->unit, &m.metric);
    (void)text_of(r, r->type_line, &m.metric); /* only for its name */
    vec_push(&r->metadata, m);
    r->changed = false;
}

void reading_on_comment(struct reading *r, uint32_t line)
{
    struct recall_line *l = &r->recall->lines[line];
    if (l->group != r->family) {
        reading_end_family(r);
        r->family = l->group;
        r->type = METRIC_UNKNOWN;
        r->help = r->type_line = r->unit = RECALL_NONE;
    }
    r->changed |= l->seen == 0;
    recall_see(r->recall, l);
    if (l->kind == RECALL_TYPE) {
        r->type = (enum metric_type)l->key_at;
        r->type_line = line;
    } else if (l->kind == RECALL_HELP) {
        r->help = line;
    } else {
        r->unit = line;
    }
}

/* ---- a body */

static void clear(struct reading *r)
{
    r->rows.n = r->extras.n = r->exemplars.n = r->metadata.n = 0;
    r->samples = r->misses = r->line_n = 0;
    r->family = 0;
    r->type = METRIC_UNKNOWN;
    r->help = r->type_line = r->unit = RECALL_NONE;
    r->changed = r->ended = false;
    arena_reset(&r->arena);
}

/* sample_limit and those of native histograms. */
static int check_limits(struct reading *r, struct why *why)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->extras.n; i++) {
        if (!r->extras.v[i].histogram)
            continue;
        int err = native_limit(r->config, &r->arena, &r->extras.v[i].histogram, why);
        if (err)
            return err;
    }
    if (!r->config->sample_limit)
        return 0;
    for (size_t i = 0; i < r->rows.n; i++) {
        const struct recall_line *l = &r->recall->lines[r->rows.v[i].line];
        kept += l->kind != RECALL_DROPPED && !l->hidden;
    }
    return kept <= r->config->sample_limit ? 0 : why_set(why, ERR_LIMIT, "sample limit exceeded");
}

int reading_take(struct reading *r, struct str body, enum reading_format format, struct why *why)
{
    clear(r);
    r->format = format == READING_TEXT ? EXPOSITION_TEXT : EXPOSITION_OPENMETRICS;
    int err =
        format == READING_PROTOBUF ? reading_family(r, body, why) : reading_text(r, body, why);
    r->samples = r->rows.n;
    if (!err) {
        reading_end_family(r);
        if (r->config->convert_to_nhcb)
            reading_join(r);
        err = check_limits(r, why);
    }
    return err;
}
