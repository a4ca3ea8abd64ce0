/* client/trace/word.h - bytes as words of 8, so that other threads may read them while they are
 * written.
 *
 * A writer stores whole words with release, a reader loads them with acquire; whether they belong
 * together says a number beside them that changes before and after (a sequence lock whose data are
 * atomic: no fences, nothing that a race detector could object to, plain moves on x86).
 *
 * Threads: as above.
 */
#ifndef CLIENT_TRACE_WORD_H
#define CLIENT_TRACE_WORD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline void word_put(uint64_t *at, uint64_t value)
{
    __atomic_store_n(at, value, __ATOMIC_RELEASE);
}

static inline uint64_t word_get(const uint64_t *at)
{
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

/* How many words n bytes take. */
static inline size_t word_count(size_t n)
{
    return (n + 7) / 8;
}

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/* The word of 1..7 bytes, zeros behind them; without a loop. */
static inline uint64_t word_tail(const char *s, size_t n)
{
    if (n >= 4) {
        uint32_t low, high;
        memcpy(&low, s, 4);
        memcpy(&high, s + n - 4, 4);
        return low | (uint64_t)high << 8 * (n - 4);
    }
    const uint8_t *b = (const uint8_t *)s;
    return b[0] | (uint64_t)b[n / 2] << 8 * (n / 2) | (uint64_t)b[n - 1] << 8 * (n - 1);
}
#else
static inline uint64_t word_tail(const char *s, size_t n)
{
    uint64_t w = 0;
    memcpy(&w, s, n);
    return w;
}
#endif

/* Stores n bytes into word_count(n) words. */
static inline void word_write(uint64_t *to, const void *bytes, size_t n)
{
    const char *s = bytes;
    for (; n >= 8; n -= 8, s += 8) {
        uint64_t w;
        memcpy(&w, s, 8);
        word_put(to++, w);
    }
    if (n) {
        word_put(to, word_tail(s, n));
    }
}

/* Loads n words. */
static inline void word_read(uint64_t *to, const uint64_t *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        to[i] = word_get(from + i);
    }
}

#endif
