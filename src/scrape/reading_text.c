#include "base/vec.h"
#include "scrape/reading_inside.h"
#include "text/number.h"

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

/* How much of a sample's line stands before its value; 0 where its labels do not end. */
static size_t prefix(struct str line)
{
    size_t i = 0;
    while (i < line.n && blank(line.p[i]))
        i++;
    while (i < line.n && line.p[i] != '{' && !blank(line.p[i]))
        i++;
    while (i < line.n && blank(line.p[i]))
        i++;
    if (i < line.n && line.p[i] == '{') {
        bool quoted = false;
        for (i++; i < line.n && (quoted || line.p[i] != '}'); i++) {
            if (quoted && line.p[i] == '\\')
                i++;
            else if (line.p[i] == '"')
                quoted = !quoted;
        }
        if (i >= line.n)
            return 0;
        i++;
    }
    while (i < line.n && blank(line.p[i]))
        i++;
    return i < line.n ? i : 0;
}

static int fault(const struct reading *r, const char *reason, struct why *why)
{
    return why_set(why, ERR_FORMAT, "line %zu: %s", r->line_n, reason);
}

/* ---- values */

static void set_time(struct reading *r, struct reading_row *row, int64_t ts_ms)
{
    if (!r->config->honor_timestamps)
        return;
    row->ts_ms = ts_ms;
    row->timed = true;
}

/* The start of the rows of the same group before it, which an x_created line tells. False where
 * there are none. */
static bool set_start(struct reading *r, uint32_t group, double seconds)
{
    bool found = false;
    if (!(seconds > -9e12 && seconds < 9e12))
        return false;
    for (size_t i = r->rows.n; i > 0; i--) {
        struct reading_row *row = &r->rows.v[i - 1];
        if (r->recall->lines[row->line].group != group)
            break;
        reading_extra(r, row)->start_ms = (int64_t)(seconds * 1000);
        found = true;
    }
    return found;
}

static struct reading_row *add(struct reading *r, uint32_t line, double value)
{
    const struct recall_line *l = &r->recall->lines[line];
    if (l->kind == RECALL_CREATED && set_start(r, l->group, value))
        return NULL;
    return reading_row(r, line, value);
}

/* The usual ends of a line behind its prefix: a number, and maybe a time in milliseconds. The byte
 * behind the line; NULL where it ends in another way. */
static const char *take_end(struct reading *r, uint32_t line, const char *p, const char *end)
{
    double v;
    int64_t ts_ms = 0;
    bool timed = false;
    p = number_read(p, end, &v);
    if (!p || p == end)
        return NULL;
    if (*p == ' ' && r->format == EXPOSITION_TEXT) {
        const char *from = p + 1, *to = from + (from < end && *from == '-');
        while (to < end && *to >= '0' && *to <= '9')
            to++;
        if (to == end || !str_i64(str_of(from, (size_t)(to - from)), &ts_ms))
            return NULL;
        timed = true;
        p = to;
    }
    if (*p != '\n')
        return NULL;
    struct reading_row *row = add(r, line, v);
    if (timed && row)
        set_time(r, row, ts_ms);
    return p + 1;
}

static int take_exemplar(struct reading *r, uint32_t line, int64_t ts_ms, struct why *why)
{
    struct exposition_line *l = &r->line;
    struct buf labels;
    buf_init(&labels, LABELS_KEY_MAX);
    int err = labels_encode_bare(l->exemplar_labels, l->exemplar_labels_n, &labels, why);
    if (!err) {
        struct reading_exemplar e = {.line = line};
        e.exemplar.labels = arena_str(&r->arena, buf_str(&labels));
        e.exemplar.ts_ms = l->exemplar_has_time ? (int64_t)(l->exemplar_time_s * 1000) : ts_ms;
        e.exemplar.value = l->exemplar_value;
        vec_push(&r->exemplars, e);
    }
    buf_done(&labels);
    return err;
}

/* A line that has been read into r->line. */
static int take_read(struct reading *r, uint32_t line, struct why *why)
{
    struct reading_row *row = add(r, line, r->line.value);
    if (!row)
        return 0;
    if (r->line.has_time)
        set_time(r, row, r->line.time_ms);
    return r->line.has_exemplar ? take_exemplar(r, line, row->ts_ms, why) : 0;
}

/* ---- lines that do not stand where they stood, or do not end as usual */

static int learn_sample(struct reading *r, struct str text, uint32_t *ret, struct why *why)
{
    struct label labels[LABELS_MAX + 1];
    labels[0] = (struct label){LABEL_METRIC, r->line.name};
    memcpy(labels + 1, r->line.labels, r->line.labels_n * sizeof *labels);
    int err = reading_learn(r, text, labels, r->line.labels_n + 1, ret, why);
    return err == -ERR_FORMAT ? why_prefix(why, "line %zu", r->line_n) : err;
}

/* line is without its end. */
static int take_sample(struct reading *r, struct str line, struct why *why)
{
    size_t n = prefix(line);
    struct str text = str_sub(line, 0, n);
    uint32_t known = n ? recall_find(r->recall, text, (uint8_t)r->type) : RECALL_NONE;
    const char *bad = exposition_line_read(line, r->format, false, &r->arena, &r->line);
    if (bad)
        return fault(r, bad, why);
    if (known == RECALL_NONE) {
        if (n == 0)
            return fault(r, "expected a value", why);
        int err = learn_sample(r, text, &known, why);
        if (err)
            return err;
    }
    recall_step(r->recall, known);
    return take_read(r, known, why);
}

static int take_comment(struct reading *r, struct str line, struct str whole, struct why *why)
{
    uint32_t known = recall_find(r->recall, whole, 0);
    if (known == RECALL_NONE) {
        const char *bad = exposition_line_read(line, r->format, false, &r->arena, &r->comment);
        if (bad)
            return fault(r, bad, why);
        r->ended = r->comment.type == EXPOSITION_LINE_EOF;
        if (r->ended || r->comment.type == EXPOSITION_LINE_NOTHING)
            return 0;
        int err = reading_learn_comment(r, whole, &known, why);
        if (err)
            return err;
    }
    recall_step(r->recall, known);
    reading_on_comment(r, known);
    return 0;
}

/* The line at p by the long way; *p moves behind it. */
static int take_line(struct reading *r, const char **p, const char *end, struct why *why)
{
    const char *from = *p, *to = memchr(from, '\n', (size_t)(end - from));
    struct str line = str_of(from, (size_t)((to ? to : end) - from));
    struct str whole = str_of(from, line.n + (to != NULL));
    *p = to ? to + 1 : end;
    if (r->ended)
        return fault(r, "unexpected data after # EOF", why);
    struct str inner = str_trim(line);
    if (inner.n == 0)
        return r->format == EXPOSITION_TEXT ? 0 : fault(r, "a blank line", why);
    return inner.p[0] == '#' ? take_comment(r, line, whole, why) : take_sample(r, line, why);
}

/* Is the line that stood here here again? */
static bool same(const struct reading *r, const struct recall_line *l, const char *p,
                 const char *end)
{
    return (size_t)(end - p) > l->text_n &&
           (l->kind >= RECALL_HELP || l->context == (uint8_t)r->type) && l->text_n > 0 &&
           memcmp(p, r->recall->bytes + l->text_at, l->text_n) == 0;
}

int reading_text(struct reading *r, struct str body, struct why *why)
{
    const char *p = body.p, *end = p + body.n;
    while (p < end) {
        uint32_t expected = recall_expected(r->recall);
        r->line_n++;
        if (LIKELY(expected != RECALL_NONE && !r->ended)) {
            const struct recall_line *l = &r->recall->lines[expected];
            const char *behind = NULL;
            if (same(r, l, p, end)) {
                behind = p + l->text_n;
                if (l->kind >= RECALL_HELP)
                    reading_on_comment(r, expected);
                else
                    behind = take_end(r, expected, behind, end);
            }
            if (LIKELY(behind)) {
                r->recall->last = expected;
                p = behind;
                continue;
            }
        }
        int err = take_line(r, &p, end, why);
        if (err)
            return err;
    }
    if (r->format == EXPOSITION_OPENMETRICS && !r->ended)
        return why_set(why, ERR_FORMAT, "data does not end with # EOF");
    return 0;
}
