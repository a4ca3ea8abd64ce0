#include "collect/emit.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/stat.h"
#include "base/vec.h"
#include "model/labels.h"

enum { KEY_MAX = 64 * 1024, STAT_VALUES = 5 };

/* Stands for every statistic of the daemon: its values are family, suffix, labels, le and help. */
static const struct family STATS[] = {
    [STAT_TYPE_COUNTER] = {"**", METRIC_COUNTER, "*", {NULL}},
    [STAT_TYPE_GAUGE] = {"**", METRIC_GAUGE, "*", {NULL}},
    [STAT_TYPE_HISTOGRAM] = {"**", METRIC_HISTOGRAM, "*", {NULL}},
};

/* Stands for every series from elsewhere: its values are name, family, help, and then name and
 * value of each label. */
enum { FOREIGN_VALUES = 3 };
static const struct family FOREIGN[] = {
    [METRIC_UNKNOWN] = {"*", METRIC_UNKNOWN, "*", {NULL}},
    [METRIC_COUNTER] = {"*", METRIC_COUNTER, "*", {NULL}},
    [METRIC_GAUGE] = {"*", METRIC_GAUGE, "*", {NULL}},
    [METRIC_HISTOGRAM] = {"*", METRIC_HISTOGRAM, "*", {NULL}},
    [METRIC_GAUGEHISTOGRAM] = {"*", METRIC_GAUGEHISTOGRAM, "*", {NULL}},
    [METRIC_SUMMARY] = {"*", METRIC_SUMMARY, "*", {NULL}},
    [METRIC_INFO] = {"*", METRIC_INFO, "*", {NULL}},
    [METRIC_STATESET] = {"*", METRIC_STATESET, "*", {NULL}},
};

static bool is_foreign(const struct family *f)
{
    return f >= FOREIGN && f < FOREIGN + COUNTOF(FOREIGN);
}

static bool is_stat(const struct family *f)
{
    return f >= STATS && f < STATS + COUNTOF(STATS);
}

void emit_init(struct emit *e, struct str job, struct str instance)
{
    *e = (struct emit){.job = job, .instance = instance};
    map_init(&e->idents, 1);
    map_init(&e->keys, 2);
}

static void free_series(struct emit_series *s)
{
    mem_free(s->ident);
    mem_free((void *)(uintptr_t)s->key.p);
    mem_free((void *)(uintptr_t)s->name.p);
    mem_free((void *)(uintptr_t)s->base.p);
    mem_free((void *)(uintptr_t)s->help.p);
    mem_free((void *)(uintptr_t)s->text.p);
    mem_free(s);
}

void emit_done(struct emit *e)
{
    for (size_t i = 0; i < e->n; i++)
        free_series(e->v[i]);
    vec_free(e);
    map_done(&e->idents);
    map_done(&e->keys);
}

void emit_begin(struct emit *e)
{
    e->run++;
    e->cursor = 0;
    e->emitted = 0;
    e->changed = false;
}

/* ---- identity: the family's address, then each value with its length */

static bool same(const struct emit_series *s, const struct family *f, const struct str *values,
                 size_t n)
{
    if (s->family != f)
        return false;
    const char *p = s->ident + sizeof f;
    for (size_t i = 0; i < n; i++) {
        uint32_t len = (uint32_t)values[i].n;
        if (load32(p) != len || (len && memcmp(p + sizeof len, values[i].p, len) != 0))
            return false;
        p += sizeof len + len;
    }
    return true;
}

static void put_ident(struct buf *b, const struct family *f, const struct str *values, size_t n)
{
    buf_put(b, &f, sizeof f);
    for (size_t i = 0; i < n; i++) {
        char len[4];
        store32(len, (uint32_t)values[i].n);
        buf_put(b, len, sizeof len);
        buf_put_str(b, values[i]);
    }
}

/* ---- making a series */

/* s with every byte that is not part of well-formed UTF-8 replaced, cut at EMIT_VALUE_MAX. */
static struct str repaired(struct str s, struct buf *room)
{
    size_t from = room->n;
    while (s.n && room->n - from < EMIT_VALUE_MAX - 4) {
        size_t n = 1;
        while (n <= 4 && n <= s.n && !str_utf8(str_of(s.p, n)))
            n++;
        if (n > 4 || n > s.n) {
            buf_put(room, "\xef\xbf\xbd", 3);
            n = 1;
        } else {
            buf_put(room, s.p, n);
        }
        s = str_sub(s, n, s.n);
    }
    return str_of(room->p + from, room->n - from);
}

/* pattern with its stars filled; *used says how many values that took. */
static void fill(const char *pattern, const struct str *values, size_t n, size_t *used,
                 struct buf *out)
{
    for (; *pattern; pattern++) {
        if (*pattern == '*' && *used < n)
            buf_put_str(out, values[(*used)++]);
        else
            buf_put_c(out, *pattern);
    }
}

static void put_quoted(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\' || s.p[i] == '"')
            buf_put_c(out, '\\');
        if (s.p[i] == '\n')
            buf_put_str(out, STR("\\n"));
        else
            buf_put_c(out, s.p[i]);
    }
}

/* Takes the labels of a statistic (a="b",c="d") apart. */
static size_t stat_labels(struct str text, struct str le, struct label *out)
{
    size_t n = 0;
    while (text.n && n < EMIT_LABELS_MAX - 1) {
        size_t equals = str_find(text, '=');
        struct str name = str_trim(str_sub(text, 0, equals));
        struct str rest = str_sub(text, equals + 2, text.n);
        size_t end = str_find(rest, '"');
        if (equals == text.n || end == rest.n)
            break;
        out[n++] = (struct label){name, str_sub(rest, 0, end)};
        text = str_sub(rest, end + 1, rest.n);
        if (text.n && text.p[0] == ',')
            text = str_sub(text, 1, text.n);
    }
    if (le.n)
        out[n++] = (struct label){STR("le"), le};
    return n;
}

static struct str keep(struct str s)
{
    return (struct str){mem_text(s.p, s.n), s.n};
}

/* name{a="b"}, empty values too, as exporters show them. */
static struct str make_text(struct str name, const struct label *labels, size_t n)
{
    struct buf b;
    buf_init(&b, KEY_MAX);
    buf_put_str(&b, name);
    char before = '{';
    for (size_t i = 0; i < n; i++) {
        buf_put_c(&b, before);
        buf_put_str(&b, labels[i].name);
        buf_put_str(&b, STR("=\""));
        put_quoted(&b, labels[i].value);
        buf_put_c(&b, '"');
        before = ',';
    }
    if (before == ',')
        buf_put_c(&b, '}');
    struct str text = keep(buf_str(&b));
    buf_done(&b);
    return text;
}

/* The labels of a series from elsewhere, of which those that are ours get another name. */
static size_t foreign_labels(const struct str *values, size_t n, struct buf *room,
                             struct label *out)
{
    size_t labels = 0;
    for (size_t i = FOREIGN_VALUES; i + 1 < n; i += 2) {
        struct str name = values[i];
        if (str_eq(name, STR("job")))
            name = STR("exported_job");
        else if (str_eq(name, STR("instance")))
            name = STR("exported_instance");
        out[labels++] = (struct label){name, repaired(values[i + 1], room)};
    }
    return labels;
}

/* The label set of a new series, name apart; *base is how much of name is its family's. */
static size_t make_labels(const struct family *f, const struct str *values, size_t n,
                          struct buf *name, struct buf *help, size_t *base, struct buf *room,
                          struct label *out)
{
    size_t used = 0, unused = 0, labels = 0;
    if (is_stat(f)) {
        fill("**", values, 2, &used, name);
        buf_put_str(help, values[4]);
        *base = values[0].n;
        return stat_labels(values[2], values[3], out);
    }
    if (is_foreign(f)) {
        buf_put_str(name, values[0]);
        buf_put_str(help, values[2]);
        *base = values[1].n;
        return foreign_labels(values, n, room, out);
    }
    fill(f->name, values, n, &used, name);
    fill(f->help, values, n, &unused, help);
    *base = name->n;
    while (labels < EMIT_LABELS_MAX && f->labels[labels] && used < n) {
        out[labels] = (struct label){str_c(f->labels[labels]), repaired(values[used++], room)};
        labels++;
    }
    must(used == n); /* as many values as the family has stars and labels */
    return labels;
}

/* A series of its own, or NULL where its labels are no labels (a name off a hostile file). */
static struct emit_series *make(struct emit *e, const struct family *f, const struct str *values,
                                size_t n)
{
    struct label labels[EMIT_LABELS_MAX + 3];
    struct buf room, name, help, key;
    buf_init(&room, KEY_MAX);
    buf_init(&name, KEY_MAX);
    buf_init(&help, KEY_MAX);
    buf_init(&key, KEY_MAX);
    /* Reserved first so that the labels' pointers into it stay. */
    char *first = buf_reserve(&room, (size_t)EMIT_VALUE_MAX * EMIT_LABELS_MAX);
    must(first != NULL);
    size_t base, count = make_labels(f, values, n, &name, &help, &base, &room, labels);

    struct emit_series *s = NULL;
    if (metric_name_plain(buf_str(&name))) {
        s = mem_new(sizeof *s);
        s->family = f;
        s->name = keep(buf_str(&name));
        s->base = keep(str_sub(s->name, 0, base));
        s->help = keep(buf_str(&help));
        s->text = make_text(s->name, labels, count);
        labels[count++] = (struct label){STR("__name__"), s->name};
        labels[count++] = (struct label){STR("job"), e->job};
        labels[count++] = (struct label){STR("instance"), e->instance};
        if (labels_encode(labels, count, &key, NULL) == 0) {
            s->key = keep(buf_str(&key));
        } else {
            free_series(s);
            s = NULL;
        }
    }
    buf_done(&room);
    buf_done(&name);
    buf_done(&help);
    buf_done(&key);
    return s;
}

/* Takes s in, or frees it where its key is taken: two texts repaired into one. */
static struct emit_series *enter(struct emit *e, struct emit_series *s, const struct buf *ident)
{
    bool is_new;
    map_put(&e->keys, s->key, &is_new); /* a set: the value says nothing */
    if (!is_new) {
        free_series(s);
        return NULL;
    }
    s->ident = mem_copy(ident->p, ident->n);
    s->ident_n = ident->n;
    s->at = (uint32_t)e->n;
    map_put(&e->idents, buf_str(ident), NULL)->p = s;
    vec_push(e, s);
    return s;
}

/* The series of these values, made where it is missing; NULL where it cannot be had. */
static struct emit_series *find(struct emit *e, const struct family *f, const struct str *values,
                                size_t n)
{
    struct buf ident;
    buf_init(&ident, KEY_MAX);
    put_ident(&ident, f, values, n);
    struct emit_series *s = NULL;
    union map_value *known = buf_failed(&ident) ? NULL : map_get(&e->idents, buf_str(&ident));
    if (known) {
        s = known->p;
    } else if (!buf_failed(&ident) && e->n < EMIT_SERIES_MAX) {
        s = make(e, f, values, n);
        if (s)
            s = enter(e, s, &ident);
    }
    buf_done(&ident);
    return s;
}

void emit_value(struct emit *e, const struct family *f, double value, const struct str *values,
                size_t n)
{
    struct emit_series *s = e->cursor < e->n ? e->v[e->cursor] : NULL;
    if (UNLIKELY(!s || !same(s, f, values, n))) {
        e->changed = true;
        s = find(e, f, values, n);
        if (!s || s->run == e->run) {
            e->dropped++;
            return;
        }
        e->cursor = s->at;
    }
    if (s->run == e->run) {
        e->dropped++;
        return;
    }
    s->value = value;
    s->run = e->run;
    s->order = e->emitted++;
    e->cursor++;
}

void emit_stat(struct emit *e, const struct stat_sample *s)
{
    const struct str values[STAT_VALUES] = {str_c(s->family), str_c(s->suffix), str_c(s->labels),
                                            str_c(s->le), str_c(s->help)};
    emit_value(e, &STATS[s->type], s->value, values, STAT_VALUES);
}

bool emit_foreign(struct emit *e, const struct emit_foreign *s, double value)
{
    struct str values[FOREIGN_VALUES + 2 * EMIT_LABELS_MAX] = {s->name, s->base, s->help};
    if (s->labels_n > EMIT_LABELS_MAX)
        return false;
    for (size_t i = 0; i < s->labels_n; i++) {
        values[FOREIGN_VALUES + 2 * i] = s->labels[i].name;
        values[FOREIGN_VALUES + 2 * i + 1] = s->labels[i].value;
    }
    emit_value(e, &FOREIGN[s->type], value, values, FOREIGN_VALUES + 2 * s->labels_n);
    return true;
}

/* Those of this run first, in its order. */
static int by_order(const void *a, const void *b)
{
    const struct emit_series *x = *(struct emit_series *const *)a;
    const struct emit_series *y = *(struct emit_series *const *)b;
    if (x->run != y->run)
        return x->run > y->run ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

void emit_end(struct emit *e)
{
    if (!e->changed || e->n == 0)
        return;
    qsort(e->v, e->n, sizeof *e->v, by_order);
    for (size_t i = 0; i < e->n; i++)
        e->v[i]->at = (uint32_t)i;
}

void emit_drop(struct emit *e, size_t i)
{
    struct emit_series *s = e->v[i];
    must(map_drop(&e->idents, str_of(s->ident, s->ident_n)));
    must(map_drop(&e->keys, s->key));
    e->v[i] = e->v[--e->n];
    e->v[i]->at = (uint32_t)i;
    free_series(s);
}

static int by_family(const void *a, const void *b)
{
    const struct emit_series *x = *(struct emit_series *const *)a;
    const struct emit_series *y = *(struct emit_series *const *)b;
    int order = str_cmp(x->base, y->base);
    return order ? order : x->at < y->at ? -1 : x->at > y->at;
}

void emit_print(const struct emit *e, struct buf *out)
{
    struct emit_series **sorted = mem_array(e->n + 1, sizeof *sorted);
    if (e->n > 0)
        memcpy(sorted, e->v, e->n * sizeof *sorted);
    qsort(sorted, e->n, sizeof *sorted, by_family);
    for (size_t i = 0; i < e->n; i++) {
        const struct emit_series *s = sorted[i];
        if (i == 0 || !str_eq(s->base, sorted[i - 1]->base)) {
            buf_printf(out, "# HELP " STR_FMT " " STR_FMT "\n", STR_ARG(s->base), STR_ARG(s->help));
            buf_printf(out, "# TYPE " STR_FMT " %s\n", STR_ARG(s->base),
                       s->family->type == METRIC_UNKNOWN ? "untyped"
                                                         : metric_type_text(s->family->type));
        }
        buf_printf(out, STR_FMT " %.17g\n", STR_ARG(s->text), s->value);
    }
    mem_free(sorted);
}
