#include "text/number_shortest.h"

#include <pthread.h>
#include <string.h>

#include "base/bits.h"

/* 10^k for k in [POWER_MIN, POWER_MAX], 128 bits, the highest one set, rounded up. */
enum { POWER_MIN = -292, POWER_MAX = 324, POWERS = POWER_MAX - POWER_MIN + 1 };

struct power {
    uint64_t high, low;
};

static struct power powers[POWERS];

/* ---- the table, by whole numbers of enough limbs, lowest first */

enum { LIMBS = 22 }; /* 1408 bits: 10^324 has 1077, 2^1400 / 10^292 has 430 */

static void times_ten(uint64_t *x)
{
    unsigned __int128 carry = 0;
    for (size_t i = 0; i < LIMBS; i++) {
        carry += (unsigned __int128)x[i] * 10;
        x[i] = (uint64_t)carry;
        carry >>= 64;
    }
}

static void over_ten(uint64_t *x)
{
    unsigned __int128 rest = 0;
    for (size_t i = LIMBS; i-- > 0;) {
        rest = rest << 64 | x[i];
        x[i] = (uint64_t)(rest / 10);
        rest %= 10;
    }
}

/* The highest 128 bits; one more where bits were left out, or (inexact) digits were. */
static struct power highest(const uint64_t *x, bool inexact)
{
    size_t top = LIMBS - 1;
    while (x[top] == 0)
        top--;
    unsigned shift = (unsigned)__builtin_clzll(x[top]);
    uint64_t limb[3] = {x[top], top > 0 ? x[top - 1] : 0, top > 1 ? x[top - 2] : 0};
    struct power p = {limb[0], limb[1]};
    if (shift) {
        p.high = limb[0] << shift | limb[1] >> (64 - shift);
        p.low = limb[1] << shift | limb[2] >> (64 - shift);
        inexact |= limb[2] << shift != 0;
    } else {
        inexact |= limb[2] != 0;
    }
    for (size_t i = 0; i + 2 < top; i++)
        inexact |= x[i] != 0;
    p.low += inexact;
    p.high += inexact && p.low == 0;
    return p;
}

static void make_powers(void)
{
    uint64_t x[LIMBS] = {1};
    for (int k = 0; k <= POWER_MAX; k++, times_ten(x))
        powers[k - POWER_MIN] = highest(x, false);
    memset(x, 0, sizeof x);
    x[LIMBS - 1] = (uint64_t)1 << 56;
    for (int k = -1; k >= POWER_MIN; k--) {
        over_ten(x);
        powers[k - POWER_MIN] = highest(x, true);
    }
}

/* ---- Schubfach */

static uint64_t round_to_odd(const struct power *g, uint64_t c)
{
    unsigned __int128 x = (unsigned __int128)g->low * c, y = (unsigned __int128)g->high * c;
    y += (uint64_t)(x >> 64);
    return (uint64_t)(y >> 64) | ((uint64_t)y > 1);
}

/* floor(log10(2^e)), or of 3/4 of it. */
static int floor_log10(int e, bool closer)
{
    return (e * 1262611 - (closer ? 524031 : 0)) >> 22;
}

/* floor(log2(10^e)) */
static int floor_log2(int e)
{
    return (e * 1741647) >> 19;
}

/* The whole number nearest to v of the fewest digits that still reads back as v: c * 2^q. */
static uint64_t shortest(uint64_t c, int q, bool closer, int *ret_k)
{
    bool odd = c & 1;
    int k = floor_log10(q, closer), h = q + floor_log2(-k) + 1;
    const struct power *g = &powers[-k - POWER_MIN];
    uint64_t lower = round_to_odd(g, (4 * c - 2 + closer) << h) + odd;
    uint64_t middle = round_to_odd(g, 4 * c << h);
    uint64_t upper = round_to_odd(g, (4 * c + 2) << h) - odd;
    uint64_t s = middle / 4;
    *ret_k = k;
    if (s >= 10) {
        uint64_t tens = s / 10;
        bool below = lower <= 40 * tens, above = 40 * tens + 40 <= upper;
        if (below != above) {
            *ret_k = k + 1;
            return tens + above;
        }
    }
    bool below = lower <= 4 * s, above = 4 * s + 4 <= upper;
    if (below != above)
        return s + above;
    return s + (middle > 4 * s + 2 || (middle == 4 * s + 2 && (s & 1)));
}

uint64_t number_shortest(double v, int *ret_exponent)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    uint64_t bits = double_bits(v), fraction = bits & (((uint64_t)1 << 52) - 1);
    int biased = (int)(bits >> 52 & 0x7ff), k;
    pthread_once(&once, make_powers);
    uint64_t c = biased ? fraction | (uint64_t)1 << 52 : fraction;
    int q = (biased ? biased : 1) - 1075;
    uint64_t s = shortest(c, q, fraction == 0 && biased > 1, &k);
    while (s % 10000 == 0 && s) {
        s /= 10000;
        k += 4;
    }
    while (s % 10 == 0 && s) {
        s /= 10;
        k++;
    }
    *ret_exponent = k;
    return s;
}

/* ---- digits */

static const char PAIRS[] = "00010203040506070809101112131415161718192021222324252627282930313233"
                            "34353637383940414243444546474849505152535455565758596061626364656667"
                            "6869707172737475767778798081828384858687888990919293949596979899";

/* Exactly 8 digits. */
static void put_eight(uint32_t v, char *to)
{
    uint32_t high = v / 10000, low = v % 10000;
    memcpy(to, PAIRS + 2 * (high / 100), 2);
    memcpy(to + 2, PAIRS + 2 * (high % 100), 2);
    memcpy(to + 4, PAIRS + 2 * (low / 100), 2);
    memcpy(to + 6, PAIRS + 2 * (low % 100), 2);
}

size_t number_whole(uint64_t v, char *to)
{
    char digits[24];
    memset(digits, '0', 8);
    put_eight((uint32_t)(v / 10000000000000000 % 100000000), digits);
    put_eight((uint32_t)(v / 100000000 % 100000000), digits + 8);
    put_eight((uint32_t)(v % 100000000), digits + 16);
    size_t at = v < 100000000 ? 16 : v < 10000000000000000 ? 8 : 0;
    while (at < 23 && digits[at] == '0')
        at++;
    memcpy(to, digits + at, 24 - at);
    return 24 - at;
}
