/* text/number.h - doubles as text and back, exactly.
 *
 * Writing gives the fewest digits that read back as the same double, in the three manners that
 * Prometheus's clients expect. Reading takes what Go's ParseFloat takes, which is what expositions,
 * PromQL and the HTTP API are defined by.
 *
 * Source:  Go, strconv (FormatFloat with precision -1, ParseFloat); std::to_chars, std::from_chars.
 * Threads: pure functions.
 */
#ifndef TEXT_NUMBER_H
#define TEXT_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

enum {
    NUMBER_MAX = 400, /* bytes of the longest text, with its NUL ("0.000...5e-324 written out") */
    NUMBER_TEXT_MAX = 4096, /* bytes that number_parse() reads */
};

/* Each writes a NUL-terminated text and returns its length. NaN, +Inf, -Inf and -0 are written as
 * here. */

/* Never an exponent: 0.0000001, 1000000000000000000000 (Go 'f'). */
size_t number_format_f(double v, char out[NUMBER_MAX]);

/* As f, but 1e-07 and 1e+21 where |v| < 1e-6 or |v| >= 1e21: values in answers of the query API. */
size_t number_format_point(double v, char out[NUMBER_MAX]);

/* An exponent where it is less than -4 or at least 6: 1e-05, 100000, 1e+06 (Go 'g' and %v): values
 * in exposition formats, numbers in printed PromQL. */
size_t number_format_exposition(double v, char out[NUMBER_MAX]);

/* Always an exponent: 1e+00 (Go 'e'): values of alerts. */
size_t number_format_e(double v, char out[NUMBER_MAX]);

/* number_format_f() and number_format_point() at the end of a buffer. */
void number_put(struct buf *b, double v);
void number_put_point(struct buf *b, double v);

/* All of s as Go's ParseFloat(s, 64) reads it: decimal and hexadecimal floats with a sign, no
 * blanks, underscores between digits only, "inf", "infinity" and "nan" in any case (nan without a
 * sign). -ERR_FORMAT for anything else; -ERR_RANGE where the number is too large, with *ret set to
 * +-Inf. A number too small becomes 0. NaN is SAMPLE_NAN_BITS (the bits of Go's NaN). */
MUST_USE int number_parse(struct str s, double *ret);

/* The plain decimal number ([+-]digits.digits[e[+-]digits]) at p: the byte behind it, or NULL where
 * there is none before end or it is out of a double's range (*ret untouched). Rounds as
 * number_parse() does, and is faster where text is read on the way. */
MUST_USE const char *number_read(const char *p, const char *end, double *ret);

/* Of number_shim.cc: the shortest digits of a finite v > 0 (at most 17 at digits, no point) and the
 * exponent e of 0.DIGITS * 10^e; returns how many digits. */
size_t number_digits(double v, char digits[24], int *ret_exponent);

/* Of number_shim.cc: the nearest double of a decimal text that has been checked; false where it is
 * out of a double's range. */
bool number_decimal(const char *p, size_t n, double *ret);

#endif
