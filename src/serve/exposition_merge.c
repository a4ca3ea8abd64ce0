#include "serve/exposition_merge.h"

#include "base/mem.h"
#include "base/vec.h"

enum { FAMILY_BYTES_MAX = 64 << 20, FAMILIES_MAX = 100000 };

void exposition_merge_init(struct exposition_merge *m)
{
    *m = (struct exposition_merge){0};
    map_init(&m->families, 0);
}

void exposition_merge_done(struct exposition_merge *m)
{
    for (size_t i = 0; i < m->n; i++) {
        buf_done(&m->v[i].comments);
        buf_done(&m->v[i].samples);
    }
    vec_free(m);
    map_done(&m->families);
}

/* The family of that name, made where it is new; NULL where there are too many. */
static struct exposition_merge_family *family_of(struct exposition_merge *m, struct str name,
                                                 bool *ret_new)
{
    if (m->n == FAMILIES_MAX)
        return NULL;
    union map_value *v = map_put(&m->families, name, ret_new);
    if (*ret_new) {
        struct exposition_merge_family family;
        buf_init(&family.comments, FAMILY_BYTES_MAX);
        buf_init(&family.samples, FAMILY_BYTES_MAX);
        vec_push(m, family);
        v->u = m->n;
    }
    return &m->v[v->u - 1];
}

static void put_label(struct buf *out, const char *name, struct str value)
{
    buf_printf(out, "%s=\"", name);
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '"' || value.p[i] == '\\')
            buf_put_c(out, '\\');
        buf_put_c(out, value.p[i]);
    }
    buf_put_c(out, '"');
}

static void put_sample(struct buf *out, struct str line, struct str job, struct str instance)
{
    size_t brace = str_find(line, '{'), space = str_find(line, ' ');
    bool labels = brace < space;
    size_t end = labels ? brace : space;
    buf_put_str(out, str_sub(line, 0, end));
    buf_put_c(out, '{');
    put_label(out, "job", job);
    buf_put_c(out, ',');
    put_label(out, "instance", instance);
    if (!labels) {
        buf_put_c(out, '}');
    } else if (end + 1 < line.n && line.p[end + 1] != '}') {
        buf_put_c(out, ',');
    }
    buf_put_str(out, str_sub(line, labels ? end + 1 : end, line.n));
    buf_put_c(out, '\n');
}

/* "# HELP name .." and "# TYPE name ..": the name; "" for another comment. */
static struct str named(struct str line)
{
    struct str rest = line, word;
    bool known =
        str_word(&rest, &word) && str_eq(word, STR("#")) && str_word(&rest, &word) &&
        (str_eq(word, STR("HELP")) || str_eq(word, STR("TYPE")) || str_eq(word, STR("UNIT")));
    return known && str_word(&rest, &word) ? word : STR("");
}

void exposition_merge_add(struct exposition_merge *m, struct str text, struct str job,
                          struct str instance)
{
    struct exposition_merge_family *family = NULL;
    struct str line, present = STR("");
    bool fresh = false, told = false;
    while (str_split(&text, '\n', &line)) {
        if (line.n == 0)
            continue;
        if (line.p[0] != '#') {
            if (family == NULL) /* before any comment: a family of its own name */
                family = family_of(
                    m, str_sub(line, 0, MIN(str_find(line, '{'), str_find(line, ' '))), &fresh);
            if (family != NULL)
                put_sample(&family->samples, line, job, instance);
            continue;
        }
        struct str name = named(line);
        if (name.n == 0)
            continue;
        if (family == NULL || !str_eq(name, present)) {
            family = family_of(m, name, &fresh);
            present = name;
            told = !fresh; /* another application's comments are there already */
        }
        if (family != NULL && !told) {
            buf_put_str(&family->comments, line);
            buf_put_c(&family->comments, '\n');
        }
    }
}

void exposition_merge_put(const struct exposition_merge *m, struct buf *out)
{
    for (size_t i = 0; i < m->n; i++) {
        buf_put_str(out, buf_str(&m->v[i].comments));
        buf_put_str(out, buf_str(&m->v[i].samples));
    }
}
