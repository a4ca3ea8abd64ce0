/* text/letter.h - upper and lower case of UTF-8 texts, letter by letter (Unicode's simple case
 * mappings, as Go's strings.ToUpper and strings.ToLower have them), whatever the locale is.
 *
 * Source:  Unicode, as the C library's C.UTF-8 has it.
 * Threads: any.
 */
#ifndef TEXT_LETTER_H
#define TEXT_LETTER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

uint32_t letter_upper(uint32_t c);
uint32_t letter_lower(uint32_t c);

/* The code point at the start of s (s.n > 0) and how many bytes it takes; where s does not begin
 * with well-formed UTF-8: U+FFFD and 1. */
uint32_t letter_next(struct str s, size_t *ret_n);

/* Appends a code point as UTF-8. */
void letter_put(uint32_t c, struct buf *out);

/* Append all of s. */
void letter_put_upper(struct str s, struct buf *out);
void letter_put_lower(struct str s, struct buf *out);

#endif
