#include <string.h>

#include "base/bits.h"
#include "base/mem.h"
#include "store/series/index_read.h"

enum {
    FEW = 8,           /* so many times more values than series left: look at the series instead */
    VALUES_MANY = 512, /* fewer values are always asked */
};

struct selecting {
    struct index *x;
    const struct index_matchers *m;
    size_t row, name;
    bool accept; /* the values wanted: accepted ones, or those that are not */
    struct str prefix;
    uint64_t *bits; /* their series */
};

static int add_value(void *context, struct str value, uint64_t handle, size_t bytes)
{
    struct selecting *s = context;
    if (index_matchers_accept(s->m, s->row, value) != s->accept)
        return 0;
    return index_postings(s->x, handle, bytes, s->bits);
}

static int any_value(void *context, struct str value, uint64_t handle, size_t bytes)
{
    struct selecting *s = context;
    return index_postings(s->x, handle, bytes, s->bits);
}

/* The series of one text, if there are any. */
static int add_text(struct selecting *s, struct str text, struct index_read_values *v)
{
    uint64_t b;
    int err = index_read_seek(s->x, s->name, text, v, &b);
    if (!err)
        err = index_read_block(s->x, s->name, b, v);
    for (size_t k = 0; k < v->n && !err; k++)
        if (str_eq(v->text[k], text))
            return index_postings(s->x, v->handle[k], v->postings[k], s->bits);
    return err;
}

/* The accepted values among those that begin with the prefix. */
static int add_prefix(struct selecting *s, struct index_read_values *v)
{
    uint64_t b;
    int err = index_read_seek(s->x, s->name, s->prefix, v, &b);
    for (; !err && b < index_read_blocks(s->x, s->name); b++) {
        err = index_read_block(s->x, s->name, b, v);
        for (size_t k = 0; k < v->n && !err; k++)
            if (str_starts(v->text[k], s->prefix))
                err = add_value(s, v->text[k], v->handle[k], v->postings[k]);
            else if (str_cmp(v->text[k], s->prefix) > 0)
                return 0;
    }
    return err;
}

/* s->bits: the series whose value of the row's name is (not, for !accept) accepted. */
static int add_row(struct selecting *s)
{
    struct index_hint hint = index_matchers_hint(s->m, s->row);
    struct index_read_values v;
    int err = 0;
    if (!s->accept)
        return index_values(s->x, s->name, add_value, s);
    index_read_values_init(&v);
    if (hint.texts) {
        for (size_t i = 0; i < hint.n && !err; i++)
            err = add_text(s, hint.texts[i], &v);
    } else {
        s->prefix = hint.prefix;
        err = add_prefix(s, &v);
    }
    index_read_values_done(&v);
    return err;
}

static size_t count(const uint64_t *bits, size_t words)
{
    size_t n = 0;
    for (size_t i = 0; i < words; i++)
        n += (size_t)__builtin_popcountll(bits[i]);
    return n;
}

static bool only_empty(struct index_hint hint)
{
    return hint.n == 1 && hint.texts[0].n == 0;
}

/* Cuts bits down by one row. */
static int narrow(struct selecting *s, uint64_t *bits, bool *ret_check)
{
    struct index *x = s->x;
    size_t words = index_words(x);
    bool empty = index_matchers_accept(s->m, s->row, STR(""));
    struct index_hint hint = index_matchers_hint(s->m, s->row);
    if (!index_name_find(x, index_matchers_name(s->m, s->row), &s->name)) {
        if (!empty)
            memset(bits, 0, words * sizeof *bits);
        return 0;
    }
    uint64_t values = x->names[s->name].values;
    if (!hint.texts && values > VALUES_MANY && values / FEW > count(bits, words)) {
        *ret_check = true;
        return 0;
    }
    memset(s->bits, 0, words * sizeof *s->bits);
    s->accept = !empty;
    int err = empty && hint.texts && only_empty(hint) ? index_values(x, s->name, any_value, s)
                                                      : add_row(s);
    for (size_t i = 0; i < words && !err; i++)
        bits[i] &= empty ? ~s->bits[i] : s->bits[i];
    return err;
}

int index_select(struct index *x, const struct index_matchers *m, uint64_t *bits, bool *ret_check)
{
    size_t words = index_words(x);
    bool check = false;
    memset(bits, 0xff, words * sizeof *bits);
    if (x->series % 64)
        bits[words - 1] = ((uint64_t)1 << (x->series % 64)) - 1;
    struct selecting s = {.x = x, .m = m, .bits = mem_array(words + 1, sizeof *bits)};
    int err = 0;
    for (s.row = 0; m && s.row < index_matchers_n(m) && !err; s.row++)
        err = narrow(&s, bits, &check);
    mem_free(s.bits);
    if (!err)
        *ret_check = check;
    return err;
}
