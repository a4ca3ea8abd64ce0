#include "query/promql/promql_tree.h"

#include <string.h>
#include <strings.h>

#include "base/vec.h"

struct lexer {
    struct str text;
    struct arena *arena;
    size_t start, at;
    int parens;
    bool brace, bracket, colon, stopped;
    struct {
        struct promql_token *v;
        size_t n, capacity;
    } tokens;
};

static const char *const words[TOKEN_KINDS] = {
    [TOKEN_LEFT_PAREN] = "(",
    [TOKEN_RIGHT_PAREN] = ")",
    [TOKEN_LEFT_BRACE] = "{",
    [TOKEN_RIGHT_BRACE] = "}",
    [TOKEN_LEFT_BRACKET] = "[",
    [TOKEN_RIGHT_BRACKET] = "]",
    [TOKEN_COMMA] = ",",
    [TOKEN_COLON] = ":",
    [TOKEN_EQUAL] = "=",
    [TOKEN_EQUAL_REGEX] = "=~",
    [TOKEN_NOT_REGEX] = "!~",
    [TOKEN_AT] = "@",
    [TOKEN_ADD] = "+",
    [TOKEN_SUB] = "-",
    [TOKEN_MUL] = "*",
    [TOKEN_DIV] = "/",
    [TOKEN_MOD] = "%",
    [TOKEN_POW] = "^",
    [TOKEN_ATAN2] = "atan2",
    [TOKEN_EQ] = "==",
    [TOKEN_NE] = "!=",
    [TOKEN_LT] = "<",
    [TOKEN_LE] = "<=",
    [TOKEN_GT] = ">",
    [TOKEN_GE] = ">=",
    [TOKEN_TRIM_UPPER] = "</",
    [TOKEN_TRIM_LOWER] = ">/",
    [TOKEN_AND] = "and",
    [TOKEN_OR] = "or",
    [TOKEN_UNLESS] = "unless",
    [TOKEN_SUM] = "sum",
    [TOKEN_AVG] = "avg",
    [TOKEN_COUNT] = "count",
    [TOKEN_MIN] = "min",
    [TOKEN_MAX] = "max",
    [TOKEN_GROUP] = "group",
    [TOKEN_STDDEV] = "stddev",
    [TOKEN_STDVAR] = "stdvar",
    [TOKEN_TOPK] = "topk",
    [TOKEN_BOTTOMK] = "bottomk",
    [TOKEN_COUNT_VALUES] = "count_values",
    [TOKEN_QUANTILE] = "quantile",
    [TOKEN_LIMITK] = "limitk",
    [TOKEN_LIMIT_RATIO] = "limit_ratio",
    [TOKEN_OFFSET] = "offset",
    [TOKEN_SMOOTHED] = "smoothed",
    [TOKEN_ANCHORED] = "anchored",
    [TOKEN_BY] = "by",
    [TOKEN_WITHOUT] = "without",
    [TOKEN_ON] = "on",
    [TOKEN_IGNORING] = "ignoring",
    [TOKEN_GROUP_LEFT] = "group_left",
    [TOKEN_GROUP_RIGHT] = "group_right",
    [TOKEN_FILL] = "fill",
    [TOKEN_FILL_LEFT] = "fill_left",
    [TOKEN_FILL_RIGHT] = "fill_right",
    [TOKEN_BOOL] = "bool",
    [TOKEN_START] = "start",
    [TOKEN_END] = "end",
    [TOKEN_STEP] = "step",
    [TOKEN_RANGE] = "range",
};

const char *promql_token_text(enum promql_token_kind kind)
{
    return words[kind] ? words[kind] : "";
}

static int peek(const struct lexer *l)
{
    return l->at < l->text.n ? (unsigned char)l->text.p[l->at] : -1;
}

static bool is_alpha(int c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(int c)
{
    return is_alpha(c) || is_digit(c);
}

static bool accept(struct lexer *l, const char *set)
{
    int c = peek(l);
    if (c <= 0 || !strchr(set, c))
        return false;
    l->at++;
    return true;
}

static void emit(struct lexer *l, enum promql_token_kind kind)
{
    struct promql_token t = {kind, (uint32_t)l->start, (uint32_t)l->at,
                             str_sub(l->text, l->start, l->at)};
    vec_push(&l->tokens, t);
    l->start = l->at;
    l->stopped |= kind == TOKEN_EOF;
}

static void fail(struct lexer *l, struct str message)
{
    struct promql_token t = {TOKEN_ERROR, (uint32_t)l->start, (uint32_t)l->at, message};
    vec_push(&l->tokens, t);
    l->stopped = true;
}

/* The character at l->at as Go's %q shows a rune. */
static const char *rune(struct lexer *l, size_t at)
{
    if (at >= l->text.n)
        return "'\\x00'";
    unsigned char c = (unsigned char)l->text.p[at];
    if (c == '\'' || c == '\\')
        return arena_printf(l->arena, "'\\%c'", c).p;
    if (c == '\n')
        return "'\\n'";
    if (c == '\t')
        return "'\\t'";
    if (c >= 0x20 && c < 0x7f)
        return arena_printf(l->arena, "'%c'", c).p;
    if (c < 0x80)
        return arena_printf(l->arena, "'\\x%02x'", c).p;
    size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    struct str s = str_sub(l->text, at, at + n);
    return str_utf8(s) ? arena_printf(l->arena, "'" STR_FMT "'", STR_ARG(s)).p : "'\xef\xbf\xbd'";
}

static void take_run(struct lexer *l, const char *digits)
{
    while (accept(l, digits))
        ;
}

static bool next_in(const struct lexer *l, const char *set)
{
    int c = peek(l);
    return c > 0 && strchr(set, c);
}

/* One turn of the loop over [digits . _ e]*; false where the number is malformed. */
static bool scan_piece(struct lexer *l, const char *digits, bool *dot, bool *exponent)
{
    if (next_in(l, ".")) {
        l->at++;
        if (*dot || accept(l, "_.") || strlen(digits) > 10)
            return false;
        *dot = true;
        return true;
    }
    if (next_in(l, "eE") && strlen(digits) == 10) {
        l->at++;
        if (*exponent)
            return false;
        *exponent = true;
        accept(l, "+-");
        return !accept(l, "._eE") && peek(l) >= 0;
    }
    if (accept(l, "_"))
        return !accept(l, "._eE") && peek(l) >= 0;
    take_run(l, digits);
    return true;
}

static bool scan_number(struct lexer *l)
{
    size_t from = l->at;
    const char *digits = "0123456789";
    if (accept(l, "0") && accept(l, "xX")) {
        accept(l, "_");
        digits = "0123456789abcdefABCDEF";
    }
    accept(l, ".");
    bool dot = l->at > from && l->text.p[l->at - 1] == '.', exponent = false;
    accept(l, digits);
    while (next_in(l, digits) || next_in(l, "._eE")) {
        if (!scan_piece(l, digits, &dot, &exponent))
            return false;
    }
    return l->at > from && !is_word(peek(l));
}

static bool scan_duration(struct lexer *l)
{
    if (!accept(l, "smhdwy"))
        return false;
    accept(l, "s");
    while (accept(l, "0123456789")) {
        take_run(l, "0123456789");
        if (!accept(l, "smhdw"))
            return false;
        accept(l, "s");
    }
    if (!is_word(peek(l)))
        return true;
    l->at++;
    return false;
}

static void lex_number(struct lexer *l)
{
    if (scan_number(l)) {
        emit(l, TOKEN_NUMBER);
        return;
    }
    if (scan_duration(l)) {
        emit(l, TOKEN_DURATION);
        return;
    }
    struct buf quoted;
    buf_init(&quoted, 4096);
    promql_quote(str_sub(l->text, l->start, l->at), &quoted);
    fail(l, arena_printf(l->arena, "bad number or duration syntax: " STR_FMT,
                         STR_ARG(buf_str(&quoted))));
    buf_done(&quoted);
}

static enum promql_token_kind keyword(struct str word)
{
    char lower[16];
    if (word.n >= sizeof lower)
        return TOKEN_EOF;
    for (size_t i = 0; i < word.n; i++)
        lower[i] = (char)(word.p[i] | (is_alpha(word.p[i]) && word.p[i] != '_' ? 0x20 : 0));
    struct str w = {lower, word.n};
    if (str_eq(w, STR("inf")) || str_eq(w, STR("nan")))
        return TOKEN_NUMBER;
    for (enum promql_token_kind k = TOKEN_ATAN2; k < TOKEN_KINDS; k++) {
        if (words[k] && str_eq(w, str_c(words[k])))
            return k;
    }
    return TOKEN_EOF;
}

static void lex_word(struct lexer *l)
{
    bool colon = false;
    while (is_word(peek(l)) || peek(l) == ':') {
        colon |= peek(l) == ':';
        l->at++;
    }
    enum promql_token_kind k = keyword(str_sub(l->text, l->start, l->at));
    emit(l, k != TOKEN_EOF ? k : colon ? TOKEN_METRIC : TOKEN_IDENTIFIER);
}

/* Inside brackets only the words of duration expressions are known. */
static void lex_bracket_word(struct lexer *l)
{
    if (peek(l) == ':') {
        if (l->colon) {
            fail(l, STR("unexpected colon ':'"));
            return;
        }
        l->colon = true;
        l->at++;
        emit(l, TOKEN_COLON);
        return;
    }
    while (is_word(peek(l)))
        l->at++;
    struct str w = str_sub(l->text, l->start, l->at);
    enum promql_token_kind k = keyword(w);
    if (k == TOKEN_STEP || k == TOKEN_RANGE || k == TOKEN_NUMBER) {
        emit(l, k);
    } else if (str_eq(w, STR("min_of")) || str_eq(w, STR("max_of"))) {
        emit(l, TOKEN_IDENTIFIER);
    } else {
        fail(l,
             arena_printf(l->arena, "unexpected character: %s, expected ':'", rune(l, l->start)));
    }
}

/* An escape's value may be wrong in ways that the lexer reports: see promql_unquote(). */
static bool escape_fits(struct lexer *l, char quote)
{
    int c = peek(l);
    if (c > 0 && (strchr("abfnrtv\\", c) || c == quote)) {
        l->at++;
        return true;
    }
    int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : is_digit(c) && c < '8' ? 3 : 0;
    if (digits == 0) {
        fail(l, c < 0 ? STR("escape sequence not terminated")
                      : arena_printf(
                            l->arena, "unknown escape sequence %s",
                            arena_printf(l->arena, "U+%04X %s", (unsigned)c, rune(l, l->at)).p));
        return false;
    }
    unsigned base = digits == 3 ? 8 : 16;
    unsigned long value = 0;
    l->at += digits != 3;
    for (int i = 0; i < digits; i++, l->at++) {
        int d = peek(l);
        unsigned v = is_digit(d)   ? (unsigned)d - '0'
                     : is_alpha(d) ? ((unsigned)d | 32) - 'a' + 10
                                   : 99;
        if (d < 0 || v >= base) {
            fail(l, d < 0 ? STR("escape sequence not terminated")
                          : arena_printf(l->arena, "illegal character U+%04X %s in escape sequence",
                                         (unsigned)d, rune(l, l->at)));
            return false;
        }
        value = value * base + v;
    }
    if ((digits == 3 && value > 255) || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) {
        fail(l, STR("escape sequence is an invalid Unicode code point"));
        return false;
    }
    return true;
}

static void lex_string(struct lexer *l, char quote)
{
    l->at++;
    for (;;) {
        int c = peek(l);
        if (c < 0 || (c == '\n' && quote != '`')) {
            fail(l,
                 quote == '`' ? STR("unterminated raw string") : STR("unterminated quoted string"));
            return;
        }
        l->at++;
        if (c == quote)
            break;
        if (c == '\\' && quote != '`' && !escape_fits(l, quote))
            return;
    }
    struct str s = str_sub(l->text, l->start, l->at);
    if (!str_utf8(s)) {
        fail(l, STR("invalid UTF-8 rune"));
        return;
    }
    emit(l, TOKEN_STRING);
}

/* One of a, or b where the next character is c; the first character is consumed already. */
static void one_or_two(struct lexer *l, enum promql_token_kind a, int c, enum promql_token_kind b)
{
    bool two = peek(l) == c;
    l->at += two;
    emit(l, two ? b : a);
}

static void lex_brace(struct lexer *l, int c)
{
    l->at++;
    switch (c) {
    case ',':
        emit(l, TOKEN_COMMA);
        return;
    case '=':
        one_or_two(l, TOKEN_EQUAL, '~', TOKEN_EQUAL_REGEX);
        return;
    case '!':
        if (peek(l) == '~' || peek(l) == '=') {
            bool regex = peek(l) == '~';
            l->at++;
            emit(l, regex ? TOKEN_NOT_REGEX : TOKEN_NE);
            return;
        }
        fail(l, arena_printf(l->arena, "unexpected character after '!' inside braces: %s",
                             rune(l, l->at)));
        return;
    case '{':
        fail(l, STR("unexpected left brace '{'"));
        return;
    case '}':
        emit(l, TOKEN_RIGHT_BRACE);
        l->brace = false;
        return;
    default:
        fail(l,
             arena_printf(l->arena, "unexpected character inside braces: %s", rune(l, l->at - 1)));
    }
}

static void lex_end(struct lexer *l)
{
    if (l->brace)
        fail(l, STR("unexpected end of input inside braces"));
    else if (l->parens != 0)
        fail(l, STR("unclosed left parenthesis"));
    else if (l->bracket)
        fail(l, STR("unclosed left bracket"));
    else
        emit(l, TOKEN_EOF);
}

static void lex_closing(struct lexer *l, int c)
{
    l->at++;
    if (c == '(') {
        emit(l, TOKEN_LEFT_PAREN);
        l->parens++;
    } else if (c == ')') {
        emit(l, TOKEN_RIGHT_PAREN);
        if (--l->parens < 0)
            fail(l, STR("unexpected right parenthesis ')'"));
    } else if (c == '[') {
        if (l->bracket) {
            fail(l, STR("unexpected left bracket '['"));
            return;
        }
        l->bracket = true;
        l->colon = false;
        emit(l, TOKEN_LEFT_BRACKET);
    } else if (!l->bracket) {
        fail(l, STR("unexpected right bracket ']'"));
    } else {
        l->bracket = false;
        emit(l, TOKEN_RIGHT_BRACKET);
    }
}

static void lex_operator(struct lexer *l, int c)
{
    static const char singles[] = "+-*/%^@,";
    static const enum promql_token_kind kinds[] = {TOKEN_ADD, TOKEN_SUB, TOKEN_MUL, TOKEN_DIV,
                                                   TOKEN_MOD, TOKEN_POW, TOKEN_AT,  TOKEN_COMMA};
    const char *single = c > 0 ? strchr(singles, c) : NULL;
    l->at++;
    if (single) {
        emit(l, kinds[single - singles]);
    } else if (c == '{') {
        l->brace = true;
        emit(l, TOKEN_LEFT_BRACE);
    } else if (c == '=' && peek(l) == '~') {
        fail(l, STR("unexpected character after '=': '~'"));
    } else if (c == '=') {
        one_or_two(l, TOKEN_EQUAL, '=', TOKEN_EQ);
    } else if (c == '!' && peek(l) == '=') {
        l->at++;
        emit(l, TOKEN_NE);
    } else if (c == '!') {
        fail(l, arena_printf(l->arena, "unexpected character after '!': %s", rune(l, l->at)));
    } else if ((c == '<' || c == '>') && peek(l) == '/') {
        l->at++;
        emit(l, c == '<' ? TOKEN_TRIM_UPPER : TOKEN_TRIM_LOWER);
    } else if (c == '<') {
        one_or_two(l, TOKEN_LT, '=', TOKEN_LE);
    } else if (c == '>') {
        one_or_two(l, TOKEN_GT, '=', TOKEN_GE);
    } else {
        fail(l, arena_printf(l->arena, "unexpected character: %s", rune(l, l->at - 1)));
    }
}

static void lex_one(struct lexer *l)
{
    int c = peek(l);
    if (c < 0) {
        lex_end(l);
    } else if (c == '#') {
        while (peek(l) >= 0 && peek(l) != '\n')
            l->at++;
        l->start = l->at;
    } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        l->start = ++l->at;
    } else if (c == '"' || c == '\'' || c == '`') {
        lex_string(l, (char)c);
    } else if (l->brace) {
        if (is_alpha(c)) {
            while (is_word(peek(l)))
                l->at++;
            emit(l, TOKEN_IDENTIFIER);
        } else {
            lex_brace(l, c);
        }
    } else if (is_digit(c) ||
               (c == '.' && l->at + 1 < l->text.n && is_digit(l->text.p[l->at + 1]))) {
        lex_number(l);
    } else if (is_alpha(c) || c == ':') {
        l->bracket ? lex_bracket_word(l) : lex_word(l);
    } else if (strchr("()[]", c) && c != 0) {
        lex_closing(l, c);
    } else {
        lex_operator(l, c);
    }
}

void promql_lex(struct str text, struct arena *a, struct promql_token **ret, size_t *ret_n)
{
    struct lexer l = {.text = text, .arena = a};
    while (!l.stopped)
        lex_one(&l);
    *ret = l.tokens.v;
    *ret_n = l.tokens.n;
}
