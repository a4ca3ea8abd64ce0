/* base/str.h - a borrowed run of bytes.
 *
 * struct str points into somebody else's memory, needs no terminating NUL and is passed by value.
 *
 * Threads: pure functions.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/attr.h"

struct str {
    const char *p; /* borrowed; may be NULL where n is 0 */
    size_t n;      /* bytes */
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_FMT      "%.*s"
#define STR_ARG(s)   ((int)(s).n), ((s).n ? (s).p : "")

static inline struct str str_of(const char *p, size_t n)
{
    return (struct str){p, n};
}

static inline struct str str_c(const char *text)
{
    return (struct str){text, text ? strlen(text) : 0};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Bytewise order, a prefix before what it begins: <0, 0, >0. */
int str_cmp(struct str a, struct str b);

bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);

/* The first position of c in s, or s.n. */
size_t str_find(struct str s, char c);

/* The first position of needle in s, or s.n; an empty needle is found at 0. */
size_t str_search(struct str s, struct str needle);

/* s[from, to), both cut to s.n. */
struct str str_sub(struct str s, size_t from, size_t to);

/* Without blanks, tabs and line ends at both sides. */
struct str str_trim(struct str s);

/* Takes what stands before the next separator off *rest into *ret; false at the end. An empty
 * rest gives nothing; "a,,b" gives "a", "", "b". Set rest->p to NULL to end. */
bool str_split(struct str *rest, char separator, struct str *ret);

/* The next run of bytes that are not blank or tab, taken off *rest; false at the end. */
bool str_word(struct str *rest, struct str *ret);

/* The value of a hexadecimal digit of either case; -1 for anything else. */
static inline int str_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* All of s as a decimal number; false for anything else or an overflow (ret untouched). */
bool str_u64(struct str s, uint64_t *ret);
bool str_i64(struct str s, int64_t *ret);

/* Is s well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, nothing above U+10FFFF)? */
bool str_utf8(struct str s);

#endif
