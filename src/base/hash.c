#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/attr.h"
#include "base/bits.h"

/* Castagnoli polynomial, reflected. */
static const uint32_t CRC32C_POLYNOMIAL = 0x82f63b78;

static uint32_t crc32c_plain(uint32_t crc, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? (crc >> 1) ^ CRC32C_POLYNOMIAL : crc >> 1;
    }
    return crc;
}

#ifdef __x86_64__
TARGET("sse4.2") static uint32_t crc32c_sse(uint32_t crc, const uint8_t *p, size_t n)
{
    uint64_t wide = crc;
    for (; n >= 8; n -= 8, p += 8)
        wide = __builtin_ia32_crc32di(wide, load64(p));
    crc = (uint32_t)wide;
    for (; n; n--, p++)
        crc = __builtin_ia32_crc32qi(crc, *p);
    return crc;
}

uint32_t hash_crc32c(uint32_t crc, const void *p, size_t n)
{
    if (__builtin_cpu_supports("sse4.2"))
        return ~crc32c_sse(~crc, p, n);
    return ~crc32c_plain(~crc, p, n);
}
#else
uint32_t hash_crc32c(uint32_t crc, const void *p, size_t n)
{
    return ~crc32c_plain(~crc, p, n);
}
#endif

uint64_t hash_xxh3(const void *p, size_t n, uint64_t seed)
{
    return XXH3_64bits_withSeed(p, n, seed);
}

uint64_t hash_xxh64(const void *p, size_t n)
{
    return XXH64(p, n, 0);
}
