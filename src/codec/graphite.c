#include "codec/graphite.h"

#include <math.h>

#include "model/labels.h"
#include "text/name_escape.h"
#include "text/number.h"

static const double TIME_MAX_S = 9e12; /* milliseconds of it fit int64_t */

void graphite_init(struct graphite_reader *r)
{
    memset(r, 0, sizeof *r);
    arena_init(&r->arena);
    buf_init(&r->name, 4 * (size_t)GRAPHITE_LINE_MAX);
    buf_init(&r->labels, LABELS_KEY_MAX);
    buf_init(&r->scratch, 4 * (size_t)GRAPHITE_LINE_MAX);
}

void graphite_done(struct graphite_reader *r)
{
    arena_done(&r->arena);
    buf_done(&r->name);
    buf_done(&r->labels);
    buf_done(&r->scratch);
}

void graphite_begin(struct graphite_reader *r, struct str text, const struct graphite_plan *plan)
{
    r->rest = text;
    r->plan = plan;
}

void graphite_forget(struct graphite_reader *r)
{
    arena_reset(&r->arena);
}

/* ---- templates */

static bool is_measurement(struct str part)
{
    return str_eq(part, STR("measurement")) || str_eq(part, STR("field"));
}

static bool is_measurement_rest(struct str part)
{
    return str_eq(part, STR("measurement*")) || str_eq(part, STR("field*"));
}

static int check_parts(struct str parts, struct why *why)
{
    struct str rest = parts, part;
    bool measured = false, ended = false;
    size_t n = 0;
    while (str_split(&rest, '.', &part)) {
        if (ended)
            return why_set(why, ERR_FORMAT, "nothing can follow measurement* in \"" STR_FMT "\"",
                           STR_ARG(parts));
        ended = is_measurement_rest(part);
        measured = measured || ended || is_measurement(part);
        if (!ended && str_find(part, '*') < part.n)
            return why_set(why, ERR_FORMAT, "\"" STR_FMT "\" is no part of a template",
                           STR_ARG(part));
        n++;
    }
    if (n > GRAPHITE_PARTS_MAX)
        return why_set(why, ERR_LIMIT, "a template has %d parts at most", GRAPHITE_PARTS_MAX);
    if (!measured)
        return why_set(why, ERR_FORMAT, "\"" STR_FMT "\" has no part measurement", STR_ARG(parts));
    return 0;
}

static int check_labels(struct str labels, struct why *why)
{
    struct str rest = labels, label;
    while (str_split(&rest, ',', &label)) {
        size_t equals = str_find(label, '=');
        if (equals == 0 || equals + 1 >= label.n)
            return why_set(why, ERR_FORMAT, "\"" STR_FMT "\" is not NAME=VALUE", STR_ARG(label));
    }
    return 0;
}

int graphite_template_read(struct str text, struct graphite_template *ret, struct why *why)
{
    struct graphite_template t = {0};
    struct str words[4], rest = text;
    size_t n = 0;
    while (n < COUNTOF(words) && str_word(&rest, &words[n]))
        n++;
    if (n == 0 || n > 3)
        return why_set(why, ERR_FORMAT, "a template is FILTER TEMPLATE LABELS, not \"" STR_FMT "\"",
                       STR_ARG(text));
    /* Labels have a sign that neither of the others has. */
    if (n > 1 && str_find(words[n - 1], '=') < words[n - 1].n)
        t.labels = words[--n];
    else if (n == 3)
        return why_set(why, ERR_FORMAT, "\"" STR_FMT "\" is not NAME=VALUE", STR_ARG(words[2]));
    t.parts = words[n - 1];
    t.filter = n == 2 ? words[0] : (struct str){0};
    int err = check_parts(t.parts, why);
    if (err == 0)
        err = check_labels(t.labels, why);
    if (err == 0)
        *ret = t;
    return err;
}

/* Does part fit a pattern whose stars stand for anything? */
static bool part_fits(struct str pattern, struct str part)
{
    size_t star = str_find(pattern, '*');
    if (star == pattern.n)
        return str_eq(pattern, part);
    if (!str_starts(part, str_sub(pattern, 0, star)))
        return false;
    part = str_sub(part, star, part.n);
    pattern = str_sub(pattern, star + 1, pattern.n);
    if (str_find(pattern, '*') == pattern.n)
        return str_ends(part, pattern);
    /* Each further text is looked for from the left. */
    while ((star = str_find(pattern, '*')) < pattern.n) {
        size_t at = str_search(part, str_sub(pattern, 0, star));
        if (at == part.n && star > 0)
            return false;
        part = str_sub(part, at + star, part.n);
        pattern = str_sub(pattern, star + 1, pattern.n);
    }
    return str_ends(part, pattern);
}

static bool filter_fits(struct str filter, const struct str *parts, size_t n)
{
    struct str rest = filter, pattern;
    size_t i = 0;
    while (str_split(&rest, '.', &pattern)) {
        if (i == n || !part_fits(pattern, parts[i++]))
            return false;
    }
    return true;
}

/* ---- names */

static void put_name(struct graphite_reader *r, struct str part)
{
    if (r->name.n > 0)
        buf_put_c(&r->name, '.');
    buf_put_str(&r->name, part);
}

static void put_label(struct graphite_reader *r, struct str name, struct str value)
{
    if (!r->plan->underscores) {
        labels_put(&r->labels, name, value);
        return;
    }
    buf_clear(&r->scratch);
    name_escape_put(NAME_ESCAPE_UNDERSCORES, name, &r->scratch);
    for (size_t i = 0; i < r->scratch.n; i++)
        if (r->scratch.p[i] == ':')
            r->scratch.p[i] = '_'; /* metrics alone may have colons */
    labels_put(&r->labels, buf_str(&r->scratch), value);
}

/* The value of the label that the parts of the path with that name make: "a.b" where there are
 * several. */
static void put_template_label(struct graphite_reader *r, struct str template, size_t first,
                               struct str name, const struct str *parts, size_t n)
{
    struct str rest = template, part;
    struct buf value;
    buf_init(&value, GRAPHITE_LINE_MAX);
    for (size_t i = 0; i < n && str_split(&rest, '.', &part); i++) {
        if (!str_eq(part, name))
            continue;
        if (i < first) { /* it was put then */
            buf_done(&value);
            return;
        }
        if (value.n)
            buf_put_c(&value, '.');
        buf_put_str(&value, parts[i]);
    }
    if (value.n)
        put_label(r, name, buf_str(&value));
    buf_done(&value);
}

static void use_template(struct graphite_reader *r, const struct graphite_template *t,
                         const struct str *parts, size_t n)
{
    struct str rest = t->parts, part, label;
    for (size_t i = 0; i < n && str_split(&rest, '.', &part); i++) {
        if (is_measurement_rest(part)) {
            for (; i < n; i++)
                put_name(r, parts[i]);
        } else if (is_measurement(part)) {
            put_name(r, parts[i]);
        } else if (part.n) {
            put_template_label(r, t->parts, i, part, parts, n);
        }
    }
    rest = t->labels;
    while (str_split(&rest, ',', &label)) {
        size_t equals = str_find(label, '=');
        put_label(r, str_sub(label, 0, equals), str_sub(label, equals + 1, label.n));
    }
}

/* Name and labels of a path without tags. */
static void read_path(struct graphite_reader *r, struct str path)
{
    struct str parts[GRAPHITE_PARTS_MAX], rest = path;
    size_t n = 0;
    if (r->plan->templates_n == 0) {
        buf_put_str(&r->name, path);
        return;
    }
    while (n < GRAPHITE_PARTS_MAX - 1 && str_split(&rest, '.', &parts[n]))
        n++;
    if (rest.p != NULL && rest.n)
        parts[n++] = rest;
    for (size_t i = 0; i < r->plan->templates_n; i++) {
        const struct graphite_template *t = &r->plan->templates[i];
        if (t->filter.n && !filter_fits(t->filter, parts, n))
            continue;
        use_template(r, t, parts, n);
        if (r->name.n)
            return;
        buf_clear(&r->labels); /* it has no part that is the name */
    }
    buf_put_str(&r->name, path);
}

/* NULL, or what is wrong. */
static const char *read_tagged(struct graphite_reader *r, struct str path)
{
    struct str tag;
    str_split(&path, ';', &tag);
    buf_put_str(&r->name, tag);
    while (str_split(&path, ';', &tag)) {
        size_t equals = str_find(tag, '=');
        if (equals == 0 || equals == tag.n)
            return "a tag is not name=value";
        if (equals + 1 < tag.n)
            put_label(r, str_sub(tag, 0, equals), str_sub(tag, equals + 1, tag.n));
    }
    return NULL;
}

/* The key of a path's series. NULL, or what is wrong. */
static const char *read_key(struct graphite_reader *r, struct str path, struct str *ret)
{
    const char *wrong = NULL;
    if (path.n > GRAPHITE_LINE_MAX)
        return "the path is too long";
    buf_clear(&r->name);
    buf_clear(&r->labels);
    if (str_find(path, ';') < path.n)
        wrong = read_tagged(r, path);
    else
        read_path(r, path);
    if (wrong != NULL)
        return wrong;
    if (r->name.n == 0)
        return "there is no name";
    if (r->plan->underscores) {
        buf_clear(&r->scratch);
        name_escape_put(NAME_ESCAPE_UNDERSCORES, buf_str(&r->name), &r->scratch);
    }
    struct str name = buf_str(r->plan->underscores ? &r->scratch : &r->name);
    struct buf key;
    buf_init(&key, LABELS_KEY_MAX);
    labels_put(&key, LABEL_METRIC, name);
    buf_put_str(&key, buf_str(&r->labels));
    bool whole = !buf_failed(&key) && !buf_failed(&r->labels) && !buf_failed(&r->name);
    *ret = arena_str(&r->arena, buf_str(&key));
    buf_done(&key);
    return whole ? NULL : "the labels are too long";
}

const char *graphite_row(struct graphite_reader *r, struct str path, double value, double time_s,
                         struct batch *b)
{
    size_t i = b->n;
    if (!isfinite(value))
        return "the value is not a number";
    if (time_s > TIME_MAX_S)
        return "the time is out of range";
    const char *wrong = read_key(r, path, &b->key[i]);
    if (wrong != NULL)
        return wrong;
    b->ts_ms[i] = time_s >= 0 ? (int64_t)(time_s * 1000) : r->plan->now_ms;
    b->value[i] = value;
    b->histogram[i] = NULL;
    b->start_ms[i] = 0;
    b->n++;
    return NULL;
}

/* ---- lines */

static const char *read_line(struct graphite_reader *r, struct str line, struct batch *b)
{
    struct str path, value, time, more;
    double v, time_s = -1;
    if (line.n > GRAPHITE_LINE_MAX)
        return "the line is too long";
    if (!str_word(&line, &path) || !str_word(&line, &value))
        return "a line is PATH VALUE TIME";
    bool timed = str_word(&line, &time);
    if (str_word(&line, &more))
        return "a line is PATH VALUE TIME";
    if (number_parse(value, &v) != 0)
        return "the value is not a number";
    /* N is what carbon's own clients write for now. */
    if (timed && !str_eq(time, STR("N")) && (number_parse(time, &time_s) != 0 || isnan(time_s)))
        return "the time is not a number of seconds";
    return graphite_row(r, path, v, time_s, b);
}

int graphite_next(struct graphite_reader *r, struct batch *b, struct sides *s)
{
    struct str line;
    graphite_forget(r);
    b->n = 0;
    sides_clear(s);
    while (b->n < BATCH_MAX && !sides_full(s) && str_split(&r->rest, '\n', &line)) {
        line = str_trim(line);
        r->line_n++;
        if (line.n == 0 || line.p[0] == '#')
            continue;
        const char *wrong = read_line(r, line, b);
        if (wrong == NULL)
            continue;
        struct str shown = arena_str(&r->arena, str_sub(line, 0, GRAPHITE_SHOWN_MAX));
        s->bad[s->bad_n++] = (struct sides_bad){
            .at = r->line_n, .series = shown, .reason = str_c(wrong), .samples = 1};
    }
    return b->n || !sides_empty(s);
}
