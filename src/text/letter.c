#include "text/letter.h"

#include <locale.h>
#include <pthread.h>
#include <wctype.h>

enum { REPLACEMENT = 0xfffd, ASCII_END = 0x80 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static locale_t unicode; /* 0: the system has no such locale, only ASCII has cases */

static void open_locale(void)
{
    unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

uint32_t letter_upper(uint32_t c)
{
    if (c < ASCII_END)
        return c >= 'a' && c <= 'z' ? c - ('a' - 'A') : c;
    pthread_once(&once, open_locale);
    return unicode ? (uint32_t)towupper_l((wint_t)c, unicode) : c;
}

uint32_t letter_lower(uint32_t c)
{
    if (c < ASCII_END)
        return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
    pthread_once(&once, open_locale);
    return unicode ? (uint32_t)towlower_l((wint_t)c, unicode) : c;
}

uint32_t letter_next(struct str s, size_t *ret_n)
{
    unsigned char first = (unsigned char)s.p[0];
    size_t n = first < ASCII_END ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    *ret_n = 1;
    if (n == 1)
        return first;
    if (n > s.n || !str_utf8(str_sub(s, 0, n)))
        return REPLACEMENT;
    uint32_t c = first & (0x7fu >> n);
    for (size_t i = 1; i < n; i++)
        c = c << 6 | ((unsigned char)s.p[i] & 0x3f);
    *ret_n = n;
    return c;
}

void letter_put(uint32_t c, struct buf *out)
{
    static const uint8_t LEAD[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t n = c < ASCII_END ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    char bytes[4] = {(char)c};
    for (size_t i = n; n > 1 && i-- > 0; c >>= 6)
        bytes[i] = (char)(i ? 0x80 | (c & 0x3f) : LEAD[n] | c);
    buf_put(out, bytes, n);
}

static void put_all(struct str s, uint32_t (*turn)(uint32_t c), struct buf *out)
{
    size_t n;
    for (; s.n > 0; s = str_sub(s, n, s.n))
        letter_put(turn(letter_next(s, &n)), out);
}

void letter_put_upper(struct str s, struct buf *out)
{
    put_all(s, letter_upper, out);
}

void letter_put_lower(struct str s, struct buf *out)
{
    put_all(s, letter_lower, out);
}
