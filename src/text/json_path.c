#include "text/json_path.h"

#include "base/arena.h"
#include "base/bits.h"
#include "base/mem.h"
#include "text/number.h"

enum step_type { STEP_MEMBER, STEP_ELEMENT, STEP_ALL, STEP_FILTER };

struct step {
    enum step_type type;
    struct str name;  /* MEMBER */
    int64_t index;    /* ELEMENT */
    struct str inner; /* FILTER: "a.b" below the candidate */
    bool differs;     /* FILTER: != */
    enum json_type wanted;
    struct str text; /* FILTER: what it is compared with */
    double number;
};

struct json_path {
    struct arena arena;
    struct step steps[JSON_PATH_STEPS_MAX];
    size_t n;
    bool of_name, many;
};

/* ---- reading an expression */

struct reader {
    struct json_path *path;
    struct str text;
    size_t at;
    const char *wrong;
};

static char peek(const struct reader *r)
{
    return r->at < r->text.n ? r->text.p[r->at] : '\0';
}

static bool take(struct reader *r, char c)
{
    bool there = r->at < r->text.n && r->text.p[r->at] == c;
    r->at += there;
    return there;
}

static void blanks(struct reader *r)
{
    while (peek(r) == ' ')
        r->at++;
}

static bool fail(struct reader *r, const char *wrong)
{
    r->wrong = wrong;
    return false;
}

static bool of_bare_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == ':' || c == '/' || (unsigned char)c >= 0x80;
}

static bool read_bare(struct reader *r, struct str *ret)
{
    size_t from = r->at;
    while (r->at < r->text.n && of_bare_name(r->text.p[r->at]))
        r->at++;
    *ret = arena_str(&r->path->arena, str_sub(r->text, from, r->at));
    return r->at > from ? true : fail(r, "a name is expected");
}

/* A text in either kind of quotes; a backslash takes the next byte as it is. */
static bool read_quoted(struct reader *r, struct str *ret)
{
    char quote = peek(r), *out = arena_raw(&r->path->arena, r->text.n + 1);
    size_t n = 0;
    r->at++;
    while (r->at < r->text.n && r->text.p[r->at] != quote) {
        if (r->text.p[r->at] == '\\' && r->at + 1 < r->text.n)
            r->at++;
        out[n++] = r->text.p[r->at++];
    }
    out[n] = '\0';
    *ret = str_of(out, n);
    return take(r, quote) ? true : fail(r, "a quote is not closed");
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'';
}

static bool read_operand(struct reader *r, struct step *s)
{
    if (is_quote(peek(r))) {
        s->wanted = JSON_TEXT;
        return read_quoted(r, &s->text);
    }
    size_t from = r->at;
    while (r->at < r->text.n && r->text.p[r->at] != ')' && r->text.p[r->at] != ' ')
        r->at++;
    struct str word = str_sub(r->text, from, r->at);
    s->wanted = str_eq(word, STR("true"))    ? JSON_TRUE
                : str_eq(word, STR("false")) ? JSON_FALSE
                : str_eq(word, STR("null"))  ? JSON_NULL
                                             : JSON_NUMBER;
    if (s->wanted == JSON_NUMBER && number_parse(word, &s->number) != 0)
        return fail(r, "a text in quotes, a number, true, false or null is expected");
    return true;
}

/* Behind "?": (@.a.b == "x") */
static bool read_filter(struct reader *r, struct step *s)
{
    struct str name, inner = STR("");
    s->type = STEP_FILTER;
    if (!take(r, '(') || (blanks(r), !take(r, '@')))
        return fail(r, "(@.name == value) is expected behind ?");
    while (take(r, '.')) {
        if (!read_bare(r, &name))
            return false;
        inner = inner.n == 0 ? name
                             : arena_printf(&r->path->arena, STR_FMT "." STR_FMT, STR_ARG(inner),
                                            STR_ARG(name));
    }
    s->inner = arena_str(&r->path->arena, inner);
    blanks(r);
    s->differs = peek(r) == '!';
    if (!(take(r, '=') || take(r, '!')) || !take(r, '='))
        return fail(r, "== or != is expected");
    blanks(r);
    if (!read_operand(r, s))
        return false;
    blanks(r);
    return take(r, ')') ? true : fail(r, "a closing parenthesis is expected");
}

static bool read_bracket(struct reader *r, struct step *s)
{
    if (take(r, '*')) {
        s->type = STEP_ALL;
    } else if (take(r, '?')) {
        if (!read_filter(r, s))
            return false;
    } else if (is_quote(peek(r))) {
        s->type = STEP_MEMBER;
        if (!read_quoted(r, &s->name))
            return false;
    } else {
        size_t from = r->at;
        while (peek(r) == '-' || (peek(r) >= '0' && peek(r) <= '9'))
            r->at++;
        s->type = STEP_ELEMENT;
        if (!str_i64(str_sub(r->text, from, r->at), &s->index))
            return fail(r, "a number, *, a name in quotes or ?(..) is expected in brackets");
    }
    return take(r, ']') ? true : fail(r, "a closing bracket is expected");
}

static bool read_step(struct reader *r, bool first)
{
    struct json_path *p = r->path;
    if (p->n == JSON_PATH_STEPS_MAX)
        return fail(r, "there are too many steps");
    struct step *s = &p->steps[p->n++];
    if (take(r, '[')) {
        if (!read_bracket(r, s))
            return false;
    } else if (take(r, '.') || first) {
        s->type = take(r, '*') ? STEP_ALL : STEP_MEMBER;
        if (s->type == STEP_MEMBER && !read_bare(r, &s->name))
            return false;
    } else {
        return fail(r, ". or [ is expected");
    }
    p->many = p->many || s->type == STEP_ALL || s->type == STEP_FILTER;
    return true;
}

static bool read_all(struct reader *r)
{
    bool first = !take(r, '$');
    if (first && r->text.n == 0)
        return fail(r, "it is empty");
    while (r->at < r->text.n) {
        if (r->path->n > 0 && take(r, '~')) {
            r->path->of_name = true;
            return r->at == r->text.n ? true : fail(r, "nothing may follow ~");
        }
        if (!read_step(r, first))
            return false;
        first = false;
    }
    return true;
}

int json_path_new(struct str text, struct json_path **ret, struct why *why)
{
    if (text.n > JSON_PATH_TEXT_MAX)
        return why_set(why, ERR_LIMIT, "an expression has at most %d bytes", JSON_PATH_TEXT_MAX);
    struct json_path *p = mem_new(sizeof *p);
    arena_init(&p->arena);
    struct reader r = {.path = p, .text = text};
    if (!read_all(&r)) {
        json_path_free(p);
        return why_set(why, ERR_FORMAT, "\"" STR_FMT "\", character %zu: %s",
                       STR_ARG(str_sub(text, 0, 200)), r.at + 1, r.wrong);
    }
    *ret = p;
    return 0;
}

void json_path_free(struct json_path *p)
{
    if (p == NULL)
        return;
    arena_done(&p->arena);
    mem_free(p);
}

bool json_path_is_many(const struct json_path *p)
{
    return p->many;
}

/* ---- following it */

static bool passes(const struct step *s, const struct json_tree *candidate)
{
    const struct json_tree *node = s->inner.n ? json_tree_path(candidate, s->inner.p) : candidate;
    bool equal = node != NULL && node->type == s->wanted;
    if (equal && s->wanted == JSON_TEXT)
        equal = str_eq(node->text, s->text);
    else if (equal && s->wanted == JSON_NUMBER)
        equal = node->number == s->number;
    return equal != s->differs;
}

/* Is child i of node one that the step chooses? */
static bool chooses(const struct step *s, const struct json_tree *node, size_t i)
{
    const struct json_tree *child = &node->children[i];
    switch (s->type) {
    case STEP_MEMBER:
        /* The last of that name, as JSON readers take it. */
        for (size_t k = i + 1; str_eq(child->key, s->name) && k < node->n; k++)
            if (str_eq(node->children[k].key, s->name))
                return false;
        return node->type == JSON_OBJECT && str_eq(child->key, s->name);
    case STEP_ELEMENT:
        return node->type == JSON_ARRAY &&
               (int64_t)i == (s->index < 0 ? (int64_t)node->n + s->index : s->index);
    case STEP_FILTER:
        return passes(s, child);
    default:
        return true;
    }
}

struct walk {
    bool (*f)(void *context, const struct json_path_match *m);
    void *context;
    struct json_path_match match;
    size_t found;
    bool over;
};

/* From step at on; the depth is at most JSON_PATH_STEPS_MAX. */
static void follow(struct walk *w, size_t at)
{
    const struct json_path *p = w->match.path;
    if (at == p->n) {
        w->found++;
        w->over = !w->f(w->context, &w->match);
        return;
    }
    const struct json_tree *node = w->match.nodes[at];
    if (node->type != JSON_OBJECT && node->type != JSON_ARRAY)
        return;
    for (size_t i = 0; i < node->n && !w->over; i++) {
        if (!chooses(&p->steps[at], node, i))
            continue;
        w->match.nodes[at + 1] = &node->children[i];
        w->match.places[at + 1] = i;
        follow(w, at + 1);
    }
}

size_t json_path_each(const struct json_path *p, const struct json_tree *root,
                      bool (*f)(void *context, const struct json_path_match *m), void *context)
{
    struct walk w = {.f = f, .context = context, .match = {.path = p, .nodes = {root}}};
    follow(&w, 0);
    return w.found;
}

/* ---- what was found */

static const struct json_tree *last(const struct json_path_match *m)
{
    return m->nodes[m->path->n];
}

static bool is_member(const struct json_path_match *m)
{
    return m->nodes[m->path->n - 1]->type == JSON_OBJECT;
}

bool json_path_text(const struct json_path_match *m, struct buf *out)
{
    const struct json_tree *node = last(m);
    if (m->path->of_name && is_member(m))
        buf_put_str(out, node->key);
    else if (m->path->of_name)
        buf_put_u64(out, m->places[m->path->n]);
    else if (node->type == JSON_TEXT || node->type == JSON_NUMBER)
        buf_put_str(out, node->text);
    else if (node->type == JSON_TRUE || node->type == JSON_FALSE)
        buf_put_str(out, node->type == JSON_TRUE ? STR("true") : STR("false"));
    else
        return false;
    return true;
}

bool json_path_number(const struct json_path_match *m, double *ret)
{
    const struct json_tree *node = last(m);
    if (m->path->of_name && !is_member(m))
        *ret = (double)m->places[m->path->n];
    else if (m->path->of_name)
        return number_parse(str_trim(node->key), ret) == 0;
    else if (node->type == JSON_NUMBER)
        *ret = node->number;
    else if (node->type == JSON_TRUE || node->type == JSON_FALSE)
        *ret = node->type == JSON_TRUE;
    else
        return node->type == JSON_TEXT && number_parse(str_trim(node->text), ret) == 0;
    return true;
}

bool json_path_is_null(const struct json_path_match *m)
{
    return !m->path->of_name && last(m)->type == JSON_NULL;
}

static bool same_step(const struct step *a, const struct step *b)
{
    return a->type == b->type && str_eq(a->name, b->name) && a->index == b->index &&
           str_eq(a->inner, b->inner) && a->differs == b->differs && a->wanted == b->wanted &&
           str_eq(a->text, b->text) && double_bits(a->number) == double_bits(b->number);
}

static bool keep_first(void *context, const struct json_path_match *m)
{
    *(struct json_path_match *)context = *m;
    return false;
}

bool json_path_beside(const struct json_path *p, const struct json_path_match *m,
                      struct json_path_match *ret)
{
    struct walk w = {.f = keep_first, .context = ret, .match = *m};
    size_t shared = 0;
    while (shared < p->n && shared < m->path->n &&
           same_step(&p->steps[shared], &m->path->steps[shared]))
        shared++;
    w.match.path = p;
    follow(&w, shared);
    return w.found > 0;
}
