/* net/mail.h - hands one mail to a server over SMTP, and waits until it has taken it.
 *
 * Passwords are not sent in the clear: without TLS only to this machine itself, and else only as
 * CRAM-MD5 has it.
 *
 * Source:  RFC 5321, 3207 (STARTTLS), 8314 (implicit TLS), 4954 (AUTH), by libcurl.
 * Threads: any; it waits for the network, so not a loop's.
 */
#ifndef NET_MAIL_H
#define NET_MAIL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "net/fetch_settings.h"

struct mail_request {
    struct str server; /* HOST:PORT */
    struct str hello;  /* the name that we say; "": localhost */
    bool implicit_tls; /* from the first byte */
    bool require_tls;  /* by STARTTLS, where it is not implicit */
    struct fetch_tls tls;
    struct str username, password, identity; /* "": none */
    struct str secret;                       /* for CRAM-MD5 instead of the password; "": none */
    struct str from;                         /* address without brackets */
    const struct str *to;                    /* [to_n] addresses */
    size_t to_n;
    struct str text; /* headers and body, lines end in \r\n */
    int64_t timeout_ms;
    const _Atomic bool *canceled; /* looked at while it runs; may be NULL */
};

/* -ERR_DENIED: the server will never take it so (5xx); -ERR_BUSY: later perhaps (4xx, a login that
 * failed, TLS that does not fit); -ERR_CLOSED, -ERR_TIMEOUT, -ERR_CANCELED. why holds no secret. */
MUST_USE int mail_send(const struct mail_request *r, struct why *why);

#endif
