#include "client/core/redact.h"

#include <string.h>
#include <strings.h>

#include "client/core/redact_inside.h"
#include "client/core/setting.h"

const char *const redact_rule_names[REDACT_RULES] = {
    [REDACT_EMAIL] = "email",           [REDACT_IP] = "ip",           [REDACT_MAC] = "mac",
    [REDACT_CREDITCARD] = "creditcard", [REDACT_IBAN] = "iban",       [REDACT_USSSN] = "usssn",
    [REDACT_PEMKEY] = "pemkey",         [REDACT_URLAUTH] = "urlauth", [REDACT_TOKEN] = "token",
    [REDACT_USERPATH] = "userpath",     [REDACT_SECRET] = "secret",
};

/* The next name of a list that commas and blanks separate; false at its end. */
static bool next_name(const char **list, const char **ret, size_t *ret_n)
{
    const char *s = *list + strspn(*list, ", ");
    *ret = s;
    *ret_n = strcspn(s, ", ");
    *list = s + *ret_n;
    return *ret_n > 0;
}

unsigned redact_rules(void)
{
    const char *list = setting.redact ? setting.redact : "all", *name;
    unsigned rules = 0;
    size_t n;
    while (next_name(&list, &name, &n)) {
        bool without = *name == '-'; /* "all,-ip" */
        unsigned these = 0;
        name += without;
        n -= without;
        if (text_same(name, n, "all")) {
            these = (1u << REDACT_RULES) - 1;
        }
        for (unsigned i = 0; i < REDACT_RULES; i++) {
            these |= text_same(name, n, redact_rule_names[i]) ? 1u << i : 0;
        }
        rules = without ? rules & ~these : rules | these;
    }
    return rules;
}

/* A key without its signs, in small letters: "X-Api_Key" is "xapikey". */
enum { FOLDED_MAX = 64 };

static size_t fold(const char *key, size_t n, char ret[FOLDED_MAX])
{
    size_t m = 0;
    size_t from = n > 2 * FOLDED_MAX ? n - 2 * FOLDED_MAX : 0;
    for (size_t i = from; i < n && m < FOLDED_MAX; i++) {
        char c = key[i];
        if (redact_letter(c)) {
            ret[m++] = (char)(c | 0x20);
        } else if (redact_digit(c)) {
            ret[m++] = c;
        }
    }
    return m;
}

static bool within(const char *s, size_t n, const char *word)
{
    return memmem(s, n, word, strlen(word)) != NULL;
}

static bool ends(const char *s, size_t n, const char *word)
{
    size_t m = strlen(word);
    return n >= m && memcmp(s + n - m, word, m) == 0;
}

static bool added_key(const char *folded, size_t n)
{
    const char *list = setting.redact_keys ? setting.redact_keys : "", *name;
    size_t m;
    while (next_name(&list, &name, &m)) {
        char own[FOLDED_MAX];
        size_t k = fold(name, m, own);
        if (k && memmem(folded, n, own, k)) {
            return true;
        }
    }
    return false;
}

bool redact_key(const char *key, size_t n)
{
    static const char *const anywhere[] = {
        "password",   "passwd",     "passphrase", "secret",        "apikey", "authorization",
        "credential", "privatekey", "accesskey",  "cookie",        "bearer", "csrf",
        "xsrf",       "sessionid",  "cardnumber", "socialsecurity"};
    static const char *const last[] = {"token", "tokens", "pwd", "passcode", "jwt", "signingkey"};
    static const char *const whole[] = {"auth", "pin", "cvv",  "cvc", "cvv2",   "ssn",
                                        "pass", "otp", "iban", "dsn", "session"};
    char s[FOLDED_MAX];
    size_t m = fold(key, n, s);
    for (size_t i = 0; i < sizeof anywhere / sizeof *anywhere; i++) {
        if (within(s, m, anywhere[i])) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof last / sizeof *last; i++) {
        if (ends(s, m, last[i])) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        if (text_same(s, m, whole[i])) {
            return true;
        }
    }
    return added_key(s, m);
}

size_t redact_replace(struct redact_scan *c, size_t begin, size_t end, const char *label)
{
    text_add(c->ret, c->s + c->from, begin - c->from);
    text_add_string(c->ret, label);
    c->from = end;
    c->any = true;
    return end;
}

static bool wants(const struct redact_scan *c, enum redact_rule rule)
{
    return c->rules >> rule & 1;
}

/* At the first letter or digit of a word. */
static size_t at_word(struct redact_scan *c, size_t at)
{
    size_t end = 0;
    bool digit = redact_digit(c->s[at]);
    if (digit && wants(c, REDACT_IP)) {
        end = redact_address4(c, at);
    }
    if (!end && redact_hex(c->s[at]) && wants(c, REDACT_IP)) {
        end = redact_address6(c, at);
    }
    if (!end && redact_hex(c->s[at]) && wants(c, REDACT_MAC)) {
        end = redact_mac(c, at);
    }
    if (!end && digit && wants(c, REDACT_USSSN)) {
        end = redact_usssn(c, at);
    }
    if (!end && digit && wants(c, REDACT_CREDITCARD)) {
        end = redact_card(c, at);
    }
    if (!end && wants(c, REDACT_IBAN)) {
        end = redact_iban(c, at);
    }
    if (!end && wants(c, REDACT_SECRET)) {
        end = redact_secret(c, at);
    }
    if (!end && wants(c, REDACT_TOKEN)) {
        end = redact_token(c, at);
    }
    return end;
}

static size_t at_sign(struct redact_scan *c, size_t at)
{
    switch (c->s[at]) {
    case '@':
        return wants(c, REDACT_EMAIL) ? redact_email(c, at) : 0;
    case '-':
        return wants(c, REDACT_PEMKEY) ? redact_pemkey(c, at) : 0;
    case '/':
    case '\\':
        return wants(c, REDACT_USERPATH) ? redact_userpath(c, at) : 0;
    case ':':
        if (redact_at(c, at + 1) == ':') {
            return wants(c, REDACT_IP) ? redact_address6(c, at) : 0;
        }
        return wants(c, REDACT_URLAUTH) ? redact_urlauth(c, at) : 0;
    default:
        return 0;
    }
}

bool redact_text_by(unsigned rules, struct text *ret, const char *bytes, size_t n)
{
    struct redact_scan c = {.s = bytes, .n = n, .rules = rules, .ret = ret};
    bool inside = false; /* of a word */
    for (size_t at = 0; at < n;) {
        bool word = redact_word(bytes[at]);
        size_t end = 0;
        if (!word) {
            end = at_sign(&c, at);
        } else if (!inside) {
            end = at_word(&c, at);
        }
        inside = end ? false : word;
        at = end > at ? end : at + 1;
    }
    text_add(ret, bytes + c.from, n - c.from);
    return c.any;
}

bool redact_text(struct text *ret, const char *bytes, size_t n)
{
    return redact_text_by(redact_rules(), ret, bytes, n);
}
