/* crypt/kdf.h - one key for each purpose from one master key.
 *
 * Source:  RFC 5869 (HKDF with SHA-256), without salt: the master keys are random already.
 * Threads: pure function.
 */
#ifndef CRYPT_KDF_H
#define CRYPT_KDF_H

#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"
#include "crypt/cipher.h"

/* The key for purpose; -ERR_IO where OpenSSL fails. */
MUST_USE int kdf_derive(const uint8_t master[CIPHER_KEY_BYTES], struct str purpose,
                        uint8_t ret[CIPHER_KEY_BYTES]);

#endif
