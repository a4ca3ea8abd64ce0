#include "custom/custom_rows.h"

#include "base/arena.h"
#include "custom/custom_out.h"
#include "text/json.h"
#include "text/json_tree.h"
#include "text/number.h"

enum { COLUMNS_MAX = 200 };

enum role { ROLE_NONE, ROLE_VALUE, ROLE_LABEL };

struct table {
    const struct custom_settings_sql *settings;
    const struct json_tree *columns;
    const struct json_tree **rows; /* [n] */
    size_t n;
    enum role roles[COLUMNS_MAX];
};

void custom_rows_ask(const struct custom_settings_sql *s, struct buf *out)
{
    const struct {
        const char *key, *value;
    } texts[] = {{"driver", s->driver},
                 {"dsn", s->dsn},
                 {"password", s->password},
                 {"path", s->path},
                 {"query", s->query}};
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    for (size_t i = 0; i < COUNTOF(texts); i++) {
        json_key(&w, str_c(texts[i].key));
        json_text(&w, str_c(texts[i].value));
    }
    json_key(&w, STR("timeout_ms"));
    json_i64(&w, s->row.timeout_ms);
    json_key(&w, STR("rows_max"));
    json_i64(&w, s->rows_max);
    json_end_object(&w);
}

static bool number_of(const struct json_tree *cell, double *ret)
{
    if (cell->type == JSON_TRUE || cell->type == JSON_FALSE)
        *ret = cell->type == JSON_TRUE;
    else if (cell->type == JSON_NUMBER)
        *ret = cell->number;
    else
        return cell->type == JSON_TEXT && number_parse(cell->text, ret) == 0;
    return true;
}

/* NaN and infinities have no other way through JSON. */
static bool is_odd_number(const struct json_tree *cell)
{
    return str_eq(cell->text, STR("NaN")) || str_eq(cell->text, STR("Infinity")) ||
           str_eq(cell->text, STR("-Infinity"));
}

static int find_column(const struct table *t, const char *name, struct why *why)
{
    for (size_t i = 0; i < t->columns->n; i++)
        if (str_eq(t->columns->children[i].text, str_c(name)))
            return (int)i;
    return why_set(why, ERR_NOENT, "the answer has no column \"%s\"", name);
}

static int take_roles(struct table *t, const struct option_list *names, enum role role,
                      struct why *why)
{
    for (size_t i = 0; i < names->n; i++) {
        int at = find_column(t, names->v[i], why);
        if (at < 0)
            return at;
        t->roles[at] = role;
    }
    return 0;
}

/* What a column is that the settings do not name: numbers are values, texts labels. */
static enum role guess(const struct table *t, size_t column)
{
    bool numbers = false, texts = false;
    for (size_t i = 0; i < t->n; i++) {
        const struct json_tree *cell = &t->rows[i]->children[column];
        bool text = cell->type == JSON_TEXT && !is_odd_number(cell);
        texts = texts || text;
        numbers = numbers || (!text && cell->type != JSON_NULL);
    }
    return texts ? ROLE_LABEL : numbers ? ROLE_VALUE : ROLE_NONE;
}

static int give_roles(struct table *t, struct why *why)
{
    const struct custom_settings_sql *s = t->settings;
    int err = take_roles(t, &s->values, ROLE_VALUE, why);
    if (err == 0)
        err = take_roles(t, &s->label_columns, ROLE_LABEL, why);
    for (size_t i = 0; i < t->columns->n && err == 0; i++) {
        enum role wanted = t->roles[i] == ROLE_NONE ? guess(t, i) : ROLE_NONE;
        const struct option_list *named = wanted == ROLE_VALUE ? &s->values : &s->label_columns;
        if (wanted != ROLE_NONE && named->n == 0)
            t->roles[i] = wanted;
    }
    return err;
}

static struct str label_text(const struct json_tree *cell)
{
    switch (cell->type) {
    case JSON_TEXT:
    case JSON_NUMBER:
        return cell->text;
    case JSON_TRUE:
        return STR("true");
    case JSON_FALSE:
        return STR("false");
    default:
        return STR("");
    }
}

static int put_row(const struct table *t, const struct json_tree *row, struct custom_out *o,
                   struct why *why)
{
    struct label labels[EMIT_LABELS_MAX];
    size_t n = 0;
    int err = 0;
    for (size_t i = 0; i < row->n; i++) {
        if (t->roles[i] != ROLE_LABEL)
            continue;
        if (n == EMIT_LABELS_MAX)
            return why_set(why, ERR_LIMIT, "more than %d columns are labels", EMIT_LABELS_MAX);
        labels[n++] = (struct label){t->columns->children[i].text, label_text(&row->children[i])};
    }
    for (size_t i = 0; i < row->n; i++) {
        const struct json_tree *cell = &row->children[i];
        struct str name = t->columns->children[i].text;
        struct custom_out_value v = {.name = str_eq(name, STR("value")) ? STR("") : name,
                                     .type = custom_out_type(&t->settings->row),
                                     .labels = labels,
                                     .labels_n = n};
        if (t->roles[i] != ROLE_VALUE || cell->type == JSON_NULL)
            continue;
        if (number_of(cell, &v.value))
            custom_out_put(o, &v);
        else if (err == 0)
            err = why_set(why, ERR_FORMAT,
                          "column \"" STR_FMT "\" has \"" STR_FMT "\", which is no number",
                          STR_ARG(name), STR_ARG(str_sub(cell->text, 0, 60)));
    }
    return err;
}

static int parse(struct table *t, struct str text, struct arena *a, struct why *why)
{
    struct str line;
    size_t lines = 1;
    bool ended = false;
    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    t->rows = arena_array(a, lines, sizeof *t->rows);
    while (!ended && str_split(&text, '\n', &line)) {
        const struct json_tree *node;
        ended = str_eq(line, STR("end"));
        if (ended)
            break;
        int err = json_tree_parse(line, a, &node, why);
        if (err != 0)
            return err;
        if (node->type != JSON_ARRAY || node->n > COLUMNS_MAX ||
            (t->columns != NULL && node->n != t->columns->n))
            return why_set(why, ERR_FORMAT, "the answer has more than %d columns", COLUMNS_MAX);
        if (t->columns == NULL)
            t->columns = node;
        else
            t->rows[t->n++] = node;
    }
    if (!ended || t->columns == NULL)
        return why_set(why, ERR_FORMAT, "the answer of sonde-helper-sql is cut off");
    return 0;
}

int custom_rows_read(const struct custom_settings_sql *settings, struct str text, struct emit *e,
                     struct why *why)
{
    struct table t = {.settings = settings};
    struct custom_out o;
    struct arena a;
    arena_init(&a);
    custom_out_init(&o, e, &settings->row, false);
    int err = parse(&t, text, &a, why);
    if (err == 0)
        err = give_roles(&t, why);
    for (size_t i = 0; err == 0 && i < t.n; i++)
        err = put_row(&t, t.rows[i], &o, why);
    arena_done(&a);
    return err != 0 ? err : custom_out_result(&o, why);
}
