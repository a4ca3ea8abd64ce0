/* client/core/redact_number.c - the rules about numbers: addresses, cards, accounts. */
#include <string.h>
#include <strings.h>

#include "client/core/redact_inside.h"

enum { CARD_DIGITS_MIN = 13, CARD_DIGITS_MAX = 19, IBAN_MAX = 34, ADDRESS6_MAX = 45 };

/* Four numbers up to 255 with points between them, without leading zeros; gives the end or 0. */
static size_t dotted(const struct redact_scan *c, size_t at)
{
    for (int part = 0; part < 4; part++) {
        unsigned value = 0, digits = 0;
        size_t begin = at;
        while (digits < 3 && redact_digit(redact_at(c, at))) {
            value = value * 10 + (unsigned)(c->s[at++] - '0');
            digits++;
        }
        if (!digits || value > 255 || (digits > 1 && c->s[begin] == '0')) {
            return 0;
        }
        if (part < 3 && redact_at(c, at++) != '.') {
            return 0;
        }
    }
    return at;
}

/* Is the word before this place one that versions follow ("version 1.2.3.4", "v: 1.2.3.4")? */
static bool follows_version(const struct redact_scan *c, size_t at)
{
    static const char *const words[] = {"version", "versions", "ver", "v",       "release",
                                        "build",   "revision", "rev", "firmware"};
    size_t spare = 4;
    while (at && spare-- && strchr(" =:\"'(", c->s[at - 1])) {
        at--;
    }
    size_t end = at;
    while (at && end - at < 10 && redact_letter(c->s[at - 1])) {
        at--;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (end - at == strlen(words[i]) && strncasecmp(c->s + at, words[i], end - at) == 0) {
            return true;
        }
    }
    return false;
}

/* "nginx/1.2.3.4", at a token's beginning: the version of a product. */
static bool follows_product(const struct redact_scan *c, size_t at)
{
    size_t name = 0;
    at--; /* the slash */
    while (at && name < 40 && (redact_word(c->s[at - 1]) || c->s[at - 1] == '-')) {
        at--;
        name++;
    }
    return name && (!at || strchr(" \t\n\"'(;,", c->s[at - 1]));
}

size_t redact_address4(struct redact_scan *c, size_t at)
{
    char before = redact_before(c, at);
    if (redact_word(before) || before == '.' || (before == '/' && follows_product(c, at)) ||
        (before == '-' && at > 1 && redact_letter(c->s[at - 2]))) {
        return 0;
    }
    size_t end = dotted(c, at);
    if (!end) {
        return 0;
    }
    char after = redact_at(c, end), second = redact_at(c, end + 1);
    if (redact_word(after) || (after == '.' && redact_word(second)) ||
        (after == '-' && redact_word(second) && !dotted(c, end + 1)) || follows_version(c, at)) {
        return 0;
    }
    const char *s = c->s + at;
    size_t n = end - at;
    if ((n > 4 && memcmp(s, "127.", 4) == 0) || text_same(s, n, "0.0.0.0") ||
        text_same(s, n, "255.255.255.255")) {
        return end; /* nobody's: kept */
    }
    return redact_replace(c, at, end, "[ip]");
}

/* What a run of hexadecimal groups is made of. */
struct groups {
    unsigned n;
    bool gap;        /* "::" */
    bool first_long; /* the first group has three digits and a decimal one */
    size_t end;
};

static bool read_groups(const struct redact_scan *c, size_t at, struct groups *ret)
{
    *ret = (struct groups){.end = at};
    while (ret->n < 9) {
        size_t begin = at;
        bool decimal = false;
        while (at - begin < 5 && redact_hex(redact_at(c, at))) {
            decimal = decimal || redact_digit(c->s[at]);
            at++;
        }
        size_t four = redact_at(c, at) == '.' ? dotted(c, begin) : 0;
        if (four) {
            ret->n += 2;
            ret->end = four;
            return ret->n > 2;
        }
        if (at - begin > 4) {
            return false;
        }
        if (at > begin) {
            ret->first_long = ret->first_long || (!ret->n && at - begin > 2 && decimal);
            ret->n++;
            ret->end = at;
        }
        if (redact_at(c, at) != ':') {
            return true;
        }
        if (redact_at(c, at + 1) == ':') {
            if (ret->gap) {
                return false;
            }
            ret->gap = true;
            at += 2;
            ret->end = at;
        } else if (at > begin && redact_hex(redact_at(c, at + 1))) {
            at++;
        } else {
            return true; /* "fe80::1: no route" */
        }
    }
    return false;
}

size_t redact_address6(struct redact_scan *c, size_t at)
{
    char before = redact_before(c, at);
    if (redact_word(before) || before == ':' || before == '.') {
        return 0;
    }
    struct groups g;
    if (!read_groups(c, at, &g) || redact_word(redact_at(c, g.end)) ||
        (redact_at(c, g.end) == ':' && redact_word(redact_at(c, g.end + 1)))) {
        return 0;
    }
    /* Without a gap eight groups; with one, more than what names of C++ look like ("ab::cd"). */
    bool address = g.gap ? g.n >= 3 || (g.n == 2 && g.first_long) : g.n == 8;
    if (!address || g.n > 8 || g.end - at > ADDRESS6_MAX) {
        return 0;
    }
    return redact_replace(c, at, g.end, "[ip]");
}

size_t redact_mac(struct redact_scan *c, size_t at)
{
    char before = redact_before(c, at), sign = redact_at(c, at + 2);
    if (redact_word(before) || before == ':' || before == '-' || (sign != ':' && sign != '-')) {
        return 0;
    }
    for (size_t i = 0; i < 17; i++) {
        char b = redact_at(c, at + i);
        if (i % 3 == 2 ? b != sign : !redact_hex(b)) {
            return 0;
        }
    }
    char after = redact_at(c, at + 17);
    if (redact_word(after) || (after == sign && redact_hex(redact_at(c, at + 18)))) {
        return 0;
    }
    return redact_replace(c, at, at + 17, "[mac]");
}

/* The sum of Luhn over decimal digits. */
static bool luhn(const char *digits, size_t n)
{
    unsigned sum = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned d = (unsigned)(digits[n - 1 - i] - '0');
        if (i % 2) {
            d = d * 2 > 9 ? d * 2 - 9 : d * 2;
        }
        sum += d;
    }
    return sum % 10 == 0;
}

/* A number that an issuer of cards gives: its beginning and its length. */
static bool issued(const char *d, size_t n)
{
    unsigned two = (unsigned)(d[0] - '0') * 10 + (unsigned)(d[1] - '0');
    unsigned four = two * 100 + (unsigned)(d[2] - '0') * 10 + (unsigned)(d[3] - '0');
    switch (d[0]) {
    case '4': /* Visa */
        return n == 13 || n == 16 || n == 19;
    case '5': /* Mastercard, Maestro */
        return (two >= 51 && two <= 55 && n == 16) || (two == 50 || (two >= 56 && n >= 16));
    case '2': /* Mastercard */
        return four >= 2221 && four <= 2720 && n == 16;
    case '3': /* American Express, Diners, JCB */
        return ((two == 34 || two == 37) && n == 15) ||
               ((two == 30 || two == 36 || two == 38 || two == 39) && n == 14) ||
               (four >= 3528 && four <= 3589 && n >= 16);
    case '6': /* Discover, UnionPay, Maestro */
        return n >= 16;
    default:
        return false;
    }
}

size_t redact_card(struct redact_scan *c, size_t at)
{
    char before = redact_before(c, at), digits[CARD_DIGITS_MAX], sign = 0;
    if (redact_word(before) || before == '.' || before == '-' || before == '+') {
        return 0;
    }
    size_t n = 0, end = at, group = 0, first = 0;
    for (;; end++) {
        char b = redact_at(c, end);
        if (redact_digit(b)) {
            if (n == CARD_DIGITS_MAX) {
                return 0;
            }
            digits[n++] = b;
            group++;
        } else if ((b == ' ' || b == '-') && (!sign || b == sign) && (group == 4 || n == 10) &&
                   redact_digit(redact_at(c, end + 1))) {
            first = first ? first : group;
            sign = b;
            group = 0;
        } else {
            break;
        }
    }
    char after = redact_at(c, end), second = redact_at(c, end + 1);
    if (n < CARD_DIGITS_MIN || (first && first != 4) || redact_word(after) ||
        ((after == '-' || after == '.') && redact_word(second)) || !issued(digits, n) ||
        !luhn(digits, n)) {
        return 0;
    }
    return redact_replace(c, at, end, "[creditcard]");
}

size_t redact_usssn(struct redact_scan *c, size_t at)
{
    static const char form[] = "ddd-dd-dddd";
    char before = redact_before(c, at);
    if (redact_word(before) || before == '-' || before == '.' || before == '+') {
        return 0;
    }
    for (size_t i = 0; i < sizeof form - 1; i++) {
        char b = redact_at(c, at + i);
        if (form[i] == 'd' ? !redact_digit(b) : b != '-') {
            return 0;
        }
    }
    size_t end = at + sizeof form - 1;
    const char *s = c->s + at;
    char after = redact_at(c, end);
    bool never = memcmp(s, "000", 3) == 0 || memcmp(s, "666", 3) == 0 || s[0] == '9' ||
                 memcmp(s + 4, "00", 2) == 0 || memcmp(s + 7, "0000", 4) == 0;
    if (never || redact_word(after) || (after == '-' && redact_word(redact_at(c, end + 1)))) {
        return 0;
    }
    return redact_replace(c, at, end, "[usssn]");
}

/* ISO 7064: the rest of an account number by 97, its first four characters put last. */
static bool mod97(const char *s, size_t n)
{
    unsigned rest = 0;
    for (size_t i = 0; i < n; i++) {
        char b = s[(i + 4) % n];
        rest = redact_digit(b) ? rest * 10 + (unsigned)(b - '0')
                               : rest * 100 + (unsigned)(b - 'A' + 10);
        rest %= 97;
    }
    return rest == 1;
}

static bool capital(char c)
{
    return c >= 'A' && c <= 'Z';
}

size_t redact_iban(struct redact_scan *c, size_t at)
{
    char before = redact_before(c, at), s[IBAN_MAX];
    if (redact_word(before) || !capital(redact_at(c, at)) || !capital(redact_at(c, at + 1)) ||
        !redact_digit(redact_at(c, at + 2)) || !redact_digit(redact_at(c, at + 3))) {
        return 0;
    }
    size_t n = 0, end = at, found = 0;
    for (; n < IBAN_MAX; end++) {
        char b = redact_at(c, end);
        if (redact_digit(b) || capital(b)) {
            s[n++] = b;
            bool over = !redact_word(redact_at(c, end + 1));
            if (over && n >= 15 && mod97(s, n)) {
                found = end + 1; /* the longest that is right */
            }
        } else if (b != ' ' || n % 4) {
            break;
        }
    }
    return found ? redact_replace(c, at, found, "[iban]") : 0;
}
