/* net/jwt.h - JSON Web Tokens, signed with an RSA key.
 *
 * Source:  RFC 7515, 7518, 7519: RS256, RS384, RS512.
 * Threads: pure functions.
 */
#ifndef NET_JWT_H
#define NET_JWT_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

/* Appends a token with these claims (a JSON object), signed by a private key in PEM; key_id is the
 * header's kid (JSON text without quotes, "": none). algorithm "" is RS256. False where the key
 * cannot be used or the algorithm is none of the three. */
MUST_USE bool jwt_sign(struct str algorithm, struct str key, struct str key_id, struct str claims,
                       struct buf *to);

#endif
