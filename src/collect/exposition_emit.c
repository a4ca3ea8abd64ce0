#include "collect/exposition_emit.h"

#include "base/arena.h"
#include "base/mem.h"
#include "collect/pseudo.h"

struct reading {
    const struct exposition_emit_source *source;
    struct str rest;
    size_t line_n;
    struct arena arena; /* of the line at hand */
    struct exposition_line line;
};

/* What the lines before have said of the family at hand. */
struct family_now {
    struct str name, help;
    enum metric_type type;
};

/* The next line that says something into r->line: 1, 0 at the end, or an error. */
static int next(struct reading *r, struct why *why)
{
    const char *path = r->source->name;
    struct str line;
    while (pseudo_line(&r->rest, &line)) {
        r->line_n++;
        if (r->source->format == EXPOSITION_OPENMETRICS && line.n == 0 && r->rest.n == 0)
            return 0;
        const char *wrong =
            exposition_line_read(line, r->source->format, true, &r->arena, &r->line);
        if (wrong)
            return why_set(why, ERR_FORMAT, "%s: line %zu: %s", path, r->line_n, wrong);
        if (r->line.type == EXPOSITION_LINE_SAMPLE && r->line.has_time)
            return why_set(why, ERR_FORMAT, "%s: line %zu: it has a time of its own", path,
                           r->line_n);
        if (r->line.labels_n + r->source->labels_n > EMIT_LABELS_MAX)
            return why_set(why, ERR_LIMIT, "%s: line %zu: more than %d labels", path, r->line_n,
                           EMIT_LABELS_MAX);
        enum metric_type type;
        if (r->line.type == EXPOSITION_LINE_TYPE &&
            !exposition_line_family_type(r->line.text, r->source->format, &type))
            return why_set(why, ERR_FORMAT, "%s: line %zu: no type of metrics", path, r->line_n);
        if (r->line.type != EXPOSITION_LINE_NOTHING)
            return 1;
    }
    return 0;
}

static int check(struct reading *r, struct str text, struct why *why)
{
    size_t samples = 0, max = r->source->series_max;
    int more = 1;
    r->rest = text;
    r->line_n = 0;
    while (more > 0) {
        more = next(r, why);
        samples += more > 0 && r->line.type == EXPOSITION_LINE_SAMPLE;
        arena_reset(&r->arena);
        if (max && samples > max)
            return why_set(why, ERR_LIMIT, "%s: more than %zu series", r->source->name, max);
    }
    return more;
}

/* Is the sample one of the family: x, or x_bucket, x_sum, x_count of a histogram or summary, or
 * x_total of a counter of OpenMetrics? */
static bool of_family(const struct family_now *f, struct str name)
{
    if (!f->name.n || !str_starts(name, f->name))
        return false;
    struct str suffix = str_sub(name, f->name.n, name.n);
    if (suffix.n == 0)
        return true;
    bool both = f->type == METRIC_HISTOGRAM || f->type == METRIC_SUMMARY;
    return (both && (str_eq(suffix, STR("_sum")) || str_eq(suffix, STR("_count")))) ||
           (f->type == METRIC_HISTOGRAM && str_eq(suffix, STR("_bucket"))) ||
           (f->type == METRIC_COUNTER && str_eq(suffix, STR("_total")));
}

/* The labels that are the same for all, and those of the line that are not among them. */
static size_t join_labels(const struct reading *r, struct label ret[EMIT_LABELS_MAX])
{
    const struct exposition_emit_source *s = r->source;
    size_t n = s->labels_n;
    if (n)
        memcpy(ret, s->labels, n * sizeof *ret);
    for (size_t i = 0; i < r->line.labels_n; i++) {
        bool taken = false;
        for (size_t k = 0; k < s->labels_n; k++)
            taken = taken || str_eq(s->labels[k].name, r->line.labels[i].name);
        if (!taken)
            ret[n++] = r->line.labels[i];
    }
    return n;
}

static void give(struct reading *r, struct emit *e, struct str text)
{
    struct family_now f = {.type = METRIC_UNKNOWN};
    struct str help = arena_printf(&r->arena, "Metric read from %s", r->source->name);
    r->rest = text;
    r->line_n = 0;
    while (next(r, NULL) > 0) {
        const struct exposition_line *l = &r->line;
        if (l->type == EXPOSITION_LINE_HELP || l->type == EXPOSITION_LINE_TYPE) {
            if (!str_eq(f.name, l->name))
                f = (struct family_now){.name = l->name, .type = METRIC_UNKNOWN};
            if (l->type == EXPOSITION_LINE_HELP)
                f.help = l->text;
            else if (!exposition_line_family_type(l->text, r->source->format, &f.type))
                f.type = METRIC_UNKNOWN;
            continue;
        }
        if (l->type != EXPOSITION_LINE_SAMPLE)
            continue;
        struct label labels[EMIT_LABELS_MAX];
        bool mine = of_family(&f, l->name);
        struct emit_foreign series = {.name = l->name,
                                      .base = mine ? f.name : l->name,
                                      .help = mine && f.help.n ? f.help : help,
                                      .type = mine ? f.type : METRIC_UNKNOWN,
                                      .labels = labels,
                                      .labels_n = join_labels(r, labels)};
        (void)emit_foreign(e, &series, l->value); /* too many labels: check() has seen to that */
    }
}

int exposition_emit(struct str text, const struct exposition_emit_source *source, struct emit *e,
                    struct why *why)
{
    struct reading *r = mem_new(sizeof *r);
    r->source = source;
    arena_init(&r->arena);
    int err = check(r, text, why);
    if (err == 0)
        give(r, e, text); /* names and help lie in the text or the arena: all of it at once */
    arena_done(&r->arena);
    mem_free(r);
    return err;
}
