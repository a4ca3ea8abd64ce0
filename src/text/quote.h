/* text/quote.h - a text in double quotes, with what cannot be printed escaped (Go's %q).
 *
 * Flow:    any bytes -> "a \"b\"\n\xff"
 * Source:  Go, strconv.Quote, but that all well-formed UTF-8 above ASCII stays as it is.
 * Threads: pure functions.
 */
#ifndef TEXT_QUOTE_H
#define TEXT_QUOTE_H

#include "base/buf.h"
#include "base/str.h"

void quote_put(struct buf *out, struct str s);

#endif
