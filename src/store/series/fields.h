/* store/series/fields.h - numbers and texts one after the other: the rows of small files and of the
 * log's records that are not samples.
 *
 * A number is a varint, a text its length and its bytes.
 *
 * Threads: pure functions.
 */
#ifndef STORE_SERIES_FIELDS_H
#define STORE_SERIES_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

void fields_put_number(struct buf *out, uint64_t v);
void fields_put_text(struct buf *out, struct str s);

/* Takes the next field off *in; false where it is cut off (*in and *ret untouched). A text is
 * borrowed from in. */
bool fields_take_number(struct str *in, uint64_t *ret);
bool fields_take_text(struct str *in, struct str *ret);

#endif
