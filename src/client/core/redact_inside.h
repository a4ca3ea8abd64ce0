/* client/core/redact_inside.h - what the files of redact share: the text that is being looked at.
 *
 * Each redact_.. function below looks at one place; where its rule holds there it replaces what it
 * found and gives the place behind it, otherwise 0.
 *
 * Threads: one at a time.
 */
#ifndef CLIENT_CORE_REDACT_INSIDE_H
#define CLIENT_CORE_REDACT_INSIDE_H

#include <stdbool.h>
#include <stddef.h>

#include "client/core/text.h"

struct redact_scan {
    const char *s; /* [n] */
    size_t n;
    size_t from; /* what lies before has been written */
    unsigned rules;
    struct text *ret;
    bool any; /* something was replaced */
};

static inline bool redact_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool redact_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool redact_word(char c) /* of an identifier */
{
    return redact_digit(c) || redact_letter(c) || c == '_';
}

static inline bool redact_hex(char c)
{
    return redact_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* The byte at a place; 0 outside of the text. */
static inline char redact_at(const struct redact_scan *c, size_t at)
{
    return at < c->n ? c->s[at] : 0;
}

static inline char redact_before(const struct redact_scan *c, size_t at)
{
    return at ? c->s[at - 1] : 0;
}

/* Writes what was kept so far and the label instead of [begin, end); gives end. */
size_t redact_replace(struct redact_scan *c, size_t begin, size_t end, const char *label);

size_t redact_address4(struct redact_scan *c, size_t at);
size_t redact_address6(struct redact_scan *c, size_t at);
size_t redact_mac(struct redact_scan *c, size_t at);
size_t redact_card(struct redact_scan *c, size_t at);
size_t redact_usssn(struct redact_scan *c, size_t at);
size_t redact_iban(struct redact_scan *c, size_t at);
size_t redact_email(struct redact_scan *c, size_t at); /* at: its '@' */
size_t redact_token(struct redact_scan *c, size_t at);
size_t redact_secret(struct redact_scan *c, size_t at); /* at: where the key begins */
size_t redact_pemkey(struct redact_scan *c, size_t at);
size_t redact_urlauth(struct redact_scan *c, size_t at); /* at: "://" */
size_t redact_userpath(struct redact_scan *c, size_t at);

#endif
