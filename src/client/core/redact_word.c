/* client/core/redact_word.c - the rules about words: addresses, tokens, keys and their values. */
#include <string.h>
#include <strings.h>

#include "client/core/redact.h"
#include "client/core/redact_inside.h"

enum { LOCAL_MAX = 64, DOMAIN_MAX = 253, KEY_MAX = 64, AUTHORITY_MAX = 512, PEM_LABEL_MAX = 64 };

static bool of_local(char b)
{
    return redact_word(b) || b == '.' || b == '%' || b == '+' || b == '-' ||
           (unsigned char)b >= 128;
}

/* Endings that names with an '@' have which are no addresses: units of systemd, pictures. */
static bool no_domain(const char *s, size_t n)
{
    static const char *const ends[] = {"service", "socket", "timer", "mount", "target", "slice",
                                       "scope",   "device", "path",  "png",   "jpg",    "jpeg",
                                       "svg",     "webp",   "gif",   "so",    "conf"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (n == strlen(ends[i]) && strncasecmp(s, ends[i], n) == 0) {
            return true;
        }
    }
    return false;
}

size_t redact_email(struct redact_scan *c, size_t at)
{
    size_t begin = at;
    while (begin > c->from && at - begin < LOCAL_MAX && of_local(c->s[begin - 1])) {
        begin--;
    }
    while (begin < at && (c->s[begin] == '.' || c->s[begin] == '-')) {
        begin++;
    }
    if (begin == at || c->s[at - 1] == '.' || text_same(c->s + begin, at - begin, "git")) {
        return 0;
    }
    size_t end = 0, last = 0, label = at + 1;
    for (size_t i = label; i - at <= DOMAIN_MAX; i++) {
        char b = redact_at(c, i);
        if (redact_word(b) || (b == '-' && i > label) || (unsigned char)b >= 128) {
            continue;
        }
        if (i == label) {
            break;
        }
        bool letters = i - label >= 2 && label > at + 1;
        for (size_t k = label; k < i && letters; k++) {
            letters = redact_letter(c->s[k]) || (unsigned char)c->s[k] >= 128;
        }
        if (letters) {
            end = i;
            last = label;
        }
        if (b != '.' || !redact_word(redact_at(c, i + 1))) {
            break;
        }
        label = i + 1;
    }
    if (!end || no_domain(c->s + last, end - last)) {
        return 0;
    }
    return redact_replace(c, begin, end, "[email]");
}

static bool of_token(char b)
{
    return redact_word(b) || b == '-' || b == '.' || b == '~' || b == '+' || b == '/' || b == '=';
}

/* Places of base64url from at on, at most most. */
static size_t url64(const struct redact_scan *c, size_t at, size_t most)
{
    size_t n = 0;
    while (n < most && (redact_word(redact_at(c, at + n)) || redact_at(c, at + n) == '-')) {
        n++;
    }
    return n;
}

static size_t jwt(struct redact_scan *c, size_t at)
{
    enum { PART_MAX = 16384 };
    size_t end = at, n = url64(c, end, PART_MAX);
    for (int part = 0; part < 2; part++) {
        end += n;
        if (n < 8 || redact_at(c, end) != '.') {
            return 0;
        }
        end++;
        n = url64(c, end, PART_MAX);
    }
    return n ? redact_replace(c, at, end + n, "[token]") : 0;
}

static size_t bearer(struct redact_scan *c, size_t at)
{
    size_t begin = at + 7, end = begin;
    bool digit = false;
    while (of_token(redact_at(c, end))) {
        digit = digit || redact_digit(c->s[end]);
        end++;
    }
    if (end - begin < 8 || !(digit || end - begin >= 32)) {
        return 0;
    }
    return redact_replace(c, begin, end, "[token]");
}

/* Tokens of well-known services begin alike: the beginning, and how much must follow at least. */
static const struct {
    const char *begin;
    size_t rest;
} known[] = {
    {"ghp_", 30},    {"gho_", 30},  {"ghu_", 30},     {"ghs_", 30},        {"ghr_", 30},
    {"glpat-", 16},  {"xoxb-", 10}, {"xoxp-", 10},    {"xoxa-", 10},       {"xoxs-", 10},
    {"AKIA", 16},    {"ASIA", 16},  {"sk_live_", 16}, {"rk_live_", 16},    {"sk_test_", 16},
    {"AIza", 30},    {"npm_", 30},  {"pypi-", 30},    {"github_pat_", 30}, {"sntrys_", 20},
    {"dop_v1_", 30}, {"SG.", 30},   {"ya29.", 20},    {"hvs.", 20},        {"sk-", 32},
};

size_t redact_token(struct redact_scan *c, size_t at)
{
    char before = redact_before(c, at);
    if (redact_word(before) || before == '-') { /* a run is looked at once */
        return 0;
    }
    const char *s = c->s + at;
    size_t left = c->n - at;
    if (left > 20 && memcmp(s, "eyJ", 3) == 0) {
        return jwt(c, at);
    }
    if (left > 15 && strncasecmp(s, "bearer ", 7) == 0) {
        return bearer(c, at);
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t n = strlen(known[i].begin);
        if (left >= n + known[i].rest && memcmp(s, known[i].begin, n) == 0) {
            size_t rest = url64(c, at + n, 4096);
            if (rest >= known[i].rest) {
                return redact_replace(c, at, at + n + rest, "[token]");
            }
        }
    }
    return 0;
}

/* Keys that are written with a colon in sentences too ("unexpected token: x") are secret only with
 * an equals sign; these also with a colon or, as an option, with a blank. */
static bool plain_secret(const char *key, size_t n)
{
    static const char *const words[] = {"passw",   "passphrase", "secret",  "authorization",
                                        "cookie",  "apikey",     "api_key", "api-key",
                                        "private", "credential"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t m = strlen(words[i]);
        for (size_t at = 0; at + m <= n; at++) {
            if (strncasecmp(key + at, words[i], m) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* Where the value at a place ends; whole: to the end of the line (headers). */
static size_t value_end(const struct redact_scan *c, size_t at, bool whole)
{
    char quote = redact_at(c, at - 1);
    bool quoted = quote == '"' || quote == '\'';
    while (at < c->n) {
        char b = c->s[at];
        if (b == '\n' || b == '\r' || (quoted && b == quote) ||
            (!quoted && !whole && strchr(" \t,;&)}]\"'<>", b))) {
            break;
        }
        at += quoted && b == '\\' && at + 1 < c->n ? 2 : 1;
    }
    return at > c->n ? c->n : at;
}

static bool is_header(const char *key, size_t n)
{
    static const char *const names[] = {"authorization", "proxy-authorization", "cookie",
                                        "set-cookie"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (n == strlen(names[i]) && strncasecmp(key, names[i], n) == 0) {
            return true;
        }
    }
    return false;
}

static size_t blanks(const struct redact_scan *c, size_t at)
{
    size_t n = 0;
    while (n < 3 && redact_at(c, at + n) == ' ') {
        n++;
    }
    return n;
}

size_t redact_secret(struct redact_scan *c, size_t at)
{
    char before = redact_before(c, at);
    if (redact_word(before) || before == '.') {
        return 0;
    }
    const char *key = c->s + at;
    size_t n = 0;
    while (n < KEY_MAX && at + n < c->n &&
           (redact_word(key[n]) || key[n] == '-' || key[n] == '.')) {
        n++;
    }
    size_t i = at + n;
    if (redact_at(c, i) == '"' || redact_at(c, i) == '\'') {
        i++;
    }
    size_t space = blanks(c, i);
    i += space;
    char sign = redact_at(c, i);
    bool equals = sign == '=', colon = sign == ':';
    bool option =
        !equals && !colon && space && sign != '-' && before == '-' && at > 1 && c->s[at - 2] == '-';
    if (!(equals || colon || option) || n < 2 || !redact_key(key, n) ||
        (!equals && !plain_secret(key, n))) {
        return 0;
    }
    if (!option) {
        i++;
        i += blanks(c, i);
    }
    if (redact_at(c, i) == '"' || redact_at(c, i) == '\'') {
        i++;
    }
    size_t stop = value_end(c, i, colon && is_header(key, n));
    return stop > i ? redact_replace(c, i, stop, "[filtered]") : 0;
}

/* Where [m] bytes are found from at on; n where they are not. */
static size_t find(const struct redact_scan *c, size_t at, const char *what, size_t m)
{
    const char *p = at < c->n ? memmem(c->s + at, c->n - at, what, m) : NULL;
    return p ? (size_t)(p - c->s) : c->n;
}

size_t redact_pemkey(struct redact_scan *c, size_t at)
{
    static const char begin[] = "-----BEGIN ", end[] = "-----END ";
    size_t label = at + sizeof begin - 1;
    if (c->n - at < sizeof begin || memcmp(c->s + at, begin, sizeof begin - 1) != 0) {
        return 0;
    }
    size_t most = c->n - label < PEM_LABEL_MAX ? c->n - label : PEM_LABEL_MAX;
    const char *close = memmem(c->s + label, most, "-----", 5);
    if (!close || close - (c->s + label) < 3 || memcmp(close - 3, "KEY", 3) != 0) {
        return 0;
    }
    size_t over = find(c, (size_t)(close - c->s) + 5, end, sizeof end - 1);
    if (over < c->n) {
        over = find(c, over + sizeof end - 1, "-----", 5);
        over = over < c->n ? over + 5 : c->n;
    }
    return redact_replace(c, at, over, "[pemkey]"); /* without an end: all that follows */
}

size_t redact_urlauth(struct redact_scan *c, size_t at)
{
    if (redact_at(c, at + 1) != '/' || redact_at(c, at + 2) != '/') {
        return 0;
    }
    size_t begin = at + 3, sign = 0, i = begin;
    for (; i < c->n && i - begin < AUTHORITY_MAX && !strchr("/?# \t\r\n\"'<>", c->s[i]); i++) {
        if (c->s[i] == '@') {
            sign = i;
        }
    }
    if (sign <= begin || text_same(c->s + begin, sign - begin, "git")) {
        return 0;
    }
    return redact_replace(c, begin, sign, "[auth]");
}

size_t redact_userpath(struct redact_scan *c, size_t at)
{
    static const char *const roots[] = {"/home/", "/Users/", "\\Users\\", "/var/home/"};
    char before = redact_before(c, at);
    if (redact_word(before) || before == '.' || before == '-') {
        return 0;
    }
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
        size_t n = strlen(roots[i]), begin = at + n, end = begin;
        if (c->n - at <= n || memcmp(c->s + at, roots[i], n) != 0) {
            continue;
        }
        while (end < c->n && end - begin < 128 && !strchr("/\\ \t\r\n:;,\"'()<>[]{}", c->s[end])) {
            end++;
        }
        return end > begin ? redact_replace(c, begin, end, "[user]") : 0;
    }
    return 0;
}
