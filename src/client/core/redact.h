/* client/core/redact.h - what must not leave the process, taken out of texts.
 *
 * Values under keys that name a secret (password, token, authorization, cookie, ..) are replaced
 * whole; in free text, what looks like an e-mail address, an IP address, a card number (Luhn), an
 * IBAN, a US social security number, a PEM block, credentials in a URL, a bearer token or JWT, and
 * the user's name in a path under /home is replaced by "[email]", "[ip]", "[creditcard]", .. .
 * Which of them are looked for is the setting redact (names separated by commas, "all", "none");
 * keys are added by the setting redact.keys.
 *
 * Source:  the rule names are those of Sentry's Relay (@common)
 * Threads: any.
 */
#ifndef CLIENT_CORE_REDACT_H
#define CLIENT_CORE_REDACT_H

#include <stdbool.h>
#include <stddef.h>

#include "client/core/text.h"

bool redact_key(const char *key, size_t n); /* does it name a secret? */
/* Appends [n] bytes of free text, cleaned; true where something was replaced. */
bool redact_text(struct text *ret, const char *bytes, size_t n);
/* Appends a JSON document with the strings in it cleaned and the values of secret keys replaced;
 * false where it is no valid JSON (nothing appended). */
bool redact_json(struct text *ret, const char *document, size_t n);

#endif
