#include "codec/exposition.h"

#include <strings.h>

#include "base/bits.h"
#include "base/hash.h"

enum {
    GROUP_BREAK = 192, /* rows after which a batch ends with the group of its last row, so that a
                        * _created line finds up to 64 rows of its group */
};

bool exposition_format_of(struct str content_type, enum exposition_format *ret)
{
    struct str type = str_trim(str_sub(content_type, 0, str_find(content_type, ';')));
    if (type.n == 28 && strncasecmp(type.p, "application/openmetrics-text", 28) == 0)
        *ret = EXPOSITION_OPENMETRICS;
    else if (type.n == 10 && strncasecmp(type.p, "text/plain", 10) == 0)
        *ret = EXPOSITION_TEXT;
    else
        return false;
    return true;
}

void exposition_init(struct exposition_reader *r)
{
    memset(r, 0, sizeof *r);
    arena_init(&r->arena);
    arena_init(&r->families);
}

void exposition_done(struct exposition_reader *r)
{
    arena_done(&r->arena);
    arena_done(&r->families);
}

void exposition_begin(struct exposition_reader *r, struct str text, enum exposition_format format,
                      int64_t now_ms)
{
    r->rest = text;
    r->format = format;
    r->now_ms = now_ms;
    r->line_n = 0;
    r->ended = r->told = r->has_metadata = false;
    r->family = r->help = r->unit = (struct str){0};
    r->type = METRIC_UNKNOWN;
    arena_reset(&r->families);
}

static void bad_line(struct exposition_reader *r, struct sides *s, struct str series,
                     const char *reason)
{
    s->bad[s->bad_n++] = (struct sides_bad){
        .at = r->line_n,
        .series = series,
        .reason = arena_printf(&r->arena, "line %zu: %s", r->line_n, reason),
        .samples = 1,
    };
}

/* Tells of the family's metadata, once it is complete. */
static void tell_metadata(struct exposition_reader *r, struct sides *s)
{
    if (!r->has_metadata)
        return;
    r->has_metadata = false;
    s->metadata[s->metadata_n++] = (struct metadata){
        .metric = arena_str(&r->arena, r->family),
        .type = r->type,
        .help = arena_str(&r->arena, r->help),
        .unit = arena_str(&r->arena, r->unit),
    };
}

static void on_metadata(struct exposition_reader *r, struct sides *s)
{
    const struct exposition_line *l = &r->line;
    if (!str_eq(l->name, r->family)) {
        tell_metadata(r, s);
        arena_reset(&r->families);
        r->family = arena_str(&r->families, l->name);
        r->type = METRIC_UNKNOWN;
        r->help = r->unit = (struct str){0};
    }
    if (l->type == EXPOSITION_LINE_TYPE &&
        !exposition_line_family_type(l->text, r->format, &r->type)) {
        bad_line(r, s, arena_str(&r->arena, l->name), "unknown metric type");
        return;
    }
    if (l->type == EXPOSITION_LINE_HELP)
        r->help = arena_str(&r->families, l->text);
    if (l->type == EXPOSITION_LINE_UNIT)
        r->unit = arena_str(&r->families, l->text);
    r->has_metadata = true;
}

/* Does name belong to the present family, with one of the suffixes of its type? */
static bool of_family(const struct exposition_reader *r, struct str name, struct str *ret_suffix)
{
    if (r->family.n == 0 || !str_starts(name, r->family))
        return false;
    *ret_suffix = str_sub(name, r->family.n, name.n);
    return ret_suffix->n == 0 || ret_suffix->p[0] == '_';
}

static char *put_label(char *to, struct str name, struct str value)
{
    uint8_t *p = (uint8_t *)to;
    *p++ = 0x0a;
    p = varint_put(p, 2 + varint_len(name.n) + name.n + varint_len(value.n) + value.n);
    *p++ = 0x0a;
    p = varint_put(p, name.n);
    memcpy(p, name.p, name.n);
    p += name.n;
    *p++ = 0x12;
    p = varint_put(p, value.n);
    if (value.n)
        memcpy(p, value.p, value.n);
    return (char *)p + value.n;
}

/* The key of the present line, and the hash of what it shares with its family's other lines. */
static struct str line_key(struct exposition_reader *r, uint64_t *ret_group)
{
    struct exposition_line *l = &r->line;
    struct str suffix;
    bool own = of_family(r, l->name, &suffix);
    struct str bound = {0};
    if (own && (r->type == METRIC_HISTOGRAM || r->type == METRIC_GAUGEHISTOGRAM))
        bound = STR("le");
    else if (own && r->type == METRIC_SUMMARY)
        bound = STR("quantile");

    uint64_t group = own ? hash_xxh3(r->family.p, r->family.n, 1) : 0;
    size_t size = l->name.n + 64;
    for (size_t i = 0; i < l->labels_n; i++) {
        if (bound.n && str_eq(l->labels[i].name, bound))
            l->labels[i].value = exposition_line_bound(l->labels[i].value, &r->arena);
        else
            group += hash_xxh3(l->labels[i].name.p, l->labels[i].name.n, 2) *
                     (hash_xxh3(l->labels[i].value.p, l->labels[i].value.n, 3) | 1);
        size += l->labels[i].name.n + l->labels[i].value.n + 32;
    }
    char *key = arena_new(&r->arena, size), *to = put_label(key, LABEL_METRIC, l->name);
    for (size_t i = 0; i < l->labels_n; i++)
        to = put_label(to, l->labels[i].name, l->labels[i].value);
    *ret_group = group;
    return str_of(key, (size_t)(to - key));
}

/* A _created line: true where rows of the same group took it. */
static bool set_start(struct exposition_reader *r, struct batch *b, uint64_t group)
{
    struct str suffix;
    bool found = false;
    if (r->format != EXPOSITION_OPENMETRICS || !of_family(r, r->line.name, &suffix) ||
        !str_eq(suffix, STR("_created")) ||
        (r->type != METRIC_COUNTER && r->type != METRIC_HISTOGRAM && r->type != METRIC_SUMMARY))
        return false;
    for (size_t i = b->n; i > 0 && r->groups[i - 1] == group; i--) {
        b->start_ms[i - 1] = (int64_t)(r->line.value * 1000);
        found = true;
    }
    return found;
}

static void on_exemplar(struct exposition_reader *r, struct str key, int64_t ts_ms, struct sides *s)
{
    struct exposition_line *l = &r->line;
    struct buf labels;
    struct why why;
    buf_init(&labels, LABELS_KEY_MAX);
    if (labels_encode_bare(l->exemplar_labels, l->exemplar_labels_n, &labels, &why)) {
        bad_line(r, s, (struct str){0}, why.text);
        s->bad[s->bad_n - 1].samples = 0; /* the sample itself is fine */
    } else {
        s->exemplars[s->exemplars_n++] = (struct exemplar){
            .key = key,
            .labels = arena_str(&r->arena, buf_str(&labels)),
            .ts_ms = l->exemplar_has_time ? (int64_t)(l->exemplar_time_s * 1000) : ts_ms,
            .value = l->exemplar_value,
        };
    }
    buf_done(&labels);
}

static void on_sample(struct exposition_reader *r, struct batch *b, struct sides *s)
{
    struct exposition_line *l = &r->line;
    uint64_t group;
    struct str key = line_key(r, &group);
    if (set_start(r, b, group))
        return;
    size_t i = b->n++;
    b->key[i] = key;
    b->ts_ms[i] = l->has_time ? l->time_ms : r->now_ms;
    b->value[i] = l->value;
    b->histogram[i] = NULL;
    b->start_ms[i] = 0;
    r->lines[i] = r->line_n;
    r->groups[i] = group;
    if (l->has_exemplar)
        on_exemplar(r, key, b->ts_ms[i], s);
}

static void on_line(struct exposition_reader *r, struct str text, struct batch *b, struct sides *s)
{
    const char *bad = exposition_line_read(text, r->format, false, &r->arena, &r->line);
    if (bad) {
        bad_line(r, s, arena_str(&r->arena, str_sub(r->line.name, 0, LABEL_NAME_MAX)), bad);
        return;
    }
    switch (r->line.type) {
    case EXPOSITION_LINE_NOTHING:
        break;
    case EXPOSITION_LINE_SAMPLE:
        tell_metadata(r, s);
        on_sample(r, b, s);
        break;
    case EXPOSITION_LINE_EOF:
        r->ended = true;
        break;
    default:
        on_metadata(r, s);
    }
}

/* May the batch end here, with no group cut in two? */
static bool group_ends(const struct exposition_reader *r, const struct batch *b)
{
    return b->n > GROUP_BREAK && r->groups[b->n - 1] != r->groups[b->n - 2];
}

int exposition_next(struct exposition_reader *r, struct batch *b, struct sides *s)
{
    struct str line;
    b->n = 0;
    sides_clear(s);
    arena_reset(&r->arena);
    /* A line adds at most one row, one exemplar, one metadata and two bad ones. */
    while (b->n < BATCH_MAX && !sides_full(s) && s->bad_n < SIDES_MAX - 2 && !group_ends(r, b)) {
        if (r->rest.n == 0)
            break;
        if (r->ended) {
            r->line_n++;
            bad_line(r, s, (struct str){0}, "something stands behind \"# EOF\"");
            r->rest.n = 0;
            break;
        }
        size_t n = str_find(r->rest, '\n');
        line = str_sub(r->rest, 0, n);
        r->rest = str_sub(r->rest, n + 1, r->rest.n);
        r->line_n++;
        on_line(r, line, b, s);
    }
    if (r->rest.n == 0 && !r->told && !sides_full(s)) {
        r->told = true;
        tell_metadata(r, s);
        if (r->format == EXPOSITION_OPENMETRICS && !r->ended && !sides_full(s))
            bad_line(r, s, (struct str){0}, "\"# EOF\" is missing: the end may have been cut off");
    }
    return b->n || !sides_empty(s);
}
