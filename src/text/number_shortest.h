/* text/number_shortest.h - the fewest digits of a double that read back as it, as a whole number.
 *
 * Source:  Giulietti, The Schubfach way to render doubles (2022).
 * Threads: any; the first call makes a table of powers of ten.
 */
#ifndef TEXT_NUMBER_SHORTEST_H
#define TEXT_NUMBER_SHORTEST_H

#include <stddef.h>
#include <stdint.h>

/* v (finite, above 0) is answer * 10^*ret_exponent; at most 17 digits, the last one not 0. */
uint64_t number_shortest(double v, int *ret_exponent);

/* Writes the digits of v (less than 10^24 by its type) to to[24]; returns how many. */
size_t number_whole(uint64_t v, char *to);

#endif
