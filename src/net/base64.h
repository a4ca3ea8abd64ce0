/* net/base64.h - bytes as text of 64 signs, with padding (RFC 4648, section 4).
 *
 * In a file of its own, as OpenSSL's headers and base/err.h do not go together.
 *
 * Threads: pure functions.
 */
#ifndef NET_BASE64_H
#define NET_BASE64_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

/* Appends s; nothing (and to has failed) where its cap is reached. */
void base64_put(struct buf *to, struct str s);

/* Appends the bytes that s stands for; false where it is no base64 or they do not fit. */
MUST_USE bool base64_read(struct buf *to, struct str s);

#endif
