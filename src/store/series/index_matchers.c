#include "base/arena.h"
#include "base/mem.h"
#include "model/labels.h"
#include "store/series/index.h"
#include "text/regex.h"

enum { MATCHERS_MAX = 64 };

struct row {
    enum match_type type;
    struct str name, value;
    struct regex *regex; /* NULL for (not) equal */
    struct index_hint hint;
    bool accepts_empty;
};

struct index_matchers {
    struct arena arena;
    size_t n;
    struct row rows[]; /* [n] those that name fewest series first */
};

static bool accepts(const struct row *row, struct str value)
{
    switch (row->type) {
    case MATCH_EQUAL:
        return str_eq(row->value, value);
    case MATCH_NOT_EQUAL:
        return !str_eq(row->value, value);
    case MATCH_REGEX:
        return regex_match(row->regex, value);
    case MATCH_NOT_REGEX:
        return !regex_match(row->regex, value);
    }
    return false;
}

/* What an index can look up instead of asking for every value. */
static void make_hint(struct row *row, struct arena *a)
{
    if (row->type == MATCH_EQUAL) {
        row->hint = (struct index_hint){.texts = &row->value, .n = 1, .prefix = row->value};
    } else if (row->type == MATCH_REGEX) {
        struct regex_literals literals = {0};
        regex_literals(row->value, a, &literals);
        row->hint.prefix = literals.prefix;
        if (literals.exact) {
            row->hint.texts = literals.texts;
            row->hint.n = literals.n;
        }
    }
}

static int make_row(struct row *row, const struct matcher *m, struct arena *a, struct why *why)
{
    row->type = m->type;
    row->name = arena_str(a, m->name);
    row->value = arena_str(a, m->value);
    if (m->type == MATCH_REGEX || m->type == MATCH_NOT_REGEX) {
        int err = regex_new(row->value, &row->regex, why);
        if (err) {
            why_prefix(why, "matcher on %.*s", STR_ARG(m->name));
            return err;
        }
    }
    make_hint(row, a);
    row->accepts_empty = accepts(row, STR(""));
    return 0;
}

/* Equal before prefix before the rest; those that accept a missing label last. */
static int cost(const struct row *row)
{
    if (row->accepts_empty)
        return 4;
    if (row->type == MATCH_EQUAL)
        return str_eq(row->name, LABEL_METRIC) ? 0 : 1;
    return row->hint.texts ? 2 : 3;
}

static void sort_rows(struct index_matchers *m)
{
    for (size_t i = 1; i < m->n; i++) {
        struct row row = m->rows[i];
        size_t k = i;
        for (; k > 0 && cost(&m->rows[k - 1]) > cost(&row); k--)
            m->rows[k] = m->rows[k - 1];
        m->rows[k] = row;
    }
    /* A row of one text points to its own value, which has moved along. */
    for (size_t i = 0; i < m->n; i++)
        if (m->rows[i].type == MATCH_EQUAL)
            m->rows[i].hint.texts = &m->rows[i].value;
}

int index_matchers_new(const struct matcher *m, size_t n, struct index_matchers **ret,
                       struct why *why)
{
    if (n > MATCHERS_MAX)
        return why_set(why, ERR_LIMIT, "a selector may have %d matchers, this one has %zu",
                       MATCHERS_MAX, n);

    struct index_matchers *made = mem_new(sizeof *made + n * sizeof *made->rows);
    arena_init(&made->arena);
    for (; made->n < n; made->n++) {
        int err = make_row(&made->rows[made->n], &m[made->n], &made->arena, why);
        if (err) {
            index_matchers_free(made);
            return err;
        }
    }
    sort_rows(made);
    *ret = made;
    return 0;
}

void index_matchers_free(struct index_matchers *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->n; i++)
        regex_free(m->rows[i].regex);
    arena_done(&m->arena);
    mem_free(m);
}

bool index_matchers_match(const struct index_matchers *m, struct str key)
{
    for (size_t i = 0; i < m->n; i++)
        if (!accepts(&m->rows[i], labels_get(key, m->rows[i].name)))
            return false;
    return true;
}

bool index_matchers_narrow(const struct index_matchers *m)
{
    for (size_t i = 0; i < m->n; i++)
        if (!m->rows[i].accepts_empty)
            return true;
    return false;
}

size_t index_matchers_n(const struct index_matchers *m)
{
    return m->n;
}

struct str index_matchers_name(const struct index_matchers *m, size_t i)
{
    return m->rows[i].name;
}

bool index_matchers_accept(const struct index_matchers *m, size_t i, struct str value)
{
    return accepts(&m->rows[i], value);
}

struct index_hint index_matchers_hint(const struct index_matchers *m, size_t i)
{
    return m->rows[i].hint;
}
