#include "base/vec.h"
#include "text/letter.h"
#include "text/template_tree.h"

enum { TRIM = 2 /* bytes of a trim marker with its blank */ };

struct lexer {
    struct str text;
    size_t at, start;
    uint32_t line; /* at start */
    unsigned parens;
    struct arena *arena;
    struct template_tokens *out;
};

static const struct {
    const char *word;
    enum template_token_type type;
} KEYWORDS[] = {
    {"block", TOKEN_BLOCK},
    {"break", TOKEN_BREAK},
    {"continue", TOKEN_CONTINUE},
    {"define", TOKEN_DEFINE},
    {"else", TOKEN_ELSE},
    {"end", TOKEN_FINISH},
    {"if", TOKEN_IF},
    {"range", TOKEN_RANGE},
    {"nil", TOKEN_NIL},
    {"template", TOKEN_TEMPLATE},
    {"with", TOKEN_WITH},
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Letters beyond ASCII count as such without being looked at. */
static bool is_word(char c)
{
    return c == '_' || is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (unsigned char)c >= 0x80;
}

static bool is_one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

static struct str rest_of(const struct lexer *l)
{
    return str_sub(l->text, l->at, l->text.n);
}

static bool ahead(const struct lexer *l, const char *text)
{
    return str_starts(rest_of(l), str_c(text));
}

/* The byte at the position, 0 at the end. */
static char peek(const struct lexer *l)
{
    return l->at < l->text.n ? l->text.p[l->at] : 0;
}

static bool at_end(const struct lexer *l)
{
    return l->at >= l->text.n;
}

/* What stands since start is passed over. */
static void ignore(struct lexer *l)
{
    for (; l->start < l->at; l->start++)
        l->line += l->text.p[l->start] == '\n';
}

static bool emit(struct lexer *l, enum template_token_type type)
{
    struct template_token t = {type, (uint32_t)l->start, l->line,
                               str_sub(l->text, l->start, l->at)};
    vec_push(l->out, t);
    ignore(l);
    return true;
}

static bool fault(struct lexer *l, struct str text)
{
    struct template_token t = {TOKEN_ERROR, (uint32_t)l->start, l->line, text};
    vec_push(l->out, t);
    return false;
}

/* What '#U' shows of the character at the position. */
static bool bad_character(struct lexer *l, const char *what)
{
    size_t n;
    if (at_end(l))
        return fault(l, arena_printf(l->arena, "%s U+FFFFFFFFFFFFFFFF", what));
    uint32_t rune = letter_next(rest_of(l), &n);
    struct str shown = str_sub(rest_of(l), 0, n);
    if (rune < 0x20 || rune == 0x7f)
        return fault(l, arena_printf(l->arena, "%s U+%04X", what, rune));
    return fault(l, arena_printf(l->arena, "%s U+%04X '" STR_FMT "'", what, rune, STR_ARG(shown)));
}

/* Is the closing delimiter here, and with a trim marker before it? */
static bool at_right(const struct lexer *l, bool *ret_trim)
{
    *ret_trim = is_space(peek(l)) && str_starts(str_sub(l->text, l->at + 1, l->text.n), STR("-}}"));
    return *ret_trim || ahead(l, "}}");
}

static void skip_space(struct lexer *l)
{
    while (!at_end(l) && is_space(peek(l)))
        l->at++;
    ignore(l);
}

static bool lex_right(struct lexer *l, bool trim)
{
    if (trim) {
        l->at += TRIM;
        ignore(l);
    }
    l->at += 2;
    (void)emit(l, TOKEN_RIGHT); /* always true */
    if (trim)
        skip_space(l);
    return true;
}

/* "{{/" "* ... *" "/}}" */
static bool lex_comment(struct lexer *l)
{
    size_t end = str_search(rest_of(l), STR("*/"));
    bool trim;
    if (end == rest_of(l).n)
        return fault(l, STR("unclosed comment"));
    l->at += end + 2;
    if (!at_right(l, &trim))
        return fault(l, STR("comment ends before closing delimiter"));
    l->at += trim ? 2 + TRIM : 2;
    ignore(l);
    if (trim)
        skip_space(l);
    return true;
}

/* Text up to the next action, then its beginning. False at the end, or after a fault. */
static bool lex_text(struct lexer *l, bool *ret_inside)
{
    l->at += str_search(rest_of(l), STR("{{"));
    bool more = !at_end(l);
    bool trim = more && str_starts(str_sub(l->text, l->at + 2, l->text.n), STR("-")) &&
                l->at + 3 < l->text.n && is_space(l->text.p[l->at + 3]);
    size_t open = l->at;
    while (trim && l->at > l->start && is_space(l->text.p[l->at - 1]))
        l->at--;
    if (l->at > l->start)
        (void)emit(l, TOKEN_TEXT); /* always true */
    l->at = open;
    ignore(l);
    if (!more)
        return false;
    l->at += 2;
    size_t marker = trim ? TRIM : 0;
    if (str_starts(str_sub(l->text, l->at + marker, l->text.n), STR("/*"))) {
        l->at += marker;
        ignore(l);
        return lex_comment(l);
    }
    (void)emit(l, TOKEN_LEFT); /* always true */
    l->at += marker;
    ignore(l);
    l->parens = 0;
    *ret_inside = true;
    return true;
}

static bool at_terminator(const struct lexer *l)
{
    return at_end(l) || is_space(peek(l)) || is_one_of(peek(l), ".,|:)(") || ahead(l, "}}");
}

static void take_word(struct lexer *l)
{
    while (!at_end(l) && is_word(peek(l)))
        l->at++;
}

static bool lex_field_or_variable(struct lexer *l, enum template_token_type type)
{
    if (at_terminator(l))
        return emit(l, type == TOKEN_VARIABLE ? TOKEN_VARIABLE : TOKEN_DOT);
    take_word(l);
    if (!at_terminator(l))
        return bad_character(l, "bad character");
    return emit(l, type);
}

static bool lex_identifier(struct lexer *l)
{
    take_word(l);
    struct str word = str_sub(l->text, l->start, l->at);
    if (!at_terminator(l))
        return bad_character(l, "bad character");
    for (size_t i = 0; i < COUNTOF(KEYWORDS); i++)
        if (str_eq(word, str_c(KEYWORDS[i].word)))
            return emit(l, KEYWORDS[i].type);
    bool truth = str_eq(word, STR("true")) || str_eq(word, STR("false"));
    return emit(l, truth ? TOKEN_BOOL : TOKEN_IDENTIFIER);
}

static bool lex_quoted(struct lexer *l, char quote)
{
    for (; !at_end(l) && peek(l) != quote; l->at++) {
        if (quote != '`' && peek(l) == '\\')
            l->at++;
        if (quote != '`' && (at_end(l) || peek(l) == '\n'))
            break;
    }
    if (at_end(l) || peek(l) != quote)
        return fault(l, quote == '"'   ? STR("unterminated quoted string")
                        : quote == '`' ? STR("unterminated raw quoted string")
                                       : STR("unterminated character constant"));
    l->at++;
    return emit(l, quote == '"' ? TOKEN_STRING : quote == '`' ? TOKEN_RAW : TOKEN_RUNE);
}

static void take_any(struct lexer *l, const char *set)
{
    while (is_one_of(peek(l), set))
        l->at++;
}

static bool take_one(struct lexer *l, const char *set)
{
    bool there = is_one_of(peek(l), set);
    l->at += there;
    return there;
}

/* Digits with a point and an exponent. */
static void take_number(struct lexer *l)
{
    const char *digits = "0123456789_";
    bool hex = false;
    (void)take_one(l, "+-"); /* may be missing */
    if (take_one(l, "0")) {
        hex = take_one(l, "xX");
        if (hex)
            digits = "0123456789abcdefABCDEF_";
        else if (take_one(l, "oO"))
            digits = "01234567_";
        else if (take_one(l, "bB"))
            digits = "01_";
    }
    take_any(l, digits);
    if (take_one(l, "."))
        take_any(l, digits);
    if (take_one(l, hex ? "pP" : "eE")) {
        (void)take_one(l, "+-"); /* may be missing */
        take_any(l, "0123456789_");
    }
}

static bool lex_number(struct lexer *l)
{
    take_number(l);
    bool good = !is_word(peek(l)) && peek(l) != '+' && peek(l) != '-';
    if (good)
        return emit(l, TOKEN_NUMBER);
    if (is_word(peek(l)))
        l->at++;
    else
        take_number(l); /* 1+2i would be a complex number */
    struct buf b;
    buf_init(&b, TEMPLATE_TEXT_MAX);
    buf_put_str(&b, STR("bad number syntax: "));
    template_quote(str_sub(l->text, l->start, l->at), &b);
    struct str text = arena_str(l->arena, buf_str(&b));
    buf_done(&b);
    return fault(l, text);
}

static bool lex_space(struct lexer *l)
{
    bool trim = false;
    while (!at_end(l) && is_space(peek(l)) && !(at_right(l, &trim) && trim))
        l->at++;
    return l->at > l->start ? emit(l, TOKEN_SPACE) : true;
}

static bool lex_paren(struct lexer *l, char c)
{
    if (c == '(') {
        l->parens++;
        return emit(l, TOKEN_OPEN);
    }
    if (l->parens == 0)
        return fault(l, STR("unexpected right paren"));
    l->parens--;
    return emit(l, TOKEN_CLOSE);
}

static bool lex_operator(struct lexer *l, char c)
{
    l->at++;
    switch (c) {
    case '=':
        return emit(l, TOKEN_ASSIGN);
    case ':':
        if (peek(l) != '=')
            return fault(l, STR("expected :="));
        l->at++;
        return emit(l, TOKEN_DECLARE);
    case '|':
        return emit(l, TOKEN_PIPE);
    case '"':
    case '`':
    case '\'':
        return lex_quoted(l, c);
    case '$':
        return lex_field_or_variable(l, TOKEN_VARIABLE);
    case '(':
    case ')':
        return lex_paren(l, c);
    default:
        break;
    }
    if (c > ' ' && c < 0x7f)
        return emit(l, TOKEN_CHARACTER);
    l->at--;
    return bad_character(l, "unrecognized character in action:");
}

/* One token of an action. */
static bool lex_inside(struct lexer *l, bool *ret_inside)
{
    bool trim;
    if (at_right(l, &trim)) {
        if (l->parens > 0)
            return fault(l, STR("unclosed left paren"));
        *ret_inside = false;
        return lex_right(l, trim);
    }
    if (at_end(l))
        return fault(l, STR("unclosed action"));
    char c = peek(l);
    if (is_space(c))
        return lex_space(l);
    char following = l->at + 1 < l->text.n ? l->text.p[l->at + 1] : 0;
    if (c == '.' && !is_digit(following)) {
        l->at++;
        return lex_field_or_variable(l, TOKEN_FIELD);
    }
    if (is_digit(c) || c == '.' || c == '+' || c == '-')
        return lex_number(l);
    if (is_word(c))
        return lex_identifier(l);
    return lex_operator(l, c);
}

void template_lex(struct str text, struct arena *a, struct template_tokens *ret)
{
    struct lexer l = {.text = text, .line = 1, .arena = a, .out = ret};
    bool inside = false, going = true;
    while (going)
        going = inside ? lex_inside(&l, &inside) : lex_text(&l, &inside);
    if (ret->n == 0 || ret->v[ret->n - 1].type != TOKEN_ERROR)
        (void)emit(&l, TOKEN_END); /* always true */
}
