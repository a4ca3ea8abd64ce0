/* client/error/pseudonym.h - a user's id as it may leave the process.
 *
 * Without the setting send_pii an id that is personal by itself (an e-mail or IP address, whatever
 * the rules of client/core/redact.h find) becomes "u-" and a hash of it: the same user stays the
 * same.
 *
 * Threads: any.
 */
#ifndef CLIENT_ERROR_PSEUDONYM_H
#define CLIENT_ERROR_PSEUDONYM_H

#include <stddef.h>

void pseudonym_of(const char *id, char *ret, size_t size);

#endif
