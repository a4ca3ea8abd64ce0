#include "custom/custom_reader.h"

#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "codec/perfdata.h"
#include "collect/exposition_emit.h"
#include "text/json_path.h"
#include "text/number.h"
#include "text/regex.h"

enum { MATCHES_MAX = 1000000, SHOWN_BYTES = 60 };

struct metric {
    struct str name;
    struct json_path *path;
    struct regex *regex;
};

struct path_label {
    struct str name;
    struct json_path *path;
};

struct custom_reader {
    const struct custom_settings_row *row;
    const struct custom_settings_answer *answer;
    enum metric_type type;
    int (*read)(const struct custom_reader *r, struct str text, int status, struct emit *e,
                struct why *why);
    struct metric *metrics; /* [metrics_n] */
    size_t metrics_n;
    struct path_label labels[CUSTOM_SETTINGS_LABELS_MAX];
    size_t labels_n;
};

/* What is wrong first is what is told. */
static int note(int before, int err, struct why *why, const struct why *fault)
{
    if (before == 0 && err != 0)
        return why_set(why, (enum err) - err, "%s", fault->text);
    return before;
}

#define SHOWN(s) STR_ARG(str_sub((s), 0, SHOWN_BYTES))

/* ---- value */

static int read_value(const struct custom_reader *r, struct str text, int status, struct emit *e,
                      struct why *why)
{
    struct custom_out o;
    struct custom_out_value v = {.type = r->type};
    (void)status;
    struct str word = str_trim(text);
    if (number_parse(word, &v.value) != 0)
        return why_set(why, ERR_FORMAT, "the answer is \"" STR_FMT "\", which is no number",
                       SHOWN(word));
    custom_out_init(&o, e, r->row, false);
    custom_out_put(&o, &v);
    return custom_out_result(&o, why);
}

/* ---- lines */

/* name{labels} value; an equals sign behind the name (and labels) stands for a blank. */
static const char *read_line(struct str line, struct arena *a, struct exposition_line *ret)
{
    size_t brace = str_find(line, '{'), close = brace;
    bool quoted = false;
    for (size_t i = brace; i < line.n; i++) {
        if (line.p[i] == '"' && line.p[i - (i > 0)] != '\\')
            quoted = !quoted;
        if (line.p[i] == '}' && !quoted) {
            close = i;
            break;
        }
    }
    size_t from = close < line.n ? close : 0;
    size_t equals = from + str_find(str_sub(line, from, line.n), '=');
    struct str name = str_trim(str_sub(line, 0, equals));
    struct str text = line;
    if (equals < line.n)
        text = arena_printf(a, STR_FMT " " STR_FMT, STR_ARG(name),
                            STR_ARG(str_trim(str_sub(line, equals + 1, line.n))));
    const char *wrong = exposition_line_read(text, EXPOSITION_TEXT, false, a, ret);
    if (wrong == NULL && ret->type == EXPOSITION_LINE_SAMPLE && ret->has_time)
        return "a name and a value are expected";
    return wrong;
}

static int read_lines(const struct custom_reader *r, struct str text, int status, struct emit *e,
                      struct why *why)
{
    struct exposition_line *l = mem_new(sizeof *l);
    struct custom_out o;
    struct arena a;
    struct str line;
    size_t n = 0;
    int err = 0;
    (void)status;
    arena_init(&a);
    custom_out_init(&o, e, r->row, false);
    while (str_split(&text, '\n', &line)) {
        n++;
        line = str_trim(line);
        const char *wrong = line.n == 0 ? NULL : read_line(line, &a, l);
        if (wrong != NULL && err == 0)
            err = why_set(why, ERR_FORMAT, "line %zu, \"" STR_FMT "\": %s", n, SHOWN(line), wrong);
        if (line.n > 0 && wrong == NULL && l->type == EXPOSITION_LINE_SAMPLE) {
            struct custom_out_value v = {.name = l->name,
                                         .type = r->type,
                                         .labels = l->labels,
                                         .labels_n = l->labels_n,
                                         .value = l->value};
            custom_out_put(&o, &v);
        }
        arena_reset(&a);
    }
    arena_done(&a);
    mem_free(l);
    return err != 0 ? err : custom_out_result(&o, why);
}

/* ---- nagios */

static int read_perf(struct custom_out *o, struct str data, struct why *why)
{
    struct perfdata p;
    struct perfdata_value found;
    int err = 0;
    perfdata_init(&p, data, EMIT_VALUE_MAX);
    while (perfdata_next(&p, &found)) {
        struct label labels[2] = {{STR("perfdata"), found.label}, {STR("unit"), found.unit}};
        struct custom_out_value v = {.type = METRIC_GAUGE,
                                     .value = found.value,
                                     .labels = labels,
                                     .labels_n = found.unit.n ? 2 : 1};
        if (found.number)
            custom_out_put(o, &v);
        else if (err == 0)
            err = why_set(why, ERR_FORMAT, "performance data \"" STR_FMT "\" has no number",
                          SHOWN(found.label));
    }
    perfdata_done(&p);
    return err;
}

static int read_nagios(const struct custom_reader *r, struct str text, int status, struct emit *e,
                       struct why *why)
{
    struct custom_out o;
    custom_out_init(&o, e, r->row, false);
    struct custom_out_value state = {
        .name = STR("status"), .type = METRIC_GAUGE, .value = (double)status};
    custom_out_put(&o, &state);
    int err = read_perf(&o, perfdata_first(text), why);
    int more = read_perf(&o, perfdata_more(text), err ? NULL : why);
    err = err ? err : more;
    return err != 0 ? err : custom_out_result(&o, why);
}

/* ---- prometheus */

static int read_prometheus(const struct custom_reader *r, struct str text, int status,
                           struct emit *e, struct why *why)
{
    struct custom_out o;
    custom_out_init(&o, e, r->row, false);
    bool open = str_ends(str_trim(text), STR("# EOF"));
    const struct exposition_emit_source source = {.name = r->row->name,
                                                  .format = open ? EXPOSITION_OPENMETRICS
                                                                 : EXPOSITION_TEXT,
                                                  .series_max = (size_t)r->row->series_max,
                                                  .labels = o.constant,
                                                  .labels_n = o.constant_n};
    (void)status;
    return exposition_emit(text, &source, e, why);
}

/* ---- json */

struct json_run {
    const struct custom_reader *reader;
    const struct metric *metric;
    struct custom_out out;
    struct buf texts; /* of labels */
    size_t n;
    int err;
    struct why *why;
};

static bool take_match(void *context, const struct json_path_match *m)
{
    struct json_run *run = context;
    const struct custom_reader *r = run->reader;
    struct custom_out_value v = {.name = run->metric->name, .type = r->type};
    struct label labels[CUSTOM_SETTINGS_LABELS_MAX];
    struct json_path_match beside;
    size_t ends[CUSTOM_SETTINGS_LABELS_MAX];
    if (json_path_is_null(m))
        return true;
    if (!json_path_number(m, &v.value)) {
        if (run->err == 0)
            run->err =
                why_set(run->why, ERR_FORMAT, "%s: it is no number where \"" STR_FMT "\" leads to",
                        r->row->name, STR_ARG(run->metric->name));
        return true;
    }
    buf_clear(&run->texts);
    for (size_t i = 0; i < r->labels_n; i++) {
        if (json_path_beside(r->labels[i].path, m, &beside))
            (void)json_path_text(&beside, &run->texts); /* without one the label is empty */
        ends[i] = run->texts.n;
    }
    for (size_t i = 0, from = 0; i < r->labels_n; from = ends[i++])
        labels[i] = (struct label){r->labels[i].name, str_sub(buf_str(&run->texts), from, ends[i])};
    v.labels = labels;
    v.labels_n = r->labels_n;
    custom_out_put(&run->out, &v);
    return ++run->n < MATCHES_MAX;
}

static int read_json(const struct custom_reader *r, struct str text, int status, struct emit *e,
                     struct why *why)
{
    const struct json_tree *root;
    struct json_run run = {.reader = r, .why = why};
    struct why fault = {0};
    struct arena a;
    (void)status;
    arena_init(&a);
    int err = json_tree_parse(text, &a, &root, &fault);
    if (err != 0) {
        arena_done(&a);
        return why_set(why, (enum err) - err, "the answer is no JSON: %s", fault.text);
    }
    buf_init(&run.texts, CUSTOM_SETTINGS_LABELS_MAX * EMIT_VALUE_MAX);
    custom_out_init(&run.out, e, r->row, true);
    for (size_t i = 0; i < r->metrics_n; i++) {
        run.metric = &r->metrics[i];
        size_t n = json_path_each(run.metric->path, root, take_match, &run);
        if (n == 0 && !json_path_is_many(run.metric->path) && run.err == 0)
            run.err = why_set(why, ERR_NOENT, "the answer has nothing for \"%s\"",
                              r->answer->metrics.v[i]);
    }
    buf_done(&run.texts);
    arena_done(&a);
    return run.err != 0 ? run.err : custom_out_result(&run.out, why);
}

/* ---- regex */

static size_t named_groups(const struct regex *re, const struct str *groups, struct label *ret)
{
    size_t n = 0;
    for (size_t i = 1; i <= regex_groups_n(re) && n < EMIT_LABELS_MAX; i++) {
        struct str name = regex_group_name(re, i);
        if (name.n > 0 && !str_eq(name, STR("value")))
            ret[n++] = (struct label){name, groups[i]};
    }
    return n;
}

static int read_metric(const struct custom_reader *r, const struct metric *m, struct str text,
                       struct custom_out *o, struct why *why)
{
    size_t value = regex_group_of(m->regex, STR("value"));
    size_t at = 0, found = 0;
    struct str groups[REGEX_GROUPS_MAX];
    int err = 0;
    value = value ? value : 1;
    text = text.n ? text : STR("");
    while (at <= text.n && found < MATCHES_MAX &&
           regex_find(m->regex, text, at, groups, regex_groups_n(m->regex) + 1)) {
        struct label labels[EMIT_LABELS_MAX];
        struct custom_out_value v = {.name = m->name, .type = r->type, .labels = labels};
        at = (size_t)(groups[0].p - text.p) + MAX(groups[0].n, (size_t)1);
        found++;
        if (groups[value].p == NULL)
            continue;
        if (number_parse(str_trim(groups[value]), &v.value) != 0) {
            err = err ? err
                      : why_set(why, ERR_FORMAT, "\"" STR_FMT "\" is no number, for %s_" STR_FMT,
                                SHOWN(groups[value]), r->row->name, STR_ARG(m->name));
            continue;
        }
        v.labels_n = named_groups(m->regex, groups, labels);
        custom_out_put(o, &v);
    }
    if (found == 0)
        return why_set(why, ERR_NOENT,
                       "the answer has nothing for the expression of \"" STR_FMT "\"",
                       STR_ARG(m->name));
    return err;
}

static int read_regex(const struct custom_reader *r, struct str text, int status, struct emit *e,
                      struct why *why)
{
    struct custom_out o;
    int err = 0;
    (void)status;
    custom_out_init(&o, e, r->row, false);
    for (size_t i = 0; i < r->metrics_n; i++) {
        struct why fault = {0};
        int one = read_metric(r, &r->metrics[i], text, &o, &fault);
        err = note(err, one, why, &fault);
    }
    return err != 0 ? err : custom_out_result(&o, why);
}

/* ---- making one */

static const struct {
    const char *name;
    int (*read)(const struct custom_reader *r, struct str text, int status, struct emit *e,
                struct why *why);
} FORMATS[] = {{"value", read_value},           {"lines", read_lines}, {"nagios", read_nagios},
               {"prometheus", read_prometheus}, {"json", read_json},   {"regex", read_regex}};

static int make_metric(struct custom_reader *r, struct metric *m, const char *text, struct why *why)
{
    struct str s = str_c(text);
    size_t equals = str_find(s, '=');
    struct why fault = {0};
    if (equals == s.n)
        return why_set(why, ERR_FORMAT, "metrics has \"%s\": \"name=EXPRESSION\" is expected",
                       text);
    m->name = str_sub(s, 0, equals);
    if (m->name.n > 0 && !metric_name_plain(m->name))
        return why_set(why, ERR_FORMAT, "metrics has \"%s\": its name is none of a metric", text);
    struct str expression = str_sub(s, equals + 1, s.n);
    if (r->read == read_json) {
        int err = json_path_new(expression, &m->path, &fault);
        return err ? why_set(why, (enum err) - err, "metrics: %s", fault.text) : 0;
    }
    int err = regex_new_search(expression, &m->regex, &fault);
    if (err != 0)
        return why_set(why, (enum err) - err, "metrics has \"%s\": %s", text, fault.text);
    size_t groups = regex_groups_n(m->regex);
    if (groups == 0 || groups >= REGEX_GROUPS_MAX)
        return why_set(why, ERR_FORMAT, "metrics has \"%s\": a group for the value is expected",
                       text);
    return 0;
}

static int make_labels(struct custom_reader *r, struct why *why)
{
    const struct option_list *list = &r->row->labels;
    struct why fault = {0};
    for (size_t i = 0; r->read == read_json && i < list->n; i++) {
        struct str s = str_c(list->v[i]);
        size_t equals = str_find(s, '=');
        struct str value = str_sub(s, equals + 1, s.n);
        if (value.n == 0 || value.p[0] != '$' || r->labels_n == CUSTOM_SETTINGS_LABELS_MAX)
            continue;
        struct path_label *l = &r->labels[r->labels_n];
        l->name = str_sub(s, 0, equals);
        int err = json_path_new(value, &l->path, &fault);
        if (err != 0)
            return why_set(why, (enum err) - err, "labels: %s", fault.text);
        r->labels_n++;
    }
    return 0;
}

static int make_metrics(struct custom_reader *r, struct why *why)
{
    const struct option_list *list = &r->answer->metrics;
    bool wanted = r->read == read_json || r->read == read_regex;
    if (wanted != (list->n > 0))
        return why_set(why, ERR_FORMAT,
                       wanted ? "format = \"%s\" needs metrics = [\"name=EXPRESSION\"]"
                              : "format = \"%s\" has no metrics: only json and regex do",
                       r->answer->format);
    if (list->n > CUSTOM_SETTINGS_METRICS_MAX)
        return why_set(why, ERR_LIMIT, "metrics has more than %d", CUSTOM_SETTINGS_METRICS_MAX);
    r->metrics = mem_array(list->n + 1, sizeof *r->metrics);
    int err = 0;
    for (size_t i = 0; i < list->n && err == 0; i++) {
        r->metrics_n = i + 1;
        err = make_metric(r, &r->metrics[i], list->v[i], why);
    }
    return err;
}

int custom_reader_new(const struct custom_settings_row *row,
                      const struct custom_settings_answer *answer, struct custom_reader **ret,
                      struct why *why)
{
    struct custom_reader *r = mem_new(sizeof *r);
    *r = (struct custom_reader){.row = row, .answer = answer, .type = custom_out_type(row)};
    for (size_t i = 0; i < COUNTOF(FORMATS); i++)
        if (strcmp(FORMATS[i].name, answer->format) == 0)
            r->read = FORMATS[i].read;
    int err = make_metrics(r, why);
    if (err == 0)
        err = make_labels(r, why);
    if (err != 0) {
        custom_reader_free(r);
        return err;
    }
    *ret = r;
    return 0;
}

void custom_reader_free(struct custom_reader *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->metrics_n; i++) {
        json_path_free(r->metrics[i].path);
        regex_free(r->metrics[i].regex);
    }
    for (size_t i = 0; i < r->labels_n; i++)
        json_path_free(r->labels[i].path);
    mem_free(r->metrics);
    mem_free(r);
}

bool custom_reader_takes_status(const struct custom_reader *r)
{
    return r->read == read_nagios;
}

int custom_reader_run(const struct custom_reader *r, struct str text, int status, struct emit *e,
                      struct why *why)
{
    return r->read(r, text, status, e, why);
}
