/* client/core/redact.h - what must not leave the process, taken out of texts.
 *
 * Values under keys that name a secret (password, token, authorization, cookie, ..) are replaced
 * whole; in free text, what looks like an e-mail address, an IP address, a card number (Luhn), an
 * IBAN, a US social security number, a PEM block, credentials in a URL, a bearer token or JWT, and
 * the user's name in a path under /home is replaced by "[email]", "[ip]", "[creditcard]", .. .
 * Which of them are looked for is the setting redact (names separated by commas, "all", "none");
 * keys are added by the setting redact.keys.
 *
 * One pass; each rule looks a bounded distance ahead and back, so that the time is linear.
 *
 * Source:  the rule names are those of Sentry's Relay (@common)
 * Threads: any.
 */
#ifndef CLIENT_CORE_REDACT_H
#define CLIENT_CORE_REDACT_H

#include <stdbool.h>
#include <stddef.h>

#include "client/core/text.h"

enum redact_rule {
    REDACT_EMAIL,      /* "[email]" */
    REDACT_IP,         /* "[ip]": versions 4 and 6, but for loopback and unspecified addresses */
    REDACT_MAC,        /* "[mac]" */
    REDACT_CREDITCARD, /* "[creditcard]" */
    REDACT_IBAN,       /* "[iban]" */
    REDACT_USSSN,      /* "[usssn]" */
    REDACT_PEMKEY,     /* "[pemkey]" */
    REDACT_URLAUTH,    /* "[auth]": in scheme://NAME:PASSWORD@host */
    REDACT_TOKEN,      /* "[token]": JWT, Bearer, keys with well-known beginnings */
    REDACT_USERPATH,   /* "[user]": in /home/NAME, /Users/NAME */
    REDACT_SECRET,     /* "[filtered]": password=.., "password": .., values of secret keys */
    REDACT_RULES
};

enum { REDACT_DEPTH_MAX = 30 }; /* of a JSON document; a deeper one is not valid */

extern const char *const redact_rule_names[REDACT_RULES];

unsigned redact_rules(void); /* those of the setting: 1 << rule */

bool redact_key(const char *key, size_t n); /* does it name a secret? */
/* Appends [n] bytes of free text, cleaned; true where something was replaced. */
bool redact_text(struct text *ret, const char *bytes, size_t n);
bool redact_text_by(unsigned rules, struct text *ret, const char *bytes, size_t n);
/* Appends a JSON document with the strings in it cleaned and the values of secret keys replaced;
 * false where it is no valid JSON (nothing appended). */
bool redact_json(struct text *ret, const char *document, size_t n);
/* The same without memory of its own, for signal handlers: [size] bytes of room hold one string of
 * the document at a time, as it is and cleaned; false also where one does not fit. */
bool redact_json_within(struct text *ret, const char *document, size_t n, char *room, size_t size);

#endif
