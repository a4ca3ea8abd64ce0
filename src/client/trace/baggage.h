/* client/trace/baggage.h - the header baggage: key=value;properties, separated by commas.
 *
 * A list is kept as it travels: without blanks, percent-encoded. Members behind the 64th, and those
 * that would make it longer than 8192 bytes, are left out.
 *
 * Source:  w3.org/TR/baggage
 * Threads: pure functions.
 */
#ifndef CLIENT_TRACE_BAGGAGE_H
#define CLIENT_TRACE_BAGGAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "client/core/text.h"

enum { BAGGAGE_MEMBERS_MAX = 64, BAGGAGE_MAX = 8192 };

/* Appends the good members of a header to ret (of at most BAGGAGE_MAX bytes); bad ones are left
 * out. */
void baggage_read(const char *s, size_t n, struct text *ret);

/* The decoded value of a key (without its properties) into ret: at most size bytes with a NUL;
 * *ret_n is the whole length. Bytes that are no UTF-8 become U+FFFD. False: no such key. */
bool baggage_find(const char *list, size_t n, const char *key, char *ret, size_t size,
                  size_t *ret_n);

/* Appends list to ret with key set to value (NULL: taken away), the key last. False: more than the
 * limits allow; ret is of no use then. */
bool baggage_with(const char *list, size_t n, const char *key, const char *value, struct text *ret);

bool baggage_key_good(const char *key, size_t n); /* a token of HTTP */

#endif
