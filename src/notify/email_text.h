/* notify/email_text.h - a mail's headers and body.
 *
 * Nothing that comes from a label, an annotation or a template can add a header or an address: line
 * ends and control characters become blanks, names of headers are checked.
 *
 * Source:  RFC 5322, 2045 (quoted-printable), 2046 (multipart), 2047 (words in headers).
 * Threads: pure functions.
 */
#ifndef NOTIFY_EMAIL_TEXT_H
#define NOTIFY_EMAIL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct email_text_header {
    struct str name, value;
};

struct email_text {
    const struct email_text_header *headers; /* [headers_n] To, From, Subject and others */
    size_t headers_n;
    struct str message_id; /* without brackets */
    struct str thread_id; /* that of a mail that never was, the same for all of a group; "": none */
    int64_t time_ms;
    struct str text, html; /* "": not this one */
    struct str png;        /* shown where html has EMAIL_TEXT_PICTURE; "": none */
    struct str png_says;   /* what it shows, in words */
};

#define EMAIL_TEXT_PICTURE "<!--sonde:chart-->"

void email_text_put(const struct email_text *t, struct arena *a, struct buf *out);

/* A header's value: one line, other than ASCII as encoded words. */
void email_text_word(struct str value, struct buf *out);

/* Quoted-printable; ends in a line end. */
void email_text_quote(struct str s, struct buf *out);

/* Is it a name that a header can have? */
bool email_text_name(struct str name);

/* The addresses of a list: "a@b, C <c@d>"; -ERR_FORMAT where one of them is none. */
MUST_USE int email_text_addresses(struct str list, struct arena *a, struct str **ret, size_t *ret_n,
                                  struct why *why);

#endif
