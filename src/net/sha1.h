/* net/sha1.h - SHA-1, for APIs that sign their requests with it. Not for anything new.
 *
 * Source:  FIPS 180-4, by OpenSSL, whose headers and base/err.h do not go together.
 * Threads: pure functions.
 */
#ifndef NET_SHA1_H
#define NET_SHA1_H

#include "base/str.h"

enum { SHA1_HEX_SIZE = 40 };

/* Writes the digest of text in small hexadecimal digits and a NUL. */
void sha1_hex(struct str text, char ret[SHA1_HEX_SIZE + 1]);

#endif
