/* crypt/keyring.h - the keys from the operator's key file, and data keys wrapped by them.
 *
 * The key file has a line "ID HEX64" for each key, newest first; "#" begins a comment. The newest
 * key wraps what is new, the others still open what is old. Every segment of the log and every
 * page file has a random data key of its own, which stands in its header wrapped (AES-256-GCM) by
 * a ring key, so that a rotation rewrites headers and no data. See docs/format/keys.md.
 *
 * Threads: any; a ring is constant once made.
 */
#ifndef CRYPT_KEYRING_H
#define CRYPT_KEYRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "crypt/cipher.h"

enum {
    KEYRING_ID_BYTES = 16, /* an id has 1 to 15 characters A-Z a-z 0-9 . _ - */
    KEYRING_KEYS_MAX = 64,
    KEYRING_FILE_BYTES_MAX = 16384,
    KEYRING_WRAPPED_BYTES = 76, /* id 16, nonce 12, key 32, tag 16 */
};

struct keyring;

/* Reads the file at path (absolute, or relative to the working directory). -ERR_KEY with a
 * sentence where it is missing or malformed. */
MUST_USE int keyring_load(const char *path, struct keyring **ret, struct why *why);

/* The same from text; name is what messages call it. */
MUST_USE int keyring_parse(struct str text, const char *name, struct keyring **ret,
                           struct why *why);

/* Wipes the keys; NULL is fine. */
void keyring_free(struct keyring *r);

/* The id of the newest key. Valid as long as r. */
const char *keyring_newest(const struct keyring *r);

/* The id that wrapped this key, as text; "" where the bytes are not well formed. */
void keyring_id_of(const uint8_t wrapped[KEYRING_WRAPPED_BYTES], char ret[KEYRING_ID_BYTES]);

/* A new random data key and its wrapped form. aad is bound to it (what the header says). */
MUST_USE int keyring_new_key(const struct keyring *r, struct str aad,
                             uint8_t ret_key[CIPHER_KEY_BYTES],
                             uint8_t ret_wrapped[KEYRING_WRAPPED_BYTES]);

/* Wraps a data key by the newest ring key. */
MUST_USE int keyring_wrap(const struct keyring *r, struct str aad,
                          const uint8_t key[CIPHER_KEY_BYTES],
                          uint8_t ret_wrapped[KEYRING_WRAPPED_BYTES]);

/* The data key. -ERR_KEY, naming key id and file, where the ring (NULL: none is configured) lacks
 * the key or it does not fit; file is what the message calls the wrapped key's file. */
MUST_USE int keyring_unwrap(const struct keyring *r, struct str aad,
                            const uint8_t wrapped[KEYRING_WRAPPED_BYTES], const char *file,
                            uint8_t ret_key[CIPHER_KEY_BYTES], struct why *why);

#endif
