/* net/ws_key.h - the answer to a client's Sec-WebSocket-Key. In a file of its own, since OpenSSL's
 * headers and base/err.h both have an ERR_STATE.
 *
 * Source:  RFC 6455, section 4.2.2.
 * Threads: pure functions.
 */
#ifndef NET_WS_KEY_H
#define NET_WS_KEY_H

#include <stdbool.h>

#include "base/str.h"

enum { WS_KEY_SIZE = 24, WS_KEY_ANSWER_SIZE = 28 }; /* bytes of base64 */

/* Is it the base64 of 16 bytes? */
bool ws_key_is_fine(struct str key);

/* Writes the answer and a NUL to to [WS_KEY_ANSWER_SIZE + 1]; key is fine. */
void ws_key_answer(struct str key, char *to);

#endif
