#include <math.h>

#include "base/buf.h"
#include "base/map.h"
#include "codec/exposition.h"
#include "text/number.h"

enum {
    EXEMPLAR_MAX = 128, /* characters of an exemplar's labels together */
    SEEN_HELP = 1,
    SEEN_TYPE = 2,
    SEEN_UNIT = 4,
    SEEN_SAMPLE = 8,
};

/* What the buckets of one histogram at one time must fit to. */
struct buckets {
    bool open, any, negative, has_sum, has_gsum, negative_gsum, has_count;
    double bound, value, count;
};

struct check {
    struct exposition_line line;
    struct arena arena;
    struct map names;  /* OpenMetrics: names taken; text: family -> seen and type */
    struct map groups; /* of the present family */
    struct buf group;  /* the labels of the present group */
    struct str family; /* arena */
    struct str unit;
    unsigned seen;
    enum metric_type type;
    bool has_group, group_has_time, ended;
    double group_time;
    struct buckets buckets;
};

/* ---- text format */

static struct str without(struct str name, struct str suffix)
{
    return str_ends(name, suffix) ? str_sub(name, 0, name.n - suffix.n) : (struct str){0};
}

static uint64_t text_family(const struct check *c, struct str name, struct str *ret_suffix)
{
    static const struct str SUFFIXES[] = {{"", 0}, {"_bucket", 7}, {"_count", 6}, {"_sum", 4}};
    for (size_t i = 0; i < COUNTOF(SUFFIXES); i++) {
        const union map_value *v = map_get(&c->names, without(name, SUFFIXES[i]));
        enum metric_type type = v ? (enum metric_type)(v->u >> 8) : METRIC_UNKNOWN;
        *ret_suffix = SUFFIXES[i];
        if (v && (i == 0 || type == METRIC_HISTOGRAM || type == METRIC_GAUGEHISTOGRAM ||
                  (type == METRIC_SUMMARY && i > 1)))
            return v->u;
    }
    *ret_suffix = STR("");
    return 0;
}

static const char *text_bound(const struct check *c, struct str name)
{
    double v;
    for (size_t i = 0; i < c->line.labels_n; i++)
        if (str_eq(c->line.labels[i].name, name) &&
            !exposition_line_number(c->line.labels[i].value, &v))
            return "expected a number as bound ('le' or 'quantile')";
    return NULL;
}

static const char *text_sample(struct check *c)
{
    struct str suffix;
    enum metric_type type = (enum metric_type)(text_family(c, c->line.name, &suffix) >> 8);
    map_put(&c->names, str_sub(c->line.name, 0, c->line.name.n - suffix.n), NULL)->u |= SEEN_SAMPLE;
    if (type == METRIC_SUMMARY && suffix.n == 0)
        return text_bound(c, STR("quantile"));
    if (str_eq(suffix, STR("_bucket")))
        return c->line.value < 0 ? "a negative count" : text_bound(c, STR("le"));
    if (str_eq(suffix, STR("_count")) && c->line.value < 0)
        return "a negative count";
    return NULL;
}

static const char *text_metadata(struct check *c, unsigned kind)
{
    enum metric_type type = METRIC_UNKNOWN;
    uint64_t *seen = &map_put(&c->names, c->line.name, NULL)->u;
    if (*seen & kind)
        return "a second HELP or TYPE line for the metric";
    if (kind == SEEN_TYPE && *seen & SEEN_SAMPLE)
        return "TYPE is told after samples";
    if (kind == SEEN_TYPE && (!exposition_line_family_type(c->line.text, EXPOSITION_TEXT, &type) ||
                              type > METRIC_SUMMARY || str_eq(c->line.text, STR("unknown"))))
        return "unknown metric type";
    *seen |= kind;
    if (kind == SEEN_TYPE)
        *seen |= (uint64_t)type << 8;
    return NULL;
}

static const char *text_line(struct check *c)
{
    switch (c->line.type) {
    case EXPOSITION_LINE_SAMPLE:
        return text_sample(c);
    case EXPOSITION_LINE_HELP:
        return text_metadata(c, SEEN_HELP);
    case EXPOSITION_LINE_TYPE:
        return text_metadata(c, SEEN_TYPE);
    default:
        return NULL;
    }
}

/* ---- OpenMetrics */

/* The suffixes of a type's samples. */
static const char *const *suffixes(enum metric_type type)
{
    static const char *const NONE[] = {"", NULL};
    static const char *const COUNTER[] = {"_total", "_created", NULL};
    static const char *const SUMMARY[] = {"", "_count", "_sum", "_created", NULL};
    static const char *const HISTOGRAM[] = {"_bucket", "_count", "_sum", "_created", NULL};
    static const char *const GAUGEHISTOGRAM[] = {"_bucket", "_gcount", "_gsum", NULL};
    static const char *const INFO[] = {"_info", NULL};
    switch (type) {
    case METRIC_COUNTER:
        return COUNTER;
    case METRIC_SUMMARY:
        return SUMMARY;
    case METRIC_HISTOGRAM:
        return HISTOGRAM;
    case METRIC_GAUGEHISTOGRAM:
        return GAUGEHISTOGRAM;
    case METRIC_INFO:
        return INFO;
    default:
        return NONE;
    }
}

static const char *buckets_end(struct buckets *b)
{
    if (!b->open)
        return NULL;
    b->open = false;
    if (!b->any || b->bound != INFINITY)
        return "a histogram without a +Inf bucket";
    if (b->has_count && b->count != b->value)
        return "a histogram's count is not that of its +Inf bucket";
    if ((b->has_sum || b->has_gsum) && !b->has_count)
        return "a histogram with a sum needs a count";
    if (b->has_count && !b->has_sum && !b->has_gsum)
        return "a histogram with a count needs a sum";
    if (b->negative && b->has_sum)
        return "a histogram with negative buckets has no sum";
    if (!b->negative && b->negative_gsum)
        return "a negative sum without negative buckets";
    return NULL;
}

static const char *take_name(struct check *c, struct str family, const char *suffix)
{
    bool is_new;
    struct str name = arena_printf(&c->arena, STR_FMT "%s", STR_ARG(family), suffix);
    map_put(&c->names, name, &is_new);
    return is_new ? NULL : "the name clashes with another metric's";
}

/* The present family is complete. */
static const char *family_end(struct check *c)
{
    const char *bad = NULL;
    if (c->family.n == 0)
        return NULL;
    bad = take_name(c, c->family, "");
    for (const char *const *s = suffixes(c->type); *s && !bad; s++)
        if (**s)
            bad = take_name(c, c->family, *s);
    if (!bad && c->unit.n) {
        struct str stem = without(c->family, c->unit);
        if (stem.n < 2 || stem.p[stem.n - 1] != '_')
            bad = "the unit is not the end of the metric's name";
        else if (c->type == METRIC_INFO || c->type == METRIC_STATESET)
            bad = "an info or stateset has no unit";
    }
    if (!bad)
        bad = buckets_end(&c->buckets);
    return bad;
}

static const char *family_begin(struct check *c, struct str name)
{
    const char *bad = family_end(c);
    c->family = arena_str(&c->arena, name);
    c->unit = (struct str){0};
    c->seen = 0;
    c->type = METRIC_UNKNOWN;
    c->has_group = false;
    c->buckets = (struct buckets){0};
    map_done(&c->groups);
    map_init(&c->groups, 0);
    return bad;
}

static const char *om_metadata(struct check *c)
{
    struct exposition_line *l = &c->line;
    unsigned kind = l->type == EXPOSITION_LINE_HELP   ? SEEN_HELP
                    : l->type == EXPOSITION_LINE_TYPE ? SEEN_TYPE
                                                      : SEEN_UNIT;
    const char *bad = str_eq(l->name, c->family) ? NULL : family_begin(c, l->name);
    if (bad)
        return bad;
    if (c->seen & kind)
        return "a second line of that kind for the metric";
    if (c->seen & SEEN_SAMPLE)
        return "metadata after samples";
    c->seen |= kind;
    if (kind == SEEN_TYPE &&
        !exposition_line_family_type(l->text, EXPOSITION_OPENMETRICS, &c->type))
        return "unknown metric type";
    if (kind == SEEN_UNIT)
        c->unit = arena_str(&c->arena, l->text);
    return NULL;
}

static struct str label_of(const struct exposition_line *l, struct str name)
{
    for (size_t i = 0; i < l->labels_n; i++)
        if (str_eq(l->labels[i].name, name))
            return l->labels[i].value;
    return (struct str){0};
}

/* Labels that must be there, values that must fit the sample's kind. */
static const char *om_values(const struct check *c, struct str suffix)
{
    const struct exposition_line *l = &c->line;
    bool bucket = str_eq(suffix, STR("_bucket"));
    bool count = str_eq(suffix, STR("_count")) || str_eq(suffix, STR("_gcount"));
    bool sum = str_eq(suffix, STR("_sum")), gsum = str_eq(suffix, STR("_gsum"));
    bool total = str_eq(suffix, STR("_total"));
    double bound = 0;
    if (bucket) {
        struct str le = label_of(l, STR("le"));
        if (!exposition_line_number(le, &bound) || isnan(bound) ||
            (isinf(bound) && bound > 0 && !str_eq(le, STR("+Inf"))))
            return "a bucket needs a label le with its bound";
    }
    if ((bucket || count) && l->value != floor(l->value))
        return "a count is a whole number";
    if ((bucket || count || sum || gsum || total) && isnan(l->value))
        return "a count or sum is not NaN";
    if ((bucket || count || sum || total) && l->value < 0)
        return "a count or sum is not negative";
    if (c->type == METRIC_SUMMARY && suffix.n == 0) {
        struct str quantile = label_of(l, STR("quantile"));
        if (!exposition_line_number(quantile, &bound) || !(bound >= 0 && bound <= 1))
            return "a quantile needs a label quantile between 0 and 1";
        if (l->value < 0)
            return "a quantile's value is not negative";
    }
    if (c->type == METRIC_STATESET) {
        if (!label_of(l, c->family).p)
            return "a state needs a label with the metric's name";
        if (l->value != 0 && l->value != 1)
            return "a state is 0 or 1";
    }
    return c->type == METRIC_INFO && l->value != 1 ? "an info is 1" : NULL;
}

static const char *om_exemplar(const struct check *c, struct str suffix)
{
    const struct exposition_line *l = &c->line;
    size_t characters = 0;
    if (!l->has_exemplar)
        return NULL;
    bool histogram = c->type == METRIC_HISTOGRAM || c->type == METRIC_GAUGEHISTOGRAM;
    if (!(histogram && str_eq(suffix, STR("_bucket"))) &&
        !(c->type == METRIC_COUNTER && str_eq(suffix, STR("_total"))))
        return "an exemplar only goes with a bucket or a counter's total";
    for (size_t i = 0; i < l->exemplar_labels_n; i++) {
        struct str both[] = {l->exemplar_labels[i].name, l->exemplar_labels[i].value};
        for (size_t k = 0; k < 2; k++)
            for (size_t at = 0; at < both[k].n; at++)
                characters += (both[k].p[at] & 0xc0) != 0x80;
    }
    return characters > EXEMPLAR_MAX ? "an exemplar's labels have more than 128 characters" : NULL;
}

/* The labels that all samples of one point share, as bytes in c->group. */
static void group_of(struct check *c, struct str suffix)
{
    struct label labels[LABELS_MAX];
    size_t n = 0;
    struct str left_out = {0};
    if (c->type == METRIC_SUMMARY && suffix.n == 0)
        left_out = STR("quantile");
    else if (c->type == METRIC_STATESET)
        left_out = c->family;
    else if (str_eq(suffix, STR("_bucket")))
        left_out = STR("le");
    buf_clear(&c->group);
    if (c->type == METRIC_INFO)
        return; /* the points of an info cannot be told apart */
    for (size_t i = 0; i < c->line.labels_n; i++)
        if (!left_out.n || !str_eq(c->line.labels[i].name, left_out))
            labels[n++] = c->line.labels[i];
    labels_sort(labels, n);
    for (size_t i = 0; i < n; i++)
        labels_put(&c->group, labels[i].name, labels[i].value);
}

/* Groups follow each other whole, times in them never go back. */
static const char *om_group(struct check *c, const struct str last, bool *ret_same)
{
    const struct exposition_line *l = &c->line;
    struct str now = buf_str(&c->group);
    bool is_new, same = c->has_group && str_eq(now, last);
    map_put(&c->groups, now, &is_new);
    *ret_same =
        same && l->has_time == c->group_has_time && (!l->has_time || l->time_s == c->group_time);
    if (!same && !is_new)
        return "the samples of a point do not stand together";
    if (same && l->has_time != c->group_has_time)
        return "some samples of a point have a timestamp, some do not";
    if (same && l->has_time && l->time_s < c->group_time && c->type != METRIC_INFO)
        return "the timestamps of a point go backwards";
    c->has_group = true;
    c->group_has_time = l->has_time;
    c->group_time = l->time_s;
    return NULL;
}

static const char *om_buckets(struct check *c, struct str suffix, bool same)
{
    struct buckets *b = &c->buckets;
    const struct exposition_line *l = &c->line;
    double bound = 0;
    if (c->type != METRIC_HISTOGRAM && c->type != METRIC_GAUGEHISTOGRAM)
        return NULL;
    if (!same) {
        const char *bad = buckets_end(b);
        if (bad)
            return bad;
        *b = (struct buckets){.open = true};
    }
    if (str_eq(suffix, STR("_bucket"))) {
        if (!exposition_line_number(label_of(l, STR("le")), &bound))
            return "a bucket needs a label le with its bound";
        b->negative |= bound < 0;
        if (b->any && (bound <= b->bound || l->value < b->value))
            return "buckets out of order";
        b->any = true;
        b->bound = bound;
        b->value = l->value;
    } else if (str_eq(suffix, STR("_count")) || str_eq(suffix, STR("_gcount"))) {
        b->has_count = true;
        b->count = l->value;
    } else if (str_eq(suffix, STR("_sum"))) {
        b->has_sum = true;
    } else if (str_eq(suffix, STR("_gsum"))) {
        b->has_gsum = true;
        b->negative_gsum = l->value < 0;
    }
    return NULL;
}

/* Is the sample one of the present family? Its suffix then. */
static bool om_belongs(const struct check *c, struct str *ret_suffix)
{
    if (c->family.n == 0 || !str_starts(c->line.name, c->family))
        return false;
    *ret_suffix = str_sub(c->line.name, c->family.n, c->line.name.n);
    for (const char *const *s = suffixes(c->type); *s; s++)
        if (str_eq(*ret_suffix, str_c(*s)))
            return true;
    return false;
}

static const char *om_sample(struct check *c)
{
    struct str suffix = STR("");
    const char *bad = NULL;
    bool same;
    if (!om_belongs(c, &suffix)) {
        suffix = STR("");
        bad = family_begin(c, c->line.name);
    }
    if (bad)
        return bad;
    c->seen |= SEEN_SAMPLE;
    struct str last = arena_str(&c->arena, buf_str(&c->group));
    group_of(c, suffix);
    bad = om_values(c, suffix);
    if (!bad)
        bad = om_exemplar(c, suffix);
    if (!bad)
        bad = om_group(c, last, &same);
    if (!bad)
        bad = om_buckets(c, suffix, same);
    return bad;
}

static const char *om_line(struct check *c)
{
    if (c->ended)
        return "something stands behind \"# EOF\"";
    switch (c->line.type) {
    case EXPOSITION_LINE_SAMPLE:
        return om_sample(c);
    case EXPOSITION_LINE_EOF:
        c->ended = true;
        return family_end(c);
    default:
        return om_metadata(c);
    }
}

/* ---- both */

static int check_all(struct check *c, struct str text, enum exposition_format format,
                     struct why *why)
{
    size_t line_n = 0;
    for (struct str rest = text; rest.n > 0; line_n++) {
        size_t n = str_find(rest, '\n');
        struct str line = str_sub(rest, 0, n);
        rest = str_sub(rest, n + 1, rest.n);
        const char *bad = exposition_line_read(line, format, true, &c->arena, &c->line);
        if (!bad)
            bad = format == EXPOSITION_TEXT ? text_line(c) : om_line(c);
        if (bad)
            return why_set(why, ERR_FORMAT, "line %zu: %s", line_n + 1, bad);
    }
    if (format == EXPOSITION_OPENMETRICS && !c->ended)
        return why_set(why, ERR_FORMAT, "line %zu: \"# EOF\" is missing", line_n + 1);
    return 0;
}

int exposition_check(struct str text, enum exposition_format format, struct why *why)
{
    struct arena home;
    arena_init(&home);
    struct check *c = arena_new(&home, sizeof *c);
    arena_init(&c->arena);
    map_init(&c->names, 0);
    map_init(&c->groups, 0);
    buf_init(&c->group, LABELS_KEY_MAX);
    int err = check_all(c, text, format, why);
    buf_done(&c->group);
    map_done(&c->names);
    map_done(&c->groups);
    arena_done(&c->arena);
    arena_done(&home);
    return err;
}
