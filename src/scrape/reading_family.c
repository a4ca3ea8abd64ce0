#include "base/vec.h"
#include "scrape/reading_inside.h"

/* Comment lines as OpenMetrics would have them, so that both are told in one way. */
static void put_comment(struct buf *out, const char *word, struct str name, struct str text)
{
    buf_clear(out);
    buf_printf(out, "# %s ", word);
    if (metric_name_plain(name)) {
        buf_put_str(out, name);
    } else {
        buf_put_c(out, '"');
        for (size_t i = 0; i < name.n; i++) {
            if (name.p[i] == '"' || name.p[i] == '\\' || name.p[i] == '\n')
                buf_put_c(out, '\\');
            buf_put_c(out, name.p[i] == '\n' ? 'n' : name.p[i]);
        }
        buf_put_c(out, '"');
    }
    buf_put_c(out, ' ');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\\' || text.p[i] == '\n' || text.p[i] == '"')
            buf_put_c(out, '\\');
        buf_put_c(out, text.p[i] == '\n' ? 'n' : text.p[i]);
    }
}

static int take_comment(struct reading *r, const char *word, struct str name, struct str said,
                        struct why *why)
{
    struct buf text;
    buf_init(&text, 4 * LABELS_KEY_MAX);
    put_comment(&text, word, name, said);
    int err = buf_failed(&text) ? why_set(why, ERR_LIMIT, "a comment is too long") : 0;
    uint32_t line = err ? RECALL_NONE : recall_find(r->recall, buf_str(&text), 0);
    if (!err && line == RECALL_NONE) {
        const char *bad =
            exposition_line_read(buf_str(&text), r->format, false, &r->arena, &r->comment);
        err = bad ? why_set(why, ERR_FORMAT, "%s", bad)
                  : reading_learn_comment(r, buf_str(&text), &line, why);
    }
    buf_done(&text);
    if (err)
        return err;
    recall_step(r->recall, line);
    reading_on_comment(r, line);
    return 0;
}

static int take_metadata(struct reading *r, const struct metadata *m, struct why *why)
{
    int err = take_comment(r, "TYPE", m->metric, str_c(metric_type_text(m->type)), why);
    if (!err && m->help.n)
        err = take_comment(r, "HELP", m->metric, m->help, why);
    if (!err && m->unit.n)
        err = take_comment(r, "UNIT", m->metric, m->unit, why);
    return err;
}

static int learn(struct reading *r, struct str key, uint32_t *ret, struct why *why)
{
    struct label labels[LABELS_MAX + 1], l;
    size_t n = 0;
    bool bad = false;
    for (const char *at = key.p; labels_next(key, &at, &l, &bad); labels[n++] = l)
        if (n == COUNTOF(labels))
            return why_set(why, ERR_LIMIT, "more than %d labels", LABELS_MAX);
    if (bad || n == 0)
        return why_set(why, ERR_FORMAT, "a malformed label");
    return reading_learn(r, key, labels, n, ret, why);
}

static int take_row(struct reading *r, size_t i, uint32_t *ret, struct why *why)
{
    const struct batch *b = &r->batch;
    struct recall *recall = r->recall;
    uint32_t line = recall_expected(recall);
    r->type = r->families.types[i];
    const struct recall_line *l = line == RECALL_NONE ? NULL : &recall->lines[line];
    if (!l || l->context != (uint8_t)r->type || !str_eq(recall_text(recall, l), b->key[i])) {
        line = recall_find(recall, b->key[i], (uint8_t)r->type);
        int err = line == RECALL_NONE ? learn(r, b->key[i], &line, why) : 0;
        if (err)
            return err;
    }
    recall_step(recall, line);
    struct reading_row *row = reading_row(r, line, b->value[i]);
    row->timed = r->families.has_time[i] && r->config->honor_timestamps;
    if (row->timed)
        row->ts_ms = b->ts_ms[i];
    if (b->histogram[i])
        reading_extra(r, row)->histogram = histogram_clone(b->histogram[i], &r->arena);
    if (b->start_ms[i])
        reading_extra(r, row)->start_ms = b->start_ms[i];
    *ret = line;
    return 0;
}

static void take_exemplar(struct reading *r, const struct exemplar *e, const uint32_t *lines)
{
    struct reading_exemplar own = {.line = RECALL_NONE, .exemplar = *e};
    for (size_t i = 0; i < r->batch.n; i++)
        if (r->batch.key[i].p == e->key.p)
            own.line = lines[i];
    own.exemplar.labels = arena_str(&r->arena, e->labels);
    if (own.line != RECALL_NONE)
        vec_push(&r->exemplars, own);
}

/* In the order of the bytes: metadata of a family comes before its rows, but a batch may have
 * several; the hash of a family is set by the former alone, and is not needed for the latter. */
static int take_batch(struct reading *r, struct why *why)
{
    uint32_t lines[BATCH_MAX];
    int err = 0;
    for (size_t i = 0; i < r->sides.metadata_n && !err; i++)
        err = take_metadata(r, &r->sides.metadata[i], why);
    for (size_t i = 0; i < r->batch.n && !err; i++)
        err = take_row(r, i, &lines[i], why);
    for (size_t i = 0; i < r->sides.exemplars_n && !err; i++)
        take_exemplar(r, &r->sides.exemplars[i], lines);
    return err;
}

int reading_family(struct reading *r, struct str body, struct why *why)
{
    int got;
    metric_family_read_begin(&r->families, body, r->now_ms);
    r->families.native = r->config->native_histograms;
    r->families.classic = r->config->always_classic_histograms;
    while ((got = metric_family_read(&r->families, &r->batch, &r->sides, why)) > 0) {
        int err = take_batch(r, why);
        if (err)
            return err;
    }
    return got;
}
