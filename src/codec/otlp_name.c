#include "codec/otlp_name.h"

enum { UNIT_MAX = 1024, TOKENS_MAX = 512 };

struct word {
    struct str unit, word;
};

static const struct word MAINS[] = {
#define MAIN(unit, word) {STR(unit), STR(word)},
#define PER(unit, word)
#include "codec/otlp_unit.tbl.h"
#undef MAIN
#undef PER
};

static const struct word PERS[] = {
#define MAIN(unit, word)
#define PER(unit, word) {STR(unit), STR(word)},
#include "codec/otlp_unit.tbl.h"
#undef MAIN
#undef PER
};

static bool plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool all_underscores(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '_')
            return false;
    return true;
}

/* ---- units */

static struct str word_of(const struct word *v, size_t n, struct str unit)
{
    unit = str_trim(unit);
    if (str_find(unit, '{') < unit.n || str_find(unit, '}') < unit.n)
        return (struct str){0};
    for (size_t i = 0; i < n; i++)
        if (str_eq(v[i].unit, unit))
            return v[i].word;
    return unit;
}

/* "By/s": bytes and per_second, as they stand in a name that takes any character. */
static void unit_words(struct str unit, struct buf *main, struct buf *per)
{
    size_t slash = str_find(unit, '/');
    buf_put_str(main, word_of(MAINS, COUNTOF(MAINS), str_sub(unit, 0, slash)));
    struct str word = word_of(PERS, COUNTOF(PERS), str_sub(unit, slash + 1, unit.n));
    if (word.n) {
        buf_put_str(per, STR("per_"));
        buf_put_str(per, word);
    }
}

/* Appends it with _ for what no plain name has, runs of them as one, none in front. */
static void put_clean(struct str unit, struct buf *out)
{
    size_t from = out->n;
    for (size_t i = 0; i < unit.n; i++) {
        bool good = plain(unit.p[i]) || unit.p[i] == ':';
        if (good)
            buf_put_c(out, unit.p[i]);
        else if (out->n > from && out->p[out->n - 1] != '_')
            buf_put_c(out, '_');
    }
}

static struct str without_end(struct str s, char c)
{
    return s.n && s.p[s.n - 1] == c ? str_sub(s, 0, s.n - 1) : s;
}

/* ---- metrics */

struct tokens {
    struct str v[TOKENS_MAX];
    size_t n;
    bool full; /* not all are here */
};

static bool has_token(const struct tokens *t, struct str s)
{
    for (size_t i = 0; i < t->n; i++)
        if (str_eq(t->v[i], s))
            return true;
    return false;
}

static void add_token(struct tokens *t, struct str s)
{
    if (s.n == 0)
        return;
    if (t->n < TOKENS_MAX)
        t->v[t->n++] = s;
    else
        t->full = true;
}

/* Moves a token to the end, where it is there already. */
static void end_token(struct tokens *t, struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        if (!str_eq(t->v[i], s))
            t->v[n++] = t->v[i];
    t->n = n;
    add_token(t, s);
}

/* Splits at all that a plain name does not have, and at _ where underscores says so. */
static void split(struct str name, bool underscores, struct tokens *t)
{
    size_t from = 0;
    for (size_t i = 0; i <= name.n; i++) {
        bool inside = i < name.n &&
                      (plain(name.p[i]) || name.p[i] == ':' || (name.p[i] == '_' && !underscores));
        if (inside)
            continue;
        add_token(t, str_sub(name, from, i));
        from = i + 1;
    }
}

static void put_tokens(const struct tokens *t, struct buf *out)
{
    if (t->full)
        return; /* a name without end: nothing is left of it */
    if (t->n && digit(t->v[0].p[0]))
        buf_put_c(out, '_');
    for (size_t i = 0; i < t->n; i++) {
        if (i)
            buf_put_c(out, '_');
        buf_put_str(out, t->v[i]);
    }
}

static bool ratio(const struct otlp_metric *m)
{
    return m->kind == OTLP_GAUGE && str_eq(m->unit, STR("1"));
}

static bool counter(const struct otlp_metric *m)
{
    return m->kind == OTLP_SUM && m->monotonic;
}

static void put_escaped(const struct otlp_metric *m, struct str main, struct str per,
                        struct buf *out)
{
    struct tokens t = {.n = 0};
    split(m->name, true, &t);
    if (has_token(&t, main))
        main = (struct str){0};
    if (str_eq(per, STR("per_")))
        per = (struct str){0};
    per = without_end(per, '_');
    if (has_token(&t, per))
        per = (struct str){0};
    add_token(&t, per.n ? without_end(main, '_') : main);
    add_token(&t, per);
    if (counter(m))
        end_token(&t, STR("total"));
    if (ratio(m))
        end_token(&t, STR("ratio"));
    put_tokens(&t, out);
}

/* Takes the suffix and the character before it off. */
static struct str without(struct str name, struct str suffix)
{
    bool there = suffix.n && str_ends(name, suffix) && name.n > suffix.n + 1;
    return there ? str_sub(name, 0, name.n - suffix.n - 1) : name;
}

static void put_suffix(struct str suffix, struct buf *out)
{
    buf_put_c(out, '_');
    buf_put_str(out, suffix);
}

static void put_unescaped(const struct otlp_metric *m, struct str main, struct str per,
                          struct buf *out)
{
    struct str name = m->name;
    if (ratio(m))
        name = without(name, STR("ratio"));
    if (counter(m))
        name = without(name, STR("total"));
    name = without(name, per);
    buf_put_str(out, name);
    if (main.n && !str_ends(name, main))
        put_suffix(main, out);
    if (per.n)
        put_suffix(per, out);
    if (counter(m))
        put_suffix(STR("total"), out);
    if (ratio(m))
        put_suffix(STR("ratio"), out);
}

static void put_with_suffixes(const struct otlp_name_rules *rules, const struct otlp_metric *m,
                              struct buf *out)
{
    struct buf main, per, clean_main, clean_per;
    buf_init(&main, UNIT_MAX);
    buf_init(&per, UNIT_MAX);
    buf_init(&clean_main, UNIT_MAX);
    buf_init(&clean_per, UNIT_MAX);
    unit_words(m->unit, &main, &per);
    if (rules->escape) {
        put_clean(buf_str(&main), &clean_main);
        put_clean(buf_str(&per), &clean_per);
        put_escaped(m, buf_str(&clean_main), buf_str(&clean_per), out);
    } else {
        put_unescaped(m, buf_str(&main), buf_str(&per), out);
    }
    buf_done(&main);
    buf_done(&per);
    buf_done(&clean_main);
    buf_done(&clean_per);
}

bool otlp_name_metric(const struct otlp_name_rules *rules, const struct otlp_metric *m,
                      struct buf *out)
{
    size_t from = out->n;
    if (rules->suffixes) {
        put_with_suffixes(rules, m, out);
    } else if (rules->escape) {
        struct tokens t = {.n = 0};
        split(m->name, false, &t);
        put_tokens(&t, out);
    } else {
        buf_put_str(out, m->name);
    }
    struct str made = str_sub(buf_str(out), from, out->n);
    return made.n && (str_eq(made, m->name) || !rules->escape || !all_underscores(made));
}

void otlp_name_unit(const struct otlp_name_rules *rules, struct str unit, struct buf *out)
{
    struct buf main, per;
    size_t from = out->n;
    buf_init(&main, UNIT_MAX);
    buf_init(&per, UNIT_MAX);
    unit_words(unit, &main, &per);
    if (rules->escape)
        put_clean(buf_str(&main), out);
    else
        buf_put_str(out, buf_str(&main));
    if (out->n > from && out->p[out->n - 1] == '_')
        out->n--;
    if (per.n && out->n > from)
        buf_put_c(out, '_');
    if (rules->escape)
        put_clean(buf_str(&per), out);
    else
        buf_put_str(out, buf_str(&per));
    if (out->n > from && out->p[out->n - 1] == '_')
        out->n--;
    buf_done(&main);
    buf_done(&per);
}

bool otlp_name_label(const struct otlp_name_rules *rules, struct str key, struct buf *out)
{
    size_t from = out->n;
    if (key.n == 0)
        return false;
    if (!rules->escape) {
        buf_put_str(out, key);
        return true;
    }
    if (digit(key.p[0]))
        buf_put_str(out, STR("key_"));
    size_t begin = out->n;
    for (size_t i = 0; i < key.n; i++) {
        unsigned char c = (unsigned char)key.p[i];
        if (c >= 0x80 && c < 0xc0 && i > 0)
            continue; /* the rest of a character that is an underscore already */
        bool good = plain(key.p[i]);
        if (good)
            buf_put_c(out, key.p[i]);
        else if (rules->preserve_underscores || out->n == begin || out->p[out->n - 1] != '_')
            buf_put_c(out, '_');
    }
    struct str made = str_sub(buf_str(out), begin, out->n);
    if (!str_eq(made, key) && all_underscores(made)) {
        out->n = from;
        return false;
    }
    bool single = made.p[0] == '_' && !(made.n > 1 && made.p[1] == '_');
    if (single && rules->key_prefix) {
        char c[3] = "key";
        size_t n = made.n;
        if (buf_reserve(out, sizeof c) == NULL)
            return false;
        memmove(out->p + begin + sizeof c, out->p + begin, n);
        memcpy(out->p + begin, c, sizeof c);
        buf_commit(out, sizeof c);
    }
    return true;
}
